
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_SYMCACHE_H_INCLUDED_
#define _NGX_TECKEN_SYMCACHE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_thread_pool.h>

#include <tk_symcache.h>


/*
 * A directory of symcaches, kept as nginx keeps its file cache: one index in
 * shared memory in LRU order, a manager and a loader; and the files that a
 * worker has mapped.  A symcache is deleted, replaced or evicted while it is
 * mapped without harm to who uses it.
 */


typedef struct ngx_tecken_symcache_path_s  ngx_tecken_symcache_path_t;
typedef struct ngx_tecken_symcache_ref_s   ngx_tecken_symcache_ref_t;
typedef struct ngx_tecken_symcache_op_s    ngx_tecken_symcache_op_t;

typedef void (*ngx_tecken_symcache_handler_pt)(ngx_tecken_symcache_op_t *op);


/* names files too: must not depend on the zone or the process */

typedef struct {
    uint64_t                         symbol[2];
    uint64_t                         sources;
} ngx_tecken_symcache_key_t;


/* a symcache in use, in memory of the worker */

struct ngx_tecken_symcache_ref_s {
    tk_symcache_t                    sc;          /* opened, read only */
};


/* somebody who asks for a symcache, the caller's memory */

struct ngx_tecken_symcache_op_s {
    ngx_tecken_symcache_handler_pt   handler;     /* set by the caller */
    void                            *data;        /* the caller's */

    ngx_int_t                        rc;          /* given to handler */
    ngx_tecken_symcache_ref_t       *ref;         /* if rc is NGX_OK */

    /* private, all zero before the first open() */
    ngx_queue_t                      queue;
    void                            *wait;
};


/* a symcache that is being made, the caller's memory */

typedef struct {
    ngx_fd_t                         fd;          /* read and write, empty */

    /* private */
    ngx_tecken_symcache_path_t      *path;
    ngx_tecken_symcache_key_t        key;
    uint64_t                         token;
    ngx_str_t                        name;
    void                            *entry;
    unsigned                         memory:1;    /* not in the directory */
} ngx_tecken_symcache_file_t;


typedef struct {
    uint64_t                         size;        /* bytes on disk */
    uint64_t                         max_size;
    uint64_t                         files;
    uint64_t                         capacity;    /* files the zone can hold */
    uint64_t                         maps;        /* open, of all workers */
    uint64_t                         evictions;
    uint64_t                         corrupt;     /* found damaged, deleted */
    uint64_t                         resets;      /* repaired: a worker was
                                                     killed amid a change */
} ngx_tecken_symcache_status_t;


/*
 * The directive: DIR [levels=1:2] max_size=SIZE [inactive=TIME]
 * [min_free=SIZE] [zone=SIZE].  paths, of ngx_tecken_symcache_path_t *, are
 * those of the configuration so far: a directory that is there already is
 * returned, if its parameters are the same.  NULL is logged.  tag is that of
 * the shared memory.
 */
ngx_tecken_symcache_path_t *ngx_tecken_symcache_parse(ngx_conf_t *cf,
    ngx_array_t *paths, void *tag);

/* once the whole configuration is read */
void ngx_tecken_symcache_init(ngx_array_t *paths, ngx_thread_pool_t *io_pool);

ngx_str_t *ngx_tecken_symcache_dir(ngx_tecken_symcache_path_t *path);

/* in a worker: maps is how many it keeps open */
void ngx_tecken_symcache_init_worker(ngx_array_t *paths, ngx_uint_t maps,
    ngx_cycle_t *cycle);
void ngx_tecken_symcache_exit_worker(ngx_cycle_t *cycle);


/*
 * debug_file as in the key of the .sym, debug_id likewise in upper case; id
 * says which sources, and options of the build, a symcache was made from.
 */
void ngx_tecken_symcache_key(ngx_tecken_symcache_key_t *key,
    ngx_str_t *debug_file, ngx_str_t *debug_id, uint64_t id[2]);

