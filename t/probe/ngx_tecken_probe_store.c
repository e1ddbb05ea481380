
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * Calls of common/store over HTTP, for the tests:
 *
 *     location /s3/ { tecken_probe_store NAME; }
 *
 *     PUT /s3/KEY       with the object's headers, below
 *     GET /s3/KEY       the object
 *     HEAD /s3/KEY
 *     GET /s3/KEY?find  where the file is, of a file storage
 *     GET /s3/?list=PREFIX  a line for each key: size, key; &max=N stops
 *     GET /s3/?check
 *
 * A key is what follows the location's name as the client wrote it, percent-
 * decoded once; or key=KEY of the query, for what nginx refuses in a path.
 * Headers of PUT: Content-Type, Content-Encoding, X-Original-Size,
 * X-Original-MD5, X-MD5 and X-SHA256 in hex, X-Size: the size to announce, -1
 * for none.  The query may also have:
 *
 *     slow=N    a pause of some milliseconds (pause=MSEC) every N bytes
 *     fail=N    the source or the sink fails after N bytes
 *     cancel=N  the operation is destroyed after N bytes
 *     once      there is no rewind
 *     absent    nothing is put in the place of another object
 *     eager     source and sink resume before they return
 *     drop      what the sink gets is counted only: X-Bytes
 *
 * The answer is 200, 404 (NGX_DECLINED), 503 (NGX_BUSY) or 502 (NGX_ERROR,
 * its body says why), with all that is known in headers X-.
 */


#include "ngx_tecken_probe.h"
#include <tk_uri.h>


typedef struct {
    ngx_str_t                   name;
} ngx_tecken_probe_store_conf_t;


typedef struct {
    ngx_http_request_t         *request;
    ngx_tecken_store_op_t      *op;
    ngx_event_t                 event;

    ngx_str_t                   body;      /* of the answer */
    size_t                      size;      /* allocated */

    ngx_chain_t                *in;        /* of PUT */
    off_t                       in_pos;

    off_t                       bytes;
    off_t                       next;      /* pause */
    off_t                       slow;
    off_t                       fail;
    off_t                       cancel;
    ngx_msec_t                  pause;
    ngx_int_t                   max;

    ngx_int_t                   rc;
    ngx_uint_t                  calls;
    ngx_uint_t                  rewinds;
    unsigned                    list:1;
    unsigned                    cancelled:1;
    unsigned                    drop:1;
    unsigned                    eager:1;
} ngx_tecken_probe_store_ctx_t;


static ngx_int_t ngx_tecken_probe_store_handler(ngx_http_request_t *r);
static void ngx_tecken_probe_store_start(ngx_http_request_t *r);
static ngx_int_t ngx_tecken_probe_store_call(ngx_http_request_t *r,
    ngx_tecken_probe_store_ctx_t *ctx);
static ngx_tecken_storage_t *ngx_tecken_probe_store_storage(
    ngx_http_request_t *r);
static ngx_int_t ngx_tecken_probe_store_key(ngx_http_request_t *r,
    ngx_str_t *key);
static ngx_int_t ngx_tecken_probe_store_decode(ngx_http_request_t *r,
    ngx_str_t *text, ngx_str_t *key);
static ngx_int_t ngx_tecken_probe_store_put(ngx_http_request_t *r,
    ngx_tecken_store_op_t *op);
static ngx_int_t ngx_tecken_probe_store_find(ngx_http_request_t *r,
    ngx_tecken_storage_t *st, ngx_str_t *key);
static ssize_t ngx_tecken_probe_store_source(ngx_tecken_store_op_t *op,
    u_char *buf, size_t size);
static ngx_int_t ngx_tecken_probe_store_rewind(ngx_tecken_store_op_t *op);
static ngx_int_t ngx_tecken_probe_store_sink(ngx_tecken_store_op_t *op,
    u_char *data, size_t len);
static ngx_int_t ngx_tecken_probe_store_entry(ngx_tecken_store_op_t *op,
    ngx_str_t *key, off_t size, time_t mtime);
static ngx_int_t ngx_tecken_probe_store_append(
    ngx_tecken_probe_store_ctx_t *ctx, u_char *data, size_t len);
static ngx_int_t ngx_tecken_probe_store_paused(
    ngx_tecken_probe_store_ctx_t *ctx);
