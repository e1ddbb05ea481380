
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_store_file_put.h>


#define NGX_TECKEN_FILE_PUT_BUFFER  131072


/* ctx->data, the event loop's side */

typedef struct {
    ngx_tecken_file_put_t        *put;

    u_char                       *buf[2];
    size_t                        size;       /* of each */
    size_t                        len;        /* in the one being filled */
    ngx_uint_t                    filling;
    off_t                         total;

    unsigned                      busy:1;     /* a thread has the task */
    unsigned                      paused:1;
    unsigned                      eof:1;
    unsigned                      last:1;     /* the commit is posted */
} ngx_tecken_file_feed_t;


static ngx_int_t ngx_tecken_file_put_check(ngx_tecken_store_op_t *op,
    ngx_tecken_file_path_t *path);
static ngx_int_t ngx_tecken_file_put_create(ngx_tecken_store_op_t *op,
    ngx_tecken_file_path_t *path);
static ngx_int_t ngx_tecken_file_put_expect(ngx_tecken_store_op_t *op,
    ngx_tecken_file_put_t *put);
static ngx_int_t ngx_tecken_file_put_describe(ngx_tecken_store_op_t *op,
    ngx_pool_t *pool, tk_file_meta_t *meta);
static ngx_int_t ngx_tecken_file_put_post(ngx_tecken_store_op_t *op,
    ngx_uint_t step);
static ngx_int_t ngx_tecken_file_put_feed(ngx_tecken_store_op_t *op);
static ngx_int_t ngx_tecken_file_put_fill(ngx_tecken_store_op_t *op);
static ngx_int_t ngx_tecken_file_put_rest(ngx_tecken_store_op_t *op);
static void ngx_tecken_file_put_done(ngx_tecken_task_t *task);
static void ngx_tecken_file_put_resume(ngx_tecken_store_op_t *op);
static void ngx_tecken_file_put_end(ngx_tecken_store_op_t *op, ngx_int_t rc);
static void ngx_tecken_file_put_cancel(ngx_tecken_store_op_t *op);
static void ngx_tecken_file_put_abandon(ngx_tecken_task_t *task);


