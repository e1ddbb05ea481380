
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * Lookups of many addresses at a time, against what the text says that the
 * symcache is built from, and names in buffers of any size.
 */


#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tk_tap.h"
#include "tk_symcache.h"
#include "tk_symcache_build.h"


#define FUNCS    6000
#define ORIGINS  300
#define START    0x1000
#define STEP     0x40               /* from function to function */
#define SIZE     0x30
#define DEEP     200                /* calls within each other in the last */
#define MANY     2000


static uint32_t
depth_of(uint32_t i)
{
    return i == FUNCS - 1 ? DEEP : i % 4;
}


static int
func_name(char *dst, uint32_t i)
{
    return sprintf(dst, "mozilla::dom::Binding%u::CallMethod(nsTArray<mozilla"
                   "::dom::Element> const&, std::vector<int, std::allocator"
                   "<int> >::iterator, %.*s%u)", i % 50, (int) (i % 40),
                   "abcdefghijklmnopqrstuvwxyz0123456789ABCD", i);
}


static int
origin_name(char *dst, uint32_t i)
{
    return sprintf(dst, "nsTArray<mozilla::dom::Element>::ElementAt%u(int)",
                   i);
}


/* the j-th call in function i: callee, and the line it is on */

static uint32_t
origin_of(uint32_t i, uint32_t j)
{
    return (i + j) % ORIGINS;
}


static uint32_t
call_line(uint32_t i, uint32_t j)
{
    return 5 + i % 1000 + 3 * j;
}


/* lines are of 8 bytes each; calls are at 0x08 .. 0x1f */

static char *
text(size_t *len)
{
    char      *p, *start;
    uint32_t   i, j, addr;

    start = malloc(FUNCS * 1024);
    p = start;

    p += sprintf(p, "MODULE Linux x86_64 "
                 "0123456789ABCDEF0123456789ABCDEF0 lib.so\n");

    for (i = 0; i < 7; i++) {
        p += sprintf(p, "FILE %u src/dom/file%u.cpp\n", i, i);
    }

    for (i = 0; i < ORIGINS; i++) {
        p += sprintf(p, "INLINE_ORIGIN %u ", i);
        p += origin_name(p, i);
        *p++ = '\n';
    }

    for (i = 0; i < FUNCS; i++) {
        addr = START + i * STEP;

        p += sprintf(p, "FUNC %x %x 0 ", addr, SIZE);
        p += func_name(p, i);
        *p++ = '\n';

        for (j = 0; j < depth_of(i); j++) {
            p += sprintf(p, "INLINE %u %u %u %u %x 18\n", j, call_line(i, j),
                         (i + j) % 7, origin_of(i, j), addr + 8);
        }

        for (j = 0; j < SIZE / 8; j++) {
            p += sprintf(p, "%x 8 %u %u\n", addr + j * 8, i * 7 + j + 1,
                         (i + 3 * j) % 7);
        }
    }

    *len = (size_t) (p - start);

    return start;
}


static int
same_file(const tk_symcache_frame_t *f, uint32_t file)
{
    char  path[64];

    return f->file.len == (size_t) sprintf(path, "src/dom/file%u.cpp", file)
           && memcmp(f->file.data, path, f->file.len) == 0;
}


/* the name, in buffers that have just room for it, some more, and none */

static int
same_name(const tk_symcache_t *sc, const tk_symcache_frame_t *f,
    const char *name, size_t len)
{
    int       same;
    size_t    more;
    uint8_t  *buf;

    same = tk_symcache_function(sc, f->function, NULL, 0) == len;

    for (more = 0; more < 40; more += 13) {
        buf = malloc(len + more);

        same = same && tk_symcache_function(sc, f->function, buf, len + more)
                       == len
               && memcmp(buf, name, len) == 0;

        free(buf);
    }

    return same;
}


static int
right(const tk_symcache_t *sc, uint64_t offset,
    const tk_symcache_frame_t *frames, size_t n)
{
    char      name[1024];
    size_t    len;
    uint32_t  i, j, at, depth;

    i = (uint32_t) ((offset - START) / STEP);
    at = (uint32_t) ((offset - START) % STEP);

    if (offset < START || offset - START >= FUNCS * STEP || at >= SIZE) {
        return n == 0;
    }

    depth = at >= 8 && at < 0x20 ? depth_of(i) : 0;

    if (n != depth + 1) {
        return 0;
    }

    /* innermost first: each call gives the line in its caller */

    for (j = 0; j <= depth; j++, frames++) {
        len = (size_t) (j == depth ? func_name(name, i)
                                   : origin_name(name, origin_of(i,
                                                           depth - 1 - j)));

        if (!same_name(sc, frames, name, len)
            || frames->entry != START + i * STEP
            || frames->line != (j ? call_line(i, depth - j)
                                  : i * 7 + at / 8 + 1)
            || !same_file(frames, j ? (i + depth - j) % 7
                                    : (i + 3 * (at / 8)) % 7))
        {
            return 0;
        }
    }

    return 1;
}


