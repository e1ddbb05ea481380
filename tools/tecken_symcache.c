
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/* tecken-symcache: symcaches on the command line. */


#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tecken_symcache.h"


typedef struct {
    void            *map;
    size_t           size;
    tk_symcache_t    sc;
} file_t;


static int command_build(int argc, char **argv,
    const tool_options_t *options);
static int command_lookup(int argc, char **argv,
    const tool_options_t *options);
static int command_info(int argc, char **argv, const tool_options_t *options);
static int command_verify(int argc, char **argv,
    const tool_options_t *options);

static char *output_name(const char *in);
static void remove_output(int signo);
static int file_open(file_t *f, const char *name,
    const tool_options_t *options);
static void file_close(file_t *f);
static int lookup_one(const file_t *f, const char *text,
    tk_symcache_frame_t *frames, uint8_t *name);
static void print_frame(const tk_symcache_t *sc,
    const tk_symcache_frame_t *frame, const uint64_t *offset, uint8_t *name);
static void print_text(const char *key, const void *data, size_t len);


static const struct {
    const char  *name;
    int         (*run)(int argc, char **argv, const tool_options_t *options);
    int          min;
    int          max;
} commands[] = {
    { "build", command_build, 1, 2 },
    { "lookup", command_lookup, 2, 1 << 20 },
    { "info", command_info, 1, 1 },
    { "verify", command_verify, 1, 1 << 20 },
};


static const char  usage[] =
    "usage: tecken-symcache [OPTION]... build IN.sym[.gz] [OUT]\n"
    "       tecken-symcache [OPTION]... lookup FILE ADDRESS...\n"
    "       tecken-symcache info FILE\n"
    "       tecken-symcache verify FILE...\n"
    "\n"
    "  build    makes a symcache; IN may be \"-\", then OUT is needed; else\n"
    "           OUT is IN with .symcache for .sym or .sym.gz\n"
    "  lookup   frames at offsets in the module, hexadecimal, as JSON, a line\n"
    "           for each; \"-\" reads them from stdin\n"
    "  info     what is in it\n"
    "  verify   reads all of it, and says whether it is right\n"
    "\n"
    "FILE is a symcache; lookup and info take a .sym or .sym.gz too.\n"
    "\n"
    "  -s, --strict        a malformed record is an error, as with the\n"
    "                      symbolic library; otherwise it is left out\n"
    "  -i, --debug-id=ID   an error if IN is that of another debug id\n"
    "  -q, --quiet         neither progress nor a summary\n"
    "  -h, --help          this text\n"
    "\n"
    "Exit status: 0; 1 when a file does not hold what it should; 2 when\n"
    "something else went wrong.\n";


static const char  *output;      /* a temporary file, to be removed */


int
main(int argc, char **argv)
{
    int             c, rc;
    size_t          i;
    tool_options_t  options;

    static const struct option  longs[] = {
        { "strict", no_argument, NULL, 's' },
        { "debug-id", required_argument, NULL, 'i' },
        { "quiet", no_argument, NULL, 'q' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 }
    };

    memset(&options, 0, sizeof(options));

    while ((c = getopt_long(argc, argv, "si:qh", longs, NULL)) != -1) {
        switch (c) {

        case 's':
            options.strict = 1;
            break;

        case 'i':
            options.id = optarg;
            break;

        case 'q':
            options.quiet = 1;
            break;

        case 'h':
            fputs(usage, stdout);
            return TOOL_OK;

        default:
            fputs(usage, stderr);
            return TOOL_ERROR;
        }
    }

    argc -= optind;
    argv += optind;

    for (i = 0; argc && i < sizeof(commands) / sizeof(commands[0]); i++) {

        if (strcmp(commands[i].name, argv[0]) != 0
            || argc - 1 < commands[i].min || argc - 1 > commands[i].max)
        {
            continue;
        }

        rc = commands[i].run(argc - 1, argv + 1, &options);

        if (fflush(stdout) != 0 || ferror(stdout)) {
            return tool_error(TOOL_ERROR, "cannot write to stdout: %s",
                              strerror(errno));
        }

        return rc;
    }

    fputs(usage, stderr);

    return TOOL_ERROR;
}


int
tool_error(int status, const char *fmt, ...)
{
    va_list  args;

    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r\033[K");
    }

    fprintf(stderr, "tecken-symcache: ");

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);

    fputc('\n', stderr);

    return status;
}


