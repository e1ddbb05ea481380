
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "tk_sym_code.h"
#include "tk_sym_cursor.h"


/*
 * The end of a build: functions by address, those that overlap each other or
 * have a PUBLIC inside as one cluster, and PUBLICs where no function is.
 *
 * The functions of a cluster are read again from the code that they have
 * become, all at once and by address; of the entries at an address the line
 * of the latest function counts.  What comes out is code again.
 */


typedef struct {
    uint8_t         *map;
    size_t           map_size;
    const uint8_t   *code;              /* in map */
    size_t           code_size;

    tk_sym_vec_t     old;               /* units before the merge */
    tk_sym_vec_t     spans;             /* uint64_t, by address */
    tk_sym_vec_t     publics;           /* uint64_t, by address */

    size_t           span;              /* the cluster */
    size_t           last_span;
    size_t           public;
    size_t           last_public;

    uint32_t         run;               /* units that stay, in old */
    uint32_t         run_end;

    tk_sym_vec_t     cursors;
    tk_sym_vec_t     heap;              /* uint64_t, start and cursor */

    tk_sym_cursor_t  winner;            /* at an address, as it was there */
    const tk_sym_cursor_t  *open;       /* what the coder is in */
    uint32_t         depth;
    tk_sym_frame_t   frame[TK_SYM_DEPTH];
    uint32_t         reading;           /* the unit in reader, NIL: none */
    tk_sym_unit_reader_t  reader;
} tk_sym_merge_t;


#define TK_SYM_NIL  0xffffffff


static int tk_sym_merge_keys(tk_symcache_build_t *b, tk_sym_vec_t *v,
    const uint32_t *addr, size_t n, size_t stride, int sorted);
static int tk_sym_merge_all(tk_symcache_build_t *b, tk_sym_merge_t *m);
static void tk_sym_merge_cluster(tk_symcache_build_t *b, tk_sym_merge_t *m);
static int tk_sym_merge_publics(tk_symcache_build_t *b, tk_sym_merge_t *m);
static int tk_sym_merge_copy(tk_symcache_build_t *b, tk_sym_merge_t *m);
static int tk_sym_merge_run(tk_symcache_build_t *b, tk_sym_merge_t *m);
static int tk_sym_merge_map(tk_symcache_build_t *b, tk_sym_merge_t *m);
static int tk_sym_merge_fold(tk_symcache_build_t *b, tk_sym_merge_t *m);
static int tk_sym_merge_cursors(tk_symcache_build_t *b, tk_sym_merge_t *m);
static int tk_sym_merge_emit(tk_symcache_build_t *b, tk_sym_merge_t *m,
    const tk_sym_cursor_t *c, uint64_t start);
static int tk_sym_merge_line(tk_symcache_build_t *b, tk_sym_merge_t *m);
static void tk_sym_merge_sift(uint64_t *h, size_t n, size_t i);


static inline uint32_t
tk_sym_merge_index(const tk_sym_vec_t *v, size_t i)
{
    return (uint32_t) ((const uint64_t *) v->data)[i];
}


static inline uint32_t
tk_sym_merge_addr(const tk_sym_vec_t *v, size_t i)
{
    return (uint32_t) (((const uint64_t *) v->data)[i] >> 32);
}


/* Puts b->units in order. */

int
tk_sym_merge(tk_symcache_build_t *b)
{
    int              rc;
    tk_sym_merge_t  *m;

    if (!b->disorder && b->publics.n == 0) {
        return 0;
    }

    m = tk_sym_alloc(b, NULL, 0, sizeof(*m));
    if (m == NULL) {
        return -1;
    }

    memset(m, 0, sizeof(*m));

    m->old = b->units;
    memset(&b->units, 0, sizeof(b->units));

    rc = tk_sym_merge_all(b, m);

    if (m->map) {
        munmap(m->map, m->map_size);
    }

    tk_sym_release(b, m->old.data, m->old.size * sizeof(tk_sym_unit_t));
    tk_sym_release(b, m->spans.data, m->spans.size * sizeof(uint64_t));
    tk_sym_release(b, m->publics.data, m->publics.size * sizeof(uint64_t));
    tk_sym_release(b, m->cursors.data,
                   m->cursors.size * sizeof(tk_sym_cursor_t));
    tk_sym_release(b, m->heap.data, m->heap.size * sizeof(uint64_t));
    tk_sym_release(b, m, sizeof(*m));

    return rc;
}


