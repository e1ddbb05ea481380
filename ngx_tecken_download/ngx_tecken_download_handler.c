
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_download.h>

#include <tk_uri.h>


static ngx_tecken_download_ctx_t *ngx_tecken_download_create_ctx(
    ngx_http_request_t *r);
static void ngx_tecken_download_cleanup(void *data);
static ngx_int_t ngx_tecken_download_path(ngx_http_request_t *r,
    ngx_str_t *path);
static ngx_uint_t ngx_tecken_download_probed(ngx_str_t *path,
    ngx_tecken_download_loc_conf_t *dlcf);
static ngx_uint_t ngx_tecken_download_ignored(tk_symbol_t *s,
    ngx_tecken_download_loc_conf_t *dlcf);
static ngx_uint_t ngx_tecken_download_debug(ngx_http_request_t *r);
static ngx_int_t ngx_tecken_download_symbol(ngx_tecken_download_ctx_t *ctx);
static void ngx_tecken_download_args(ngx_tecken_download_ctx_t *ctx);


ngx_int_t
ngx_tecken_download_handler(ngx_http_request_t *r)
{
    ngx_int_t                        rc;
    ngx_str_t                        method;
    tk_symbol_rc_t                   route;
    ngx_tecken_download_ctx_t       *ctx;
    ngx_tecken_download_loc_conf_t  *dlcf;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_tecken_download_create_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->method == NGX_HTTP_OPTIONS) {
        return ngx_tecken_download_empty(r, NGX_HTTP_NO_CONTENT);
    }

    dlcf = ngx_http_get_module_loc_conf(r, ngx_tecken_download_module);

    if (ngx_tecken_download_path(r, &ctx->path) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    route = tk_symbol_parse(&ctx->symbol, ctx->path.data, ctx->path.len,
                            dlcf->routes, dlcf->products->nelts);

    if (route == TK_SYMBOL_NOT_FOUND) {

        /* no variable shows a part of it */

        ngx_memzero(&ctx->symbol, sizeof(tk_symbol_t));

        if ((r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))
            && ngx_tecken_download_probed(&ctx->path, dlcf))
        {
            ngx_tecken_download_count(r, NGX_TECKEN_DOWNLOAD_IGNORED);
            return ngx_tecken_download_text(r, NGX_HTTP_NOT_FOUND,
                                            "Symbol Not Found (and ignored)");
        }

        ngx_tecken_download_count(r, NGX_TECKEN_DOWNLOAD_NO_ROUTE);
        return ngx_tecken_download_json(r, NGX_HTTP_NOT_FOUND, "Not Found",
                                        NULL, &ctx->path);
    }

    if (route == TK_SYMBOL_LEGACY) {
        ngx_tecken_download_count(r, NGX_TECKEN_DOWNLOAD_LEGACY);
        return ngx_tecken_download_json(r, NGX_HTTP_NOT_FOUND,
                                        "Invalid legacy product prefix",
                                        NULL, NULL);
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {

        ngx_str_set(&method, "GET, HEAD");

        if (ngx_tecken_add_header(r, "Allow", &method) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_tecken_download_count(r, NGX_TECKEN_DOWNLOAD_INVALID);
        return ngx_tecken_download_json(r, NGX_HTTP_NOT_ALLOWED,
                                        "Method Not Allowed",
                                        &r->method_name, &ctx->path);
    }

    ctx->routed = 1;
    ctx->debug = ngx_tecken_download_debug(r);

    if (ngx_tecken_download_ignored(&ctx->symbol, dlcf)) {
        ngx_tecken_download_count(r, NGX_TECKEN_DOWNLOAD_IGNORED);
        return ngx_tecken_download_text(r, NGX_HTTP_NOT_FOUND,
                                        "Symbol Not Found (and ignored)");
    }

    if (!tk_symbol_valid(&ctx->symbol)) {
        ngx_tecken_download_count(r, NGX_TECKEN_DOWNLOAD_INVALID);
        return ngx_tecken_download_text(r, NGX_HTTP_BAD_REQUEST,
                                        "Symbol name lookup contains invalid "
                                        "characters and will never be found.");
    }

    return ngx_tecken_download_symbol(ctx);
}


/* found again after an internal redirect, which zeroes r->ctx, as the
 * realip module finds its own */

static ngx_tecken_download_ctx_t *
ngx_tecken_download_create_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t         *cln;
    ngx_tecken_download_ctx_t  *ctx;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_tecken_download_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_tecken_download_cleanup;

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_tecken_download_ctx_t));

    ctx->request = r;
    ctx->started = ngx_tecken_usec();

    ngx_http_set_ctx(r, ctx, ngx_tecken_download_module);

    return ctx;
}