ngx_int_t
ngx_tecken_file_put(ngx_tecken_store_op_t *op)
{
    ngx_tecken_file_ctx_t   *ctx;
    ngx_tecken_file_path_t   path;

    op->attempts = 1;
    op->rc = NGX_ERROR;

    ngx_str_set(&op->error, "no memory");

    if (ngx_tecken_file_put_check(op, &path) != NGX_OK
        || ngx_tecken_file_put_create(op, &path) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx = op->ctx;

    /* the thread makes the file while the first bytes are asked for */

    op->rc = ngx_tecken_file_put_post(op, NGX_TECKEN_FILE_PUT_OPEN);

    if (op->rc != NGX_OK) {
        ngx_tecken_task_destroy(ctx->task);
        return op->rc;
    }

    op->active = 1;

    op->rc = ngx_tecken_file_put_feed(op);

    if (op->rc != NGX_AGAIN) {
        op->storage->backend->cancel(op);
    }

    return op->rc;
}


static ngx_int_t
ngx_tecken_file_put_check(ngx_tecken_store_op_t *op,
    ngx_tecken_file_path_t *path)
{
    ngx_int_t                rc;
    ngx_tecken_file_error_t  e;

    rc = ngx_tecken_file_path(op->storage, op->pool, &op->key, path);

    if (rc == NGX_OK && path->len - path->name > TK_FILE_OBJECT_MAX) {
        rc = NGX_DECLINED;
    }

    if (rc == NGX_DECLINED) {
        ngx_tecken_file_error(&e, 0, "a key of %uz bytes with such parts "
                              "cannot be the name of a file: it needs 1 to "
                              "%d bytes, at most %d between slashes, %d after "
                              "the last", op->key.len, NGX_TECKEN_FILE_KEY,
                              TK_FILE_NAME_MAX, (int) TK_FILE_OBJECT_MAX);
        ngx_tecken_file_failed(op, &e);
        rc = NGX_ERROR;
    }

    return rc;
}


static ngx_int_t
ngx_tecken_file_put_create(ngx_tecken_store_op_t *op,
    ngx_tecken_file_path_t *path)
{
    ngx_pool_cleanup_t      *cln;
    ngx_tecken_file_put_t   *put;
    ngx_tecken_file_ctx_t   *ctx;
    ngx_tecken_file_conf_t  *conf;
    ngx_tecken_file_feed_t  *feed;

    conf = op->storage->conf;

    feed = ngx_pcalloc(op->pool, sizeof(ngx_tecken_file_feed_t));
    if (feed == NULL) {
        return NGX_ERROR;
    }

    ctx = ngx_tecken_file_start(op, sizeof(ngx_tecken_file_put_t));
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    ctx->data = feed;
    ctx->resume = ngx_tecken_file_put_resume;
    ctx->cancel = ngx_tecken_file_put_cancel;

    ctx->task->run = ngx_tecken_file_put_run;
    ctx->task->done = ngx_tecken_file_put_done;

    put = ctx->task->data;
    feed->put = put;

    put->op = op;
    put->thread_pool = op->storage->io_pool;
    put->log = ctx->task->pool->log;
    put->dir = NGX_INVALID_FILE;
    put->fd = NGX_INVALID_FILE;

    put->path = ngx_pnalloc(ctx->task->pool, path->len + 1);
    if (put->path == NULL) {
        goto failed;
    }

    ngx_memcpy(put->path, path->data, path->len + 1);

    put->absent = (op->absent != 0);
    put->name = put->path + path->name;
    put->below = put->path + conf->root.len + 1;

    feed->size = NGX_TECKEN_FILE_PUT_BUFFER;

    if (op->object.size >= 0 && op->object.size < (off_t) feed->size) {
        feed->size = op->object.size ? (size_t) op->object.size : 1;
    }

    feed->buf[0] = ngx_palloc(ctx->task->pool, feed->size);
    if (feed->buf[0] == NULL) {
        goto failed;
    }

    if (op->object.size != (off_t) feed->size) {
        feed->buf[1] = ngx_palloc(ctx->task->pool, feed->size);
        if (feed->buf[1] == NULL) {
            goto failed;
        }
    }

    if (ngx_tecken_file_put_expect(op, put) != NGX_OK
        || ngx_tecken_file_put_describe(op, ctx->task->pool, &put->meta)
           != NGX_OK)
    {
        goto failed;
    }

    cln = ngx_pool_cleanup_add(ctx->task->pool, 0);
    if (cln == NULL) {
        goto failed;
    }

    cln->handler = ngx_tecken_file_put_discard;
    cln->data = put;

    return NGX_OK;

failed:

    ngx_tecken_task_destroy(ctx->task);

    return NGX_ERROR;
}


static ngx_int_t
ngx_tecken_file_put_expect(ngx_tecken_store_op_t *op,
    ngx_tecken_file_put_t *put)
{
    ngx_int_t   n;
    ngx_uint_t  i;

    if (op->md5.len) {
        if (op->md5.len != sizeof(put->md5)) {
            ngx_str_set(&op->error, "an MD5 to check has 16 bytes");
            return NGX_ERROR;
        }

        ngx_memcpy(put->md5, op->md5.data, sizeof(put->md5));
        put->check_md5 = 1;
    }

    if (op->sha256.len == 0) {
        return NGX_OK;
    }

    if (op->sha256.len != 2 * sizeof(put->sha256)) {
        goto invalid;
    }

    for (i = 0; i < sizeof(put->sha256); i++) {
        n = ngx_hextoi(op->sha256.data + 2 * i, 2);

        if (n == NGX_ERROR) {
            goto invalid;
        }

        put->sha256[i] = (u_char) n;
    }

    put->check_sha256 = 1;

    return NGX_OK;

invalid:

    ngx_str_set(&op->error, "a SHA-256 to check has 64 hex digits");

    return NGX_ERROR;
}


static ngx_int_t
ngx_tecken_file_put_describe(ngx_tecken_store_op_t *op, ngx_pool_t *pool,
    tk_file_meta_t *meta)
{
    u_char      *p, text[TK_FILE_META_MAX];
    ngx_uint_t   i;

    ngx_str_t  *from[] = { &op->object.content_type,
                           &op->object.content_encoding,
                           &op->object.original_md5 };
    tk_str_t   *to[] = { &meta->content_type, &meta->content_encoding,
                         &meta->original_md5 };

    meta->size = -1;
    meta->sec = -1;
    meta->nsec = -1;
    meta->inode = -1;
    meta->original_size = op->object.original_size;

    for (i = 0; i < 3; i++) {
        if (from[i]->len == 0) {
            continue;
        }

        p = ngx_pstrdup(pool, from[i]);
        if (p == NULL) {
            return NGX_ERROR;
        }

        to[i]->data = p;
        to[i]->len = from[i]->len;
    }

    if (tk_file_meta_write(text, meta) == 0) {
        ngx_str_set(&op->error, "the metadata of the object is too long or "
                                "has control characters");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_file_put_post(ngx_tecken_store_op_t *op, ngx_uint_t step)
{
    ngx_int_t                rc;
    ngx_tecken_file_ctx_t   *ctx;
    ngx_tecken_file_feed_t  *feed;

    ctx = op->ctx;
    feed = ctx->data;

    feed->put->step = step;

    rc = ngx_tecken_file_post(op);

    if (rc == NGX_OK) {
        feed->busy = 1;
    }

    return rc;
}


/* NGX_AGAIN: it goes on; anything else: it has failed, nothing is posted */

static ngx_int_t
ngx_tecken_file_put_feed(ngx_tecken_store_op_t *op)
{
    ngx_int_t                rc;
    ngx_uint_t               step;
    ngx_tecken_file_ctx_t   *ctx;
    ngx_tecken_file_feed_t  *feed;

    ctx = op->ctx;
    feed = ctx->data;

    for ( ;; ) {

        if (!feed->eof && !feed->paused
            && ngx_tecken_file_put_fill(op) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (feed->busy || feed->last
            || (!feed->eof && feed->len < feed->size))
        {
            return NGX_AGAIN;
        }

        step = NGX_TECKEN_FILE_PUT_WRITE;

        if (feed->eof) {
            step |= NGX_TECKEN_FILE_PUT_COMMIT;
            feed->last = 1;
        }

        feed->put->data = feed->buf[feed->filling];
        feed->put->len = feed->len;

        rc = ngx_tecken_file_put_post(op, step);

        if (rc != NGX_OK) {
            return rc;
        }

        feed->filling ^= 1;
        feed->len = 0;
    }
}


static ngx_int_t
ngx_tecken_file_put_fill(ngx_tecken_store_op_t *op)
{
    size_t                   size;
    ssize_t                  n;
    ngx_tecken_file_ctx_t   *ctx;
    ngx_tecken_file_feed_t  *feed;
    ngx_tecken_file_error_t  e;

    ctx = op->ctx;
    feed = ctx->data;

    for ( ;; ) {

        if (feed->total == op->object.size) {
            return ngx_tecken_file_put_rest(op);
        }

        size = feed->size - feed->len;

        if (op->object.size >= 0
            && (off_t) size > op->object.size - feed->total)
        {
            size = op->object.size - feed->total;
        }

        if (size == 0) {
            return NGX_OK;
        }

        n = op->source(op, feed->buf[feed->filling] + feed->len, size);

        if (n == NGX_AGAIN) {
            feed->paused = 1;
            return NGX_OK;
        }

        if (n < 0 || n > (ssize_t) size) {
            ngx_str_set(&op->error, "the sender of the object gave up");
            return NGX_ERROR;
        }

        if (n == 0) {
            break;
        }

        feed->len += n;
        feed->total += n;
    }

    if (op->object.size >= 0) {
        ngx_tecken_file_error(&e, 0, "the object ended after %O bytes, "
                              "%O were announced", feed->total,
                              op->object.size);
        ngx_tecken_file_failed(op, &e);
        return NGX_ERROR;
    }

    feed->eof = 1;

    return NGX_OK;
}


/* all bytes that were announced are there: is one too many? */

static ngx_int_t
ngx_tecken_file_put_rest(ngx_tecken_store_op_t *op)
{
    u_char                    byte;
    ssize_t                   n;
    ngx_tecken_file_ctx_t    *ctx;
    ngx_tecken_file_feed_t   *feed;
    ngx_tecken_file_error_t   e;

    ctx = op->ctx;
    feed = ctx->data;

    n = op->source(op, &byte, 1);

    if (n < 0 && n != NGX_AGAIN) {
        ngx_str_set(&op->error, "the sender of the object gave up");
        return NGX_ERROR;
    }

    if (n > 0) {
        ngx_tecken_file_error(&e, 0, "the object has more bytes than "
                              "the %O that were announced", op->object.size);
        ngx_tecken_file_failed(op, &e);
        return NGX_ERROR;
    }

    feed->eof = 1;

    return NGX_OK;
}


static void
ngx_tecken_file_put_done(ngx_tecken_task_t *task)
{
    ngx_int_t                rc;
    ngx_tecken_file_put_t   *put;
    ngx_tecken_file_ctx_t   *ctx;
    ngx_tecken_store_op_t   *op;
    ngx_tecken_file_feed_t  *feed;

    put = task->data;
    op = put->op;

    if (op == NULL) {
        ngx_tecken_file_put_abandon(task);
        return;
    }

    ctx = op->ctx;
    feed = ctx->data;

    feed->busy = 0;

    if (put->error.len) {
        ngx_tecken_file_failed(op, &put->error);
        ngx_tecken_file_put_end(op, NGX_ERROR);
        return;
    }

    if (feed->last) {
        ngx_tecken_file_put_end(op, put->exists ? NGX_DECLINED : NGX_OK);
        return;
    }

    rc = ngx_tecken_file_put_feed(op);

    if (rc != NGX_AGAIN) {
        ngx_tecken_file_put_end(op, rc);
    }
}


static void
ngx_tecken_file_put_resume(ngx_tecken_store_op_t *op)
{
    ngx_int_t                rc;
    ngx_tecken_file_ctx_t   *ctx;
    ngx_tecken_file_feed_t  *feed;

    ctx = op->ctx;
    feed = ctx->data;

    feed->paused = 0;

    rc = ngx_tecken_file_put_feed(op);

    if (rc != NGX_AGAIN) {
        ngx_tecken_file_put_end(op, rc);
    }
}


static void
ngx_tecken_file_put_end(ngx_tecken_store_op_t *op, ngx_int_t rc)
{
    ngx_tecken_file_put_cancel(op);

    ngx_tecken_file_finish(op, rc);
}


static void
ngx_tecken_file_put_cancel(ngx_tecken_store_op_t *op)
{
    ngx_tecken_file_ctx_t   *ctx;
    ngx_tecken_file_feed_t  *feed;

    ctx = op->ctx;
    feed = ctx->data;

    feed->put->op = NULL;

    (void) ngx_atomic_cmp_set(&feed->put->abandoned, 0, 1);

    if (!feed->busy) {
        ngx_tecken_file_put_abandon(ctx->task);
    }
}


/* a thread removes the files, if it can: they may be large */

static void
ngx_tecken_file_put_abandon(ngx_tecken_task_t *task)
{
    ngx_tecken_file_put_t *put = task->data;

    if (put->temp[0] || put->meta_temp[0]) {
        put->step = 0;

        if (ngx_tecken_task_post(put->thread_pool, task, 0) == NGX_OK) {
            return;
        }
    }

    ngx_tecken_task_destroy(task);
}
