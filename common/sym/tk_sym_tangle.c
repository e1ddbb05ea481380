
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_sym_code.h"


/*
 * A function whose rows overlap or are out of order, or whose calls go on
 * behind its end: symbolic's way, step by step.
 *
 * First, rows and calls become a tree of calls, each with pieces of rows; a
 * call is also a piece of the one that it is in.  Then, from the outside to
 * the inside, the pieces of a call become entries where no piece of an inner
 * call is, and the places of the inner calls where there is one.  At last,
 * of the entries at an address the latest counts.
 */

#define TK_SYM_NIL  0xffffffff


typedef struct {
    uint64_t         start;
    uint64_t         end;
    uint32_t         file;
    uint32_t         line;
    uint32_t         next;              /* of the same call */
} tk_sym_piece_t;


typedef struct {
    uint64_t         end;
    uint32_t         origin;
    uint32_t         parent;
    uint32_t         first;             /* pieces */
    uint32_t         last;
    uint32_t         child;             /* first and last call inside */
    uint32_t         last_child;
    uint32_t         sibling;
    uint32_t         sites;             /* of the calls inside */
    uint32_t         nsites;
} tk_sym_node_t;


/* a place in a call, and the one that it was called from */

typedef struct {
    uint32_t         node;
    uint32_t         file;
    uint32_t         line;
    uint32_t         into;
} tk_sym_spot_t;


typedef struct {
    uint64_t         start;
    uint32_t         place;
} tk_sym_site_t;


typedef struct {
    uint32_t         start;
    uint32_t         place;
    tk_sym_kind_t    kind;
} tk_sym_insert_t;


typedef struct tk_sym_tangle_s {
    tk_sym_vec_t     pieces;
    tk_sym_vec_t     nodes;
    tk_sym_vec_t     places;
    tk_sym_vec_t     sites;
    tk_sym_vec_t     inner;             /* tk_sym_piece_t of calls inside */
    tk_sym_vec_t     inserts;

    tk_sym_frame_t   frame[TK_SYM_DEPTH];
    uint32_t         depth;
} tk_sym_tangle_t;


static int tk_sym_tangle_rows(tk_symcache_build_t *b);
static int tk_sym_tangle_tree(tk_symcache_build_t *b, tk_sym_tangle_t *t);
static int tk_sym_tangle_node(tk_symcache_build_t *b, tk_sym_tangle_t *t,
    uint32_t parent, const tk_sym_nested_t *in);
static int tk_sym_tangle_piece(tk_symcache_build_t *b, tk_sym_tangle_t *t,
    uint32_t node, const tk_sym_piece_t *new);
static int tk_sym_tangle_walk(tk_symcache_build_t *b, tk_sym_tangle_t *t,
    uint32_t n);
static int tk_sym_tangle_inner(tk_symcache_build_t *b, tk_sym_tangle_t *t,
    const tk_sym_node_t *node);
static int tk_sym_tangle_site(tk_symcache_build_t *b, tk_sym_tangle_t *t,
    uint64_t start, uint32_t place);
static int tk_sym_tangle_insert(tk_symcache_build_t *b, tk_sym_tangle_t *t,
    uint64_t start, tk_sym_kind_t kind, uint32_t place);
static int tk_sym_tangle_code(tk_symcache_build_t *b, tk_sym_tangle_t *t,
    uint64_t *end);
static int tk_sym_tangle_entry(tk_symcache_build_t *b, tk_sym_tangle_t *t,
    const tk_sym_insert_t *in);


