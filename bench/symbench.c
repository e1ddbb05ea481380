
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * What bench/symbolicate measures, one thing at a time:
 *
 *     symbench run COMMAND ...          wall, processor time and memory of it
 *     symbench inflate LIBRARY FILE.gz  default, zlib, libdeflate
 *     symbench addresses FILE.sym N     in FUNCs, random by their size
 *     symbench lookup FILE ADDRESSES    frames with names, warm, several at
 *                                       a time
 *     symbench single FILE ADDRESSES    the same, one after the other
 *     symbench sorted FILE ADDRESSES    in order, several at a time
 *     symbench cold FILE ADDRESS        the first one, nothing in memory
 *
 * Each prints "name=value ...", times in microseconds.
 */


#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <zlib.h>

#if (TK_HAVE_LIBDEFLATE)
#include <libdeflate.h>
#endif

#include "tk_inflate.h"
#include "tk_symcache.h"


#define CHUNK  (256 * 1024)


typedef struct {
    void           *map;
    size_t          size;
    tk_symcache_t   sc;
} file_t;


static uint8_t   in[CHUNK], out[CHUNK];
static volatile uint64_t  sink;


static void __attribute__((noreturn))
fail(const char *what)
{
    perror(what);
    exit(1);
}


static double
now(clockid_t clock)
{
    struct timespec  ts;

    clock_gettime(clock, &ts);

    return (double) ts.tv_sec * 1e6 + (double) ts.tv_nsec / 1e3;
}


static int
run(char **argv)
{
    int            status;
    pid_t          pid;
    double         wall;
    struct rusage  ru;

    wall = now(CLOCK_MONOTONIC);
    pid = fork();

    if (pid == 0) {
        int  null;

        null = open("/dev/null", O_WRONLY);

        if (null == -1 || dup2(null, STDOUT_FILENO) == -1) {
            fail("/dev/null");
        }

        execvp(argv[0], argv);
        fail(argv[0]);
    }

    if (pid == -1 || wait4(pid, &status, 0, &ru) != pid) {
        fail(argv[0]);
    }

    wall = now(CLOCK_MONOTONIC) - wall;

    printf("wall=%.0f cpu=%.0f rss_kib=%ld\n", wall,
           (double) (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1e6
           + (double) (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec),
           ru.ru_maxrss);

    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}


static size_t
read_in(int fd)
{
    ssize_t  n;

    n = read(fd, in, sizeof(in));

    if (n == -1) {
        fail("read");
    }

    return (size_t) n;
}


static uint64_t
inflate_default(int fd)
{
    int            rc;
    size_t         n, pos, used, given;
    uint64_t       total;
    tk_inflate_t  *z;

    z = tk_inflate_create(0);
    rc = TK_INFLATE_OK;

    while ((n = read_in(fd)) != 0) {
        pos = 0;

        do {
            rc = tk_inflate_feed(z, in + pos, n - pos, &used, out,
                                 sizeof(out), &given);
            pos += used;
        } while (rc != TK_INFLATE_ERROR
                 && (pos < n || given == sizeof(out)));
    }

    total = rc == TK_INFLATE_END ? tk_inflate_total(z) : 0;
    tk_inflate_destroy(z);

    return total;
}


static uint64_t
inflate_zlib(int fd)
{
    int        rc;
    size_t     n;
    uint64_t   total;
    z_stream   s;

    memset(&s, 0, sizeof(s));
    inflateInit2(&s, 16 + MAX_WBITS);

    total = 0;
    rc = Z_OK;

    while ((n = read_in(fd)) != 0) {
        s.next_in = in;
        s.avail_in = (uInt) n;

        do {
            s.next_out = out;
            s.avail_out = sizeof(out);
            rc = inflate(&s, Z_NO_FLUSH);
            total += sizeof(out) - s.avail_out;
        } while (rc == Z_OK && (s.avail_in || s.avail_out == 0));
    }

    inflateEnd(&s);

    return rc == Z_STREAM_END ? total : 0;
}


#if (TK_HAVE_LIBDEFLATE)

/* the whole file and the whole text at once: it has no other way */

static uint64_t
inflate_libdeflate(int fd)
{
    int            rc;
    size_t         given;
    uint8_t       *map, *text;
    uint32_t       size;
    struct stat    st;
    struct libdeflate_decompressor  *d;

    if (fstat(fd, &st) == -1 || st.st_size < 18) {
        return 0;
    }

    map = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        fail("mmap");
    }

    memcpy(&size, map + st.st_size - 4, 4);

    text = malloc(size);
    d = libdeflate_alloc_decompressor();

    if (text == NULL || d == NULL) {
        fail("malloc");
    }

    rc = libdeflate_gzip_decompress(d, map, (size_t) st.st_size, text, size,
                                    &given);

    return rc == LIBDEFLATE_SUCCESS ? given : 0;
}

