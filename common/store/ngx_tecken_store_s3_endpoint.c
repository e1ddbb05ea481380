
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_store_s3.h>

#include <tk_uri.h>


/* the URL of a storage: where requests go, what they say of host and bucket */


static ngx_int_t ngx_tecken_s3_authority(ngx_tecken_s3_t *s3, u_char *p,
    u_char *last);
static u_char *ngx_tecken_s3_virtual(ngx_conf_t *cf,
    ngx_tecken_storage_t *st, u_char *p, u_char *last);
static ngx_int_t ngx_tecken_s3_bucket_path(ngx_conf_t *cf,
    ngx_tecken_s3_t *s3, u_char *p, u_char *last);
static ngx_int_t ngx_tecken_s3_parse(ngx_conf_t *cf, ngx_tecken_s3_t *s3);
static void ngx_tecken_s3_parse_cleanup(void *data);
static ngx_int_t ngx_tecken_s3_host(ngx_str_t *host);
static ngx_int_t ngx_tecken_s3_numeric(ngx_str_t *host);
static void ngx_tecken_s3_guess_region(ngx_tecken_s3_t *s3);


ngx_int_t
ngx_tecken_s3_endpoint(ngx_conf_t *cf, ngx_tecken_storage_t *st)
{
    ngx_tecken_s3_t *s3 = st->conf;

    u_char  *p, *last, *end;

    p = st->url.data;
    last = p + st->url.len;

    if ((p[4] | 0x20) == 's') {
        ngx_str_set(&s3->scheme, "https://");
        s3->port = 443;

    } else {
        ngx_str_set(&s3->scheme, "http://");
        s3->port = 80;
    }

    p += s3->scheme.len;

    if (ngx_strlchr(p, last, '@')) {

        /* "https://key:secret@host/": not to be repeated in a log */

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid URL of storage \"%V\", credentials are "
                           "given by \"credentials\" or \"access_key\" and "
                           "\"secret_key\"", &st->name);
        return NGX_ERROR;
    }

    if (ngx_strlchr(p, last, '?') || ngx_strlchr(p, last, '#')
        || ngx_strlchr(p, last, '%'))
    {
        goto invalid;
    }

    end = ngx_strlchr(p, last, '/');
    if (end == NULL) {
        end = last;
    }

    if (ngx_tecken_s3_authority(s3, p, end) != NGX_OK) {
        goto invalid;
    }

    /* "/bucket/more" */

    p = end;

    while (last > p && last[-1] == '/') {
        last--;
    }

    if (s3->virtual) {
        p = ngx_tecken_s3_virtual(cf, st, p, last);
        if (p == NULL) {
            return NGX_ERROR;
        }
    }

    if (ngx_tecken_s3_host(&s3->name) != NGX_OK
        || (last - p > 1 && p[1] == '/'))
    {
        goto invalid;
    }

    if (ngx_tecken_s3_bucket_path(cf, s3, p, last) != NGX_OK) {
        return NGX_ERROR;
    }

    if (s3->region.len == 0) {
        ngx_tecken_s3_guess_region(s3);
    }

    if (ngx_tecken_s3_parse(cf, s3) != NGX_OK) {
        goto invalid;
    }

    return NGX_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid storage URL \"%V\", it is to be "
                       "\"http[s]://host[:port]/bucket\"", &st->url);

    return NGX_ERROR;
}


/* "host[:port]", s3->port being the default one */

static ngx_int_t
ngx_tecken_s3_authority(ngx_tecken_s3_t *s3, u_char *p, u_char *last)
{
    u_char     *colon;
    ngx_int_t   port;

    if (p == last) {
        return NGX_ERROR;
    }

    if (p[0] == '[') {
        colon = ngx_strlchr(p, last, ']');
        if (colon == NULL) {
            return NGX_ERROR;
        }

        colon++;

        if (colon != last && *colon != ':') {
            return NGX_ERROR;
        }

    } else {
        colon = ngx_strlchr(p, last, ':');
        if (colon == NULL) {
            colon = last;
        }
    }

    s3->host.data = p;
    s3->host.len = last - p;

    s3->name.data = p;
    s3->name.len = colon - p;

    if (s3->name.len == 0) {
        return NGX_ERROR;
    }

    if (colon < last) {
        port = ngx_atoi(colon + 1, last - colon - 1);
        if (port < 1 || port > 65535) {
            return NGX_ERROR;
        }

        /* the Host header of libcurl leaves a default port out */

        if (port == s3->port) {
            s3->host.len = s3->name.len;
        }

        s3->port = (in_port_t) port;
    }

    s3->numeric = (ngx_tecken_s3_numeric(&s3->name) == NGX_OK);

    return NGX_OK;
}


/*
 * "https://host/bucket" is sent as "https://bucket.host/"; returns where the
 * bucket, which begins with the slash at p, ends.
 */

static u_char *
ngx_tecken_s3_virtual(ngx_conf_t *cf, ngx_tecken_storage_t *st, u_char *p,
    u_char *last)
{
    ngx_tecken_s3_t *s3 = st->conf;

    size_t   len;
    u_char  *bucket, *end;

    if (s3->numeric || last - p < 2) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"addressing=virtual\" needs a host name and "
                           "a bucket in storage URL \"%V\"", &st->url);
        return NULL;
    }

    bucket = p + 1;
    end = ngx_strlchr(bucket, last, '/');
    if (end == NULL) {
        end = last;
    }

    len = end - bucket + 1;
    p = ngx_pnalloc(cf->pool, len + s3->host.len);
    if (p == NULL) {
        return NULL;
    }

    (void) ngx_sprintf(p, "%*s.%V", len - 1, bucket, &s3->host);

    s3->host.len += len;
    s3->host.data = p;
    s3->name.len += len;
    s3->name.data = p;

    return end;
}


