
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_offload.h>
#include <ngx_tecken_cache_sh.h>
#include <ngx_tecken_symcache_sh.h>

#include <sys/mman.h>


#define NGX_TECKEN_SYMCACHE_BUCKETS  1024

/* how soon idle maps of deleted files give back the room on the disk */
#define NGX_TECKEN_SYMCACHE_SWEEP    1000

/* a map that is small enough to be undone on the event loop */
#define NGX_TECKEN_SYMCACHE_INLINE   65536

/* times that a symcache is replaced while it is being opened */
#define NGX_TECKEN_SYMCACHE_TRIES    3


typedef struct {
    void                       *addr;
    size_t                      size;
} ngx_tecken_symcache_unmap_t;


/* the maps of this process */

typedef struct {
    ngx_tecken_symcache_map_t  *buckets[NGX_TECKEN_SYMCACHE_BUCKETS];
    ngx_queue_t                 idle;
    ngx_uint_t                  n;            /* in the buckets */
    ngx_uint_t                  max;
    ngx_event_t                 sweep;
    ngx_connection_t            dummy;
    unsigned                    exiting:1;
} ngx_tecken_symcache_table_t;


static ngx_tecken_symcache_map_t **ngx_tecken_symcache_slot(
    ngx_tecken_symcache_path_t *path, ngx_tecken_symcache_key_t *key);
static ngx_uint_t ngx_tecken_symcache_current(ngx_tecken_symcache_map_t *map,
    ngx_uint_t touch);
static ngx_int_t ngx_tecken_symcache_load(ngx_tecken_symcache_map_t *map);
static void ngx_tecken_symcache_loaded(ngx_tecken_task_t *task);
static void ngx_tecken_symcache_link_map(ngx_tecken_symcache_map_t *map);
static void ngx_tecken_symcache_unlink_map(ngx_tecken_symcache_map_t *map);
static void ngx_tecken_symcache_release(ngx_tecken_symcache_map_t *map);
static void ngx_tecken_symcache_trim(ngx_uint_t max);
static void ngx_tecken_symcache_sweep(ngx_event_t *ev);
static void ngx_tecken_symcache_unmap(ngx_tecken_symcache_path_t *path,
    void *addr, size_t size);
static void ngx_tecken_symcache_unmap_run(ngx_tecken_task_t *task);


static ngx_tecken_symcache_table_t  ngx_tecken_symcache_table;


void
ngx_tecken_symcache_init_worker(ngx_array_t *paths, ngx_uint_t maps,
    ngx_cycle_t *cycle)
{
    ngx_uint_t                     i;
    ngx_tecken_symcache_path_t   **path;
    ngx_tecken_symcache_table_t   *t;

    t = &ngx_tecken_symcache_table;

    ngx_memzero(t, sizeof(ngx_tecken_symcache_table_t));

    ngx_queue_init(&t->idle);

    t->max = maps;

    t->dummy.fd = (ngx_socket_t) -1;

    t->sweep.data = &t->dummy;
    t->sweep.handler = ngx_tecken_symcache_sweep;
    t->sweep.log = cycle->log;
    t->sweep.cancelable = 1;

    path = paths->elts;

    for (i = 0; i < paths->nelts; i++) {
        path[i]->sh->maps[ngx_process_slot] = 0;
    }
}


void
ngx_tecken_symcache_exit_worker(ngx_cycle_t *cycle)
{
    ngx_tecken_symcache_table_t  *t;

    t = &ngx_tecken_symcache_table;

    t->exiting = 1;

    ngx_tecken_symcache_trim(0);

    if (t->sweep.timer_set) {
        ngx_del_timer(&t->sweep);
    }
}


ngx_int_t
ngx_tecken_symcache_open(ngx_tecken_symcache_path_t *path,
    ngx_tecken_symcache_key_t *key, ngx_tecken_symcache_op_t *op,
    ngx_log_t *log)
{
    ngx_int_t                   rc;
    ngx_tecken_symcache_map_t  *map;

    op->ref = NULL;

    map = *ngx_tecken_symcache_slot(path, key);

    if (map && !map->loading) {

        if (ngx_tecken_symcache_current(map, 1)) {

            if (map->refs++ == 0) {
                ngx_queue_remove(&map->idle);
            }

            op->ref = &map->ref;

            return NGX_OK;
        }

        ngx_tecken_symcache_unlink_map(map);
        map = NULL;
    }

    if (map == NULL) {

        map = ngx_calloc(sizeof(ngx_tecken_symcache_map_t), log);
        if (map == NULL) {
            return NGX_ERROR;
        }

        map->path = path;
        map->key = *key;

        ngx_queue_init(&map->waiting);

        rc = ngx_tecken_symcache_load(map);

        if (rc != NGX_OK) {
            ngx_free(map);
            return rc;
        }

        map->loading = 1;
        ngx_tecken_symcache_link_map(map);
    }

    ngx_queue_insert_tail(&map->waiting, &op->queue);
    op->wait = map;

    return NGX_AGAIN;
}


