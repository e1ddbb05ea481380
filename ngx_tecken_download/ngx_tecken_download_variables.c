
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_download.h>


static ngx_int_t ngx_tecken_download_string(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_tecken_download_source(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_tecken_download_cache(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_tecken_download_time(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


static ngx_http_variable_t  ngx_tecken_download_variables[] = {

    { ngx_string("tecken_debug_file"), NULL, ngx_tecken_download_string,
      offsetof(ngx_tecken_download_ctx_t, symbol.debug_file),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("tecken_debug_id"), NULL, ngx_tecken_download_string,
      offsetof(ngx_tecken_download_ctx_t, symbol.debug_id),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("tecken_file"), NULL, ngx_tecken_download_string,
      offsetof(ngx_tecken_download_ctx_t, symbol.file),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("tecken_key"), NULL, ngx_tecken_download_string,
      offsetof(ngx_tecken_download_ctx_t, key),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("tecken_url"), NULL, ngx_tecken_download_string,
      offsetof(ngx_tecken_download_ctx_t, url),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("tecken_source"), NULL, ngx_tecken_download_source, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("tecken_cache"), NULL, ngx_tecken_download_cache, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("tecken_lookup_time"), NULL, ngx_tecken_download_time, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_tecken_download_add_variables(ngx_conf_t *cf)
{
    return ngx_tecken_add_variables(cf, ngx_tecken_download_variables);
}


static ngx_int_t
ngx_tecken_download_string(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                   s;
    ngx_tecken_download_ctx_t  *ctx;

    ctx = ngx_tecken_download_get_ctx(r);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    /* a ngx_str_t, or a tk_str_t of the same layout */

    ngx_memcpy(&s, (u_char *) ctx + data, sizeof(ngx_str_t));

    if (s.data == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = s.data;
    v->len = s.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


/* the storage that answered */

static ngx_int_t
ngx_tecken_download_source(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_tecken_download_ctx_t  *ctx;

    ctx = ngx_tecken_download_get_ctx(r);

    if (ctx == NULL || ctx->source == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = ctx->source->name.data;
    v->len = ctx->source->name.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


/* HIT: no source was asked; MISS; BYPASS: ?_refresh */

static ngx_int_t
ngx_tecken_download_cache(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                   s;
    ngx_tecken_download_ctx_t  *ctx;

    ctx = ngx_tecken_download_get_ctx(r);

    if (ctx == NULL || !ctx->looked_up) {
        v->not_found = 1;
        return NGX_OK;
    }

    if (ctx->refresh) {
        ngx_str_set(&s, "BYPASS");

    } else if (ctx->cached) {
        ngx_str_set(&s, "HIT");

    } else {
        ngx_str_set(&s, "MISS");
    }

    v->data = s.data;
    v->len = s.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


/* seconds with microseconds */

static ngx_int_t
ngx_tecken_download_time(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                     *p;
    ngx_tecken_download_ctx_t  *ctx;

    ctx = ngx_tecken_download_get_ctx(r);

    if (ctx == NULL || !ctx->looked_up) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN + sizeof(".000000"));
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->data = p;
    v->len = ngx_sprintf(p, "%uL.%06uL", ctx->usec / 1000000,
                         ctx->usec % 1000000)
             - p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}