static int
tk_sym_merge_all(tk_symcache_build_t *b, tk_sym_merge_t *m)
{
    int  rc;

    if (tk_sym_merge_keys(b, &m->spans, b->spans.data, b->spans.n,
                          sizeof(tk_sym_span_t), !b->disorder)
        != 0
        || tk_sym_merge_keys(b, &m->publics, b->publics.data, b->publics.n,
                             sizeof(tk_sym_public_t), !b->publics_unsorted)
           != 0
        || tk_sym_vec_room(b, &b->units, m->old.n + b->publics.n,
                           sizeof(tk_sym_unit_t))
           != 0)
    {
        return -1;
    }

    while (m->last_span < m->spans.n || m->last_public < m->publics.n) {

        tk_sym_merge_cluster(b, m);

        if (m->span == m->last_span) {
            rc = tk_sym_merge_publics(b, m);

        } else if (m->last_span - m->span == 1
                   && m->public == m->last_public)
        {
            rc = tk_sym_merge_copy(b, m);

        } else {
            rc = tk_sym_merge_fold(b, m);
        }

        if (rc != 0) {
            return -1;
        }
    }

    return tk_sym_merge_run(b, m);
}


/* addresses are the first member of what is sorted */

static int
tk_sym_merge_keys(tk_symcache_build_t *b, tk_sym_vec_t *v,
    const uint32_t *addr, size_t n, size_t stride, int sorted)
{
    size_t     i;
    uint64_t  *keys;

    if (n == 0) {
        return 0;
    }

    if (tk_sym_vec_room(b, v, sorted ? n : 2 * n, sizeof(uint64_t)) != 0) {
        return -1;
    }

    keys = v->data;

    for (i = 0; i < n; i++) {
        keys[i] = (uint64_t) *addr << 32 | i;
        addr += stride / sizeof(*addr);
    }

    if (!sorted) {
        tk_sym_sort(keys, n);
    }

    v->n = n;

    return 0;
}


/* The next cluster: PUBLICs at an address where no function starts, or
 * functions that overlap and the PUBLICs inside. */

static void
tk_sym_merge_cluster(tk_symcache_build_t *b, tk_sym_merge_t *m)
{
    uint32_t              addr;
    uint64_t              end;
    const tk_sym_span_t  *span;

    m->span = m->last_span;
    m->public = m->last_public;

    if (m->span == m->spans.n
        || (m->public < m->publics.n
            && tk_sym_merge_addr(&m->publics, m->public)
               < tk_sym_merge_addr(&m->spans, m->span)))
    {
        addr = tk_sym_merge_addr(&m->publics, m->public);

        while (m->last_public < m->publics.n
               && tk_sym_merge_addr(&m->publics, m->last_public) == addr)
        {
            m->last_public++;
        }

        return;
    }

    addr = tk_sym_merge_addr(&m->spans, m->span);
    end = (uint64_t) addr + 1;

    while (m->last_span < m->spans.n) {
        span = tk_sym_at(tk_sym_span_t, &b->spans,
                         tk_sym_merge_index(&m->spans, m->last_span));

        if (span->start >= end) {
            break;
        }

        if (end < span->end) {
            end = span->end;
        }

        m->last_span++;
    }

    while (m->last_public < m->publics.n
           && tk_sym_merge_addr(&m->publics, m->last_public) < end)
    {
        /* where a function starts, no PUBLIC wins */

        m->public += (tk_sym_merge_addr(&m->publics, m->last_public) == addr);
        m->last_public++;
    }
}


static int
tk_sym_merge_publics(tk_symcache_build_t *b, tk_sym_merge_t *m)
{
    tk_sym_public_t  *public;

    if (tk_sym_merge_run(b, m) != 0) {
        return -1;
    }

    public = tk_sym_at(tk_sym_public_t, &b->publics,
                       tk_sym_merge_index(&m->publics, m->public));
    b->stat.publics++;

    return tk_sym_code_public(b, public->addr, public->name);
}


static uint32_t
tk_sym_merge_last_unit(tk_symcache_build_t *b, tk_sym_merge_t *m, size_t span)
{
    return span + 1 < b->spans.n
           ? tk_sym_at(tk_sym_span_t, &b->spans, span + 1)->unit
           : (uint32_t) m->old.n;
}


/*
 * A function by itself stays as it is.  Where functions are in order, their
 * units are, too, and are taken together with those before.
 */