/* *nright: offsets that are right, *calls: how many it took */

static size_t
many(const tk_symcache_t *sc, const uint64_t *offsets, size_t n, size_t room,
    size_t *calls)
{
    size_t                i, k, done, nright;
    uint32_t             *counts;
    tk_symcache_frame_t  *frames, *f;

    frames = malloc(room * sizeof(tk_symcache_frame_t));
    counts = malloc(n * sizeof(uint32_t));
    nright = 0;
    *calls = 0;

    for (i = 0; i < n; i += done) {
        done = tk_symcache_lookup_many(sc, offsets + i, n - i, frames, room,
                                       counts);
        if (done == 0) {
            break;
        }

        ++*calls;
        f = frames;

        for (k = 0; k < done; k++) {
            nright += (size_t) right(sc, offsets[i + k], f, counts[k]);
            f += counts[k];
        }
    }

    free(frames);
    free(counts);

    return nright;
}


static int
ascending(const void *one, const void *two)
{
    uint64_t  a, b;

    a = *(const uint64_t *) one;
    b = *(const uint64_t *) two;

    return a < b ? -1 : a > b;
}


int
main(void)
{
    int                        fd;
    char                      *sym, name[] = "/tmp/tk_symcache_t.XXXXXX";
    void                      *map;
    size_t                     i, len, calls, nright;
    uint64_t                   offsets[MANY], deep[40], seed;
    const char                *reason;
    tk_symcache_t              sc;
    tk_symcache_frame_t        frames[TK_SYMCACHE_FRAMES];
    tk_symcache_stat_t         stat;
    tk_symcache_build_t       *b;
    tk_symcache_build_conf_t   conf;

    fd = mkstemp(name);
    (void) unlink(name);

    memset(&conf, 0, sizeof(conf));
    conf.fd = fd;
    conf.strict = 1;

    sym = text(&len);
    b = tk_symcache_build_create(&conf);

    tap_ok(tk_symcache_build_feed(b, (uint8_t *) sym, len) != TK_SYM_ERROR
           && tk_symcache_build_finish(b, &stat) == TK_SYM_OK,
           "built: %s", tk_symcache_build_error(b));

    tk_symcache_build_destroy(b);
    free(sym);

    map = mmap(NULL, (size_t) stat.size, PROT_READ, MAP_SHARED, fd, 0);
    tap_ok(tk_symcache_open(&sc, map, (size_t) stat.size, &reason) == 0,
           "opened");

    /* some of them in gaps, before the first and behind the last function */

    seed = 1;

    for (i = 0; i < MANY; i++) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        offsets[i] = (seed >> 33) % (START + (FUNCS + 20) * STEP);
    }

    offsets[0] = 0;
    offsets[7] = UINT64_MAX;
    offsets[8] = (uint64_t) UINT32_MAX + START + 1;
    offsets[40] = offsets[41];
    offsets[MANY - 1] = UINT32_MAX;

    for (i = 0, nright = 0; i < MANY; i++) {
        len = tk_symcache_lookup(&sc, offsets[i], frames, TK_SYMCACHE_FRAMES);
        nright += (size_t) right(&sc, offsets[i], frames, len);
    }

    tap_ok(nright == MANY, "one by one: %zu of %u", nright, MANY);

    nright = many(&sc, offsets, MANY, 6 * MANY + TK_SYMCACHE_FRAMES, &calls);
    tap_ok(nright == MANY && calls == 1, "at once: %zu of %u in %zu calls",
           nright, MANY, calls);

    nright = many(&sc, offsets, MANY, TK_SYMCACHE_FRAMES + 20, &calls);
    tap_ok(nright == MANY && calls > 10, "with little room: %zu of %u",
           nright, MANY);

    qsort(offsets, MANY, sizeof(uint64_t), ascending);
    nright = many(&sc, offsets, MANY, 6 * MANY + TK_SYMCACHE_FRAMES, &calls);
    tap_ok(nright == MANY, "in order: %zu of %u", nright, MANY);

    for (i = 0; i < 40; i++) {
        deep[i] = START + (FUNCS - 1) * STEP + i;
    }

    nright = many(&sc, deep, 40, 3 * TK_SYMCACHE_FRAMES, &calls);
    tap_ok(nright == 40, "many calls: %zu of 40", nright);

    tap_ok(tk_symcache_lookup_many(&sc, deep, 40, frames,
                                   TK_SYMCACHE_FRAMES - 1, NULL) == 0,
           "no room");

    tap_ok(tk_symcache_lookup_many(&sc, deep, 0, NULL, 0, NULL) == 0,
           "no offsets");

    (void) munmap(map, (size_t) stat.size);
    (void) close(fd);

    return tap_done();
}
