
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_json.h"
#include "tk_sym.h"
#include "tk_sym_line.h"


#define TK_SYM_NAMES_FIRST  4096
#define TK_SYM_NAMES_MAX    ((size_t) 1 << 31)


static int tk_sym_plain(const uint8_t *p, size_t len);
static uint64_t tk_sym_name_hash(const uint8_t *p, size_t len);
static int tk_sym_names_grow(tk_symcache_build_t *b);
static int tk_sym_name_add(tk_symcache_build_t *b, const uint8_t *p,
    size_t len, uint32_t *handle);
static int tk_sym_name_is(const tk_sym_names_t *n, uint32_t handle,
    const uint8_t *p, size_t len);


/* The handle of a name, the same for the same name.  TK_SYM_PAD bytes behind
 * the name are readable. */

int
tk_sym_name(tk_symcache_build_t *b, const uint8_t *p, size_t len,
    uint32_t *handle)
{
    size_t           size;
    uint32_t         i, tag;
    tk_sym_names_t  *n;

    n = &b->names;

    if (!tk_sym_plain(p, len)) {
        size = tk_json_escape(NULL, p, len);
        b->scratch.n = 0;

        if (tk_sym_vec_room(b, &b->scratch, size + TK_SYM_PAD, 1) != 0) {
            return -1;
        }

        (void) tk_json_escape(b->scratch.data, p, len);

        p = b->scratch.data;
        len = size;
        memset((uint8_t *) b->scratch.data + len, 0, TK_SYM_PAD);
    }

    if (n->n >= n->mask / 2 && tk_sym_names_grow(b) != 0) {
        return -1;
    }

    tag = (uint32_t) tk_sym_name_hash(p, len) | 0x80000000;

    for (i = tag & n->mask; n->slots[i]; i = (i + 1) & n->mask) {

        if (n->slots[i] >> 32 == tag
            && tk_sym_name_is(n, (uint32_t) n->slots[i], p, len))
        {
            *handle = (uint32_t) n->slots[i];
            return 0;
        }
    }

    if (tk_sym_name_add(b, p, len, handle) != 0) {
        return -1;
    }

    n->slots[i] = (uint64_t) tag << 32 | *handle;
    n->n++;

    if (n->max < len) {
        n->max = (uint32_t) len;
    }

    return 0;
}


/* needs no escape in JSON */

static int
tk_sym_plain(const uint8_t *p, size_t len)
{
    uint64_t        v, bad;
    const uint8_t  *last;

    bad = 0;

    for (last = p + len; last - p >= 8; p += 8) {
        v = tk_sym_load(p);

        /* a borrow comes from a byte that is bad itself */

        bad |= v | (v + TK_SYM_ONES) | (v - 0x20 * TK_SYM_ONES)
               | ((v ^ 0x22 * TK_SYM_ONES) - TK_SYM_ONES)
               | ((v ^ 0x5c * TK_SYM_ONES) - TK_SYM_ONES);
    }

    for ( /* void */ ; p < last; p++) {
        if (*p < 0x20 || *p >= 0x7f || *p == '"' || *p == '\\') {
            return 0;
        }
    }

    return (bad & TK_SYM_HIGHS) == 0;
}


static uint64_t
tk_sym_name_hash(const uint8_t *p, size_t len)
{
    uint64_t           a, b;
    unsigned __int128  m;

    static const uint64_t  k[2] = { 0x9e3779b97f4a7c15, 0xe7037ed1a0b428db };

    a = len ^ k[0];
    b = k[1];

    for ( /* void */ ; len > 16; len -= 16, p += 16) {
        m = (unsigned __int128) (tk_sym_load(p) ^ a)
            * (tk_sym_load(p + 8) ^ b);
        a = (uint64_t) m ^ (uint64_t) (m >> 64);
    }

    /* bytes behind the name do not count */

    if (len > 8) {
        b ^= tk_sym_load(p + 8) << (128 - 8 * len);
        len = 8;
    }

    if (len) {
        a ^= tk_sym_load(p) << (64 - 8 * len);
    }

    m = (unsigned __int128) a * (b | 1);
    a = (uint64_t) m ^ (uint64_t) (m >> 64);
    m = (unsigned __int128) (a ^ k[0]) * k[1];

    return (uint64_t) m ^ (uint64_t) (m >> 64);
}


