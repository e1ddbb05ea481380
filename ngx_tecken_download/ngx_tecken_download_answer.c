
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_download.h>

#include <tk_json.h>


static ngx_int_t ngx_tecken_download_redirect(ngx_tecken_download_ctx_t *ctx,
    ngx_str_t *url);
static ngx_int_t ngx_tecken_download_proxy(ngx_tecken_download_ctx_t *ctx);
static void ngx_tecken_download_bodiless(ngx_http_request_t *r);
static ngx_int_t ngx_tecken_download_file(ngx_tecken_download_ctx_t *ctx);
static ngx_int_t ngx_tecken_download_file_headers(
    ngx_tecken_download_ctx_t *ctx);
static ngx_int_t ngx_tecken_download_cache_control(ngx_http_request_t *r);


static ngx_str_t  ngx_tecken_download_html =
    ngx_string("text/html; charset=utf-8");
static ngx_str_t  ngx_tecken_download_json_type =
    ngx_string("application/json");
static ngx_str_t  ngx_tecken_download_plain = ngx_string("text/plain");
static ngx_str_t  ngx_tecken_download_octets =
    ngx_string("application/octet-stream");


ngx_int_t
ngx_tecken_download_text(ngx_http_request_t *r, ngx_uint_t status,
    const char *text)
{
    ngx_str_t  body;

    body.len = ngx_strlen(text);
    body.data = (u_char *) text;

    return ngx_tecken_send_body(r, status, &ngx_tecken_download_html, &body);
}


/* {"error": "<error>[ (<detail>): <path>]"[, "path": "<path>"]}, in Django's
 * spacing */

