
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_ANTENNA_MOVER_H_INCLUDED_
#define _NGX_ANTENNA_MOVER_H_INCLUDED_


#include <ngx_antenna_spool.h>
#include <tk_crash_key.h>


/*
 * The mover: brings crashes from a spool to its storage.  Among all workers,
 * those of old generations too, one owns a spool by a lock on its file
 * "lock", which ends with the worker however that ends.
 *
 * A file is gone when all its crashes are stored.  Until then it is tried
 * again, for ever; objects are the same each time, so twice does no harm.
 */


#define NGX_ANTENNA_DEATHS   3        /* of workers, by the same file */
#define NGX_ANTENNA_ENTRIES  16384    /* files known at once */
#define NGX_ANTENNA_READ     262144


typedef struct ngx_antenna_mover_s  ngx_antenna_mover_t;
typedef struct ngx_antenna_entry_s  ngx_antenna_entry_t;
typedef struct ngx_antenna_move_s   ngx_antenna_move_t;


typedef enum {
    NGX_ANTENNA_STORED = 0,           /* a crash; value: msec it took */
    NGX_ANTENNA_RETRY,                /* a file, an attempt failed */
    NGX_ANTENNA_REFUSED,              /* a crash, for good: in failed/ */
    NGX_ANTENNA_CORRUPT               /* a file: in corrupt/ */
} ngx_antenna_event_e;

typedef void (*ngx_antenna_event_pt)(ngx_antenna_mover_t *mover,
    ngx_antenna_event_e event, const uint8_t *crash_id, uint64_t value);


/* a file of new/ */

struct ngx_antenna_entry_s {
    ngx_rbtree_node_t             age;        /* key: when it was written */
    ngx_rbtree_node_t             order;      /* in ready: the same, or when
                                                 its wait was over; in
                                                 waiting: until when */
    ngx_uint_t                    attempts;
    ngx_uint_t                    records;    /* that are done with */
    ngx_uint_t                    objects;    /* of the next one, the same */
    ngx_uint_t                    deaths;     /* workers died meanwhile */
    const char                   *damage;     /* of a record; NULL: none yet */
    ngx_antenna_spool_moving_t   *moving;
    u_char                        name[NGX_ANTENNA_SPOOL_NAME];
};


struct ngx_antenna_mover_s {
    ngx_antenna_spool_t          *spool;
    ngx_antenna_event_pt          event;
    void                         *data;       /* the caller's */

    ngx_fd_t                      lock;
    ngx_event_t                   tick;
    ngx_tecken_task_t            *scan;       /* under way */

    ngx_rbtree_t                  age;        /* all entries */
    ngx_rbtree_node_t             age_sentinel;
    ngx_rbtree_t                  ready;
    ngx_rbtree_node_t             ready_sentinel;
    ngx_rbtree_t                  waiting;
    ngx_rbtree_node_t             waiting_sentinel;

    ngx_uint_t                    entries;
    ngx_uint_t                    nready;

    ngx_queue_t                   moves;
    ngx_uint_t                    nmoves;

    ngx_msec_t                    backoff;    /* 0: the storage takes them */
    ngx_msec_t                    resume;
    ngx_msec_t                    rescan;     /* when */

    /* a worker may have died of it: no other file is moved meanwhile */
    ngx_antenna_entry_t          *suspect;    /* to be moved alone */

    unsigned                      owner:1;
    unsigned                      alone:1;    /* a suspect is moved */
    unsigned                      partial:1;  /* there are more in new/ */
    unsigned                      newest:1;   /* is next */
    unsigned                      mute:1;     /* the lock's error is known */
};


/* in a worker; event may be NULL */
ngx_antenna_mover_t *ngx_antenna_mover_start(ngx_cycle_t *cycle,
    ngx_antenna_spool_t *spool, ngx_antenna_event_pt event, void *data);

/* the worker ends: what is under way is left to the next owner */
void ngx_antenna_mover_stop(ngx_antenna_mover_t *mover);


/* private to the mover */


/* entries */

void ngx_antenna_entries_init(ngx_antenna_mover_t *mover);
void ngx_antenna_entries_free(ngx_antenna_mover_t *mover);

/* a file of new/, which may be known; it is ready */
void ngx_antenna_mover_add(ngx_antenna_mover_t *mover, const u_char *name);
void ngx_antenna_mover_remove(ngx_antenna_mover_t *mover,
    ngx_antenna_entry_t *entry);

/* one that is not ready, until msec have passed; makes ready whose are over */
void ngx_antenna_mover_wait(ngx_antenna_mover_t *mover,
    ngx_antenna_entry_t *entry, ngx_msec_t msec);
void ngx_antenna_mover_waited(ngx_antenna_mover_t *mover);

/* the next one to be moved, of mover->nready */
ngx_antenna_entry_t *ngx_antenna_mover_pick(ngx_antenna_mover_t *mover);

