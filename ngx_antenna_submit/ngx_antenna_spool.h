
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_ANTENNA_SPOOL_H_INCLUDED_
#define _NGX_ANTENNA_SPOOL_H_INCLUDED_


#include <ngx_tecken.h>
#include <tk_hmac.h>
#include <tk_spool.h>


/*
 * The spool: where a crash is durable before its client gets an id, and from
 * where it goes to a storage.
 *
 *   tmp/      being written, of no worth after a crash of the machine
 *   new/      complete; a file has one record (common/wire/tk_spool.h) or,
 *             of small crashes, several, which shared the syncs
 *   failed/   refused by the storage for good
 *   corrupt/  damaged
 *
 * A file is <YYYYMMDDhhmmss>.<pid>.<start of the process>.<number>.<crashes>:
 * they sort by age, UTC.
 */


#define NGX_ANTENNA_SPOOL_NAME   80
#define NGX_ANTENNA_SPOOL_RING   4096
#define NGX_ANTENNA_MOVING       64
#define NGX_ANTENNA_MOVERS       32    /* of this generation and the last */

#define NGX_ANTENNA_SYNC_STRICT  0     /* file, rename, directory */
#define NGX_ANTENNA_SYNC_FAST    1     /* rename, file */
#define NGX_ANTENNA_SYNC_OFF     2     /* crashes are lost */


typedef struct {
    u_char                        name[NGX_ANTENNA_SPOOL_NAME];
} ngx_antenna_spool_name_t;


/* a file that is being moved, or whose mover was killed meanwhile */

typedef struct {
    ngx_pid_t                     pid;        /* 0: not now */
    ngx_msec_t                    seen;       /* its mover was alive */
    ngx_atomic_t                  local;      /* a thread has the file */
    ngx_uint_t                    deaths;
    ngx_antenna_spool_name_t      file;
} ngx_antenna_spool_moving_t;


/* in shared memory */

typedef struct {
    ngx_atomic_t                  bytes;      /* of all files in new/ */
    ngx_atomic_t                  crashes;
    ngx_atomic_t                  oldest;     /* sec, 0: there is none */
    ngx_atomic_t                  counted;    /* msec, when new/ was read */

    /* files that the mover has not heard of; overflown: it scans */
    ngx_atomic_t                  head;
    ngx_atomic_t                  tail;
    ngx_atomic_t                  overflown;
    ngx_antenna_spool_name_t      ring[NGX_ANTENNA_SPOOL_RING];

    ngx_antenna_spool_moving_t    moving[NGX_ANTENNA_MOVING];
} ngx_antenna_spool_sh_t;


extern ngx_module_t  ngx_antenna_submit_module;


typedef struct ngx_antenna_spool_s   ngx_antenna_spool_t;
typedef struct ngx_antenna_record_s  ngx_antenna_record_t;
typedef struct ngx_antenna_buf_s     ngx_antenna_buf_t;

/* rec->rc is NGX_AGAIN: more may be written; else the record has ended */
typedef void (*ngx_antenna_record_handler_pt)(ngx_antenna_record_t *rec);


/* what went wrong in a thread, to be logged in the event loop */

typedef struct {
    ngx_err_t                     err;
    const char                   *call;       /* NULL: nothing */
    const u_char                 *name;
} ngx_antenna_spool_error_t;


/* a thread that waits for new/ to be synced, on its stack */

typedef struct ngx_antenna_spool_sync_s  ngx_antenna_spool_sync_t;

struct ngx_antenna_spool_sync_s {
    ngx_antenna_spool_sync_t     *next;
    ngx_int_t                     rc;
    ngx_antenna_spool_error_t     error;
    unsigned                      done:1;
};


struct ngx_antenna_spool_s {
    ngx_str_t                     path;
    ngx_str_t                     tmp;        /* with a slash at its end */
    ngx_str_t                     new;        /* the same */
    ngx_str_t                     failed;
    ngx_str_t                     corrupt;

    ngx_uint_t                    sync;
    off_t                         max_size;   /* 0: none */
    off_t                         min_free;

