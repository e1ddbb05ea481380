
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_mover.h>


/*
 * One file of a spool on its way to the storage: its records in turn, of each
 * the dump names, the dumps, and then the raw crash, by which others know
 * that the crash is there.
 */


struct ngx_antenna_move_s {
    ngx_queue_t                   queue;      /* mover->moves */
    ngx_antenna_mover_t          *mover;
    ngx_antenna_entry_t          *entry;

    ngx_tecken_task_t            *task;       /* this is its data */
    ngx_antenna_io_t              io;
    ngx_tecken_store_op_t        *op;

    ngx_uint_t                    record;
    ngx_uint_t                    object;
    ngx_uint_t                    compared;   /* the object that is */
    uint64_t                      pos;        /* in the object */
    ngx_msec_t                    started;    /* the record */

    SHA256_CTX                    sha256;     /* of the one that is there */

    unsigned                      indexed:1;
    unsigned                      busy:1;     /* io is a thread's */
    unsigned                      ended:1;    /* op did, while busy */
    unsigned                      checked:1;  /* the chosen id is free */
    unsigned                      compare:1;  /* with the object that is there
                                                 instead of ours */
    unsigned                      cancelled:1;
};


static void ngx_antenna_move_run(ngx_tecken_task_t *task);
static void ngx_antenna_move_done(ngx_tecken_task_t *task);
static ngx_int_t ngx_antenna_move_post(ngx_antenna_move_t *move,
    ngx_uint_t step);
static void ngx_antenna_move_indexed(ngx_antenna_move_t *move);
static void ngx_antenna_move_read(ngx_antenna_move_t *move);
static void ngx_antenna_move_damaged(ngx_antenna_move_t *move,
    const char *damage);
static void ngx_antenna_move_next(ngx_antenna_move_t *move);
static ngx_int_t ngx_antenna_move_object(ngx_antenna_move_t *move);
static ngx_tecken_store_op_t *ngx_antenna_move_op(ngx_antenna_move_t *move);
static ngx_int_t ngx_antenna_move_check(ngx_antenna_move_t *move);
static ngx_int_t ngx_antenna_move_get(ngx_antenna_move_t *move,
    ngx_uint_t object);
static ngx_int_t ngx_antenna_move_check_sink(ngx_tecken_store_op_t *op,
    u_char *data, size_t len);
static ngx_int_t ngx_antenna_move_checked(ngx_antenna_move_t *move,
    ngx_int_t rc);
static ngx_int_t ngx_antenna_move_put(ngx_antenna_move_t *move);
static ssize_t ngx_antenna_move_source(ngx_tecken_store_op_t *op,
    u_char *buf, size_t size);
static ngx_int_t ngx_antenna_move_rewind(ngx_tecken_store_op_t *op);
static void ngx_antenna_move_ended(ngx_tecken_store_op_t *op);
static ngx_int_t ngx_antenna_move_result(ngx_antenna_move_t *move,
    ngx_int_t rc);
static ngx_int_t ngx_antenna_move_failed(ngx_antenna_move_t *move,
    ngx_int_t rc);
static ngx_uint_t ngx_antenna_move_final(ngx_tecken_store_op_t *op);
static ngx_int_t ngx_antenna_move_refuse(ngx_antenna_move_t *move,
    const char *reason, ngx_str_t *detail);
static ngx_int_t ngx_antenna_move_reason(ngx_antenna_move_t *move,
    const char *reason, ngx_str_t *detail);
static ngx_int_t ngx_antenna_move_refused(ngx_antenna_move_t *move);
static void ngx_antenna_move_skip(ngx_antenna_move_t *move);
static void ngx_antenna_move_end(ngx_antenna_move_t *move);
static void ngx_antenna_move_over(ngx_antenna_move_t *move, ngx_int_t rc);
static void ngx_antenna_move_free(ngx_antenna_move_t *move);
static void ngx_antenna_move_event(ngx_antenna_move_t *move,
    ngx_antenna_event_e event, const uint8_t *crash_id, uint64_t value);


#define ngx_antenna_move_record(move)                                         \
    (&(move)->io.records[(move)->record])