static int
command_build(int argc, char **argv, const tool_options_t *options)
{
    int                  fd, rc;
    char                *out, *temp;
    mode_t               mask;
    struct sigaction     sa;
    tk_symcache_stat_t   stat;

    static const int  signals[] = { SIGHUP, SIGINT, SIGTERM, SIGPIPE };

    if (argc == 1 && strcmp(argv[0], "-") == 0) {
        return tool_error(TOOL_ERROR, "the name of the output is missing");
    }

    out = argc == 2 ? strdup(argv[1]) : output_name(argv[0]);

    if (out == NULL || asprintf(&temp, "%s.XXXXXX", out) == -1) {
        free(out);
        return tool_error(TOOL_ERROR, "no memory");
    }

    /* beside the output, so that it can be renamed */

    fd = mkostemp(temp, O_CLOEXEC);

    if (fd == -1) {
        rc = tool_error(TOOL_ERROR, "cannot create %s: %s", temp,
                        strerror(errno));
        goto done;
    }

    output = temp;

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = remove_output;
    sa.sa_flags = (int) SA_RESETHAND;

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        sigaction(signals[i], &sa, NULL);
    }

    mask = umask(0);
    umask(mask);

    rc = tool_build(argv[0], fd, options, &stat);

    if (rc == TOOL_OK
        && (fchmod(fd, 0666 & ~mask) == -1 || rename(temp, out) == -1))
    {
        rc = tool_error(TOOL_ERROR, "cannot rename %s to %s: %s", temp, out,
                        strerror(errno));
    }

    if (rc != TOOL_OK) {
        (void) unlink(temp);
    }

    output = NULL;

    (void) close(fd);

    if (rc == TOOL_OK && !options->quiet) {
        printf("%s: %.1f MB from %.1f MB, %" PRIu64 " functions, %" PRIu64
               " public symbols, %" PRIu64 " lines, %" PRIu64 " inlines",
               out, (double) stat.size / 1e6, (double) stat.read / 1e6,
               stat.functions, stat.publics, stat.lines, stat.inlines);

        if (stat.dropped) {
            printf(", %" PRIu64 " malformed records left out", stat.dropped);
        }

        putchar('\n');
    }

done:

    free(temp);
    free(out);

    return rc;
}


/* libxul.so.sym.gz -> libxul.so.symcache */

static char *
output_name(const char *in)
{
    char    *out;
    size_t   len;

    len = strlen(in);

    if (len > 3 && strcmp(in + len - 3, ".gz") == 0) {
        len -= 3;
    }

    if (len > 4 && strncmp(in + len - 4, ".sym", 4) == 0) {
        len -= 4;
    }

    return asprintf(&out, "%.*s.symcache", (int) len, in) == -1 ? NULL : out;
}


static void
remove_output(int signo)
{
    if (output) {
        (void) unlink(output);
    }

    (void) raise(signo);
}


static int
command_lookup(int argc, char **argv, const tool_options_t *options)
{
    int                   i, rc;
    char                 *line;
    size_t                size;
    file_t                f;
    uint8_t              *name;
    tk_symcache_frame_t  *frames;

    rc = file_open(&f, argv[0], options);
    if (rc != TOOL_OK) {
        return rc;
    }

    frames = calloc(TK_SYMCACHE_FRAMES, sizeof(tk_symcache_frame_t));
    name = malloc((size_t) f.sc.name_max + 1);

    if (frames == NULL || name == NULL) {
        rc = tool_error(TOOL_ERROR, "no memory");
        goto done;
    }

    for (i = 1; i < argc && rc == TOOL_OK; i++) {

        if (strcmp(argv[i], "-") != 0) {
            rc = lookup_one(&f, argv[i], frames, name);
            continue;
        }

        line = NULL;
        size = 0;

        while (rc == TOOL_OK && getline(&line, &size, stdin) != -1) {
            line[strcspn(line, " \t\r\n")] = '\0';

            if (line[0]) {
                rc = lookup_one(&f, line, frames, name);
            }
        }

        free(line);
    }

done:

    free(frames);
    free(name);
    file_close(&f);

    return rc;
}


/* keys and spaces as in the API's answers */

static int
lookup_one(const file_t *f, const char *text, tk_symcache_frame_t *frames,
    uint8_t *name)
{
    char           *end;
    size_t          i, n;
    uint64_t        offset;
    const tk_str_t *module;

    errno = 0;
    offset = strtoull(text, &end, 16);

    if (errno || end == text || *end || !isxdigit((unsigned char) text[0])) {
        return tool_error(TOOL_ERROR, "\"%s\" is no hexadecimal address",
                          text);
    }

    module = f->sc.module.len ? &f->sc.module : &f->sc.name;

    printf("{");
    print_text("module", module->data, module->len);
    printf(", \"module_offset\": \"0x%" PRIx64 "\"", offset);

    n = tk_symcache_lookup(&f->sc, offset, frames, TK_SYMCACHE_FRAMES);

    if (n) {
        printf(", ");
        print_frame(&f->sc, &frames[n - 1], &offset, name);
    }

    if (n > 1) {
        printf(", \"inlines\": [");

        for (i = 0; i < n - 1; i++) {
            printf(i ? ", {" : "{");
            print_frame(&f->sc, &frames[i], NULL, name);
            printf("}");
        }

        printf("]");
    }

    printf("}\n");

    return TOOL_OK;
}


