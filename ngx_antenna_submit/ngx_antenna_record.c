
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_spool.h>


static void ngx_antenna_record_append(ngx_antenna_record_t *rec,
    ngx_antenna_buf_t *buf);
static ngx_int_t ngx_antenna_record_put(ngx_antenna_record_t *rec,
    const u_char *data, size_t len);
static ngx_int_t ngx_antenna_record_post(ngx_antenna_record_t *rec);
static void ngx_antenna_record_run(ngx_tecken_task_t *task);
static void ngx_antenna_record_done(ngx_tecken_task_t *task);
static void ngx_antenna_record_discard(ngx_tecken_task_t *task);
static void ngx_antenna_record_discarded(ngx_tecken_task_t *task);
static ngx_int_t ngx_antenna_record_room(ngx_antenna_record_t *rec);
static ngx_int_t ngx_antenna_record_index(ngx_antenna_record_t *rec,
    const uint8_t *crash_id, ngx_uint_t chosen, time_t received);
static void ngx_antenna_record_free(ngx_antenna_record_t *rec);
static ngx_antenna_buf_t *ngx_antenna_buf_alloc(ngx_log_t *log);


/* buffers to be used again: of all spools, most are needed at once */

#define NGX_ANTENNA_FREE_BUFS  256

static ngx_antenna_buf_t  *ngx_antenna_free_bufs;
static ngx_uint_t          ngx_antenna_nfree_bufs;


ngx_antenna_record_t *
ngx_antenna_record_create(ngx_antenna_spool_t *spool, ngx_log_t *log)
{
    ngx_tecken_task_t     *task;
    ngx_antenna_record_t  *rec;

    /* it may outlive who wants it logged */

    task = ngx_tecken_task_create(sizeof(ngx_antenna_record_t),
                                  ngx_cycle->log);
    if (task == NULL) {
        return NULL;
    }

    rec = task->data;

    rec->spool = spool;
    rec->log = log;
    rec->task = task;
    rec->file.fd = NGX_INVALID_FILE;
    rec->rc = NGX_AGAIN;

    task->run = ngx_antenna_record_run;
    task->done = ngx_antenna_record_done;

    if (ngx_antenna_record_put(rec, tk_spool_head, TK_SPOOL_HEAD) != NGX_OK) {
        ngx_antenna_record_free(rec);
        return NULL;
    }

    return rec;
}


ngx_int_t
ngx_antenna_record_object(ngx_antenna_record_t *rec, tk_spool_kind_e kind,
    const uint8_t *name, size_t len)
{
    tk_spool_object_t  *obj;

    (void) ngx_antenna_record_object_end(rec);

    if (rec->n == rec->allocated) {
        rec->allocated = rec->allocated ? rec->allocated * 2 : 4;

        obj = ngx_palloc(rec->task->pool,
                         rec->allocated * sizeof(tk_spool_object_t));
        if (obj == NULL) {
            return NGX_ERROR;
        }

        if (rec->n) {
            ngx_memcpy(obj, rec->objects, rec->n * sizeof(tk_spool_object_t));
        }

        rec->objects = obj;
    }

    obj = &rec->objects[rec->n++];

    obj->kind = kind;
    obj->name_len = (uint8_t) ngx_min(len, TK_SPOOL_NAME);
    obj->offset = rec->size;
    obj->length = 0;

    if (obj->name_len) {
        ngx_memcpy(obj->name, name, obj->name_len);
    }

    SHA256_Init(&rec->sha256);
    rec->open = 1;

    return NGX_OK;
}


