
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_submit.h>


static ngx_int_t ngx_antenna_answer(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_str_t *body);
static ngx_int_t ngx_antenna_answer_post(ngx_antenna_submit_ctx_t *ctx,
    ngx_uint_t status, ngx_str_t *body);
static ngx_int_t ngx_antenna_answer_discarded(ngx_antenna_submit_ctx_t *ctx,
    ngx_uint_t status, const char *prefix, ngx_str_t *reason);
static ngx_int_t ngx_antenna_answer_origin(ngx_http_request_t *r);
static ngx_uint_t ngx_antenna_answer_2018(ngx_http_request_t *r);


static ngx_str_t  ngx_antenna_plain = ngx_string("text/plain");
static ngx_str_t  ngx_antenna_json = ngx_string("application/json");
static ngx_str_t  ngx_antenna_json_2018 =
    ngx_string("application/json; charset=UTF-8");
static ngx_str_t  ngx_antenna_empty = ngx_null_string;
static ngx_str_t  ngx_antenna_discarded = ngx_string("Discarded=1");


ngx_int_t
ngx_antenna_answer_crash_id(ngx_antenna_submit_ctx_t *ctx)
{
    u_char     *p;
    ngx_str_t   body;

    body.len = sizeof("CrashID=bp-\n") - 1 + TK_CRASH_ID;

    p = ngx_pnalloc(ctx->request->pool, body.len);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.data = p;
    (void) ngx_sprintf(p, "CrashID=bp-%*s\n", (size_t) TK_CRASH_ID, ctx->id);

    return ngx_antenna_answer_post(ctx, NGX_HTTP_OK, &body);
}


ngx_int_t
ngx_antenna_answer_rejected(ngx_antenna_submit_ctx_t *ctx)
{
    if (ngx_antenna_answer_2018(ctx->request)) {
        return ngx_antenna_answer_post(ctx, NGX_HTTP_OK,
                                       &ngx_antenna_discarded);
    }

    return ngx_antenna_answer_discarded(ctx, NGX_HTTP_OK, "rule_",
                                        &ctx->rule);
}


ngx_int_t
ngx_antenna_answer_malformed(ngx_antenna_submit_ctx_t *ctx,
    tk_malformed_e reason)
{
    int                              status;
    ngx_str_t                        text;
    ngx_http_request_t              *r;
    ngx_antenna_submit_main_conf_t  *amcf;

    static ngx_str_t  boundary = ngx_string(
        "{\"title\": \"Invalid header value\", \"description\": \"The value "
        "provided for the \\\"Content-Type\\\" header is invalid. The "
        "boundary parameter must consist of 1 to 70 characters\"}");

    r = ctx->request;

    text.data = (u_char *) tk_malformed_reason(reason)->data;
    text.len = tk_malformed_reason(reason)->len;

    ngx_str_set(&ctx->result, "malformed");
    ctx->reason.data = text.data + sizeof("malformed_") - 1;
    ctx->reason.len = text.len - (sizeof("malformed_") - 1);

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "client sent a malformed crash report: %s",
                  tk_malformed_text(reason));

    amcf = ngx_http_get_module_main_conf(r, ngx_antenna_submit_module);
    ngx_antenna_metrics_refused(amcf, reason);

    status = tk_malformed_status(reason);

    if (status == NGX_HTTP_INTERNAL_SERVER_ERROR) {
        return ngx_antenna_answer_post(ctx, status, &ngx_antenna_empty);
    }

    if (reason == TK_MALFORMED_BAD_BOUNDARY) {
        ngx_tecken_metrics_observe(&amcf->metrics.on_post,
                                   ngx_tecken_usec() - ctx->started);
        return ngx_antenna_answer(r, status, &ngx_antenna_json, &boundary);
    }

    if (status == NGX_HTTP_BAD_REQUEST && ngx_antenna_answer_2018(r)) {
        return ngx_antenna_answer_post(ctx, NGX_HTTP_OK,
                                       &ngx_antenna_discarded);
    }

    return ngx_antenna_answer_discarded(ctx, status, "", &text);
}


ngx_int_t
ngx_antenna_answer_unauthorized(ngx_antenna_submit_ctx_t *ctx)
{
    ngx_antenna_submit_main_conf_t  *amcf;

    static ngx_str_t  reason = ngx_string("unauthorized_uuid");

    amcf = ngx_http_get_module_main_conf(ctx->request,
                                         ngx_antenna_submit_module);
    ngx_tecken_metrics_count(&amcf->metrics.unauthorized, 1);

    ngx_str_set(&ctx->result, "unauthorized");

    return ngx_antenna_answer_discarded(ctx, NGX_HTTP_UNAUTHORIZED, "",
                                        &reason);
}


/* it could not be made durable: the spool has logged why */

