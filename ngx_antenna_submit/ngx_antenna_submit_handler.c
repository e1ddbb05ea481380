
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_submit.h>


static ngx_uint_t ngx_antenna_submit_path(ngx_http_request_t *r);
static tk_malformed_e ngx_antenna_submit_headers(
    ngx_antenna_submit_ctx_t *ctx, tk_str_t *boundary);
static tk_malformed_e ngx_antenna_submit_duplicates(ngx_http_request_t *r,
    ngx_str_t *encoding);
static ngx_uint_t ngx_antenna_submit_header(ngx_table_elt_t *h,
    const char *name, size_t len);
static tk_malformed_e ngx_antenna_submit_form(ngx_antenna_submit_ctx_t *ctx,
    tk_str_t *boundary);
static void ngx_antenna_submit_cleanup(void *data);


ngx_int_t
ngx_antenna_submit_handler(ngx_http_request_t *r)
{
    tk_str_t                         boundary;
    ngx_int_t                        rc;
    tk_malformed_e                   malformed;
    ngx_pool_cleanup_t              *cln;
    ngx_antenna_submit_ctx_t        *ctx;
    ngx_antenna_submit_main_conf_t  *amcf;

    if (r != r->main) {

        /* the body is the main request's, which needs it itself */

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "a crash report is no subrequest: no \"mirror\" and no "
                      "include may lead to antenna_submit");

        return NGX_HTTP_FORBIDDEN;
    }

    if (!ngx_antenna_submit_path(r)) {
        return ngx_antenna_answer_not_found(r);
    }

    if (r->method == NGX_HTTP_OPTIONS) {
        return ngx_antenna_answer_options(r);
    }

    if (r->method != NGX_HTTP_POST) {
        return ngx_antenna_answer_method(r);
    }

    /* variables are asked for when the log is written, after r->cleanup */

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_antenna_submit_ctx_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_antenna_submit_ctx_t));

    cln->handler = ngx_antenna_submit_cleanup;

    ngx_http_set_ctx(r, ctx, ngx_antenna_submit_module);

    ctx->request = r;
    ctx->started = ngx_tecken_usec();
    ngx_gettimeofday(&ctx->start);

    malformed = ngx_antenna_submit_headers(ctx, &boundary);

    if (malformed == TK_MALFORMED_NONE) {
        malformed = ngx_antenna_submit_form(ctx, &boundary);
    }

    if (malformed != TK_MALFORMED_NONE) {

        /* clients of HTTP/2 do not all read an answer before they are done */

        if (r->http_version < NGX_HTTP_VERSION_20
            || malformed == TK_MALFORMED_NO_CONTENT_LENGTH)
        {
            return ngx_antenna_answer_malformed(ctx, malformed);
        }

        ngx_antenna_crash_refuse(ctx, malformed);
    }

    amcf = ngx_http_get_module_main_conf(r, ngx_antenna_submit_module);

    if (ctx->compressed) {
        ngx_tecken_metrics_count(&amcf->metrics.gzipped, 1);
    }

    /* "mirror" has had it read, and needs it after us */

    ctx->shared = (r->request_body != NULL);

    r->request_body_no_buffering = 1;

    rc = ngx_http_read_client_request_body(r, ngx_antenna_body_init);

    if (rc < NGX_HTTP_SPECIAL_RESPONSE) {
        return NGX_DONE;
    }

    /* nobody knows where the next request begins */

    r->keepalive = 0;

    if (rc == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE) {
        r->lingering_close = 1;
        return ngx_antenna_answer_malformed(ctx, TK_MALFORMED_TOO_LARGE);
    }

    if (rc == NGX_HTTP_BAD_REQUEST && !r->connection->error) {
        r->lingering_close = 1;
        return ngx_antenna_answer_malformed(ctx, TK_MALFORMED_STRUCTURE);
    }

    return rc;
}


/*
 * A location's own name is where crashes go, "/submit" in "location /";
 * in 2018 with a slash behind it, too.
 */

static ngx_uint_t
ngx_antenna_submit_path(ngx_http_request_t *r)
{
    ngx_str_t                       path, uri;
    ngx_http_core_loc_conf_t       *clcf;
    ngx_antenna_submit_loc_conf_t  *alcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    alcf = ngx_http_get_module_loc_conf(r, ngx_antenna_submit_module);

    if (alcf->any_path) {
        return 1;
    }

    path = clcf->name;
    uri = r->uri;

    if (path.len == 1) {
        ngx_str_set(&path, "/submit");
    }

    if (alcf->dialect == NGX_ANTENNA_DIALECT_2018
        && uri.len == path.len + 1 && uri.data[path.len] == '/')
    {
        uri.len--;
    }

    return uri.len == path.len
           && ngx_strncmp(uri.data, path.data, path.len) == 0;
}


