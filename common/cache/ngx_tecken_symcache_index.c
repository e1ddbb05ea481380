
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_cache_sh.h>
#include <ngx_tecken_symcache_sh.h>


/* a zone with less room is a mistake */
#define NGX_TECKEN_SYMCACHE_MIN  64


static void ngx_tecken_symcache_size(ngx_tecken_symcache_sh_t *sh,
    size_t size);
static void ngx_tecken_symcache_repair(ngx_tecken_symcache_sh_t *sh);
static void ngx_tecken_symcache_order(ngx_tecken_symcache_sh_t *sh,
    uint32_t list);
static uint32_t *ngx_tecken_symcache_bucket(ngx_tecken_symcache_sh_t *sh,
    uint64_t *symbol);
static void ngx_tecken_symcache_chain(ngx_tecken_symcache_sh_t *sh,
    uint32_t i);
static void ngx_tecken_symcache_unchain(ngx_tecken_symcache_sh_t *sh,
    uint32_t i);
static void ngx_tecken_symcache_link(ngx_tecken_symcache_sh_t *sh,
    uint32_t after, uint32_t i);
static void ngx_tecken_symcache_unlist(ngx_tecken_symcache_sh_t *sh,
    uint32_t i);


ngx_int_t
ngx_tecken_symcache_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_tecken_symcache_path_t *opath = data;

    ngx_uint_t                   pages, log_nomem;
    ngx_slab_pool_t             *shpool;
    ngx_tecken_symcache_sh_t    *sh;
    ngx_tecken_symcache_path_t  *path;

    path = shm_zone->data;

    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;
    path->shpool = shpool;

    if (opath || shm_zone->shm.exists) {
        path->sh = opath ? opath->sh : shpool->data;

        if (!path->sh->cold) {
            path->path->loader = NULL;
        }

        return NGX_OK;
    }

    log_nomem = shpool->log_nomem;
    shpool->log_nomem = 0;

    /* free pages of a fresh zone are one run, as a rule */

    sh = NULL;

    for (pages = shpool->pfree; pages; pages--) {
        sh = ngx_slab_alloc(shpool, pages * ngx_pagesize);
        if (sh) {
            break;
        }
    }

    shpool->log_nomem = log_nomem;

    if (sh) {
        ngx_memzero(sh, sizeof(ngx_tecken_symcache_sh_t));
        ngx_tecken_symcache_size(sh, pages * ngx_pagesize);
    }

    if (sh == NULL || sh->capacity < NGX_TECKEN_SYMCACHE_MIN) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "zone of symcaches in \"%V\" has room for %uD, it needs "
                      "at least %d, make it larger", &path->path->name,
                      sh ? sh->capacity : 0, NGX_TECKEN_SYMCACHE_MIN);
        return NGX_ERROR;
    }

    sh->cold = 1;

    ngx_tecken_symcache_repair(sh);

    shpool->data = sh;
    path->sh = sh;

    return NGX_OK;
}


static void
ngx_tecken_symcache_size(ngx_tecken_symcache_sh_t *sh, size_t size)
{
    u_char  *p;
    size_t   head, node, n;

    head = ngx_align(sizeof(ngx_tecken_symcache_sh_t), 64);
    node = sizeof(ngx_tecken_symcache_node_t);

    if (size < head + 2 * node) {
        return;
    }

    n = (size - head - 2 * node) / (node + sizeof(uint32_t));

    sh->capacity = ngx_min(n, NGX_MAX_UINT32_VALUE - 2);

    p = (u_char *) sh + head;

    sh->nodes = (ngx_tecken_symcache_node_t *) p;
    p += (sh->capacity + (size_t) 2) * node;

    sh->buckets = (uint32_t *) p;
}


/*
 * A node says by itself what it is, in one store, so all the rest can be made
 * of the nodes.
 */