ngx_int_t
ngx_antenna_answer_failed(ngx_antenna_submit_ctx_t *ctx)
{
    ngx_http_request_t              *r;
    ngx_antenna_submit_main_conf_t  *amcf;

    static ngx_str_t  seconds = ngx_string("30");
    static ngx_str_t  text = ngx_string("The crash cannot be stored now, "
                                        "try again later");

    r = ctx->request;

    amcf = ngx_http_get_module_main_conf(r, ngx_antenna_submit_module);
    ngx_tecken_metrics_count(&amcf->metrics.failed, 1);

    ngx_str_set(&ctx->result, "failed");
    ctx->has_id = 0;

    if (ngx_tecken_add_header(r, "Retry-After", &seconds) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_antenna_answer_post(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, &text);
}


ngx_int_t
ngx_antenna_answer_slow(ngx_antenna_submit_ctx_t *ctx)
{
    static ngx_str_t  text = ngx_string("The crash took too long to arrive");

    ngx_str_set(&ctx->result, "timeout");

    return ngx_antenna_answer_post(ctx, NGX_HTTP_REQUEST_TIME_OUT, &text);
}


static ngx_int_t
ngx_antenna_answer_discarded(ngx_antenna_submit_ctx_t *ctx, ngx_uint_t status,
    const char *prefix, ngx_str_t *reason)
{
    u_char     *p;
    ngx_str_t   body;

    p = ngx_pnalloc(ctx->request->pool, sizeof("Discarded=") - 1
                                        + ngx_strlen(prefix) + reason->len);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.data = p;
    body.len = ngx_sprintf(p, "Discarded=%s%V", prefix, reason) - p;

    return ngx_antenna_answer_post(ctx, status, &body);
}


static ngx_int_t
ngx_antenna_answer_post(ngx_antenna_submit_ctx_t *ctx, ngx_uint_t status,
    ngx_str_t *body)
{
    ngx_antenna_submit_main_conf_t  *amcf;

    amcf = ngx_http_get_module_main_conf(ctx->request,
                                         ngx_antenna_submit_module);

    ngx_tecken_metrics_observe(&amcf->metrics.on_post,
                               ngx_tecken_usec() - ctx->started);

    return ngx_antenna_answer(ctx->request, status, &ngx_antenna_plain, body);
}


ngx_int_t
ngx_antenna_answer_options(ngx_http_request_t *r)
{
    static ngx_str_t  allow = ngx_string("POST");
    static ngx_str_t  methods = ngx_string("POST, OPTIONS");
    static ngx_str_t  headers = ngx_string("Content-Type, Content-Encoding");

    ngx_antenna_submit_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_antenna_submit_module);

    if (ngx_tecken_add_header(r, "Allow", &allow) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (alcf->allow_origin
        && (ngx_tecken_add_header(r, "Access-Control-Allow-Methods", &methods)
            != NGX_OK
            || ngx_tecken_add_header(r, "Access-Control-Allow-Headers",
                                     &headers)
               != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_antenna_answer(r, NGX_HTTP_OK, &ngx_antenna_json,
                              &ngx_antenna_empty);
}


ngx_int_t
ngx_antenna_answer_method(ngx_http_request_t *r)
{
    static ngx_str_t  allow = ngx_string("POST, OPTIONS");
    static ngx_str_t  body = ngx_string(
                                 "{\"title\": \"405 Method Not Allowed\"}");

    if (ngx_tecken_add_header(r, "Allow", &allow) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_antenna_answer_2018(r)) {
        return ngx_antenna_answer(r, NGX_HTTP_NOT_ALLOWED,
                                  &ngx_antenna_json_2018, &ngx_antenna_empty);
    }

    return ngx_antenna_answer(r, NGX_HTTP_NOT_ALLOWED, &ngx_antenna_json,
                              &body);
}


ngx_int_t
ngx_antenna_answer_not_found(ngx_http_request_t *r)
{
    static ngx_str_t  body = ngx_string("{\"title\": \"404 Not Found\"}");

    if (ngx_antenna_answer_2018(r)) {
        return ngx_antenna_answer(r, NGX_HTTP_NOT_FOUND,
                                  &ngx_antenna_json_2018, &ngx_antenna_empty);
    }

    return ngx_antenna_answer(r, NGX_HTTP_NOT_FOUND, &ngx_antenna_json,
                              &body);
}


static ngx_uint_t
ngx_antenna_answer_2018(ngx_http_request_t *r)
{
    ngx_antenna_submit_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_antenna_submit_module);

    return alcf->dialect == NGX_ANTENNA_DIALECT_2018;
}


static ngx_int_t
ngx_antenna_answer(ngx_http_request_t *r, ngx_uint_t status, ngx_str_t *type,
    ngx_str_t *body)
{
    ngx_int_t  rc;

    /* nothing to be done if the body is being read, or was */

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_antenna_answer_origin(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_tecken_send_body(r, status, type, body);
}


static ngx_int_t
ngx_antenna_answer_origin(ngx_http_request_t *r)
{
    ngx_str_t                       value;
    ngx_antenna_submit_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_antenna_submit_module);

    if (alcf->allow_origin == NULL) {
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, alcf->allow_origin, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value.len == 0) {
        return NGX_OK;
    }

    return ngx_tecken_add_header(r, "Access-Control-Allow-Origin", &value);
}
