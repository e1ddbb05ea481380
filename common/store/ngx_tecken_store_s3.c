
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_store_s3.h>


#define NGX_TECKEN_S3_MAX_KEY     1024
#define NGX_TECKEN_S3_ERROR_BODY  1024


static ngx_int_t ngx_tecken_s3_head(ngx_tecken_store_op_t *op);
static ngx_int_t ngx_tecken_s3_get(ngx_tecken_store_op_t *op);
static ngx_int_t ngx_tecken_s3_put(ngx_tecken_store_op_t *op);
static ngx_int_t ngx_tecken_s3_check(ngx_tecken_store_op_t *op);
static void ngx_tecken_s3_resume(ngx_tecken_store_op_t *op);
static void ngx_tecken_s3_cancel(ngx_tecken_store_op_t *op);

static ngx_uint_t ngx_tecken_s3_too_long(ngx_tecken_store_op_t *op);
static ngx_tecken_s3_call_t *ngx_tecken_s3_key_call(
    ngx_tecken_store_op_t *op, const char *method);
static ngx_int_t ngx_tecken_s3_ok(ngx_tecken_s3_call_t *call);
static ngx_int_t ngx_tecken_s3_get_answer(ngx_tecken_s3_call_t *call);
static ngx_int_t ngx_tecken_s3_put_answer(ngx_tecken_s3_call_t *call);
static ngx_int_t ngx_tecken_s3_sink(ngx_tecken_transfer_t *t, u_char *data,
    size_t len);
static ssize_t ngx_tecken_s3_source(ngx_tecken_transfer_t *t, u_char *buf,
    size_t size);


ngx_tecken_store_backend_t  ngx_tecken_store_s3 = {
    ngx_tecken_s3_head,
    ngx_tecken_s3_get,
    ngx_tecken_s3_put,
    ngx_tecken_s3_list,
    ngx_tecken_s3_check,
    ngx_tecken_s3_resume,
    ngx_tecken_s3_cancel
};


static ngx_int_t
ngx_tecken_s3_head(ngx_tecken_store_op_t *op)
{
    ngx_tecken_s3_call_t  *call;

    if (ngx_tecken_s3_too_long(op)) {
        return NGX_DECLINED;
    }

    call = ngx_tecken_s3_key_call(op, "HEAD");
    if (call == NULL) {
        return NGX_ERROR;
    }

    call->answer = ngx_tecken_s3_ok;
    call->forbidden = NGX_DECLINED;
    call->whole = 1;

    return ngx_tecken_s3_call_start(call);
}


static ngx_int_t
ngx_tecken_s3_get(ngx_tecken_store_op_t *op)
{
    ngx_tecken_s3_call_t  *call;

    if (ngx_tecken_s3_too_long(op)) {
        return NGX_DECLINED;
    }

    call = ngx_tecken_s3_key_call(op, "GET");
    if (call == NULL) {
        return NGX_ERROR;
    }

    call->answer = ngx_tecken_s3_get_answer;
    call->forbidden = NGX_DECLINED;
    call->transfer.body = ngx_tecken_s3_sink;

    return ngx_tecken_s3_call_start(call);
}


static ngx_int_t
ngx_tecken_s3_put(ngx_tecken_store_op_t *op)
{
    ngx_str_t              md5;
    ngx_tecken_s3_call_t  *call;

    call = ngx_tecken_s3_key_call(op, "PUT");
    if (call == NULL) {
        return NGX_ERROR;
    }

    if (op->object.size < 0) {
        return ngx_tecken_s3_error(call, "the size of the object is unknown");
    }

    if (op->md5.len == 16) {
        md5 = op->md5;

        call->content_md5.data = ngx_pnalloc(op->pool,
                                             ngx_base64_encoded_length(16));
        if (call->content_md5.data == NULL) {
            return NGX_ERROR;
        }

        ngx_encode_base64(&call->content_md5, &md5);
    }

    call->answer = ngx_tecken_s3_put_answer;
    call->transfer.upload = op->object.size;
    call->transfer.read = ngx_tecken_s3_source;
    call->transfer.body = ngx_tecken_s3_body;

    return ngx_tecken_s3_call_start(call);
}


static ngx_int_t
ngx_tecken_s3_check(ngx_tecken_store_op_t *op)
{
    ngx_tecken_s3_call_t  *call;

    call = ngx_tecken_s3_call(op, "HEAD");
    if (call == NULL) {
        return NGX_ERROR;
    }

    if (ngx_tecken_s3_bucket(call) != NGX_OK) {
        return NGX_ERROR;
    }

    /* who may not list may not ask for the bucket either: it has answered */

    call->answer = ngx_tecken_s3_ok;
    call->forbidden = NGX_OK;
    call->whole = 1;

    return ngx_tecken_s3_call_start(call);
}


/* no object can have such a key */

static ngx_uint_t
ngx_tecken_s3_too_long(ngx_tecken_store_op_t *op)
{
    return ngx_tecken_s3_base(op->storage) + op->key.len
           > NGX_TECKEN_S3_MAX_KEY;
}


