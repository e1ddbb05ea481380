
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_PROBE_H_INCLUDED_
#define _NGX_TECKEN_PROBE_H_INCLUDED_


/* what probes have in common */


#include <ngx_tecken.h>


/* a number of the query, or value */

static ngx_inline ngx_int_t
ngx_tecken_probe_arg(ngx_http_request_t *r, const char *name, ngx_int_t value)
{
    ngx_int_t  n;
    ngx_str_t  arg;

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &arg) != NGX_OK) {
        return value;
    }

    n = ngx_atoi(arg.data, arg.len);

    return (n == NGX_ERROR) ? value : n;
}


/* 200 with a copy of text */

static ngx_inline ngx_int_t
ngx_tecken_probe_send(ngx_http_request_t *r, u_char *text, size_t len)
{
    ngx_str_t  body;

    static ngx_str_t  type = ngx_string("text/plain");

    body.len = len;
    body.data = ngx_pnalloc(r->pool, len);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memcpy(body.data, text, len);

    return ngx_tecken_send_body(r, NGX_HTTP_OK, &type, &body);
}


/* the probe is the content handler of the location */

static ngx_inline char *
ngx_tecken_probe_handle(ngx_conf_t *cf, ngx_http_handler_pt handler)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = handler;

    return NGX_CONF_OK;
}


#endif /* _NGX_TECKEN_PROBE_H_INCLUDED_ */
