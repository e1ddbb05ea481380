
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken.h>
#include <ngx_tecken_common.h>
#include <ngx_tecken_transfer.h>
#include <ngx_tecken_fetch.h>


#define NGX_TECKEN_ZONE_RESERVE  (64 * 1024)
#define NGX_TECKEN_EXITS         16


static void *ngx_tecken_create_main_conf(ngx_conf_t *cf);
static char *ngx_tecken_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_tecken_create_loc_conf(ngx_conf_t *cf);
static char *ngx_tecken_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_tecken_postconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_tecken_init_process(ngx_cycle_t *cycle);
static void ngx_tecken_exit_process(ngx_cycle_t *cycle);
static ngx_int_t ngx_tecken_default_pool(ngx_conf_t *cf,
    ngx_thread_pool_t **tp);


const ngx_uint_t  NGX_TECKEN_ABI = 2;


/* of this process */

static ngx_tecken_exit_pt  ngx_tecken_exits[NGX_TECKEN_EXITS];
static ngx_uint_t          ngx_tecken_nexits;


static ngx_conf_num_bounds_t  ngx_tecken_connections_bounds = {
    ngx_conf_check_num_bounds, 1, 65536
};


static ngx_conf_num_bounds_t  ngx_tecken_maps_bounds = {
    ngx_conf_check_num_bounds, 1, 65536
};


static ngx_conf_num_bounds_t  ngx_tecken_builds_bounds = {
    ngx_conf_check_num_bounds, 1, 1024
};


