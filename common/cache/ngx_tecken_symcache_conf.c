
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_symcache_sh.h>

#include <tk_hmac.h>


/* room for 61,000 symcaches, 68 bytes each */
#define NGX_TECKEN_SYMCACHE_ZONE      (4 * 1024 * 1024)

/* a week */
#define NGX_TECKEN_SYMCACHE_INACTIVE  604800


static ngx_int_t ngx_tecken_symcache_set_dir(ngx_conf_t *cf, ngx_path_t *path,
    ngx_str_t *value);
static char *ngx_tecken_symcache_param(ngx_conf_t *cf,
    ngx_tecken_symcache_path_t *path, ngx_str_t *value);
static char *ngx_tecken_symcache_levels(ngx_path_t *path, ngx_str_t *value);
static ngx_tecken_symcache_path_t *ngx_tecken_symcache_again(ngx_conf_t *cf,
    ngx_tecken_symcache_path_t *old, ngx_tecken_symcache_path_t *path);
static ngx_int_t ngx_tecken_symcache_zone(ngx_conf_t *cf,
    ngx_tecken_symcache_path_t *path, void *tag);


ngx_tecken_symcache_path_t *
ngx_tecken_symcache_parse(ngx_conf_t *cf, ngx_array_t *paths, void *tag)
{
    ngx_str_t                    *value;
    ngx_uint_t                    i;
    ngx_path_t                   *p;
    ngx_tecken_symcache_path_t   *path, **all;

    path = ngx_pcalloc(cf->pool, sizeof(ngx_tecken_symcache_path_t));
    p = ngx_pcalloc(cf->pool, sizeof(ngx_path_t));

    if (path == NULL || p == NULL) {
        return NULL;
    }

    path->path = p;

    value = cf->args->elts;

    if (ngx_tecken_symcache_set_dir(cf, p, &value[1]) != NGX_OK) {
        return NULL;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_tecken_symcache_param(cf, path, &value[i]) != NGX_CONF_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"", &value[i]);
            return NULL;
        }
    }

    if (path->max_size == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" must have \"max_size\" parameter",
                           &value[0]);
        return NULL;
    }

    if (p->len == 0) {
        p->level[0] = 1;
        p->level[1] = 2;
        p->len = 5;
    }

    if (path->inactive == 0) {
        path->inactive = NGX_TECKEN_SYMCACHE_INACTIVE;
    }

    if (path->zone_size == 0) {
        path->zone_size = NGX_TECKEN_SYMCACHE_ZONE;
    }

    p->manager = ngx_tecken_symcache_manager;
    p->loader = ngx_tecken_symcache_loader;
    p->data = path;
    p->conf_file = cf->conf_file->file.name.data;
    p->line = cf->conf_file->line;

    all = paths->elts;

    for (i = 0; i < paths->nelts; i++) {
        if (all[i]->path->name.len == p->name.len
            && ngx_strcmp(all[i]->path->name.data, p->name.data) == 0)
        {
            return ngx_tecken_symcache_again(cf, all[i], path);
        }
    }

    if (ngx_add_path(cf, &path->path) != NGX_OK
        || ngx_tecken_symcache_zone(cf, path, tag) != NGX_OK)
    {
        return NULL;
    }

    all = ngx_array_push(paths);
    if (all == NULL) {
        return NULL;
    }

    *all = path;

    return path;
}


static ngx_int_t
ngx_tecken_symcache_set_dir(ngx_conf_t *cf, ngx_path_t *path, ngx_str_t *value)
{
    size_t  i;

    path->name = *value;

    while (path->name.len && path->name.data[path->name.len - 1] == '/') {
        path->name.data[--path->name.len] = '\0';
    }

    if (path->name.len == 0) {
        goto invalid;
    }

    if (ngx_conf_full_name(cf->cycle, &path->name, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    if (path->name.len > NGX_MAX_PATH - 2 * NGX_TECKEN_SYMCACHE_NAME) {
        goto invalid;
    }

    for (i = 0; i < path->name.len; i++) {

        if (path->name.data[i] < ' ' || path->name.data[i] == '"'
            || path->name.data[i] == '\\')
        {
            goto invalid;
        }
    }

    return NGX_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid directory \"%V\"",
                       value);

    return NGX_ERROR;
}


static char *
ngx_tecken_symcache_param(ngx_conf_t *cf, ngx_tecken_symcache_path_t *path,
    ngx_str_t *value)
{
    off_t      size, *sizep;
    time_t     sec;
    u_char    *p;
    ngx_str_t  s;

    p = ngx_strlchr(value->data, value->data + value->len, '=');
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    s.data = p + 1;
    s.len = value->data + value->len - s.data;

    if (ngx_strncmp(value->data, "levels=", 7) == 0) {
        return ngx_tecken_symcache_levels(path->path, &s);
    }

    if (ngx_strncmp(value->data, "inactive=", 9) == 0) {

        sec = ngx_parse_time(&s, 1);

        if (sec == (time_t) NGX_ERROR || sec == 0 || path->inactive) {
            return NGX_CONF_ERROR;
        }

        path->inactive = sec;

        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value->data, "zone=", 5) == 0) {

        size = ngx_parse_size(&s);

        if (size <= 0 || path->zone_size) {
            return NGX_CONF_ERROR;
        }

        if (size < (off_t) (64 * ngx_pagesize)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "zone of symcaches is too small, it needs "
                               "%uzk", 64 * ngx_pagesize / 1024);
            return NGX_CONF_ERROR;
        }

        path->zone_size = (size_t) size;

        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value->data, "max_size=", 9) == 0) {
        sizep = &path->max_size;

    } else if (ngx_strncmp(value->data, "min_free=", 9) == 0) {
        sizep = &path->min_free;

    } else {
        return NGX_CONF_ERROR;
    }

    size = ngx_parse_offset(&s);

    if (size <= 0 || *sizep) {
        return NGX_CONF_ERROR;
    }

    *sizep = size;

    return NGX_CONF_OK;
}