ngx_int_t
ngx_antenna_record_write(ngx_antenna_record_t *rec, const u_char *data,
    size_t len)
{
    if (rec->rc != NGX_AGAIN) {
        return rec->rc;
    }

    if (ngx_antenna_record_put(rec, data, len) != NGX_OK) {
        rec->rc = NGX_ERROR;
        return NGX_ERROR;
    }

    SHA256_Update(&rec->sha256, data, len);
    rec->objects[rec->n - 1].length += len;

    if (rec->nfull >= NGX_ANTENNA_MOST) {
        ngx_antenna_record_flush(rec);

        if (rec->rc != NGX_AGAIN) {
            return rec->rc;
        }
    }

    /* some are written while the next ones are filled */

    if (rec->posted && rec->nfull >= NGX_ANTENNA_LARGE) {
        rec->waiting = 1;
        return NGX_AGAIN;
    }

    return NGX_OK;
}


void
ngx_antenna_record_flush(ngx_antenna_record_t *rec)
{
    if (rec->rc != NGX_AGAIN || rec->posted
        || rec->nfull < (rec->streamed ? NGX_ANTENNA_MORE
                                       : NGX_ANTENNA_LARGE))
    {
        return;
    }

    /* a large one need not come to its end to learn that */

    rec->rc = rec->streamed ? NGX_AGAIN : ngx_antenna_record_room(rec);

    if (rec->rc == NGX_AGAIN && ngx_antenna_record_post(rec) != NGX_OK) {
        rec->rc = NGX_ERROR;
    }
}


tk_spool_object_t *
ngx_antenna_record_object_end(ngx_antenna_record_t *rec)
{
    tk_spool_object_t  *obj;

    if (!rec->open) {
        return NULL;
    }

    obj = &rec->objects[rec->n - 1];

    SHA256_Final(obj->sha256, &rec->sha256);
    rec->open = 0;

    return obj;
}


ngx_int_t
ngx_antenna_record_commit(ngx_antenna_record_t *rec, const uint8_t *crash_id,
    ngx_uint_t chosen, time_t received)
{
    (void) ngx_antenna_record_object_end(rec);

    if (rec->rc != NGX_AGAIN) {
        return rec->rc;
    }

    if (ngx_antenna_record_index(rec, crash_id, chosen, received)
        != NGX_OK)
    {
        rec->rc = NGX_ERROR;
        return NGX_ERROR;
    }

    rec->rc = ngx_antenna_record_room(rec);

    if (rec->rc != NGX_AGAIN) {
        return rec->rc;
    }

    rec->committing = 1;

    if (!rec->streamed) {
        if (ngx_antenna_batch_add(rec) == NGX_OK) {
            return NGX_AGAIN;
        }

    } else if (rec->posted || ngx_antenna_record_post(rec) == NGX_OK) {
        return NGX_AGAIN;
    }

    rec->committing = 0;
    rec->rc = NGX_ERROR;

    return NGX_ERROR;
}


/* NGX_AGAIN: there is room for it */

static ngx_int_t
ngx_antenna_record_room(ngx_antenna_record_t *rec)
{
    off_t                 size;
    ngx_antenna_spool_t  *spool;

    spool = rec->spool;

    if (spool->max_size == 0) {
        return NGX_AGAIN;
    }

    size = (off_t) spool->sh->bytes + rec->size;

    if (size <= spool->max_size) {
        return NGX_AGAIN;
    }

    ngx_log_error(NGX_LOG_CRIT, rec->log, 0,
                  "spool \"%V\" is full: %O bytes are more than "
                  "antenna_spool_max_size, is the storage down?",
                  &spool->path, size);

    return NGX_BUSY;
}


/* the index has dump names first, which are written last */