/* when the oldest one was written, 0: there is none */
time_t ngx_antenna_entries_oldest(ngx_antenna_mover_t *mover);


/* moving */

/*
 * NGX_OK: entry->moving is this worker's; NGX_BUSY: it is another's, or there
 * is no room; NGX_DECLINED: workers died of it, it is to be moved alone.
 */
ngx_int_t ngx_antenna_moving_begin(ngx_antenna_mover_t *mover,
    ngx_antenna_entry_t *entry);
void ngx_antenna_moving_end(ngx_antenna_mover_t *mover,
    ngx_antenna_entry_t *entry);
void ngx_antenna_moving_bury(ngx_antenna_mover_t *mover);
void ngx_antenna_moving_seen(ngx_antenna_mover_t *mover);
void ngx_antenna_moving_leave(ngx_antenna_mover_t *mover);


/* scan */

typedef struct {
    ngx_antenna_spool_name_t     *names;      /* malloc()ed, the caller's */
    ngx_uint_t                    n;
    off_t                         bytes;      /* of all, not only of names */
    ngx_uint_t                    crashes;
    ngx_err_t                     err;
    const char                   *call;       /* NULL: it went well */
    unsigned                      partial:1;  /* there are more */
} ngx_antenna_scan_t;

/*
 * Reads new/, and removes from tmp/ what dead workers have left.  done() has
 * ngx_antenna_scan_t in task->data.
 */
ngx_tecken_task_t *ngx_antenna_scan_start(ngx_antenna_spool_t *spool,
    ngx_tecken_task_handler_pt done, void *data);
void *ngx_antenna_scan_data(ngx_tecken_task_t *task);

/* the number of crashes in a file, by its name; the time as a number */
ngx_uint_t ngx_antenna_name_crashes(const u_char *name);
uint64_t ngx_antenna_name_time(const u_char *name);


/* move */

/* NGX_OK: ngx_antenna_mover_moved() will be called */
ngx_int_t ngx_antenna_move_start(ngx_antenna_mover_t *mover,
    ngx_antenna_entry_t *entry);
void ngx_antenna_move_cancel(ngx_queue_t *q);

/* of the crash that a move, another than this one, stores; or NULL */
const uint8_t *ngx_antenna_move_crash_id(ngx_queue_t *q,
    ngx_antenna_move_t *except);

/* does another move store a crash of this id? */
ngx_uint_t ngx_antenna_mover_stores(ngx_antenna_mover_t *mover,
    ngx_antenna_move_t *move, const uint8_t *crash_id);

/* an object was stored: the storage works */
void ngx_antenna_mover_stored(ngx_antenna_mover_t *mover);

/*
 * The end of a move: NGX_OK, the file went, of so many bytes; NGX_DECLINED,
 * there was none; NGX_BUSY, NGX_ERROR: again later, the storage failed;
 * NGX_ABORT: again later, the disk failed; NGX_AGAIN: again soon.
 */
void ngx_antenna_mover_moved(ngx_antenna_mover_t *mover,
    ngx_antenna_entry_t *entry, ngx_int_t rc, off_t size);


/* io: what a thread does for a move */

#define NGX_ANTENNA_IO_INDEX   0      /* opens the file, checks its records */
#define NGX_ANTENNA_IO_READ    1      /* some of its bytes */
#define NGX_ANTENNA_IO_REFUSE  2      /* a record goes to failed/ */
#define NGX_ANTENNA_IO_END     3      /* the file goes */


typedef struct {
    off_t                         start;
    off_t                         length;
    const char                   *damage;     /* NULL: it is whole */
    tk_spool_record_t             rec;
} ngx_antenna_io_record_t;


typedef struct {
    ngx_antenna_spool_t          *spool;
    u_char                       *name;       /* in new/ */
    ngx_atomic_t                 *local;      /* shared: it is in a thread */
    ngx_uint_t                    step;
    ngx_uint_t                    first;      /* in: record to be checked */

    ngx_fd_t                      fd;
    off_t                         size;
    ngx_antenna_io_record_t      *records;    /* malloc()ed, the objects too;
                                                 from the first on */
    ngx_uint_t                    n;
    const char                   *damage;     /* of what is before them */

    u_char                       *buf;        /* malloc()ed */
    off_t                         offset;     /* in: to read; of buf */
    size_t                        len;        /* out */

    ngx_uint_t                    record;     /* to refuse */
    const u_char                 *reason;     /* refuse, end: why */

    ngx_err_t                     err;
    const char                   *call;       /* NULL: it went well */
    unsigned                      gone:1;     /* there is no such file */
    unsigned                      corrupt:1;  /* end: to corrupt/, not away */
    unsigned                      refuse:1;   /* end: to failed/ */
} ngx_antenna_io_t;


void ngx_antenna_io_run(ngx_antenna_io_t *io);
void ngx_antenna_io_free(ngx_antenna_io_t *io);


#endif /* _NGX_ANTENNA_MOVER_H_INCLUDED_ */
