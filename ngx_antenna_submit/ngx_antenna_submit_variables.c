
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_submit.h>


#define NGX_ANTENNA_PREFIX  (sizeof("antenna_annotation_") - 1)


static ngx_int_t ngx_antenna_variable_string(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_antenna_variable_id(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_antenna_variable_annotation(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_uint_t ngx_antenna_variable_is(const tk_str_t *name, u_char *p,
    size_t len);


static ngx_http_variable_t  ngx_antenna_submit_variables[] = {

    { ngx_string("antenna_crash_id"), NULL, ngx_antenna_variable_id, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("antenna_result"), NULL, ngx_antenna_variable_string,
      offsetof(ngx_antenna_submit_ctx_t, result),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("antenna_rule"), NULL, ngx_antenna_variable_string,
      offsetof(ngx_antenna_submit_ctx_t, rule),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("antenna_malformed"), NULL, ngx_antenna_variable_string,
      offsetof(ngx_antenna_submit_ctx_t, reason),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("antenna_annotation_"), NULL,
      ngx_antenna_variable_annotation, 0,
      NGX_HTTP_VAR_NOCACHEABLE|NGX_HTTP_VAR_PREFIX, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_antenna_submit_add_variables(ngx_conf_t *cf)
{
    return ngx_tecken_add_variables(cf, ngx_antenna_submit_variables);
}


static ngx_int_t
ngx_antenna_variable_string(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                 *s;
    ngx_antenna_submit_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_antenna_submit_module);

    s = ctx ? (ngx_str_t *) ((u_char *) ctx + data) : NULL;

    if (s == NULL || s->data == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = s->data;
    v->len = s->len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


/* what the client was told, or was not to be told */

static ngx_int_t
ngx_antenna_variable_id(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_antenna_submit_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_antenna_submit_module);

    if (ctx == NULL || !ctx->has_id) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = ctx->id;
    v->len = TK_CRASH_ID;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


/* names of variables are in lower case, and have no "-" */

static ngx_int_t
ngx_antenna_variable_annotation(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t *name = (ngx_str_t *) data;

    u_char                         *p;
    size_t                          len;
    uint32_t                        i, n;
    tk_str_t                        value;
    const tk_annotation_t          *a;
    ngx_antenna_submit_ctx_t       *ctx;
    ngx_antenna_submit_loc_conf_t  *alcf;

    ctx = ngx_http_get_module_ctx(r, ngx_antenna_submit_module);

    v->not_found = 1;

    if (ctx == NULL || !ctx->ended || !ctx->has_form) {
        return NGX_OK;
    }

    p = name->data + NGX_ANTENNA_PREFIX;
    len = name->len - NGX_ANTENNA_PREFIX;
    n = tk_annotations_count(ctx->form.annotations);

    for (i = 0; i < n; i++) {
        a = tk_annotations_get(ctx->form.annotations, i);

        if (!ngx_antenna_variable_is(&a->name, p, len)) {
            continue;
        }

        tk_annotation_str(&value, a);

        /* others of nginx take their time with it, and not in a thread */

        alcf = ngx_http_get_module_loc_conf(r, ngx_antenna_submit_module);

        /* PCRE has no matches in NULL, of whatever length */

        v->data = value.len ? (u_char *) value.data : (u_char *) "";
        v->len = (unsigned) ngx_min(value.len, alcf->variable_size);
        v->valid = 1;
        v->no_cacheable = 0;
        v->not_found = 0;

        break;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_antenna_variable_is(const tk_str_t *name, u_char *p, size_t len)
{
    u_char  ch;
    size_t  i;

    if (name->len != len) {
        return 0;
    }

    for (i = 0; i < len; i++) {
        ch = ngx_tolower(name->data[i]);

        if ((ch < 'a' || ch > 'z') && (ch < '0' || ch > '9')) {
            ch = '_';
        }

        if (ch != p[i]) {
            return 0;
        }
    }

    return 1;
}


ngx_int_t
ngx_antenna_annotation(void *data, ngx_str_t *name, ngx_str_t *value)
{
    ngx_antenna_submit_ctx_t *ctx = data;

    tk_str_t                s;
    const tk_annotation_t  *a;

    s.data = name->data;
    s.len = name->len;

    a = tk_annotations_find(ctx->form.annotations, &s);

    if (a == NULL) {
        return NGX_DECLINED;
    }

    tk_annotation_str(&s, a);

    value->data = s.len ? (u_char *) s.data : (u_char *) "";
    value->len = s.len;

    return NGX_OK;
}
