
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_store.h>
#include <ngx_tecken_store_file.h>
#include <ngx_tecken_store_s3.h>
#include <ngx_md5.h>


#define NGX_TECKEN_STORE_OP_POOL_SIZE  2048


static char *ngx_tecken_storage_option(ngx_conf_t *cf,
    ngx_tecken_storage_t *st, ngx_str_t *option);
static void ngx_tecken_storage_id(ngx_tecken_storage_t *st);


char *
ngx_tecken_storage_parse(ngx_conf_t *cf, ngx_tecken_storage_t *st)
{
    char        *rv;
    ngx_str_t   *value;
    ngx_uint_t   i, j;

    value = cf->args->elts;

    st->name = value[1];
    st->url = value[2];
    st->file_name = cf->conf_file->file.name.data;
    st->line = cf->conf_file->line;

    if (st->name.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "empty storage name");
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < st->name.len; i++) {
        if (!((st->name.data[i] | 0x20) >= 'a'
              && (st->name.data[i] | 0x20) <= 'z')
            && !(st->name.data[i] >= '0' && st->name.data[i] <= '9')
            && st->name.data[i] != '_' && st->name.data[i] != '-')
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid storage name \"%V\", it may have "
                               "letters, digits, \"_\" and \"-\"", &st->name);
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_strncasecmp(st->url.data, (u_char *) "file://", 7) == 0) {
        st->type = NGX_TECKEN_STORAGE_FILE;
        st->backend = &ngx_tecken_store_file;

    } else if (ngx_strncasecmp(st->url.data, (u_char *) "http://", 7) == 0
               || ngx_strncasecmp(st->url.data, (u_char *) "https://", 8) == 0)
    {
        st->type = NGX_TECKEN_STORAGE_S3;
        st->backend = &ngx_tecken_store_s3;

        st->conf = ngx_pcalloc(cf->pool, sizeof(ngx_tecken_s3_t));
        if (st->conf == NULL) {
            return NGX_CONF_ERROR;
        }

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid storage URL \"%V\", it must begin with "
                           "\"file://\", \"https://\" or \"http://\"",
                           &st->url);
        return NGX_CONF_ERROR;
    }

    for (i = 3; i < cf->args->nelts; i++) {

        for (j = 3; j < i; j++) {
            u_char  *eq = ngx_strlchr(value[i].data,
                                      value[i].data + value[i].len, '=');

            if (eq && ngx_strncmp(value[i].data, value[j].data,
                                  eq - value[i].data + 1) == 0)
            {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "duplicate parameter \"%*s\"",
                                   (size_t) (eq - value[i].data),
                                   value[i].data);
                return NGX_CONF_ERROR;
            }
        }

        rv = ngx_tecken_storage_option(cf, st, &value[i]);

        if (rv == NGX_CONF_ERROR) {
            return rv;
        }
    }

    if (st->type == NGX_TECKEN_STORAGE_FILE) {
        if (ngx_tecken_store_file_conf(cf, st) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

    } else {
        rv = ngx_tecken_s3_conf(cf, st);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    ngx_tecken_storage_id(st);

    return NGX_CONF_OK;
}


static char *
ngx_tecken_storage_option(ngx_conf_t *cf, ngx_tecken_storage_t *st,
    ngx_str_t *option)
{
    size_t     n;
    ngx_str_t  v;

    if (ngx_strncmp(option->data, "prefix=", 7) == 0) {

        v.data = option->data + 7;
        v.len = option->len - 7;

        while (v.len && v.data[0] == '/') {
            v.data++;
            v.len--;
        }

        while (v.len && v.data[v.len - 1] == '/') {
            v.len--;
        }

        st->prefix = v;

        return NGX_CONF_OK;
    }

    if (ngx_strncmp(option->data, "public_url=", 11) == 0) {

        v.data = option->data + 11;
        v.len = option->len - 11;

        n = (ngx_strncasecmp(v.data, (u_char *) "https://", 8) == 0) ? 8
            : (ngx_strncasecmp(v.data, (u_char *) "http://", 7) == 0) ? 7 : 0;

        if (n == 0 || v.len == n || v.data[n] == '/') {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\", a public URL begins "
                               "with \"https://\" or \"http://\" and a host",
                               option);
            return NGX_CONF_ERROR;
        }

        while (v.data[v.len - 1] == '/') {
            v.len--;
        }

        st->public_url = v;

        return NGX_CONF_OK;
    }

    if (st->type == NGX_TECKEN_STORAGE_S3) {
        return ngx_tecken_s3_option(cf, st, option);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\" of a file storage", option);

    return NGX_CONF_ERROR;
}


ngx_int_t
ngx_tecken_storage_init(ngx_conf_t *cf, ngx_tecken_storage_t *st)
{
    if (st->type == NGX_TECKEN_STORAGE_S3) {
        return ngx_tecken_s3_init(cf, st);
    }

    return NGX_OK;
}


static void
ngx_tecken_storage_id(ngx_tecken_storage_t *st)
{
    ngx_md5_t  md5;

    /* the lengths keep one storage's url and prefix from being another's */

    ngx_md5_init(&md5);
    ngx_md5_update(&md5, &st->name.len, sizeof(size_t));
    ngx_md5_update(&md5, st->name.data, st->name.len);
    ngx_md5_update(&md5, &st->url.len, sizeof(size_t));
    ngx_md5_update(&md5, st->url.data, st->url.len);
    ngx_md5_update(&md5, st->prefix.data, st->prefix.len);
    ngx_md5_final((u_char *) st->id, &md5);
}


ngx_tecken_store_op_t *
ngx_tecken_store_op_create(ngx_tecken_storage_t *st, ngx_str_t *key,
    ngx_log_t *log)
{
    ngx_pool_t             *pool;
    ngx_tecken_store_op_t  *op;

    pool = ngx_create_pool(NGX_TECKEN_STORE_OP_POOL_SIZE, log);
    if (pool == NULL) {
        return NULL;
    }

    op = ngx_pcalloc(pool, sizeof(ngx_tecken_store_op_t) + key->len);
    if (op == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    op->pool = pool;
    op->log = log;
    op->storage = st;

    op->key.len = key->len;
    op->key.data = (u_char *) op + sizeof(ngx_tecken_store_op_t);
    ngx_memcpy(op->key.data, key->data, key->len);

    op->object.size = -1;
    op->object.mtime = (time_t) -1;
    op->object.original_size = -1;

    return op;
}


void
ngx_tecken_store_op_destroy(ngx_tecken_store_op_t *op)
{
    if (op->active) {
        op->storage->backend->cancel(op);
    }

    ngx_destroy_pool(op->pool);
}
