
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
 *     1LLLLOOO OOOOOOOO OOOOOOOO  14 + L bytes at O; L 15: one more byte N,
 *                               29 + N bytes
 */


#include <stddef.h>
#include <stdint.h>
#include <string.h>


#define TK_SYM_PACK_MIN     14
#define TK_SYM_PACK_LONG    15
#define TK_SYM_PACK_MAX     (TK_SYM_PACK_MIN + TK_SYM_PACK_LONG + 255)
#define TK_SYM_PACK_WORDS   (1 << 19)


#define TK_SYM_PACK_STARTS  64          /* in a name; others do not count */


typedef struct tk_sym_pack_s  tk_sym_pack_t;


typedef struct {
    uint32_t   n;
    uint32_t   pos[TK_SYM_PACK_STARTS];
    uint32_t   hash[TK_SYM_PACK_STARTS];
} tk_sym_starts_t;


/* NULL: no memory; freed by free(). */
tk_sym_pack_t *tk_sym_pack_create(void);
size_t tk_sym_pack_memory(void);

/*
 * Where words start in a name, behind which 64 bytes are readable.  Between
 * this and tk_sym_pack() there should be time for what is needed to come
 * from memory.
 */
void tk_sym_pack_prepare(tk_sym_pack_t *pack, tk_sym_starts_t *starts,
    const uint8_t *p, size_t len);

/* Packs the name; dst has room for len + 64 bytes.  Returns the end. */
uint8_t *tk_sym_pack(tk_sym_pack_t *pack, const tk_sym_starts_t *starts,
    uint8_t *dst, const uint8_t *p, size_t len);

/* The dictionary. */
const uint8_t *tk_sym_pack_words(const tk_sym_pack_t *pack, size_t *len);


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

        if (last - p < 4) {
            return -1;
        }

        n = TK_SYM_PACK_MIN + (*p >> 3 & 0xf);
        offset = (size_t) (*p & 7) << 16 | (size_t) p[1] << 8 | p[2];
        p += 3;

        if (n == TK_SYM_PACK_MIN + TK_SYM_PACK_LONG) {
            n += *p++;
        }

        if (n > (size_t) (end - dst) || offset > nwords
            || n > nwords - offset)
        {
            return -1;
        }

        memcpy(dst, words + offset, n);
        dst += n;
    }

    return 0;
}


#endif /* _TK_SYM_PACK_H_INCLUDED_ */
