
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_fuzz.h"
#include "tk_sym_hash.h"
#include "tk_symcache_format.h"
#include "../unit/tk_symcache_tap.h"


/* A symcache in which bytes were changed, mostly with its header's checksums
 * made right again: nothing outside of the map is read, and all ends. */


static const char  text[] =
    "MODULE Linux x86_64 0123456789ABCDEF0123456789ABCDEF1 m\n"
    "INFO CODE_ID 1 m.exe\n"
    "FILE 0 a.c\nFILE 1 dir/b.h\nFILE 2 c.h\n"
    "INLINE_ORIGIN 0 ns::in<unsigned long, ns::Type>::first(ns::Type)\n"
    "INLINE_ORIGIN 1 ns::in<unsigned long, ns::Type>::second(ns::Type)\n"
    "INLINE_ORIGIN 2 ns::in<unsigned long, ns::Type>::third(ns::Type)\n"
    "PUBLIC 900 0 before\n"
    "FUNC 1000 100 0 ns::in<unsigned long, ns::Type>::outer(ns::Type)\n"
    "INLINE 0 12 0 0 1008 30 1050 20\n"
    "INLINE 1 500 1 1 1010 8 1054 8\n"
    "INLINE 2 70000 2 2 1012 4\n"
    "1000 8 10 0\n1008 8 100 1\n1010 2 7 2\n1012 4 800 1\n1016 2 8 2\n"
    "1018 20 101 1\n1038 18 14 0\n1050 4 102 1\n1054 8 9 2\n105c 14 103 1\n"
    "1070 50 15 0\n10c0 20 1000000 9\n"
    "FUNC 1100 20 0 gap\n1108 8 1 0\n"
    "FUNC 1110 20 0 over\n1110 20 1 0\n"
    "PUBLIC 1118 0 inside\n"
    "PUBLIC 2000 0 last\n";


static built_t  whole;
static size_t   sections;               /* where the header ends */

static volatile uint8_t  sink;


static void
make(void)
{
    char    *many;
    size_t   n, i;

    many = fuzz_alloc(sizeof(text) + 40 * 64);
    n = sizeof(text) - 1;
    memcpy(many, text, n);

    /* a second level of the index */

    for (i = 0; i < 40; i++) {
        n += (size_t) sprintf(many + n, "FUNC %zx 8 0 f%zu\n%zx 8 %zu 0\n",
                              0x3000 + 16 * i, i, 0x3000 + 16 * i, i);
    }

    built(&whole, NULL, many, n, 0, NULL);
    must(whole.rc == TK_SYM_OK);
    free(many);

    sections = offsetof(tk_symcache_header_t, checksum) + sizeof(uint64_t);
}


static void
damage(uint8_t *map, const uint8_t *data, size_t size)
{
    size_t                        i, at;
    const tk_symcache_header_t   *h;

    h = (const void *) whole.data;

    /* three bytes each: where, how far, what */

    for (i = 0; i + 3 <= size; i += 3) {

        if (data[i] % 8 == 0) {
            at = (size_t) data[i + 1] * sections / 256;

        } else {
            at = h->section[data[i] % TK_SYMCACHE_SECTIONS].size;
            at = (at > 256 ? at * data[i + 1] / 256 : data[i + 1])
                 + (data[i] >> 3);
            at += h->section[data[i] % TK_SYMCACHE_SECTIONS].offset;
        }

        if (at < whole.size) {
            map[at] = data[i + 2];
        }
    }
}


static void
mend(uint8_t *map, size_t size)
{
    tk_symcache_header_t  *h;

    h = (void *) map;

    if (size < TK_SYMCACHE_PAGE) {
        return;
    }

    /* an index of two levels has nothing above them */

    h->top_checksum = tk_sym_hash(NULL, 0);
    h->size = size;
    h->checksum = tk_sym_hash(h, offsetof(tk_symcache_header_t, checksum));
}


static void
ask(const tk_symcache_t *sc)
{
    size_t       i, k, n, all, len;
    uint8_t      name[512];
    uint32_t     counts[600];
    uint64_t     addrs[600];
    const char  *reason;

    static tk_symcache_frame_t  frames[4 * TK_SYMCACHE_FRAMES];

    for (i = 0; i < 600; i++) {
        addrs[i] = i < 300 ? 0xff0 + i
                           : i < 590 ? 0x3000 + 2 * (i - 300)
                                     : 0xfffffff0 + 2 * (i - 590);
        n = tk_symcache_lookup(sc, addrs[i], frames, TK_SYMCACHE_FRAMES);
        must(n <= TK_SYMCACHE_FRAMES);

        for (k = 0; k < n; k++) {
            len = tk_symcache_function(sc, frames[k].function, name,
                                       sizeof(name));
            must(len <= sc->name_max);

            for (all = 0; all < frames[k].file.len; all++) {
                sink = frames[k].file.data[all];
            }
        }
    }

    for (i = 0; i < 600; i += n) {
        n = tk_symcache_lookup_many(sc, addrs + i, 600 - i, frames,
                                      4 * TK_SYMCACHE_FRAMES, counts);
        must(n > 0 && n <= 600 - i);
    }

    (void) tk_symcache_verify(sc, &reason);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t          len;
    uint8_t        *map;
    const char     *reason;
    tk_symcache_t   sc;

    if (whole.data == NULL) {
        make();
    }

    if (size < 2) {
        return 0;
    }

    /* sometimes cut, to a page or in one */

    len = whole.size;

    if (data[0] % 16 == 1) {
        len = len * data[1] / 256;
    }

    map = NULL;
    must(posix_memalign((void **) &map, 8, len ? len : 1) == 0);
    memcpy(map, whole.data, len);

    if (data[0] % 16 == 2) {
        map[data[1] % sections] ^= 1;

    } else if (len == whole.size) {
        damage(map, data + 2, size - 2);

        if (data[0] % 16 != 3) {
            mend(map, len);
        }
    }

    reason = NULL;

    if (tk_symcache_open(&sc, map, len, &reason) == 0) {
        must(reason == NULL);
        ask(&sc);

    } else {
        must(reason != NULL);
    }

    free(map);

    return 0;
}
