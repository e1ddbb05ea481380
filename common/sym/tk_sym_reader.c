
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_sym.h"
#include "tk_sym_line.h"


static int tk_sym_lines(tk_symcache_build_t *b, const uint8_t *p,
    const uint8_t *last);
static int tk_sym_carry(tk_symcache_build_t *b, const uint8_t *p, size_t len);
static int tk_sym_carried(tk_symcache_build_t *b);


/* lines that end here; the last one may go on in the next call */

int
tk_sym_read(tk_symcache_build_t *b, const uint8_t *p, size_t len)
{
    const uint8_t  *last, *eol;

    last = p + len;

    if (b->carry.n || b->overlong) {
        eol = memchr(p, '\n', len);

        if (tk_sym_carry(b, p, (size_t) ((eol ? eol : last) - p)) != 0) {
            return -1;
        }

        if (eol == NULL) {
            return 0;
        }

        if (tk_sym_carried(b) != 0) {
            return -1;
        }

        p = eol + 1;
    }

    return tk_sym_lines(b, p, last);
}


/* the last line, if it has no newline */

int
tk_sym_read_end(tk_symcache_build_t *b)
{
    return b->carry.n || b->overlong ? tk_sym_carried(b) : 0;
}


static int
tk_sym_lines(tk_symcache_build_t *b, const uint8_t *p, const uint8_t *last)
{
    const uint8_t  *eol;

    while (p < last && b->state != TK_SYM_END) {

        if (b->state == TK_SYM_BODY) {
            p = tk_sym_rows(b, p, last);

            if (p == NULL) {
                return -1;
            }

            if (last - p > TK_SYM_PAD && memcmp(p, "INLINE ", 7) == 0) {
                eol = tk_sym_inlined(b, p, last - TK_SYM_PAD);

                if (eol) {
                    p = eol;
                    continue;
                }

                if (b->code_error != TK_SYM_ENONE) {
                    return -1;
                }
            }
        }

        eol = tk_sym_eol(p, last);

        if (eol == NULL) {
            return tk_sym_carry(b, p, (size_t) (last - p));
        }

        if (eol - p > TK_SYM_LINE_MAX) {
            if (tk_sym_overlong(b, p) != 0) {
                return -1;
            }

        } else if (last - eol > TK_SYM_PAD) {
            if (tk_sym_record(b, p, eol) != 0) {
                return -1;
            }

        } else if (tk_sym_carry(b, p, (size_t) (eol - p)) != 0
                   || tk_sym_carried(b) != 0)
        {
            return -1;
        }

        p = eol + 1;
    }

    return 0;
}


static int
tk_sym_carry(tk_symcache_build_t *b, const uint8_t *p, size_t len)
{
    if (b->overlong) {
        return 0;
    }

    if (len > TK_SYM_LINE_MAX + 1 - b->carry.n) {
        len = TK_SYM_LINE_MAX + 1 - b->carry.n;
    }

    if (tk_sym_vec_room(b, &b->carry, len + 2 * TK_SYM_PAD, 1) != 0) {
        return -1;
    }

    if (len) {
        memcpy((uint8_t *) b->carry.data + b->carry.n, p, len);
        b->carry.n += len;
    }

    if (b->carry.n > TK_SYM_LINE_MAX) {
        b->carry.n = 0;
        b->overlong = 1;
        return tk_sym_overlong(b, b->carry.data);
    }

    return 0;
}


static int
tk_sym_carried(tk_symcache_build_t *b)
{
    size_t    n;
    uint8_t  *p;

    if (b->overlong) {
        b->overlong = 0;
        return 0;
    }

    n = b->carry.n;
    p = b->carry.data;

    b->carry.n = 0;

    if (p == NULL) {
        return tk_sym_record(b, (const uint8_t *) "", (const uint8_t *) "");
    }

    memset(p + n, 0, TK_SYM_PAD);

    return tk_sym_record(b, p, p + n);
}
