
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_cache_sh.h>
#include <ngx_md5.h>

#include <openssl/rand.h>


/* a zone with less room is a mistake */
#define NGX_TECKEN_CACHE_MIN      64

/* keys with a flight that are passed by in search of one to throw out */
#define NGX_TECKEN_CACHE_SKIP     32

/* more lookups at once than sockets of a machine */
#define NGX_TECKEN_CACHE_MAX_FLIGHTS  65536

/* pauses before the processor is given to somebody else, a power of two */
#define NGX_TECKEN_CACHE_SPIN     1024

/* flights that status() looks at so as not to count forgotten ones */
#define NGX_TECKEN_CACHE_SWEEP    256

/* two years: the difference of two ticks stays below 31 bits */
#define NGX_TECKEN_CACHE_MAX_TTL  ((time_t) 1 << 26)


static void ngx_tecken_cache_size(ngx_tecken_cache_sh_t *sh, size_t size);
static void ngx_tecken_cache_reset(ngx_tecken_cache_sh_t *sh);
static void ngx_tecken_cache_free_lock(ngx_shmtx_t *mutex);
static uint32_t *ngx_tecken_cache_bucket(ngx_tecken_cache_sh_t *sh,
    ngx_tecken_cache_key_t *key);
static uint32_t ngx_tecken_cache_evict(ngx_tecken_cache_sh_t *sh);
static void ngx_tecken_cache_link(ngx_tecken_cache_sh_t *sh, uint32_t i);
static void ngx_tecken_cache_unlink(ngx_tecken_cache_sh_t *sh, uint32_t i);
static void ngx_tecken_cache_delete(ngx_tecken_cache_t *cache,
    ngx_tecken_cache_key_t *key);


ngx_tecken_cache_t *
ngx_tecken_cache_create(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_tecken_cache_t));
}


ngx_int_t
ngx_tecken_cache_init_zone(ngx_tecken_cache_t *cache, ngx_slab_pool_t *shpool,
    ngx_tecken_cache_sh_t **shp, size_t reserve, ngx_log_t *log)
{
    size_t                  size;
    ngx_uint_t              pages, log_nomem;
    ngx_tecken_cache_sh_t  *sh;

    cache->shpool = shpool;

    if (*shp) {
        cache->sh = *shp;
        return NGX_OK;
    }

    reserve = (reserve + ngx_pagesize - 1) / ngx_pagesize;

    log_nomem = shpool->log_nomem;
    shpool->log_nomem = 0;

    /* free pages of a fresh zone are one run, as a rule */

    sh = NULL;
    pages = (shpool->pfree > reserve) ? shpool->pfree - reserve : 0;

    for ( /* void */ ; pages; pages--) {
        sh = ngx_slab_alloc(shpool, pages * ngx_pagesize);
        if (sh) {
            break;
        }
    }

    shpool->log_nomem = log_nomem;

    size = pages * ngx_pagesize;

    if (sh) {
        ngx_memzero(sh, sizeof(ngx_tecken_cache_sh_t));
        ngx_tecken_cache_size(sh, size);
    }

    if (sh == NULL || sh->capacity < NGX_TECKEN_CACHE_MIN) {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "zone has room for %ui known keys, it needs at least %d"
                      "%s, make it larger", sh ? (ngx_uint_t) sh->capacity : 0,
                      NGX_TECKEN_CACHE_MIN, shpool->log_ctx);
        return NGX_ERROR;
    }

    if (RAND_bytes(sh->secret, NGX_TECKEN_CACHE_SECRET) != 1) {
        ngx_log_error(NGX_LOG_EMERG, log, 0, "RAND_bytes() failed%s",
                      shpool->log_ctx);
        return NGX_ERROR;
    }

    ngx_tecken_cache_reset(sh);

    cache->sh = sh;
    *shp = sh;

    return NGX_OK;
}


