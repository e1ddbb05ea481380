
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_SYM_CODE_H_INCLUDED_
#define _TK_SYM_CODE_H_INCLUDED_


/* Writing entries, those that most functions are made of. */


#include "tk_sym.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif


int tk_sym_code_open(tk_symcache_build_t *b, uint32_t start, uint32_t entry,
    uint32_t name);
int tk_sym_code_entry(tk_symcache_build_t *b, uint64_t start,
    tk_sym_kind_t kind, uint32_t keep, uint32_t depth,
    const tk_sym_frame_t *frames, uint32_t file, uint32_t line);
void tk_sym_code_close(tk_symcache_build_t *b, uint64_t end);
int tk_sym_code_public(tk_symcache_build_t *b, uint32_t addr, uint32_t name);
uint8_t *tk_sym_code_calls(tk_sym_code_t *c, uint8_t *p, uint32_t keep,
    uint32_t depth, const tk_sym_frame_t *frames);

/*
 * Room for size bytes at a multiple of 4, the fourth part of which is
 * *handle; NULL: an error.  Then up to where they were written.
 */
uint8_t *tk_sym_code_begin(tk_symcache_build_t *b, size_t size,
    uint32_t *handle);
int tk_sym_code_end(tk_symcache_build_t *b, const uint8_t *start,
    const uint8_t *end);

int tk_sym_code_slack(tk_symcache_build_t *b);
int tk_sym_code_flush(tk_symcache_build_t *b);


static inline uint8_t *
tk_sym_put(uint8_t *p, uint32_t v)
{
    while (v >= 0x80) {
        *p++ = (uint8_t) (v | 0x80);
        v >>= 7;
    }

    *p++ = (uint8_t) v;

    return p;
}


static inline uint32_t
tk_sym_zigzag(uint32_t v)
{
    return v << 1 ^ (0 - (v >> 31));
}


/* The end of an entry of a size, whose line is so much above the last one.
 * Most take one of three forms, chosen without a branch. */

static inline uint8_t *
tk_sym_put_size(uint8_t *p, uint64_t size, uint32_t line)
{
    uint32_t  code, small, v, n;

    v = tk_sym_zigzag(line);
    size--;

    if (size >= TK_LINE_SIZES || v >= 1 << 14) {

        if (size < TK_ENTRY_SIZES
            && line - (uint32_t) TK_ENTRY_LINE_MIN < TK_ENTRY_LINES)
        {
            *p++ = (uint8_t) (TK_OP_ENTRY + size * TK_ENTRY_LINES + line
                              - (uint32_t) TK_ENTRY_LINE_MIN);
            return p;
        }

        if (size < TK_LINE_SIZES) {
            *p++ = (uint8_t) (TK_OP_LINE + size);

        } else {
            *p++ = TK_OP_LONG;
            p = tk_sym_put(p, size < UINT32_MAX ? (uint32_t) size + 1
                                                : UINT32_MAX);
        }

        return tk_sym_put(p, v);
    }

    n = v >> 7 != 0;
    code = (TK_OP_LINE + (uint32_t) size) | (v & 0x7f) << 8 | n << 15
           | v >> 7 << 16;
    n += 2;

    line -= (uint32_t) TK_ENTRY_LINE_MIN;
    small = TK_OP_ENTRY + (uint32_t) size * TK_ENTRY_LINES + line;

    code = line < TK_ENTRY_LINES ? small : code;
    n = line < TK_ENTRY_LINES ? 1 : n;

    memcpy(p, &code, sizeof(code));

    return p + n;
}


/* To the place of a file, or to a new one. */

static inline uint8_t *
tk_sym_put_place(tk_sym_code_t *c, uint8_t *p, uint32_t file)
{
    uint32_t  i, places;

#ifdef __SSE2__

    __m128i  v, a, d;

    v = _mm_set1_epi32((int) file);

#define tk_sym_same(i)                                                        \
    _mm_cmpeq_epi32(v, _mm_loadu_si128((const void *) &c->file[i]))

    a = _mm_packs_epi32(tk_sym_same(0), tk_sym_same(4));
    d = _mm_packs_epi32(tk_sym_same(8), tk_sym_same(12));
    places = (uint32_t) _mm_movemask_epi8(_mm_packs_epi16(a, d));

#undef tk_sym_same

#else

    for (places = 0, i = 0; i < TK_UNIT_PLACES; i++) {
        places |= (uint32_t) (c->file[i] == file) << i;
    }

#endif

    places &= c->used;

    if (places) {
        i = (uint32_t) __builtin_ctz(places);
        *p = (uint8_t) (TK_OP_PLACE + i);
        p += (i != c->at);
        c->at = i;

        return p;
    }

    c->at = c->places++ % TK_UNIT_PLACES;
    c->used |= 1u << c->at;
    c->file[c->at] = file;
    c->last[c->at] = 0;
    *p++ = TK_OP_FILE;

    return tk_sym_put(p, file);
}


/* A line, in calls of which the first keep are those of the entry before. */

static inline int
tk_sym_code_line(tk_symcache_build_t *b, uint64_t start, uint32_t keep,
    uint32_t depth, const tk_sym_frame_t *frames, uint32_t file,
    uint32_t line)
{
    uint8_t        *p;
    uint32_t       *last;
    tk_sym_code_t  *c;

    c = &b->code;

    if (!c->pending || c->n == TK_UNIT_ENTRIES || c->p >= c->full) {
        return tk_sym_code_entry(b, start, TK_SYM_SET, keep, depth, frames,
                                 file, line);
    }

    p = tk_sym_put_size(c->p, start - c->start, c->line);

    if (keep != c->depth || keep != depth) {
        p = tk_sym_code_calls(c, p, keep, depth, frames);
    }

    c->p = tk_sym_put_place(c, p, file);

    last = &c->last[c->at];
    c->line = line - *last;
    *last = line;

    c->start = start;
    c->n++;

    return 0;
}


#endif /* _TK_SYM_CODE_H_INCLUDED_ */
