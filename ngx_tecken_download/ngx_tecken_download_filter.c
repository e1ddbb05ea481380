
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_download.h>


/*
 * The headers that every answer of a download location has, whoever makes
 * it: this module, nginx (400, 413, 500) or a proxied source.
 */


static ngx_int_t ngx_tecken_download_header_filter(ngx_http_request_t *r);
static ngx_uint_t ngx_tecken_download_unlocated(ngx_http_request_t *r,
    ngx_tecken_download_loc_conf_t *dlcf);
static ngx_table_elt_t *ngx_tecken_download_find(ngx_http_request_t *r,
    const ngx_str_t *name);
static void ngx_tecken_download_drop(ngx_http_request_t *r,
    const ngx_str_t *name);
static ngx_int_t ngx_tecken_download_proxied(ngx_http_request_t *r,
    ngx_tecken_download_ctx_t *ctx);
static ngx_int_t ngx_tecken_download_add(ngx_http_request_t *r,
    const ngx_table_elt_t *header);
static ngx_int_t ngx_tecken_download_debug_time(ngx_http_request_t *r,
    ngx_tecken_download_ctx_t *ctx);


/* tecken/libdockerflow and decorators.py of 2020, to the letter */

static const ngx_table_elt_t  ngx_tecken_download_cors[] = {

    { .hash = 1,
      .key = ngx_string("Access-Control-Allow-Origin"),
      .value = ngx_string("*") },

    { .hash = 1,
      .key = ngx_string("Access-Control-Allow-Methods"),
      .value = ngx_string("GET") },

    { .hash = 1,
      .key = ngx_string("Access-Control-Allow-Headers"),
      .value = ngx_string("accept,accept-encoding,authorization,content-type,"
                          "dnt,origin,user-agent,x-csrftoken,"
                          "x-requested-with") }
};


static const ngx_str_t  ngx_tecken_download_content_encoding =
    ngx_string("Content-Encoding");
static const ngx_str_t  ngx_tecken_download_cache_control =
    ngx_string("Cache-Control");
static const ngx_str_t  ngx_tecken_download_debug = ngx_string("Debug-Time");


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;


ngx_int_t
ngx_tecken_download_filter_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_tecken_download_header_filter;

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_download_header_filter(ngx_http_request_t *r)
{
    ngx_uint_t                       i;
    ngx_tecken_download_ctx_t       *ctx;
    ngx_tecken_download_loc_conf_t  *dlcf;

    if (r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    dlcf = ngx_http_get_module_loc_conf(r, ngx_tecken_download_module);
    ctx = ngx_tecken_download_get_ctx(r);

    if (!dlcf->enable && ctx == NULL
        && !ngx_tecken_download_unlocated(r, dlcf))
    {
        return ngx_http_next_header_filter(r);
    }

    /* a bucket may have rules of its own */

    if (ngx_tecken_download_find(r, &ngx_tecken_download_cors[0].key) == NULL) {

        for (i = 0; i < 3; i++) {
            if (ngx_tecken_download_add(r, &ngx_tecken_download_cors[i])
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    if (ctx == NULL) {
        return ngx_http_next_header_filter(r);
    }

    if (ctx->filtered) {

        /* a later filter has made an error of it: a range that is not there */

        ngx_tecken_download_drop(r, &ngx_tecken_download_content_encoding);
        ngx_tecken_download_drop(r, &ngx_tecken_download_cache_control);
        r->headers_out.content_encoding = NULL;
    }

    ctx->filtered = 1;

    if (ctx->cache_control.len && r->upstream) {
        if (ngx_tecken_download_proxied(r, ctx) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ctx->debug
        && ngx_tecken_download_find(r, &ngx_tecken_download_debug) == NULL)
    {
        if (ngx_tecken_download_debug_time(r, ctx) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_http_next_header_filter(r);
}


/* nginx refuses a bad request, "%00" for one, before it looks for a location:
 * the server's configuration is all there is */

static ngx_uint_t
ngx_tecken_download_unlocated(ngx_http_request_t *r,
    ngx_tecken_download_loc_conf_t *dlcf)
{
    return dlcf->server && !r->valid_location && r->phase_handler == 0;
}


static ngx_table_elt_t *
ngx_tecken_download_find(ngx_http_request_t *r, const ngx_str_t *name)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_out.headers.part; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash && h[i].key.len == name->len
                && ngx_strncasecmp(h[i].key.data, name->data, name->len) == 0)
            {
                return &h[i];
            }
        }
    }

    return NULL;
}


static void
ngx_tecken_download_drop(ngx_http_request_t *r, const ngx_str_t *name)
{
    ngx_table_elt_t  *h;

    while ((h = ngx_tecken_download_find(r, name))) {
        h->hash = 0;
    }
}


/* what the directive says goes before what the object was stored with */

static ngx_int_t
ngx_tecken_download_proxied(ngx_http_request_t *r,
    ngx_tecken_download_ctx_t *ctx)
{
    if (r->headers_out.status != NGX_HTTP_OK
        && r->headers_out.status != NGX_HTTP_PARTIAL_CONTENT
        && r->headers_out.status != NGX_HTTP_NOT_MODIFIED)
    {
        return NGX_OK;
    }

    ngx_tecken_download_drop(r, &ngx_tecken_download_cache_control);

    return ngx_tecken_add_header(r, "Cache-Control", &ctx->cache_control);
}


static ngx_int_t
ngx_tecken_download_add(ngx_http_request_t *r, const ngx_table_elt_t *header)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = *header;

    return NGX_OK;
}


/* seconds, as Python prints a float: "0.0" for what needed no lookup */

static ngx_int_t
ngx_tecken_download_debug_time(ngx_http_request_t *r,
    ngx_tecken_download_ctx_t *ctx)
{
    u_char     *p;
    ngx_str_t   value;

    value.data = ngx_pnalloc(r->pool, NGX_INT64_LEN + sizeof(".000000"));
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(value.data, "%uL.%06uL", ctx->usec / 1000000,
                    ctx->usec % 1000000);

    while (p[-1] == '0' && p[-2] != '.') {
        p--;
    }

    value.len = p - value.data;

    return ngx_tecken_add_header(r, "Debug-Time", &value);
}
