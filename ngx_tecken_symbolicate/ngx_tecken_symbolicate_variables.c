
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_symbolicate.h>


typedef enum {
    NGX_TECKEN_SYMBOLICATE_V_VERSION = 0,
    NGX_TECKEN_SYMBOLICATE_V_JOBS,
    NGX_TECKEN_SYMBOLICATE_V_STACKS,
    NGX_TECKEN_SYMBOLICATE_V_FRAMES,
    NGX_TECKEN_SYMBOLICATE_V_FOUND,
    NGX_TECKEN_SYMBOLICATE_V_MISSING,
    NGX_TECKEN_SYMBOLICATE_V_TIME
} ngx_tecken_symbolicate_variable_e;


static ngx_int_t ngx_tecken_symbolicate_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


static ngx_http_variable_t  ngx_tecken_symbolicate_variables[] = {

    { ngx_string("tecken_symbolicate_version"), NULL,
      ngx_tecken_symbolicate_variable, NGX_TECKEN_SYMBOLICATE_V_VERSION,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("tecken_symbolicate_jobs"), NULL,
      ngx_tecken_symbolicate_variable, NGX_TECKEN_SYMBOLICATE_V_JOBS,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("tecken_symbolicate_stacks"), NULL,
      ngx_tecken_symbolicate_variable, NGX_TECKEN_SYMBOLICATE_V_STACKS,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("tecken_symbolicate_frames"), NULL,
      ngx_tecken_symbolicate_variable, NGX_TECKEN_SYMBOLICATE_V_FRAMES,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("tecken_symbolicate_modules_found"), NULL,
      ngx_tecken_symbolicate_variable, NGX_TECKEN_SYMBOLICATE_V_FOUND,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("tecken_symbolicate_modules_missing"), NULL,
      ngx_tecken_symbolicate_variable, NGX_TECKEN_SYMBOLICATE_V_MISSING,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("tecken_symbolicate_time"), NULL,
      ngx_tecken_symbolicate_variable, NGX_TECKEN_SYMBOLICATE_V_TIME,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_tecken_symbolicate_add_variables(ngx_conf_t *cf)
{
    return ngx_tecken_add_variables(cf, ngx_tecken_symbolicate_variables);
}


static ngx_int_t
ngx_tecken_symbolicate_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                        *p;
    ngx_tecken_symbolicate_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_tecken_symbolicate_module);

    /* what is not known is not there: no counts of an invalid request */

    if (ctx == NULL || ctx->version == 0
        || (data == NGX_TECKEN_SYMBOLICATE_V_TIME && !ctx->finished)
        || (data != NGX_TECKEN_SYMBOLICATE_V_TIME
            && data != NGX_TECKEN_SYMBOLICATE_V_VERSION && !ctx->counted))
    {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN + sizeof(".000000"));
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->data = p;

    switch (data) {

    case NGX_TECKEN_SYMBOLICATE_V_VERSION:
        p = ngx_sprintf(p, "v%ui", ctx->version);
        break;

    case NGX_TECKEN_SYMBOLICATE_V_JOBS:
        p = ngx_sprintf(p, "%ui", ctx->njobs);
        break;

    case NGX_TECKEN_SYMBOLICATE_V_STACKS:
        p = ngx_sprintf(p, "%ui", ctx->nstacks);
        break;

    case NGX_TECKEN_SYMBOLICATE_V_FRAMES:
        p = ngx_sprintf(p, "%ui", ctx->nframes);
        break;

    case NGX_TECKEN_SYMBOLICATE_V_FOUND:
        p = ngx_sprintf(p, "%ui", ctx->found);
        break;

    case NGX_TECKEN_SYMBOLICATE_V_MISSING:
        p = ngx_sprintf(p, "%ui", ctx->missing);
        break;

    default: /* NGX_TECKEN_SYMBOLICATE_V_TIME, seconds */
        p = ngx_sprintf(p, "%uL.%06uL", ctx->usec / 1000000,
                        ctx->usec % 1000000);
    }

    v->len = p - v->data;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}
