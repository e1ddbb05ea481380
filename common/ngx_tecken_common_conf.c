
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_common.h>


#define NGX_TECKEN_ZONE_MIN  (1024 * 1024)


static ngx_tecken_storage_t *ngx_tecken_storage_ref(ngx_conf_t *cf,
    ngx_tecken_main_conf_t *tmcf, ngx_str_t *name);


char *
ngx_tecken_conf_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_main_conf_t *tmcf = conf;

    u_char     *p;
    ssize_t     size;
    ngx_str_t  *value, name, s;

    if (tmcf->shm_zone) {
        return "is duplicate";
    }

    value = cf->args->elts;

    name = value[1];
    p = ngx_strlchr(name.data, name.data + name.len, ':');

    if (p == NULL || p == name.data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid zone \"%V\", it is to be \"name:size\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    name.len = p - name.data;

    s.data = p + 1;
    s.len = value[1].data + value[1].len - s.data;

    size = ngx_parse_size(&s);

    if (size == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid zone size \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (size < NGX_TECKEN_ZONE_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" is too small, it needs 1m",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    tmcf->shm_zone = ngx_shared_memory_add(cf, &name, size,
                                           &ngx_tecken_common_module);
    if (tmcf->shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    tmcf->shm_zone->init = ngx_tecken_init_zone;
    tmcf->shm_zone->data = tmcf;

    return NGX_CONF_OK;
}


char *
ngx_tecken_conf_pool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    ngx_str_t          *value;
    ngx_thread_pool_t **tp;

    tp = (ngx_thread_pool_t **) (p + cmd->offset);

    if (*tp != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    *tp = ngx_thread_pool_add(cf, &value[1]);

    return (*tp == NULL) ? NGX_CONF_ERROR : NGX_CONF_OK;
}


char *
ngx_tecken_conf_storage(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_main_conf_t *tmcf = conf;

    ngx_str_t             *value;
    ngx_tecken_storage_t  *st;

    value = cf->args->elts;

    st = ngx_tecken_storage_ref(cf, tmcf, &value[1]);
    if (st == NULL) {
        return NGX_CONF_ERROR;
    }

    if (st->backend) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "duplicate storage \"%V\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    return ngx_tecken_storage_parse(cf, st);
}


/* a storage may be named before its directive is read */

static ngx_tecken_storage_t *
ngx_tecken_storage_ref(ngx_conf_t *cf, ngx_tecken_main_conf_t *tmcf,
    ngx_str_t *name)
{
    ngx_tecken_storage_t  *st, **p;

    tmcf->used = 1;

    st = ngx_tecken_storage_find(tmcf, name);
    if (st) {
        return st;
    }

    st = ngx_pcalloc(cf->pool, sizeof(ngx_tecken_storage_t));
    if (st == NULL) {
        return NULL;
    }

    st->name = *name;
    st->index = tmcf->storages.nelts;
    st->file_name = cf->conf_file->file.name.data;
    st->line = cf->conf_file->line;

    p = ngx_array_push(&tmcf->storages);
    if (p == NULL) {
        return NULL;
    }

    *p = st;

    return st;
}


ngx_tecken_storage_t *
ngx_tecken_storage_find(ngx_tecken_main_conf_t *tmcf, ngx_str_t *name)
{
    ngx_uint_t              i;
    ngx_tecken_storage_t  **st;

    st = tmcf->storages.elts;

    for (i = 0; i < tmcf->storages.nelts; i++) {
        if (st[i]->name.len == name->len
            && ngx_strncmp(st[i]->name.data, name->data, name->len) == 0)
        {
            return st[i];
        }
    }

    return NULL;
}


char *
ngx_tecken_conf_statsd(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_main_conf_t *tmcf = conf;

    tmcf->used = 1;

    return ngx_tecken_statsd(cf, tmcf->metrics);
}


char *
ngx_tecken_conf_sources(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_loc_conf_t *tlcf = conf;

    ngx_str_t               *value;
    ngx_uint_t               i, j;
    ngx_tecken_storage_t   **st;
    ngx_tecken_main_conf_t  *tmcf;

    if (tlcf->sources != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts - 1 > NGX_TECKEN_MAX_SOURCES) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" takes at most %d storages", &value[0],
                           NGX_TECKEN_MAX_SOURCES);
        return NGX_CONF_ERROR;
    }

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);

    tlcf->sources = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                     sizeof(ngx_tecken_storage_t *));
    if (tlcf->sources == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        st = ngx_array_push(tlcf->sources);

        *st = ngx_tecken_storage_ref(cf, tmcf, &value[i]);
        if (*st == NULL) {
            return NGX_CONF_ERROR;
        }

        st = tlcf->sources->elts;

        for (j = 0; j < i - 1; j++) {
            if (st[j] == st[i - 1]) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "duplicate storage \"%V\" in \"%V\"",
                                   &value[i], &value[0]);
                return NGX_CONF_ERROR;
            }
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_tecken_conf_try_source(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_loc_conf_t *tlcf = conf;

    ngx_str_t               *value;
    ngx_tecken_main_conf_t  *tmcf;

    if (tlcf->try_source != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        tlcf->try_source = NULL;
        return NGX_CONF_OK;
    }

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);

    tlcf->try_source = ngx_tecken_storage_ref(cf, tmcf, &value[1]);

    return (tlcf->try_source == NULL) ? NGX_CONF_ERROR : NGX_CONF_OK;
}


char *
ngx_tecken_conf_symcache_path(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_loc_conf_t *tlcf = conf;

    ngx_str_t               *value;
    ngx_tecken_main_conf_t  *tmcf;

    if (tlcf->symcache != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        tlcf->symcache = NULL;
        return NGX_CONF_OK;
    }

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);
    tmcf->used = 1;

    tlcf->symcache = ngx_tecken_symcache_parse(cf, &tmcf->symcaches,
                                               &ngx_tecken_common_module);

    return (tlcf->symcache == NULL) ? NGX_CONF_ERROR : NGX_CONF_OK;
}


char *
ngx_tecken_conf_cache_valid(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_tecken_loc_conf_t *tlcf = conf;

    time_t      *valid, sec;
    ngx_str_t   *value, s;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "found=", 6) == 0) {
            valid = &tlcf->valid_found;
            s.data = value[i].data + 6;

        } else if (ngx_strncmp(value[i].data, "missing=", 8) == 0) {
            valid = &tlcf->valid_missing;
            s.data = value[i].data + 8;

        } else if (ngx_strncmp(value[i].data, "symcache_missing=", 17) == 0) {
            valid = &tlcf->module.valid_missing;
            s.data = value[i].data + 17;

        } else {
            goto invalid;
        }

        if (*valid != NGX_CONF_UNSET) {
            return "is duplicate";
        }

        s.len = value[i].data + value[i].len - s.data;

        sec = ngx_parse_time(&s, 1);
        if (sec == (time_t) NGX_ERROR) {
            goto invalid;
        }

        *valid = sec;
    }

    return NGX_CONF_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\"",
                       &value[i]);

    return NGX_CONF_ERROR;
}