#define ngx_antenna_move_crash(move)                                          \
    ngx_antenna_move_record(move)->rec.crash_id


ngx_int_t
ngx_antenna_move_start(ngx_antenna_mover_t *mover, ngx_antenna_entry_t *entry)
{
    ngx_uint_t           step;
    ngx_tecken_task_t   *task;
    ngx_antenna_move_t  *move;

    task = ngx_tecken_task_create(sizeof(ngx_antenna_move_t), ngx_cycle->log);
    if (task == NULL) {
        return NGX_ERROR;
    }

    task->run = ngx_antenna_move_run;
    task->done = ngx_antenna_move_done;

    move = task->data;

    move->mover = mover;
    move->entry = entry;
    move->task = task;
    move->record = entry->records;
    move->io.first = entry->records;
    move->io.local = &entry->moving->local;

    move->io.spool = mover->spool;
    move->io.name = entry->name;
    move->io.fd = NGX_INVALID_FILE;

    step = NGX_ANTENNA_IO_INDEX;

    if (entry->deaths >= NGX_ANTENNA_DEATHS) {
        step = NGX_ANTENNA_IO_END;
        move->io.corrupt = 1;
        move->io.reason = (u_char *) "workers died while they read it";
    }

    if (ngx_antenna_move_post(move, step) != NGX_OK) {
        ngx_tecken_task_destroy(task);
        return NGX_ERROR;
    }

    if (step == NGX_ANTENNA_IO_END) {
        ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, 0,
                      "spool: \"%V%s\" goes to \"%V\": %s, %ui times",
                      &mover->spool->new, entry->name,
                      &mover->spool->corrupt, move->io.reason, entry->deaths);
    }

    ngx_queue_insert_tail(&mover->moves, &move->queue);

    return NGX_OK;
}


/* the mover is gone afterwards */

void
ngx_antenna_move_cancel(ngx_queue_t *q)
{
    ngx_antenna_move_t  *move;

    move = ngx_queue_data(q, ngx_antenna_move_t, queue);

    ngx_queue_remove(q);

    if (move->op) {
        ngx_tecken_store_op_destroy(move->op);
        move->op = NULL;
    }

    move->cancelled = 1;

    if (!move->busy) {
        ngx_antenna_move_free(move);
    }
}


const uint8_t *
ngx_antenna_move_crash_id(ngx_queue_t *q, ngx_antenna_move_t *except)
{
    ngx_antenna_move_t  *move;

    move = ngx_queue_data(q, ngx_antenna_move_t, queue);

    if (move == except || !move->indexed || move->record == move->io.n) {
        return NULL;
    }

    return ngx_antenna_move_crash(move);
}


static ngx_int_t
ngx_antenna_move_post(ngx_antenna_move_t *move, ngx_uint_t step)
{
    move->io.step = step;

    if (ngx_tecken_task_post(move->mover->spool->thread_pool, move->task, 0)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    move->busy = 1;

    return NGX_OK;
}


static void
ngx_antenna_move_run(ngx_tecken_task_t *task)
{
    ngx_antenna_move_t  *move = task->data;

    ngx_antenna_io_run(&move->io);
}


static void
ngx_antenna_move_done(ngx_tecken_task_t *task)
{
    ngx_antenna_move_t  *move = task->data;

    move->busy = 0;

    if (move->cancelled) {
        ngx_antenna_move_free(move);
        return;
    }

    if (move->io.call && !move->io.gone) {
        ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, move->io.err,
                      "spool: %s failed for \"%V%s\", it stays and is tried "
                      "again", move->io.call, &move->mover->spool->new,
                      move->entry->name);

        ngx_antenna_move_over(move, NGX_ABORT);
        return;
    }

    switch (move->io.step) {

    case NGX_ANTENNA_IO_INDEX:
        ngx_antenna_move_indexed(move);
        break;

    case NGX_ANTENNA_IO_READ:
        ngx_antenna_move_read(move);
        break;

    case NGX_ANTENNA_IO_REFUSE:
        ngx_antenna_move_event(move, NGX_ANTENNA_REFUSED,
                               ngx_antenna_move_crash(move), 0);

        ngx_antenna_move_skip(move);
        ngx_antenna_move_next(move);
        break;

    default: /* NGX_ANTENNA_IO_END */

        if (move->io.corrupt && !move->io.gone) {
            ngx_antenna_move_event(move, NGX_ANTENNA_CORRUPT, NULL, 0);
        }

        if (move->io.refuse && !move->io.gone) {
            ngx_antenna_move_event(move, NGX_ANTENNA_REFUSED,
                                   move->io.records[0].rec.crash_id, 0);
        }

        ngx_antenna_move_over(move, move->io.gone ? NGX_DECLINED : NGX_OK);
    }
}


