
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_symbolicate.h>


/*
 * What every answer of such a location has, whoever makes it: CORS headers;
 * and errors in Eliot's form, also those that nginx answers by itself (413,
 * 400, 500, limits).
 */


static ngx_int_t ngx_tecken_symbolicate_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_tecken_symbolicate_replace(ngx_http_request_t *r,
    ngx_tecken_symbolicate_ctx_t *ctx);
static ngx_int_t ngx_tecken_symbolicate_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);


typedef struct {
    ngx_uint_t    status;
    const char   *title;
} ngx_tecken_symbolicate_title_t;


/* as Falcon has them */

static const ngx_tecken_symbolicate_title_t  ngx_tecken_symbolicate_titles[] = {
    { NGX_HTTP_BAD_REQUEST, "400 Bad Request" },
    { NGX_HTTP_UNAUTHORIZED, "401 Unauthorized" },
    { NGX_HTTP_FORBIDDEN, "403 Forbidden" },
    { NGX_HTTP_NOT_FOUND, "404 Not Found" },
    { NGX_HTTP_NOT_ALLOWED, "405 Method Not Allowed" },
    { NGX_HTTP_REQUEST_TIME_OUT, "408 Request Timeout" },
    { NGX_HTTP_LENGTH_REQUIRED, "411 Length Required" },
    { NGX_HTTP_REQUEST_ENTITY_TOO_LARGE, "413 Content Too Large" },
    { NGX_HTTP_REQUEST_URI_TOO_LARGE, "414 URI Too Long" },
    { NGX_HTTP_TOO_MANY_REQUESTS, "429 Too Many Requests" },
    { NGX_HTTP_INTERNAL_SERVER_ERROR, "500 Internal Server Error" },
    { NGX_HTTP_SERVICE_UNAVAILABLE, "503 Service Unavailable" },
    { 0, NULL }
};


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


ngx_int_t
ngx_tecken_symbolicate_filter_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_tecken_symbolicate_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_tecken_symbolicate_body_filter;

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_symbolicate_header_filter(ngx_http_request_t *r)
{
    ngx_str_t                           value;
    ngx_tecken_symbolicate_ctx_t       *ctx;
    ngx_tecken_symbolicate_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_tecken_symbolicate_module);

    if (!slcf->enable || r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    if (ngx_tecken_symbolicate_header_in(r, "origin", 6)) {

        ngx_str_set(&value, "*");

        if (ngx_tecken_add_header(r, "Access-Control-Allow-Origin", &value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_str_set(&value, "accept, accept-encoding, authorization, "
                            "content-type, dnt, origin, user-agent, "
                            "x-csrftoken, x-requested-with");

        if (ngx_tecken_add_header(r, "Access-Control-Expose-Headers", &value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ctx = ngx_http_get_module_ctx(r, ngx_tecken_symbolicate_module);

    if (r->err_status >= NGX_HTTP_BAD_REQUEST
        && (ctx == NULL || !ctx->answered)
        && ngx_tecken_symbolicate_replace(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


/* nginx has an error of its own */

static ngx_int_t
ngx_tecken_symbolicate_replace(ngx_http_request_t *r,
    ngx_tecken_symbolicate_ctx_t *ctx)
{
    u_char                                *p;
    ngx_str_t                              value;
    ngx_tecken_symbolicate_loc_conf_t     *slcf;
    const ngx_tecken_symbolicate_title_t  *t;

    for (t = ngx_tecken_symbolicate_titles; t->status; t++) {
        if (t->status == r->err_status) {
            break;
        }
    }

    if (t->status == 0) {
        return NGX_OK;
    }

    if (ctx == NULL) {
        ctx = ngx_pcalloc(r->pool, sizeof(ngx_tecken_symbolicate_ctx_t));
        if (ctx == NULL) {
            return NGX_ERROR;
        }

        ngx_http_set_ctx(r, ctx, ngx_tecken_symbolicate_module);
    }

    slcf = ngx_http_get_module_loc_conf(r, ngx_tecken_symbolicate_module);

    p = ngx_pnalloc(r->pool, sizeof("{\"title\": \"\", \"description\": "
                                    "\"please limit the size of the request "
                                    "to <= bytes\"}")
                             + ngx_strlen(t->title) + NGX_SIZE_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx->error.data = p;

    p = ngx_sprintf(p, "{\"title\": \"%s\"", t->title);

    if (t->status == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE) {
        p = ngx_sprintf(p, ", \"description\": \"please limit the size of the "
                           "request to <= %uz bytes\"", slcf->body_size);
    }

    *p++ = '}';

    ctx->error.len = p - ctx->error.data;
    ctx->answered = 1;

    ngx_str_set(&value, "Accept");

    if (ngx_tecken_add_header(r, "Vary", &value) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_clear_content_length(r);
    r->headers_out.content_length_n = ctx->error.len;

    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_symbolicate_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t                     *b;
    ngx_chain_t                    out;
    ngx_tecken_symbolicate_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_tecken_symbolicate_module);

    if (in == NULL || ctx == NULL || ctx->error.len == 0) {
        return ngx_http_next_body_filter(r, in);
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = ctx->error.data;
    b->last = b->pos + ctx->error.len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    /* nginx gives the whole of its text at once */
    ctx->error.len = 0;

    out.buf = b;
    out.next = NULL;

    return ngx_http_next_body_filter(r, &out);
}