int
tk_sym_tangle(tk_symcache_build_t *b, uint64_t *end)
{
    uint32_t          i;
    tk_sym_node_t    *node;
    tk_sym_tangle_t  *t;

    if (b->tangle == NULL) {
        b->tangle = tk_sym_alloc(b, NULL, 0, sizeof(*t));

        if (b->tangle == NULL) {
            return -1;
        }

        memset(b->tangle, 0, sizeof(*t));
    }

    t = b->tangle;
    t->pieces.n = 0;
    t->nodes.n = 0;
    t->places.n = 0;
    t->sites.n = 0;
    t->inserts.n = 0;

    if (tk_sym_tangle_tree(b, t) != 0) {
        return -1;
    }

    /* a call comes after the one that it is in */

    for (i = 0; i < t->nodes.n; i++) {
        if (tk_sym_tangle_walk(b, t, i) != 0) {
            return -1;
        }
    }

    for (i = 0; i < t->nodes.n; i++) {
        node = tk_sym_at(tk_sym_node_t, &t->nodes, i);

        if ((i == 0 || node->first != TK_SYM_NIL)
            && tk_sym_tangle_insert(b, t, node->end, TK_SYM_GAP, TK_SYM_NIL)
               != 0)
        {
            return -1;
        }
    }

    return tk_sym_tangle_code(b, t, end);
}


void
tk_sym_tangle_free(tk_symcache_build_t *b)
{
    tk_sym_tangle_t  *t;

    t = b->tangle;

    if (t) {
        tk_sym_release(b, t->pieces.data, 0);
        tk_sym_release(b, t->nodes.data, 0);
        tk_sym_release(b, t->places.data, 0);
        tk_sym_release(b, t->sites.data, 0);
        tk_sym_release(b, t->inner.data, 0);
        tk_sym_release(b, t->inserts.data, 0);
        tk_sym_release(b, t, 0);
    }
}


static int
tk_sym_tangle_rows(tk_symcache_build_t *b)
{
    size_t          i, n;
    uint64_t       *keys;
    tk_sym_row_t   *rows, *sorted;

    n = b->func.nrows;
    rows = b->func.rows;
    b->keys.n = 0;
    b->scratch.n = 0;

    if (tk_sym_vec_room(b, &b->keys, 2 * n, sizeof(uint64_t)) != 0
        || tk_sym_vec_room(b, &b->scratch, n * sizeof(*rows), 1) != 0)
    {
        return -1;
    }

    keys = b->keys.data;
    sorted = b->scratch.data;

    for (i = 0; i < n; i++) {
        keys[i] = (uint64_t) rows[i].addr << 32 | i;
    }

    tk_sym_sort(keys, n);

    for (i = 0; i < n; i++) {
        sorted[i] = rows[keys[i] & UINT32_MAX];
    }

    if (n) {
        memcpy(rows, sorted, n * sizeof(*rows));
    }

    return 0;
}


static int
tk_sym_tangle_tree(tk_symcache_build_t *b, tk_sym_tangle_t *t)
{
    uint32_t          top, depth, i;
    uint64_t          start, end, cut;
    tk_sym_row_t     *row;
    tk_sym_piece_t    piece;
    tk_sym_func_t    *f;
    tk_sym_call_t    *call;
    tk_sym_node_t    *node;
    tk_sym_nested_t  *in, *last;

    f = &b->func;
    in = b->nested.data;
    last = in + (f->ranges.n ? b->nested.n : 0);
    start = 0;
    depth = 0;
    top = 0;

    if (tk_sym_tangle_rows(b) != 0
        || tk_sym_tangle_node(b, t, TK_SYM_NIL, NULL) != 0)
    {
        return -1;
    }

    for (i = 0; i < f->nrows || in < last; /* void */ ) {
        row = &f->rows[i];

        if (i < f->nrows && start == 0) {
            start = row->addr;
        }

        cut = in < last && (i == f->nrows || in->addr <= start) ? in->addr
                                                                 : start;

        node = tk_sym_at(tk_sym_node_t, &t->nodes, top);

        while (top && node->end <= cut) {
            top = node->parent;
            node = tk_sym_at(tk_sym_node_t, &t->nodes, top);
            depth--;
        }

        if (in < last && (i == f->nrows || in->addr <= start)) {
            call = tk_sym_at(tk_sym_call_t, &f->calls, in->call);

            while (depth > call->depth) {
                top = tk_sym_at(tk_sym_node_t, &t->nodes, top)->parent;
                depth--;
            }

            piece.start = in->addr;
            piece.end = in->end;
            piece.file = call->file;
            piece.line = call->line;

            if (tk_sym_tangle_piece(b, t, top, &piece) != 0
                || tk_sym_tangle_node(b, t, top, in) != 0)
            {
                return -1;
            }

            top = (uint32_t) t->nodes.n - 1;
            depth++;
            in++;
            continue;
        }

        end = (uint64_t) row->addr + row->size;
        cut = end;

        if (top && node->end < cut) {
            cut = node->end;
        }

        if (in < last && in->addr < cut) {
            cut = in->addr;
        }

        piece.start = start;
        piece.end = cut;
        piece.file = row->file;
        piece.line = row->line;

        if (start < f->end && tk_sym_tangle_piece(b, t, top, &piece) != 0) {
            return -1;
        }

        start = cut;

        if (cut == end || cut >= f->end) {
            start = 0;
            i++;
        }
    }

    return 0;
}


