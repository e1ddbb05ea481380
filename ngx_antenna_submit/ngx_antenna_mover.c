
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_mover.h>

#include <sys/file.h>


#define NGX_ANTENNA_TICK       100    /* ms */
#define NGX_ANTENNA_RESCAN     60000
#define NGX_ANTENNA_RESCAN_FEW 10000
#define NGX_ANTENNA_FEW        4096   /* files */
#define NGX_ANTENNA_BACKOFF    1000
#define NGX_ANTENNA_PROBE      10000  /* a file, for all the others */
#define NGX_ANTENNA_SOON       1000


static void ngx_antenna_mover_tick(ngx_event_t *ev);
static ngx_int_t ngx_antenna_mover_lock(ngx_antenna_mover_t *mover);
static void ngx_antenna_mover_take_over(ngx_antenna_mover_t *mover);
static void ngx_antenna_mover_release(ngx_antenna_mover_t *mover);
static void ngx_antenna_mover_news(ngx_antenna_mover_t *mover);
static void ngx_antenna_mover_count(ngx_antenna_mover_t *mover);
static void ngx_antenna_mover_scan(ngx_antenna_mover_t *mover);
static void ngx_antenna_mover_scanned(ngx_tecken_task_t *task);
static void ngx_antenna_mover_go(ngx_antenna_mover_t *mover);
static ngx_msec_t ngx_antenna_mover_backoff(ngx_antenna_mover_t *mover,
    ngx_uint_t attempts);


static ngx_connection_t  ngx_antenna_mover_dummy = {
    .fd = (ngx_socket_t) -1
};


ngx_antenna_mover_t *
ngx_antenna_mover_start(ngx_cycle_t *cycle, ngx_antenna_spool_t *spool,
    ngx_antenna_event_pt event, void *data)
{
    ngx_antenna_mover_t  *mover;

    mover = ngx_pcalloc(cycle->pool, sizeof(ngx_antenna_mover_t));
    if (mover == NULL) {
        return NULL;
    }

    mover->spool = spool;
    mover->event = event;
    mover->data = data;
    mover->lock = NGX_INVALID_FILE;

    ngx_queue_init(&mover->moves);

    ngx_antenna_entries_init(mover);

    mover->tick.handler = ngx_antenna_mover_tick;
    mover->tick.data = &ngx_antenna_mover_dummy;
    mover->tick.log = cycle->log;
    mover->tick.cancelable = 1;

    ngx_add_timer(&mover->tick, NGX_ANTENNA_TICK);

    return mover;
}


static void
ngx_antenna_mover_tick(ngx_event_t *ev)
{
    ngx_antenna_mover_t  *mover;

    mover = (ngx_antenna_mover_t *)
                ((u_char *) ev - offsetof(ngx_antenna_mover_t, tick));

    ngx_antenna_moving_seen(mover);

    /* those under way end in this worker, the rest is for the next owner */

    if (ngx_exiting || ngx_terminate) {
        ngx_antenna_mover_release(mover);

        if (mover->nmoves) {
            ngx_add_timer(ev, NGX_ANTENNA_TICK);
        }

        return;
    }

    if (!mover->owner && ngx_antenna_mover_lock(mover) == NGX_OK) {
        ngx_antenna_mover_take_over(mover);
    }

    if (mover->owner) {
        ngx_antenna_mover_news(mover);
        ngx_antenna_mover_go(mover);
        mover->spool->sh->oldest = ngx_antenna_entries_oldest(mover);

    } else {
        ngx_antenna_mover_count(mover);
    }

    ngx_add_timer(ev, NGX_ANTENNA_TICK);
}


static ngx_int_t
ngx_antenna_mover_lock(ngx_antenna_mover_t *mover)
{
    u_char  name[NGX_MAX_PATH];

    if (mover->lock == NGX_INVALID_FILE) {
        (void) ngx_snprintf(name, NGX_MAX_PATH, "%V/lock%Z",
                            &mover->spool->path);

        mover->lock = open((char *) name, O_RDWR|O_CREAT|O_CLOEXEC, 0600);

        if (mover->lock == NGX_INVALID_FILE) {

            if (!mover->mute) {
                mover->mute = 1;
                ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, ngx_errno,
                              "spool: open() \"%s\" failed, crashes are taken "
                              "but not stored", name);
            }

            return NGX_ERROR;
        }
    }

    if (flock(mover->lock, LOCK_EX|LOCK_NB) == 0) {
        mover->mute = 0;
        return NGX_OK;
    }

    if (ngx_errno != EWOULDBLOCK && ngx_errno != NGX_EINTR && !mover->mute) {
        mover->mute = 1;
        ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, ngx_errno,
                      "spool: flock() \"%V/lock\" failed, crashes are taken "
                      "but not stored", &mover->spool->path);
    }

    return NGX_AGAIN;
}