static void
ngx_antenna_move_indexed(ngx_antenna_move_t *move)
{
    /* somebody else's, or a name heard of twice */

    if (move->io.gone) {
        ngx_antenna_move_over(move, NGX_DECLINED);
        return;
    }

    if (move->io.damage) {
        ngx_antenna_move_damaged(move, move->io.damage);
    }

    move->indexed = 1;
    move->record = ngx_min(move->record, move->io.n);

    /* of records that an earlier attempt was through with, and that are not
       looked at again */

    if (move->entry->damage) {
        move->io.corrupt = 1;
        move->io.reason = (u_char *) move->entry->damage;
    }

    /* its id may be another crash's by now if the client has chosen it */

    if (move->record < move->io.n
        && !ngx_antenna_move_record(move)->damage
        && !ngx_antenna_move_record(move)->rec.chosen)
    {
        move->object = ngx_min(move->entry->objects,
                               ngx_antenna_move_record(move)->rec.n - 1);
    }

    move->started = ngx_current_msec;

    ngx_antenna_move_next(move);
}


/* until something is under way */

static void
ngx_antenna_move_next(ngx_antenna_move_t *move)
{
    ngx_int_t  rc;

    do {
        if (move->record == move->io.n) {
            ngx_antenna_move_end(move);
            return;
        }

        /* a crash that is under way ends here, the next one elsewhere */

        if (move->object == 0 && !move->checked
            && (ngx_exiting || ngx_terminate))
        {
            rc = NGX_DONE;
            break;
        }

        rc = ngx_antenna_move_object(move);

    } while (rc == NGX_OK);

    if (rc != NGX_AGAIN) {
        ngx_antenna_move_over(move, rc == NGX_DONE ? NGX_AGAIN : rc);
    }
}


/*
 * NGX_OK: go on; NGX_AGAIN: something is under way; NGX_DONE: again soon;
 * NGX_BUSY, NGX_ERROR: again later.
 */

static ngx_int_t
ngx_antenna_move_object(ngx_antenna_move_t *move)
{
    ngx_antenna_io_record_t  *record;

    record = ngx_antenna_move_record(move);

    if (record->damage) {
        ngx_antenna_move_damaged(move, record->damage);
        ngx_antenna_move_skip(move);
        return NGX_OK;
    }

    if (move->object == record->rec.n || move->mover->spool->storage == NULL)
    {
        ngx_antenna_move_event(move, NGX_ANTENNA_STORED, record->rec.crash_id,
                               ngx_current_msec - move->started);
        ngx_antenna_move_skip(move);
        return NGX_OK;
    }

    if (record->rec.chosen && !move->checked) {
        return ngx_antenna_move_check(move);
    }

    if (move->compare) {
        return ngx_antenna_move_get(move, move->object);
    }

    return ngx_antenna_move_put(move);
}


static void
ngx_antenna_move_skip(ngx_antenna_move_t *move)
{
    move->record++;
    move->object = 0;
    move->pos = 0;
    move->checked = 0;
    move->compare = 0;
    move->started = ngx_current_msec;

    /* another attempt begins behind it */

    move->entry->records = move->record;
    move->entry->objects = 0;
}


/* of the object that is next */

