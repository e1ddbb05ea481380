
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_spool.h>


/*
 * Small crashes that are complete while others are being synced go to the
 * disk as one file: the syncs are what a crash costs.  A worker has one such
 * file at a time: the longer it takes, the more share the next one.
 */


#define NGX_ANTENNA_BATCH_SIZE    (4 * 1024 * 1024)


typedef struct {
    ngx_antenna_spool_t       *spool;
    ngx_antenna_spool_file_t   file;
    ngx_queue_t                records;
    ngx_uint_t                 n;
} ngx_antenna_batch_t;


static ngx_int_t ngx_antenna_batch_start(ngx_antenna_spool_t *spool);
static void ngx_antenna_batch_fill(ngx_antenna_batch_t *batch);
static void ngx_antenna_batch_run(ngx_tecken_task_t *task);
static ngx_int_t ngx_antenna_batch_write(ngx_antenna_batch_t *batch);
static void ngx_antenna_batch_done(ngx_tecken_task_t *task);
static void ngx_antenna_batch_end(ngx_queue_t *records, ngx_int_t rc,
    uint64_t usec);


ngx_int_t
ngx_antenna_batch_add(ngx_antenna_record_t *rec)
{
    ngx_antenna_spool_t  *spool;

    spool = rec->spool;

    ngx_queue_insert_tail(&spool->ready, &rec->queue);

    /* the one under way is followed by one for all that wait */

    if (spool->batch) {
        return NGX_OK;
    }

    if (ngx_antenna_batch_start(spool) != NGX_OK) {
        ngx_queue_remove(&rec->queue);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_antenna_batch_start(ngx_antenna_spool_t *spool)
{
    ngx_queue_t          *q;
    ngx_tecken_task_t    *task;
    ngx_antenna_batch_t  *batch;

    task = ngx_tecken_task_create(sizeof(ngx_antenna_batch_t),
                                  ngx_cycle->log);
    if (task == NULL) {
        return NGX_ERROR;
    }

    batch = task->data;
    batch->spool = spool;

    task->run = ngx_antenna_batch_run;
    task->done = ngx_antenna_batch_done;

    ngx_antenna_batch_fill(batch);

    if (ngx_antenna_file_init(&batch->file, spool, batch->n, task->pool)
        != NGX_OK
        || ngx_tecken_task_post(spool->thread_pool, task, 0) != NGX_OK)
    {
        ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, 0,
                      "spool \"%V\": no memory or the queue of its thread "
                      "pool is full, see tecken_io_thread_pool",
                      &spool->path);

        while (!ngx_queue_empty(&batch->records)) {
            q = ngx_queue_last(&batch->records);

            ngx_queue_remove(q);
            ngx_queue_insert_head(&spool->ready, q);
        }

        ngx_tecken_task_destroy(task);
        return NGX_ERROR;
    }

    spool->batch = 1;

    return NGX_OK;
}


static void
ngx_antenna_batch_fill(ngx_antenna_batch_t *batch)
{
    off_t                  size;
    ngx_queue_t           *q;
    ngx_antenna_record_t  *rec;

    ngx_queue_init(&batch->records);
    size = 0;

    while (!ngx_queue_empty(&batch->spool->ready)
           && size < NGX_ANTENNA_BATCH_SIZE)
    {
        q = ngx_queue_head(&batch->spool->ready);
        rec = ngx_queue_data(q, ngx_antenna_record_t, queue);

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&batch->records, q);

        size += rec->size;
        batch->n++;
    }
}


static void
ngx_antenna_batch_run(ngx_tecken_task_t *task)
{
    ngx_antenna_batch_t  *batch = task->data;

    if (ngx_antenna_file_open(&batch->file) != NGX_OK) {
        return;
    }

    if (ngx_antenna_batch_write(batch) != NGX_OK
        || ngx_antenna_file_commit(&batch->file) != NGX_OK)
    {
        ngx_antenna_file_discard(&batch->file);
    }
}


/* the buffers of all records as one list: several go with one call */

static ngx_int_t
ngx_antenna_batch_write(ngx_antenna_batch_t *batch)
{
    ngx_int_t              rc;
    ngx_queue_t           *q;
    ngx_antenna_buf_t     *first, **next;
    ngx_antenna_record_t  *rec;

    first = NULL;
    next = &first;

    for (q = ngx_queue_head(&batch->records);
         q != ngx_queue_sentinel(&batch->records);
         q = ngx_queue_next(q))
    {
        rec = ngx_queue_data(q, ngx_antenna_record_t, queue);

        *next = rec->first;
        next = &rec->last->next;
    }

    rc = ngx_antenna_file_write(&batch->file, first);

    /* each record frees its own */

    for (q = ngx_queue_head(&batch->records);
         q != ngx_queue_sentinel(&batch->records);
         q = ngx_queue_next(q))
    {
        rec = ngx_queue_data(q, ngx_antenna_record_t, queue);

        rec->last->next = NULL;
    }

    return rc;
}


static void
ngx_antenna_batch_done(ngx_tecken_task_t *task)
{
    ngx_antenna_batch_t  *batch = task->data;

    ngx_int_t             rc;
    ngx_antenna_spool_t  *spool;

    spool = batch->spool;
    spool->batch = 0;

    if (batch->file.error.call) {
        rc = ngx_antenna_file_failed(&batch->file, ngx_cycle->log);

    } else {
        rc = NGX_OK;
        ngx_antenna_spool_added(spool, &batch->file);
    }

    /* the next one is on its way while these are answered */

    if (!ngx_queue_empty(&spool->ready)) {
        (void) ngx_antenna_batch_start(spool);
    }

    ngx_antenna_batch_end(&batch->records, rc, batch->file.usec);

    ngx_tecken_task_destroy(task);

    if (!spool->batch) {
        ngx_antenna_batch_end(&spool->ready, NGX_ERROR, 0);
    }
}


static void
ngx_antenna_batch_end(ngx_queue_t *records, ngx_int_t rc, uint64_t usec)
{
    ngx_queue_t           *q;
    ngx_antenna_record_t  *rec;

    while (!ngx_queue_empty(records)) {
        q = ngx_queue_head(records);
        rec = ngx_queue_data(q, ngx_antenna_record_t, queue);

        ngx_queue_remove(q);

        rec->rc = rc;
        rec->usec = usec;

        ngx_antenna_record_committed(rec);
    }
}