static void
ngx_tecken_cache_size(ngx_tecken_cache_sh_t *sh, size_t size)
{
    u_char  *p;
    size_t   key, flight, head, n;

    sh->bytes = size;

    key = sizeof(ngx_tecken_cache_node_t) + sizeof(uint32_t);
    flight = sizeof(ngx_tecken_cache_flight_t);

    /* with what index 0 takes */

    head = ngx_align(sizeof(ngx_tecken_cache_sh_t), 64);
    n = head + sizeof(ngx_tecken_cache_node_t) + flight;

    if (size < n) {
        return;
    }

    size -= n;

    /* a flight for each 32 keys, in a small zone for each 2 */

    n = size / (32 * key + flight);

    if (n < 64) {
        n = ngx_min(64, size / (2 * key + flight));
    }

    sh->nflights = ngx_min(n, NGX_TECKEN_CACHE_MAX_FLIGHTS);

    n = (size - sh->nflights * flight) / key;

    sh->capacity = ngx_min(n, NGX_MAX_UINT32_VALUE - 1);

    p = (u_char *) sh + head;

    sh->nodes = (ngx_tecken_cache_node_t *) p;
    p += (sh->capacity + (size_t) 1) * sizeof(ngx_tecken_cache_node_t);

    sh->flights = (ngx_tecken_cache_flight_t *) p;
    p += (sh->nflights + (size_t) 1) * flight;

    sh->buckets = (uint32_t *) p;
}


/* an empty table; nodes are set up when they are taken for the first time */

static void
ngx_tecken_cache_reset(ngx_tecken_cache_sh_t *sh)
{
    ngx_tecken_cache_change(sh);

    ngx_memzero(sh->buckets, (size_t) sh->capacity * sizeof(uint32_t));
    ngx_memzero(sh->nodes, sizeof(ngx_tecken_cache_node_t));
    ngx_memzero(sh->flights, (sh->nflights + (size_t) 1)
                             * sizeof(ngx_tecken_cache_flight_t));

    /* sequence goes on: no flight of before is taken for one of after */

    sh->keys = 0;
    sh->free = 0;
    sh->fresh = 0;

    sh->open = 0;
    sh->landed = 0;
    sh->landed_last = 0;
    sh->taken = 0;
    sh->hand = 0;

    ngx_tecken_cache_barrier();
    sh->dirty = 0;
}


#if (NGX_PTR_SIZE != 8)

