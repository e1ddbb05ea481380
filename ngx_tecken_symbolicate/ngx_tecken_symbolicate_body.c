
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_symbolicate.h>


/*
 * The JSON of a request: read where it is when it is small and in memory, or
 * else in a thread, which reads it from nginx's temporary file by itself.
 */


typedef struct {
    ngx_tecken_symbolicate_ctx_t    *ctx;

    u_char                          *data;
    size_t                           len;
    ngx_fd_t                         fd;        /* or in a file */

    tk_symreq_limits_t               limits;
    ngx_uint_t                       version;

    tk_symreq_t                      req;
    ngx_int_t                        rc;
    ngx_err_t                        err;       /* of the read */
} ngx_tecken_symbolicate_parse_t;


static ngx_int_t ngx_tecken_symbolicate_parse(
    ngx_tecken_symbolicate_ctx_t *ctx, u_char *data, size_t len);
static ngx_int_t ngx_tecken_symbolicate_offload(
    ngx_tecken_symbolicate_ctx_t *ctx, off_t len);
static ngx_int_t ngx_tecken_symbolicate_copy(ngx_http_request_t *r,
    ngx_tecken_task_t *task);
static void ngx_tecken_symbolicate_parse_run(ngx_tecken_task_t *task);
static ngx_int_t ngx_tecken_symbolicate_read_file(
    ngx_tecken_symbolicate_parse_t *p);
static void ngx_tecken_symbolicate_parse_done(ngx_tecken_task_t *task);
static ngx_int_t ngx_tecken_symbolicate_parsed(
    ngx_tecken_symbolicate_ctx_t *ctx);
static ngx_int_t ngx_tecken_symbolicate_checked(
    ngx_tecken_symbolicate_ctx_t *ctx, tk_symreq_t *req, ngx_int_t rc);


ngx_int_t
ngx_tecken_symbolicate_read(ngx_tecken_symbolicate_ctx_t *ctx)
{
    off_t                     len;
    ngx_uint_t                in_file;
    ngx_chain_t              *cl;
    ngx_http_request_t       *r;
    ngx_http_request_body_t  *rb;

    r = ctx->request;
    rb = r->request_body;

    len = 0;
    in_file = 0;

    /* a subrequest has the body of its main request, if that has read it */

    for (cl = rb ? rb->bufs : NULL; cl; cl = cl->next) {
        len += ngx_buf_size(cl->buf);
        in_file |= cl->buf->in_file;
    }

    if (len == 0) {
        return ngx_tecken_symbolicate_parse(ctx, NULL, 0);
    }

    if (!in_file && rb->bufs->next == NULL
        && len <= NGX_TECKEN_SYMBOLICATE_INLINE)
    {
        return ngx_tecken_symbolicate_parse(ctx, rb->bufs->buf->pos,
                                            (size_t) len);
    }

    return ngx_tecken_symbolicate_offload(ctx, len);
}


