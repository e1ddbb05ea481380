
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_sym_code.h"


static int tk_sym_func_span(tk_symcache_build_t *b, uint32_t unit,
    uint64_t end);
static int tk_sym_func_plain(tk_symcache_build_t *b);
static int tk_sym_func_nested(tk_symcache_build_t *b);
static inline void tk_sym_sweep_into(tk_symcache_build_t *b,
    tk_sym_sweep_t *s, const tk_sym_nested_t *in);
static inline int tk_sym_sweep_line(tk_symcache_build_t *b,
    tk_sym_sweep_t *s, uint32_t depth, uint32_t file, uint32_t line);
static inline int tk_sym_sweep_to(tk_symcache_build_t *b, tk_sym_sweep_t *s,
    uint64_t addr);
static int tk_sym_sweep_gap(tk_symcache_build_t *b, tk_sym_sweep_t *s,
    uint64_t addr);


/* The FUNC has been read: to its entries. */

int
tk_sym_func_end(tk_symcache_build_t *b)
{
    int             rc;
    uint32_t        unit, name;
    uint64_t        end;
    tk_sym_func_t  *f;

    f = &b->func;

    if (f->drop) {
        return 0;
    }

    b->stat.functions++;

    end = f->end;
    unit = (uint32_t) b->units.n;

    name = b->unknown;

    if (!f->unnamed && tk_sym_name_end(b, &f->name, &name) != 0) {
        return -1;
    }

    if (tk_sym_code_open(b, f->addr, f->addr, name) != 0) {
        return -1;
    }

    if (f->ranges.n && (tk_sym_calls(b) != 0 || tk_sym_nest(b) != 0)) {
        return -1;
    }

    if (f->unsorted || f->end > UINT32_MAX
        || (f->ranges.n && b->nested_end > f->end))
    {
        rc = tk_sym_tangle(b, &end);

    } else {
        rc = f->ranges.n ? tk_sym_func_nested(b) : tk_sym_func_plain(b);
    }

    return rc != 0 ? -1 : tk_sym_func_span(b, unit, end);
}


static int
tk_sym_func_span(tk_symcache_build_t *b, uint32_t unit, uint64_t end)
{
    tk_sym_span_t  *span;

    if (tk_sym_vec_room(b, &b->spans, 1, sizeof(*span)) != 0) {
        return -1;
    }

    span = tk_sym_at(tk_sym_span_t, &b->spans, b->spans.n);
    span->start = b->func.addr;
    span->end = end;
    span->unit = unit;

    if (b->spans.n && span[-1].end > span->start) {
        b->disorder = 1;
    }

    b->spans.n++;

    return 0;
}


static int
tk_sym_func_plain(tk_symcache_build_t *b)
{
    uint32_t        i;
    tk_sym_row_t   *row;
    tk_sym_func_t  *f;

    f = &b->func;

    if ((f->nrows == 0 || f->rows[0].addr != f->addr)
        && tk_sym_code_entry(b, f->addr, TK_SYM_BARE, 0, 0, NULL, 0, 0) != 0)
    {
        return -1;
    }

    for (i = 0; i < f->nrows; i++) {
        row = &f->rows[i];

        if (tk_sym_code_line(b, row->addr, 0, 0, NULL, row->file,
                             row->line)
            != 0)
        {
            return -1;
        }
    }

    tk_sym_code_close(b, f->end);

    return 0;
}


/*
 * Rows in order that do not overlap, and calls that are well nested and end
 * with the function at the latest.  The rest of a call, where there is no
 * row, belongs to the place that it is called from.
 */

