
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_sym.h"


/*
 * Which ranges of a function's INLINE records count.  They are taken by
 * address and depth; one without a parent is dropped, one that runs past its
 * parent is cut there and its rest is tried again, and so is what is behind
 * a range of the same depth.
 *
 * Ranges of the same address and depth are taken in the order in which a heap
 * of Rust's standard library gives them, so that the answers are those of
 * symbolic.
 */

#define TK_SYM_CALL_BITS  24


static int tk_sym_nest_keys(tk_symcache_build_t *b);
static int tk_sym_nest_take(tk_symcache_build_t *b, unsigned tied);
static int tk_sym_nest_again(tk_symcache_build_t *b, uint64_t addr,
    uint64_t end, uint32_t call);
static void tk_sym_heap_push(tk_sym_vec_t *heap, uint64_t key);
static uint64_t tk_sym_heap_pop(tk_sym_vec_t *heap);


#define tk_sym_key_range(key)                                                 \
    ((uint32_t) (key) & ((1 << TK_SYM_CALL_BITS) - 1))

/* address and depth */

#define tk_sym_key_place(key)  ((key) >> TK_SYM_CALL_BITS)


int
tk_sym_nest(tk_symcache_build_t *b)
{
    int  rc;

    if (tk_sym_nest_keys(b) != 0) {
        return -1;
    }

    rc = b->tied ? 1 : tk_sym_nest_take(b, 0);

    return rc == 1 ? tk_sym_nest_take(b, 1) : rc;
}


static int
tk_sym_nest_keys(tk_symcache_build_t *b)
{
    size_t           i, n, sorted;
    uint64_t        *keys, key;
    tk_sym_call_t   *call;
    tk_sym_range_t  *range;

    n = b->func.ranges.n;
    b->keys.n = 0;
    b->tied = 0;

    if (tk_sym_vec_room(b, &b->keys, 2 * n, sizeof(uint64_t)) != 0) {
        return -1;
    }

    keys = b->keys.data;
    range = b->func.ranges.data;
    call = b->func.calls.data;
    sorted = 1;

    for (i = 0; i < n; i++) {
        key = (uint64_t) range[i].addr << 32
              | (uint64_t) call[range[i].call].depth << TK_SYM_CALL_BITS | i;

        keys[i] = key;
        sorted += (i && keys[i - 1] < key);
    }

    b->keys.n = n;

    if (sorted != n) {
        tk_sym_sort(keys, n);
    }

    for (i = 1; i < n; i++) {
        if (tk_sym_key_place(keys[i - 1]) == tk_sym_key_place(keys[i])) {
            b->tied = 1;
            break;
        }
    }

    return 0;
}


/*
 * Without ties, ranges come from the sorted keys, and those that are tried
 * again from a heap that is mostly empty; a tie that shows up there returns
 * 1.  With ties, all go through the heap in the order of the file.
 */