static void
print_frame(const tk_symcache_t *sc, const tk_symcache_frame_t *frame,
    const uint64_t *offset, uint8_t *name)
{
    size_t  len;

    len = tk_symcache_function(sc, frame->function, name, sc->name_max);

    print_text("function", name, len);

    if (offset) {
        printf(", \"function_offset\": \"%s0x%" PRIx64 "\"",
               *offset < frame->entry ? "-" : "",
               *offset < frame->entry ? frame->entry - *offset
                                      : *offset - frame->entry);
    }

    if (frame->file.len) {
        printf(", ");
        print_text("file", frame->file.data, frame->file.len);

        if (frame->line) {
            printf(", \"line\": %" PRIu32, frame->line);
        }
    }
}


/* escaped already */

static void
print_text(const char *key, const void *data, size_t len)
{
    printf("\"%s\": \"", key);
    fwrite(data, 1, len, stdout);
    putchar('"');
}


static int
command_info(int argc, char **argv, const tool_options_t *options)
{
    int                   rc;
    file_t                f;
    const tk_symcache_t  *sc;

    (void) argc;

    rc = file_open(&f, argv[0], options);
    if (rc != TOOL_OK) {
        return rc;
    }

    sc = &f.sc;

#define field(name, text)                                                     \
    printf("%-10s %.*s\n", name, (int) (text).len, (char *) (text).data)
#define number(name, n)                                                       \
    printf("%-10s %" PRIu64 "\n", name, (uint64_t) (n))

    field("name", sc->name);

    if (sc->module.len) {
        field("shown as", sc->module);
    }

    field("debug id", sc->debug_id);
    field("system", sc->os);
    field("processor", sc->arch);
    number("version", TK_SYMCACHE_VERSION);
    number("bytes", f.size);
    number("functions", sc->functions);
    number("public", sc->publics);
    number("lines", sc->lines);
    number("inlines", sc->inlines);
    number("dropped", sc->dropped);
    printf("%-10s %s\n", "strict", sc->strict ? "yes" : "no");

#undef field
#undef number

    file_close(&f);

    return TOOL_OK;
}


static int
command_verify(int argc, char **argv, const tool_options_t *options)
{
    int          i, rc, one;
    file_t       f;
    const char  *reason;

    (void) options;

    rc = TOOL_OK;

    for (i = 0; i < argc; i++) {

        one = file_open(&f, argv[i], NULL);

        if (one == TOOL_OK) {
            if (tk_symcache_verify(&f.sc, &reason) == 0) {
                printf("%s: right\n", argv[i]);

            } else {
                one = tool_error(TOOL_BAD, "%s: %s", argv[i], reason);
            }

            file_close(&f);
        }

        if (one > rc) {
            rc = one;
        }
    }

    return rc;
}


/* options: if it is a .sym, it is built into memory; NULL: that is an error */

static int
file_open(file_t *f, const char *name, const tool_options_t *options)
{
    int                  fd, rc;
    char                 magic[8];
    const char          *reason;
    struct stat          st;
    tk_symcache_stat_t   stat;

    memset(f, 0, sizeof(file_t));

    fd = open(name, O_RDONLY|O_CLOEXEC);

    if (fd == -1) {
        return tool_error(TOOL_ERROR, "cannot open %s: %s", name,
                          strerror(errno));
    }

    rc = TOOL_ERROR;

    if (options && pread(fd, magic, 7, 0) == 7
        && (memcmp(magic, "MODULE ", 7) == 0
            || memcmp(magic, "\x1f\x8b", 2) == 0))
    {
        (void) close(fd);

        fd = memfd_create(name, MFD_CLOEXEC);

        if (fd == -1) {
            return tool_error(TOOL_ERROR, "cannot create a file in memory: "
                              "%s", strerror(errno));
        }

        rc = tool_build(name, fd, options, &stat);

        if (rc != TOOL_OK) {
            goto failed;
        }

        rc = TOOL_ERROR;
    }

    if (fstat(fd, &st) == -1) {
        (void) tool_error(rc, "cannot look at %s: %s", name, strerror(errno));
        goto failed;
    }

    if (!S_ISREG(st.st_mode)) {
        (void) tool_error(rc, "%s is no file", name);
        goto failed;
    }

    if (st.st_size == 0) {
        rc = tool_error(TOOL_BAD, "%s is empty", name);
        goto failed;
    }

    f->size = (size_t) st.st_size;
    f->map = mmap(NULL, f->size, PROT_READ, MAP_SHARED, fd, 0);

    if (f->map == MAP_FAILED) {
        (void) tool_error(rc, "cannot map %s: %s", name, strerror(errno));
        goto failed;
    }

    if (tk_symcache_open(&f->sc, f->map, f->size, &reason) != 0) {
        rc = tool_error(TOOL_BAD, "%s: %s", name, reason);
        (void) munmap(f->map, f->size);
        goto failed;
    }

    rc = TOOL_OK;

failed:

    (void) close(fd);

    return rc;
}


static void
file_close(file_t *f)
{
    (void) munmap(f->map, f->size);
}