static void
ngx_tecken_symcache_repair(ngx_tecken_symcache_sh_t *sh)
{
    uint32_t                        i, busy, list;
    ngx_uint_t                      n;
    ngx_tecken_symcache_node_t     *node;
    ngx_tecken_symcache_deleted_t  *d;

    ngx_tecken_cache_change(sh);

    ngx_memzero(sh->buckets, (size_t) sh->capacity * sizeof(uint32_t));

    busy = ngx_tecken_symcache_busy(sh);

    ngx_tecken_symcache_node(sh, busy)->prev = busy;
    ngx_tecken_symcache_node(sh, busy)->next = busy;

    sh->free = 0;
    sh->files = 0;
    sh->size = 0;

    list = 0;

    for (i = 1; i <= sh->fresh; i++) {

        node = ngx_tecken_symcache_node(sh, i);

        switch (node->state) {

        case NGX_TECKEN_SYMCACHE_FREE:
            node->chain = sh->free;
            sh->free = i;
            continue;

        case NGX_TECKEN_SYMCACHE_STORED:
            ngx_tecken_symcache_chain(sh, i);
            node->next = list;
            list = i;
            break;

        default: /* reserved or deleting */
            ngx_tecken_symcache_link(sh, busy, i);
            break;
        }

        sh->files++;
        sh->size += node->size;
    }

    ngx_tecken_symcache_order(sh, list);

    sh->pending = 0;

    for (n = ngx_min(sh->ndeleted, NGX_TECKEN_SYMCACHE_DELETED); n; n--) {

        d = &sh->deleted[n - 1];

        if (d->owner) {
            sh->pending++;

            /* who was killed may not have come to these */
            ngx_tecken_symcache_doom_symbol(sh, d->symbol, d->sequence);
        }
    }

    ngx_tecken_cache_barrier();
    sh->dirty = 0;
}


void
ngx_tecken_symcache_sort(ngx_tecken_symcache_sh_t *sh)
{
    uint32_t                     i, next, list;
    ngx_tecken_symcache_node_t  *node;

    ngx_tecken_cache_change(sh);

    list = 0;

    for (i = ngx_tecken_symcache_node(sh, 0)->next; i; i = next) {
        node = ngx_tecken_symcache_node(sh, i);
        next = node->next;

        node->next = list;
        list = i;
    }

    ngx_tecken_symcache_order(sh, list);
}


/*
 * Makes the LRU list of nodes that are linked by next, by the time of their
 * last use, a byte at a time; of equal ones the first is older.
 */

static void
ngx_tecken_symcache_order(ngx_tecken_symcache_sh_t *sh, uint32_t list)
{
    uint32_t                     i, next, last, heads[256], tails[256];
    ngx_uint_t                   n, shift;
    ngx_tecken_symcache_node_t  *node;

    for (shift = 0; shift < 32; shift += 8) {

        ngx_memzero(heads, sizeof(heads));

        for (i = list; i; i = next) {
            node = ngx_tecken_symcache_node(sh, i);
            next = node->next;

            n = (node->used >> shift) & 0xff;

            if (heads[n]) {
                ngx_tecken_symcache_node(sh, tails[n])->next = i;

            } else {
                heads[n] = i;
            }

            tails[n] = i;
            node->next = 0;
        }

        list = 0;
        last = 0;

        for (n = 0; n < 256; n++) {

            if (heads[n] == 0) {
                continue;
            }

            if (last) {
                ngx_tecken_symcache_node(sh, last)->next = heads[n];

            } else {
                list = heads[n];
            }

            last = tails[n];
        }
    }

    ngx_tecken_symcache_node(sh, 0)->prev = 0;
    ngx_tecken_symcache_node(sh, 0)->next = 0;

    for (i = list; i; i = next) {
        next = ngx_tecken_symcache_node(sh, i)->next;
        ngx_tecken_symcache_link(sh, 0, i);
    }
}


void
ngx_tecken_symcache_lock(ngx_tecken_symcache_path_t *path)
{
    ngx_tecken_symcache_sh_t  *sh;

    ngx_tecken_cache_lock_mutex(&path->shpool->mutex);

    sh = path->sh;

    if (sh->dirty) {
        ngx_tecken_symcache_repair(sh);
        sh->resets++;
    }
}


void
ngx_tecken_symcache_unlock(ngx_tecken_symcache_path_t *path)
{
    ngx_tecken_symcache_sh_t  *sh;

    sh = path->sh;

    if (sh->dirty) {
        ngx_tecken_cache_barrier();
        sh->dirty = 0;
    }

    ngx_shmtx_unlock(&path->shpool->mutex);
}