static ngx_tecken_s3_call_t *
ngx_tecken_s3_key_call(ngx_tecken_store_op_t *op, const char *method)
{
    ngx_tecken_s3_call_t  *call;

    call = ngx_tecken_s3_call(op, method);
    if (call == NULL) {
        return NULL;
    }

    if (op->key.len == 0 || ngx_tecken_s3_too_long(op)) {
        (void) ngx_tecken_s3_error(call, "a key has 1 to %d bytes",
                                   NGX_TECKEN_S3_MAX_KEY);
        return NULL;
    }

    if (ngx_tecken_s3_path(op->storage, op->pool, &op->key, &call->path)
        != NGX_OK)
    {
        return NULL;
    }

    return call;
}


static ngx_int_t
ngx_tecken_s3_ok(ngx_tecken_s3_call_t *call)
{
    return NGX_OK;
}


static ngx_int_t
ngx_tecken_s3_get_answer(ngx_tecken_s3_call_t *call)
{
    ngx_tecken_store_op_t  *op;

    op = call->op;

    if (op->status != (call->resumed ? 206 : 200)) {
        return ngx_tecken_s3_error(call, "status %ui is no answer to it",
                                   op->status);
    }

    if (!call->framed) {
        return ngx_tecken_s3_error(call, "the answer has no length: it may be "
                                   "cut off");
    }

    if (op->object.size >= 0 && call->received != op->object.size) {
        return ngx_tecken_s3_error(call, "%O bytes of %O came",
                                   call->received, op->object.size);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_s3_put_answer(ngx_tecken_s3_call_t *call)
{
    u_char                  hex[32];
    ngx_str_t              *etag;
    ngx_tecken_store_op_t  *op;

    op = call->op;
    etag = &op->object.etag;

    /* an ETag is the MD5 of what S3 has stored, unless KMS encrypts it */

    if (op->md5.len == 16 && !call->kms && etag->len == 34) {

        (void) ngx_hex_dump(hex, op->md5.data, 16);

        if (ngx_strncasecmp(etag->data + 1, hex, 32) != 0) {
            return ngx_tecken_s3_error(call, "ETag %V is not the MD5 of what "
                                       "was sent", etag);
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_tecken_s3_body(ngx_tecken_transfer_t *t, u_char *data, size_t len)
{
    ngx_tecken_s3_call_t *call = t->data;

    size_t  n;

    if (call->body.data == NULL) {
        call->body.data = ngx_pnalloc(call->op->pool,
                                      NGX_TECKEN_S3_ERROR_BODY);
        if (call->body.data == NULL) {
            return NGX_ERROR;
        }
    }

    n = ngx_min(len, NGX_TECKEN_S3_ERROR_BODY - call->body.len);

    ngx_memcpy(call->body.data + call->body.len, data, n);
    call->body.len += n;

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_s3_sink(ngx_tecken_transfer_t *t, u_char *data, size_t len)
{
    ngx_tecken_s3_call_t *call = t->data;

    ngx_int_t               rc;
    ngx_tecken_store_op_t  *op;

    op = call->op;

    if (t->status / 100 != 2) {
        return ngx_tecken_s3_body(t, data, len);
    }

    if (call->resumed
        && (t->status != 206 || !call->rest || call->changed))
    {
        (void) ngx_cpystrn((u_char *) t->error,
                           (u_char *) "the rest of the object was asked for, "
                                      "something else came", CURL_ERROR_SIZE);
        op->rc = NGX_ABORT;
        return NGX_ERROR;
    }

    if (!call->resumed && t->status != 200) {

        /* 206: nobody has asked for a part, it is not the object */

        (void) ngx_snprintf((u_char *) t->error, CURL_ERROR_SIZE,
                            "status %ui is no answer to it%Z", t->status);
        op->rc = NGX_ABORT;
        return NGX_ERROR;
    }

    call->received += len;

    rc = op->sink(op, data, len);

    if (rc == NGX_ERROR) {
        op->rc = NGX_ABORT;
    }

    return rc;
}


static ssize_t
ngx_tecken_s3_source(ngx_tecken_transfer_t *t, u_char *buf, size_t size)
{
    ngx_tecken_s3_call_t *call = t->data;

    off_t                   left;
    ssize_t                 n;
    ngx_tecken_store_op_t  *op;

    op = call->op;
    left = op->object.size - call->given;

    if (left == 0) {
        return 0;
    }

    n = op->source(op, buf, (size_t) ngx_min((off_t) size, left));

    if (n == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (n <= 0) {

        /* fewer bytes than promised would leave the server waiting */

        op->rc = NGX_ABORT;
        return NGX_ERROR;
    }

    call->given += n;

    return n;
}


static void
ngx_tecken_s3_resume(ngx_tecken_store_op_t *op)
{
    ngx_tecken_s3_call_t *call = op->ctx;

    if (op->active) {
        ngx_tecken_transfer_resume(&call->transfer);
    }
}


static void
ngx_tecken_s3_cancel(ngx_tecken_store_op_t *op)
{
    ngx_tecken_s3_call_t *call = op->ctx;

    op->active = 0;

    if (call->resolving) {
        ngx_resolve_name_done(call->resolving);
        call->resolving = NULL;
    }

    if (call->retry.timer_set) {
        ngx_del_timer(&call->retry);
    }

    if (call->retry.posted) {
        ngx_delete_posted_event(&call->retry);
    }

    ngx_tecken_transfer_cancel(&call->transfer);
}
