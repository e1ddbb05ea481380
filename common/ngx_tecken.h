
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_H_INCLUDED_
#define _NGX_TECKEN_H_INCLUDED_


/*
 * What ngx_tecken_common_module exports.  A feature module includes this and
 * the headers of floor 0, nothing else of common.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_tecken_offload.h>
#include <ngx_tecken_store.h>
#include <ngx_tecken_cache.h>
#include <ngx_tecken_symcache.h>
#include <ngx_tecken_turns.h>
#include <ngx_tecken_module.h>
#include <ngx_tecken_metrics.h>
#include <ngx_tecken_dockerflow.h>


/*
 * A module built against another version of this header does not load: "un-
 * defined symbol: ngx_tecken_abi_N".  N changes with every layout here.
 */

#define NGX_TECKEN_ABI  ngx_tecken_abi_2

extern const ngx_uint_t  NGX_TECKEN_ABI;


typedef struct {
    ngx_tecken_cache_sh_t         *cache;
    ngx_tecken_metrics_sh_t       *metrics;
    ngx_tecken_turns_sh_t         *turns;
} ngx_tecken_shctx_t;


#define NGX_TECKEN_MAX_SOURCES  16


typedef struct {
    ngx_shm_zone_t                *shm_zone;
    ngx_tecken_shctx_t            *sh;

    ngx_tecken_cache_t            *cache;
    ngx_tecken_metrics_t          *metrics;
    ngx_tecken_heartbeat_t        *heartbeat;

    ngx_array_t                    storages;      /* ngx_tecken_storage_t * */

    ngx_array_t                    symcaches;     /* ngx_tecken_symcache_path_t
                                                     pointers */
    ngx_uint_t                     symcache_maps;
    ngx_uint_t                     symcache_builds;    /* at once */

    ngx_tecken_turns_t            *turns;
    ngx_tecken_fetch_main_t       *fetch;

    ngx_thread_pool_t             *thread_pool;
    ngx_thread_pool_t             *io_thread_pool;

    ngx_resolver_t                *resolver;      /* NULL: none configured */
    ngx_msec_t                     resolver_timeout;

    ngx_uint_t                     connections;   /* transfers at once */

    unsigned                       used:1;        /* some directive is set */
} ngx_tecken_main_conf_t;


typedef struct {
    ngx_array_t                   *sources;       /* ngx_tecken_storage_t * */
    ngx_tecken_storage_t          *try_source;

    ngx_tecken_symcache_path_t    *symcache;      /* NULL: none */

    time_t                         valid_found;
    time_t                         valid_missing;

    /* of symcache and sources; not usable if symcache or sources is NULL */
    ngx_tecken_module_conf_t       module;

    ngx_uint_t                     dockerflow;
    ngx_str_t                      version;       /* path of version.json */
} ngx_tecken_loc_conf_t;


/*
 * In init_process of a feature module: handler is called when the worker
 * ends, the last one first, while transfers can still be cancelled; a module's
 * own exit_process comes after common's.
 */
typedef void (*ngx_tecken_exit_pt)(ngx_cycle_t *cycle);

ngx_int_t ngx_tecken_exit_add(ngx_tecken_exit_pt handler);

/* the storage called name, or NULL */
ngx_tecken_storage_t *ngx_tecken_storage_find(ngx_tecken_main_conf_t *tmcf,
    ngx_str_t *name);


/* a table of variables, ended by ngx_http_null_variable */
ngx_int_t ngx_tecken_add_variables(ngx_conf_t *cf,
    ngx_http_variable_t *variables);

/* a header of the answer; name and value are not copied */
ngx_int_t ngx_tecken_add_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value);

/* a whole answer, its body in one buffer or empty */
ngx_int_t ngx_tecken_send_body(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_str_t *body);


extern ngx_module_t  ngx_tecken_common_module;


#endif /* _NGX_TECKEN_H_INCLUDED_ */