static ngx_int_t
ngx_tecken_symbolicate_parse(ngx_tecken_symbolicate_ctx_t *ctx, u_char *data,
    size_t len)
{
    int                                 rc;
    void                               *mem;
    tk_symreq_t                        *req;
    ngx_http_request_t                 *r;
    ngx_tecken_symbolicate_loc_conf_t  *slcf;

    r = ctx->request;

    slcf = ngx_http_get_module_loc_conf(r, ngx_tecken_symbolicate_module);

    req = ngx_palloc(r->pool, sizeof(tk_symreq_t));
    if (req == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    mem = ngx_palloc(r->pool, tk_symreq_size(&slcf->limits, len));
    if (mem == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = tk_symreq_parse(req, &slcf->limits, ctx->version, data, len, mem);

    return ngx_tecken_symbolicate_checked(ctx, req,
                                          rc == 0 ? NGX_OK : NGX_DECLINED);
}


static ngx_int_t
ngx_tecken_symbolicate_offload(ngx_tecken_symbolicate_ctx_t *ctx, off_t len)
{
    ngx_tecken_task_t                  *task;
    ngx_http_request_t                 *r;
    ngx_tecken_main_conf_t             *tmcf;
    ngx_tecken_symbolicate_parse_t     *p;
    ngx_tecken_symbolicate_loc_conf_t  *slcf;

    r = ctx->request;

    tmcf = ngx_http_get_module_main_conf(r, ngx_tecken_common_module);
    slcf = ngx_http_get_module_loc_conf(r, ngx_tecken_symbolicate_module);

    task = ngx_tecken_task_create(sizeof(ngx_tecken_symbolicate_parse_t),
                                  ngx_cycle->log);
    if (task == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = task->data;

    p->ctx = ctx;
    p->len = (size_t) len;
    p->fd = NGX_INVALID_FILE;
    p->limits = slcf->limits;
    p->version = ctx->version;

    task->run = ngx_tecken_symbolicate_parse_run;
    task->done = ngx_tecken_symbolicate_parse_done;

    if (ngx_tecken_symbolicate_copy(r, task) != NGX_OK) {
        ngx_tecken_task_destroy(task);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_tecken_task_post(tmcf->thread_pool, task, 1) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "no thread to read %O bytes of JSON in, the queue of "
                      "\"tecken_thread_pool\" is full", len);
        ngx_tecken_task_destroy(task);

        ngx_tecken_symbolicate_count(ctx, NGX_TECKEN_SYMBOLICATE_FAILED);

        return ngx_tecken_symbolicate_unavailable(ctx,
                                                  "Too much is under way");
    }

    ctx->running = task;

    return ngx_tecken_symbolicate_wait(ctx);
}


/* The request may go while the thread runs: what it reads is its own. */

static ngx_int_t
ngx_tecken_symbolicate_copy(ngx_http_request_t *r, ngx_tecken_task_t *task)
{
    u_char                          *last;
    ngx_chain_t                     *cl;
    ngx_pool_cleanup_t              *cln;
    ngx_pool_cleanup_file_t         *clnf;
    ngx_tecken_symbolicate_parse_t  *p;

    p = task->data;
    cl = r->request_body->bufs;

    if (cl->buf->in_file) {

        /* nginx puts either all or nothing into its file */

        cln = ngx_pool_cleanup_add(task->pool,
                                   sizeof(ngx_pool_cleanup_file_t));
        if (cln == NULL) {
            return NGX_ERROR;
        }

        p->fd = dup(cl->buf->file->fd);

        if (p->fd == NGX_INVALID_FILE) {
            ngx_log_error(NGX_LOG_ALERT, r->connection->log, ngx_errno,
                          "dup() failed for \"%V\"", &cl->buf->file->name);
            return NGX_ERROR;
        }

        cln->handler = ngx_pool_cleanup_file;

        clnf = cln->data;
        clnf->fd = p->fd;
        clnf->name = (u_char *) "client request body";
        clnf->log = task->pool->log;

        return NGX_OK;
    }

    p->data = ngx_palloc(task->pool, p->len);
    if (p->data == NULL) {
        return NGX_ERROR;
    }

    last = p->data;

    for ( /* void */ ; cl; cl = cl->next) {
        last = ngx_cpymem(last, cl->buf->pos, cl->buf->last - cl->buf->pos);
    }

    return NGX_OK;
}


static void
ngx_tecken_symbolicate_parse_run(ngx_tecken_task_t *task)
{
    void                            *mem;
    ngx_tecken_symbolicate_parse_t  *p;

    p = task->data;
    p->rc = NGX_ERROR;

    if (p->data == NULL) {

        p->data = ngx_palloc(task->pool, p->len);
        if (p->data == NULL) {
            return;
        }

        if (ngx_tecken_symbolicate_read_file(p) != NGX_OK) {
            return;
        }
    }

    mem = ngx_palloc(task->pool, tk_symreq_size(&p->limits, p->len));
    if (mem == NULL) {
        return;
    }

    p->rc = tk_symreq_parse(&p->req, &p->limits, p->version, p->data, p->len,
                            mem)
            == 0 ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_tecken_symbolicate_read_file(ngx_tecken_symbolicate_parse_t *p)
{
    size_t   size;
    ssize_t  n;

    for (size = 0; size < p->len; size += n) {

        n = pread(p->fd, p->data + size, p->len - size, size);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            n = 0;
            continue;
        }

        if (n <= 0) {
            p->err = n ? ngx_errno : 0;
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_tecken_symbolicate_parse_done(ngx_tecken_task_t *task)
{
    ngx_tecken_symbolicate_parse_t  *p;

    p = task->data;

    p->ctx->running = NULL;
    p->ctx->task = task;

    ngx_tecken_symbolicate_resume(p->ctx, ngx_tecken_symbolicate_parsed);
}


static ngx_int_t
ngx_tecken_symbolicate_parsed(ngx_tecken_symbolicate_ctx_t *ctx)
{
    ngx_tecken_symbolicate_parse_t  *p;

    p = ctx->task->data;

    if (p->rc == NGX_ERROR) {
        ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, p->err,
                      "cannot read the %uz bytes of a request body again",
                      p->len);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_tecken_symbolicate_checked(ctx, &p->req, p->rc);
}


static ngx_int_t
ngx_tecken_symbolicate_checked(ngx_tecken_symbolicate_ctx_t *ctx,
    tk_symreq_t *req, ngx_int_t rc)
{
    ngx_tecken_symbolicate_main_conf_t  *smcf;

    if (rc == NGX_OK) {
        ctx->req = req;
        ngx_tecken_symbolicate_count_request(ctx);

        return ngx_tecken_symbolicate_gather(ctx);
    }

    ngx_log_error(NGX_LOG_INFO, ctx->request->connection->log, 0,
                  "client sent an invalid symbolication request: %s",
                  req->error);

    smcf = ngx_http_get_module_main_conf(ctx->request,
                                         ngx_tecken_symbolicate_module);

    ngx_tecken_metrics_count(&smcf->errors[req->reason], 1);
    ngx_tecken_symbolicate_count(ctx, NGX_TECKEN_SYMBOLICATE_INVALID);

    return ngx_tecken_symbolicate_error(ctx, NGX_HTTP_BAD_REQUEST, req->error,
                                        NULL);
}