static ngx_tecken_store_op_t *
ngx_antenna_move_op(ngx_antenna_move_t *move)
{
    uint8_t                   key[TK_CRASH_KEY];
    ngx_str_t                 name;
    ngx_tecken_store_op_t    *op;
    ngx_antenna_spool_t      *spool;
    ngx_antenna_io_record_t  *record;

    spool = move->mover->spool;
    record = ngx_antenna_move_record(move);

    name.data = key;
    name.len = tk_crash_key(key, (tk_crash_layout_e) spool->layout,
                            record->rec.crash_id,
                            &record->rec.objects[move->object]);

    op = ngx_tecken_store_op_create(spool->storage, &name, ngx_cycle->log);
    if (op == NULL) {
        return NULL;
    }

    op->handler = ngx_antenna_move_ended;
    op->data = move;

    move->op = op;

    return op;
}


/*
 * A client's own id must not take the place of another crash: is there a raw
 * crash of this id, which is stored last, and is it this one?  Then no object
 * is put where there is one, since another crash may come at the same time:
 * of the first objects that differ one is stored, the other crash ends there.
 */

static ngx_int_t
ngx_antenna_move_check(ngx_antenna_move_t *move)
{
    ngx_antenna_io_record_t  *record;

    record = ngx_antenna_move_record(move);

    if (ngx_antenna_mover_stores(move->mover, move, record->rec.crash_id)) {
        return NGX_DONE;
    }

    return ngx_antenna_move_get(move, record->rec.n - 1);
}


/* compares an object of the storage with the one of this number */

static ngx_int_t
ngx_antenna_move_get(ngx_antenna_move_t *move, ngx_uint_t object)
{
    ngx_uint_t              next;
    ngx_tecken_store_op_t  *op;

    next = move->object;

    move->object = object;
    op = ngx_antenna_move_op(move);
    move->object = next;

    if (op == NULL) {
        return NGX_ERROR;
    }

    op->sink = ngx_antenna_move_check_sink;
    SHA256_Init(&move->sha256);
    move->compared = object;

    return ngx_antenna_move_result(move, ngx_tecken_store_get(op));
}


static ngx_int_t
ngx_antenna_move_check_sink(ngx_tecken_store_op_t *op, u_char *data,
    size_t len)
{
    ngx_antenna_move_t  *move = op->data;

    SHA256_Update(&move->sha256, data, len);

    return NGX_OK;
}


static ngx_int_t
ngx_antenna_move_checked(ngx_antenna_move_t *move, ngx_int_t rc)
{
    u_char              sha256[TK_SPOOL_SHA256];
    tk_spool_record_t  *rec;

    static ngx_str_t  none = ngx_null_string;

    if (rc == NGX_DECLINED && !move->checked) {
        move->checked = 1;
        return NGX_OK;
    }

    if (rc == NGX_DECLINED) {
        ngx_str_set(&move->op->error, "it is there for PUT and not for GET");
        return ngx_antenna_move_failed(move, NGX_ERROR);
    }

    if (rc != NGX_OK) {
        return ngx_antenna_move_failed(move, rc);
    }

    ngx_tecken_store_op_destroy(move->op);
    move->op = NULL;

    rec = &ngx_antenna_move_record(move)->rec;

    SHA256_Final(sha256, &move->sha256);

    if (ngx_memcmp(sha256, rec->objects[move->compared].sha256,
                   TK_SPOOL_SHA256)
        == 0)
    {
        /* an earlier attempt, of which we did not hear the end */

        move->object = move->compared + 1;
        move->compare = 0;
        return NGX_OK;
    }

    return ngx_antenna_move_refuse(move, "another crash has this id", &none);
}


static ngx_int_t
ngx_antenna_move_put(ngx_antenna_move_t *move)
{
    tk_spool_object_t      *obj;
    ngx_tecken_store_op_t  *op;

    obj = &ngx_antenna_move_record(move)->rec.objects[move->object];

    op = ngx_antenna_move_op(move);
    if (op == NULL) {
        return NGX_ERROR;
    }

    op->sha256.len = 2 * TK_SPOOL_SHA256;

    op->sha256.data = ngx_pnalloc(op->pool, op->sha256.len);
    if (op->sha256.data == NULL) {
        return ngx_antenna_move_result(move, NGX_ERROR);
    }

    tk_hex((char *) op->sha256.data, obj->sha256, TK_SPOOL_SHA256);

    op->object.size = obj->length;
    op->absent = ngx_antenna_move_record(move)->rec.chosen;
    op->source = ngx_antenna_move_source;
    op->rewind = ngx_antenna_move_rewind;

    move->pos = 0;

    return ngx_antenna_move_result(move, ngx_tecken_store_put(op));
}


