
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_download.h>

#include <tk_json.h>
#include <tk_uri.h>


#define NGX_TECKEN_MISSING_MAX_CHARS  150
#define NGX_TECKEN_MISSING_MAX_TEXT   1024


typedef struct {
    ngx_str_t  debug_file;
    ngx_str_t  debug_id;
    ngx_str_t  file;
    ngx_str_t  code_file;
    ngx_str_t  code_id;
} ngx_tecken_missing_t;


static ngx_int_t ngx_tecken_download_arg(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);
static ngx_uint_t ngx_tecken_download_recordable(ngx_tecken_missing_t *m);
static void ngx_tecken_download_record(ngx_http_request_t *r,
    ngx_tecken_missing_t *m);


/* tecken/download/views.py:160-231 and utils.py:16-65 of 2020 */

ngx_int_t
ngx_tecken_download_missing(ngx_tecken_download_ctx_t *ctx, const char **text)
{
    ngx_http_request_t    *r;
    ngx_tecken_missing_t   m;

    r = ctx->request;

    ngx_tecken_str_set(&m.debug_file, &ctx->symbol.debug_file);
    ngx_tecken_str_set(&m.debug_id, &ctx->symbol.debug_id);
    ngx_tecken_str_set(&m.file, &ctx->symbol.file);

    if (ngx_tecken_download_arg(r, "code_file", &m.code_file) != NGX_OK
        || ngx_tecken_download_arg(r, "code_id", &m.code_id) != NGX_OK)
    {
        *text = "out of memory";
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_strlchr(m.code_file.data, m.code_file.data + m.code_file.len,
                    '\0'))
    {
        *text = "code_file: Null characters are not allowed.";
        return NGX_HTTP_BAD_REQUEST;
    }

    if (ngx_strlchr(m.code_id.data, m.code_id.data + m.code_id.len, '\0')) {
        *text = "code_id: Null characters are not allowed.";
        return NGX_HTTP_BAD_REQUEST;
    }

    if (ngx_tecken_download_recordable(&m)) {
        ngx_tecken_download_record(r, &m);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_download_arg(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    u_char    *p, *last;
    tk_str_t   arg;

    ngx_str_null(value);

    if (!tk_query_find(r->args.data, r->args.len, name, &arg)
        || arg.len == 0)
    {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, arg.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    last = p + tk_uri_decode(p, arg.data, arg.len, TK_URI_PLUS);

    /* a form field of Django's is stripped */

    while (p < last && (*p == ' ' || (*p >= '\t' && *p <= '\r'))) {
        p++;
    }

    while (p < last && (last[-1] == ' '
                        || (last[-1] >= '\t' && last[-1] <= '\r')))
    {
        last--;
    }

    value->data = p;
    value->len = last - p;

    return NGX_OK;
}


static ngx_uint_t
ngx_tecken_download_recordable(ngx_tecken_missing_t *m)
{
    ngx_str_t   *s;
    ngx_uint_t   i;

    s = &m->debug_file;

    for (i = 0; i < sizeof(ngx_tecken_missing_t) / sizeof(ngx_str_t); i++) {

        if (s[i].len > NGX_TECKEN_MISSING_MAX_CHARS
            && ngx_utf8_length(s[i].data, s[i].len)
               > NGX_TECKEN_MISSING_MAX_CHARS)
        {
            return 0;
        }
    }

    return 1;
}


/* counted and logged; where misses are stored, they are stored from here */

static void
ngx_tecken_download_record(ngx_http_request_t *r, ngx_tecken_missing_t *m)
{
    size_t                            len[4];
    u_char                            text[4][NGX_TECKEN_MISSING_MAX_TEXT];
    ngx_str_t                        *field[4];
    ngx_uint_t                        i;
    ngx_tecken_download_main_conf_t  *dmcf;

    dmcf = ngx_http_get_module_main_conf(r, ngx_tecken_download_module);

    ngx_tecken_metrics_count(&dmcf->not_found, 1);

    if (r->connection->log->log_level < NGX_LOG_NOTICE) {
        return;
    }

    field[0] = &m->debug_file;
    field[1] = &m->debug_id;
    field[2] = &m->code_file;
    field[3] = &m->code_id;

    for (i = 0; i < 4; i++) {
        len[i] = tk_log_escape(text[i], NGX_TECKEN_MISSING_MAX_TEXT,
                               field[i]->data, field[i]->len);
    }

    ngx_log_error(NGX_LOG_NOTICE, r->connection->log, 0,
                  "missing symbol: debug_file \"%*s\", debug_id \"%*s\", "
                  "code_file \"%*s\", code_id \"%*s\"",
                  len[0], text[0], len[1], text[1], len[2], text[2],
                  len[3], text[3]);
}
