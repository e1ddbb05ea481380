
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_store_s3.h>

#include <tk_uri.h>


#define NGX_TECKEN_PRESIGN_SIZE  512    /* beside the credentials */


static u_char *ngx_tecken_store_copy_key(ngx_tecken_storage_t *st, u_char *p,
    ngx_str_t *key);


size_t
ngx_tecken_s3_base(ngx_tecken_storage_t *st)
{
    ngx_tecken_s3_t *s3 = st->conf;

    return (s3->more.len ? s3->more.len + 1 : 0)
           + (st->prefix.len ? st->prefix.len + 1 : 0);
}


ngx_int_t
ngx_tecken_s3_path(ngx_tecken_storage_t *st, ngx_pool_t *pool, ngx_str_t *key,
    ngx_str_t *path)
{
    ngx_tecken_s3_t *s3 = st->conf;

    u_char  *p;

    p = ngx_pnalloc(pool, s3->path.len + 3 * (st->prefix.len + key->len) + 3);
    if (p == NULL) {
        return NGX_ERROR;
    }

    path->data = p;

    p = ngx_cpymem(p, s3->path.data, s3->path.len);
    p = ngx_tecken_store_copy_key(st, p, key);

    *p = '\0';
    path->len = p - path->data;

    return NGX_OK;
}


static u_char *
ngx_tecken_store_copy_key(ngx_tecken_storage_t *st, u_char *p, ngx_str_t *key)
{
    *p++ = '/';

    if (st->prefix.len) {
        p += tk_uri_encode(p, st->prefix.data, st->prefix.len, TK_URI_SLASH);
        *p++ = '/';
    }

    return p + tk_uri_encode(p, key->data, key->len, TK_URI_SLASH);
}


ngx_int_t
ngx_tecken_store_url(ngx_tecken_storage_t *st, ngx_pool_t *pool,
    ngx_str_t *key, ngx_str_t *url)
{
    size_t            len;
    u_char           *p;
    ngx_tecken_s3_t  *s3;

    s3 = (st->type == NGX_TECKEN_STORAGE_S3) ? st->conf : NULL;

    len = st->public_url.len + 3 * (st->prefix.len + key->len) + 2;

    if (s3 && st->public_url.len == 0) {
        len += s3->scheme.len + s3->host.len + s3->path.len;
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    url->data = p;

    if (st->public_url.len) {
        p = ngx_cpymem(p, st->public_url.data, st->public_url.len);

    } else if (s3) {
        p = ngx_cpymem(p, s3->scheme.data, s3->scheme.len);
        p = ngx_cpymem(p, s3->host.data, s3->host.len);
        p = ngx_cpymem(p, s3->path.data, s3->path.len);
    }

    p = ngx_tecken_store_copy_key(st, p, key);

    url->len = p - url->data;

    return NGX_OK;
}


void
ngx_tecken_s3_sigv4(ngx_tecken_s3_t *s3, tk_sigv4_t *s)
{
    ngx_memzero(s, sizeof(tk_sigv4_t));

    s->credentials = &s3->credentials->keys;
    s->region.data = s3->region.data;
    s->region.len = s3->region.len;
    s->service.data = (u_char *) "s3";
    s->service.len = 2;
    s->now = ngx_time() + s3->skew;
}


ngx_int_t
ngx_tecken_store_presign(ngx_tecken_storage_t *st, ngx_pool_t *pool,
    ngx_str_t *method, ngx_str_t *key, time_t expires, ngx_str_t *url)
{
    ngx_tecken_s3_t *s3 = st->conf;

    size_t                     size;
    u_char                    *p;
    ssize_t                    n;
    ngx_str_t                  path;
    tk_sigv4_t                 s;
    ngx_tecken_credentials_t  *cr;

    cr = s3->credentials;

    ngx_tecken_credentials_refresh(cr, pool->log);

    if (ngx_tecken_s3_path(st, pool, key, &path) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_tecken_s3_sigv4(s3, &s);

    s.method.data = method->data;
    s.method.len = method->len;
    s.host.data = s3->host.data;
    s.host.len = s3->host.len;
    s.path.data = path.data;
    s.path.len = path.len;

    size = NGX_TECKEN_PRESIGN_SIZE + s3->region.len
           + 3 * (cr->keys.access_key.len + cr->keys.session_token.len);

    url->data = ngx_pnalloc(pool, s3->scheme.len + s3->host.len + path.len + 1
                                  + size);
    if (url->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(url->data, s3->scheme.data, s3->scheme.len);
    p = ngx_cpymem(p, s3->host.data, s3->host.len);
    p = ngx_cpymem(p, path.data, path.len);
    *p++ = '?';

    n = tk_sigv4_presign(&s, &cr->signing, (uint32_t) expires, (char *) p,
                         size);
    if (n < 0) {
        ngx_log_error(NGX_LOG_ALERT, pool->log, 0,
                      "presigned query is longer than %uz bytes", size);
        return NGX_ERROR;
    }

    url->len = p + n - url->data;

    return NGX_OK;
}