static char *
ngx_tecken_symcache_levels(ngx_path_t *path, ngx_str_t *value)
{
    size_t      i;
    ngx_uint_t  n;

    if (path->len || (value->len != 1 && value->len != 3 && value->len != 5))
    {
        return NGX_CONF_ERROR;
    }

    for (i = 0, n = 0; i < value->len; i += 2, n++) {

        if ((value->data[i] != '1' && value->data[i] != '2')
            || (i && value->data[i - 1] != ':'))
        {
            return NGX_CONF_ERROR;
        }

        path->level[n] = value->data[i] - '0';
        path->len += path->level[n] + 1;
    }

    return NGX_CONF_OK;
}


static ngx_tecken_symcache_path_t *
ngx_tecken_symcache_again(ngx_conf_t *cf, ngx_tecken_symcache_path_t *old,
    ngx_tecken_symcache_path_t *path)
{
    if (ngx_memcmp(old->path->level, path->path->level,
                   sizeof(old->path->level))
        != 0
        || old->max_size != path->max_size
        || old->min_free != path->min_free
        || old->inactive != path->inactive
        || old->zone_size != path->zone_size)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "directory \"%V\" has other parameters in %s:%ui",
                           &path->path->name, old->path->conf_file,
                           old->path->line);
        return NULL;
    }

    return old;
}


static ngx_int_t
ngx_tecken_symcache_zone(ngx_conf_t *cf, ngx_tecken_symcache_path_t *path,
    void *tag)
{
    u_char      *p;
    ngx_str_t    name;
    ngx_uint_t   i;
    ngx_path_t  *np;

    np = path->path;

    /* other levels are other names of files, so another index */

    name.data = ngx_pnalloc(cf->pool, sizeof("tecken_symcache:::::") + 6
                                      + np->name.len);
    if (name.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(name.data, "tecken_symcache:");

    for (i = 0; i < NGX_MAX_PATH_LEVEL && np->level[i]; i++) {
        p = ngx_sprintf(p, "%uz:", np->level[i]);
    }

    p = ngx_sprintf(p, "%V", &np->name);
    name.len = p - name.data;

    path->shm_zone = ngx_shared_memory_add(cf, &name, path->zone_size, tag);
    if (path->shm_zone == NULL) {
        return NGX_ERROR;
    }

    path->shm_zone->init = ngx_tecken_symcache_init_zone;
    path->shm_zone->data = path;

    return NGX_OK;
}


void
ngx_tecken_symcache_init(ngx_array_t *paths, ngx_thread_pool_t *io_pool)
{
    ngx_uint_t                    i;
    ngx_tecken_symcache_path_t  **path;

    path = paths->elts;

    for (i = 0; i < paths->nelts; i++) {
        path[i]->io_pool = io_pool;
    }
}


ngx_str_t *
ngx_tecken_symcache_dir(ngx_tecken_symcache_path_t *path)
{
    return &path->path->name;
}


void
ngx_tecken_symcache_key(ngx_tecken_symcache_key_t *key, ngx_str_t *debug_file,
    ngx_str_t *debug_id, uint64_t id[2])
{
    SHA256_CTX  sha;
    u_char      hash[SHA256_DIGEST_LENGTH];

    (void) SHA256_Init(&sha);
    (void) SHA256_Update(&sha, debug_file->data, debug_file->len);
    (void) SHA256_Update(&sha, "/", 1);
    (void) SHA256_Update(&sha, debug_id->data, debug_id->len);
    (void) SHA256_Final(hash, &sha);

    ngx_memcpy(key->symbol, hash, sizeof(key->symbol));

    key->sources = id[0] ^ id[1];
}