static int
tk_sym_merge_copy(tk_symcache_build_t *b, tk_sym_merge_t *m)
{
    size_t  span;

    span = tk_sym_merge_index(&m->spans, m->span);

    if (m->run_end != tk_sym_at(tk_sym_span_t, &b->spans, span)->unit) {

        if (tk_sym_merge_run(b, m) != 0) {
            return -1;
        }

        m->run = tk_sym_at(tk_sym_span_t, &b->spans, span)->unit;
    }

    m->run_end = tk_sym_merge_last_unit(b, m, span);

    return 0;
}


static int
tk_sym_merge_run(tk_symcache_build_t *b, tk_sym_merge_t *m)
{
    size_t  n;

    n = m->run_end - m->run;

    if (n) {
        if (tk_sym_vec_room(b, &b->units, n, sizeof(tk_sym_unit_t)) != 0) {
            return -1;
        }

        memcpy(tk_sym_at(tk_sym_unit_t, &b->units, b->units.n),
               tk_sym_at(tk_sym_unit_t, &m->old, m->run),
               n * sizeof(tk_sym_unit_t));
        b->units.n += n;
    }

    m->run = m->run_end;

    return 0;
}


/* The code so far, to be read. */

static int
tk_sym_merge_map(tk_symcache_build_t *b, tk_sym_merge_t *m)
{
    void  *p;

    if (tk_sym_code_slack(b) != 0 || tk_sym_code_flush(b) != 0) {
        return -1;
    }

    m->code_size = (size_t) b->code.written;
    m->map_size = TK_SYMCACHE_PAGE + m->code_size;

    p = mmap(NULL, m->map_size, PROT_READ, MAP_SHARED, b->conf.fd, 0);

    if (p == MAP_FAILED) {
        b->error_errno = errno;
        return tk_sym_fail(b, TK_SYM_EOUTPUT, "mmap() failed");
    }

    m->map = p;
    m->code = m->map + TK_SYMCACHE_PAGE;

    return 0;
}


static int
tk_sym_merge_fold(tk_symcache_build_t *b, tk_sym_merge_t *m)
{
    uint64_t          start, key, *heap;
    tk_sym_cursor_t  *c, *best;

    if (tk_sym_merge_run(b, m) != 0
        || (m->map == NULL && tk_sym_merge_map(b, m) != 0)
        || tk_sym_merge_cursors(b, m) != 0)
    {
        return -1;
    }

    heap = m->heap.data;
    m->open = NULL;
    m->reading = TK_SYM_NIL;

    while (m->heap.n) {
        start = heap[0] >> 32;
        best = NULL;

        while (m->heap.n && heap[0] >> 32 == start) {
            key = heap[0];
            c = tk_sym_at(tk_sym_cursor_t, &m->cursors, (uint32_t) key);

            if (best == NULL || c->kind == TK_SYM_SET
                || (c->kind == TK_SYM_BARE && m->winner.kind == TK_SYM_GAP))
            {
                best = c;
                m->winner = *c;
            }

            tk_sym_cursor_next(c, m->old.data, m->code);

            if (c->ended) {
                heap[0] = heap[--m->heap.n];

            } else {
                heap[0] = c->start << 32 | (uint32_t) key;
            }

            tk_sym_merge_sift(heap, m->heap.n, 0);
        }

        if (tk_sym_merge_emit(b, m, best, start) != 0) {
            return -1;
        }
    }

    if (m->open) {
        tk_sym_code_close(b, (uint64_t) 1 << 32);
    }

    return 0;
}


/* One for each in the cluster, in the order of the file. */