static void
ngx_antenna_mover_take_over(ngx_antenna_mover_t *mover)
{
    mover->owner = 1;

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "spool \"%V\" is moved by this worker",
                  &mover->spool->path);

    ngx_antenna_moving_bury(mover);
    ngx_antenna_mover_scan(mover);
}


static void
ngx_antenna_mover_release(ngx_antenna_mover_t *mover)
{
    mover->owner = 0;

    if (mover->lock != NGX_INVALID_FILE) {
        (void) ngx_close_file(mover->lock);
        mover->lock = NGX_INVALID_FILE;
    }
}


void
ngx_antenna_mover_stop(ngx_antenna_mover_t *mover)
{
    ngx_queue_t  *q;

    ngx_antenna_mover_release(mover);

    ngx_antenna_moving_leave(mover);

    if (mover->tick.timer_set) {
        ngx_del_timer(&mover->tick);
    }

    if (mover->scan) {
        ngx_tecken_task_cancel(mover->scan);
        mover->scan = NULL;
    }

    while (!ngx_queue_empty(&mover->moves)) {
        q = ngx_queue_head(&mover->moves);
        ngx_antenna_move_cancel(q);
    }

    ngx_antenna_entries_free(mover);
}


/* files that workers have added */

static void
ngx_antenna_mover_news(ngx_antenna_mover_t *mover)
{
    ngx_int_t                 rc;
    ngx_antenna_spool_name_t  name;

    while (mover->entries < NGX_ANTENNA_ENTRIES) {

        rc = ngx_antenna_spool_next(mover->spool, &name);

        if (rc == NGX_DECLINED) {
            break;
        }

        if (rc == NGX_DONE) {
            mover->partial = 1;
            break;
        }

        ngx_antenna_mover_add(mover, name.name);
    }

    /*
     * New/ has more than was heard of when there were too many, and when a
     * worker was killed before it said so.
     */

    if (mover->scan == NULL
        && ((ngx_msec_int_t) (mover->rescan - ngx_current_msec) <= 0
            || (mover->partial && mover->entries < NGX_ANTENNA_ENTRIES / 4)))
    {
        ngx_antenna_mover_scan(mover);
    }
}


/*
 * The owner may be of another binary, with shared memory of its own: then
 * somebody has to count what is left for the limits of this one.
 */

static void
ngx_antenna_mover_count(ngx_antenna_mover_t *mover)
{
    ngx_atomic_uint_t        counted;
    ngx_antenna_spool_sh_t  *sh;

    sh = mover->spool->sh;
    counted = sh->counted;

    if (mover->scan == NULL
        && (ngx_msec_int_t) (ngx_current_msec - counted)
           > 2 * NGX_ANTENNA_RESCAN
        && ngx_atomic_cmp_set(&sh->counted, counted, ngx_current_msec))
    {
        ngx_antenna_mover_scan(mover);
    }
}


static void
ngx_antenna_mover_scan(ngx_antenna_mover_t *mover)
{
    mover->scan = ngx_antenna_scan_start(mover->spool,
                                         ngx_antenna_mover_scanned, mover);

    /* what is added from now on may be missed by it */

    if (mover->scan) {
        mover->partial = 0;
    }

    mover->rescan = ngx_current_msec + (mover->scan ? NGX_ANTENNA_RESCAN
                                                    : NGX_ANTENNA_SOON);
}


static void
ngx_antenna_mover_scanned(ngx_tecken_task_t *task)
{
    ngx_uint_t               i;
    ngx_antenna_scan_t      *scan;
    ngx_antenna_mover_t     *mover;
    ngx_antenna_spool_sh_t  *sh;

    scan = task->data;
    mover = ngx_antenna_scan_data(task);
    mover->scan = NULL;

    if (scan->call) {
        ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, scan->err,
                      "spool: %s \"%V\" failed, crashes may not be stored",
                      scan->call, &mover->spool->new);
    }

    for (i = 0; i < scan->n && mover->owner; i++) {

        if (mover->entries == NGX_ANTENNA_ENTRIES) {
            mover->partial = 1;
            break;
        }

        ngx_antenna_mover_add(mover, scan->names[i].name);
    }

    if (scan->partial) {
        mover->partial = 1;
    }

    /* but for what was added or went meanwhile, until the next time */

    if (scan->call == NULL) {
        sh = mover->spool->sh;
        sh->bytes = scan->bytes;
        sh->crashes = scan->crashes;
        sh->counted = ngx_current_msec;

        if (scan->n < NGX_ANTENNA_FEW) {
            mover->rescan = ngx_current_msec + NGX_ANTENNA_RESCAN_FEW;
        }

    } else {
        mover->rescan = ngx_current_msec + NGX_ANTENNA_SOON;
    }

    ngx_tecken_task_destroy(task);

    ngx_antenna_mover_go(mover);
}


