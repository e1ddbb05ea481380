
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tk_sym.h"


#define TK_SYM_DIRECT  (1 << 20)    /* numbers that index a table */
#define TK_SYM_LARGE   (2 * 1024 * 1024)


static int tk_sym_map_direct(tk_symcache_build_t *b, tk_sym_map_t *m,
    uint64_t key);
static int tk_sym_map_rehash(tk_symcache_build_t *b, tk_sym_map_t *m);
static uint32_t tk_sym_map_slot(const uint64_t *keys, uint32_t mask,
    uint64_t key);


int
tk_sym_fail(tk_symcache_build_t *b, tk_sym_error_t code, const char *text)
{
    if (b->code_error == TK_SYM_ENONE) {
        b->code_error = code;
        snprintf(b->error, sizeof(b->error), "%s", text);
    }

    return -1;
}


/* a malformed record */

int
tk_sym_bad(tk_symcache_build_t *b, const char *text)
{
    b->stat.dropped++;

    if (!b->conf.strict) {
        return 0;
    }

    if (b->code_error == TK_SYM_ENONE) {
        b->code_error = TK_SYM_EMALFORMED;
        snprintf(b->error, sizeof(b->error), "line %llu: malformed %s record",
                 (unsigned long long) b->line, text);
    }

    return -1;
}


void *
tk_sym_alloc(tk_symcache_build_t *b, void *old, size_t old_size, size_t size)
{
    void  *p;

    if (b->conf.max_memory
        && b->memory - old_size + size > b->conf.max_memory)
    {
        (void) tk_sym_fail(b, TK_SYM_ELIMIT, "needs too much memory");
        return NULL;
    }

    p = realloc(old, size);

    if (p == NULL) {
        (void) tk_sym_fail(b, TK_SYM_ENOMEM, "no memory");
        return NULL;
    }

    b->memory += size - old_size;

    if (b->stat.memory < b->memory) {
        b->stat.memory = b->memory;
    }

    return p;
}


void
tk_sym_release(tk_symcache_build_t *b, void *p, size_t size)
{
    b->memory -= p ? size : 0;
    free(p);
}


/* Zeros, for a table that is used here and there: in large pages where the
 * system has them, or most accesses would wait for the address. */

void *
tk_sym_map(tk_symcache_build_t *b, size_t size)
{
    void  *p;

    if (b->conf.max_memory && b->memory + size > b->conf.max_memory) {
        (void) tk_sym_fail(b, TK_SYM_ELIMIT, "needs too much memory");
        return NULL;
    }

    p = NULL;

    if (posix_memalign(&p, size < TK_SYM_LARGE ? TK_SYM_PAD : TK_SYM_LARGE,
                       size)
        != 0)
    {
        (void) tk_sym_fail(b, TK_SYM_ENOMEM, "no memory");
        return NULL;
    }

    if (size >= TK_SYM_LARGE) {
        (void) madvise(p, size, MADV_HUGEPAGE);
    }

    memset(p, 0, size);

    b->memory += size;

    if (b->stat.memory < b->memory) {
        b->stat.memory = b->memory;
    }

    return p;
}


int
tk_sym_vec_grow(tk_symcache_build_t *b, tk_sym_vec_t *v, size_t n,
    size_t item)
{
    void    *p;
    size_t   size;

    size = v->size + v->size / 2 + 64;

    if (size < v->n + n) {
        size = v->n + n;
    }

    p = tk_sym_alloc(b, v->data, v->size * item, size * item);

    if (p == NULL) {
        return -1;
    }

    v->data = p;
    v->size = size;

    return 0;
}


int
tk_sym_rows_grow(tk_symcache_build_t *b)
{
    uint32_t       n;
    tk_sym_row_t  *p;

    n = b->func.rows_size;

    if (n > UINT32_MAX / 2) {
        return tk_sym_fail(b, TK_SYM_ELIMIT, "too many lines in a function");
    }

    p = tk_sym_alloc(b, b->func.rows, n * sizeof(*p),
                     (2 * (size_t) n + 256) * sizeof(*p));
    if (p == NULL) {
        return -1;
    }

    b->func.rows = p;
    b->func.rows_size = 2 * n + 256;

    return 0;
}


int
tk_sym_map_set(tk_symcache_build_t *b, tk_sym_map_t *m, uint64_t key,
    uint32_t value)
{
    uint32_t  i;

    if (key < TK_SYM_DIRECT) {
        if (key >= m->ndirect && tk_sym_map_direct(b, m, key) != 0) {
            return -1;
        }

        m->direct[key] = value;

        return 0;
    }

    if (m->nkeys >= m->mask / 2 && tk_sym_map_rehash(b, m) != 0) {
        return -1;
    }

    i = tk_sym_map_slot(m->keys, m->mask, key);

    if (m->keys[i] == 0) {
        m->keys[i] = key + 1;
        m->nkeys++;
    }

    m->values[i] = value;

    return 0;
}


static int
tk_sym_map_direct(tk_symcache_build_t *b, tk_sym_map_t *m, uint64_t key)
{
    uint32_t  n, *p;

    n = m->ndirect + m->ndirect / 2 + 256;

    if (n <= key) {
        n = (uint32_t) key + 1;
    }

    p = tk_sym_alloc(b, m->direct, m->ndirect * sizeof(uint32_t),
                     n * sizeof(uint32_t));
    if (p == NULL) {
        return -1;
    }

    memset(&p[m->ndirect], 0, (n - m->ndirect) * sizeof(uint32_t));

    m->direct = p;
    m->ndirect = n;

    return 0;
}


static int
tk_sym_map_rehash(tk_symcache_build_t *b, tk_sym_map_t *m)
{
    size_t     i, k, n, old;
    uint32_t  *values;
    uint64_t  *keys;

    old = m->mask ? (size_t) m->mask + 1 : 0;
    n = old ? 2 * old : 1024;

    if (n > UINT32_MAX / 2) {
        return tk_sym_fail(b, TK_SYM_ELIMIT, "too many numbers");
    }

    keys = tk_sym_alloc(b, NULL, 0, n * sizeof(uint64_t));
    values = tk_sym_alloc(b, NULL, 0, n * sizeof(uint32_t));

    if (keys == NULL || values == NULL) {
        tk_sym_release(b, keys, n * sizeof(uint64_t));
        tk_sym_release(b, values, n * sizeof(uint32_t));
        return -1;
    }

    memset(keys, 0, n * sizeof(uint64_t));

    for (i = 0; i < old; i++) {
        if (m->keys[i]) {
            k = tk_sym_map_slot(keys, (uint32_t) n - 1, m->keys[i] - 1);
            keys[k] = m->keys[i];
            values[k] = m->values[i];
        }
    }

    tk_sym_release(b, m->keys, old * sizeof(uint64_t));
    tk_sym_release(b, m->values, old * sizeof(uint32_t));

    m->keys = keys;
    m->values = values;
    m->mask = (uint32_t) n - 1;

    return 0;
}


static uint32_t
tk_sym_map_slot(const uint64_t *keys, uint32_t mask, uint64_t key)
{
    uint32_t  i;

    i = (uint32_t) (tk_sym_hash(&key, sizeof(key)) >> 32) & mask;

    while (keys[i] && keys[i] != key + 1) {
        i = (i + 1) & mask;
    }

    return i;
}


uint32_t
tk_sym_map_large(const tk_sym_map_t *m, uint64_t key)
{
    uint32_t  i;

    if (key < TK_SYM_DIRECT || m->mask == 0) {
        return 0;
    }

    i = tk_sym_map_slot(m->keys, m->mask, key);

    return m->keys[i] ? m->values[i] : 0;
}
