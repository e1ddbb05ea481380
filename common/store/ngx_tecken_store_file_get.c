
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_store_file.h>


#define NGX_TECKEN_FILE_GET_BUFFER  262144


/* of the task; op belongs to the event loop */

typedef struct {
    ngx_tecken_store_op_t        *op;
    ngx_fd_t                      fd;
    u_char                       *name;

    u_char                       *buf;
    size_t                        size;
    size_t                        len;

    off_t                         offset;
    off_t                         last;

    ngx_tecken_file_error_t       error;
} ngx_tecken_file_get_t;


static ngx_tecken_file_get_t *ngx_tecken_file_get_create(
    ngx_tecken_store_op_t *op, ngx_tecken_file_path_t *path, ngx_fd_t fd);
static void ngx_tecken_file_get_next(ngx_tecken_store_op_t *op);
static void ngx_tecken_file_get_run(ngx_tecken_task_t *task);
static void ngx_tecken_file_get_done(ngx_tecken_task_t *task);
static void ngx_tecken_file_get_end(ngx_tecken_store_op_t *op, ngx_int_t rc);


ngx_int_t
ngx_tecken_file_get(ngx_tecken_store_op_t *op)
{
    ngx_fd_t                 fd;
    ngx_int_t                rc;
    ngx_tecken_file_get_t   *get;
    ngx_tecken_file_ctx_t   *ctx;
    ngx_tecken_file_path_t   path;
    ngx_tecken_file_error_t  e;

    fd = NGX_INVALID_FILE;
    op->attempts = 1;

    ngx_tecken_file_error(&e, 0, "no memory");

    op->rc = ngx_tecken_file_path(op->storage, op->pool, &op->key, &path);

    if (op->rc == NGX_OK) {
        op->rc = ngx_tecken_file_object(&path, &fd, op->pool, &op->object, &e,
                                        op->log);
    }

    if (op->rc != NGX_OK) {
        if (op->rc == NGX_ERROR) {
            ngx_tecken_file_failed(op, &e);
        }

        return op->rc;
    }

    if (op->object.size == 0) {
        (void) ngx_close_file(fd);
        return NGX_OK;
    }

    get = ngx_tecken_file_get_create(op, &path, fd);
    if (get == NULL) {
        op->rc = NGX_ERROR;
        return op->rc;
    }

    ctx = op->ctx;

    rc = ngx_tecken_file_post(op);

    if (rc != NGX_OK) {
        ngx_tecken_task_destroy(ctx->task);
        op->rc = rc;
        return rc;
    }

    op->active = 1;

    return NGX_AGAIN;
}


static ngx_tecken_file_get_t *
ngx_tecken_file_get_create(ngx_tecken_store_op_t *op,
    ngx_tecken_file_path_t *path, ngx_fd_t fd)
{
    ngx_pool_cleanup_t       *cln;
    ngx_tecken_file_get_t    *get;
    ngx_tecken_file_ctx_t    *ctx;
    ngx_pool_cleanup_file_t  *clnf;

    ctx = ngx_tecken_file_start(op, sizeof(ngx_tecken_file_get_t));
    if (ctx == NULL) {
        (void) ngx_close_file(fd);
        return NULL;
    }

    cln = ngx_pool_cleanup_add(ctx->task->pool,
                               sizeof(ngx_pool_cleanup_file_t));
    if (cln == NULL) {
        (void) ngx_close_file(fd);
        ngx_tecken_task_destroy(ctx->task);
        return NULL;
    }

    get = ctx->task->data;

    get->op = op;
    get->fd = fd;
    get->last = op->object.size;
    get->size = ngx_min(get->last, NGX_TECKEN_FILE_GET_BUFFER);

    cln->handler = ngx_pool_cleanup_file;
    clnf = cln->data;

    clnf->fd = fd;
    clnf->name = (u_char *) "";
    clnf->log = ctx->task->pool->log;

    get->name = ngx_pnalloc(ctx->task->pool, path->len + 1);
    get->buf = ngx_palloc(ctx->task->pool, get->size);

    if (get->name == NULL || get->buf == NULL) {
        ngx_tecken_task_destroy(ctx->task);
        return NULL;
    }

    ngx_memcpy(get->name, path->data, path->len + 1);
    clnf->name = get->name;

    ctx->task->run = ngx_tecken_file_get_run;
    ctx->task->done = ngx_tecken_file_get_done;

    return get;
}


static void
ngx_tecken_file_get_run(ngx_tecken_task_t *task)
{
    ngx_tecken_file_get_t *get = task->data;

    size_t   want;
    ssize_t  n;

    get->len = 0;
    want = ngx_min((off_t) get->size, get->last - get->offset);

    while (get->len < want && !task->cancelled) {

        n = pread(get->fd, get->buf + get->len,
                  ngx_min(want - get->len, NGX_TECKEN_FILE_CHUNK),
                  get->offset + get->len);

        if (n == -1) {
            if (ngx_errno == NGX_EINTR) {
                continue;
            }

            ngx_tecken_file_error(&get->error, ngx_errno,
                                  "pread() \"%s\" failed", get->name);
            return;
        }

        if (n == 0) {
            ngx_tecken_file_error(&get->error, 0,
                                  "\"%s\" was truncated at %O, it had %O bytes",
                                  get->name, get->offset + (off_t) get->len,
                                  get->last);
            return;
        }

        get->len += n;
    }

    get->offset += get->len;
}


static void
ngx_tecken_file_get_done(ngx_tecken_task_t *task)
{
    ngx_int_t               rc;
    ngx_tecken_file_get_t  *get;
    ngx_tecken_file_ctx_t  *ctx;
    ngx_tecken_store_op_t  *op;

    get = task->data;
    op = get->op;
    ctx = op->ctx;

    if (get->error.len) {
        ngx_tecken_file_failed(op, &get->error);
        ngx_tecken_file_get_end(op, NGX_ERROR);
        return;
    }

    /* before the call: it may resume */
    ctx->resume = ngx_tecken_file_get_next;

    rc = op->sink(op, get->buf, get->len);

    if (rc == NGX_ERROR) {
        ngx_str_set(&op->error, "the receiver of the object gave up");
        ngx_tecken_file_get_end(op, NGX_ERROR);
        return;
    }

    if (get->offset == get->last) {
        ngx_tecken_file_get_end(op, NGX_OK);
        return;
    }

    if (rc == NGX_OK) {
        ngx_tecken_file_get_next(op);
    }
}


static void
ngx_tecken_file_get_next(ngx_tecken_store_op_t *op)
{
    ngx_int_t               rc;
    ngx_tecken_file_ctx_t  *ctx;

    ctx = op->ctx;
    ctx->resume = NULL;

    if (ctx->event.posted) {
        ngx_delete_posted_event(&ctx->event);
    }

    rc = ngx_tecken_file_post(op);

    if (rc != NGX_OK) {
        ngx_tecken_file_get_end(op, rc);
    }
}


static void
ngx_tecken_file_get_end(ngx_tecken_store_op_t *op, ngx_int_t rc)
{
    ngx_tecken_file_ctx_t  *ctx;

    ctx = op->ctx;

    ngx_tecken_task_destroy(ctx->task);

    ngx_tecken_file_finish(op, rc);
}