static ngx_int_t
ngx_antenna_record_index(ngx_antenna_record_t *rec, const uint8_t *crash_id,
    ngx_uint_t chosen, time_t received)
{
    off_t               offset;
    u_char             *index, end[TK_SPOOL_END];
    size_t              len;
    tk_spool_object_t   names;
    tk_spool_record_t   record;

    names = rec->objects[rec->n - 1];

    ngx_memmove(&rec->objects[1], &rec->objects[0],
                (rec->n - 1) * sizeof(tk_spool_object_t));

    rec->objects[0] = names;

    ngx_memcpy(record.crash_id, crash_id, TK_CRASH_ID);
    record.received = received;
    record.chosen = (chosen != 0);
    record.objects = rec->objects;
    record.n = rec->n;

    index = ngx_palloc(rec->task->pool, (rec->n + 1) * TK_SPOOL_PIECE);
    if (index == NULL) {
        return NGX_ERROR;
    }

    len = tk_spool_index(index, &record);

    offset = rec->size;
    tk_spool_end(end, offset, index, len);

    if (ngx_antenna_record_put(rec, index, len) != NGX_OK
        || ngx_antenna_record_put(rec, end, TK_SPOOL_END) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_antenna_record_destroy(ngx_antenna_record_t *rec)
{
    rec->destroyed = 1;

    /* the caller's is gone before what is under way ends */

    rec->log = ngx_cycle->log;

    if (rec->posted || rec->committing) {
        return;
    }

    if (rec->file.fd == NGX_INVALID_FILE) {
        ngx_antenna_record_free(rec);
        return;
    }

    rec->task->run = ngx_antenna_record_discard;
    rec->task->done = ngx_antenna_record_discarded;

    if (ngx_tecken_task_post(rec->spool->thread_pool, rec->task, 0)
        != NGX_OK)
    {
        /* rather here than never */

        ngx_antenna_file_discard(&rec->file);
        ngx_antenna_record_free(rec);
    }
}


static void
ngx_antenna_record_discard(ngx_tecken_task_t *task)
{
    ngx_antenna_record_t  *rec = task->data;

    ngx_antenna_file_discard(&rec->file);
}


static void
ngx_antenna_record_discarded(ngx_tecken_task_t *task)
{
    ngx_antenna_record_free(task->data);
}


static ngx_int_t
ngx_antenna_record_put(ngx_antenna_record_t *rec, const u_char *data,
    size_t len)
{
    size_t              n;
    ngx_antenna_buf_t  *buf;

    rec->size += len;

    while (len) {
        buf = rec->last;

        if (buf == NULL || buf->last == buf->data + NGX_ANTENNA_BUF) {

            buf = ngx_antenna_buf_alloc(rec->log);
            if (buf == NULL) {
                return NGX_ERROR;
            }

            ngx_antenna_record_append(rec, buf);
        }

        n = ngx_min(len, (size_t) (buf->data + NGX_ANTENNA_BUF - buf->last));

        buf->last = ngx_cpymem(buf->last, data, n);
        data += n;
        len -= n;

        rec->nfull += (buf->last == buf->data + NGX_ANTENNA_BUF);
    }

    return NGX_OK;
}


static void
ngx_antenna_record_append(ngx_antenna_record_t *rec, ngx_antenna_buf_t *buf)
{
    if (rec->last) {
        rec->last->next = buf;

    } else {
        rec->first = buf;
    }

    rec->last = buf;
}


/* writes the buffers that are full, or all when committing */

static ngx_int_t
ngx_antenna_record_post(ngx_antenna_record_t *rec)
{
    ngx_antenna_buf_t  *buf, **next;

    if (!rec->streamed) {
        if (ngx_antenna_file_init(&rec->file, rec->spool, 1, rec->task->pool)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        rec->streamed = 1;
    }

    rec->out = rec->first;
    next = &rec->out;

    for (buf = rec->first; buf; buf = buf->next) {

        if (!rec->committing && buf->last != buf->data + NGX_ANTENNA_BUF) {
            break;
        }

        next = &buf->next;
    }

    *next = NULL;

    rec->first = buf;

    if (buf == NULL) {
        rec->last = NULL;
    }

    rec->nfull = 0;
    rec->file.final = rec->committing;

    if (ngx_tecken_task_post(rec->spool->thread_pool, rec->task, 0)
        != NGX_OK)
    {
        ngx_log_error(NGX_LOG_CRIT, rec->log, 0,
                      "spool \"%V\": the queue of its thread pool is full, "
                      "see tecken_io_thread_pool", &rec->spool->path);
        return NGX_ERROR;
    }

    rec->posted = 1;

    return NGX_OK;
}


static void
ngx_antenna_record_run(ngx_tecken_task_t *task)
{
    ngx_antenna_record_t  *rec = task->data;

    if (rec->file.fd == NGX_INVALID_FILE
        && ngx_antenna_file_open(&rec->file) != NGX_OK)
    {
        return;
    }

    if (ngx_antenna_file_write(&rec->file, rec->out) != NGX_OK
        || (rec->file.final && ngx_antenna_file_commit(&rec->file) != NGX_OK))
    {
        ngx_antenna_file_discard(&rec->file);
    }
}


static void
ngx_antenna_record_done(ngx_tecken_task_t *task)
{
    ngx_antenna_record_t  *rec = task->data;

    rec->posted = 0;

    ngx_antenna_buf_free(rec->out);
    rec->out = NULL;

    if (rec->file.error.call) {
        rec->rc = ngx_antenna_file_failed(&rec->file, rec->log);

    } else if (rec->file.final) {
        rec->usec = rec->file.usec;
        rec->rc = NGX_OK;

        ngx_antenna_spool_added(rec->spool, &rec->file);

    } else if ((rec->committing
                || (rec->nfull >= NGX_ANTENNA_MORE && !rec->destroyed))
               && ngx_antenna_record_post(rec) != NGX_OK)
    {
        rec->rc = NGX_ERROR;
    }

    if (rec->committing) {
        if (!rec->posted) {
            ngx_antenna_record_committed(rec);
        }

        return;
    }

    if (rec->destroyed) {
        ngx_antenna_record_destroy(rec);
        return;
    }

    if (rec->waiting && (rec->rc != NGX_AGAIN || rec->nfull == 0)) {
        rec->waiting = 0;
        rec->handler(rec);
    }
}


void
ngx_antenna_record_committed(ngx_antenna_record_t *rec)
{
    rec->committing = 0;

    if (rec->destroyed) {
        ngx_antenna_record_destroy(rec);
        return;
    }

    rec->handler(rec);
}


static void
ngx_antenna_record_free(ngx_antenna_record_t *rec)
{
    ngx_antenna_buf_free(rec->first);
    ngx_antenna_buf_free(rec->out);

    ngx_tecken_task_destroy(rec->task);
}


static ngx_antenna_buf_t *
ngx_antenna_buf_alloc(ngx_log_t *log)
{
    ngx_antenna_buf_t  *buf;

    buf = ngx_antenna_free_bufs;

    if (buf) {
        ngx_antenna_free_bufs = buf->next;
        ngx_antenna_nfree_bufs--;

    } else {
        buf = ngx_alloc(sizeof(ngx_antenna_buf_t), log);
        if (buf == NULL) {
            return NULL;
        }
    }

    buf->next = NULL;
    buf->last = buf->data;

    return buf;
}


void
ngx_antenna_buf_free(ngx_antenna_buf_t *buf)
{
    ngx_antenna_buf_t  *next;

    for ( /* void */ ; buf; buf = next) {
        next = buf->next;

        if (ngx_antenna_nfree_bufs == NGX_ANTENNA_FREE_BUFS) {
            ngx_free(buf);
            continue;
        }

        buf->next = ngx_antenna_free_bufs;
        ngx_antenna_free_bufs = buf;
        ngx_antenna_nfree_bufs++;
    }
}


void
ngx_antenna_bufs_exit(void)
{
    ngx_antenna_buf_t  *buf;

    while (ngx_antenna_free_bufs) {
        buf = ngx_antenna_free_bufs;
        ngx_antenna_free_bufs = buf->next;
        ngx_free(buf);
    }

    ngx_antenna_nfree_bufs = 0;
}