static int
tk_sym_merge_cursors(tk_symcache_build_t *b, tk_sym_merge_t *m)
{
    size_t             i, n, spans;
    uint64_t          *keys, *heap;
    tk_sym_cursor_t   *c;
    tk_sym_public_t   *public;

    spans = m->last_span - m->span;
    n = spans + m->last_public - m->public;

    m->cursors.n = 0;
    m->heap.n = 0;

    if (tk_sym_vec_room(b, &m->cursors, n, sizeof(*c)) != 0
        || tk_sym_vec_room(b, &m->heap, 2 * n, sizeof(uint64_t)) != 0)
    {
        return -1;
    }

    keys = m->heap.data;
    heap = m->heap.data;
    c = m->cursors.data;

    for (i = 0; i < spans; i++) {
        keys[i] = tk_sym_merge_index(&m->spans, m->span + i);
    }

    tk_sym_sort(keys, spans);

    for (i = 0; i < spans; i++, c++) {
        memset(c, 0, sizeof(*c));
        c->unit = tk_sym_at(tk_sym_span_t, &b->spans, keys[i])->unit;
        c->last_unit = tk_sym_merge_last_unit(b, m, keys[i]);
        tk_sym_cursor_unit(c, m->old.data, m->code);
        tk_sym_cursor_next(c, m->old.data, m->code);
    }

    for ( /* void */ ; i < n; i++, c++) {
        public = tk_sym_at(tk_sym_public_t, &b->publics,
                           tk_sym_merge_index(&m->publics,
                                              m->public + i - spans));
        memset(c, 0, sizeof(*c));
        c->public = 1;
        c->start = public->addr;
        c->kind = TK_SYM_BARE;
        c->name = public->name;
    }

    m->cursors.n = n;
    c = m->cursors.data;

    for (i = 0; i < n; i++) {
        heap[i] = c[i].start << 32 | i;
    }

    m->heap.n = n;

    for (i = n / 2; i; i--) {
        tk_sym_merge_sift(heap, n, i - 1);
    }

    return 0;
}


/* What wins at an address. */

static int
tk_sym_merge_emit(tk_symcache_build_t *b, tk_sym_merge_t *m,
    const tk_sym_cursor_t *c, uint64_t start)
{
    const tk_sym_unit_t  *unit;

    if (m->open && (m->open != c || m->winner.kind == TK_SYM_GAP)) {
        m->open = NULL;
        tk_sym_code_close(b, start);
    }

    if (m->winner.kind == TK_SYM_GAP) {
        return 0;
    }

    if (c->public) {
        b->stat.publics++;
        m->open = c;

        return tk_sym_code_open(b, (uint32_t) start, (uint32_t) start,
                                c->name)
               || tk_sym_code_entry(b, start, TK_SYM_BARE, 0, 0, NULL, 0, 0)
               ? -1 : 0;
    }

    if (m->reading != m->winner.unit || m->reader.next > start) {
        m->reading = m->winner.unit;
        unit = tk_sym_at(tk_sym_unit_t, &m->old, m->reading);

        (void) tk_sym_unit_open(&m->reader, m->code, m->code_size, unit->code,
                                unit->start);
    }

    do {
        if (tk_sym_unit_next(&m->reader) != 1) {
            return tk_sym_fail(b, TK_SYM_EOUTPUT, "output was changed");
        }
    } while (m->reader.start != start);

    if (m->open == NULL) {
        m->open = c;
        m->depth = 0;

        if (tk_sym_code_open(b, (uint32_t) start, m->reader.entry,
                             m->reader.name)
            != 0)
        {
            return -1;
        }
    }

    return tk_sym_merge_line(b, m);
}


/* the entry that was read */

static int
tk_sym_merge_line(tk_symcache_build_t *b, tk_sym_merge_t *m)
{
    uint32_t               i, keep;
    tk_sym_slot_t         *slot;
    tk_sym_frame_t        *frame;
    tk_sym_unit_reader_t  *r;

    r = &m->reader;

    if (r->kind != TK_SYM_SET) {
        return tk_sym_code_entry(b, r->start, r->kind, 0, 0, NULL, 0, 0);
    }

    keep = r->depth < m->depth ? r->depth : m->depth;

    for (i = 0; i < r->depth; i++) {
        frame = &m->frame[i];
        slot = &r->slot[i];

        if (keep > i && (frame->origin != slot->origin
                         || frame->file != slot->file
                         || frame->line != slot->line))
        {
            keep = i;
        }

        frame->origin = slot->origin;
        frame->file = slot->file;
        frame->line = slot->line;
    }

    m->depth = r->depth;

    return tk_sym_code_entry(b, r->start, TK_SYM_SET, keep, r->depth,
                             m->frame, r->place[r->at].file,
                             r->place[r->at].line);
}


/* the least on top */

static void
tk_sym_merge_sift(uint64_t *h, size_t n, size_t i)
{
    size_t    child;
    uint64_t  key;

    if (i >= n) {
        return;
    }

    key = h[i];

    for (child = 2 * i + 1; child < n; child = 2 * i + 1) {

        if (child + 1 < n && h[child + 1] < h[child]) {
            child++;
        }

        if (key <= h[child]) {
            break;
        }

        h[i] = h[child];
        i = child;
    }

    h[i] = key;
}