static int
tk_sym_func_nested(tk_symcache_build_t *b)
{
    uint64_t          at, end, next;
    tk_sym_row_t     *row, *last_row;
    tk_sym_func_t    *f;
    tk_sym_sweep_t   *s;
    tk_sym_nested_t  *in, *last_in;

    f = &b->func;
    s = &b->sweep;

    s->done = f->addr;
    s->depth = 0;
    s->keep = 0;
    s->inside = 0;
    s->left = 0;

    row = f->rows;
    last_row = row + f->nrows;
    in = b->nested.data;
    last_in = in + b->nested.n;
    next = in < last_in ? in->addr : UINT64_MAX;
    at = 0;

    while (row < last_row) {

        if (at < row->addr) {
            at = row->addr;
        }

        if (at >= f->end) {
            break;
        }

        while (next <= at) {

            if (tk_sym_sweep_to(b, s, next) != 0) {
                return -1;
            }

            tk_sym_sweep_into(b, s, in++);
            next = in < last_in ? in->addr : UINT64_MAX;
        }

        if (tk_sym_sweep_to(b, s, at) != 0
            || tk_sym_sweep_line(b, s, s->depth, row->file, row->line) != 0)
        {
            return -1;
        }

        end = (uint64_t) row->addr + row->size;
        at = s->depth && s->end[s->depth - 1] < end ? s->end[s->depth - 1]
                                                    : end;
        at = next < at ? next : at;
        row += (at == end);
        s->done = at;
    }

    while (in < last_in) {

        if (tk_sym_sweep_to(b, s, in->addr) != 0) {
            return -1;
        }

        tk_sym_sweep_into(b, s, in++);
    }

    if (tk_sym_sweep_to(b, s, f->end) != 0
        || (!b->code.pending
            && tk_sym_code_entry(b, f->addr, TK_SYM_BARE, 0, 0, NULL, 0, 0)
               != 0))
    {
        return -1;
    }

    tk_sym_code_close(b, f->end);

    return 0;
}


static inline void
tk_sym_sweep_into(tk_symcache_build_t *b, tk_sym_sweep_t *s,
    const tk_sym_nested_t *in)
{
    tk_sym_call_t   *call;
    tk_sym_frame_t  *frame;

    call = tk_sym_at(tk_sym_call_t, &b->func.calls, in->call);
    frame = &s->frame[s->depth];

    frame->origin = call->origin;
    frame->file = call->file;
    frame->line = call->line;

    s->end[s->depth] = in->end;
    s->inside &= (s->depth != 0);
    s->depth++;
}


static inline int
tk_sym_sweep_line(tk_symcache_build_t *b, tk_sym_sweep_t *s, uint32_t depth,
    uint32_t file, uint32_t line)
{
    uint32_t  keep;

    if (!b->code.pending && s->done != b->func.addr
        && tk_sym_code_entry(b, b->func.addr, TK_SYM_BARE, 0, 0, NULL, 0, 0)
           != 0)
    {
        return -1;
    }

    keep = s->keep < depth ? s->keep : depth;

    s->left = 0;
    s->inside |= (depth != 0);
    s->keep = depth;

    return tk_sym_code_line(b, s->done, keep, depth, s->frame, file, line);
}


/* Ends calls up to an address, with entries where there are no rows. */

static inline int
tk_sym_sweep_to(tk_symcache_build_t *b, tk_sym_sweep_t *s, uint64_t addr)
{
    while (s->depth && s->end[s->depth - 1] <= s->done) {
        s->depth--;
        s->left = (s->depth == 0 && s->inside);
    }

    s->keep = s->keep < s->depth ? s->keep : s->depth;

    return s->done < addr ? tk_sym_sweep_gap(b, s, addr) : 0;
}


static int
tk_sym_sweep_gap(tk_symcache_build_t *b, tk_sym_sweep_t *s, uint64_t addr)
{
    uint64_t         end;
    tk_sym_frame_t  *call;

    do {
        if (s->depth == 0) {

            if (s->left
                && tk_sym_code_entry(b, s->done, TK_SYM_GAP, 0, 0, NULL, 0, 0)
                   != 0)
            {
                return -1;
            }

            s->left = 0;
            s->done = addr;
            return 0;
        }

        call = &s->frame[s->depth - 1];

        if (tk_sym_sweep_line(b, s, s->depth - 1, call->file, call->line)
            != 0)
        {
            return -1;
        }

        end = s->end[s->depth - 1];
        s->done = end < addr ? end : addr;

        while (s->depth && s->end[s->depth - 1] <= s->done) {
            s->depth--;
            s->left = (s->depth == 0 && s->inside);
        }

        s->keep = s->keep < s->depth ? s->keep : s->depth;

    } while (s->done < addr);

    return 0;
}
