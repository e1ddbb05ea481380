
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_store_file.h>


typedef struct {
    u_char                       *root;
    ngx_tecken_store_op_t        *op;
    ngx_tecken_file_error_t       error;
} ngx_tecken_file_check_t;


static ngx_int_t ngx_tecken_file_head(ngx_tecken_store_op_t *op);
static ngx_int_t ngx_tecken_file_check(ngx_tecken_store_op_t *op);
static void ngx_tecken_file_check_run(ngx_tecken_task_t *task);
static void ngx_tecken_file_check_done(ngx_tecken_task_t *task);
static void ngx_tecken_file_resume(ngx_tecken_store_op_t *op);
static void ngx_tecken_file_resumed(ngx_event_t *ev);
static void ngx_tecken_file_cancel(ngx_tecken_store_op_t *op);


ngx_tecken_store_backend_t  ngx_tecken_store_file = {
    ngx_tecken_file_head,
    ngx_tecken_file_get,
    ngx_tecken_file_put,
    ngx_tecken_file_list,
    ngx_tecken_file_check,
    ngx_tecken_file_resume,
    ngx_tecken_file_cancel
};


ngx_int_t
ngx_tecken_store_file_conf(ngx_conf_t *cf, ngx_tecken_storage_t *st)
{
    u_char                  *root, path[NGX_TECKEN_FILE_PATH];
    ngx_file_info_t          fi;
    ngx_tecken_file_conf_t  *conf;

    static ngx_str_t  scheme = ngx_string("file://");

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_tecken_file_conf_t));
    if (conf == NULL) {
        return NGX_ERROR;
    }

    if (st->url.len <= scheme.len
        || ngx_strncasecmp(st->url.data, scheme.data, scheme.len) != 0
        || st->url.data[scheme.len] != '/')
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid URL \"%V\" of storage \"%V\", "
                           "it must be \"file://\" and an absolute path",
                           &st->url, &st->name);
        return NGX_ERROR;
    }

    conf->root.data = st->url.data + scheme.len;
    conf->root.len = st->url.len - scheme.len;

    while (conf->root.len && conf->root.data[conf->root.len - 1] == '/') {
        conf->root.len--;
    }

    root = ngx_pnalloc(cf->pool, conf->root.len + 2);
    if (root == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(root, conf->root.data, conf->root.len);
    root[conf->root.len] = '\0';

    conf->root.data = root;

    if (conf->root.len == 0) {
        ngx_memcpy(root, "/", 2);
    }

    if (ngx_file_info(root, &fi) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_file_info_n " \"%s\" of storage \"%V\" failed",
                           root, &st->name);
        return NGX_ERROR;
    }

    if (!ngx_is_dir(&fi)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%s\" of storage \"%V\" is not a directory",
                           root, &st->name);
        return NGX_ERROR;
    }

    if (access((char *) root, R_OK|X_OK) == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "access to \"%s\" of storage \"%V\" failed",
                           root, &st->name);
        return NGX_ERROR;
    }

    st->conf = conf;

    if (ngx_tecken_file_path_write(st, path, NULL, 1) == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the prefix of storage \"%V\" is too long for the "
                           "path of a file", &st->name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


u_char *
ngx_tecken_file_path_write(ngx_tecken_storage_t *st, u_char *dst,
    ngx_str_t *key, ngx_uint_t none)
{
    size_t                   n;
    u_char                  *p, *last;
    ngx_tecken_file_conf_t  *conf = st->conf;

    p = dst;
    last = dst + NGX_TECKEN_FILE_PATH - 1;

    if (conf->root.len + 2 + tk_file_key_max(st->prefix.len)
        > NGX_TECKEN_FILE_PATH)
    {
        return NULL;
    }

    p = ngx_cpymem(p, conf->root.data, conf->root.len);

    if (st->prefix.len) {
        *p++ = '/';

        n = tk_file_key_encode(p, st->prefix.data, st->prefix.len);
        if (n == 0) {
            return NULL;
        }

        p += n;
    }

    if (!none) {
        n = tk_file_key_encode(NULL, key->data, key->len);

        if (n == 0 || n + 1 > (size_t) (last - p)) {
            return NULL;
        }

        *p++ = '/';

        p += tk_file_key_encode(p, key->data, key->len);
    }

    *p = '\0';

    return p;
}


ngx_int_t
ngx_tecken_file_path(ngx_tecken_storage_t *st, ngx_pool_t *pool,
    ngx_str_t *key, ngx_tecken_file_path_t *path)
{
    u_char  *last, buf[NGX_TECKEN_FILE_PATH];

    if (key->len == 0 || key->len > NGX_TECKEN_FILE_KEY) {
        return NGX_DECLINED;
    }

    last = ngx_tecken_file_path_write(st, buf, key, 0);
    if (last == NULL) {
        return NGX_DECLINED;
    }

    path->len = last - buf;

    /* and for the file of its metadata */

    if (path->len + TK_FILE_META_LEN >= NGX_TECKEN_FILE_PATH) {
        return NGX_DECLINED;
    }

    path->data = ngx_pnalloc(pool, path->len + 1);
    if (path->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(path->data, buf, path->len + 1);

    path->name = path->len;

    while (path->data[path->name - 1] != '/') {
        path->name--;
    }

    return NGX_OK;
}


ngx_int_t
ngx_tecken_store_file_find(ngx_tecken_storage_t *st, ngx_pool_t *pool,
    ngx_str_t *key, ngx_str_t *name, ngx_tecken_object_t *object,
    ngx_log_t *log)
{
    ngx_int_t                rc;
    ngx_tecken_file_path_t   path;
    ngx_tecken_file_error_t  e;

    rc = ngx_tecken_file_path(st, pool, key, &path);
    if (rc != NGX_OK) {
        return rc;
    }

    e.len = 0;

    rc = ngx_tecken_file_object(&path, NULL, pool, object, &e, log);

    if (rc == NGX_ERROR && e.len) {
        ngx_log_error(NGX_LOG_ERR, log, e.err, "%*s", e.len, e.text);
    }

    name->data = path.data;
    name->len = path.len;

    return rc;
}


static ngx_int_t
ngx_tecken_file_head(ngx_tecken_store_op_t *op)
{
    ngx_tecken_file_path_t   path;
    ngx_tecken_file_error_t  e;

    op->attempts = 1;

    ngx_tecken_file_error(&e, 0, "no memory");

    op->rc = ngx_tecken_file_path(op->storage, op->pool, &op->key, &path);

    if (op->rc == NGX_OK) {
        op->rc = ngx_tecken_file_object(&path, NULL, op->pool, &op->object,
                                        &e, op->log);
    }

    if (op->rc == NGX_ERROR) {
        ngx_tecken_file_failed(op, &e);
    }

    return op->rc;
}


static ngx_int_t
ngx_tecken_file_check(ngx_tecken_store_op_t *op)
{
    ngx_tecken_file_ctx_t    *ctx;
    ngx_tecken_file_conf_t   *conf = op->storage->conf;
    ngx_tecken_file_check_t  *check;

    ctx = ngx_tecken_file_start(op, sizeof(ngx_tecken_file_check_t));
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    check = ctx->task->data;

    check->op = op;
    check->root = ngx_pnalloc(ctx->task->pool, conf->root.len + 2);

    if (check->root == NULL) {
        ngx_tecken_task_destroy(ctx->task);
        return NGX_ERROR;
    }

    *ngx_sprintf(check->root, "%V%s", &conf->root,
                 conf->root.len ? "" : "/") = '\0';

    ctx->task->run = ngx_tecken_file_check_run;
    ctx->task->done = ngx_tecken_file_check_done;

    op->rc = ngx_tecken_file_post(op);

    if (op->rc != NGX_OK) {
        ngx_tecken_task_destroy(ctx->task);
        return op->rc;
    }

    op->active = 1;

    return NGX_AGAIN;
}


static void
ngx_tecken_file_check_run(ngx_tecken_task_t *task)
{
    ngx_tecken_file_check_t *check = task->data;

    ngx_file_info_t  fi;

    if (ngx_file_info(check->root, &fi) == NGX_FILE_ERROR) {
        ngx_tecken_file_error(&check->error, ngx_errno,
                              ngx_file_info_n " \"%s\" failed", check->root);

    } else if (!ngx_is_dir(&fi)) {
        ngx_tecken_file_error(&check->error, 0, "\"%s\" is not a directory",
                              check->root);

    } else if (access((char *) check->root, R_OK|X_OK) == -1) {
        ngx_tecken_file_error(&check->error, ngx_errno,
                              "access to \"%s\" failed", check->root);
    }
}


static void
ngx_tecken_file_check_done(ngx_tecken_task_t *task)
{
    ngx_int_t                 rc;
    ngx_tecken_store_op_t    *op;
    ngx_tecken_file_check_t  *check;

    check = task->data;
    op = check->op;
    rc = NGX_OK;

    if (check->error.len) {
        ngx_tecken_file_failed(op, &check->error);
        rc = NGX_ERROR;
    }

    ngx_tecken_task_destroy(task);

    ngx_tecken_file_finish(op, rc);
}


ngx_tecken_file_ctx_t *
ngx_tecken_file_start(ngx_tecken_store_op_t *op, size_t size)
{
    ngx_tecken_file_ctx_t  *ctx;

    op->attempts = 1;
    op->rc = NGX_ERROR;

    ngx_str_set(&op->error, "no memory");

    ctx = ngx_pcalloc(op->pool, sizeof(ngx_tecken_file_ctx_t));
    if (ctx == NULL) {
        return NULL;
    }

    /* the op and its log may be gone when a thread is through with it */

    ctx->task = ngx_tecken_task_create(size, ngx_cycle->log);
    if (ctx->task == NULL) {
        return NULL;
    }

    ctx->event.data = op;
    ctx->event.handler = ngx_tecken_file_resumed;
    ctx->event.log = ngx_cycle->log;

    op->ctx = ctx;

    return ctx;
}


ngx_int_t
ngx_tecken_file_post(ngx_tecken_store_op_t *op)
{
    ngx_thread_pool_t      *tp;
    ngx_tecken_file_ctx_t  *ctx;

    ctx = op->ctx;
    tp = op->storage->io_pool;

    if (ngx_tecken_task_post(tp, ctx->task, 0) != NGX_OK) {
        ngx_str_set(&op->error, "the queue of the io thread pool is full");

        /* busy says that nothing was tried: not in the middle of an op */
        return op->active ? NGX_ERROR : NGX_BUSY;
    }

    ngx_str_null(&op->error);

    return NGX_OK;
}


void
ngx_tecken_file_finish(ngx_tecken_store_op_t *op, ngx_int_t rc)
{
    ngx_tecken_file_ctx_t  *ctx;

    ctx = op->ctx;

    if (ctx->event.posted) {
        ngx_delete_posted_event(&ctx->event);
    }

    op->active = 0;
    op->rc = rc;

    op->handler(op);
}


static void
ngx_tecken_file_resume(ngx_tecken_store_op_t *op)
{
    ngx_tecken_file_ctx_t  *ctx;

    ctx = op->ctx;

    if (op->active && ctx->resume) {
        ngx_post_event(&ctx->event, &ngx_posted_events);
    }
}


static void
ngx_tecken_file_resumed(ngx_event_t *ev)
{
    ngx_tecken_file_ctx_t  *ctx;
    ngx_tecken_store_op_t  *op;

    op = ev->data;
    ctx = op->ctx;

    ctx->resume(op);
}


static void
ngx_tecken_file_cancel(ngx_tecken_store_op_t *op)
{
    ngx_tecken_file_ctx_t  *ctx;

    ctx = op->ctx;

    if (ctx->event.posted) {
        ngx_delete_posted_event(&ctx->event);
    }

    op->active = 0;

    if (ctx->cancel) {
        ctx->cancel(op);
        return;
    }

    ngx_tecken_task_cancel(ctx->task);
}


void ngx_cdecl
ngx_tecken_file_error(ngx_tecken_file_error_t *e, ngx_err_t err,
    const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    e->len = ngx_vslprintf(e->text, e->text + NGX_TECKEN_FILE_ERROR, fmt, args)
             - e->text;
    va_end(args);

    e->err = err;
}


void
ngx_tecken_file_failed(ngx_tecken_store_op_t *op, ngx_tecken_file_error_t *e)
{
    u_char  *p, text[NGX_TECKEN_FILE_ERROR + 256];

    p = ngx_cpymem(text, e->text, e->len);

    if (e->err) {
        p = ngx_slprintf(p, text + sizeof(text) - 1, " (%d: ", e->err);
        p = ngx_strerror(e->err, p, text + sizeof(text) - 1 - p);
        *p++ = ')';
    }

    op->error.len = p - text;
    op->error.data = ngx_pnalloc(op->pool, op->error.len);

    if (op->error.data == NULL) {
        ngx_str_set(&op->error, "no memory");
        return;
    }

    ngx_memcpy(op->error.data, text, op->error.len);
}