/* starts moves; while the storage fails, one at a time finds out when not */

static void
ngx_antenna_mover_go(ngx_antenna_mover_t *mover)
{
    ngx_int_t             rc;
    ngx_uint_t            limit;
    ngx_antenna_entry_t  *entry;

    if (!mover->owner || ngx_exiting || ngx_terminate) {
        return;
    }

    ngx_antenna_mover_waited(mover);

    if (mover->backoff
        && (ngx_msec_int_t) (mover->resume - ngx_current_msec) > 0)
    {
        return;
    }

    limit = mover->backoff ? 1 : mover->spool->crashmovers;

    while (mover->nmoves < limit && !mover->alone
           && (mover->suspect ? mover->nmoves == 0 : mover->nready != 0))
    {
        entry = mover->suspect ? mover->suspect
                               : ngx_antenna_mover_pick(mover);
        mover->suspect = NULL;

        rc = ngx_antenna_moving_begin(mover, entry);

        if (rc == NGX_DECLINED) {
            mover->suspect = entry;
            continue;
        }

        if (rc == NGX_OK) {
            rc = ngx_antenna_move_start(mover, entry);

            if (rc == NGX_OK) {
                mover->nmoves++;
                mover->alone = (entry->deaths != 0);
                continue;
            }

            ngx_antenna_moving_end(mover, entry);
        }

        ngx_antenna_mover_wait(mover, entry, NGX_ANTENNA_SOON);

        if (rc == NGX_ERROR) {
            return;
        }
    }
}


void
ngx_antenna_mover_moved(ngx_antenna_mover_t *mover,
    ngx_antenna_entry_t *entry, ngx_int_t rc, off_t size)
{
    ngx_msec_t               msec;
    ngx_uint_t               n;
    ngx_antenna_spool_sh_t  *sh;

    mover->nmoves--;
    mover->alone = 0;

    ngx_antenna_moving_end(mover, entry);

    switch (rc) {

    case NGX_OK:
        n = ngx_antenna_name_crashes(entry->name);
        sh = mover->spool->sh;

        ngx_shmtx_lock(&mover->spool->shpool->mutex);

        sh->bytes -= ngx_min((ngx_atomic_t) size, sh->bytes);
        sh->crashes -= ngx_min(n, sh->crashes);

        ngx_shmtx_unlock(&mover->spool->shpool->mutex);

        /* fall through */

    case NGX_DECLINED:
        ngx_antenna_mover_remove(mover, entry);
        break;

    case NGX_AGAIN:
        ngx_antenna_mover_wait(mover, entry, NGX_ANTENNA_SOON);
        break;

    case NGX_ABORT:
        msec = ngx_antenna_mover_backoff(mover, entry->attempts++);
        ngx_antenna_mover_wait(mover, entry, msec);
        break;

    default:
        msec = ngx_antenna_mover_backoff(mover, entry->attempts++);

        if (mover->backoff == 0
            || (ngx_msec_int_t) (mover->resume - ngx_current_msec) <= 0)
        {
            mover->backoff = mover->backoff
                             ? ngx_min(mover->backoff * 2,
                                       NGX_ANTENNA_PROBE)
                             : NGX_ANTENNA_BACKOFF;

            mover->resume = ngx_current_msec + mover->backoff / 2
                            + ngx_random() % (mover->backoff / 2 + 1);
        }

        ngx_antenna_mover_wait(mover, entry, msec);
    }

    ngx_antenna_mover_go(mover);
}


static ngx_msec_t
ngx_antenna_mover_backoff(ngx_antenna_mover_t *mover, ngx_uint_t attempts)
{
    ngx_msec_t  msec;

    msec = ngx_max(mover->spool->retry_max, NGX_ANTENNA_TICK);

    if (attempts < 20) {
        msec = ngx_min((ngx_msec_t) NGX_ANTENNA_BACKOFF << attempts, msec);
    }

    return msec / 2 + ngx_random() % (msec / 2 + 1);
}


void
ngx_antenna_mover_stored(ngx_antenna_mover_t *mover)
{
    mover->backoff = 0;
}


ngx_uint_t
ngx_antenna_mover_stores(ngx_antenna_mover_t *mover, ngx_antenna_move_t *move,
    const uint8_t *crash_id)
{
    ngx_queue_t    *q;
    const uint8_t  *id;

    for (q = ngx_queue_head(&mover->moves);
         q != ngx_queue_sentinel(&mover->moves);
         q = ngx_queue_next(q))
    {
        id = ngx_antenna_move_crash_id(q, move);

        if (id && ngx_memcmp(id, crash_id, TK_CRASH_ID) == 0) {
            return 1;
        }
    }

    return 0;
}