static int
tk_sym_nest_take(tk_symcache_build_t *b, unsigned tied)
{
    size_t            i, n, tries;
    uint64_t          key, end[TK_SYM_DEPTH], stop, *keys;
    uint32_t          depth, open;
    tk_sym_call_t    *call;
    tk_sym_range_t   *range;
    tk_sym_nested_t  *nested;

    keys = b->keys.data;
    n = b->keys.n;
    tries = 16 * (n + 64);
    i = 0;
    open = 0;

    b->nested.n = 0;
    b->nested_end = 0;
    b->heap.n = 0;
    b->func.ranges.n = n;

    if (tk_sym_vec_room(b, &b->heap, n + 1, sizeof(uint64_t)) != 0) {
        return -1;
    }

    if (tied) {
        range = b->func.ranges.data;
        call = b->func.calls.data;

        for ( /* void */ ; i < n; i++) {
            key = (uint64_t) range[i].addr << 32
                  | (uint64_t) call[range[i].call].depth << TK_SYM_CALL_BITS
                  | i;
            tk_sym_heap_push(&b->heap, key);
        }
    }

    while (i < n || b->heap.n) {

        if (i < n && (b->heap.n == 0
                      || keys[i] < *tk_sym_at(uint64_t, &b->heap, 0)))
        {
            key = keys[i++];

        } else {
            key = tk_sym_heap_pop(&b->heap);
        }

        if (!tied && b->heap.n
            && tk_sym_key_place(key)
               == tk_sym_key_place(*tk_sym_at(uint64_t, &b->heap, 0)))
        {
            return 1;
        }

        range = tk_sym_at(tk_sym_range_t, &b->func.ranges,
                          tk_sym_key_range(key));
        depth = (uint32_t) (key >> TK_SYM_CALL_BITS) & 0xff;
        stop = (uint64_t) range->addr + range->size;

        if (range->addr >= b->func.end || depth > open
            || (depth && end[depth - 1] <= range->addr))
        {
            continue;
        }

        if (depth < open && end[depth] > range->addr) {

            if (end[depth] < stop && tries) {
                tries--;

                if (tk_sym_nest_again(b, end[depth], stop, range->call)
                    != 0)
                {
                    return -1;
                }
            }

            continue;
        }

        if (depth && end[depth - 1] < stop) {

            if (tries) {
                tries--;

                if (tk_sym_nest_again(b, end[depth - 1], stop, range->call)
                    != 0)
                {
                    return -1;
                }

                range = tk_sym_at(tk_sym_range_t, &b->func.ranges,
                                  tk_sym_key_range(key));
            }

            stop = end[depth - 1];
        }

        if (tk_sym_vec_room(b, &b->nested, 1, sizeof(*nested)) != 0) {
            return -1;
        }

        nested = tk_sym_at(tk_sym_nested_t, &b->nested, b->nested.n);
        nested->addr = range->addr;
        nested->end = stop;
        nested->call = range->call;
        b->nested.n++;

        if (b->nested_end < stop) {
            b->nested_end = stop;
        }

        end[depth] = stop;
        open = depth + 1;
    }

    return 0;
}


/* What is left of a range goes back. */

static int
tk_sym_nest_again(tk_symcache_build_t *b, uint64_t addr, uint64_t end,
    uint32_t call)
{
    uint64_t         key;
    tk_sym_range_t  *range;

    if (addr > UINT32_MAX) {
        return 0;
    }

    if (b->func.ranges.n >> TK_SYM_CALL_BITS) {
        b->stat.dropped++;
        return 0;
    }

    if (tk_sym_vec_room(b, &b->func.ranges, 1, sizeof(*range)) != 0
        || tk_sym_vec_room(b, &b->heap, 1, sizeof(uint64_t)) != 0)
    {
        return -1;
    }

    range = tk_sym_at(tk_sym_range_t, &b->func.ranges, b->func.ranges.n);
    range->addr = (uint32_t) addr;
    range->size = (uint32_t) (end - addr);
    range->call = call;

    key = addr << 32
          | (uint64_t) tk_sym_at(tk_sym_call_t, &b->func.calls, call)->depth
            << TK_SYM_CALL_BITS
          | b->func.ranges.n;

    b->func.ranges.n++;
    tk_sym_heap_push(&b->heap, key);

    return 0;
}


/* BinaryHeap::push() and pop(), on address and depth only */

static void
tk_sym_heap_push(tk_sym_vec_t *heap, uint64_t key)
{
    size_t     i, parent;
    uint64_t  *h;

    h = heap->data;

    for (i = heap->n++; i; i = parent) {
        parent = (i - 1) / 2;

        if (tk_sym_key_place(key) >= tk_sym_key_place(h[parent])) {
            break;
        }

        h[i] = h[parent];
    }

    h[i] = key;
}


static uint64_t
tk_sym_heap_pop(tk_sym_vec_t *heap)
{
    size_t     i, n, child, parent;
    uint64_t  *h, top, key;

    h = heap->data;
    top = h[0];
    n = --heap->n;

    if (n == 0) {
        return top;
    }

    /* the last one goes down to the bottom, and from there up again */

    key = h[n];
    i = 0;
    child = 1;

    while (child + 1 < n) {
        child += (tk_sym_key_place(h[child + 1])
                  <= tk_sym_key_place(h[child]));
        h[i] = h[child];
        i = child;
        child = 2 * i + 1;
    }

    if (child + 1 == n) {
        h[i] = h[child];
        i = child;
    }

    for ( /* void */ ; i; i = parent) {
        parent = (i - 1) / 2;

        if (tk_sym_key_place(key) >= tk_sym_key_place(h[parent])) {
            break;
        }

        h[i] = h[parent];
    }

    h[i] = key;

    return top;
}