/* rows 1 to 6 of the original's checks, but for gzip itself */

static tk_malformed_e
ngx_antenna_submit_headers(ngx_antenna_submit_ctx_t *ctx, tk_str_t *boundary)
{
    tk_str_t                        type;
    ngx_str_t                       encoding;
    tk_malformed_e                  malformed, bad;
    ngx_http_request_t             *r;
    ngx_antenna_submit_loc_conf_t  *alcf;

    r = ctx->request;
    alcf = ngx_http_get_module_loc_conf(r, ngx_antenna_submit_module);

    ngx_str_null(&encoding);

    malformed = ngx_antenna_submit_duplicates(r, &encoding);

    if (malformed != TK_MALFORMED_NONE) {
        return malformed;
    }

    ctx->compressed = (encoding.len == 4
                       && ngx_strncasecmp(encoding.data, (u_char *) "gzip", 4)
                          == 0)
                      || (encoding.len == 6
                          && ngx_strncasecmp(encoding.data,
                                             (u_char *) "x-gzip", 6)
                             == 0);

    if (r->headers_in.content_type == NULL) {
        return TK_MALFORMED_NO_CONTENT_TYPE;
    }

    type.data = r->headers_in.content_type->value.data;
    type.len = r->headers_in.content_type->value.len;

    bad = tk_form_boundary(boundary, ctx->boundary, &type,
                           alcf->dialect == NGX_ANTENNA_DIALECT_2018,
                           !alcf->strict);

    if (bad != TK_MALFORMED_NONE && bad != TK_MALFORMED_BAD_BOUNDARY) {
        return bad;
    }

    /* without a length a form may come in chunks, or in frames of HTTP/2 */

    if (r->headers_in.content_length_n == 0
        || (r->headers_in.content_length_n == -1
            && !r->headers_in.chunked
            && r->http_version < NGX_HTTP_VERSION_20))
    {
        return TK_MALFORMED_NO_CONTENT_LENGTH;
    }

    return bad;
}


static tk_malformed_e
ngx_antenna_submit_duplicates(ngx_http_request_t *r, ngx_str_t *encoding)
{
    ngx_uint_t        i, types, encodings, authorizations;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    types = 0;
    encodings = 0;
    authorizations = 0;

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (ngx_antenna_submit_header(&h[i], "content-type", 12)) {
            types++;

        } else if (ngx_antenna_submit_header(&h[i], "authorization", 13)) {
            authorizations++;

        } else if (ngx_antenna_submit_header(&h[i], "content-encoding", 16)) {
            encodings++;
            *encoding = h[i].value;
        }
    }

    if (types > 1 || encodings > 1 || authorizations > 1) {
        return TK_MALFORMED_DUPLICATE;
    }

    return TK_MALFORMED_NONE;
}


static ngx_uint_t
ngx_antenna_submit_header(ngx_table_elt_t *h, const char *name, size_t len)
{
    return h->key.len == len
           && ngx_strncasecmp(h->key.data, (u_char *) name, len) == 0;
}


static tk_malformed_e
ngx_antenna_submit_form(ngx_antenna_submit_ctx_t *ctx, tk_str_t *boundary)
{
    tk_crash_conf_t                 form;
    tk_malformed_e                  malformed;
    ngx_antenna_submit_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(ctx->request,
                                        ngx_antenna_submit_module);

    form = alcf->form;
    form.form.boundary = *boundary;

    malformed = tk_crash_form_init(&ctx->form, &form);

    if (malformed != TK_MALFORMED_NONE) {
        return malformed;
    }

    ctx->has_form = 1;

    if (ctx->compressed) {
        ctx->inflate = tk_inflate_create(alcf->inflated_size);

        if (ctx->inflate == NULL) {
            return TK_MALFORMED_NO_MEMORY;
        }
    }

    return TK_MALFORMED_NONE;
}


static void
ngx_antenna_submit_cleanup(void *data)
{
    ngx_antenna_submit_ctx_t  *ctx = data;

    ngx_antenna_body_cleanup(ctx);

    if (ctx->hold.timer_set) {
        ngx_del_timer(&ctx->hold);
    }

    ngx_antenna_raw_free(ctx);
    ngx_antenna_look_free(&ctx->judge);

    if (ctx->record) {
        ngx_antenna_record_destroy(ctx->record);
    }

    if (ctx->inflate) {
        tk_inflate_destroy(ctx->inflate);
    }

    if (ctx->has_form) {
        ngx_antenna_work_free(ctx);
        tk_crash_form_free(&ctx->form);
    }

    if (ctx->rest) {
        ngx_free(ctx->rest);
    }

    if (ctx->load) {
        ngx_free(ctx->load);
    }
}
