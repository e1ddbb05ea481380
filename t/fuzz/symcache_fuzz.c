
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_fuzz.h"
#include "tk_sym_hash.h"
#include "tk_symcache_format.h"
#include "../unit/tk_symcache_tap.h"


/*
 * A valid symcache with changes, of which each checksum is made right again
 * or is not: nothing outside of the map is read, whatever it says, and what
 * is found to be right has no names that cannot be read.
 *
 * Two bytes: what is not mended, and to how many pages it is cut; then seven
 * for each change: which one, where (16 bits), a value (32 bits).
 */


#define LEAVE_SECTIONS  0x01
#define LEAVE_TOP       0x02
#define LEAVE_HEADER    0x04
#define CUT             0x08

#define EDIT            7
#define EDITS           64
#define FUNCTIONS       300             /* three levels of the index */
#define ADDRS           512


static const char  head[] =
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
    "1070 50 15 0\n10c0 20 1000000 2\n"
    "FUNC 1100 20 0 gap\n1108 8 1 0\n"
    "FUNC 1118 20 0 over\n1118 20 1 0\n"
    "PUBLIC 1120 0 inside\n"
    "PUBLIC 1200 0 last\n";


static built_t           valid;

static volatile uint8_t  sink;


static void
make(void)
{
    char      *many;
    size_t     n;
    unsigned   i;

    many = fuzz_alloc(sizeof(head) + FUNCTIONS * 64);
    n = sizeof(head) - 1;
    memcpy(many, head, n);

    for (i = 0; i < FUNCTIONS; i++) {
        n += (size_t) sprintf(many + n, "FUNC %x 8 0 f%u\n%x 8 %u %u\n",
                              0x2000 + 16 * i, i, 0x2000 + 16 * i, i, i % 3);
    }

    built(&valid, NULL, many, n, 0, NULL);
    must(valid.rc == TK_SYM_OK);
    free(many);
}


static void
change(uint8_t *map, size_t size, const uint8_t *edit)
{
    size_t                 at, width;
    uint8_t                op;
    uint32_t               value;
    tk_symcache_header_t  *h;
    tk_symcache_section_t  *s;

    op = edit[0];
    at = (size_t) edit[1] << 8 | edit[2];
    memcpy(&value, edit + 3, sizeof(value));
    width = (size_t) 1 << (op >> 3 & 3);

    if (size < sizeof(*h)) {
        return;
    }

    h = (void *) map;

    if (op % 8 == 7) {

        /* a section that may well be inside of the file */

        s = &h->section[at % TK_SYMCACHE_SECTIONS];

        if (op & 0x20) {
            s->offset = value % (size / TK_SYMCACHE_PAGE + 1)
                        * TK_SYMCACHE_PAGE;
        } else {
            s->size = op & 0x40 && s->offset < size ? size - s->offset
                                                    : value % (size + 1);
        }

        return;
    }

    if (op % 8 >= TK_SYMCACHE_SECTIONS) {
        at %= sizeof(*h);

    } else {
        s = &h->section[op % 8];

        if (s->size == 0) {
            return;
        }

        at %= s->size;

        if (op & 0x20) {
            at = s->size - 1 - at;
        }

        at += s->offset;
    }

    width = width > sizeof(value) ? sizeof(value) : width;

    if (at < size && width <= size - at) {
        memcpy(map + at, &value, width);
    }
}


/* how much of the index has a checksum in the header */

static size_t
top(const tk_symcache_header_t *h)
{
    size_t    n, size;
    unsigned  l;

    size = 0;
    n = h->units;

    for (l = 0; l == 0 || n > 1; l++) {
        n = (n + TK_SYMCACHE_NODE - 1) / TK_SYMCACHE_NODE;

        if (l > 1) {
            size += n * TK_SYMCACHE_NODE * sizeof(uint32_t);
        }
    }

    return size;
}