static void ngx_tecken_probe_store_event(ngx_event_t *ev);
static void ngx_tecken_probe_store_done(ngx_tecken_store_op_t *op);
static void ngx_tecken_probe_store_finish(ngx_tecken_probe_store_ctx_t *ctx);
static ngx_int_t ngx_tecken_probe_store_answer(
    ngx_tecken_probe_store_ctx_t *ctx, ngx_tecken_store_op_t *op);
static ngx_int_t ngx_tecken_probe_store_describe(ngx_http_request_t *r,
    ngx_tecken_object_t *object);
static ngx_int_t ngx_tecken_probe_store_send(ngx_http_request_t *r,
    ngx_uint_t status, ngx_str_t *body);
static void ngx_tecken_probe_store_cleanup(void *data);
static ngx_int_t ngx_tecken_probe_store_header(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);
static ngx_int_t ngx_tecken_probe_store_number(ngx_http_request_t *r,
    const char *name, off_t value);
static ngx_str_t *ngx_tecken_probe_store_in(ngx_http_request_t *r,
    const char *name);
static ngx_uint_t ngx_tecken_probe_store_arg(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);
static off_t ngx_tecken_probe_store_bytes(ngx_http_request_t *r,
    const char *name, off_t value);
static void *ngx_tecken_probe_store_create_conf(ngx_conf_t *cf);
static char *ngx_tecken_probe_store(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_command_t  ngx_tecken_probe_store_commands[] = {

    { ngx_string("tecken_probe_store"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_tecken_probe_store,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_tecken_probe_store_conf_t, name),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_tecken_probe_store_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_tecken_probe_store_create_conf,    /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_tecken_probe_store_module = {
    NGX_MODULE_V1,
    &ngx_tecken_probe_store_module_ctx,    /* module context */
    ngx_tecken_probe_store_commands,       /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_tecken_probe_store_handler(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_http_cleanup_t            *cln;
    ngx_tecken_probe_store_ctx_t  *ctx;

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_tecken_probe_store_ctx_t));
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_tecken_probe_store_cleanup;
    cln->data = ctx;

    ctx->request = r;
    ctx->slow = ngx_tecken_probe_store_bytes(r, "slow", 0);
    ctx->fail = ngx_tecken_probe_store_bytes(r, "fail", -1);
    ctx->cancel = ngx_tecken_probe_store_bytes(r, "cancel", -1);
    ctx->pause = ngx_tecken_probe_store_bytes(r, "pause", 1);
    ctx->max = ngx_tecken_probe_store_bytes(r, "max", -1);
    ctx->next = ctx->slow;

    ctx->event.data = r->connection;
    ctx->event.handler = ngx_tecken_probe_store_event;
    ctx->event.log = r->connection->log;

    ngx_http_set_ctx(r, ctx, ngx_tecken_probe_store_module);

    rc = ngx_http_read_client_request_body(r, ngx_tecken_probe_store_start);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


static void
ngx_tecken_probe_store_start(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_tecken_probe_store_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_tecken_probe_store_module);

    r->read_event_handler = ngx_http_test_reading;

    if (r->connection->read->pending_eof) {
        ngx_post_event(r->connection->read, &ngx_posted_events);
    }

    rc = ngx_tecken_probe_store_call(r, ctx);

    if (rc == NGX_AGAIN) {

        if (ctx->cancel == 0 && !ctx->event.timer_set) {
            ctx->cancelled = 1;
            ngx_tecken_probe_store_finish(ctx);
        }

        return;
    }

    ngx_http_finalize_request(r, rc);
}


/* NGX_AGAIN: under way; anything else finalizes the request */

static ngx_int_t
ngx_tecken_probe_store_call(ngx_http_request_t *r,
    ngx_tecken_probe_store_ctx_t *ctx)
{
    ngx_int_t               rc;
    ngx_str_t               key, arg;
    ngx_tecken_storage_t   *st;
    ngx_tecken_store_op_t  *op;

    st = ngx_tecken_probe_store_storage(r);

    if (st == NULL || ngx_tecken_probe_store_key(r, &key) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_tecken_probe_store_arg(r, "find", &arg)) {
        return ngx_tecken_probe_store_find(r, st, &key);
    }

    if (ngx_tecken_probe_store_arg(r, "list", &arg)) {
        ctx->list = 1;

        if (ngx_tecken_probe_store_decode(r, &arg, &key) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    op = ngx_tecken_store_op_create(st, &key, r->connection->log);
    if (op == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->op = op;

    op->data = ctx;
    op->handler = ngx_tecken_probe_store_done;
    op->sink = ngx_tecken_probe_store_sink;
    op->source = ngx_tecken_probe_store_source;
    op->entry = ngx_tecken_probe_store_entry;

    ctx->drop = ngx_tecken_probe_store_arg(r, "drop", &arg);
    ctx->eager = ngx_tecken_probe_store_arg(r, "eager", &arg);
    op->absent = ngx_tecken_probe_store_arg(r, "absent", &arg);

    if (!ngx_tecken_probe_store_arg(r, "once", &arg)) {
        op->rewind = ngx_tecken_probe_store_rewind;
    }

    if (ctx->list) {
        rc = ngx_tecken_store_list(op);

    } else if (ngx_tecken_probe_store_arg(r, "check", &arg)) {
        rc = ngx_tecken_store_check(op);

    } else if (r->method == NGX_HTTP_HEAD) {
        rc = ngx_tecken_store_head(op);

    } else if (r->method == NGX_HTTP_GET) {
        rc = ngx_tecken_store_get(op);

    } else if (r->method == NGX_HTTP_PUT) {
        rc = ngx_tecken_probe_store_put(r, op);

    } else {
        return NGX_HTTP_NOT_ALLOWED;
    }

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    ctx->rc = rc;

    return ngx_tecken_probe_store_answer(ctx, op);
}


static ngx_tecken_storage_t *
ngx_tecken_probe_store_storage(ngx_http_request_t *r)
{
    ngx_tecken_storage_t           *st;
    ngx_tecken_main_conf_t         *tmcf;
    ngx_tecken_probe_store_conf_t  *pscf;

    tmcf = ngx_http_get_module_main_conf(r, ngx_tecken_common_module);
    pscf = ngx_http_get_module_loc_conf(r, ngx_tecken_probe_store_module);

    st = ngx_tecken_storage_find(tmcf, &pscf->name);

    if (st == NULL) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "unknown storage \"%V\"", &pscf->name);
    }

    return st;
}


static ngx_int_t
ngx_tecken_probe_store_key(ngx_http_request_t *r, ngx_str_t *key)
{
    u_char                    *p;
    ngx_str_t                  arg;
    ngx_http_core_loc_conf_t  *clcf;

    if (ngx_tecken_probe_store_arg(r, "key", &arg)) {
        return ngx_tecken_probe_store_decode(r, &arg, key);
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (r->unparsed_uri.len < clcf->name.len) {
        return NGX_ERROR;
    }

    arg.data = r->unparsed_uri.data + clcf->name.len;
    arg.len = r->unparsed_uri.len - clcf->name.len;

    p = ngx_strlchr(arg.data, arg.data + arg.len, '?');

    if (p) {
        arg.len = p - arg.data;
    }

    return ngx_tecken_probe_store_decode(r, &arg, key);
}


static ngx_int_t
ngx_tecken_probe_store_decode(ngx_http_request_t *r, ngx_str_t *text,
    ngx_str_t *key)
{
    key->data = ngx_pnalloc(r->pool, text->len + 1);
    if (key->data == NULL) {
        return NGX_ERROR;
    }

    key->len = tk_uri_decode(key->data, text->data, text->len, 0);

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_probe_store_put(ngx_http_request_t *r, ngx_tecken_store_op_t *op)
{
    ngx_str_t                     *value;
    ngx_chain_t                   *cl;
    ngx_uint_t                     i;
    ngx_tecken_probe_store_ctx_t  *ctx;

    ctx = op->data;
    ctx->in = r->request_body->bufs;

    op->object.size = 0;

    for (cl = ctx->in; cl; cl = cl->next) {
        op->object.size += ngx_buf_size(cl->buf);
    }

    value = ngx_tecken_probe_store_in(r, "X-Size");
    if (value) {
        op->object.size = (value->data[0] == '-')
                          ? -1 : ngx_atoof(value->data, value->len);
    }

    value = ngx_tecken_probe_store_in(r, "Content-Type");
    if (value) {
        op->object.content_type = *value;
    }

    value = ngx_tecken_probe_store_in(r, "Content-Encoding");
    if (value) {
        op->object.content_encoding = *value;
    }

    value = ngx_tecken_probe_store_in(r, "X-Original-Size");
    if (value) {
        op->object.original_size = ngx_atoof(value->data, value->len);
    }

    value = ngx_tecken_probe_store_in(r, "X-Original-MD5");
    if (value) {
        op->object.original_md5 = *value;
    }

    value = ngx_tecken_probe_store_in(r, "X-SHA256");
    if (value) {
        op->sha256 = *value;
    }

    value = ngx_tecken_probe_store_in(r, "X-MD5");
    if (value) {
        op->md5.len = value->len / 2;
        op->md5.data = ngx_pnalloc(op->pool, op->md5.len);

        if (op->md5.data == NULL) {
            return NGX_ERROR;
        }

        for (i = 0; i < op->md5.len; i++) {
            op->md5.data[i] = (u_char) ngx_hextoi(value->data + 2 * i, 2);
        }
    }

    return ngx_tecken_store_put(op);
}


static ngx_int_t
ngx_tecken_probe_store_find(ngx_http_request_t *r, ngx_tecken_storage_t *st,
    ngx_str_t *key)
{
    ngx_int_t            rc;
    ngx_str_t            path;
    ngx_tecken_object_t  object;

    rc = ngx_tecken_store_file_find(st, r->pool, key, &path, &object,
                                    r->connection->log);

    if (rc != NGX_OK) {
        return (rc == NGX_DECLINED) ? NGX_HTTP_NOT_FOUND
                                    : NGX_HTTP_BAD_GATEWAY;
    }

    if (ngx_tecken_probe_store_describe(r, &object) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_tecken_probe_store_send(r, NGX_HTTP_OK, &path);
}


static ssize_t
ngx_tecken_probe_store_source(ngx_tecken_store_op_t *op, u_char *buf,
    size_t size)
{
    off_t                          left;
    ssize_t                        n;
    ngx_buf_t                     *b;
    ngx_tecken_probe_store_ctx_t  *ctx;

    ctx = op->data;
    ctx->calls++;

    if (ctx->eager) {
        ngx_tecken_store_resume(op);
    }

    if (ctx->fail >= 0 && ctx->bytes >= ctx->fail) {
        return NGX_ERROR;
    }

    if (ctx->cancelled || ngx_tecken_probe_store_paused(ctx)) {
        return NGX_AGAIN;
    }

    while (ctx->in && ctx->in_pos == ngx_buf_size(ctx->in->buf)) {
        ctx->in = ctx->in->next;
        ctx->in_pos = 0;
    }

    if (ctx->in == NULL) {
        return 0;
    }

    b = ctx->in->buf;
    left = ngx_buf_size(b) - ctx->in_pos;

    if (ctx->slow) {
        left = ngx_min(left, ctx->next - ctx->bytes);
    }

    if (ctx->fail >= 0) {
        left = ngx_min(left, ctx->fail - ctx->bytes);
    }

    if (ctx->cancel >= 0) {
        left = ngx_min(left, ctx->cancel - ctx->bytes);
    }

    n = ngx_min((off_t) size, left);

    if (ngx_buf_in_memory(b)) {
        ngx_memcpy(buf, b->pos + ctx->in_pos, n);

    } else {
        n = ngx_read_file(b->file, buf, n, b->file_pos + ctx->in_pos);
        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }
    }

    ctx->in_pos += n;
    ctx->bytes += n;

    return n;
}


static ngx_int_t
ngx_tecken_probe_store_rewind(ngx_tecken_store_op_t *op)
{
    ngx_tecken_probe_store_ctx_t  *ctx;

    ctx = op->data;

    ctx->rewinds++;
    ctx->bytes = 0;
    ctx->next = ctx->slow;
    ctx->in = ctx->request->request_body->bufs;
    ctx->in_pos = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_probe_store_sink(ngx_tecken_store_op_t *op, u_char *data,
    size_t len)
{
    ngx_tecken_probe_store_ctx_t  *ctx;

    ctx = op->data;

    ctx->calls++;
    ctx->bytes += len;

    if (ctx->eager) {
        ngx_tecken_store_resume(op);
    }

    if (!ctx->drop && ngx_tecken_probe_store_append(ctx, data, len) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->fail >= 0 && ctx->bytes >= ctx->fail) {
        return NGX_ERROR;
    }

    return ngx_tecken_probe_store_paused(ctx) ? NGX_AGAIN : NGX_OK;
}


static ngx_int_t
ngx_tecken_probe_store_entry(ngx_tecken_store_op_t *op, ngx_str_t *key,
    off_t size, time_t mtime)
{
    u_char                        *p, text[3 * 1024 + NGX_OFF_T_LEN + 2];
    ngx_tecken_probe_store_ctx_t  *ctx;

    ctx = op->data;
    ctx->calls++;

    op->object.mtime = mtime;

    p = ngx_sprintf(text, "%O ", size);
    p += tk_uri_encode(p, key->data, key->len, TK_URI_SLASH);
    *p++ = '\n';

    if (ngx_tecken_probe_store_append(ctx, text, p - text) != NGX_OK) {
        return NGX_ERROR;
    }

    return (--ctx->max == 0) ? NGX_DONE : NGX_OK;
}


static ngx_int_t
ngx_tecken_probe_store_append(ngx_tecken_probe_store_ctx_t *ctx, u_char *data,
    size_t len)
{
    u_char  *p;
    size_t   size;

    if (ctx->body.len + len > ctx->size) {
        size = 2 * (ctx->body.len + len);

        p = ngx_palloc(ctx->request->pool, size);
        if (p == NULL) {
            return NGX_ERROR;
        }

        if (ctx->body.len) {
            ngx_memcpy(p, ctx->body.data, ctx->body.len);
            (void) ngx_pfree(ctx->request->pool, ctx->body.data);
        }

        ctx->body.data = p;
        ctx->size = size;
    }

    ngx_memcpy(ctx->body.data + ctx->body.len, data, len);
    ctx->body.len += len;

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_probe_store_paused(ngx_tecken_probe_store_ctx_t *ctx)
{
    if (ctx->cancel >= 0 && ctx->bytes >= ctx->cancel) {
        ctx->cancelled = 1;

        /* not from within a call of the storage */
        ngx_add_timer(&ctx->event, 1);

        return 1;
    }

    if (ctx->slow && ctx->bytes >= ctx->next) {
        ctx->next = ctx->bytes + ctx->slow;

        ngx_add_timer(&ctx->event, ctx->pause);

        return 1;
    }

    return 0;
}


static void
ngx_tecken_probe_store_event(ngx_event_t *ev)
{
    ngx_connection_t              *c;
    ngx_http_request_t            *r;
    ngx_tecken_probe_store_ctx_t  *ctx;

    c = ev->data;
    r = c->data;
    ctx = ngx_http_get_module_ctx(r, ngx_tecken_probe_store_module);

    ngx_http_set_log_request(c->log, r);

    if (ctx->cancelled) {
        ngx_tecken_probe_store_finish(ctx);
        ngx_http_run_posted_requests(c);
        return;
    }

    ngx_tecken_store_resume(ctx->op);
}


static void
ngx_tecken_probe_store_done(ngx_tecken_store_op_t *op)
{
    ngx_connection_t              *c;
    ngx_tecken_probe_store_ctx_t  *ctx;

    ctx = op->data;
    c = ctx->request->connection;

    ctx->rc = op->rc;

    ngx_http_set_log_request(c->log, ctx->request);

    ngx_tecken_probe_store_finish(ctx);

    ngx_http_run_posted_requests(c);
}


static void
ngx_tecken_probe_store_finish(ngx_tecken_probe_store_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_str_t            text;
    ngx_http_request_t  *r;

    r = ctx->request;

    if (ctx->event.timer_set) {
        ngx_del_timer(&ctx->event);
    }

    if (ctx->cancelled) {
        ngx_tecken_store_op_destroy(ctx->op);
        ctx->op = NULL;

        ngx_str_set(&text, "cancelled\n");
        rc = ngx_tecken_probe_store_send(r, NGX_HTTP_OK, &text);

    } else {
        rc = ngx_tecken_probe_store_answer(ctx, ctx->op);
    }

    ngx_http_finalize_request(r, rc);
}


/* destroys the op: the answer must not need it */

static ngx_int_t
ngx_tecken_probe_store_answer(ngx_tecken_probe_store_ctx_t *ctx,
    ngx_tecken_store_op_t *op)
{
    ngx_int_t            rc;
    ngx_str_t            body;
    ngx_uint_t           status;
    ngx_http_request_t  *r;

    r = ctx->request;
    body = ctx->body;

    switch (ctx->rc) {

    case NGX_OK:
        status = NGX_HTTP_OK;
        break;

    case NGX_DECLINED:
        status = NGX_HTTP_NOT_FOUND;
        break;

    case NGX_BUSY:
        status = NGX_HTTP_SERVICE_UNAVAILABLE;
        break;

    default:
        status = NGX_HTTP_BAD_GATEWAY;
    }

    if (ctx->rc != NGX_OK) {
        body.len = op->error.len;
        body.data = body.len ? ngx_pstrdup(r->pool, &op->error) : NULL;
    }

    rc = ngx_tecken_probe_store_number(r, "X-Attempts", op->attempts);

    if (rc == NGX_OK) {
        rc = ngx_tecken_probe_store_number(r, "X-Status", op->status);
    }

    if (rc == NGX_OK) {
        rc = ngx_tecken_probe_store_number(r, "X-Calls", ctx->calls);
    }

    if (rc == NGX_OK) {
        rc = ngx_tecken_probe_store_number(r, "X-Rewinds", ctx->rewinds);
    }

    if (rc == NGX_OK) {
        rc = ngx_tecken_probe_store_number(r, "X-Bytes", ctx->bytes);
    }

    if (rc == NGX_OK && ctx->rc == NGX_OK) {
        rc = ngx_tecken_probe_store_describe(r, &op->object);
    }

    ngx_tecken_store_op_destroy(op);
    ctx->op = NULL;

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_tecken_probe_store_send(r, status, &body);
}


static ngx_int_t
ngx_tecken_probe_store_describe(ngx_http_request_t *r,
    ngx_tecken_object_t *object)
{
    if (ngx_tecken_probe_store_number(r, "X-Object-Size", object->size)
        != NGX_OK
        || ngx_tecken_probe_store_number(r, "X-Object-Mtime", object->mtime)
           != NGX_OK
        || ngx_tecken_probe_store_number(r, "X-Original-Size",
                                         object->original_size)
           != NGX_OK
        || ngx_tecken_probe_store_header(r, "X-Object-ETag", &object->etag)
           != NGX_OK
        || ngx_tecken_probe_store_header(r, "X-Object-Type",
                                         &object->content_type)
           != NGX_OK
        || ngx_tecken_probe_store_header(r, "X-Object-Encoding",
                                         &object->content_encoding)
           != NGX_OK
        || ngx_tecken_probe_store_header(r, "X-Original-MD5",
                                         &object->original_md5)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_probe_store_send(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *body)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    r->headers_out.status = status;
    r->headers_out.content_length_n = body->len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    if (body->len) {
        b->pos = body->data;
        b->last = body->data + body->len;
        b->memory = 1;
    }

    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static void
ngx_tecken_probe_store_cleanup(void *data)
{
    ngx_tecken_probe_store_ctx_t  *ctx = data;

    if (ctx->event.timer_set) {
        ngx_del_timer(&ctx->event);
    }

    if (ctx->op) {
        ngx_tecken_store_op_destroy(ctx->op);
        ctx->op = NULL;
    }
}


static ngx_int_t
ngx_tecken_probe_store_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    if (value->len == 0) {
        return NGX_OK;
    }

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);

#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    h->value.len = value->len;
    h->value.data = ngx_pstrdup(r->pool, value);

    return (h->value.data == NULL) ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_tecken_probe_store_number(ngx_http_request_t *r, const char *name,
    off_t value)
{
    u_char     text[NGX_OFF_T_LEN];
    ngx_str_t  s;

    s.data = text;
    s.len = ngx_sprintf(text, "%O", value) - text;

    return ngx_tecken_probe_store_header(r, name, &s);
}


static ngx_str_t *
ngx_tecken_probe_store_in(ngx_http_request_t *r, const char *name)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(name);

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
            {
                return &h[i].value;
            }
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_tecken_probe_store_arg(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    tk_str_t  s;

    if (!tk_query_find(r->args.data, r->args.len, name, &s)) {
        return 0;
    }

    value->len = s.len;
    value->data = (u_char *) s.data;

    return 1;
}


static off_t
ngx_tecken_probe_store_bytes(ngx_http_request_t *r, const char *name,
    off_t value)
{
    ngx_str_t  s;

    if (!ngx_tecken_probe_store_arg(r, name, &s)) {
        return value;
    }

    return ngx_atoof(s.data, s.len);
}


static void *
ngx_tecken_probe_store_create_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_tecken_probe_store_conf_t));
}


static char *
ngx_tecken_probe_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    (void) ngx_tecken_probe_handle(cf, ngx_tecken_probe_store_handler);

    return ngx_conf_set_str_slot(cf, cmd, conf);
}