    /* the mover's, see ngx_antenna_mover.h */
    ngx_tecken_storage_t         *storage;    /* NULL: crashes are dropped */
    ngx_uint_t                    layout;
    ngx_uint_t                    crashmovers;
    ngx_msec_t                    retry_max;

    ngx_shm_zone_t               *shm_zone;
    ngx_antenna_spool_sh_t       *sh;
    ngx_slab_pool_t              *shpool;

    ngx_thread_pool_t            *thread_pool;

    u_char                       *file_name;  /* where it is configured */
    ngx_uint_t                    line;

    /* of this process */

    ngx_queue_t                   ready;      /* records for the next file */
    ngx_uint_t                    number;
    ngx_uint_t                    batch;      /* one is being committed */

    ngx_thread_mutex_t            mutex;      /* of its threads */
    ngx_thread_cond_t             synced;
    ngx_antenna_spool_sync_t     *syncs;      /* for the next one */
    ngx_uint_t                    syncing;    /* new/ is being synced */
};


/* a file while it is written; the thread's while a task is posted */

typedef struct {
    ngx_antenna_spool_t          *spool;
    ngx_fd_t                      fd;
    off_t                         size;
    ngx_uint_t                    n;          /* crashes in it */
    uint64_t                      usec;       /* its syncs took */
    ngx_antenna_spool_error_t     error;
    unsigned                      final:1;    /* nothing follows: commit */
    unsigned                      full:1;     /* min_free is reached */
    unsigned                      renamed:1;

    u_char                        name[NGX_ANTENNA_SPOOL_NAME];
    u_char                       *tmp;        /* of both, the paths */
    u_char                       *new;
} ngx_antenna_spool_file_t;


struct ngx_antenna_record_s {
    ngx_antenna_spool_t          *spool;
    ngx_log_t                    *log;        /* the caller's */
    ngx_antenna_record_handler_pt  handler;   /* set by the caller */
    void                         *data;       /* the caller's */

    ngx_int_t                     rc;         /* NGX_AGAIN until it ends */
    uint64_t                      usec;       /* the syncs took */
    off_t                         size;

    tk_spool_object_t            *objects;    /* in the order of writing */
    ngx_uint_t                    n;

    /* private */

    ngx_queue_t                   queue;      /* spool->ready, or a batch's */
    ngx_tecken_task_t            *task;       /* this is its data */
    ngx_antenna_spool_file_t      file;
    ngx_antenna_buf_t            *first;      /* to be written */
    ngx_antenna_buf_t            *last;
    ngx_antenna_buf_t            *out;        /* being written */
    ngx_uint_t                    nfull;
    ngx_uint_t                    allocated;  /* objects */
    SHA256_CTX                    sha256;     /* of the last object */

    unsigned                      open:1;     /* the last object is */
    unsigned                      streamed:1; /* has a file of its own */
    unsigned                      posted:1;
    unsigned                      waiting:1;  /* the caller is */
    unsigned                      committing:1;
    unsigned                      destroyed:1;
};


/*
 * NULL: out of memory.  log is for what goes wrong before record_destroy()
 * or the commit's end.
 */
ngx_antenna_record_t *ngx_antenna_record_create(ngx_antenna_spool_t *spool,
    ngx_log_t *log);

/*
 * An object begins: any number of dumps, then the raw crash, then the dump
 * names.  name is of a dump, sanitized, TK_SPOOL_NAME bytes at most.
 */
ngx_int_t ngx_antenna_record_object(ngx_antenna_record_t *rec,
    tk_spool_kind_e kind, const uint8_t *name, size_t len);

/*
 * Bytes of the object, which are copied.  NGX_OK; NGX_AGAIN: took them, more
 * should wait for rec->handler; NGX_BUSY (the disk is full), NGX_ERROR: it
 * failed, which is logged.
 */
ngx_int_t ngx_antenna_record_write(ngx_antenna_record_t *rec,
    const u_char *data, size_t len);

/*
 * Nothing follows for now: what is enough for a write goes to the disk.  A
 * failure is told by the next call.
 */