static ngx_command_t  ngx_tecken_common_commands[] = {

    { ngx_string("tecken_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_tecken_conf_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("tecken_thread_pool"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_tecken_conf_pool,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_tecken_main_conf_t, thread_pool),
      NULL },

    { ngx_string("tecken_io_thread_pool"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_tecken_conf_pool,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_tecken_main_conf_t, io_thread_pool),
      NULL },

    { ngx_string("tecken_resolver_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_tecken_main_conf_t, resolver_timeout),
      NULL },

    { ngx_string("tecken_connections"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_tecken_main_conf_t, connections),
      &ngx_tecken_connections_bounds },

    { ngx_string("tecken_storage"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_tecken_conf_storage,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("tecken_statsd"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE123,
      ngx_tecken_conf_statsd,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("tecken_sources"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_tecken_conf_sources,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("tecken_try_source"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_tecken_conf_try_source,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("tecken_symcache_path"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_tecken_conf_symcache_path,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("tecken_symcache_maps"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_tecken_main_conf_t, symcache_maps),
      &ngx_tecken_maps_bounds },

    { ngx_string("tecken_symcache_builds"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_tecken_main_conf_t, symcache_builds),
      &ngx_tecken_builds_bounds },

    { ngx_string("tecken_symcache_strict"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_tecken_loc_conf_t, module.strict),
      NULL },

    { ngx_string("tecken_symbolicate_max_symbols"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_off_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_tecken_loc_conf_t, module.max_symbols),
      NULL },

    { ngx_string("tecken_cache_valid"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE123,
      ngx_tecken_conf_cache_valid,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("tecken_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_tecken_conf_metrics,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("tecken_dockerflow"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_tecken_conf_dockerflow,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_tecken_common_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_tecken_postconfiguration,          /* postconfiguration */

    ngx_tecken_create_main_conf,           /* create main configuration */
    ngx_tecken_init_main_conf,             /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_tecken_create_loc_conf,            /* create location configuration */
    ngx_tecken_merge_loc_conf              /* merge location configuration */
};


ngx_module_t  ngx_tecken_common_module = {
    NGX_MODULE_V1,
    &ngx_tecken_common_module_ctx,         /* module context */
    ngx_tecken_common_commands,            /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_tecken_init_process,               /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_tecken_exit_process,               /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_tecken_create_main_conf(ngx_conf_t *cf)
{
    ngx_tecken_main_conf_t  *tmcf;

    tmcf = ngx_pcalloc(cf->pool, sizeof(ngx_tecken_main_conf_t));
    if (tmcf == NULL) {
        return NULL;
    }

    tmcf->cache = ngx_tecken_cache_create(cf);
    tmcf->metrics = ngx_tecken_metrics_create(cf);
    tmcf->heartbeat = ngx_tecken_heartbeat_create(cf);
    tmcf->turns = ngx_tecken_turns_create(cf);
    tmcf->fetch = ngx_tecken_fetch_create(cf);

    if (tmcf->cache == NULL || tmcf->metrics == NULL
        || tmcf->heartbeat == NULL || tmcf->turns == NULL
        || tmcf->fetch == NULL)
    {
        return NULL;
    }

    if (ngx_array_init(&tmcf->storages, cf->pool, 4,
                       sizeof(ngx_tecken_storage_t *))
        != NGX_OK
        || ngx_array_init(&tmcf->symcaches, cf->pool, 1,
                          sizeof(ngx_tecken_symcache_path_t *))
           != NGX_OK)
    {
        return NULL;
    }

    tmcf->symcache_maps = NGX_CONF_UNSET_UINT;
    tmcf->symcache_builds = NGX_CONF_UNSET_UINT;
    tmcf->thread_pool = NGX_CONF_UNSET_PTR;
    tmcf->io_thread_pool = NGX_CONF_UNSET_PTR;
    tmcf->resolver_timeout = NGX_CONF_UNSET_MSEC;
    tmcf->connections = NGX_CONF_UNSET_UINT;

    return tmcf;
}


static char *
ngx_tecken_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_tecken_main_conf_t *tmcf = conf;

    ngx_conf_init_msec_value(tmcf->resolver_timeout, 2000);
    ngx_conf_init_uint_value(tmcf->connections, 512);
    ngx_conf_init_uint_value(tmcf->symcache_maps, 128);
    ngx_conf_init_uint_value(tmcf->symcache_builds, 2);

    return NGX_CONF_OK;
}


static void *
ngx_tecken_create_loc_conf(ngx_conf_t *cf)
{
    ngx_tecken_loc_conf_t  *tlcf;

    tlcf = ngx_pcalloc(cf->pool, sizeof(ngx_tecken_loc_conf_t));
    if (tlcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     tlcf->version = { 0, NULL };
     */

    tlcf->sources = NGX_CONF_UNSET_PTR;
    tlcf->try_source = NGX_CONF_UNSET_PTR;
    tlcf->symcache = NGX_CONF_UNSET_PTR;
    tlcf->valid_found = NGX_CONF_UNSET;
    tlcf->valid_missing = NGX_CONF_UNSET;
    tlcf->module.valid_missing = NGX_CONF_UNSET;
    tlcf->module.max_symbols = NGX_CONF_UNSET;
    tlcf->module.strict = NGX_CONF_UNSET;
    tlcf->dockerflow = NGX_CONF_UNSET_UINT;

    return tlcf;
}


static char *
ngx_tecken_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_tecken_loc_conf_t *prev = parent;
    ngx_tecken_loc_conf_t *conf = child;

    ngx_tecken_main_conf_t  *tmcf;

    ngx_conf_merge_ptr_value(conf->sources, prev->sources, NULL);
    ngx_conf_merge_ptr_value(conf->try_source, prev->try_source, NULL);
    ngx_conf_merge_ptr_value(conf->symcache, prev->symcache, NULL);
    ngx_conf_merge_sec_value(conf->valid_found, prev->valid_found, 21600);
    ngx_conf_merge_sec_value(conf->valid_missing, prev->valid_missing, 21600);

    ngx_conf_merge_sec_value(conf->module.valid_missing,
                             prev->module.valid_missing, 60);
    ngx_conf_merge_off_value(conf->module.max_symbols,
                             prev->module.max_symbols,
                             (off_t) 2 * 1024 * 1024 * 1024);
    ngx_conf_merge_value(conf->module.strict, prev->module.strict, 0);

    if (conf->symcache && conf->sources) {
        conf->module.path = conf->symcache;
        conf->module.sources = conf->sources;

        tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);

        if (ngx_tecken_fetch_add(tmcf->fetch, &conf->module) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    /* an "if" in the location keeps the handler, not what it is to send */

    if (conf->dockerflow == NGX_CONF_UNSET_UINT) {
        conf->dockerflow = prev->dockerflow;
        conf->version = prev->version;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_tecken_postconfiguration(ngx_conf_t *cf)
{
    ngx_uint_t                  i;
    ngx_tecken_storage_t      **st;
    ngx_tecken_main_conf_t     *tmcf;
    ngx_http_core_loc_conf_t   *clcf;

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (tmcf->shm_zone == NULL) {

        if (tmcf->used) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"tecken_zone\" is needed in http {}, for example: "
                          "tecken_zone tecken:64m;");
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    /* the pool that nginx makes by itself when it is used */

    if (ngx_tecken_default_pool(cf, &tmcf->thread_pool) != NGX_OK
        || ngx_tecken_default_pool(cf, &tmcf->io_thread_pool) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_tecken_symcache_init(&tmcf->symcaches, tmcf->io_thread_pool);

    if (clcf->resolver && clcf->resolver->connections.nelts) {
        tmcf->resolver = clcf->resolver;
    }

    st = tmcf->storages.elts;

    for (i = 0; i < tmcf->storages.nelts; i++) {

        if (st[i]->backend == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "unknown storage \"%V\" in %s:%ui", &st[i]->name,
                          st[i]->file_name, st[i]->line);
            return NGX_ERROR;
        }

        st[i]->io_pool = tmcf->io_thread_pool;
        st[i]->resolver = tmcf->resolver;
        st[i]->resolver_timeout = tmcf->resolver_timeout;

        if (ngx_tecken_storage_init(cf, st[i]) != NGX_OK
            || ngx_tecken_check_add(cf, tmcf, st[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (tmcf->symcaches.nelts) {
        tmcf->fetch->cache = tmcf->cache;
        tmcf->fetch->turns = tmcf->turns;
        tmcf->fetch->thread_pool = tmcf->thread_pool;
        tmcf->fetch->io_thread_pool = tmcf->io_thread_pool;
        tmcf->fetch->storages = &tmcf->storages;

        if (ngx_tecken_fetch_init(cf, tmcf->fetch, tmcf->metrics) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_tecken_gauges_add(cf, tmcf);
}


static ngx_int_t
ngx_tecken_default_pool(ngx_conf_t *cf, ngx_thread_pool_t **tp)
{
    if (*tp == NGX_CONF_UNSET_PTR) {
        *tp = ngx_thread_pool_add(cf, NULL);
    }

    return (*tp == NULL) ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_tecken_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_tecken_main_conf_t *otmcf = data;

    ngx_slab_pool_t         *shpool;
    ngx_tecken_shctx_t      *sh;
    ngx_tecken_main_conf_t  *tmcf;

    tmcf = shm_zone->data;
    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (otmcf) {
        sh = otmcf->sh;

    } else if (shm_zone->shm.exists) {
        sh = shpool->data;

    } else {
        sh = ngx_slab_calloc(shpool, sizeof(ngx_tecken_shctx_t));
        if (sh == NULL) {
            return NGX_ERROR;
        }

        shpool->data = sh;
        shpool->log_nomem = 0;
    }

    tmcf->sh = sh;

    if (ngx_tecken_metrics_init_zone(tmcf->metrics, shpool, &sh->metrics,
                                     shm_zone->shm.log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_tecken_turns_init_zone(tmcf->turns, tmcf->cache, shpool,
                                   &sh->turns)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* the table takes what is left */

    return ngx_tecken_cache_init_zone(tmcf->cache, shpool, &sh->cache,
                                      NGX_TECKEN_ZONE_RESERVE,
                                      shm_zone->shm.log);
}


static ngx_int_t
ngx_tecken_init_process(ngx_cycle_t *cycle)
{
    ngx_tecken_main_conf_t  *tmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    tmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_tecken_common_module);

    if (tmcf == NULL || tmcf->shm_zone == NULL) {
        return NGX_OK;
    }

    if (ngx_tecken_cache_init_worker(tmcf->cache, cycle) != NGX_OK
        || ngx_tecken_metrics_init_worker(tmcf->metrics, cycle) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_tecken_symcache_init_worker(&tmcf->symcaches, tmcf->symcache_maps,
                                    cycle);

    ngx_tecken_turns_init_worker(tmcf->turns, cycle, tmcf->symcache_builds);
    ngx_tecken_fetch_init_worker(tmcf->fetch, cycle);

    return ngx_tecken_curl_init_worker(cycle, tmcf->connections);
}


static void
ngx_tecken_exit_process(ngx_cycle_t *cycle)
{
    ngx_tecken_main_conf_t  *tmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return;
    }

    tmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_tecken_common_module);

    if (tmcf == NULL || tmcf->shm_zone == NULL) {
        return;
    }

    while (ngx_tecken_nexits) {
        ngx_tecken_exits[--ngx_tecken_nexits](cycle);
    }

    ngx_tecken_fetch_exit_worker(tmcf->fetch);
    ngx_tecken_symcache_exit_worker(cycle);
    ngx_tecken_metrics_exit_worker(tmcf->metrics, cycle);
    ngx_tecken_curl_exit_worker(cycle);
}


ngx_int_t
ngx_tecken_exit_add(ngx_tecken_exit_pt handler)
{
    if (ngx_tecken_nexits == NGX_TECKEN_EXITS) {
        return NGX_ERROR;
    }

    ngx_tecken_exits[ngx_tecken_nexits++] = handler;

    return NGX_OK;
}
