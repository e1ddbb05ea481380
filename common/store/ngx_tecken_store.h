
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_STORE_H_INCLUDED_
#define _NGX_TECKEN_STORE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_thread_pool.h>


/*
 * Object storage: one interface, two backends.  A storage is a name, a URL
 * and options (directive tecken_storage); an operation is one call on it.
 */


#define NGX_TECKEN_STORAGE_FILE  0
#define NGX_TECKEN_STORAGE_S3    1


typedef struct ngx_tecken_storage_s   ngx_tecken_storage_t;
typedef struct ngx_tecken_store_op_s  ngx_tecken_store_op_t;

typedef void (*ngx_tecken_store_handler_pt)(ngx_tecken_store_op_t *op);


typedef struct {
    ngx_int_t   (*head)(ngx_tecken_store_op_t *op);
    ngx_int_t   (*get)(ngx_tecken_store_op_t *op);
    ngx_int_t   (*put)(ngx_tecken_store_op_t *op);
    ngx_int_t   (*list)(ngx_tecken_store_op_t *op);
    ngx_int_t   (*check)(ngx_tecken_store_op_t *op);
    void        (*resume)(ngx_tecken_store_op_t *op);
    void        (*cancel)(ngx_tecken_store_op_t *op);
} ngx_tecken_store_backend_t;


struct ngx_tecken_storage_s {
    ngx_str_t                      name;
    ngx_str_t                      url;          /* as configured */
    ngx_str_t                      prefix;       /* no slash at its ends */
    ngx_str_t                      public_url;   /* no slash at its end */
    ngx_uint_t                     type;
    ngx_uint_t                     index;        /* in tmcf->storages */

    /* of name, url and prefix: a storage that changed is another one */
    uint64_t                       id[2];

    ngx_tecken_store_backend_t    *backend;
    void                          *conf;         /* the backend's */

    ngx_thread_pool_t             *io_pool;      /* set once the whole */
    ngx_resolver_t                *resolver;     /* configuration is read */
    ngx_msec_t                     resolver_timeout;

    ngx_msec_t                     deadline;     /* of a head, all attempts;
                                                    0: it is at once */

    u_char                        *file_name;    /* where it is configured */
    ngx_uint_t                     line;

    unsigned                       public:1;     /* access=public */
};


/* what is known of an object; strings are from op->pool, empty if unknown */

typedef struct {
    off_t                          size;         /* as stored; -1 unknown */
    time_t                         mtime;        /* -1 unknown */
    ngx_str_t                      etag;         /* with its quotes */
    ngx_str_t                      content_type;
    ngx_str_t                      content_encoding;
    off_t                          original_size;    /* -1 unknown */
    ngx_str_t                      original_md5;
} ngx_tecken_object_t;


struct ngx_tecken_store_op_s {

    /* set by the caller after ngx_tecken_store_op_create() */

    ngx_tecken_storage_t          *storage;
    ngx_str_t                      key;       /* without the prefix; any bytes,
                                                 1,024 at most */
    ngx_tecken_store_handler_pt    handler;   /* the end, from the loop */
    void                          *data;

    /*
     * get: takes bytes.  NGX_OK; NGX_AGAIN: took them, wants no more before
     * ngx_tecken_store_resume(); NGX_ERROR: stop.  op->object is set before
     * the first call.
     */
    ngx_int_t                    (*sink)(ngx_tecken_store_op_t *op,
                                         u_char *data, size_t len);

    /*
     * put: gives bytes.  The number of bytes; NGX_AGAIN: none before
     * ngx_tecken_store_resume(); NGX_ERROR: stop.  op->object.size says how
     * many there will be.  rewind starts over for another attempt; without
     * it an attempt that failed after its first byte is final.
     */
    ssize_t                      (*source)(ngx_tecken_store_op_t *op,
                                           u_char *buf, size_t size);
    ngx_int_t                    (*rewind)(ngx_tecken_store_op_t *op);

    ngx_tecken_object_t            object;    /* put: in; head, get: out */
    ngx_str_t                      sha256;    /* put: hex, or empty */
    ngx_str_t                      md5;       /* put: 16 bytes, or empty */
    ngx_uint_t                     absent;    /* put: only if there is no such
                                                 object, see below */