ngx_tecken_download_ctx_t *
ngx_tecken_download_get_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t         *cln;
    ngx_tecken_download_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_tecken_download_module);

    if (ctx == NULL && (r->internal || r->filter_finalize)) {

        for (cln = r->pool->cleanup; cln; cln = cln->next) {
            if (cln->handler != ngx_tecken_download_cleanup) {
                continue;
            }

            ctx = cln->data;

            /* subrequests have the same pool */

            if (ctx->request == r) {
                return ctx;
            }
        }

        return NULL;
    }

    return ctx;
}


static void
ngx_tecken_download_cleanup(void *data)
{
    /* the mark of its context */
}


/*
 * nginx merges slashes and resolves "..", Tecken's routes see the path as it
 * came; after a rewrite there is only nginx's.
 */

static ngx_int_t
ngx_tecken_download_path(ngx_http_request_t *r, ngx_str_t *path)
{
    u_char     *args;
    ngx_str_t   uri;

    if (!r->valid_unparsed_uri || r->unparsed_uri.len == 0
        || r->unparsed_uri.data[0] != '/')
    {
        *path = r->uri;
        return NGX_OK;
    }

    uri = r->unparsed_uri;

    args = memchr(uri.data, '?', uri.len);
    if (args) {
        uri.len = args - uri.data;
    }

    args = memchr(uri.data, '#', uri.len);
    if (args) {
        uri.len = args - uri.data;
    }

    if (memchr(uri.data, '%', uri.len) == NULL) {
        *path = uri;
        return NGX_OK;
    }

    path->data = ngx_pnalloc(r->pool, uri.len);
    if (path->data == NULL) {
        return NGX_ERROR;
    }

    path->len = tk_uri_decode(path->data, uri.data, uri.len, 0);

    return NGX_OK;
}


/* "/index2.txt", "/pingme.txt": debuggers ask for these by themselves */