static int
tk_sym_tangle_node(tk_symcache_build_t *b, tk_sym_tangle_t *t,
    uint32_t parent, const tk_sym_nested_t *in)
{
    uint32_t        n;
    tk_sym_node_t  *node, *outer;

    if (tk_sym_vec_room(b, &t->nodes, 1, sizeof(*node)) != 0) {
        return -1;
    }

    n = (uint32_t) t->nodes.n++;
    node = tk_sym_at(tk_sym_node_t, &t->nodes, n);

    node->end = in ? in->end : b->func.end;
    node->origin = in ? tk_sym_at(tk_sym_call_t, &b->func.calls,
                                  in->call)->origin : 0;
    node->parent = parent;
    node->first = TK_SYM_NIL;
    node->child = TK_SYM_NIL;
    node->sibling = TK_SYM_NIL;
    node->nsites = 0;

    if (parent != TK_SYM_NIL) {
        outer = tk_sym_at(tk_sym_node_t, &t->nodes, parent);

        if (outer->child == TK_SYM_NIL) {
            outer->child = n;

        } else {
            tk_sym_at(tk_sym_node_t, &t->nodes, outer->last_child)->sibling
                = n;
        }

        outer->last_child = n;
    }

    return 0;
}


static int
tk_sym_tangle_piece(tk_symcache_build_t *b, tk_sym_tangle_t *t,
    uint32_t node, const tk_sym_piece_t *new)
{
    uint32_t         n;
    tk_sym_node_t   *call;
    tk_sym_piece_t  *piece;

    if (new->start > UINT32_MAX) {
        return 0;
    }

    if (tk_sym_vec_room(b, &t->pieces, 1, sizeof(*piece)) != 0) {
        return -1;
    }

    n = (uint32_t) t->pieces.n++;
    piece = tk_sym_at(tk_sym_piece_t, &t->pieces, n);
    *piece = *new;
    piece->next = TK_SYM_NIL;

    call = tk_sym_at(tk_sym_node_t, &t->nodes, node);

    if (call->first == TK_SYM_NIL) {
        call->first = n;

    } else {
        tk_sym_at(tk_sym_piece_t, &t->pieces, call->last)->next = n;
    }

    call->last = n;

    return 0;
}


/* from the pieces of a call to inserts, and to sites for the calls inside */

