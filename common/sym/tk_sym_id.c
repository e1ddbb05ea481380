
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_sym_id.h"


#define TK_SYM_UUID   32
#define TK_SYM_STAMP  8
#define TK_SYM_AGE    8


static int
tk_sym_id_digit(uint8_t ch)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }

    ch |= 0x20;

    return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}


int
tk_sym_id_parse(tk_sym_id_t *id, const uint8_t *p, size_t len)
{
    int     digit;
    size_t  i, n;

    memset(id, 0, sizeof(*id));

    id->pdb20 = (len < TK_SYM_UUID);
    n = id->pdb20 ? TK_SYM_STAMP : TK_SYM_UUID;

    if (id->pdb20 && (len <= n || len > n + TK_SYM_AGE)) {
        return -1;
    }

    for (i = 0; i < len; i++) {
        digit = tk_sym_id_digit(p[i]);

        if (digit < 0) {
            return -1;
        }

        if (i < n) {
            id->id[i / 2] = (uint8_t) (id->id[i / 2] << 4 | digit);

        } else if (i < n + TK_SYM_AGE) {
            id->age = id->age << 4 | (uint32_t) digit;
        }
    }

    return 0;
}


int
tk_sym_id_equal(const tk_sym_id_t *a, const tk_sym_id_t *b)
{
    return a->pdb20 == b->pdb20 && a->age == b->age
           && memcmp(a->id, b->id, sizeof(a->id)) == 0;
}


size_t
tk_sym_id_text(uint8_t *dst, const tk_sym_id_t *id)
{
    int     shift;
    size_t  i, n;

    static const char  hex[] = "0123456789ABCDEF";

    n = id->pdb20 ? TK_SYM_STAMP : TK_SYM_UUID;

    for (i = 0; i < n; i++) {
        dst[i] = (uint8_t) hex[i % 2 ? id->id[i / 2] & 0xf
                                     : id->id[i / 2] >> 4];
    }

    for (shift = 28; shift > 0 && id->age >> shift == 0; shift -= 4) {
        /* void */
    }

    for ( /* void */ ; shift >= 0; shift -= 4) {
        dst[n++] = (uint8_t) hex[id->age >> shift & 0xf];
    }

    return n;
}
