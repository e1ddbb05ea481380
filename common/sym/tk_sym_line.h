
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_SYM_LINE_H_INCLUDED_
#define _TK_SYM_LINE_H_INCLUDED_


/* Numbers and ends of lines, a word at a time. */


#include <stdint.h>
#include <string.h>


#define TK_SYM_ONES   0x0101010101010101u
#define TK_SYM_HIGHS  0x8080808080808080u


static inline uint64_t
tk_sym_load(const uint8_t *p)
{
    uint64_t  v;

    memcpy(&v, p, sizeof(v));

    return v;
}


/* The first of the bytes at p that is not above 0x20, 8 if there is none;
 * 8 bytes are read. */

static inline unsigned
tk_sym_word(uint64_t v)
{
    v = (v - 0x21 * TK_SYM_ONES) & ~v & TK_SYM_HIGHS;

    return v ? (unsigned) __builtin_ctzll(v) / 8 : 8;
}


/* n digits, 1 .. 8, in the low bytes of v; whatever is no digit gives any
 * number */

static inline uint32_t
tk_sym_hex8(uint64_t v, unsigned n)
{
    v <<= 64 - 8 * n;
    v = (v & 0x0f * TK_SYM_ONES) + 9 * (v >> 6 & TK_SYM_ONES);
    v = (v << 4 | v >> 8) & 0x00ff00ff00ff00ff;
    v = (v << 8 | v >> 16) & 0x0000ffff0000ffff;

    return (uint32_t) (v << 16 | v >> 32);
}


static inline uint32_t
tk_sym_dec8(uint64_t v, unsigned n)
{
    v <<= 64 - 8 * n;
    v &= 0x0f * TK_SYM_ONES;
    v = (v * 10 + (v >> 8)) & 0x00ff00ff00ff00ff;
    v = (v * 100 + (v >> 16)) & 0x0000ffff0000ffff;

    return (uint32_t) (v * 10000 + (v >> 32));
}


/* are the n low bytes of v digits */

static inline int
tk_sym_is_hex8(uint64_t v, unsigned n)
{
    uint64_t  digit, letter, wanted;

    wanted = TK_SYM_HIGHS << (64 - 8 * n);
    v <<= 64 - 8 * n;

    if (v & TK_SYM_HIGHS) {
        return 0;
    }

    digit = ~((v ^ 0x30 * TK_SYM_ONES) + 0x76 * TK_SYM_ONES);

    v |= 0x20 * TK_SYM_ONES;
    letter = (v + 0x1f * TK_SYM_ONES) & ~(v + 0x19 * TK_SYM_ONES);

    return ((digit | letter) & wanted) == wanted;
}


static inline int
tk_sym_is_dec8(uint64_t v, unsigned n)
{
    v <<= 64 - 8 * n;
    v ^= (0x30 * TK_SYM_ONES) << (64 - 8 * n);

    return (((v + 0x76 * TK_SYM_ONES) | v) & TK_SYM_HIGHS) == 0;
}


/* the newline in [p, last), NULL if there is none */

static inline const uint8_t *
tk_sym_eol(const uint8_t *p, const uint8_t *last)
{
    uint64_t  v;

    while (last - p >= 8) {
        v = tk_sym_load(p) ^ 0x0a * TK_SYM_ONES;
        v = (v - TK_SYM_ONES) & ~v & TK_SYM_HIGHS;

        if (v) {
            return p + __builtin_ctzll(v) / 8;
        }

        p += 8;
    }

    for ( /* void */ ; p < last; p++) {
        if (*p == '\n') {
            return p;
        }
    }

    return NULL;
}


#endif /* _TK_SYM_LINE_H_INCLUDED_ */