#endif


static int
inflate_file(const char *library, const char *name)
{
    int       fd;
    double    wall, cpu;
    uint64_t  n;

    fd = open(name, O_RDONLY);
    if (fd == -1) {
        fail(name);
    }

    wall = now(CLOCK_MONOTONIC);
    cpu = now(CLOCK_PROCESS_CPUTIME_ID);

    if (strcmp(library, "default") == 0) {
        n = inflate_default(fd);

    } else if (strcmp(library, "zlib") == 0) {
        n = inflate_zlib(fd);

#if (TK_HAVE_LIBDEFLATE)
    } else if (strcmp(library, "libdeflate") == 0) {
        n = inflate_libdeflate(fd);
#endif

    } else {
        fprintf(stderr, "no library %s\n", library);
        return 1;
    }

    cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = now(CLOCK_MONOTONIC) - wall;

    printf("wall=%.0f cpu=%.0f bytes=%" PRIu64 " library=%s\n", wall, cpu, n,
           strcmp(library, "default") == 0 ? tk_inflate_library() : library);

    return n ? 0 : 1;
}


static uint64_t
next_random(void)
{
    static uint64_t  state = 1;

    uint64_t  z;

    state += 0x9e3779b97f4a7c15;

    z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;

    return z ^ (z >> 31);
}


static int
addresses(const char *name, size_t n)
{
    int       ch;
    char      line[64];
    FILE     *f;
    size_t    i, lo, hi, mid, nfunc, room;
    uint64_t  total, at, addr, size, *func;

    f = fopen(name, "r");
    if (f == NULL) {
        fail(name);
    }

    func = NULL;
    nfunc = 0;
    room = 0;
    total = 0;

    while (fgets(line, sizeof(line), f)) {

        if (strchr(line, '\n') == NULL) {
            do {
                ch = getc_unlocked(f);
            } while (ch != '\n' && ch != EOF);
        }

        if (strncmp(line, "STACK ", 6) == 0) {
            break;
        }

        if (sscanf(line, strncmp(line, "FUNC m ", 7) == 0
                         ? "FUNC m %" SCNx64 " %" SCNx64
                         : "FUNC %" SCNx64 " %" SCNx64, &addr, &size) == 2)
        {
            if (nfunc == room) {
                room = room ? room * 2 : 4096;
                func = realloc(func, room * 2 * sizeof(uint64_t));
                if (func == NULL) {
                    fail("realloc");
                }
            }

            func[nfunc * 2] = total;
            func[nfunc * 2 + 1] = addr;
            nfunc++;
            total += size;
        }
    }

    fclose(f);

    if (total == 0) {
        fprintf(stderr, "%s: no FUNC\n", name);
        return 1;
    }

    for (i = 0; i < n; i++) {
        at = next_random() % total;
        lo = 0;
        hi = nfunc;

        while (hi - lo > 1) {
            mid = (lo + hi) / 2;

            if (func[mid * 2] <= at) {
                lo = mid;

            } else {
                hi = mid;
            }
        }

        printf("%" PRIx64 "\n", func[lo * 2 + 1] + at - func[lo * 2]);
    }

    return 0;
}