static ngx_uint_t
ngx_tecken_download_probed(ngx_str_t *path,
    ngx_tecken_download_loc_conf_t *dlcf)
{
    u_char      *p, *last;
    ngx_str_t   *ignore;
    ngx_uint_t   i;

    last = path->data + path->len;

    for (p = last; p > path->data && p[-1] != '/'; p--) { /* void */ }

    ignore = dlcf->ignore->elts;

    for (i = 0; i < dlcf->ignore->nelts; i++) {
        if (ignore[i].len == (size_t) (last - p)
            && ngx_memcmp(ignore[i].data, p, ignore[i].len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_tecken_download_ignored(tk_symbol_t *s,
    ngx_tecken_download_loc_conf_t *dlcf)
{
    ngx_str_t   *e;
    ngx_uint_t   i;

    e = dlcf->ignore->elts;

    for (i = 0; i < dlcf->ignore->nelts; i++) {
        if (e[i].len == s->file.len
            && ngx_memcmp(e[i].data, s->file.data, e[i].len) == 0)
        {
            return 1;
        }
    }

    e = dlcf->ignore_ids->elts;

    for (i = 0; i < dlcf->ignore_ids->nelts; i++) {
        if (e[i].len == s->debug_id.len
            && ngx_strncasecmp(e[i].data, (u_char *) s->debug_id.data,
                               e[i].len)
               == 0)
        {
            return 1;
        }
    }

    if (dlcf->extensions->nelts == 0) {
        return 0;
    }

    e = dlcf->extensions->elts;

    for (i = 0; i < dlcf->extensions->nelts; i++) {
        if (s->file.len >= e[i].len
            && ngx_memcmp(s->file.data + s->file.len - e[i].len, e[i].data,
                          e[i].len)
               == 0)
        {
            return 0;
        }
    }

    return 1;
}


/* "Debug: true", "1" or "yes" asks for Debug-Time */

static ngx_uint_t
ngx_tecken_download_debug(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return 0;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len == 5
            && ngx_strncasecmp(h[i].key.data, (u_char *) "debug", 5) == 0)
        {
            return (h[i].value.len == 1 && h[i].value.data[0] == '1')
                   || (h[i].value.len == 3
                       && ngx_strncasecmp(h[i].value.data, (u_char *) "yes", 3)
                          == 0)
                   || (h[i].value.len == 4
                       && ngx_strncasecmp(h[i].value.data, (u_char *) "true",
                                          4)
                          == 0);
        }
    }
}


static ngx_int_t
ngx_tecken_download_symbol(ngx_tecken_download_ctx_t *ctx)
{
    ngx_int_t            rc;
    tk_symbol_t         *s;
    ngx_http_request_t  *r;

    r = ctx->request;
    s = &ctx->symbol;

    ngx_tecken_download_args(ctx);

    ctx->key.data = ngx_pnalloc(r->pool, s->debug_file.len + s->debug_id.len
                                         + s->file.len + 2);
    if (ctx->key.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->key.len = tk_symbol_key(ctx->key.data, s);

    rc = ngx_tecken_download_lookup(ctx);

    if (rc == NGX_AGAIN) {
        r->main->count++;
        return NGX_DONE;
    }

    return ngx_tecken_download_done(ctx, rc);
}


static void
ngx_tecken_download_args(ngx_tecken_download_ctx_t *ctx)
{
    tk_str_t             value;
    ngx_http_request_t  *r;

    r = ctx->request;

    if (r->args.len == 0) {
        return;
    }

    if (tk_query_find(r->args.data, r->args.len, "try", &value)) {
        ctx->symbol.try = 1;
    }

    if (tk_query_find(r->args.data, r->args.len, "_refresh", &value)) {
        ctx->refresh = 1;
    }
}


ngx_int_t
ngx_tecken_download_done(ngx_tecken_download_ctx_t *ctx, ngx_int_t rc)
{
    const char                       *text;
    ngx_http_request_t               *r;
    ngx_tecken_download_main_conf_t  *dmcf;

    r = ctx->request;

    dmcf = ngx_http_get_module_main_conf(r, ngx_tecken_download_module);

    ctx->looked_up = 1;
    ctx->usec = ngx_tecken_usec() - ctx->started;

    ngx_tecken_metrics_observe(&dmcf->time, ctx->usec);

    switch (rc) {

    case NGX_OK:
        ngx_tecken_download_count(r, NGX_TECKEN_DOWNLOAD_FOUND);
        return ngx_tecken_download_found(ctx);

    case NGX_DECLINED:

        if (r->method == NGX_HTTP_GET) {
            rc = ngx_tecken_download_missing(ctx, &text);

            if (rc != NGX_OK) {
                ngx_tecken_download_count(r, NGX_TECKEN_DOWNLOAD_INVALID);
                return ngx_tecken_download_text(r, rc, text);
            }
        }

        ngx_tecken_download_count(r, NGX_TECKEN_DOWNLOAD_MISSING);
        return ngx_tecken_download_text(r, NGX_HTTP_NOT_FOUND,
                                        "Symbol Not Found");

    case NGX_BUSY:
        ngx_tecken_download_count(r, NGX_TECKEN_DOWNLOAD_FAILED);
        return ngx_tecken_download_failed(r);

    default: /* NGX_ERROR */
        ngx_tecken_download_count(r, NGX_TECKEN_DOWNLOAD_FAILED);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}
