
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "tk_sym.h"
#include "tk_sym_line.h"


static const uint8_t *tk_sym_rows(tk_symcache_build_t *b, const uint8_t *p,
    const uint8_t *last);
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


#ifdef __SSE2__

/*
 * Line records of the usual form, "hex hex dec dec\n" with single spaces, 32
 * bytes and 8 digits each at most; returns the first line that is not one.
 */

static const uint8_t *
tk_sym_rows(tk_symcache_build_t *b, const uint8_t *p, const uint8_t *last)
{
    unsigned        n1, n2, n3, n4, a1, a2, a3, end;
    uint32_t        spaces, newlines, digits, hexes, below, addr, size;
    uint64_t        span, next;
    __m128i         v[2], lower;
    tk_sym_row_t   *row, *limit;
    tk_sym_func_t  *f;

    f = &b->func;
    span = (f->end > UINT32_MAX ? (uint64_t) 1 << 32 : f->end) - f->addr;

    if (f->drop) {
        span = 0;
    }

    row = f->rows + f->nrows;
    limit = f->rows + f->rows_size;
    next = f->nrows ? (uint64_t) row[-1].addr + row[-1].size : 0;

    while (last - p >= TK_SYM_PAD) {

        v[0] = _mm_loadu_si128((const __m128i *) p);
        v[1] = _mm_loadu_si128((const __m128i *) (p + 16));

#define tk_mask(x0, x1)                                                       \
        ((uint32_t) _mm_movemask_epi8(x0)                                     \
         | (uint32_t) _mm_movemask_epi8(x1) << 16)

#define tk_equal(c)                                                           \
        tk_mask(_mm_cmpeq_epi8(v[0], _mm_set1_epi8(c)),                       \
                _mm_cmpeq_epi8(v[1], _mm_set1_epi8(c)))

#define tk_below(x, from, n)                                                  \
        _mm_cmplt_epi8(_mm_add_epi8(x, _mm_set1_epi8((char) (0x80 - from))),  \
                       _mm_set1_epi8((char) (0x80 + n)))

        newlines = tk_equal('\n');

        if (newlines == 0) {
            break;
        }

        spaces = tk_equal(' ');
        digits = tk_mask(tk_below(v[0], '0', 10), tk_below(v[1], '0', 10));

        lower = _mm_set1_epi8(0x20);
        hexes = tk_mask(tk_below(_mm_or_si128(v[0], lower), 'a', 6),
                        tk_below(_mm_or_si128(v[1], lower), 'a', 6));

        end = (unsigned) __builtin_ctz(newlines);
        below = (1u << end) - 1;
        spaces &= below;

        if (spaces == 0) {
            break;
        }

        a1 = (unsigned) __builtin_ctz(spaces) + 1;
        spaces &= spaces - 1;

        if (spaces == 0) {
            break;
        }

        a2 = (unsigned) __builtin_ctz(spaces) + 1;

        /* letters in the first two numbers only */

        if ((spaces | digits | (hexes & ((1u << a2) - 1)) | ~below
             | 1u << (a1 - 1)) != UINT32_MAX)
        {
            break;
        }

        spaces &= spaces - 1;
        a3 = spaces ? (unsigned) __builtin_ctz(spaces) + 1 : 0;

        n1 = a1 - 1;
        n2 = a2 - a1 - 1;
        n3 = a3 - a2 - 1;
        n4 = end - a3;

        if ((spaces & (spaces - 1)) || n1 - 1 > 7 || n2 - 1 > 7 || n3 - 1 > 7
            || n4 - 1 > 7)
        {
            break;
        }

        addr = tk_sym_hex8(tk_sym_load(p), n1);
        size = tk_sym_hex8(tk_sym_load(p + a1), n2);

        if (addr >= f->addr && addr - f->addr < span && size) {

            if (row == limit) {
                f->nrows = (uint32_t) (row - f->rows);

                if (tk_sym_rows_grow(b) != 0) {
                    return NULL;
                }

                row = f->rows + f->nrows;
                limit = f->rows + f->rows_size;
            }

            row->addr = addr;
            row->size = size;
            row->line = tk_sym_dec8(tk_sym_load(p + a2), n3);
            row->file = tk_sym_map_get(&b->files,
                                     tk_sym_dec8(tk_sym_load(p + a3), n4));
            if (addr < next) {
                f->unsorted = 1;
            }

            next = (uint64_t) addr + size;
            row++;
        }

        b->stat.lines++;
        b->line++;
        p += end + 1;
    }

    f->nrows = (uint32_t) (row - f->rows);

    return p;
}

#else

static const uint8_t *
tk_sym_rows(tk_symcache_build_t *b, const uint8_t *p, const uint8_t *last)
{
    (void) b;
    (void) last;

    return p;
}

#endif
