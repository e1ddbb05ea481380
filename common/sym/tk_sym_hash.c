
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_sym_hash.h"


/* XXH64 with the seed 0: github.com/Cyan4973/xxHash, doc/xxhash_spec.md */

#define TK_XXH_1  0x9e3779b185ebca87u
#define TK_XXH_2  0xc2b2ae3d27d4eb4fu
#define TK_XXH_3  0x165667b19e3779f9u
#define TK_XXH_4  0x85ebca77c2b2ae63u
#define TK_XXH_5  0x27d4eb2f165667c5u


static inline uint64_t
tk_xxh_read(const uint8_t *p)
{
    uint64_t  v;

    memcpy(&v, p, sizeof(v));

    return v;
}


static inline uint64_t
tk_xxh_rotate(uint64_t v, int n)
{
    return v << n | v >> (64 - n);
}


static inline uint64_t
tk_xxh_round(uint64_t acc, uint64_t lane)
{
    return tk_xxh_rotate(acc + lane * TK_XXH_2, 31) * TK_XXH_1;
}


void
tk_sym_hash_init(tk_sym_hash_t *h)
{
    h->acc[0] = TK_XXH_1 + TK_XXH_2;
    h->acc[1] = TK_XXH_2;
    h->acc[2] = 0;
    h->acc[3] = 0 - TK_XXH_1;
    h->total = 0;
}


void
tk_sym_hash_update(tk_sym_hash_t *h, const void *data, size_t len)
{
    size_t          n, used;
    uint64_t        a, b, c, d;
    const uint8_t  *p;

    p = data;
    used = h->total % 32;
    h->total += len;

    if (used) {
        n = len < 32 - used ? len : 32 - used;
        memcpy(h->buf + used, p, n);
        p += n;
        len -= n;

        if (used + n < 32) {
            return;
        }

        h->acc[0] = tk_xxh_round(h->acc[0], tk_xxh_read(h->buf));
        h->acc[1] = tk_xxh_round(h->acc[1], tk_xxh_read(h->buf + 8));
        h->acc[2] = tk_xxh_round(h->acc[2], tk_xxh_read(h->buf + 16));
        h->acc[3] = tk_xxh_round(h->acc[3], tk_xxh_read(h->buf + 24));
    }

    a = h->acc[0];
    b = h->acc[1];
    c = h->acc[2];
    d = h->acc[3];

    for ( /* void */ ; len >= 32; len -= 32, p += 32) {
        a = tk_xxh_round(a, tk_xxh_read(p));
        b = tk_xxh_round(b, tk_xxh_read(p + 8));
        c = tk_xxh_round(c, tk_xxh_read(p + 16));
        d = tk_xxh_round(d, tk_xxh_read(p + 24));
    }

    h->acc[0] = a;
    h->acc[1] = b;
    h->acc[2] = c;
    h->acc[3] = d;

    if (len) {
        memcpy(h->buf, p, len);
    }
}


uint64_t
tk_sym_hash_final(const tk_sym_hash_t *h)
{
    int             i;
    size_t          len;
    uint32_t        word;
    uint64_t        v;
    const uint8_t  *p;

    if (h->total >= 32) {
        v = tk_xxh_rotate(h->acc[0], 1) + tk_xxh_rotate(h->acc[1], 7)
            + tk_xxh_rotate(h->acc[2], 12) + tk_xxh_rotate(h->acc[3], 18);

        for (i = 0; i < 4; i++) {
            v ^= tk_xxh_round(0, h->acc[i]);
            v = v * TK_XXH_1 + TK_XXH_4;
        }

    } else {
        v = TK_XXH_5;
    }

    v += h->total;
    p = h->buf;
    len = h->total % 32;

    for ( /* void */ ; len >= 8; len -= 8, p += 8) {
        v ^= tk_xxh_round(0, tk_xxh_read(p));
        v = tk_xxh_rotate(v, 27) * TK_XXH_1 + TK_XXH_4;
    }

    if (len >= 4) {
        memcpy(&word, p, sizeof(word));
        v ^= word * TK_XXH_1;
        v = tk_xxh_rotate(v, 23) * TK_XXH_2 + TK_XXH_3;
        p += 4;
        len -= 4;
    }

    while (len--) {
        v ^= *p++ * TK_XXH_5;
        v = tk_xxh_rotate(v, 11) * TK_XXH_1;
    }

    v ^= v >> 33;
    v *= TK_XXH_2;
    v ^= v >> 29;
    v *= TK_XXH_3;
    v ^= v >> 32;

    return v;
}


uint64_t
tk_sym_hash(const void *p, size_t len)
{
    tk_sym_hash_t  h;

    tk_sym_hash_init(&h);
    tk_sym_hash_update(&h, p, len);

    return tk_sym_hash_final(&h);
}
