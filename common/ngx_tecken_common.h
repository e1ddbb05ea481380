
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_COMMON_H_INCLUDED_
#define _NGX_TECKEN_COMMON_H_INCLUDED_


#include <ngx_tecken.h>


/* private to the common module */


#define NGX_TECKEN_DOCKERFLOW_VERSION      0
#define NGX_TECKEN_DOCKERFLOW_HEARTBEAT    1
#define NGX_TECKEN_DOCKERFLOW_LBHEARTBEAT  2
#define NGX_TECKEN_DOCKERFLOW_BROKEN       3


/* a heartbeat's check of a storage */
ngx_int_t ngx_tecken_check_add(ngx_conf_t *cf, ngx_tecken_main_conf_t *tmcf,
    ngx_tecken_storage_t *st);

/* what the metrics say of the cache */
ngx_int_t ngx_tecken_gauges_add(ngx_conf_t *cf, ngx_tecken_main_conf_t *tmcf);


#endif /* _NGX_TECKEN_COMMON_H_INCLUDED_ */