static void
open_symcache(file_t *f, const char *name)
{
    int          fd;
    const char  *reason;
    struct stat  st;

    fd = open(name, O_RDONLY);

    if (fd == -1 || fstat(fd, &st) == -1) {
        fail(name);
    }

    f->size = (size_t) st.st_size;
    f->map = mmap(NULL, f->size, PROT_READ, MAP_SHARED, fd, 0);

    if (f->map == MAP_FAILED) {
        fail("mmap");
    }

    (void) madvise(f->map, f->size, MADV_RANDOM);
    (void) close(fd);

    if (tk_symcache_open(&f->sc, f->map, f->size, &reason) != 0) {
        fprintf(stderr, "%s: %s\n", name, reason);
        exit(1);
    }
}


/* all that an answer needs */

static size_t
use_frames(const tk_symcache_t *sc, const tk_symcache_frame_t *frames,
    size_t n, uint8_t *name)
{
    size_t  i, bytes;

    bytes = 0;

    for (i = 0; i < n; i++) {
        bytes += tk_symcache_function(sc, frames[i].function, name,
                                      sc->name_max);

        if (frames[i].file.len) {
            memcpy(name + sc->name_max, frames[i].file.data,
                   frames[i].file.len < 256 ? frames[i].file.len : 256);
            bytes += frames[i].file.len;
        }

        bytes += frames[i].line != 0;
    }

    return bytes;
}


static int
compare(const void *one, const void *two)
{
    uint64_t  a, b;

    a = *(const uint64_t *) one;
    b = *(const uint64_t *) two;

    return a < b ? -1 : a > b;
}


/* one by one: each waits for what the one before needs */

static size_t
lookup_single(const tk_symcache_t *sc, const uint64_t *addr, size_t n,
    size_t *nframes, uint8_t *buf)
{
    size_t               i, k, found;
    tk_symcache_frame_t  frames[TK_SYMCACHE_FRAMES];

    found = 0;

    for (i = 0; i < n; i++) {
        k = tk_symcache_lookup(sc, addr[i], frames, TK_SYMCACHE_FRAMES);
        sink += use_frames(sc, frames, k, buf);
        found += k != 0;
        *nframes += k;
    }

    return found;
}


/* several at a time, as for an answer */

static size_t
lookup_many(const tk_symcache_t *sc, const uint64_t *addr, size_t n,
    size_t *nframes, uint8_t *buf)
{
    size_t               i, k, done, found;
    uint32_t             counts[TK_SYMCACHE_MANY];
    tk_symcache_frame_t  frames[4 * TK_SYMCACHE_FRAMES], *frame;

    found = 0;

    for (i = 0; i < n; i += done) {
        done = n - i < TK_SYMCACHE_MANY ? n - i : TK_SYMCACHE_MANY;
        done = tk_symcache_lookup_many(sc, &addr[i], done, frames,
                                       4 * TK_SYMCACHE_FRAMES, counts);
        frame = frames;

        for (k = 0; k < done; k++) {
            sink += use_frames(sc, frame, counts[k], buf);
            frame += counts[k];
            found += counts[k] != 0;
            *nframes += counts[k];
        }
    }

    return found;
}


