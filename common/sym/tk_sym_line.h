
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

#ifdef __SSE2__
#include <emmintrin.h>
#endif


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


static inline uint64_t
tk_sym_nibbles(uint64_t v)
{
    return (v & 0x0f * TK_SYM_ONES) + 9 * (v >> 6 & TK_SYM_ONES);
}


/* n digits, 1 .. 8, in the low bytes of v; whatever is no digit gives any
 * number */

static inline uint32_t
tk_sym_hex8(uint64_t v, unsigned n)
{
    v = tk_sym_nibbles(v << (64 - 8 * n));
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
#ifdef __SSE2__

    uint32_t  mask;

    for ( /* void */ ; last - p >= 16; p += 16) {
        mask = (uint32_t) _mm_movemask_epi8(
                   _mm_cmpeq_epi8(_mm_loadu_si128((const void *) p),
                                  _mm_set1_epi8('\n')));
        if (mask) {
            return p + __builtin_ctz(mask);
        }
    }

    for ( /* void */ ; p < last; p++) {
        if (*p == '\n') {
            return p;
        }
    }

    return NULL;

#else

    return p < last ? memchr(p, '\n', (size_t) (last - p)) : NULL;

#endif
}


#endif /* _TK_SYM_LINE_H_INCLUDED_ */