static int
tk_sym_names_grow(tk_symcache_build_t *b)
{
    size_t           i, old, new, k;
    uint64_t        *slots;
    tk_sym_names_t  *n;

    n = &b->names;
    old = n->mask ? (size_t) n->mask + 1 : 0;
    new = old ? 2 * old : TK_SYM_NAMES_FIRST;

    if (new >= (size_t) 1 << 31) {
        return tk_sym_fail(b, TK_SYM_ELIMIT, "too many names");
    }

    slots = tk_sym_alloc(b, NULL, 0, new * sizeof(uint64_t));
    if (slots == NULL) {
        return -1;
    }

    memset(slots, 0, new * sizeof(uint64_t));

    for (i = 0; i < old; i++) {
        if (n->slots[i]) {
            k = (n->slots[i] >> 32) & (new - 1);

            while (slots[k]) {
                k = (k + 1) & (new - 1);
            }

            slots[k] = n->slots[i];
        }
    }

    tk_sym_release(b, n->slots, old * sizeof(uint64_t));

    n->slots = slots;
    n->mask = (uint32_t) new - 1;

    return 0;
}


static int
tk_sym_name_add(tk_symcache_build_t *b, const uint8_t *p, size_t len,
    uint32_t *handle)
{
    size_t           n, size;
    uint8_t         *dst;
    tk_sym_vec_t    *v;

    v = &b->names.data;
    size = len + 16;

    if (v->n + size > TK_SYM_NAMES_MAX) {
        return tk_sym_fail(b, TK_SYM_ELIMIT, "names too long");
    }

    if (tk_sym_vec_room(b, v, size, 1) != 0) {
        return -1;
    }

    *handle = (uint32_t) (v->n / 4);
    dst = (uint8_t *) v->data + v->n;

    for (n = len; n >= 0x80; n >>= 7) {
        *dst++ = (uint8_t) (n | 0x80);
    }

    *dst++ = (uint8_t) n;
    memcpy(dst, p, len);
    dst += len;

    v->n = (size_t) (dst - (uint8_t *) v->data);

    while (v->n % 4) {
        *dst++ = 0;
        v->n++;
    }

    return 0;
}


static int
tk_sym_name_is(const tk_sym_names_t *n, uint32_t handle, const uint8_t *p,
    size_t len)
{
    int             shift;
    size_t          size;
    const uint8_t  *src;

    src = (const uint8_t *) n->data.data + (size_t) handle * 4;
    shift = 0;
    size = 0;

    do {
        size |= (size_t) (*src & 0x7f) << shift;
        shift += 7;
    } while (*src++ & 0x80);

    return size == len && memcmp(src, p, len) == 0;
}


/* appends a text, ready for JSON, to the section of texts */

int
tk_sym_text(tk_symcache_build_t *b, const uint8_t *p, size_t len,
    tk_symcache_text_t *text)
{
    size_t  size;

    size = tk_json_escape(NULL, p, len);

    if (b->text.n + size > UINT32_MAX) {
        return tk_sym_fail(b, TK_SYM_ELIMIT, "paths too long");
    }

    if (tk_sym_vec_room(b, &b->text, size, 1) != 0) {
        return -1;
    }

    text->offset = (uint32_t) b->text.n;
    text->size = (uint32_t) size;

    if (size) {
        (void) tk_json_escape((uint8_t *) b->text.data + b->text.n, p, len);
        b->text.n += size;
    }

    return 0;
}