/* "/bucket/more", or "/more" of a bucket in the host */

static ngx_int_t
ngx_tecken_s3_bucket_path(ngx_conf_t *cf, ngx_tecken_s3_t *s3, u_char *p,
    u_char *last)
{
    u_char  *end;

    s3->path.data = ngx_pnalloc(cf->pool, 3 * (last - p) + 1);
    if (s3->path.data == NULL) {
        return NGX_ERROR;
    }

    s3->path.len = tk_uri_encode(s3->path.data, p, last - p, TK_URI_SLASH);

    /* what follows the bucket is the beginning of all keys */

    if (!s3->virtual && p < last) {
        end = ngx_strlchr(p + 1, last, '/');
        if (end == NULL) {
            end = last;
        }

        s3->bucket = tk_uri_encode(NULL, p, end - p, TK_URI_SLASH);
        p = end;
    }

    if (p < last) {
        s3->more.data = p + 1;
        s3->more.len = last - p - 1;
    }

    return NGX_OK;
}


/* once, not by libcurl for each request */

static ngx_int_t
ngx_tecken_s3_parse(ngx_conf_t *cf, ngx_tecken_s3_t *s3)
{
    u_char              *p;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(cf->pool, s3->scheme.len + s3->host.len + 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    /* a resolver would do so later, and what is signed must be what is sent */

    ngx_strlow(s3->host.data, s3->host.data, s3->host.len);

    (void) ngx_sprintf(p, "%V%V/%Z", &s3->scheme, &s3->host);

    s3->url = (char *) p;

    s3->parsed = curl_url();
    if (s3->parsed == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_tecken_s3_parse_cleanup;
    cln->data = s3->parsed;

    return (curl_url_set(s3->parsed, CURLUPART_URL, s3->url, 0) == CURLUE_OK)
           ? NGX_OK : NGX_ERROR;
}


static void
ngx_tecken_s3_parse_cleanup(void *data)
{
    curl_url_cleanup(data);
}


/* what libcurl, or a resolver, would refuse at each request */

static ngx_int_t
ngx_tecken_s3_host(ngx_str_t *host)
{
    u_char      ch;
    ngx_uint_t  i;
#if (NGX_HAVE_INET6)
    u_char      addr[16];
#endif

    if (host->data[0] == '[') {
#if (NGX_HAVE_INET6)
        return ngx_inet6_addr(host->data + 1, host->len - 2, addr);
#else
        return NGX_ERROR;
#endif
    }

    for (i = 0; i < host->len; i++) {
        ch = host->data[i];

        if (!((ch | 0x20) >= 'a' && (ch | 0x20) <= 'z')
            && !(ch >= '0' && ch <= '9')
            && ch != '.' && ch != '-' && ch != '_')
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_s3_numeric(ngx_str_t *host)
{
    if (host->data[0] == '[') {
        return NGX_OK;
    }

    return (ngx_inet_addr(host->data, host->len) != INADDR_NONE) ? NGX_OK
                                                                 : NGX_DECLINED;
}


/* s3.REGION.amazonaws.com, s3-REGION..., BUCKET.s3.REGION..., s3-fips... */

static void
ngx_tecken_s3_guess_region(ngx_tecken_s3_t *s3)
{
    u_char  *p, *last, *dot, *region;

    p = s3->name.data;
    last = p + s3->name.len;

    dot = ngx_strlcasestrn(p, last, (u_char *) ".amazonaws.com", 14 - 1);
    if (dot == NULL) {
        return;
    }

    while (p < dot) {

        if (dot - p > 3 && ngx_strncasecmp(p, (u_char *) "s3", 2) == 0
            && (p[2] == '-' || p[2] == '.')
            && (p == s3->name.data || p[-1] == '.'))
        {
            region = p + 3;

            if (dot - region > 5
                && ngx_strncasecmp(region, (u_char *) "fips.", 5) == 0)
            {
                region += 5;
            }

            if (dot - region > 10
                && ngx_strncasecmp(region, (u_char *) "dualstack.", 10) == 0)
            {
                region += 10;
            }

            /* a bucket may have dots, and "s3" between them */

            if (ngx_strlchr(region, dot, '.') == NULL) {
                s3->region.data = region;
                s3->region.len = dot - region;
                return;
            }
        }

        p++;
    }
}


ngx_int_t
ngx_tecken_s3_init(ngx_conf_t *cf, ngx_tecken_storage_t *st)
{
    ngx_tecken_s3_t *s3 = st->conf;

    size_t      len;
    u_char     *p;
    ngx_url_t   u;
    ngx_uint_t  i;

    if (s3->numeric || st->resolver) {
        return NGX_OK;
    }

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = s3->name;
    u.default_port = s3->port;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "%s in \"%V\" of storage \"%V\" in %s:%ui",
                      u.err ? u.err : "host not found", &s3->name, &st->name,
                      st->file_name, st->line);
        return NGX_ERROR;
    }

    s3->addrs = ngx_pcalloc(cf->pool, u.naddrs * sizeof(struct curl_slist));
    if (s3->addrs == NULL) {
        return NGX_ERROR;
    }

    s3->naddrs = u.naddrs;

    for (i = 0; i < u.naddrs; i++) {

        /* "::ADDRESS:PORT": whatever the URL says, connect there */

        len = sizeof("::") - 1 + u.addrs[i].name.len + 1;

        p = ngx_pnalloc(cf->pool, len);
        if (p == NULL) {
            return NGX_ERROR;
        }

        (void) ngx_sprintf(p, "::%V%Z", &u.addrs[i].name);

        s3->addrs[i].data = (char *) p;
    }

    return NGX_OK;
}
