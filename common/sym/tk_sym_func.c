
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_sym_code.h"


static int tk_sym_func_span(tk_symcache_build_t *b, uint32_t unit,
    uint64_t end);
static int tk_sym_func_lines(tk_symcache_build_t *b);
static int tk_sym_sweep_first(tk_symcache_build_t *b, uint64_t addr);
static int tk_sym_sweep_gap(tk_symcache_build_t *b, tk_sym_sweep_t *s,
    uint64_t addr);
static void tk_sym_sweep_out(tk_sym_sweep_t *s);


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

    if (f->ranges.n && (tk_sym_calls(b) != 0 || tk_sym_nest(b) != 0)) {
        return -1;
    }

    /* its name just before its code */

    if (!f->unnamed && tk_sym_name_end(b, &f->name, &name) != 0) {
        return -1;
    }

    if (tk_sym_code_open(b, f->addr, f->addr, name) != 0) {
        return -1;
    }

    if (f->unsorted || f->end > UINT32_MAX
        || (f->ranges.n && b->nested_end > f->end))
    {
        rc = tk_sym_tangle(b, &end);

    } else {
        rc = tk_sym_func_lines(b);
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


/*
 * Rows in order that do not overlap, and calls that are well nested and end
 * with the function at the latest.  The rest of a call, where there is no
 * row, belongs to the place that it is called from.
 */

static int
tk_sym_func_lines(tk_symcache_build_t *b)
{
    uint64_t          at, end, next, out, stop;
    tk_sym_row_t     *row, *last_row;
    tk_sym_call_t    *call;
    tk_sym_sweep_t   *s;
    tk_sym_nested_t  *in, *last_in;

    s = &b->sweep;
    s->done = b->func.addr;
    s->depth = 0;
    s->keep = 0;
    s->inside = 0;
    s->left = 0;

    stop = b->func.end;
    row = b->func.rows;
    last_row = row + b->func.nrows;
    in = b->nested.data;
    last_in = in + (b->func.ranges.n ? b->nested.n : 0);
    next = in < last_in ? in->addr : UINT64_MAX;
    out = UINT64_MAX;
    at = row < last_row ? row->addr : stop;

    for ( ;; ) {

        /* up to the next row or call, out of those that end before */

        end = next < at ? next : at;
        end = end < stop ? end : stop;

        if (s->done < end || out <= end) {
            if (tk_sym_sweep_gap(b, s, end) != 0) {
                return -1;
            }

            out = s->depth ? s->end[s->depth - 1] : UINT64_MAX;
        }

        if (next <= at && next < stop) {
            call = tk_sym_at(tk_sym_call_t, &b->func.calls, in->call);

            s->frame[s->depth].origin = call->origin;
            s->frame[s->depth].file = call->file;
            s->frame[s->depth].line = call->line;
            s->end[s->depth] = in->end;
            s->inside &= (s->depth != 0);
            s->depth++;

            out = in->end;
            in++;
            next = in < last_in ? in->addr : UINT64_MAX;
            continue;
        }

        if (at >= stop) {
            break;
        }

        /* a piece of the row */

        if ((!b->code.pending && tk_sym_sweep_first(b, at) != 0)
            || tk_sym_code_line(b, at, s->keep, s->depth, s->frame,
                                row->file, row->line)
               != 0)
        {
            return -1;
        }

        s->keep = s->depth;
        s->left = 0;
        s->inside |= (s->depth != 0);

        end = (uint64_t) row->addr + row->size;
        at = out < end ? out : end;
        at = next < at ? next : at;
        s->done = at;

        if (at == end) {
            row++;
            at = row < last_row ? row->addr : stop;
        }
    }

    if (!b->code.pending && tk_sym_sweep_first(b, stop) != 0) {
        return -1;
    }

    tk_sym_code_close(b, stop);

    return 0;
}


/* Without a line at its start, a function has its name there. */

static int
tk_sym_sweep_first(tk_symcache_build_t *b, uint64_t addr)
{
    return addr == b->func.addr
           ? 0 : tk_sym_code_entry(b, b->func.addr, TK_SYM_BARE, 0, 0, NULL,
                                   0, 0);
}


/* To an address: out of calls, with entries where there are no rows. */

static int
tk_sym_sweep_gap(tk_symcache_build_t *b, tk_sym_sweep_t *s, uint64_t addr)
{
    int              rc;
    uint64_t         end;
    tk_sym_frame_t  *call;

    tk_sym_sweep_out(s);

    while (s->done < addr) {

        if (s->depth == 0) {
            rc = s->left ? tk_sym_code_entry(b, s->done, TK_SYM_GAP, 0, 0,
                                             NULL, 0, 0)
                         : 0;
            s->left = 0;
            s->done = addr;

            return rc;
        }

        call = &s->frame[s->depth - 1];
        s->keep = s->keep < s->depth - 1 ? s->keep : s->depth - 1;

        if ((!b->code.pending && tk_sym_sweep_first(b, s->done) != 0)
            || tk_sym_code_entry(b, s->done, TK_SYM_SET, s->keep,
                                 s->depth - 1, s->frame, call->file,
                                 call->line)
               != 0)
        {
            return -1;
        }

        s->keep = s->depth - 1;
        s->left = 0;
        s->inside |= (s->depth > 1);

        end = s->end[s->depth - 1];
        s->done = end < addr ? end : addr;

        tk_sym_sweep_out(s);
    }

    return 0;
}


/* out of calls that have ended */

static void
tk_sym_sweep_out(tk_sym_sweep_t *s)
{
    while (s->depth && s->end[s->depth - 1] <= s->done) {
        s->depth--;
        s->left = (s->depth == 0 && s->inside);
    }

    s->keep = s->keep < s->depth ? s->keep : s->depth;
}
