
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_sym_record.h"
#include "tk_uri.h"


static int tk_sym_trim_utf8(const uint8_t **pp, const uint8_t **plast);


/* White_Space of Unicode */

static int
tk_sym_is_space(uint32_t u)
{
    return (u >= 0x09 && u <= 0x0d) || u == 0x20 || u == 0x85 || u == 0xa0
           || u == 0x1680 || (u >= 0x2000 && u <= 0x200a) || u == 0x2028
           || u == 0x2029 || u == 0x202f || u == 0x205f || u == 0x3000;
}


int
tk_sym_trim(const uint8_t **pp, const uint8_t **plast)
{
    uint64_t        any;
    const uint8_t  *p, *last;

    last = *plast;
    any = 0;

    for (p = *pp; last - p >= 8; p += 8) {
        any |= tk_sym_load(p);
    }

    for ( /* void */ ; p < last; p++) {
        any |= *p;
    }

    if (any & TK_SYM_HIGHS) {
        return tk_sym_trim_utf8(pp, plast);
    }

    for (p = *pp; p < last && tk_sym_is_space(*p); p++) { /* void */ }

    *pp = p;

    while (p < last && tk_sym_is_space(last[-1])) {
        last--;
    }

    *plast = last;

    return 0;
}


static int
tk_sym_trim_utf8(const uint8_t **pp, const uint8_t **plast)
{
    unsigned        text;
    uint32_t        u;
    const uint8_t  *p, *last, *end;

    p = *pp;
    last = *plast;
    end = p;
    text = 0;

    while (p < last) {
        u = tk_utf8_decode(&p, last);

        if (u == 0xffffffff) {
            return -1;
        }

        if (!tk_sym_is_space(u)) {
            text = 1;
            end = p;

        } else if (!text) {
            *pp = p;
            end = p;
        }
    }

    *plast = end;

    return 0;
}
