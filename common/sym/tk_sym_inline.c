
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_sym_record.h"


/* INLINE_ORIGIN and INLINE: calls of the current function. */


/* INLINE_ORIGIN number name */

int
tk_sym_origin(tk_symcache_build_t *b, const uint8_t *p, const uint8_t *last)
{
    int               rc;
    uint64_t          n;
    tk_sym_origin_t  *origin;

    p += sizeof("INLINE_ORIGIN") - 1;

    if (tk_sym_trim_end(p, &last) != 0 || tk_sym_gap(&p, last) != 0
        || tk_sym_dec(&p, last, &n) != 0 || tk_sym_gap(&p, last) != 0
        || p == last)
    {
        return tk_sym_bad(b, "INLINE_ORIGIN");
    }

    if ((b->nwaiting == TK_SYM_WAITING && tk_sym_origins(b, 1) != 0)
        || (b->state == TK_SYM_BODY && tk_sym_calls(b) != 0))
    {
        return -1;
    }

    origin = &b->waiting[(b->waited + b->nwaiting) % TK_SYM_WAITING];
    origin->number = n;

    rc = tk_sym_name_begin(b, &origin->name, p, (size_t) (last - p));

    if (rc != 0) {
        return rc == TK_SYM_NOT_UTF8 ? tk_sym_bad(b, "INLINE_ORIGIN") : -1;
    }

    b->stat.origins++;
    b->nwaiting++;

    return 0;
}


/* Calls get the names that are there, before another INLINE_ORIGIN. */

int
tk_sym_calls(tk_symcache_build_t *b)
{
    uint32_t        handle;
    tk_sym_func_t  *f;
    tk_sym_call_t  *call;

    f = &b->func;

    if (b->nwaiting && tk_sym_origins(b, b->nwaiting) != 0) {
        return -1;
    }

    while (f->named < f->calls.n) {
        call = tk_sym_at(tk_sym_call_t, &f->calls, f->named++);
        handle = tk_sym_map_get(&b->origins, call->number);
        call->origin = handle ? handle - 1 : b->no_name;
    }

    return 0;
}


/* The n names that wait longest: what they need has come from memory. */

int
tk_sym_origins(tk_symcache_build_t *b, uint32_t n)
{
    uint32_t          handle;
    tk_sym_origin_t  *origin;

    for ( /* void */ ; n; n--) {
        origin = &b->waiting[b->waited++ % TK_SYM_WAITING];
        b->nwaiting--;

        if (tk_sym_name_end(b, &origin->name, &handle) != 0
            || tk_sym_map_set(b, &b->origins, origin->number, handle + 1)
               != 0)
        {
            return -1;
        }
    }

    return 0;
}


/* INLINE depth line file origin 1*(address size) */

int
tk_sym_inline(tk_symcache_build_t *b, const uint8_t *p, const uint8_t *last)
{
    size_t           n;
    uint64_t         depth, line, file, origin, addr, size;
    tk_sym_func_t   *f;
    tk_sym_call_t   *call;
    tk_sym_range_t  *range;

    f = &b->func;
    n = f->ranges.n;
    p += sizeof("INLINE") - 1;

    if (tk_sym_vec_room(b, &f->calls, 1, sizeof(*call)) != 0) {
        return -1;
    }

    if (tk_sym_trim_end(p, &last) != 0 || tk_sym_gap(&p, last) != 0
        || tk_sym_dec(&p, last, &depth) != 0 || tk_sym_gap(&p, last) != 0
        || tk_sym_dec(&p, last, &line) != 0 || tk_sym_gap(&p, last) != 0
        || tk_sym_dec(&p, last, &file) != 0 || tk_sym_gap(&p, last) != 0
        || tk_sym_dec(&p, last, &origin) != 0)
    {
        return tk_sym_bad(b, "INLINE");
    }

    do {
        if (tk_sym_gap(&p, last) != 0 || tk_sym_hex(&p, last, &addr) != 0
            || tk_sym_gap(&p, last) != 0 || tk_sym_hex(&p, last, &size) != 0)
        {
            f->ranges.n = n;
            return tk_sym_bad(b, "INLINE");
        }

        /* one behind the function takes part in the order of the others */

        if (addr < f->addr || addr > UINT32_MAX || size == 0) {
            continue;
        }

        if (tk_sym_vec_room(b, &f->ranges, 1, sizeof(*range)) != 0) {
            return -1;
        }

        range = tk_sym_at(tk_sym_range_t, &f->ranges, f->ranges.n);
        range->addr = (uint32_t) addr;
        range->size = size > UINT32_MAX ? UINT32_MAX : (uint32_t) size;
        range->call = (uint32_t) f->calls.n;
        f->ranges.n++;

    } while (p < last);

    if (depth >= TK_SYM_DEPTH || f->ranges.n > TK_SYM_RANGES
        || f->calls.n >= TK_SYM_RANGES)
    {
        f->ranges.n = n;
        b->stat.dropped++;
        return 0;
    }

    b->stat.inlines++;

    call = tk_sym_at(tk_sym_call_t, &f->calls, f->calls.n);
    call->number = origin;
    call->file = tk_sym_map_get(&b->files, file);
    call->line = (uint32_t) line;
    call->depth = (uint32_t) depth;
    f->calls.n += (f->ranges.n != n);

    return 0;
}