void
ngx_tecken_symcache_cancel(ngx_tecken_symcache_op_t *op)
{
    if (op->wait) {
        ngx_queue_remove(&op->queue);
        op->wait = NULL;
    }
}


void
ngx_tecken_symcache_hold(ngx_tecken_symcache_ref_t *ref)
{
    ngx_tecken_symcache_map_t  *map;

    map = (ngx_tecken_symcache_map_t *) ref;

    map->refs++;
}


void
ngx_tecken_symcache_close(ngx_tecken_symcache_ref_t *ref)
{
    ngx_tecken_symcache_release((ngx_tecken_symcache_map_t *) ref);
}


ngx_tecken_symcache_ref_t *
ngx_tecken_symcache_finish(ngx_tecken_symcache_file_t *file)
{
    ngx_tecken_symcache_map_t  *map, *old;

    map = file->entry;
    file->entry = NULL;

    map->refs = 1;
    map->path->sh->maps[ngx_process_slot]++;

    ngx_queue_init(&map->waiting);

    if (map->sequence == 0 || !ngx_tecken_symcache_current(map, 0)) {

        /* for who has built it, nobody else */
        return &map->ref;
    }

    old = *ngx_tecken_symcache_slot(map->path, &map->key);

    if (old) {

        if (old->loading) {
            return &map->ref;
        }

        ngx_tecken_symcache_unlink_map(old);
    }

    ngx_tecken_symcache_link_map(map);

    return &map->ref;
}


static ngx_tecken_symcache_map_t **
ngx_tecken_symcache_slot(ngx_tecken_symcache_path_t *path,
    ngx_tecken_symcache_key_t *key)
{
    ngx_uint_t                   n;
    ngx_tecken_symcache_map_t  **p;

    n = (key->symbol[0] ^ key->sources) % NGX_TECKEN_SYMCACHE_BUCKETS;

    for (p = &ngx_tecken_symcache_table.buckets[n]; *p; p = &(*p)->next) {

        if ((*p)->path == path
            && ngx_memcmp(&(*p)->key, key, sizeof(ngx_tecken_symcache_key_t))
               == 0)
        {
            break;
        }
    }

    return p;
}


/* neither deleted nor replaced since it was mapped */

static ngx_uint_t
ngx_tecken_symcache_current(ngx_tecken_symcache_map_t *map, ngx_uint_t touch)
{
    uint32_t                   i;
    ngx_tecken_symcache_sh_t  *sh;

    sh = map->path->sh;

    ngx_tecken_symcache_lock(map->path);

    i = ngx_tecken_symcache_find(sh, &map->key);

    if (i && ngx_tecken_symcache_node(sh, i)->sequence != map->sequence) {
        i = 0;
    }

    if (i && touch) {
        ngx_tecken_symcache_touch(sh, i);
    }

    map->removals = sh->removals;

    ngx_tecken_symcache_unlock(map->path);

    return i != 0;
}


static ngx_int_t
ngx_tecken_symcache_load(ngx_tecken_symcache_map_t *map)
{
    ngx_int_t           rc;
    ngx_tecken_task_t  *task;

    task = ngx_tecken_symcache_load_create(map);
    if (task == NULL) {
        return NGX_ERROR;
    }

    task->done = ngx_tecken_symcache_loaded;

    rc = ngx_tecken_symcache_load_post(task);

    if (rc != NGX_OK) {
        ngx_tecken_task_destroy(task);
    }

    return rc;
}


static void
ngx_tecken_symcache_loaded(ngx_tecken_task_t *task)
{
    ngx_int_t                    rc;
    ngx_queue_t                 *q;
    ngx_tecken_symcache_op_t    *op;
    ngx_tecken_symcache_map_t   *map;
    ngx_tecken_symcache_load_t  *load;

    load = task->data;
    map = load->waiter;
    rc = load->rc;

    if (rc == NGX_OK && !ngx_tecken_symcache_current(&load->map, 0)) {
        ngx_tecken_symcache_unmap(map->path, load->map.addr, load->map.size);
        rc = NGX_AGAIN;
    }

    if (rc == NGX_AGAIN) {

        rc = NGX_DECLINED;

        if (++map->tries < NGX_TECKEN_SYMCACHE_TRIES) {

            rc = ngx_tecken_symcache_load_post(task);

            if (rc == NGX_OK) {
                return;
            }
        }
    }

    map->loading = 0;

    if (rc == NGX_OK) {
        map->ref = load->map.ref;
        map->addr = load->map.addr;
        map->size = load->map.size;
        map->sequence = load->map.sequence;
        map->removals = load->map.removals;

        map->path->sh->maps[ngx_process_slot]++;

    } else {
        ngx_tecken_symcache_unlink_map(map);
    }

    ngx_tecken_task_destroy(task);

    /* handlers may free the memory of their op, open, cancel others */

    map->refs = 1;

    while (!ngx_queue_empty(&map->waiting)) {

        q = ngx_queue_head(&map->waiting);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, ngx_tecken_symcache_op_t, queue);

        op->wait = NULL;
        op->rc = rc;

        if (rc == NGX_OK) {
            op->ref = &map->ref;
            map->refs++;
        }

        op->handler(op);
    }

    ngx_tecken_symcache_release(map);
}


