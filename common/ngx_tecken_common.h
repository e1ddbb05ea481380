
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_COMMON_H_INCLUDED_
#define _NGX_TECKEN_COMMON_H_INCLUDED_


#include <ngx_tecken.h>


/* private to the common module */


/* directives */
char *ngx_tecken_conf_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_tecken_conf_pool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_tecken_conf_storage(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_tecken_conf_statsd(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_tecken_conf_sources(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_tecken_conf_try_source(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_tecken_conf_symcache_path(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_tecken_conf_cache_valid(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_tecken_conf_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_tecken_conf_dockerflow(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* the zone of tecken_zone, its data being the main configuration */
ngx_int_t ngx_tecken_init_zone(ngx_shm_zone_t *shm_zone, void *data);

/* a heartbeat's check of a storage */
ngx_int_t ngx_tecken_check_add(ngx_conf_t *cf, ngx_tecken_main_conf_t *tmcf,
    ngx_tecken_storage_t *st);

/* what the metrics say of the cache */
ngx_int_t ngx_tecken_gauges_add(ngx_conf_t *cf, ngx_tecken_main_conf_t *tmcf);


#endif /* _NGX_TECKEN_COMMON_H_INCLUDED_ */