uint64_t
ngx_tecken_cache_monotonic(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

#endif


void
ngx_tecken_cache_key(ngx_tecken_cache_t *cache, ngx_tecken_cache_key_t *key,
    u_char *data, size_t len)
{
    ngx_md5_t  md5;

    ngx_md5_init(&md5);
    ngx_md5_update(&md5, cache->sh->secret, NGX_TECKEN_CACHE_SECRET);
    ngx_md5_update(&md5, data, len);
    ngx_md5_final((u_char *) key, &md5);
}


ngx_int_t
ngx_tecken_cache_get(ngx_tecken_cache_t *cache, ngx_tecken_cache_key_t *key,
    ngx_uint_t *value)
{
    uint32_t                  i;
    ngx_int_t                 rc;
    ngx_tecken_cache_sh_t    *sh;
    ngx_tecken_cache_node_t  *node;

    sh = cache->sh;
    rc = NGX_DECLINED;

    ngx_tecken_cache_lock(cache);

    i = ngx_tecken_cache_find(sh, key);

    if (i) {
        node = ngx_tecken_cache_node(sh, i);

        if (ngx_tecken_cache_alive(node)) {
            *value = node->value;
            ngx_tecken_cache_touch(sh, i);
            rc = NGX_OK;

        } else if (node->flight == 0) {
            ngx_tecken_cache_remove(sh, i);
        }
    }

    ngx_tecken_cache_unlock(cache);

    return rc;
}


void
ngx_tecken_cache_set(ngx_tecken_cache_t *cache, ngx_tecken_cache_key_t *key,
    ngx_uint_t value, time_t ttl)
{
    uint32_t                  i, flight, sequence;
    ngx_tecken_cache_sh_t    *sh;
    ngx_tecken_cache_node_t  *node;

    if (ttl <= 0) {
        ngx_tecken_cache_delete(cache, key);
        return;
    }

    sh = cache->sh;
    flight = 0;
    sequence = 0;

    ngx_tecken_cache_lock(cache);

    i = ngx_tecken_cache_find(sh, key);

    if (i == 0) {
        i = ngx_tecken_cache_add(sh, key);
    }

    if (i) {
        ngx_tecken_cache_store(sh, i, value, ttl);

        node = ngx_tecken_cache_node(sh, i);
        flight = node->flight;

        if (flight) {
            sequence = ngx_tecken_cache_flight(sh, flight)->sequence;
            ngx_tecken_flight_end(sh, flight, NGX_TECKEN_FLIGHT_LANDED, value);
        }
    }

    ngx_tecken_cache_unlock(cache);

    if (flight) {
        ngx_tecken_flight_tell(cache, flight, sequence, NGX_OK, value);
    }
}


static void
ngx_tecken_cache_delete(ngx_tecken_cache_t *cache, ngx_tecken_cache_key_t *key)
{
    uint32_t                  i;
    ngx_tecken_cache_sh_t    *sh;
    ngx_tecken_cache_node_t  *node;

    sh = cache->sh;

    ngx_tecken_cache_lock(cache);

    i = ngx_tecken_cache_find(sh, key);

    if (i) {
        ngx_tecken_cache_change(sh);

        node = ngx_tecken_cache_node(sh, i);

        if (node->flight) {

            /* may have looked too early: serves its waiters, nobody else */

            ngx_tecken_cache_flight(sh, node->flight)->node = 0;
            node->flight = 0;
        }

        ngx_tecken_cache_remove(sh, i);
    }

    ngx_tecken_cache_unlock(cache);
}


void
ngx_tecken_cache_status(ngx_tecken_cache_t *cache,
    ngx_tecken_cache_status_t *status)
{
    ngx_tecken_cache_sh_t  *sh;

    sh = cache->sh;

    ngx_tecken_cache_lock(cache);

    ngx_tecken_flight_sweep(sh, NGX_TECKEN_CACHE_SWEEP);

    status->capacity = sh->capacity;
    status->keys = sh->keys;
    status->flights = sh->open;
    status->evictions = sh->evictions;
    status->resets = sh->resets;
    status->bytes = sh->bytes;

    ngx_tecken_cache_unlock(cache);
}


void
ngx_tecken_cache_lock(ngx_tecken_cache_t *cache)
{
    ngx_tecken_cache_sh_t  *sh;

    ngx_tecken_cache_lock_mutex(&cache->shpool->mutex);

    sh = cache->sh;

    if (sh->dirty) {
        ngx_tecken_cache_reset(sh);
        sh->resets++;
    }
}


/*
 * Not ngx_shmtx_lock(): who sleeps on its semaphore is not woken if the holder
 * is killed between its unlock and its sem_post().  The lock is held for less
 * than a microsecond, as a rule.
 */

void
ngx_tecken_cache_lock_mutex(ngx_shmtx_t *mutex)
{
    ngx_uint_t  i, n;

    for (n = 1; !ngx_shmtx_trylock(mutex); n <<= 1) {

        if (n == NGX_TECKEN_CACHE_SPIN || ngx_ncpu == 1) {
            ngx_tecken_cache_free_lock(mutex);
            ngx_sched_yield();
            n = 1;
            continue;
        }

        for (i = 0; i < n; i++) {
            ngx_cpu_pause();
        }
    }
}


/*
 * The master frees the lock of a killed worker, unless it is gone itself or
 * the zone is one that the configuration of today has not.
 */

static void
ngx_tecken_cache_free_lock(ngx_shmtx_t *mutex)
{
#if (NGX_HAVE_ATOMIC_OPS)

    ngx_pid_t  pid;

    pid = (ngx_pid_t) *mutex->lock;

    if (pid && kill(pid, 0) == -1 && ngx_errno == NGX_ESRCH) {
        (void) ngx_shmtx_force_unlock(mutex, pid);
    }

#endif
}


void
ngx_tecken_cache_unlock(ngx_tecken_cache_t *cache)
{
    ngx_tecken_cache_sh_t  *sh;

    sh = cache->sh;

    if (sh->dirty) {
        ngx_tecken_cache_barrier();
        sh->dirty = 0;
    }

    ngx_shmtx_unlock(&cache->shpool->mutex);
}


uint32_t
ngx_tecken_cache_find(ngx_tecken_cache_sh_t *sh, ngx_tecken_cache_key_t *key)
{
    uint32_t                  i;
    ngx_tecken_cache_node_t  *node;

    i = *ngx_tecken_cache_bucket(sh, key);

    while (i) {
        node = ngx_tecken_cache_node(sh, i);

        if (node->key.h[0] == key->h[0] && node->key.h[1] == key->h[1]) {
            break;
        }

        i = node->chain;
    }

    return i;
}


/* a node without a value, the caller has looked that the key is not there */

uint32_t
ngx_tecken_cache_add(ngx_tecken_cache_sh_t *sh, ngx_tecken_cache_key_t *key)
{
    uint32_t                  i, *bucket;
    ngx_tecken_cache_node_t  *node;

    ngx_tecken_cache_change(sh);

    if (sh->free == 0 && sh->fresh == sh->capacity
        && ngx_tecken_cache_evict(sh) == 0)
    {
        return 0;
    }

    if (sh->free) {
        i = sh->free;
        sh->free = ngx_tecken_cache_node(sh, i)->chain;

    } else {
        i = ++sh->fresh;
    }

    node = ngx_tecken_cache_node(sh, i);

    node->key = *key;
    node->expire = 0;
    node->flight = 0;
    node->value = 0;

    bucket = ngx_tecken_cache_bucket(sh, key);

    node->chain = *bucket;
    *bucket = i;

    ngx_tecken_cache_link(sh, i);

    sh->keys++;

    return i;
}


void
ngx_tecken_cache_remove(ngx_tecken_cache_sh_t *sh, uint32_t i)
{
    uint32_t                 *p;
    ngx_tecken_cache_node_t  *node;

    ngx_tecken_cache_change(sh);

    node = ngx_tecken_cache_node(sh, i);

    p = ngx_tecken_cache_bucket(sh, &node->key);

    while (*p != i) {
        p = &ngx_tecken_cache_node(sh, *p)->chain;
    }

    *p = node->chain;

    ngx_tecken_cache_unlink(sh, i);

    node->chain = sh->free;
    sh->free = i;

    sh->keys--;
}


/* the least recently used key goes, unless somebody is looking it up */

static uint32_t
ngx_tecken_cache_evict(ngx_tecken_cache_sh_t *sh)
{
    uint32_t                  i;
    ngx_uint_t                n;
    ngx_tecken_cache_node_t  *node;

    for (n = 0; n < NGX_TECKEN_CACHE_SKIP; n++) {

        i = ngx_tecken_cache_node(sh, 0)->prev;
        node = ngx_tecken_cache_node(sh, i);

        if (node->flight == 0) {

            if (ngx_tecken_cache_alive(node)) {
                sh->evictions++;
            }

            ngx_tecken_cache_remove(sh, i);

            return i;
        }

        ngx_tecken_cache_unlink(sh, i);
        ngx_tecken_cache_link(sh, i);
    }

    return 0;
}


ngx_uint_t
ngx_tecken_cache_alive(ngx_tecken_cache_node_t *node)
{
    return node->expire
           && (int32_t) (node->expire - ngx_tecken_cache_tick()) > 0;
}


void
ngx_tecken_cache_store(ngx_tecken_cache_sh_t *sh, uint32_t i,
    ngx_uint_t value, time_t ttl)
{
    uint64_t                  msec;
    ngx_tecken_cache_node_t  *node;

    ngx_tecken_cache_change(sh);

    node = ngx_tecken_cache_node(sh, i);

    msec = ngx_tecken_cache_msec()
           + (uint64_t) ngx_min(ttl, NGX_TECKEN_CACHE_MAX_TTL) * 1000;

    node->value = (uint16_t) value;
    node->expire = (uint32_t) ((msec + 63) >> 6);

    if (node->expire == 0) {
        node->expire = 1;
    }

    ngx_tecken_cache_touch(sh, i);
}


/* once in a second is enough: a read of a busy key writes nothing then */

void
ngx_tecken_cache_touch(ngx_tecken_cache_sh_t *sh, uint32_t i)
{
    ngx_tecken_cache_node_t  *node;

    node = ngx_tecken_cache_node(sh, i);

    if (node->prev == 0
        || node->touched == (uint16_t) (ngx_tecken_cache_tick() >> 4))
    {
        return;
    }

    ngx_tecken_cache_change(sh);

    ngx_tecken_cache_unlink(sh, i);
    ngx_tecken_cache_link(sh, i);
}


static uint32_t *
ngx_tecken_cache_bucket(ngx_tecken_cache_sh_t *sh, ngx_tecken_cache_key_t *key)
{
    /* scales 32 bits of the hash to the number of buckets */

    return &sh->buckets[((key->h[0] >> 32) * sh->capacity) >> 32];
}


static void
ngx_tecken_cache_link(ngx_tecken_cache_sh_t *sh, uint32_t i)
{
    ngx_tecken_cache_node_t  *node, *head;

    head = ngx_tecken_cache_node(sh, 0);
    node = ngx_tecken_cache_node(sh, i);

    node->touched = (uint16_t) (ngx_tecken_cache_tick() >> 4);

    node->prev = 0;
    node->next = head->next;

    ngx_tecken_cache_node(sh, node->next)->prev = i;
    head->next = i;
}


static void
ngx_tecken_cache_unlink(ngx_tecken_cache_sh_t *sh, uint32_t i)
{
    ngx_tecken_cache_node_t  *node;

    node = ngx_tecken_cache_node(sh, i);

    ngx_tecken_cache_node(sh, node->prev)->next = node->next;
    ngx_tecken_cache_node(sh, node->next)->prev = node->prev;
}