uint32_t
ngx_tecken_symcache_find(ngx_tecken_symcache_sh_t *sh,
    ngx_tecken_symcache_key_t *key)
{
    uint32_t                     i;
    ngx_tecken_symcache_node_t  *node;

    i = *ngx_tecken_symcache_bucket(sh, key->symbol);

    while (i) {
        node = ngx_tecken_symcache_node(sh, i);

        if (ngx_memcmp(&node->key, key, sizeof(ngx_tecken_symcache_key_t))
            == 0)
        {
            break;
        }

        i = node->chain;
    }

    return i;
}


uint32_t
ngx_tecken_symcache_oldest(ngx_tecken_symcache_sh_t *sh)
{
    return ngx_tecken_symcache_node(sh, 0)->prev;
}


/* once in a second is enough: a use of a busy one writes nothing then */

void
ngx_tecken_symcache_touch(ngx_tecken_symcache_sh_t *sh, uint32_t i)
{
    time_t                       now;
    ngx_tecken_symcache_node_t  *node;

    now = ngx_time();
    node = ngx_tecken_symcache_node(sh, i);

    if (node->used == (uint32_t) now) {
        return;
    }

    ngx_tecken_cache_change(sh);

    node->used = (uint32_t) now;

    ngx_tecken_symcache_unlist(sh, i);
    ngx_tecken_symcache_link(sh, 0, i);
}


uint32_t
ngx_tecken_symcache_reserve(ngx_tecken_symcache_sh_t *sh,
    ngx_tecken_symcache_key_t *key, off_t size)
{
    uint32_t                     i;
    ngx_tecken_symcache_node_t  *node;

    if (sh->free == 0 && sh->fresh == sh->capacity) {
        return 0;
    }

    ngx_tecken_cache_change(sh);

    if (sh->free) {
        i = sh->free;
        node = ngx_tecken_symcache_node(sh, i);
        sh->free = node->chain;

    } else {
        i = sh->fresh + 1;
        node = ngx_tecken_symcache_node(sh, i);
        node->state = NGX_TECKEN_SYMCACHE_FREE;

        ngx_tecken_cache_barrier();
        sh->fresh = i;
    }

    node->key = *key;
    node->sequence = ++sh->sequence;
    node->size = size;
    node->used = (uint32_t) ngx_time();
    node->verified = 0;
    node->owner = ngx_pid;

    ngx_tecken_cache_barrier();
    node->state = NGX_TECKEN_SYMCACHE_RESERVED;

    ngx_tecken_symcache_link(sh, ngx_tecken_symcache_busy(sh), i);

    sh->files++;
    sh->size += size;

    return i;
}


void
ngx_tecken_symcache_store(ngx_tecken_symcache_sh_t *sh, uint32_t i,
    time_t used, ngx_uint_t verified)
{
    uint32_t                     old, head;
    ngx_tecken_symcache_node_t  *node;

    ngx_tecken_cache_change(sh);

    node = ngx_tecken_symcache_node(sh, i);

    /* the one before has lost its file to this one */

    old = ngx_tecken_symcache_find(sh, &node->key);

    if (old) {
        ngx_tecken_symcache_free(sh, old);
    }

    ngx_tecken_symcache_unlist(sh, i);

    /* what is found in the directory comes after what is in use */

    head = used ? ngx_tecken_symcache_node(sh, 0)->prev : 0;

    node->used = (uint32_t) (used ? used : ngx_time());
    node->verified = (u_char) verified;

    ngx_tecken_cache_barrier();
    node->state = NGX_TECKEN_SYMCACHE_STORED;

    ngx_tecken_symcache_chain(sh, i);

    ngx_tecken_symcache_link(sh, head, i);
}


