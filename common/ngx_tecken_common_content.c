
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_common.h>


#define NGX_TECKEN_DOCKERFLOW_VERSION      0
#define NGX_TECKEN_DOCKERFLOW_HEARTBEAT    1
#define NGX_TECKEN_DOCKERFLOW_LBHEARTBEAT  2
#define NGX_TECKEN_DOCKERFLOW_BROKEN       3


static ngx_int_t ngx_tecken_metrics_content(ngx_http_request_t *r);
static ngx_int_t ngx_tecken_dockerflow_content(ngx_http_request_t *r);


static ngx_conf_enum_t  ngx_tecken_dockerflow_names[] = {
    { ngx_string("version"), NGX_TECKEN_DOCKERFLOW_VERSION },
    { ngx_string("heartbeat"), NGX_TECKEN_DOCKERFLOW_HEARTBEAT },
    { ngx_string("lbheartbeat"), NGX_TECKEN_DOCKERFLOW_LBHEARTBEAT },
    { ngx_string("broken"), NGX_TECKEN_DOCKERFLOW_BROKEN },
    { ngx_null_string, 0 }
};


char *
ngx_tecken_conf_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_main_conf_t    *tmcf;
    ngx_http_core_loc_conf_t  *clcf;

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);
    tmcf->used = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler == ngx_tecken_metrics_content) {
        return "is duplicate";
    }

    if (clcf->handler) {
        return "conflicts with another handler of the location";
    }

    clcf->handler = ngx_tecken_metrics_content;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_tecken_metrics_content(ngx_http_request_t *r)
{
    ngx_tecken_main_conf_t  *tmcf;

    tmcf = ngx_http_get_module_main_conf(r, ngx_tecken_common_module);

    return ngx_tecken_metrics_handler(r, tmcf->metrics);
}


char *
ngx_tecken_conf_dockerflow(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_loc_conf_t *tlcf = conf;

    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_tecken_main_conf_t    *tmcf;
    ngx_http_core_loc_conf_t  *clcf;

    if (tlcf->dockerflow != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 0; ngx_tecken_dockerflow_names[i].name.len; i++) {
        if (ngx_strcmp(value[1].data,
                       ngx_tecken_dockerflow_names[i].name.data)
            == 0)
        {
            tlcf->dockerflow = ngx_tecken_dockerflow_names[i].value;
        }
    }

    if (tlcf->dockerflow == NGX_CONF_UNSET_UINT) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", it is to be \"version\", "
                           "\"heartbeat\", \"lbheartbeat\" or \"broken\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    if (tlcf->dockerflow == NGX_TECKEN_DOCKERFLOW_VERSION) {

        if (cf->args->nelts == 3) {
            tlcf->version = value[2];

        } else {
            ngx_str_set(&tlcf->version, "version.json");
        }

        if (ngx_conf_full_name(cf->cycle, &tlcf->version, 1) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

    } else if (cf->args->nelts == 3) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\"",
                           &value[2]);
        return NGX_CONF_ERROR;
    }

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);
    tmcf->used = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "conflicts with another handler of the location";
    }

    clcf->handler = ngx_tecken_dockerflow_content;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_tecken_dockerflow_content(ngx_http_request_t *r)
{
    ngx_tecken_loc_conf_t   *tlcf;
    ngx_tecken_main_conf_t  *tmcf;

    tlcf = ngx_http_get_module_loc_conf(r, ngx_tecken_common_module);

    switch (tlcf->dockerflow) {

    case NGX_TECKEN_DOCKERFLOW_VERSION:
        return ngx_tecken_dockerflow_version(r, &tlcf->version);

    case NGX_TECKEN_DOCKERFLOW_HEARTBEAT:
        tmcf = ngx_http_get_module_main_conf(r, ngx_tecken_common_module);
        return ngx_tecken_dockerflow_heartbeat(r, tmcf->heartbeat);

    case NGX_TECKEN_DOCKERFLOW_LBHEARTBEAT:
        return ngx_tecken_dockerflow_lbheartbeat(r);

    default: /* NGX_TECKEN_DOCKERFLOW_BROKEN */
        return ngx_tecken_dockerflow_broken(r);
    }
}