static void
mend(uint8_t *map, size_t size, uint8_t leave)
{
    unsigned                i;
    tk_symcache_header_t   *h;
    tk_symcache_section_t  *s;

    if (size < sizeof(*h)) {
        return;
    }

    h = (void *) map;

    for (i = 0; i < TK_SYMCACHE_SECTIONS; i++) {
        s = &h->section[i];

        if (!(leave & LEAVE_SECTIONS) && s->offset <= size
            && s->size <= size - s->offset)
        {
            s->checksum = tk_sym_hash(map + s->offset, s->size);
        }
    }

    s = &h->section[TK_SYMCACHE_INDEX];

    if (!(leave & LEAVE_TOP) && s->offset <= size
        && top(h) <= size - s->offset)
    {
        h->top_checksum = tk_sym_hash(map + s->offset, top(h));
    }

    if (!(leave & LEAVE_HEADER)) {
        h->size = size;
        h->checksum = tk_sym_hash(h, offsetof(tk_symcache_header_t,
                                              checksum));
    }
}


static void
touch(const tk_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        sink = s->data[i];
    }
}


static void
look(const tk_symcache_t *sc, const tk_symcache_frame_t *frame, int good)
{
    size_t    len, got;
    uint8_t  *name;

    len = tk_symcache_function(sc, frame->function, NULL, 0);
    must(len <= sc->name_max);

    /* a length that a name of this map cannot have is not worth the memory */

    if (len <= 64 * sc->size) {
        name = fuzz_alloc(len);
        got = tk_symcache_function(sc, frame->function, name, len);
        must(got == len || (got == 0 && !good));
        free(name);

        /* with room behind it, 16 bytes are copied at a time */

        name = fuzz_alloc(len + 16);
        must(tk_symcache_function(sc, frame->function, name, len + 16)
             == got);
        free(name);
    }

    touch(&frame->file);
}


static void
ask(const tk_symcache_t *sc, int good)
{
    size_t     i, k, n, all;
    uint32_t   counts[ADDRS];
    uint64_t   addrs[ADDRS];

    static tk_symcache_frame_t  one[TK_SYMCACHE_FRAMES];
    static tk_symcache_frame_t  frames[ADDRS + TK_SYMCACHE_FRAMES];

    touch(&sc->module);
    touch(&sc->name);
    touch(&sc->os);
    touch(&sc->arch);
    touch(&sc->debug_id);

    for (i = 0; i < ADDRS; i++) {
        addrs[i] = i < 16 ? 0x8f8 + i
                   : i < 320 ? 0x1000 + 2 * (i - 16)
                   : i < 500 ? 0x2000 + 29 * (i - 320)
                   : 0xfffffffa + (i - 500);
    }

    for (i = 0; i < ADDRS; i += n) {
        n = tk_symcache_lookup_many(sc, addrs + i, ADDRS - i, frames,
                                      sizeof(frames) / sizeof(frames[0]),
                                      counts + i);
        must(n > 0 && n <= ADDRS - i);

        for (all = 0, k = i; k < i + n; k++) {
            all += counts[k];
        }

        must(all <= sizeof(frames) / sizeof(frames[0]));
    }

    for (i = 0; i < ADDRS; i++) {
        n = tk_symcache_lookup(sc, addrs[i], one, TK_SYMCACHE_FRAMES);
        must(n <= TK_SYMCACHE_FRAMES);
        must(!good || n == counts[i]);

        for (k = 0; k < n; k++) {
            look(sc, &one[k], good);
        }
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int             good;
    size_t          i, len;
    uint8_t        *map;
    const char     *reason;
    tk_symcache_t   sc;

    if (valid.data == NULL) {
        make();
    }

    if (size < 2) {
        return 0;
    }

    len = valid.size;

    if (data[0] & CUT) {
        len = data[1] & 0x80 ? len - data[1] : (data[1] % 16 + 1)
                                               * (size_t) TK_SYMCACHE_PAGE;
        len = len < valid.size ? len : valid.size;
    }

    map = NULL;
    must(posix_memalign((void **) &map, 8, len) == 0);
    memcpy(map, valid.data, len);

    for (i = 0; i < EDITS && 2 + (i + 1) * EDIT <= size; i++) {
        change(map, len, data + 2 + i * EDIT);
    }

    mend(map, len, data[0]);

    reason = NULL;

    if (tk_symcache_open(&sc, map, len, &reason) == 0) {
        must(reason == NULL);

        good = (tk_symcache_verify(&sc, &reason) == 0);
        must(good == (reason == NULL));

        ask(&sc, good);

    } else {
        must(reason != NULL);
    }

    free(map);

    return 0;
}
