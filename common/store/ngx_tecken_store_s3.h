
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_STORE_S3_H_INCLUDED_
#define _NGX_TECKEN_STORE_S3_H_INCLUDED_


#include <ngx_tecken_store.h>
#include <ngx_tecken_credentials.h>
#include <ngx_tecken_transfer.h>


#define NGX_TECKEN_S3_ERROR_SIZE  2048


typedef struct {
    ngx_str_t                   scheme;          /* "https://" */
    ngx_str_t                   host;            /* as in the Host header */
    char                       *url;             /* "https://host/" */
    CURLU                      *parsed;          /* url */
    ngx_str_t                   path;            /* "/bucket/more" encoded */
    size_t                      bucket;          /* length of "/bucket" */
    ngx_str_t                   more;            /* not encoded, or "" */
    ngx_str_t                   name;            /* the host to resolve */
    in_port_t                   port;

    ngx_str_t                   region;
    ngx_str_t                   ca;
    ngx_tecken_credentials_t   *credentials;     /* NULL: nothing is signed */

    struct curl_slist          *addrs;           /* one each; NULL: numeric
                                                    host or a resolver */
    ngx_uint_t                  naddrs;
    ngx_uint_t                  next;

    ngx_msec_t                  connect_timeout;
    ngx_msec_t                  timeout;
    ngx_msec_t                  deadline;
    ngx_uint_t                  retries;

    ngx_tecken_transfer_share_t share;           /* this process' */

    time_t                      skew;            /* the server's clock less
                                                    ours, once it matters */

    unsigned                    credentials_set:1;
    unsigned                    numeric:1;
    unsigned                    virtual:1;       /* addressing=virtual */
    unsigned                    list:1;          /* a missing key is 404 */
    unsigned                    list_set:1;
    unsigned                    unconditional:1; /* no If-None-Match for it */
} ngx_tecken_s3_t;


typedef struct ngx_tecken_s3_call_s  ngx_tecken_s3_call_t;


/* one operation: up to 1 + retries transfers */

struct ngx_tecken_s3_call_s {
    ngx_tecken_transfer_t       transfer;

    ngx_tecken_store_op_t      *op;
    ngx_tecken_s3_t            *s3;

    const char                 *method;
    ngx_str_t                   path;            /* encoded */
    ngx_str_t                   query;           /* encoded */
    ngx_str_t                   target;          /* room for transfer's */
    ngx_str_t                   content_md5;     /* base64 */

    /* what an answer means; NGX_AGAIN: handled as a failed attempt */
    ngx_int_t                 (*answer)(ngx_tecken_s3_call_t *call);
    ngx_int_t                   forbidden;       /* a 403 where s3->list is
                                                    off is this */

    ngx_event_t                 retry;
    ngx_resolver_ctx_t         *resolving;
    struct curl_slist           connect_to;
    ngx_uint_t                  addr;            /* in s3->addrs, or */
    ngx_sockaddr_t              peer;            /* of the last attempt */
    socklen_t                   peer_len;
    ngx_msec_t                  ends;            /* no attempt after it */

    off_t                       received;        /* given to the sink */
    off_t                       progress;        /* of it, when last looked */
    ngx_uint_t                  worth;           /* attempts up to then */
    off_t                       given;           /* by the source */
    time_t                      date;            /* of the answer */

    ngx_str_t                   body;            /* of an error, its start */
    void                       *data;            /* the list's */
    ngx_uint_t                  page;            /* its body has begun */

    unsigned                    skew_tried:1;
    unsigned                    ended:1;         /* told by retry */
    unsigned                    whole:1;         /* timeout bounds it all */
    unsigned                    kms:1;           /* an ETag is no MD5 */
    unsigned                    framed:1;        /* its end is known */
    unsigned                    resumed:1;       /* the rest is asked for */
    unsigned                    rest:1;          /* it begins there */
    unsigned                    changed:1;       /* of another object */
};


char *ngx_tecken_s3_option(ngx_conf_t *cf, ngx_tecken_storage_t *st,
    ngx_str_t *option);
char *ngx_tecken_s3_conf(ngx_conf_t *cf, ngx_tecken_storage_t *st);
ngx_int_t ngx_tecken_s3_init(ngx_conf_t *cf, ngx_tecken_storage_t *st);

/* takes st->url apart; the region too, if the host names it; NGX_ERROR is
 * logged */
ngx_int_t ngx_tecken_s3_endpoint(ngx_conf_t *cf, ngx_tecken_storage_t *st);

/* the length of what precedes a key in the bucket: "more/prefix/" */
size_t ngx_tecken_s3_base(ngx_tecken_storage_t *st);

/* prefix and key, encoded, below s3->path; from pool, NUL-terminated */
ngx_int_t ngx_tecken_s3_path(ngx_tecken_storage_t *st, ngx_pool_t *pool,
    ngx_str_t *key, ngx_str_t *path);

/* what is signed, as far as the storage says it */
void ngx_tecken_s3_sigv4(ngx_tecken_s3_t *s3, tk_sigv4_t *s);

/* a call with what all operations need; then ngx_tecken_s3_call_start() */
ngx_tecken_s3_call_t *ngx_tecken_s3_call(ngx_tecken_store_op_t *op,
    const char *method);
ngx_int_t ngx_tecken_s3_bucket(ngx_tecken_s3_call_t *call);
ngx_int_t ngx_tecken_s3_call_start(ngx_tecken_s3_call_t *call);

/* from call->answer: another request of the same operation */
ngx_int_t ngx_tecken_s3_call_next(ngx_tecken_s3_call_t *call);

/* of a request, signed; of its answer: what it says of the object */
ngx_int_t ngx_tecken_s3_headers(ngx_tecken_s3_call_t *call);
ngx_int_t ngx_tecken_s3_header(ngx_tecken_transfer_t *t, ngx_str_t *name,
    ngx_str_t *value);

/* op->error; returns NGX_ERROR */
ngx_int_t ngx_tecken_s3_error(ngx_tecken_s3_call_t *call, const char *fmt,
    ...);

/* a transfer's body: keeps the start of an error's text, for its code */
ngx_int_t ngx_tecken_s3_body(ngx_tecken_transfer_t *t, u_char *data,
    size_t len);

ngx_int_t ngx_tecken_s3_list(ngx_tecken_store_op_t *op);


#endif /* _NGX_TECKEN_STORE_S3_H_INCLUDED_ */