/*
 * Asks for a symcache, on the event loop:
 *
 *   NGX_OK        op->ref, until close();
 *   NGX_DECLINED  there is none: build it;
 *   NGX_AGAIN     it is being opened in the io pool: op->handler is called
 *                 later, from the event loop, with op->rc being one of the
 *                 others; op must stay until then or until cancel();
 *   NGX_ERROR     this server failed: memory, descriptors, permissions, a
 *                 queue is full; logged.
 *
 * A symcache that is mapped already takes a lookup in shared memory; also, it
 * tells whether it has been deleted or replaced meanwhile in any worker.
 */
ngx_int_t ngx_tecken_symcache_open(ngx_tecken_symcache_path_t *path,
    ngx_tecken_symcache_key_t *key, ngx_tecken_symcache_op_t *op,
    ngx_log_t *log);

/* op->handler will not be called; harmless when nothing is under way */
void ngx_tecken_symcache_cancel(ngx_tecken_symcache_op_t *op);

/* one more user, to be closed likewise; and the end of use.  On the loop.
 * Between them any thread may look up in ref->sc. */
void ngx_tecken_symcache_hold(ngx_tecken_symcache_ref_t *ref);
void ngx_tecken_symcache_close(ngx_tecken_symcache_ref_t *ref);

/*
 * Reads what every lookup visits into memory, in a thread, for a file that was
 * not used for long; the few pages that are left are those of the addresses:
 * who looks many up does so in a thread.
 */
void ngx_tecken_symcache_prefetch(ngx_tecken_symcache_ref_t *ref);

/*
 * Building.  begin() on the event loop before the sources are asked: what is
 * deleted from then on is not stored by commit().  temp() opens file->fd,
 * commit() opens the finished symcache, makes room for it and renames it into
 * place, discard() ends a build that failed: these in a thread, one at a time
 * (they take the lock of the index, so rather one of usual priority).  finish()
 * on the event loop enters the map in the worker's table.
 *
 *     begin -> temp -> (write) -> commit -> finish
 *                               -> discard
 *
 * temp(): NGX_OK or NGX_ERROR, logged.  When the directory cannot be written
 * to the file is one in memory, which is used and then forgotten.
 *
 * commit(): NGX_OK; NGX_DECLINED: no valid symcache; NGX_ERROR; both are
 * logged and end as discard() does.  Whether it was stored or, as it was
 * deleted meanwhile, not: who waits for this build can use it.
 *
 * discard() with the errno of a failed write, or 0: for NGX_ENOSPC the least
 * recently used symcaches make room for the next attempt.  Needed after
 * temp() only; harmless any time after begin().
 */
void ngx_tecken_symcache_begin(ngx_tecken_symcache_path_t *path,
    ngx_tecken_symcache_key_t *key, ngx_tecken_symcache_file_t *file);
ngx_int_t ngx_tecken_symcache_temp(ngx_tecken_symcache_file_t *file,
    ngx_log_t *log);
ngx_int_t ngx_tecken_symcache_commit(ngx_tecken_symcache_file_t *file,
    ngx_log_t *log);
void ngx_tecken_symcache_discard(ngx_tecken_symcache_file_t *file,
    ngx_err_t err, ngx_log_t *log);

/* after commit() has returned NGX_OK; to be closed.  Never NULL. */
ngx_tecken_symcache_ref_t *ngx_tecken_symcache_finish(
    ngx_tecken_symcache_file_t *file);

/*
 * The symbol has changed: from now on no worker uses its symcaches, of
 * whatever sources (key->sources is not looked at), nor stores one whose build
 * has begun before.  The files go in the io pool.
 */
void ngx_tecken_symcache_delete(ngx_tecken_symcache_path_t *path,
    ngx_tecken_symcache_key_t *key, ngx_log_t *log);

void ngx_tecken_symcache_status(ngx_tecken_symcache_path_t *path,
    ngx_tecken_symcache_status_t *status);


#endif /* _NGX_TECKEN_SYMCACHE_H_INCLUDED_ */