static int
lookup(const char *what, const char *name, const char *list)
{
    FILE      *f;
    file_t     file;
    size_t     i, j, n, room, found, nframes;
    double     cpu;
    uint8_t   *buf;
    uint64_t  *addr, part[1000];

    open_symcache(&file, name);

    f = fopen(list, "r");
    if (f == NULL) {
        fail(list);
    }

    n = 0;
    room = 1 << 20;
    addr = malloc(room * sizeof(uint64_t));
    buf = malloc(file.sc.name_max + 256);

    if (addr == NULL || buf == NULL) {
        fail("malloc");
    }

    while (n < room && fscanf(f, "%" SCNx64, &addr[n]) == 1) {
        n++;
    }

    fclose(f);

    found = 0;
    nframes = 0;
    cpu = 0;

    /* the first time warms */

    for (i = 0; i < 2; i++) {
        found = 0;
        nframes = 0;

        cpu = now(CLOCK_PROCESS_CPUTIME_ID);

        if (strcmp(what, "single") == 0) {
            found = lookup_single(&file.sc, addr, n, &nframes, buf);

        } else if (strcmp(what, "lookup") == 0) {
            found = lookup_many(&file.sc, addr, n, &nframes, buf);

        } else {

            for (j = 0; j < n; j += room) {
                room = n - j < 1000 ? n - j : 1000;
                memcpy(part, &addr[j], room * sizeof(uint64_t));
                qsort(part, room, sizeof(uint64_t), compare);
                found += lookup_many(&file.sc, part, room, &nframes, buf);
            }
        }

        cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    }

    printf("ns=%.1f n=%zu found=%zu frames=%zu\n", cpu * 1e3 / (double) n, n,
           found, nframes);

    return found ? 0 : 1;
}


static size_t
resident(const file_t *f)
{
    size_t    i, n, pages;
    uint8_t  *vec;

    n = 0;
    pages = (f->size + 4095) / 4096;
    vec = malloc(pages);

    if (vec == NULL || mincore(f->map, f->size, vec) == -1) {
        fail("mincore");
    }

    for (i = 0; i < pages; i++) {
        n += vec[i] & 1;
    }

    free(vec);

    return n;
}


static int
cold(const char *name, const char *address)
{
    int                   fd;
    double                wall;
    file_t                file;
    size_t                n;
    uint8_t              *buf;
    tk_symcache_frame_t   frames[TK_SYMCACHE_FRAMES];

    fd = open(name, O_RDONLY);

    if (fd == -1 || fsync(fd) == -1
        || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
    {
        fail(name);
    }

    file.size = (size_t) lseek(fd, 0, SEEK_END);
    file.map = mmap(NULL, file.size, PROT_READ, MAP_SHARED, fd, 0);

    if (file.map == MAP_FAILED) {
        fail("mmap");
    }

    n = resident(&file);

    if (n) {
        fprintf(stderr, "%zu pages are still in memory\n", n);
        return 1;
    }

    (void) munmap(file.map, file.size);
    (void) close(fd);

    wall = now(CLOCK_MONOTONIC);

    open_symcache(&file, name);
    n = tk_symcache_lookup(&file.sc, strtoull(address, NULL, 16), frames,
                           TK_SYMCACHE_FRAMES);
    buf = malloc(file.sc.name_max + 256);

    if (buf == NULL) {
        fail("malloc");
    }

    sink += use_frames(&file.sc, frames, n, buf);

    wall = now(CLOCK_MONOTONIC) - wall;

    printf("wall=%.0f pages=%zu frames=%zu\n", wall, resident(&file), n);

    return n ? 0 : 1;
}


int
main(int argc, char **argv)
{
    const char  *what;

    what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "run") == 0 && argc > 2) {
        return run(argv + 2);
    }

    if (strcmp(what, "inflate") == 0 && argc == 4) {
        return inflate_file(argv[2], argv[3]);
    }

    if (strcmp(what, "addresses") == 0 && argc == 4) {
        return addresses(argv[2], strtoul(argv[3], NULL, 10));
    }

    if ((strcmp(what, "lookup") == 0 || strcmp(what, "single") == 0
         || strcmp(what, "sorted") == 0)
        && argc == 4)
    {
        return lookup(what, argv[2], argv[3]);
    }

    if (strcmp(what, "cold") == 0 && argc == 4) {
        return cold(argv[2], argv[3]);
    }

    fprintf(stderr, "usage: symbench run|inflate|addresses|lookup|single|sorted"
            "|cold ...\n");

    return 2;
}