static ssize_t
ngx_antenna_move_source(ngx_tecken_store_op_t *op, u_char *buf, size_t size)
{
    ngx_antenna_move_t  *move = op->data;

    off_t                     offset;
    size_t                    n;
    tk_spool_object_t        *obj;
    ngx_antenna_io_record_t  *record;

    if (move->busy) {
        return NGX_AGAIN;
    }

    record = ngx_antenna_move_record(move);
    obj = &record->rec.objects[move->object];

    if (move->pos == obj->length) {
        return 0;
    }

    offset = record->start + obj->offset + move->pos;

    if (move->io.buf == NULL || offset < move->io.offset
        || offset >= move->io.offset + (off_t) move->io.len)
    {
        move->io.offset = offset;

        return ngx_antenna_move_post(move, NGX_ANTENNA_IO_READ) == NGX_OK
               ? NGX_AGAIN : NGX_ERROR;
    }

    n = (size_t) (move->io.offset + (off_t) move->io.len - offset);
    n = ngx_min(n, size);
    n = (size_t) ngx_min(n, obj->length - move->pos);

    ngx_memcpy(buf, move->io.buf + (offset - move->io.offset), n);
    move->pos += n;

    return n;
}


static ngx_int_t
ngx_antenna_move_rewind(ngx_tecken_store_op_t *op)
{
    ngx_antenna_move_t  *move = op->data;

    move->pos = 0;

    return NGX_OK;
}


/* bytes for the source, unless the operation did not wait for them */

static void
ngx_antenna_move_read(ngx_antenna_move_t *move)
{
    ngx_int_t  rc;

    if (!move->ended) {
        ngx_tecken_store_resume(move->op);
        return;
    }

    move->ended = 0;

    rc = ngx_antenna_move_result(move, move->op->rc);

    if (rc == NGX_OK) {
        ngx_antenna_move_next(move);

    } else if (rc != NGX_AGAIN) {
        ngx_antenna_move_over(move, rc);
    }
}


static void
ngx_antenna_move_ended(ngx_tecken_store_op_t *op)
{
    ngx_antenna_move_t  *move = op->data;

    move->ended = 1;

    if (!move->busy) {
        ngx_antenna_move_read(move);
    }
}


/* as move_object() */

static ngx_int_t
ngx_antenna_move_result(ngx_antenna_move_t *move, ngx_int_t rc)
{
    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    /* a put that ended at once may have asked for bytes */

    if (move->busy) {
        move->op->rc = rc;
        move->ended = 1;
        return NGX_AGAIN;
    }

    if (move->op->sink) {
        rc = ngx_antenna_move_checked(move, rc);

    } else if (rc == NGX_OK) {
        move->object++;
        move->entry->objects = move->object;
        ngx_antenna_mover_stored(move->mover);

    } else if (rc == NGX_DECLINED) {
        move->compare = 1;
        rc = NGX_OK;

    } else {
        rc = ngx_antenna_move_failed(move, rc);
    }

    if (move->op) {
        ngx_tecken_store_op_destroy(move->op);
        move->op = NULL;
    }

    return rc;
}


static ngx_int_t
ngx_antenna_move_failed(ngx_antenna_move_t *move, ngx_int_t rc)
{
    ngx_tecken_store_op_t  *op;

    op = move->op;

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "crash %*s is not stored yet: \"%V\" in storage \"%V\" "
                  "failed in attempt %ui: %V",
                  (size_t) TK_CRASH_ID, ngx_antenna_move_crash(move),
                  &op->key, &op->storage->name, move->entry->attempts + 1,
                  &op->error);

    if (rc != NGX_ERROR || !ngx_antenna_move_final(op)) {
        ngx_antenna_move_event(move, NGX_ANTENNA_RETRY,
                               ngx_antenna_move_crash(move), 0);
        return rc == NGX_BUSY ? NGX_BUSY : NGX_ERROR;
    }

    return ngx_antenna_move_refuse(move, "the storage refuses it: ",
                                   &op->error);
}