    /* list: called for each key, without the prefix; NGX_OK or NGX_DONE to
     * stop; key is the prefix to list */
    ngx_int_t                    (*entry)(ngx_tecken_store_op_t *op,
                                          ngx_str_t *key, off_t size,
                                          time_t mtime);

    /* results */

    ngx_int_t                      rc;
    ngx_uint_t                     status;    /* the last HTTP status or 0 */
    ngx_uint_t                     attempts;
    ngx_str_t                      error;     /* why rc is NGX_ERROR or
                                                 NGX_BUSY: for logs */


    ngx_pool_t                    *pool;      /* of its own */
    ngx_log_t                     *log;       /* must outlive the op */
    void                          *ctx;       /* the backend's */
    unsigned                       active:1;
};


/* NULL when out of memory; log is the caller's, for error lines */
ngx_tecken_store_op_t *ngx_tecken_store_op_create(
    ngx_tecken_storage_t *storage, ngx_str_t *key, ngx_log_t *log);

/*
 * Start an operation.  NGX_AGAIN: op->handler is called later, from the
 * event loop, with op->rc set; anything else is op->rc now, and handler is
 * not called:
 *
 *   NGX_OK        done; head, get: the object is there
 *   NGX_DECLINED  there is no such object (head, get), or none (list)
 *   NGX_BUSY      too much is under way, nothing was tried
 *   NGX_ERROR     it failed for good, after all attempts; op->error says why
 *
 * A put with op->absent is NGX_DECLINED, too: there is an object, perhaps of
 * an attempt of this very put.  But an S3 server that does not know
 * If-None-Match takes the place of the one that is there.
 */
#define ngx_tecken_store_head(op)   (op)->storage->backend->head(op)
#define ngx_tecken_store_get(op)    (op)->storage->backend->get(op)
#define ngx_tecken_store_put(op)    (op)->storage->backend->put(op)
#define ngx_tecken_store_list(op)   (op)->storage->backend->list(op)

/* is the storage usable: a HEAD of the bucket, a stat of the root */
#define ngx_tecken_store_check(op)  (op)->storage->backend->check(op)

/* sink or source goes on after NGX_AGAIN */
#define ngx_tecken_store_resume(op) (op)->storage->backend->resume(op)

/*
 * Frees the op and all it holds; a running one is cancelled first, its
 * handler is not called.  Right in handler, too; sink, source and entry must
 * return NGX_ERROR instead, who called them goes on with the op.
 */
void ngx_tecken_store_op_destroy(ngx_tecken_store_op_t *op);


/*
 * tecken_storage NAME URL [option ...]: parses and checks cf->args as the
 * directive has them.  Errors are logged with file and line.
 */
char *ngx_tecken_storage_parse(ngx_conf_t *cf, ngx_tecken_storage_t *st);

/*
 * After the whole configuration is read, io_pool and resolver being set:
 * looks the host's name up when no resolver will.
 */
ngx_int_t ngx_tecken_storage_init(ngx_conf_t *cf, ngx_tecken_storage_t *st);


/* S3 only: URLs for clients.  Both return NGX_ERROR when out of memory. */

/* scheme://host/bucket/prefix/key, every reserved byte encoded */
ngx_int_t ngx_tecken_store_url(ngx_tecken_storage_t *st, ngx_pool_t *pool,
    ngx_str_t *key, ngx_str_t *url);

/* the same with a signature in its query, good for expires seconds; method
 * is "GET" or "HEAD" */
ngx_int_t ngx_tecken_store_presign(ngx_tecken_storage_t *st,
    ngx_pool_t *pool, ngx_str_t *method, ngx_str_t *key, time_t expires,
    ngx_str_t *url);


/* file only */

/*
 * Finds an object for a response by sendfile: *path is the file's name,
 * NUL-terminated, from pool, ready for ngx_open_cached_file(); object holds
 * what its metadata says.  NGX_OK, NGX_DECLINED (no such object, or a key
 * that can be none) or NGX_ERROR (logged, with the name and errno).
 */
ngx_int_t ngx_tecken_store_file_find(ngx_tecken_storage_t *st,
    ngx_pool_t *pool, ngx_str_t *key, ngx_str_t *path,
    ngx_tecken_object_t *object, ngx_log_t *log);


extern ngx_tecken_store_backend_t  ngx_tecken_store_file;
extern ngx_tecken_store_backend_t  ngx_tecken_store_s3;


#endif /* _NGX_TECKEN_STORE_H_INCLUDED_ */