static void
ngx_tecken_symcache_link_map(ngx_tecken_symcache_map_t *map)
{
    *ngx_tecken_symcache_slot(map->path, &map->key) = map;

    map->linked = 1;

    ngx_tecken_symcache_table.n++;

    ngx_tecken_symcache_trim(ngx_tecken_symcache_table.max);
}


/* not found any more; it goes with its last user */

static void
ngx_tecken_symcache_unlink_map(ngx_tecken_symcache_map_t *map)
{
    ngx_tecken_symcache_map_t  **p;

    p = ngx_tecken_symcache_slot(map->path, &map->key);
    *p = map->next;

    map->linked = 0;
    map->next = NULL;

    ngx_tecken_symcache_table.n--;

    if (map->refs == 0 && map->addr) {
        ngx_queue_remove(&map->idle);

        map->refs = 1;
        ngx_tecken_symcache_release(map);
    }
}


static void
ngx_tecken_symcache_release(ngx_tecken_symcache_map_t *map)
{
    ngx_tecken_symcache_table_t  *t;

    if (--map->refs) {
        return;
    }

    t = &ngx_tecken_symcache_table;

    if (map->linked && !t->exiting) {

        ngx_queue_insert_head(&t->idle, &map->idle);

        ngx_tecken_symcache_trim(t->max);

        if (!ngx_queue_empty(&t->idle) && !t->sweep.timer_set) {
            ngx_add_timer(&t->sweep, NGX_TECKEN_SYMCACHE_SWEEP);
        }

        return;
    }

    if (map->linked) {
        map->refs = 1;
        ngx_tecken_symcache_unlink_map(map);
    }

    if (map->addr) {
        map->path->sh->maps[ngx_process_slot]--;
        ngx_tecken_symcache_unmap(map->path, map->addr, map->size);
    }

    ngx_free(map);
}


/* those that nobody uses, least recently used first */

static void
ngx_tecken_symcache_trim(ngx_uint_t max)
{
    ngx_queue_t                  *q;
    ngx_tecken_symcache_map_t    *map;
    ngx_tecken_symcache_table_t  *t;

    t = &ngx_tecken_symcache_table;

    while (t->n > max && !ngx_queue_empty(&t->idle)) {

        q = ngx_queue_last(&t->idle);
        map = ngx_queue_data(q, ngx_tecken_symcache_map_t, idle);

        ngx_tecken_symcache_unlink_map(map);
    }
}


/* a file that was deleted takes room on the disk as long as it is mapped */

static void
ngx_tecken_symcache_sweep(ngx_event_t *ev)
{
    ngx_queue_t                  *q, *next;
    ngx_tecken_symcache_map_t    *map;
    ngx_tecken_symcache_table_t  *t;

    t = &ngx_tecken_symcache_table;

    for (q = ngx_queue_head(&t->idle);
         q != ngx_queue_sentinel(&t->idle);
         q = next)
    {
        next = ngx_queue_next(q);
        map = ngx_queue_data(q, ngx_tecken_symcache_map_t, idle);

        if (map->removals != map->path->sh->removals
            && !ngx_tecken_symcache_current(map, 0))
        {
            ngx_tecken_symcache_unlink_map(map);
        }
    }

    if (!ngx_queue_empty(&t->idle)) {
        ngx_add_timer(ev, NGX_TECKEN_SYMCACHE_SWEEP);
    }
}


/* the end of a large map, or of a deleted file, takes milliseconds */

static void
ngx_tecken_symcache_unmap(ngx_tecken_symcache_path_t *path, void *addr,
    size_t size)
{
    ngx_tecken_task_t            *task;
    ngx_tecken_symcache_unmap_t  *um;

    if (size > NGX_TECKEN_SYMCACHE_INLINE
        && !ngx_tecken_symcache_table.exiting)
    {
        task = ngx_tecken_task_create(sizeof(ngx_tecken_symcache_unmap_t),
                                      ngx_cycle->log);
        if (task) {
            um = task->data;
            um->addr = addr;
            um->size = size;

            task->run = ngx_tecken_symcache_unmap_run;
            task->done = ngx_tecken_task_destroy;

            if (ngx_tecken_task_post(path->io_pool, task, 0) == NGX_OK) {
                return;
            }

            ngx_tecken_task_destroy(task);
        }
    }

    (void) munmap(addr, size);
}


static void
ngx_tecken_symcache_unmap_run(ngx_tecken_task_t *task)
{
    ngx_tecken_symcache_unmap_t *um = task->data;

    (void) munmap(um->addr, um->size);
}