ngx_int_t
ngx_tecken_download_json(ngx_http_request_t *r, ngx_uint_t status,
    const char *error, ngx_str_t *detail, ngx_str_t *path)
{
    size_t      len;
    u_char     *p;
    ngx_str_t   body;

    len = sizeof("{\"error\": \" (): \", \"path\": \"\"}") + ngx_strlen(error);

    if (detail) {
        len += tk_json_escape(NULL, detail->data, detail->len);
    }

    if (path) {
        len += tk_json_escape(NULL, path->data, path->len);
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.data = p;

    p = ngx_sprintf(p, "{\"error\": \"%s", error);

    if (detail) {
        p = ngx_cpymem(p, " (", 2);
        p += tk_json_escape(p, detail->data, detail->len);
        p = ngx_cpymem(p, "): ", 3);

    } else if (path) {
        p = ngx_cpymem(p, "\", \"path\": \"", 12);
    }

    if (path) {
        p += tk_json_escape(p, path->data, path->len);
    }

    p = ngx_cpymem(p, "\"}", 2);

    body.len = p - body.data;

    return ngx_tecken_send_body(r, status, &ngx_tecken_download_json_type,
                                &body);
}


ngx_int_t
ngx_tecken_download_empty(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_str_t  body = ngx_null_string;

    if (status == NGX_HTTP_NO_CONTENT) {
        r->headers_out.status = status;
        r->header_only = 1;

        return ngx_http_send_header(r);
    }

    return ngx_tecken_send_body(r, status, &ngx_tecken_download_html, &body);
}


ngx_int_t
ngx_tecken_download_failed(ngx_http_request_t *r)
{
    ngx_str_t  seconds = ngx_string("5");

    if (ngx_tecken_add_header(r, "Retry-After", &seconds) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_tecken_download_text(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                    "Symbol lookup failed, try again later");
}


ngx_int_t
ngx_tecken_download_found(ngx_tecken_download_ctx_t *ctx)
{
    ngx_str_t                        url;
    ngx_http_request_t              *r;
    ngx_tecken_storage_t            *st;
    ngx_tecken_download_loc_conf_t  *dlcf;

    r = ctx->request;
    st = ctx->source;

    dlcf = ngx_http_get_module_loc_conf(r, ngx_tecken_download_module);

    if (dlcf->mode == NGX_TECKEN_DOWNLOAD_PROXY
        && ngx_tecken_download_is_proxied(st))
    {
        return ngx_tecken_download_proxy(ctx);
    }

    if (ngx_tecken_download_cache_control(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (st->type == NGX_TECKEN_STORAGE_FILE && st->public_url.len == 0) {
        return ngx_tecken_download_file(ctx);
    }

    if (st->type == NGX_TECKEN_STORAGE_FILE || st->public
        || st->public_url.len)
    {
        if (r->method == NGX_HTTP_HEAD) {
            return ngx_tecken_download_empty(r, NGX_HTTP_OK);
        }

        if (ngx_tecken_store_url(st, r->pool, &ctx->key, &url) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_tecken_download_redirect(ctx, &url);
    }

    if (r->method == NGX_HTTP_HEAD) {
        return ngx_tecken_download_empty(r, NGX_HTTP_OK);
    }

    if (ngx_tecken_store_presign(st, r->pool, &ngx_http_core_get_method,
                                 &ctx->key, dlcf->presign_expires, &url)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_tecken_download_redirect(ctx, &url);
}


static ngx_int_t
ngx_tecken_download_redirect(ngx_tecken_download_ctx_t *ctx, ngx_str_t *url)
{
    ngx_table_elt_t     *h;
    ngx_http_request_t  *r;

    r = ctx->request;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    h->hash = 1;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif
    ngx_str_set(&h->key, "Location");
    h->value = *url;
    h->lowcase_key = (u_char *) "location";

    return ngx_tecken_download_empty(r, NGX_HTTP_MOVED_TEMPORARILY);
}


/* nginx's own upstream streams a private object, from $tecken_url */

static ngx_int_t
ngx_tecken_download_proxy(ngx_tecken_download_ctx_t *ctx)
{
    ngx_http_request_t              *r;
    ngx_tecken_download_loc_conf_t  *dlcf;

    r = ctx->request;

    dlcf = ngx_http_get_module_loc_conf(r, ngx_tecken_download_module);

    if (ngx_tecken_store_presign(ctx->source, r->pool, &r->method_name,
                                 &ctx->key, dlcf->presign_expires, &ctx->url)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* for the header filter: the object may be gone by now */

    if (dlcf->cache_control
        && ngx_http_complex_value(r, dlcf->cache_control,
                                  &ctx->cache_control)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_tecken_download_bodiless(r);

    return ngx_http_named_location(r, &dlcf->location);
}


/*
 * The request's body is discarded.  If it has not all come, or came by HTTP/2,
 * its length still stands there: the proxy would announce a body that it does
 * not send, and the source would take the next request for it.
 */

static void
ngx_tecken_download_bodiless(ngx_http_request_t *r)
{
    if (r->discard_body) {

        /* to the reader of the rest it is over, so nothing may follow it */

        r->keepalive = 0;
    }

    if (r->headers_in.content_length_n > 0) {
        r->headers_in.content_length_n = 0;
    }
}


ngx_int_t
ngx_tecken_download_open(ngx_tecken_download_ctx_t *ctx)
{
    ngx_http_request_t        *r;
    ngx_open_file_info_t      *of;
    ngx_http_core_loc_conf_t  *clcf;

    r = ctx->request;
    of = &ctx->of;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    ngx_memzero(of, sizeof(ngx_open_file_info_t));

    of->read_ahead = clcf->read_ahead;
    of->directio = clcf->directio;

    if (ngx_http_set_disable_symlinks(r, clcf, &ctx->file, of) != NGX_OK) {
        return NGX_ERROR;
    }

    /* not from open_file_cache: the metadata is of the file as it is now */

    if (ngx_open_cached_file(NULL, &ctx->file, of, r->pool) == NGX_OK) {
        return of->is_file ? NGX_OK : NGX_DECLINED;
    }

    if (of->err == NGX_ENOENT || of->err == NGX_ENOTDIR) {
        return NGX_DECLINED;
    }

    if (of->err) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, of->err,
                      "%s \"%V\" failed", of->failed, &ctx->file);
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_tecken_download_file(ngx_tecken_download_ctx_t *ctx)
{
    ngx_int_t              rc;
    ngx_log_t             *log;
    ngx_buf_t             *b;
    ngx_chain_t            out;
    ngx_http_request_t    *r;
    ngx_open_file_info_t  *of;

    r = ctx->request;
    of = &ctx->of;
    log = r->connection->log;

    log->action = "sending response to client";

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = of->size;
    r->headers_out.last_modified_time = of->mtime;
    r->allow_ranges = 1;

    if (ngx_http_set_etag(r) != NGX_OK
        || ngx_tecken_download_file_headers(ctx) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->file = ngx_pcalloc(r->pool, sizeof(ngx_file_t));
    if (b->file == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b->file_pos = 0;
    b->file_last = of->size;

    b->in_file = b->file_last ? 1 : 0;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;
    b->sync = (b->last_buf || b->in_file) ? 0 : 1;

    b->file->fd = of->fd;
    b->file->name = ctx->file;
    b->file->log = log;
    b->file->directio = of->is_directio;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static ngx_int_t
ngx_tecken_download_file_headers(ngx_tecken_download_ctx_t *ctx)
{
    tk_str_t             *file;
    ngx_str_t            *type;
    ngx_table_elt_t      *h;
    ngx_http_request_t   *r;
    ngx_tecken_object_t  *o;

    r = ctx->request;
    o = &ctx->object;
    file = &ctx->symbol.file;

    /* what the uploader would have set, tecken/upload/utils.py */

    if (o->content_type.len) {
        type = &o->content_type;

    } else if (file->len > 4
               && ngx_strncasecmp((u_char *) file->data + file->len - 4,
                                  (u_char *) ".sym", 4)
                  == 0)
    {
        type = &ngx_tecken_download_plain;

    } else {
        type = &ngx_tecken_download_octets;
    }

    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;
    r->headers_out.content_type_lowcase = NULL;

    if (o->content_encoding.len == 0) {
        return NGX_OK;
    }

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif
    ngx_str_set(&h->key, "Content-Encoding");
    h->value = o->content_encoding;
    h->lowcase_key = (u_char *) "content-encoding";

    r->headers_out.content_encoding = h;

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_download_cache_control(ngx_http_request_t *r)
{
    ngx_str_t                        value;
    ngx_tecken_download_loc_conf_t  *dlcf;

    dlcf = ngx_http_get_module_loc_conf(r, ngx_tecken_download_module);

    if (dlcf->cache_control == NULL) {
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, dlcf->cache_control, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value.len == 0) {
        return NGX_OK;
    }

    return ngx_tecken_add_header(r, "Cache-Control", &value);
}
