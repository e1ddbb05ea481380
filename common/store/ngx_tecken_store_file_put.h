
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_STORE_FILE_PUT_H_INCLUDED_
#define _NGX_TECKEN_STORE_FILE_PUT_H_INCLUDED_


/*
 * A put: the event loop fills buffers (ngx_tecken_store_file_put.c) that a
 * thread writes (ngx_tecken_store_file_write.c) to a file that then takes the
 * object's place (ngx_tecken_store_file_commit.c).
 */


#include <ngx_tecken_store_file.h>

#include <openssl/evp.h>


/* what the next run does, in this order */

#define NGX_TECKEN_FILE_PUT_OPEN     1
#define NGX_TECKEN_FILE_PUT_WRITE    2
#define NGX_TECKEN_FILE_PUT_COMMIT   4


#define NGX_TECKEN_FILE_TEMP_LEN                                             \
    (sizeof(TK_FILE_TEMP "..") + NGX_INT64_LEN + NGX_TIME_T_LEN              \
     + NGX_ATOMIC_T_LEN)


typedef struct {

    /* the event loop's; NULL: the op is gone */
    ngx_tecken_store_op_t        *op;
    ngx_thread_pool_t            *thread_pool;

    /* the event loop tells, the thread polls */
    ngx_atomic_t                  abandoned;

    /* set before the first run */

    u_char                       *path;       /* of the object */
    u_char                       *name;       /* its last component */
    u_char                       *below;      /* where the root in it ends */

    u_char                        md5[16];
    u_char                        sha256[32];
    unsigned                      check_md5:1;
    unsigned                      check_sha256:1;
    unsigned                      absent:1;   /* takes nobody's place */

    tk_file_meta_t                meta;

    /* set before each run */

    ngx_uint_t                    step;
    u_char                       *data;
    size_t                        len;

    /* the thread's */

    ngx_log_t                    *log;
    ngx_fd_t                      dir;
    ngx_fd_t                      fd;
    u_char                        temp[NGX_TECKEN_FILE_TEMP_LEN];
    u_char                        meta_temp[NGX_TECKEN_FILE_TEMP_LEN];

    EVP_MD_CTX                   *md5_ctx;
    EVP_MD_CTX                   *sha256_ctx;

    ngx_tecken_file_error_t       error;
    unsigned                      exists:1;   /* and so it was not put */
} ngx_tecken_file_put_t;


void ngx_tecken_file_put_run(ngx_tecken_task_t *task);

/* removes and closes what is left of it */
void ngx_tecken_file_put_discard(void *data);


/*
 * In the thread; NGX_OK, NGX_DECLINED with put->exists set, or NGX_ERROR with
 * put->error set.
 */
ngx_int_t ngx_tecken_file_put_commit(ngx_tecken_file_put_t *put);

/* of a directory: 0 or why it failed */
ngx_err_t ngx_tecken_file_put_fsync(ngx_fd_t dir);

/* of the put's directory; clears name */
void ngx_tecken_file_put_unlink(ngx_tecken_file_put_t *put, u_char *name);


#endif /* _NGX_TECKEN_STORE_FILE_PUT_H_INCLUDED_ */