void ngx_antenna_record_flush(ngx_antenna_record_t *rec);

/* the object ends: its length and sha256 are known; NULL: none is open */
tk_spool_object_t *ngx_antenna_record_object_end(ngx_antenna_record_t *rec);

/*
 * The record is whole; chosen: the crash id is the client's.  NGX_AGAIN:
 * rec->handler is called with rec->rc, NGX_OK when the crash is durable: who
 * is told of it may forget it.  Now or then NGX_BUSY: the spool is full,
 * NGX_ERROR: it failed; both are logged and nothing is left of the crash.
 */
ngx_int_t ngx_antenna_record_commit(ngx_antenna_record_t *rec,
    const uint8_t *crash_id, ngx_uint_t chosen, time_t received);

/*
 * Frees the record and what it has written, unless it is committed or about
 * to be: then the commit goes on, and the handler is not called.
 */
void ngx_antenna_record_destroy(ngx_antenna_record_t *rec);


/*
 * The spool of this path, in spools (ngx_antenna_spool_t *): the one that is
 * there, or conf, in which path and settings, file_name and line are set.
 * NULL: error, logged.
 */
ngx_antenna_spool_t *ngx_antenna_spool_add(ngx_conf_t *cf,
    ngx_array_t *spools, ngx_antenna_spool_t *conf);

/* in a worker: before the first record, and at its end */
ngx_int_t ngx_antenna_spools_init_worker(ngx_cycle_t *cycle,
    ngx_array_t *spools);
void ngx_antenna_spools_exit_worker(ngx_array_t *spools);

/*
 * The next file that was added, by whatever worker; for the mover.  NGX_OK,
 * NGX_DECLINED: none; NGX_DONE: there were too many, it has to scan new/.
 */
ngx_int_t ngx_antenna_spool_next(ngx_antenna_spool_t *spool,
    ngx_antenna_spool_name_t *name);


/* private to the spool */

#define NGX_ANTENNA_BUF       16384

/* full buffers: a crash gets a file; more go to it; at most for one turn */
#define NGX_ANTENNA_LARGE     4
#define NGX_ANTENNA_MORE      2
#define NGX_ANTENNA_MOST      16


struct ngx_antenna_buf_s {
    ngx_antenna_buf_t            *next;
    u_char                       *last;
    u_char                        data[NGX_ANTENNA_BUF];
};


/* a list of them */
void ngx_antenna_buf_free(ngx_antenna_buf_t *buf);

/* a worker's end */
void ngx_antenna_bufs_exit(void);

/* the commit of a record, with others, in a file that they share */
ngx_int_t ngx_antenna_batch_add(ngx_antenna_record_t *rec);

/* the end of a commit: rec->rc is set, rec may be gone afterwards */
void ngx_antenna_record_committed(ngx_antenna_record_t *rec);

/* the name of a file for n crashes, from pool */
ngx_int_t ngx_antenna_file_init(ngx_antenna_spool_file_t *file,
    ngx_antenna_spool_t *spool, ngx_uint_t n, ngx_pool_t *pool);

/* in a thread: NGX_OK, or NGX_ERROR and file->error */
ngx_int_t ngx_antenna_file_open(ngx_antenna_spool_file_t *file);
ngx_int_t ngx_antenna_file_write(ngx_antenna_spool_file_t *file,
    ngx_antenna_buf_t *bufs);
ngx_int_t ngx_antenna_file_commit(ngx_antenna_spool_file_t *file);
void ngx_antenna_file_discard(ngx_antenna_spool_file_t *file);

/* logs file->error, returns NGX_BUSY or NGX_ERROR */
ngx_int_t ngx_antenna_file_failed(ngx_antenna_spool_file_t *file,
    ngx_log_t *log);

/* when this process started, in names of files */
extern uint64_t  ngx_antenna_start;

/* the file is in new/ */
void ngx_antenna_spool_added(ngx_antenna_spool_t *spool,
    ngx_antenna_spool_file_t *file);


#endif /* _NGX_ANTENNA_SPOOL_H_INCLUDED_ */
