
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_SYM_PACK_H_INCLUDED_
#define _TK_SYM_PACK_H_INCLUDED_


/*
 * Names, of printable ASCII only, as literal bytes and references to a
 * dictionary that grows while names are packed:
 *
 *     0x20 .. 0x7e              itself
 *     1LLLLLLO OOOOOOOO OOOOOOOO  14 + L bytes at O
 */


#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif


#define TK_SYM_PACK_MIN     14
#define TK_SYM_PACK_MAX     (TK_SYM_PACK_MIN + 63)
#define TK_SYM_PACK_WORDS   (1 << 17)
#define TK_SYM_PACK_SLACK   16          /* of tk_sym_unpack_fast() */


typedef struct tk_sym_pack_s  tk_sym_pack_t;


/* NULL: no memory; freed by free().  narrow: without AVX2. */
tk_sym_pack_t *tk_sym_pack_create(unsigned narrow);
size_t tk_sym_pack_memory(void);

/*
 * Packs a name behind which 64 bytes are readable; dst has room for len + 64
 * bytes.  Returns the end.
 */
uint8_t *tk_sym_pack(tk_sym_pack_t *pack, uint8_t *dst, const uint8_t *p,
    size_t len);

/* The dictionary. */
const uint8_t *tk_sym_pack_words(const tk_sym_pack_t *pack, size_t *len);


/* A reference at p, in a name of which left bytes are missing: its length, 0
 * if it is wrong. */

static inline size_t
tk_sym_pack_word_at(const uint8_t *p, size_t left, size_t nwords,
    size_t *offset)
{
    size_t  n;

    n = TK_SYM_PACK_MIN + (*p >> 1 & 0x3f);
    *offset = (size_t) (*p & 1) << 16 | (size_t) p[1] << 8 | p[2];

    return n > left || *offset > nwords || n > nwords - *offset ? 0 : n;
}


/*
 * Unpacks len bytes from [p, last) to dst, which has room for exactly those.
 * Returns -1 if there are not as many.
 */

static inline int
tk_sym_unpack(uint8_t *dst, size_t len, const uint8_t *p, const uint8_t *last,
    const uint8_t *words, size_t nwords)
{
    size_t    n, offset;
    uint8_t  *end;

    end = dst + len;

    while (dst < end) {

        if (p >= last) {
            return -1;
        }

        if (*p < 0x80) {

            /* mostly several in a row */

            do {
                *dst++ = *p++;
            } while (dst < end && p < last && *p < 0x80);

            continue;
        }

        if (last - p < 3) {
            return -1;
        }

        n = tk_sym_pack_word_at(p, (size_t) (end - dst), nwords, &offset);

        if (n == 0) {
            return -1;
        }

        p += 3;

        memcpy(dst, words + offset, n);
        dst += n;
    }

    return 0;
}


/* Copies 16 bytes; returns how many of them come before a reference. */

static inline size_t
tk_sym_pack_literals(uint8_t *dst, const uint8_t *p)
{
#ifdef __SSE2__

    __m128i  v;

    v = _mm_loadu_si128((const __m128i *) (const void *) p);
    _mm_storeu_si128((__m128i *) (void *) dst, v);

    return (size_t) __builtin_ctz((unsigned) _mm_movemask_epi8(v) | 0x10000);

#else

    size_t  n;

    memcpy(dst, p, 16);

    for (n = 0; n < 16 && p[n] < 0x80; n++) { /* void */ }

    return n;

#endif
}


/*
 * The same by 16 bytes: that many behind len may be written, and as many
 * behind last may be read.
 */

static inline int
tk_sym_unpack_fast(uint8_t *dst, size_t len, const uint8_t *p,
    const uint8_t *last, const uint8_t *words, size_t nwords)
{
    size_t    i, n, offset;
    uint8_t  *end;

    end = dst + len;

    while (dst < end) {

        if (p >= last) {
            return -1;
        }

        n = tk_sym_pack_literals(dst, p);
        p += n;
        dst += n;

        if (n == 16 || dst >= end) {
            continue;
        }

        if (last - p < 3) {
            return -1;
        }

        n = tk_sym_pack_word_at(p, (size_t) (end - dst), nwords, &offset);

        if (n == 0) {
            return -1;
        }

        p += 3;

        if (nwords - offset >= TK_SYM_PACK_MAX + 16) {
            for (i = 0; i < n; i += 16) {
                memcpy(dst + i, words + offset + i, 16);
            }

        } else {
            memcpy(dst, words + offset, n);
        }

        dst += n;
    }

    /* of the last literals, some may be behind the end */

    return p - last > dst - end ? -1 : 0;
}


/* What tk_sym_unpack() would return. */

static inline int
tk_sym_unpack_check(size_t len, const uint8_t *p, const uint8_t *last,
    size_t nwords)
{
    size_t  n, offset;

    for ( /* void */ ; len; len -= n) {

        if (p >= last) {
            return -1;
        }

        if (*p < 0x80) {
            p++;
            n = 1;
            continue;
        }

        if (last - p < 3) {
            return -1;
        }

        n = TK_SYM_PACK_MIN + (*p >> 1 & 0x3f);
        offset = (size_t) (*p & 1) << 16 | (size_t) p[1] << 8 | p[2];
        p += 3;

        if (n > len || offset > nwords || n > nwords - offset) {
            return -1;
        }
    }

    return 0;
}


#endif /* _TK_SYM_PACK_H_INCLUDED_ */