/* a number of up to 8 digits and the separator behind it */

#define tk_sym_number(p, v, is, of)                                           \
    do {                                                                      \
        uint64_t  word_ = tk_sym_load(p);                                     \
        unsigned  n_ = tk_sym_word(word_);                                    \
                                                                              \
        if (n_ - 1 > 7 || !is(word_, n_)) {                                   \
            return NULL;                                                      \
        }                                                                     \
                                                                              \
        v = of(word_, n_);                                                    \
        p += n_ + 1;                                                          \
    } while (0)


/*
 * The same, if it is of the usual form, with single spaces, and ends before
 * last.  Returns what is behind its newline; NULL: it is not, or an error.
 */

const uint8_t *
tk_sym_inlined(tk_symcache_build_t *b, const uint8_t *p, const uint8_t *last)
{
    int              ends;
    size_t           n, end;
    uint32_t         depth, line, file, origin, addr, size;
    tk_sym_func_t   *f;
    tk_sym_call_t   *call;
    tk_sym_range_t  *range;

    f = &b->func;
    p += sizeof("INLINE ") - 1;

    tk_sym_number(p, depth, tk_sym_is_dec8, tk_sym_dec8);
    ends = p[-1] ^ ' ';
    tk_sym_number(p, line, tk_sym_is_dec8, tk_sym_dec8);
    ends |= p[-1] ^ ' ';
    tk_sym_number(p, file, tk_sym_is_dec8, tk_sym_dec8);
    ends |= p[-1] ^ ' ';
    tk_sym_number(p, origin, tk_sym_is_dec8, tk_sym_dec8);

    if (ends || depth >= TK_SYM_DEPTH || f->calls.n >= TK_SYM_RANGES
        || f->ranges.n >= TK_SYM_RANGES / 2)
    {
        return NULL;
    }

    n = f->ranges.n;
    end = n;

    do {
        if (p >= last || p[-1] != ' ') {
            return NULL;
        }

        tk_sym_number(p, addr, tk_sym_is_hex8, tk_sym_hex8);

        if (p[-1] != ' ') {
            return NULL;
        }

        tk_sym_number(p, size, tk_sym_is_hex8, tk_sym_hex8);

        if (addr < f->addr || size == 0) {
            continue;
        }

        if (f->ranges.size == end) {
            f->ranges.n = end;

            if (tk_sym_vec_room(b, &f->ranges, 1, sizeof(*range)) != 0) {
                return NULL;
            }

            f->ranges.n = n;
        }

        range = tk_sym_at(tk_sym_range_t, &f->ranges, end);
        range->addr = addr;
        range->size = size;
        range->call = (uint32_t) f->calls.n;
        end++;

    } while (p[-1] != '\n');

    if (tk_sym_vec_room(b, &f->calls, 1, sizeof(*call)) != 0) {
        return NULL;
    }

    b->stat.inlines++;
    b->line++;

    call = tk_sym_at(tk_sym_call_t, &f->calls, f->calls.n);
    call->number = origin;

    if (origin < b->origins.ndirect) {
        __builtin_prefetch(&b->origins.direct[origin]);
    }

    call->file = tk_sym_map_get(&b->files, file);
    call->line = line;
    call->depth = depth;
    f->calls.n += (end != n);
    f->ranges.n = end;

    return p;
}
