
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <errno.h>
#include <fcntl.h>

#include "tk_symcache_tap.h"
#include "tk_tap.h"


#define TK_SYM_LINE_MAX  (1024 * 1024)   /* as documented */

#define ID    "0123456789ABCDEF0123456789ABCDEF1"
#define HEAD  "MODULE Linux x86_64 " ID " m.so\n"


static built_t        made;
static tk_symcache_t  sc;


static void
make(const tk_symcache_build_conf_t *conf, const char *text, size_t len)
{
    const char  *reason;

    built(&made, conf, text, len, 0, NULL);

    if (made.rc == TK_SYM_OK
        && tk_symcache_open(&sc, made.data, made.size, &reason) != 0)
    {
        printf("Bail out! %s\n", reason);
        exit(1);
    }
}


/* "function+offset file:line < function file:line < ...", innermost first */

static const char *
answer(uint64_t addr)
{
    size_t               i, n, len;
    char                *p;
    uint8_t              name[256];

    static char                 text[4096];
    static tk_symcache_frame_t  frames[TK_SYMCACHE_FRAMES];

    n = tk_symcache_lookup(&sc, addr, frames, TK_SYMCACHE_FRAMES);
    p = text;
    *p = '\0';

    for (i = 0; i < n; i++) {
        len = tk_symcache_function(&sc, frames[i].function, name,
                                   sizeof(name));

        p += sprintf(p, "%s%.*s", i ? " < " : "", (int) len, name);

        if (i == n - 1) {
            p += sprintf(p, "%+lld", (long long) addr - frames[i].entry);
        }

        if (frames[i].file.len) {
            p += sprintf(p, " %.*s:%u", (int) frames[i].file.len,
                         frames[i].file.data, frames[i].line);
        }
    }

    return text;
}


static void
is(uint64_t addr, const char *want, const char *name)
{
    const char  *got;

    got = answer(addr);
    tap_is_bytes(got, strlen(got), want, strlen(want), name);
}


/* a record that is malformed costs itself; strict: the file */