static int
tk_sym_tangle_walk(tk_symcache_build_t *b, tk_sym_tangle_t *t, uint32_t n)
{
    size_t           k;
    uint32_t         i, site, nsites, into;
    uint64_t         at;
    tk_sym_node_t   *node, *outer;
    tk_sym_piece_t  *piece, *inner;
    tk_sym_spot_t  *place;

    node = tk_sym_at(tk_sym_node_t, &t->nodes, n);
    node->sites = (uint32_t) t->sites.n;
    site = 0;
    nsites = 0;
    into = TK_SYM_NIL;

    if (n) {
        outer = tk_sym_at(tk_sym_node_t, &t->nodes, node->parent);

        if (outer->nsites == 0) {
            node->first = TK_SYM_NIL;
        }

        if (node->first == TK_SYM_NIL) {
            return 0;
        }

        site = outer->sites;
        nsites = site + outer->nsites;
        into = tk_sym_at(tk_sym_site_t, &t->sites, site++)->place;
    }

    if (tk_sym_tangle_inner(b, t, node) != 0) {
        return -1;
    }

    inner = (tk_sym_piece_t *) t->inner.data + t->inner.n;
    k = 0;
    i = node->first;

    while (i != TK_SYM_NIL) {
        piece = tk_sym_at(tk_sym_piece_t, &t->pieces, i);
        at = piece->start;

        while (site < nsites
               && tk_sym_at(tk_sym_site_t, &t->sites, site)->start <= at)
        {
            into = tk_sym_at(tk_sym_site_t, &t->sites, site++)->place;
        }

        if (tk_sym_vec_room(b, &t->places, 1, sizeof(*place)) != 0) {
            return -1;
        }

        place = tk_sym_at(tk_sym_spot_t, &t->places, t->places.n);
        place->node = n;
        place->file = piece->file;
        place->line = piece->line;
        place->into = into;

        while (at < piece->end) {

            if ((k == t->inner.n || inner[k].start > at)
                && tk_sym_tangle_insert(b, t, at, TK_SYM_SET,
                                        (uint32_t) t->places.n)
                   != 0)
            {
                return -1;
            }

            if (k == t->inner.n || inner[k].start >= piece->end) {
                at = piece->end;
                break;
            }

            if (tk_sym_tangle_site(b, t, inner[k].start,
                                   (uint32_t) t->places.n)
                != 0)
            {
                return -1;
            }

            at = inner[k++].end;
        }

        t->places.n++;

        do {
            i = piece->next;
            piece = i == TK_SYM_NIL
                    ? NULL : tk_sym_at(tk_sym_piece_t, &t->pieces, i);
        } while (piece && piece->start < at);
    }

    node->nsites = (uint32_t) t->sites.n - node->sites;

    return n ? 0 : tk_sym_tangle_insert(b, t, b->func.addr, TK_SYM_BARE,
                                        TK_SYM_NIL);
}


/* all pieces of the calls in a call, by address: the second half of inner */

static int
tk_sym_tangle_inner(tk_symcache_build_t *b, tk_sym_tangle_t *t,
    const tk_sym_node_t *node)
{
    size_t           k, n;
    uint32_t         i, child;
    uint64_t        *keys;
    tk_sym_node_t   *call;
    tk_sym_piece_t  *piece, *inner;

    t->inner.n = 0;

    for (child = node->child; child != TK_SYM_NIL; child = call->sibling) {
        call = tk_sym_at(tk_sym_node_t, &t->nodes, child);

        for (i = call->first; i != TK_SYM_NIL; i = piece->next) {
            piece = tk_sym_at(tk_sym_piece_t, &t->pieces, i);

            if (tk_sym_vec_room(b, &t->inner, 1, sizeof(*piece)) != 0) {
                return -1;
            }

            *tk_sym_at(tk_sym_piece_t, &t->inner, t->inner.n++) = *piece;
        }
    }

    n = t->inner.n;
    b->keys.n = 0;

    if (tk_sym_vec_room(b, &b->keys, 2 * n, sizeof(uint64_t)) != 0
        || tk_sym_vec_room(b, &t->inner, n + 1, sizeof(*piece)) != 0)
    {
        return -1;
    }

    keys = b->keys.data;
    inner = t->inner.data;

    for (k = 0; k < n; k++) {
        keys[k] = inner[k].start << 32 | k;
    }

    tk_sym_sort(keys, n);

    for (k = 0; k < n; k++) {
        inner[n + k] = inner[keys[k] & UINT32_MAX];
    }

    return 0;
}


