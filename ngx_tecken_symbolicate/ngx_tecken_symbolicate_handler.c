
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_symbolicate.h>


static ngx_tecken_symbolicate_ctx_t *ngx_tecken_symbolicate_create_ctx(
    ngx_http_request_t *r);
static void ngx_tecken_symbolicate_abandon(void *data);
static ngx_uint_t ngx_tecken_symbolicate_route(ngx_http_request_t *r);
static ngx_uint_t ngx_tecken_symbolicate_debug(ngx_http_request_t *r);
static ngx_int_t ngx_tecken_symbolicate_options(
    ngx_tecken_symbolicate_ctx_t *ctx);
static void ngx_tecken_symbolicate_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_tecken_symbolicate_send(ngx_http_request_t *r,
    ngx_uint_t status, ngx_str_t *body);


ngx_int_t
ngx_tecken_symbolicate_handler(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_str_t                      allow;
    ngx_tecken_symbolicate_ctx_t  *ctx;

    ctx = ngx_tecken_symbolicate_create_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->version = ngx_tecken_symbolicate_route(r);

    if (ctx->version && r->method == NGX_HTTP_POST) {

        ctx->debug = ngx_tecken_symbolicate_debug(r);

        /* one buffer if it fits into client_body_buffer_size */
        r->request_body_in_single_buf = 1;

        rc = ngx_http_read_client_request_body(r,
                                         ngx_tecken_symbolicate_body_handler);

        return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ctx->version == 0) {
        return ngx_tecken_symbolicate_error(ctx, NGX_HTTP_NOT_FOUND,
                                            "404 Not Found", NULL);
    }

    if (r->method == NGX_HTTP_OPTIONS) {
        return ngx_tecken_symbolicate_options(ctx);
    }

    ngx_str_set(&allow, "POST, OPTIONS");

    if (ngx_tecken_add_header(r, "Allow", &allow) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_tecken_symbolicate_error(ctx, NGX_HTTP_NOT_ALLOWED,
                                        "405 Method Not Allowed", NULL);
}


static ngx_tecken_symbolicate_ctx_t *
ngx_tecken_symbolicate_create_ctx(ngx_http_request_t *r)
{
    ngx_http_cleanup_t            *cln;
    ngx_tecken_symbolicate_ctx_t  *ctx;

    cln = ngx_http_cleanup_add(r, sizeof(ngx_tecken_symbolicate_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_tecken_symbolicate_abandon;

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_tecken_symbolicate_ctx_t));

    ctx->request = r;
    ctx->started = ngx_tecken_usec();

    ngx_http_set_ctx(r, ctx, ngx_tecken_symbolicate_module);

    return ctx;
}


/* the request is over, or its client is gone */

static void
ngx_tecken_symbolicate_abandon(void *data)
{
    ngx_tecken_symbolicate_ctx_t *ctx = data;

    ctx->waiting = 0;

    if (ctx->running) {
        ngx_tecken_task_cancel(ctx->running);
        ctx->running = NULL;
    }

    ngx_tecken_symbolicate_release(ctx);

    if (ctx->task) {
        ngx_tecken_task_destroy(ctx->task);
        ctx->task = NULL;
        ctx->req = NULL;
    }
}


/* the version, 0: not found */

static ngx_uint_t
ngx_tecken_symbolicate_route(ngx_http_request_t *r)
{
    size_t                              len;
    u_char                             *p;
    ngx_tecken_symbolicate_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_tecken_symbolicate_module);

    if (slcf->version) {
        return slcf->version;
    }

    len = sizeof("/symbolicate/v5") - 1;

    if (r->uri.len < len) {
        return 0;
    }

    p = r->uri.data + r->uri.len - len;

    if (!slcf->any_base
        && (r->uri.len - len != slcf->base.len
            || ngx_memcmp(r->uri.data, slcf->base.data, slcf->base.len) != 0))
    {
        return 0;
    }

    if (ngx_memcmp(p, "/symbolicate/v", len - 1) != 0) {
        return 0;
    }

    return p[len - 1] == '5' ? 5 : p[len - 1] == '4' ? 4 : 0;
}


/* to Eliot any value will do, even "0" and "false", which is no use */

static ngx_uint_t
ngx_tecken_symbolicate_debug(ngx_http_request_t *r)
{
    ngx_str_t        *value;
    ngx_table_elt_t  *h;

    h = ngx_tecken_symbolicate_header_in(r, "debug", 5);

    if (h == NULL) {
        return 0;
    }

    value = &h->value;

    return value->len != 0
           && !(value->len == 1 && value->data[0] == '0')
           && !(value->len == 5
                && ngx_strncasecmp(value->data, (u_char *) "false", 5) == 0);
}