static void
test_malformed(void)
{
    size_t                    i;
    char                      text[1024];
    tk_symcache_build_conf_t  strict;

    static const struct {
        const char  *record;            /* between the lines of f */
        unsigned     dropped;
        unsigned     fails;             /* in strict mode */
        const char  *after;             /* at 1008 */
        const char  *error;
    } cases[] = {
        { "", 0, 0, "f+8 a.c:2", NULL },
        { "  \t", 0, 0, "f+8 a.c:2", NULL },
        { "nonsense here", 1, 1, "f+8 a.c:2", "line" },
        { "1008 8 7", 1, 1, "f+8 a.c:2", "line" },
        { "1008 8 7 0 0", 1, 1, "f+8 a.c:2", "line" },
        { "1008 8 --7 0", 1, 1, "f+8 a.c:2", "line" },
        { "1008 8 7 0x", 1, 1, "f+8 a.c:2", "line" },
        { "g008 8 7 0", 1, 1, "f+8 a.c:2", "line" },
        { "1008 8 a 0", 1, 1, "f+8 a.c:2", "line" },
        { "1008 8 7 a", 1, 1, "f+8 a.c:2", "line" },
        { "11111111111111111 8 7 0", 1, 1, "f+8 a.c:2", "line" },
        { "1008 8 99999999999999999999 0", 1, 1, "f+8 a.c:2", "line" },
        { "1008 8 7 0\xff", 1, 1, "f+8 a.c:2", "line" },
        { "FILE 1 b.c", 1, 1, "f+8 a.c:2", "line" },
        { "INFO x", 1, 1, "f+8 a.c:2", "line" },
        { "INLINE 0 1 0 0", 1, 1, "f+8 a.c:2", "INLINE" },
        { "INLINE 0 1 0 0 1000", 1, 1, "f+8 a.c:2", "INLINE" },
        { "INLINE 0 1 0 0 1000 8 10", 1, 1, "f+8 a.c:2", "INLINE" },
        { "INLINE 0 1 0 1000 8", 1, 1, "f+8 a.c:2", "INLINE" },
        { "INLINE_ORIGIN 0", 1, 1, "f+8 a.c:2", "INLINE_ORIGIN" },
        { "INLINE_ORIGIN x y", 1, 1, "f+8 a.c:2", "INLINE_ORIGIN" },
        { "FUNC 2000 10", 1, 1, "f+8", "FUNC" },
        { "FUNC 2000 10 0\xff", 1, 1, "f+8", "FUNC" },
        { "FUNC 2000 g 0 x", 1, 1, "f+8", "FUNC" },

        /* symbolic passes over these itself */

        { "PUBLIC 2000", 1, 0, "f+8", NULL },
        { "PUBLIC g 0 x", 1, 0, "f+8", NULL },

        { "FUNC 2000 0 0 empty", 0, 0, "f+8", NULL },
        { "1000 0 9 0", 0, 0, "f+8 a.c:2", NULL },
        { "0000000000000000000001008 8 2 0", 0, 0, "f+8 a.c:2", NULL },
        { "1004 4 5 0  ", 0, 0, "f+8 a.c:2", NULL },
        { "1004\t4  5\t0", 0, 0, "f+8 a.c:2", NULL },
    };

    memset(&strict, 0, sizeof(strict));
    strict.strict = 1;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sprintf(text, HEAD "FILE 0 a.c\nFUNC 1000 10 0 f\n%s\n1008 8 2 0\n"
                "PUBLIC 3000 0 p\n", cases[i].record);

        make(NULL, text, strlen(text));
        is(0x1008, cases[i].after, cases[i].record);
        is(0x3000, "p+0", "what is behind is there");
        tap_is_int((int64_t) sc.dropped, cases[i].dropped, "counted");
        tap_is_int((int64_t) made.stat.dropped, cases[i].dropped,
                   "and told");
        free(made.data);

        make(&strict, text, strlen(text));
        tap_is_int(made.rc == TK_SYM_ERROR, cases[i].fails, "strict");

        if (cases[i].fails) {
            sprintf(text, "line 4: malformed %s record", cases[i].error);
            tap_is_str(made.error, strlen(made.error), text, "says where");
            tap_is_int(made.code, TK_SYM_EMALFORMED, "and what");

        } else {
            tap_is_int(sc.strict, 1, "and says so");
        }

        free(made.data);
    }
}


static void
test_modules(void)
{
    size_t                    i;
    tk_symcache_build_conf_t  conf;

    static const struct {
        const char      *text;
        const char      *id;            /* that is asked for */
        tk_sym_error_t   code;
    } cases[] = {
        { HEAD, "", TK_SYM_ENONE },
        { "MODULE Linux x86_64 " ID, "", TK_SYM_ENONE },
        { "MODULE mac ARM64 " ID " a b\r\n", "", TK_SYM_ENONE },
        { "MODULE windows x86 3e1a2b4c2 a.pdb\n", "", TK_SYM_ENONE },
        { "MODULE windows x86 3e1a2b4c2 a.pdb\n", "3E1A2B4C2", TK_SYM_ENONE },
        { HEAD, ID, TK_SYM_ENONE },
        { HEAD, "0123456789abcdef0123456789abcdef1", TK_SYM_ENONE },
        { HEAD, "0123456789abcdef0123456789abcdef2", TK_SYM_EID },
        { HEAD, "0123456789abcdef0123456789abcdef", TK_SYM_EID },
        { HEAD, "ABC1", TK_SYM_EID },
        { HEAD, "no id at all, and longer than any that there is in the "
          "world of symbols", TK_SYM_EID },

        { "", "", TK_SYM_EMALFORMED },
        { "\n", "", TK_SYM_EMALFORMED },
        { "\n" HEAD, "", TK_SYM_EMALFORMED },
        { " " HEAD, "", TK_SYM_EMALFORMED },
        { "<!DOCTYPE html>\n", "", TK_SYM_EMALFORMED },
        { "\x1f\x8b\x08", "", TK_SYM_EMALFORMED },
        { "MODULE", "", TK_SYM_EMALFORMED },
        { "MODULE Linux x86_64\n", "", TK_SYM_EMALFORMED },
        { "MODULE Linux z80 " ID " a\n", "", TK_SYM_EMALFORMED },
        { "MODULE Linux x86_64 0123 a\n", "", TK_SYM_EMALFORMED },
        { "MODULE Linux x86_64 x" ID " a\n", "", TK_SYM_EMALFORMED },
        { "MODULE Linux x86_64 " ID " \xff\n", "", TK_SYM_EMALFORMED },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(&conf, 0, sizeof(conf));
        conf.debug_id.data = (const uint8_t *) cases[i].id;
        conf.debug_id.len = strlen(cases[i].id);

        make(&conf, cases[i].text, strlen(cases[i].text));
        tap_is_int(made.code, cases[i].code, cases[i].text);
        tap_ok((made.rc == TK_SYM_OK) == (cases[i].code == TK_SYM_ENONE),
               "in time");
        tap_ok((made.error[0] == '\0') == (cases[i].code == TK_SYM_ENONE),
               "says \"%s\"", made.error);
        free(made.data);
    }
}


