
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * ngx_tecken_module_get() over HTTP, for the tests:
 *
 *     location /module/ { tecken_probe_module; tecken_sources ...;
 *                         tecken_symcache_path ...; }
 *
 *     GET /module/DEBUG_FILE/DEBUG_ID
 *
 * The answer is 200 (its body is the symcache's debug id), 404 (NGX_DECLINED),
 * 503 (NGX_BUSY) or 500 (NGX_ERROR), with what is known in headers X-.  The
 * query may have:
 *
 *     lookup=HEX    the body is the functions at that address, innermost
 *                   first, each with its file and line
 *     wait=MSEC     gives up after that time: 504
 *     hold=MSEC     keeps the symcache for that time, then looks up
 *     invalidate    calls ngx_tecken_symcache_invalidate(): 204
 */


#include "ngx_tecken_probe.h"


#define NGX_TECKEN_PROBE_MODULE_BODY  65536


typedef struct {
    ngx_http_request_t         *request;
    ngx_tecken_module_t         module;
    ngx_event_t                 event;
    unsigned                    hold:1;
} ngx_tecken_probe_module_ctx_t;


static ngx_int_t ngx_tecken_probe_module_handler(ngx_http_request_t *r);
static ngx_int_t ngx_tecken_probe_module_name(ngx_http_request_t *r,
    ngx_str_t *debug_file, ngx_str_t *debug_id);
static void ngx_tecken_probe_module_done(ngx_tecken_module_t *m);
static void ngx_tecken_probe_module_event(ngx_event_t *ev);
static void ngx_tecken_probe_module_finish(ngx_tecken_probe_module_ctx_t *ctx,
    ngx_uint_t status);
static ngx_uint_t ngx_tecken_probe_module_status(ngx_int_t rc);
static ngx_int_t ngx_tecken_probe_module_answer(
    ngx_tecken_probe_module_ctx_t *ctx, ngx_uint_t status);
static ngx_int_t ngx_tecken_probe_module_body(
    ngx_tecken_probe_module_ctx_t *ctx, ngx_buf_t *b);
static ngx_int_t ngx_tecken_probe_module_header(ngx_http_request_t *r,
    const char *name, const char *fmt, ...);
static void ngx_tecken_probe_module_cleanup(void *data);
static char *ngx_tecken_probe_module(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_command_t  ngx_tecken_probe_module_commands[] = {

    { ngx_string("tecken_probe_module"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_tecken_probe_module,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_tecken_probe_module_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_tecken_probe_module_module = {
    NGX_MODULE_V1,
    &ngx_tecken_probe_module_module_ctx,   /* module context */
    ngx_tecken_probe_module_commands,      /* module directives */
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
ngx_tecken_probe_module_handler(ngx_http_request_t *r)
{
    ngx_int_t                       rc;
    ngx_str_t                       arg, debug_file, debug_id;
    ngx_msec_t                      wait;
    ngx_http_cleanup_t             *cln;
    ngx_tecken_module_t            *m;
    ngx_tecken_loc_conf_t          *tlcf;
    ngx_tecken_main_conf_t         *tmcf;
    ngx_tecken_probe_module_ctx_t  *ctx;

    tmcf = ngx_http_get_module_main_conf(r, ngx_tecken_common_module);
    tlcf = ngx_http_get_module_loc_conf(r, ngx_tecken_common_module);

    if (ngx_tecken_probe_module_name(r, &debug_file, &debug_id) != NGX_OK) {
        return NGX_HTTP_BAD_REQUEST;
    }

    if (ngx_http_arg(r, (u_char *) "invalidate", 10, &arg) == NGX_OK) {
        ngx_tecken_symcache_invalidate(tmcf->fetch, &debug_file, &debug_id);
        return NGX_HTTP_NO_CONTENT;
    }

    if (tlcf->module.main == NULL) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_tecken_probe_module_ctx_t));
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_tecken_probe_module_cleanup;
    cln->data = ctx;

    ctx->request = r;

    ctx->event.data = r->connection;
    ctx->event.handler = ngx_tecken_probe_module_event;
    ctx->event.log = r->connection->log;

    ngx_http_set_ctx(r, ctx, ngx_tecken_probe_module_module);

    m = &ctx->module;

    m->conf = &tlcf->module;
    m->debug_file = debug_file;
    m->debug_id = debug_id;
    m->handler = ngx_tecken_probe_module_done;
    m->data = ctx;
    m->log = r->connection->log;

    rc = ngx_tecken_module_get(m);

    if (rc != NGX_AGAIN) {

        if (rc == NGX_OK && ngx_tecken_probe_arg(r, "hold", 0)) {
            r->main->count++;
            ngx_tecken_probe_module_done(m);
            return NGX_DONE;
        }

        return ngx_tecken_probe_module_answer(ctx,
                                          ngx_tecken_probe_module_status(rc));
    }

    wait = ngx_tecken_probe_arg(r, "wait", 0);
    ngx_add_timer(&ctx->event, wait ? wait : 300000);

    r->main->count++;
    r->read_event_handler = ngx_http_test_reading;

    if (r->connection->read->pending_eof) {
        ngx_post_event(r->connection->read, &ngx_posted_events);
    }

    return NGX_DONE;
}


static ngx_int_t
ngx_tecken_probe_module_name(ngx_http_request_t *r, ngx_str_t *debug_file,
    ngx_str_t *debug_id)
{
    u_char                    *p, *last;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    debug_file->data = r->uri.data + clcf->name.len;
    last = r->uri.data + r->uri.len;

    p = ngx_strlchr(debug_file->data, last, '/');
    if (p == NULL) {
        return NGX_ERROR;
    }

    debug_file->len = p - debug_file->data;

    debug_id->data = p + 1;
    debug_id->len = last - debug_id->data;

    return NGX_OK;
}


static void
ngx_tecken_probe_module_done(ngx_tecken_module_t *m)
{
    ngx_msec_t                      hold;
    ngx_tecken_probe_module_ctx_t  *ctx;

    ctx = m->data;

    hold = ngx_tecken_probe_arg(ctx->request, "hold", 0);

    if (m->rc == NGX_OK && hold) {
        ctx->hold = 1;
        ngx_add_timer(&ctx->event, hold);
        return;
    }

    ngx_tecken_probe_module_finish(ctx,
                                   ngx_tecken_probe_module_status(m->rc));
}


static void
ngx_tecken_probe_module_event(ngx_event_t *ev)
{
    ngx_connection_t               *c;
    ngx_http_request_t             *r;
    ngx_tecken_probe_module_ctx_t  *ctx;

    c = ev->data;
    r = c->data;
    ctx = ngx_http_get_module_ctx(r, ngx_tecken_probe_module_module);

    if (!ctx->hold) {
        ngx_tecken_module_release(&ctx->module);
    }

    ngx_tecken_probe_module_finish(ctx, ctx->hold ? NGX_HTTP_OK
                                                  : NGX_HTTP_GATEWAY_TIME_OUT);
}


static void
ngx_tecken_probe_module_finish(ngx_tecken_probe_module_ctx_t *ctx,
    ngx_uint_t status)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    if (ctx->event.timer_set) {
        ngx_del_timer(&ctx->event);
    }

    ngx_http_finalize_request(r, ngx_tecken_probe_module_answer(ctx, status));

    ngx_http_run_posted_requests(c);
}


static ngx_uint_t
ngx_tecken_probe_module_status(ngx_int_t rc)
{
    switch (rc) {

    case NGX_OK:
        return NGX_HTTP_OK;

    case NGX_DECLINED:
        return NGX_HTTP_NOT_FOUND;

    case NGX_BUSY:
        return NGX_HTTP_SERVICE_UNAVAILABLE;

    default: /* NGX_ERROR */
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}


static ngx_int_t
ngx_tecken_probe_module_answer(ngx_tecken_probe_module_ctx_t *ctx,
    ngx_uint_t status)
{
    ngx_int_t             rc;
    ngx_buf_t            *b;
    ngx_chain_t           out;
    ngx_http_request_t   *r;
    ngx_tecken_module_t  *m;

    r = ctx->request;
    m = &ctx->module;

    b = ngx_create_temp_buf(r->pool, NGX_TECKEN_PROBE_MODULE_BODY);

    if (b == NULL
        || ngx_tecken_probe_module_header(r, "X-Hit", "%d", (int) m->hit)
           != NGX_OK
        || ngx_tecken_probe_module_header(r, "X-Source", "%V", &m->source)
           != NGX_OK
        || ngx_tecken_probe_module_header(r, "X-Stat", "downloaded=%d "
                                          "found=%d parsed=%d size=%O",
                                          (int) m->stat.downloaded,
                                          (int) m->stat.found,
                                          (int) m->stat.parsed, m->stat.size)
           != NGX_OK
        || ngx_tecken_probe_module_header(r, "X-Usec", "inflate=%uL "
                                          "parse=%uL save=%uL download=%uL "
                                          "all=%uL", m->stat.inflate_usec,
                                          m->stat.parse_usec,
                                          m->stat.save_usec,
                                          m->stat.download_usec, m->usec)
           != NGX_OK
        || ngx_tecken_probe_module_header(r, "X-Worker", "%P", ngx_pid)
           != NGX_OK
        || ngx_tecken_probe_module_body(ctx, b) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_tecken_module_release(m);

    *b->last++ = '\n';
    b->last_buf = 1;
    b->last_in_chain = 1;

    r->headers_out.status = status;
    r->headers_out.content_length_n = b->last - b->pos;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static ngx_int_t
ngx_tecken_probe_module_body(ngx_tecken_probe_module_ctx_t *ctx, ngx_buf_t *b)
{
    size_t                i, n;
    u_char                name[1024];
    ngx_int_t             address;
    ngx_str_t             arg, text;
    tk_symcache_t        *sc;
    ngx_http_request_t   *r;
    tk_symcache_frame_t   frames[TK_SYMCACHE_FRAMES];

    r = ctx->request;

    if (ctx->module.ref == NULL) {
        return NGX_OK;
    }

    sc = &ctx->module.ref->sc;

    if (ngx_http_arg(r, (u_char *) "lookup", 6, &arg) != NGX_OK) {
        text.len = sc->debug_id.len;
        text.data = (u_char *) sc->debug_id.data;
        b->last = ngx_slprintf(b->last, b->end - 1, "%V", &text);
        return NGX_OK;
    }

    address = ngx_hextoi(arg.data, arg.len);
    if (address == NGX_ERROR) {
        return NGX_ERROR;
    }

    n = tk_symcache_lookup(sc, address, frames, TK_SYMCACHE_FRAMES);

    for (i = 0; i < n; i++) {
        text.len = tk_symcache_function(sc, frames[i].function, name,
                                        sizeof(name));
        text.len = ngx_min(text.len, sizeof(name));
        text.data = name;

        b->last = ngx_slprintf(b->last, b->end - 1, "%s%V", i ? ";" : "",
                               &text);

        text.len = frames[i].file.len;
        text.data = (u_char *) frames[i].file.data;

        b->last = ngx_slprintf(b->last, b->end - 1, " %V:%uD", &text,
                               frames[i].line);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_probe_module_header(ngx_http_request_t *r, const char *name,
    const char *fmt, ...)
{
    u_char            text[NGX_MAX_ERROR_STR], *last;
    va_list           args;
    ngx_table_elt_t  *h;

    va_start(args, fmt);
    last = ngx_vslprintf(text, text + sizeof(text), fmt, args);
    va_end(args);

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.len = ngx_strlen(name);
    h->key.data = (u_char *) name;

    h->value.len = last - text;
    h->value.data = ngx_pnalloc(r->pool, h->value.len + 1);
    if (h->value.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(h->value.data, text, h->value.len);

    return NGX_OK;
}


static void
ngx_tecken_probe_module_cleanup(void *data)
{
    ngx_tecken_probe_module_ctx_t *ctx = data;

    if (ctx->event.timer_set) {
        ngx_del_timer(&ctx->event);
    }

    ngx_tecken_module_release(&ctx->module);
}


static char *
ngx_tecken_probe_module(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_tecken_probe_handle(cf, ngx_tecken_probe_module_handler);
}