static int
tk_sym_tangle_site(tk_symcache_build_t *b, tk_sym_tangle_t *t,
    uint64_t start, uint32_t place)
{
    tk_sym_site_t  *site;

    if (tk_sym_vec_room(b, &t->sites, 1, sizeof(*site)) != 0) {
        return -1;
    }

    site = tk_sym_at(tk_sym_site_t, &t->sites, t->sites.n++);
    site->start = start;
    site->place = place;

    return 0;
}


static int
tk_sym_tangle_insert(tk_symcache_build_t *b, tk_sym_tangle_t *t,
    uint64_t start, tk_sym_kind_t kind, uint32_t place)
{
    tk_sym_insert_t  *in;

    if (start > UINT32_MAX) {
        return 0;
    }

    if (tk_sym_vec_room(b, &t->inserts, 1, sizeof(*in)) != 0) {
        return -1;
    }

    in = tk_sym_at(tk_sym_insert_t, &t->inserts, t->inserts.n++);
    in->start = (uint32_t) start;
    in->kind = kind;
    in->place = place;

    return 0;
}


/* the inserts, of those at an address the last line, or else the name, to
 * code; *end: that of the function, as far as others are concerned */

static int
tk_sym_tangle_code(tk_symcache_build_t *b, tk_sym_tangle_t *t, uint64_t *end)
{
    size_t            i, n;
    uint64_t         *keys;
    tk_sym_insert_t  *in, *best;

    n = t->inserts.n;
    b->keys.n = 0;

    if (tk_sym_vec_room(b, &b->keys, 2 * n, sizeof(uint64_t)) != 0) {
        return -1;
    }

    keys = b->keys.data;
    t->depth = 0;

    for (i = 0; i < n; i++) {
        in = tk_sym_at(tk_sym_insert_t, &t->inserts, i);
        keys[i] = (uint64_t) in->start << 32 | i;
    }

    tk_sym_sort(keys, n);

    for (i = 0; i < n; /* void */ ) {
        best = tk_sym_at(tk_sym_insert_t, &t->inserts, keys[i] & UINT32_MAX);

        while (++i < n && keys[i] >> 32 == best->start) {
            in = tk_sym_at(tk_sym_insert_t, &t->inserts,
                           keys[i] & UINT32_MAX);

            if (in->kind == TK_SYM_SET || in->kind < best->kind) {
                best = in;
            }
        }

        if (i == n && best->kind == TK_SYM_GAP) {
            *end = best->start;
            tk_sym_code_close(b, *end);
            return 0;
        }

        if (tk_sym_tangle_entry(b, t, best) != 0) {
            return -1;
        }

        *end = (uint64_t) best->start + 1;
    }

    tk_sym_code_close(b, (uint64_t) 1 << 32);

    return 0;
}


static int
tk_sym_tangle_entry(tk_symcache_build_t *b, tk_sym_tangle_t *t,
    const tk_sym_insert_t *in)
{
    uint32_t         depth, keep, i;
    tk_sym_frame_t  *frame, new;
    tk_sym_spot_t  *places, *place, *outer;

    if (in->kind != TK_SYM_SET) {
        return tk_sym_code_entry(b, in->start, in->kind, 0, 0, NULL, 0, 0);
    }

    places = t->places.data;
    depth = 0;

    for (i = places[in->place].into; i != TK_SYM_NIL; i = places[i].into) {
        depth++;
    }

    place = &places[in->place];
    keep = depth < t->depth ? depth : t->depth;

    for (i = depth; i; i--) {
        outer = &places[place->into];
        frame = &t->frame[i - 1];

        new.origin = tk_sym_at(tk_sym_node_t, &t->nodes,
                               place->node)->origin;
        new.file = outer->file;
        new.line = outer->line;

        if (memcmp(frame, &new, sizeof(new)) != 0 && keep >= i) {
            keep = i - 1;
        }

        *frame = new;
        place = outer;
    }

    t->depth = depth;
    place = &places[in->place];

    return tk_sym_code_entry(b, in->start, TK_SYM_SET, keep, depth, t->frame,
                             place->file, place->line);
}