void
ngx_tecken_symcache_doom(ngx_tecken_symcache_sh_t *sh, uint32_t i)
{
    ngx_tecken_symcache_node_t  *node;

    ngx_tecken_cache_change(sh);

    node = ngx_tecken_symcache_node(sh, i);

    if (node->state == NGX_TECKEN_SYMCACHE_STORED) {
        ngx_tecken_symcache_unchain(sh, i);
        sh->removals++;
    }

    ngx_tecken_symcache_unlist(sh, i);

    node->owner = ngx_pid;
    node->used = (uint32_t) ngx_time();

    ngx_tecken_cache_barrier();
    node->state = NGX_TECKEN_SYMCACHE_DELETING;

    ngx_tecken_symcache_link(sh, ngx_tecken_symcache_busy(sh), i);
}


void
ngx_tecken_symcache_doom_symbol(ngx_tecken_symcache_sh_t *sh, uint64_t *symbol,
    uint64_t sequence)
{
    uint32_t                     i, next;
    ngx_tecken_symcache_node_t  *node;

    for (i = *ngx_tecken_symcache_bucket(sh, symbol); i; i = next) {

        node = ngx_tecken_symcache_node(sh, i);
        next = node->chain;

        if (node->sequence < sequence
            && ngx_tecken_symcache_same(node->key.symbol, symbol))
        {
            ngx_tecken_symcache_doom(sh, i);
        }
    }
}


void
ngx_tecken_symcache_free(ngx_tecken_symcache_sh_t *sh, uint32_t i)
{
    ngx_uint_t                   state;
    ngx_tecken_symcache_node_t  *node;

    ngx_tecken_cache_change(sh);

    node = ngx_tecken_symcache_node(sh, i);

    state = node->state;
    node->state = NGX_TECKEN_SYMCACHE_FREE;

    if (state == NGX_TECKEN_SYMCACHE_STORED) {
        ngx_tecken_symcache_unchain(sh, i);
        sh->removals++;
    }

    ngx_tecken_symcache_unlist(sh, i);

    node->chain = sh->free;
    sh->free = i;

    sh->files--;
    sh->size -= node->size;
}


void
ngx_tecken_symcache_resize(ngx_tecken_symcache_sh_t *sh, uint32_t i,
    off_t size)
{
    ngx_tecken_symcache_node_t  *node;

    node = ngx_tecken_symcache_node(sh, i);

    if (node->size != size) {
        ngx_tecken_cache_change(sh);

        sh->size += size - node->size;
        node->size = size;
    }
}


static uint32_t *
ngx_tecken_symcache_bucket(ngx_tecken_symcache_sh_t *sh, uint64_t *symbol)
{
    /* scales 32 bits of the hash to the number of buckets */

    return &sh->buckets[((symbol[0] >> 32) * sh->capacity) >> 32];
}


static void
ngx_tecken_symcache_chain(ngx_tecken_symcache_sh_t *sh, uint32_t i)
{
    uint32_t                    *bucket;
    ngx_tecken_symcache_node_t  *node;

    node = ngx_tecken_symcache_node(sh, i);
    bucket = ngx_tecken_symcache_bucket(sh, node->key.symbol);

    node->chain = *bucket;
    *bucket = i;
}


static void
ngx_tecken_symcache_unchain(ngx_tecken_symcache_sh_t *sh, uint32_t i)
{
    uint32_t                    *p;
    ngx_tecken_symcache_node_t  *node;

    node = ngx_tecken_symcache_node(sh, i);
    p = ngx_tecken_symcache_bucket(sh, node->key.symbol);

    while (*p != i) {
        p = &ngx_tecken_symcache_node(sh, *p)->chain;
    }

    *p = node->chain;
}


static void
ngx_tecken_symcache_link(ngx_tecken_symcache_sh_t *sh, uint32_t after,
    uint32_t i)
{
    ngx_tecken_symcache_node_t  *node, *prev;

    node = ngx_tecken_symcache_node(sh, i);
    prev = ngx_tecken_symcache_node(sh, after);

    node->prev = after;
    node->next = prev->next;

    ngx_tecken_symcache_node(sh, node->next)->prev = i;
    prev->next = i;
}


static void
ngx_tecken_symcache_unlist(ngx_tecken_symcache_sh_t *sh, uint32_t i)
{
    ngx_tecken_symcache_node_t  *node;

    node = ngx_tecken_symcache_node(sh, i);

    ngx_tecken_symcache_node(sh, node->prev)->next = node->next;
    ngx_tecken_symcache_node(sh, node->next)->prev = node->prev;
}
