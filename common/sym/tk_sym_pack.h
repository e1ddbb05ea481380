
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


#define TK_SYM_PACK_MIN     14
#define TK_SYM_PACK_MAX     (TK_SYM_PACK_MIN + 63)
#define TK_SYM_PACK_WORDS   (1 << 17)



typedef struct tk_sym_pack_s  tk_sym_pack_t;


/* NULL: no memory; freed by free(). */
tk_sym_pack_t *tk_sym_pack_create(void);
size_t tk_sym_pack_memory(void);

/*
 * Packs a name behind which 64 bytes are readable; dst has room for len + 64
 * bytes.  Returns the end.
 */
uint8_t *tk_sym_pack(tk_sym_pack_t *pack, uint8_t *dst, const uint8_t *p,
    size_t len);

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

        if (last - p < 3) {
            return -1;
        }

        n = TK_SYM_PACK_MIN + (*p >> 1 & 0x3f);
        offset = (size_t) (*p & 1) << 16 | (size_t) p[1] << 8 | p[2];
        p += 3;

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