/*
 * What no later attempt can change.  Anything else may be a matter of rights,
 * credentials or clocks, which an operator mends.
 */

static ngx_uint_t
ngx_antenna_move_final(ngx_tecken_store_op_t *op)
{
    ngx_uint_t  i;

    static ngx_str_t  codes[] = {
        ngx_string("EntityTooLarge"),
        ngx_string("KeyTooLongError"),
        ngx_string("BadDigest"),
        ngx_string("XAmzContentSHA256Mismatch")
    };

    if (op->status == 413 || op->status == 414) {
        return 1;
    }

    if (op->status != 400) {
        return 0;
    }

    for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (ngx_strlcasestrn(op->error.data, op->error.data + op->error.len,
                             codes[i].data, codes[i].len - 1))
        {
            return 1;
        }
    }

    return 0;
}


/* what is whole in the file is stored first */

static void
ngx_antenna_move_damaged(ngx_antenna_move_t *move, const char *damage)
{
    ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, 0,
                  "spool: \"%V%s\" is damaged: %s; when its whole crashes are "
                  "stored it goes to \"%V\"",
                  &move->mover->spool->new, move->entry->name, damage,
                  &move->mover->spool->corrupt);

    move->io.corrupt = 1;
    move->io.reason = (u_char *) damage;
    move->entry->damage = damage;
}


static ngx_int_t
ngx_antenna_move_refuse(ngx_antenna_move_t *move, const char *reason,
    ngx_str_t *detail)
{
    if (ngx_antenna_move_reason(move, reason, detail) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_antenna_move_refused(move);
}


static ngx_int_t
ngx_antenna_move_reason(ngx_antenna_move_t *move, const char *reason,
    ngx_str_t *detail)
{
    u_char  *p;

    p = ngx_pnalloc(move->task->pool, ngx_strlen(reason) + detail->len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(p, "%s%V%Z", reason, detail);

    move->io.reason = p;

    return NGX_OK;
}


/* to failed/: the file itself if it has no other crash */

static ngx_int_t
ngx_antenna_move_refused(ngx_antenna_move_t *move)
{
    ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, 0,
                  "crash %*s goes to \"%V\": %s",
                  (size_t) TK_CRASH_ID, ngx_antenna_move_crash(move),
                  &move->mover->spool->failed, move->io.reason);

    if (move->io.n == 1 && !move->io.corrupt) {

        /* as long as it does not go there, it is asked for again */

        move->io.refuse = 1;
        move->record++;
        return NGX_OK;
    }

    move->io.record = move->record;

    return ngx_antenna_move_post(move, NGX_ANTENNA_IO_REFUSE) == NGX_OK
           ? NGX_AGAIN : NGX_ERROR;
}


/* all its crashes are done with */

static void
ngx_antenna_move_end(ngx_antenna_move_t *move)
{
    if (ngx_antenna_move_post(move, NGX_ANTENNA_IO_END) != NGX_OK) {
        ngx_antenna_move_over(move, NGX_AGAIN);
    }
}


static void
ngx_antenna_move_over(ngx_antenna_move_t *move, ngx_int_t rc)
{
    off_t                 size;
    ngx_antenna_entry_t  *entry;
    ngx_antenna_mover_t  *mover;

    mover = move->mover;
    entry = move->entry;
    size = move->io.size;

    ngx_queue_remove(&move->queue);
    ngx_antenna_move_free(move);

    ngx_antenna_mover_moved(mover, entry, rc, size);
}


static void
ngx_antenna_move_free(ngx_antenna_move_t *move)
{
    if (move->op) {
        ngx_tecken_store_op_destroy(move->op);
    }

    ngx_antenna_io_free(&move->io);
    ngx_tecken_task_destroy(move->task);
}


static void
ngx_antenna_move_event(ngx_antenna_move_t *move, ngx_antenna_event_e event,
    const uint8_t *crash_id, uint64_t value)
{
    if (move->mover->event) {
        move->mover->event(move->mover, event, crash_id, value);
    }
}