/* what Eliot shows instead of the debug file */

static void
test_names(void)
{
    size_t  i;
    char    text[1024];

    static const struct {
        const char  *records;
        const char  *module;
    } cases[] = {
        { "", "" },
        { "INFO CODE_ID 5A4F xul.dll\n", "xul.dll" },
        { "INFO CODE_ID 5A4F xul.dll\r\n", "xul.dll" },
        { "INFO CODE_ID 5A4F \"x\\\xc3\xa9.dll\n",
          "\\\"x\\\\\\u00e9.dll" },
        { "INFO CODE_ID 5A4F\n", "" },
        { "INFO CODE_ID 5A4F a b.dll\n", "" },
        { "INFO CODE_ID 5A4F\nINFO CODE_ID 5A4F b.dll\n", "" },
        { "INFO GENERATOR mozilla/dump_syms 2.3.1\n", "2.3.1" },
        { "FOO\nINFO CODE_ID 5A4F a.dll\n", "a.dll" },
        { "FILE 0 a.c\nINFO CODE_ID 5A4F a.dll\n", "" },
        { "PUBLIC 1 0 x\nINFO CODE_ID 5A4F a.dll\n", "" },
        { "FUNC 1 1 0 x\nINFO CODE_ID 5A4F a.dll\n", "" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sprintf(text, "MODULE windows x86_64 %s a \"b\".pdb  \n%s",
                "0123456789abcdef0123456789abcdef1", cases[i].records);
        make(NULL, text, strlen(text));

        tap_is_str(sc.module.data, sc.module.len, cases[i].module,
                   cases[i].records);
        free(made.data);
    }

    make(NULL, text, strlen(text));
    tap_is_str(sc.name.data, sc.name.len, "a \\\"b\\\".pdb", "its name");
    tap_is_str(sc.os.data, sc.os.len, "windows", "its system");
    tap_is_str(sc.arch.data, sc.arch.len, "x86_64", "its processor");
    tap_is_str(sc.debug_id.data, sc.debug_id.len, ID, "its id");
    free(made.data);
}


/* 1 when a text becomes another file if it is cut like that, or is read
 * otherwise */

static unsigned
differs(const built_t *whole, const tk_symcache_build_conf_t *conf,
    const char *text, size_t len, size_t step, const size_t *ends)
{
    built_t   other;
    unsigned  wrong;

    built(&other, conf, text, len, step, ends);
    wrong = (other.size != whole->size
             || memcmp(other.data, whole->data, whole->size) != 0);
    free(other.data);

    return wrong;
}


static void
test_pieces(void)
{
    char                      *text;
    size_t                     i, len, ends[2];
    built_t                    whole;
    unsigned                   wrong;
    tk_symcache_build_conf_t   narrow;

    static const char  small[] =
        HEAD "INFO CODE_ID 1\nFILE 0 a.c\r\nFILE 1 b\\c.h\n"
        "INLINE_ORIGIN 0 in<a, b>(c)\nPUBLIC 900 0 p\n"
        "FUNC m 1000 40 0 f(\xc3\xa9)\nINLINE 0 12 0 0 1008 8 1020 8\n"
        "1000 8 10 0\n1008 8 50 1\n1010 10 13 0\n1020 8 51 1\n"
        "1028 18 15 0\nFUNC 1040 8 0 g\n1040 8 1 0";

    built(&whole, NULL, small, sizeof(small) - 1, 0, NULL);
    ends[1] = 0;
    wrong = 0;

    for (i = 1; i < sizeof(small) - 1; i++) {
        ends[0] = i;
        wrong += differs(&whole, NULL, small, sizeof(small) - 1, 0, ends);
        wrong += differs(&whole, NULL, small, sizeof(small) - 1, i, NULL);
    }

    tap_is_int(wrong, 0, "cut at any place, and in pieces of any size");
    free(whole.data);

    text = tap_read_file("t/data/symbols/qipcap64.pdb/"
                         "293A285ED25871934C4C44205044422E1/qipcap64.sym",
                         &len);
    built(&whole, NULL, text, len, 0, NULL);
    wrong = 0;

    for (i = 1; i < 200; i += 13) {
        wrong += differs(&whole, NULL, text, len, i, NULL);
    }

    tap_is_int(whole.rc, TK_SYM_OK, "a real file");
    tap_is_int(wrong, 0, "in pieces");

    memset(&narrow, 0, sizeof(narrow));
    narrow.narrow = 1;

    tap_is_int(differs(&whole, &narrow, text, len, 0, NULL), 0,
               "without AVX2");
    free(whole.data);
    free(text);
}


/* nothing behind the first STACK record counts */

static void
test_stack(void)
{
    static const char  text[] =
        HEAD "PUBLIC 10 0 p\nSTACK CFI INIT 1000 10 .cfa: 1\nnonsense\n"
        "PUBLIC 20 0 q\nFUNC bad\n";

    size_t                    n;
    tk_symcache_build_t      *b;
    tk_symcache_build_conf_t  conf;

    make(NULL, text, sizeof(text) - 1);
    is(0x20, "p+16", "a PUBLIC behind STACK");
    tap_is_int((int64_t) sc.dropped, 0, "what is not looked at is not wrong");
    free(made.data);

    memset(&conf, 0, sizeof(conf));
    conf.fd = memfd_create("symcache", 0);
    b = tk_symcache_build_create(&conf);
    n = (size_t) (strstr(text, "STACK") - text);

    tap_is_int(tk_symcache_build_feed(b, (const uint8_t *) text, n + 6),
               TK_SYM_OK, "a line that has not ended");
    tap_is_int(tk_symcache_build_feed(b, (const uint8_t *) text + n + 6, 30),
               TK_SYM_DONE, "no more is needed");
    tap_is_int(tk_symcache_build_feed(b, (const uint8_t *) "x", 1),
               TK_SYM_DONE, "nor taken");
    tap_is_int(tk_symcache_build_finish(b, NULL), TK_SYM_OK, "complete");
    tap_is_int(tk_symcache_build_finish(b, NULL), TK_SYM_ERROR, "only once");

    tk_symcache_build_destroy(b);
    tk_symcache_build_destroy(NULL);
    close(conf.fd);
}


static void
test_long(void)
{
    char    *text, *name;
    size_t   n, len;

    name = malloc(3000000);
    text = malloc(3000000);

    memset(name, 'x', 3000000);
    name[81999] = '"';
    name[82000] = '\0';

    n = (size_t) sprintf(text, HEAD "FILE 0 a.c\nINLINE_ORIGIN 0 %s\n"
                         "FUNC 1000 10 0 %s\nINLINE 0 5 0 0 1000 8\n"
                         "1000 10 1 0\n", name, name);
    make(NULL, text, n);

    tap_is_int(sc.name_max, 82001, "the longest name, as in JSON");
    len = tk_symcache_function(&sc, 0, NULL, 0);
    tap_is_int((int64_t) len, 0, "the first is \"\"");
    free(made.data);

    /* a line of just a MiB, and one of a byte more */

    memset(name, 'x', 3000000);
    name[TK_SYM_LINE_MAX - 16] = '\0';
    n = (size_t) sprintf(text, HEAD "FUNC 1000 10 0 %s\n1000 10 1 0\n"
                         "PUBLIC 2000 0 p\n", name);
    make(NULL, text, n);
    tap_is_int((int64_t) sc.functions, 1, "a MiB is a line");
    tap_is_int((int64_t) sc.dropped, 0, "that is right");
    free(made.data);

    name[TK_SYM_LINE_MAX - 16] = 'x';
    name[TK_SYM_LINE_MAX - 14] = '\0';
    n = (size_t) sprintf(text, HEAD "FUNC 1000 10 0 %s\n1000 10 1 0\n"
                         "PUBLIC 2000 0 p\n", name);
    make(NULL, text, n);
    tap_is_int((int64_t) sc.functions, 0, "more is none");
    tap_is_int((int64_t) sc.dropped, 1, "and is counted");
    is(0x2000, "p+0", "what is behind counts");
    free(made.data);

    built(&made, NULL, text, n, 4096, NULL);
    tap_is_int((int64_t) made.stat.dropped, 1, "in pieces too");
    free(made.data);

    free(text);
    free(name);
}


static void
test_output(void)
{
    int                       fd;
    tk_symcache_build_conf_t  conf;

    static const char  text[] = HEAD "FUNC 1000 10 0 f\n1000 10 1 0\n";

    memset(&conf, 0, sizeof(conf));

    fd = open("/dev/full", O_RDWR);
    conf.fd = fd;
    make(&conf, text, sizeof(text) - 1);
    tap_is_int(made.code, TK_SYM_EOUTPUT, "no space");
    tap_is_int(made.error_errno, ENOSPC, "its errno");
    close(fd);

    fd = open("/dev/null", O_RDONLY);
    conf.fd = fd;
    make(&conf, text, sizeof(text) - 1);
    tap_is_int(made.code, TK_SYM_EOUTPUT, "not writable");
    tap_is_int(made.error_errno, EBADF, "its errno");
    close(fd);

    conf.fd = 0;
    conf.max_size = 3 * 4096;
    make(&conf, text, sizeof(text) - 1);
    tap_is_int(made.code, TK_SYM_ELIMIT, "larger than allowed");

    conf.max_size = 0;
    conf.max_memory = 100000;
    make(&conf, text, sizeof(text) - 1);
    tap_ok(made.rc == TK_SYM_ERROR && made.code == TK_SYM_ELIMIT,
           "more memory than allowed");
}


/* paths are told as symbolic tells them, names as they are */

static void
test_texts(void)
{
    static const char  text[] =
        HEAD "FILE 0 ./src//a\xc3\xa9.c\nFILE 1 C:\\x\\..\\y.c\nFILE 2\n"
        "FILE 3 .\nFILE 99999999999 far.c\nFILE x bad\n"
        "FUNC 1000 50 0 operator\"\"_x <\xe2\x80\xa8>  \xc2\xa0\n"
        "1000 10 1 0\n1010 10 2 1\n1020 10 3 2\n1030 10 4 3\n"
        "1040 10 5 99999999999\n";

    make(NULL, text, sizeof(text) - 1);
    is(0x1000, "operator\\\"\\\"_x <\\u2028>+0 src/a\\u00e9.c:1", "a path");
    is(0x1010, "operator\\\"\\\"_x <\\u2028>+16 C:\\\\y.c:2", "of Windows");
    is(0x1020, "operator\\\"\\\"_x <\\u2028>+32", "an empty one");
    is(0x1030, "operator\\\"\\\"_x <\\u2028>+48", "one that gets empty");
    is(0x1040, "operator\\\"\\\"_x <\\u2028>+64 far.c:5", "a large number");
    tap_is_int((int64_t) sc.dropped, 1, "a bad FILE is counted");
    free(made.data);
}


/* numbers at the edges of their types */

static void
test_edges(void)
{
    static const char  text[] =
        HEAD "FILE 0 a.c\n"
        "FUNC 0 10 0 first\n0 8 4294967297 0\n8 8 4294967295 0\n"
        "FUNC fffffff0 10 0 last\nfffffff0 ffffffffffffffff 7 0\n"
        "FUNC 100000000 10 0 behind\n"
        "PUBLIC 180000020 0 wrapped\n";

    static const char  top[] =
        HEAD "FILE 0 a.c\nPUBLIC 10 0 low\n"
        "FUNC ffffffff 10 0 one\nffffffff 1 1 0\n"
        "FUNC ffffffff 1 0 two\nffffffff 1 2 0\n";

    make(NULL, text, sizeof(text) - 1);
    is(0, "first+0 a.c:1", "a line of more than 32 bits");
    is(0xf, "first+15 a.c:4294967295", "one of just 32");
    is(0x10, "", "behind it");
    is(0x80000020, "wrapped+0", "a PUBLIC of more than 32 bits");
    is(0xffffffff, "last+15 a.c:7", "the last address");
    is(0x100000000, "", "one behind it");
    is(0xffffffffffffffff, "", "the last of all");
    free(made.data);

    make(NULL, top, sizeof(top) - 1);
    is(0xfffffffe, "low+4294967278", "below the last address");
    is(0xffffffff, "two+0 a.c:2", "two functions at the last address");
    free(made.data);
}


/* as many calls in each other as there may be, and one more */

static void
test_depth(void)
{
    char                 *text, *p;
    size_t                n;
    unsigned              i;

    static tk_symcache_frame_t  frames[TK_SYMCACHE_FRAMES];

    text = malloc(100000);
    p = text + sprintf(text, HEAD "FILE 0 a.c\nINLINE_ORIGIN 0 in\n"
                       "FUNC 1000 1000 0 f\n");

    for (i = 0; i < 300; i++) {
        p += sprintf(p, "INLINE %u %u 0 0 1000 %x\n", i, 1000 + i, 0x800 - i);
    }

    p += sprintf(p, "1000 400 7 0\n");
    make(NULL, text, (size_t) (p - text));
    free(text);

    n = tk_symcache_lookup(&sc, 0x1001, frames, TK_SYMCACHE_FRAMES);
    tap_is_int((int64_t) n, 257, "all frames");
    tap_is_int(frames[0].line, 7, "the innermost");
    tap_is_int(frames[1].line, 1255, "the one that calls it");
    tap_is_int(frames[256].line, 1000, "the outermost");
    tap_is_int((int64_t) sc.dropped, 44, "calls that are too deep");

    n = tk_symcache_lookup(&sc, 0x1001, frames, 3);
    tap_is_int((int64_t) n, 3, "room for three");
    tap_is_int(frames[0].line, 1002, "the innermost are left out");
    tap_is_int(frames[2].line, 1000, "not the outermost");

    n = tk_symcache_lookup(&sc, 0x1001, frames, 0);
    tap_is_int((int64_t) n, 0, "room for none");
    free(made.data);
}


/* what would take hours if it were done one by one */

static void
test_many(void)
{
    char      *text, *p;
    unsigned   i;

    text = malloc(16000000);
    p = text + sprintf(text, HEAD "FILE 0 a.c\nINLINE_ORIGIN 0 in\n");

    for (i = 0; i < 50000; i++) {
        p += sprintf(p, "FUNC 1000 %x 0 f%u\n1000 4 %u 0\n%x 4 %u 0\n",
                     0x100000, i, i, 0x1010 + 16 * i, i);
    }

    make(NULL, text, (size_t) (p - text));
    is(0x1000, "f49999+0 a.c:49999", "functions at one address");
    is(0x1010 + 16 * 777 + 3, "f777+12451 a.c:777", "each with a line");
    free(made.data);

    p = text + sprintf(text, HEAD "FILE 0 a.c\nINLINE_ORIGIN 0 in\n"
                       "FUNC 1000 1000000 0 f\n");

    for (i = 0; i < 20000; i++) {
        p += sprintf(p, "INLINE 0 1 0 0 %x 4000\nINLINE 1 2 0 0 1000 %x\n",
                     0x1000 + 4 * i, 0x10000 + i);
    }

    for (i = 0; i < 20000; i++) {
        p += sprintf(p, "%x 40 %u 0\n", 0x1000 + 8 * (19999 - i), i);
    }

    make(NULL, text, (size_t) (p - text));
    is(0x1000, "in a.c:19999 < in a.c:2 < f+0 a.c:1",
       "ranges and lines that overlap");
    free(made.data);
    free(text);
}


/* lookups one by one, and all at once */

static void
test_sorted(void)
{
    char                 *text;
    size_t                i, k, n, len, all, done, room;
    uint32_t              counts[4000];
    uint64_t              addrs[4000];
    unsigned              wrong;

    static tk_symcache_frame_t  one[TK_SYMCACHE_FRAMES], many[2000];

    text = tap_read_file("t/data/symbols/qipcap64.pdb/"
                         "293A285ED25871934C4C44205044422E1/qipcap64.sym",
                         &len);
    make(NULL, text, len);
    free(text);

    for (i = 0; i < 4000; i++) {
        addrs[i] = i < 3990 ? 0xf00 + i / 2 * 3 : 0xfffffffe + i - 3990;
    }

    wrong = 0;
    done = 0;

    while (done < 4000) {
        room = TK_SYMCACHE_FRAMES + tap_random() % 500;
        n = tk_symcache_lookup_many(&sc, addrs + done, 4000 - done, many,
                                      room, counts);
        all = 0;

        for (i = 0; i < n; i++) {
            k = tk_symcache_lookup(&sc, addrs[done + i], one,
                                   TK_SYMCACHE_FRAMES);
            wrong += (k != counts[i]
                      || memcmp(one, many + all, k * sizeof(one[0])) != 0);
            all += k;
        }

        wrong += (n == 0 || all > room);
        done += n ? n : 4000;
    }

    tap_is_int(wrong, 0, "many as one by one");

    n = tk_symcache_lookup_many(&sc, addrs, 4000, many, 256, counts);
    tap_ok(n < 4000, "stops where there is no room for the most");
    free(made.data);
}


static void
test_open(void)
{
    size_t       i, wrong, opened;
    uint8_t     *copy;
    const char  *reason;

    static const char  text[] =
        HEAD "FILE 0 a.c\nFUNC 1000 10 0 f\n1000 10 1 0\nPUBLIC 2000 0 p\n";

    make(NULL, text, sizeof(text) - 1);
    tap_is_int(tk_symcache_verify(&sc, &reason), 0, "right");
    tap_is_int((int64_t) made.stat.size, (int64_t) made.size,
               "its size is told");
    tap_ok(made.size % 4096 == 0, "and whole pages");

    if (posix_memalign((void **) &copy, 8, made.size) != 0) {
        abort();
    }

    /* each byte of the header, and of the rest */

    wrong = 0;
    opened = 0;

    for (i = 0; i < made.size; i++) {
        memcpy(copy, made.data, made.size);
        copy[i] ^= 0x10;
        reason = NULL;

        if (tk_symcache_open(&sc, copy, made.size, &reason) == 0) {
            opened++;

            /* what fills up pages is nothing */

            wrong += (tk_symcache_verify(&sc, &reason) == 0
                      && made.data[i] != 0);
        } else {
            wrong += (reason == NULL);
        }
    }

    tap_is_int((int64_t) wrong, 0, "no changed byte goes unseen");
    tap_ok(opened > 0 && opened < made.size - 250, "most at verify");

    for (i = 0, wrong = 0; i < made.size; i += i < 5000 ? 1 : 1000) {
        wrong += (tk_symcache_open(&sc, made.data, i, &reason) == 0);
    }

    tap_is_int((int64_t) wrong, 0, "nor that it was cut");

    memcpy(copy, made.data, made.size);
    copy[8]++;
    tap_is_int(tk_symcache_open(&sc, copy, made.size, &reason), -1,
               "another version");
    tap_is_str(reason, strlen(reason), "a symcache of another version",
               "says so");

    free(copy);
    free(made.data);
}


int
main(void)
{
    test_malformed();
    test_modules();
    test_names();
    test_pieces();
    test_stack();
    test_long();
    test_output();
    test_texts();
    test_edges();
    test_depth();
    test_many();
    test_sorted();
    test_open();

    return tap_done();
}
