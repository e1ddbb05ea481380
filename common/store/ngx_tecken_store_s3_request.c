
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_store_s3.h>


#define NGX_TECKEN_S3_HEADER_SIZE  8192       /* a session token, mostly */


static ngx_int_t ngx_tecken_s3_header_add(ngx_tecken_s3_call_t *call,
    const char *fmt, ...);
static ngx_int_t ngx_tecken_s3_sign(ngx_tecken_s3_call_t *call);
static ngx_uint_t ngx_tecken_s3_range(ngx_tecken_s3_call_t *call,
    ngx_str_t *value);
static ngx_int_t ngx_tecken_s3_copy(ngx_tecken_s3_call_t *call,
    ngx_str_t *dst, ngx_str_t *value);


ngx_int_t
ngx_tecken_s3_headers(ngx_tecken_s3_call_t *call)
{
    ngx_tecken_store_op_t  *op;

    op = call->op;

    if (call->resumed) {

        /* the rest of the same object, or nothing */

        if (ngx_tecken_s3_header_add(call, "Range: bytes=%O-",
                                     call->received)
            != NGX_OK
            || ngx_tecken_s3_header_add(call, "If-Match: %V",
                                        &op->object.etag)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (call->transfer.upload >= 0) {

        if (ngx_tecken_s3_header_add(call, "Expect:") != NGX_OK) {
            return NGX_ERROR;
        }

        if (op->absent && !call->s3->unconditional
            && ngx_tecken_s3_header_add(call, "If-None-Match: *") != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (op->object.content_type.len
            && ngx_tecken_s3_header_add(call, "Content-Type: %V",
                                        &op->object.content_type)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (op->object.content_encoding.len
            && ngx_tecken_s3_header_add(call, "Content-Encoding: %V",
                                        &op->object.content_encoding)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (call->content_md5.len
            && ngx_tecken_s3_header_add(call, "Content-MD5: %V",
                                        &call->content_md5)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (op->object.original_size >= 0
            && ngx_tecken_s3_header_add(call, "x-amz-meta-original_size: %O",
                                        op->object.original_size)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (op->object.original_md5.len
            && ngx_tecken_s3_header_add(call,
                                        "x-amz-meta-original_md5_hash: %V",
                                        &op->object.original_md5)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (call->s3->credentials) {
        return ngx_tecken_s3_sign(call);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_s3_header_add(ngx_tecken_s3_call_t *call, const char *fmt, ...)
{
    u_char             *p, *last, line[NGX_TECKEN_S3_HEADER_SIZE];
    va_list             args;
    struct curl_slist  *list;

    last = line + sizeof(line) - 1;

    va_start(args, fmt);
    p = ngx_vslprintf(line, last, fmt, args);
    va_end(args);

    *p = '\0';

    /* what has a line's end in it would be two headers */

    if (p == last || strpbrk((char *) line, CRLF)
        || ngx_strlen(line) != (size_t) (p - line))
    {
        return ngx_tecken_s3_error(call, "header \"%*s\" is too long or has a "
                                   "line's end in it",
                                   strcspn((char *) line, ":"), line);
    }

    list = curl_slist_append(call->transfer.headers, (char *) line);
    if (list == NULL) {
        return ngx_tecken_s3_error(call, "out of memory");
    }

    call->transfer.headers = list;

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_s3_sign(ngx_tecken_s3_call_t *call)
{
    char                       date[TK_SIGV4_DATE_LEN];
    char                       auth[NGX_TECKEN_S3_ERROR_SIZE];
    size_t                     n;
    ssize_t                    len;
    ngx_str_t                  hash;
    tk_sigv4_t                 s;
    tk_header_t                signs[TK_SIGV4_MAX_HEADERS];
    ngx_tecken_s3_t           *s3;
    struct curl_slist         *h;
    ngx_tecken_credentials_t  *cr;

    s3 = call->s3;
    cr = s3->credentials;

    ngx_tecken_credentials_refresh(cr, call->op->log);

    /* all that was added so far is signed, but for "Expect:" */

    n = 0;

    for (h = call->transfer.headers; h; h = h->next) {

        signs[n].name.data = (uint8_t *) h->data;
        signs[n].name.len = ngx_strchr(h->data, ':') - h->data;
        signs[n].value.data = (uint8_t *) h->data + signs[n].name.len + 1;
        signs[n].value.len = ngx_strlen(h->data) - signs[n].name.len - 1;

        if (signs[n].value.len) {
            n++;
        }
    }

    if (call->transfer.upload < 0) {
        ngx_str_set(&hash, TK_SIGV4_EMPTY_HASH);

    } else if (call->op->sha256.len == TK_SIGV4_HASH_LEN) {
        hash = call->op->sha256;

    } else {
        ngx_str_set(&hash, TK_SIGV4_UNSIGNED_PAYLOAD);
    }

    ngx_tecken_s3_sigv4(s3, &s);

    s.method.data = (u_char *) call->method;
    s.method.len = ngx_strlen(call->method);
    s.host.data = s3->host.data;
    s.host.len = s3->host.len;
    s.path.data = call->path.data;
    s.path.len = call->path.len;
    s.query.data = call->query.data;
    s.query.len = call->query.len;
    s.headers = signs;
    s.nheaders = n;
    s.payload_hash.data = hash.data;
    s.payload_hash.len = hash.len;

    len = tk_sigv4_sign(&s, &cr->signing, date, auth, sizeof(auth));
    if (len < 0) {
        return ngx_tecken_s3_error(call, "the signature is too long");
    }

    if (ngx_tecken_s3_header_add(call, "x-amz-date: %*s",
                                 (size_t) TK_SIGV4_DATE_LEN, date)
        != NGX_OK
        || ngx_tecken_s3_header_add(call, "x-amz-content-sha256: %V", &hash)
           != NGX_OK
        || ngx_tecken_s3_header_add(call, "Authorization: %*s",
                                    (size_t) len, auth)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (cr->keys.session_token.len) {
        return ngx_tecken_s3_header_add(call, "x-amz-security-token: %*s",
                                        cr->keys.session_token.len,
                                        cr->keys.session_token.data);
    }

    return NGX_OK;
}


ngx_int_t
ngx_tecken_s3_header(ngx_tecken_transfer_t *t, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_tecken_s3_call_t *call = t->data;

    ngx_tecken_object_t  *o;

    o = &call->op->object;

#define ngx_tecken_s3_is(s)                                                   \
    (name->len == sizeof(s) - 1                                               \
     && ngx_strncasecmp(name->data, (u_char *) s, sizeof(s) - 1) == 0)

    if (ngx_tecken_s3_is("date")) {

        /* the clock that signatures are checked with */

        if (call->s3->credentials) {
            call->date = ngx_parse_http_time(value->data, value->len);
        }

        return NGX_OK;
    }

    if (call->data) {

        /* a list's, it may have many pages */

        return NGX_OK;
    }

    if (t->upload >= 0) {

        if (ngx_tecken_s3_is("etag")) {
            return ngx_tecken_s3_copy(call, &o->etag, value);
        }

        if (ngx_tecken_s3_is("x-amz-server-side-encryption")) {
            call->kms = (value->len != 6);    /* "AES256" keeps an MD5 */
        }

        return NGX_OK;
    }

    if (ngx_tecken_s3_is("content-length")) {
        call->framed = 1;

        if (!call->resumed) {
            o->size = ngx_atoof(value->data, value->len);
        }

        return NGX_OK;
    }

    if (ngx_tecken_s3_is("transfer-encoding")) {
        call->framed = 1;
        return NGX_OK;
    }

    if (call->resumed) {

        /* not all servers know If-Match, some start elsewhere */

        if (ngx_tecken_s3_is("etag")) {
            call->changed = (value->len != o->etag.len
                             || ngx_memcmp(value->data, o->etag.data,
                                           value->len) != 0);

        } else if (ngx_tecken_s3_is("content-range")) {
            call->rest = ngx_tecken_s3_range(call, value);
        }

        return NGX_OK;
    }

    if (ngx_tecken_s3_is("last-modified")) {
        o->mtime = ngx_parse_http_time(value->data, value->len);

    } else if (ngx_tecken_s3_is("etag")) {
        return ngx_tecken_s3_copy(call, &o->etag, value);

    } else if (ngx_tecken_s3_is("content-type")) {
        return ngx_tecken_s3_copy(call, &o->content_type, value);

    } else if (ngx_tecken_s3_is("content-encoding")) {
        return ngx_tecken_s3_copy(call, &o->content_encoding, value);

    } else if (ngx_tecken_s3_is("x-amz-meta-original_size")
               || ngx_tecken_s3_is("x-amz-meta-original-size"))
    {
        o->original_size = ngx_atoof(value->data, value->len);

    } else if (ngx_tecken_s3_is("x-amz-meta-original_md5_hash")
               || ngx_tecken_s3_is("x-amz-meta-original-md5-hash"))
    {
        return ngx_tecken_s3_copy(call, &o->original_md5, value);
    }

    return NGX_OK;
}


/* "bytes 100-999/1000" begins at what was asked for */

static ngx_uint_t
ngx_tecken_s3_range(ngx_tecken_s3_call_t *call, ngx_str_t *value)
{
    size_t   len;
    u_char  *dash;

    len = sizeof("bytes ") - 1;

    if (value->len < len
        || ngx_strncasecmp(value->data, (u_char *) "bytes ", len) != 0)
    {
        return 0;
    }

    dash = ngx_strlchr(value->data + len, value->data + value->len, '-');

    return (dash != NULL
            && ngx_atoof(value->data + len, dash - value->data - len)
               == call->received);
}


static ngx_int_t
ngx_tecken_s3_copy(ngx_tecken_s3_call_t *call, ngx_str_t *dst,
    ngx_str_t *value)
{
    dst->data = ngx_pstrdup(call->op->pool, value);
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    dst->len = value->len;

    return NGX_OK;
}