ngx_table_elt_t *
ngx_tecken_symbolicate_header_in(ngx_http_request_t *r, const char *name,
    size_t len)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == len
                && ngx_strncmp(h[i].lowcase_key, name, len) == 0)
            {
                return &h[i];
            }
        }
    }

    return NULL;
}


/* Falcon's CORS: a preflight has no Allow */

static ngx_int_t
ngx_tecken_symbolicate_options(ngx_tecken_symbolicate_ctx_t *ctx)
{
    ngx_str_t            allow, value, body = ngx_null_string;
    ngx_table_elt_t     *h;
    ngx_http_request_t  *r;

    r = ctx->request;

    ngx_str_set(&allow, "POST");

    if (ngx_tecken_symbolicate_header_in(r, "origin", 6) == NULL
        || ngx_tecken_symbolicate_header_in(r,
                                          "access-control-request-method", 29)
           == NULL)
    {
        if (ngx_tecken_add_header(r, "Allow", &allow) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_tecken_symbolicate_send(r, NGX_HTTP_OK, &body);
    }

    h = ngx_tecken_symbolicate_header_in(r, "access-control-request-headers",
                                         30);
    if (h) {
        value = h->value;

    } else {
        ngx_str_set(&value, "*");
    }

    if (ngx_tecken_add_header(r, "Access-Control-Allow-Methods", &allow)
        != NGX_OK
        || ngx_tecken_add_header(r, "Access-Control-Allow-Headers", &value)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&value, "86400");

    if (ngx_tecken_add_header(r, "Access-Control-Max-Age", &value) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_tecken_symbolicate_send(r, NGX_HTTP_OK, &body);
}


static void
ngx_tecken_symbolicate_body_handler(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_tecken_symbolicate_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_tecken_symbolicate_module);

    rc = ngx_tecken_symbolicate_read(ctx);

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }
}


/* a step has to wait; the client may leave meanwhile */

ngx_int_t
ngx_tecken_symbolicate_wait(ngx_tecken_symbolicate_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    ctx->waiting = 1;
    r->read_event_handler = ngx_http_test_reading;

    if (r->connection->read->pending_eof) {

        /* the client's end came with its request, no event will tell again */

        ngx_post_event(r->connection->read, &ngx_posted_events);
    }

    return NGX_DONE;
}


void
ngx_tecken_symbolicate_resume(ngx_tecken_symbolicate_ctx_t *ctx,
    ngx_tecken_symbolicate_step_pt step)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ctx->waiting = 0;
    r->read_event_handler = ngx_http_block_reading;

    rc = step(ctx);

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }

    ngx_http_run_posted_requests(c);
}


/* Falcon's form; the texts are our own and need no escapes */

ngx_int_t
ngx_tecken_symbolicate_error(ngx_tecken_symbolicate_ctx_t *ctx,
    ngx_uint_t status, const char *title, const char *description)
{
    u_char              *p;
    ngx_str_t            body, accept;
    ngx_http_request_t  *r;

    r = ctx->request;

    p = ngx_pnalloc(r->pool, sizeof("{\"title\": \"\", \"description\": \"\"}")
                             + ngx_strlen(title)
                             + (description ? ngx_strlen(description) : 0));
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.data = p;

    p = ngx_sprintf(p, "{\"title\": \"%s\"", title);

    if (description) {
        p = ngx_sprintf(p, ", \"description\": \"%s\"", description);
    }

    *p++ = '}';

    body.len = p - body.data;

    ngx_str_set(&accept, "Accept");

    if (ngx_tecken_add_header(r, "Vary", &accept) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_tecken_symbolicate_send(r, status, &body);
}


ngx_int_t
ngx_tecken_symbolicate_unavailable(ngx_tecken_symbolicate_ctx_t *ctx,
    const char *description)
{
    ngx_str_t  seconds = ngx_string("5");

    if (ngx_tecken_add_header(ctx->request, "Retry-After", &seconds)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_tecken_symbolicate_error(ctx, NGX_HTTP_SERVICE_UNAVAILABLE,
                                        "503 Service Unavailable",
                                        description);
}


static ngx_int_t
ngx_tecken_symbolicate_send(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *body)
{
    ngx_tecken_symbolicate_ctx_t  *ctx;

    static ngx_str_t  type = ngx_string("application/json");

    ctx = ngx_http_get_module_ctx(r, ngx_tecken_symbolicate_module);
    ctx->answered = 1;

    return ngx_tecken_send_body(r, status, &type, body);
}
