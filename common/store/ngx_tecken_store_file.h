
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_STORE_FILE_H_INCLUDED_
#define _NGX_TECKEN_STORE_FILE_H_INCLUDED_


/*
 * Objects in files below a root.  Names are those of tk_file_key.h, so no
 * key leaves the root; what is not a regular file is no object.  Symbolic
 * links are followed, as "root" of nginx does: only who may write below the
 * root can make one, the storage makes none.
 *
 * An object called NAME and its metadata are two files that change as one:
 *
 *   .tecken~1.2  .tecken~1.3   object and metadata, written and synced
 *   .tecken~1.3 -> .tecken+NAME
 *   .tecken~1.2 -> NAME
 *   .tecken+NAME -> .tecken.NAME
 *
 * under flock() of the directory (which NFS has not: there only reads work).
 * Where there is no NAME yet, its metadata go to .tecken.NAME at once.
 * The metadata notes size, time and inode of its object, so that a reader,
 * who takes no lock, finds the right one of both at every instant and after a
 * crash between any two steps.  A copy is as good: "rsync -a" and "cp -a"
 * always, those that drop times unless they copy amid a put.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_tecken_offload.h>
#include <ngx_tecken_store.h>
#include <tk_file_key.h>
#include <tk_file_meta.h>


#define NGX_TECKEN_FILE_PATH    4096
#define NGX_TECKEN_FILE_KEY     1024
#define NGX_TECKEN_FILE_ERROR   1024

/* what threads do between two looks at whether anybody still wants it */
#define NGX_TECKEN_FILE_CHUNK   65536


#if (NGX_DARWIN)
#define ngx_tecken_file_nsec(fi)  (fi)->st_mtimespec.tv_nsec
#else
#define ngx_tecken_file_nsec(fi)  (fi)->st_mtim.tv_nsec
#endif


typedef struct {
    ngx_str_t                     root;      /* no slash at its end */
} ngx_tecken_file_conf_t;


typedef struct {
    u_char                       *data;      /* NUL-terminated */
    size_t                        len;
    size_t                        name;      /* where the last component is */
} ngx_tecken_file_path_t;


/* says what failed, made in a thread or in the event loop */

typedef struct {
    ngx_err_t                     err;
    size_t                        len;
    u_char                        text[NGX_TECKEN_FILE_ERROR];
} ngx_tecken_file_error_t;


/* op->ctx; resume is called from the event loop, never from the caller */

typedef struct {
    ngx_tecken_task_t            *task;
    ngx_event_t                   event;
    void                        (*resume)(ngx_tecken_store_op_t *op);
    void                        (*cancel)(ngx_tecken_store_op_t *op);
    void                         *data;
} ngx_tecken_file_ctx_t;


/* of tecken_storage: checks st->url, sets st->conf; logs errors */
ngx_int_t ngx_tecken_store_file_conf(ngx_conf_t *cf,
    ngx_tecken_storage_t *st);


/*
 * The path of a key: NGX_OK, NGX_DECLINED if no file can have such a name,
 * NGX_ERROR when out of memory.
 */
ngx_int_t ngx_tecken_file_path(ngx_tecken_storage_t *st, ngx_pool_t *pool,
    ngx_str_t *key, ngx_tecken_file_path_t *path);

/* a key or a part of one, prefix and root before it; returns its end or
 * NULL if there is no such path; dst has room for NGX_TECKEN_FILE_PATH */
u_char *ngx_tecken_file_path_write(ngx_tecken_storage_t *st, u_char *dst,
    ngx_str_t *key, ngx_uint_t none);

/*
 * What is known of the object at path, and with fd not NULL its file, open
 * for reading.  NGX_OK, NGX_DECLINED or NGX_ERROR with *e set.
 */
ngx_int_t ngx_tecken_file_object(ngx_tecken_file_path_t *path, ngx_fd_t *fd,
    ngx_pool_t *pool, ngx_tecken_object_t *object,
    ngx_tecken_file_error_t *e, ngx_log_t *log);

/*
 * Reads metadata: text has room for TK_FILE_META_MAX + 1 bytes, name is below
 * dir or AT_FDCWD.  Its length, NGX_DECLINED if there is no such file, or
 * NGX_ERROR with *e set.
 */
ssize_t ngx_tecken_file_meta_read(ngx_fd_t dir, u_char *name, u_char *text,
    ngx_tecken_file_error_t *e);


void ngx_cdecl ngx_tecken_file_error(ngx_tecken_file_error_t *e,
    ngx_err_t err, const char *fmt, ...);

/* sets op->error */
void ngx_tecken_file_failed(ngx_tecken_store_op_t *op,
    ngx_tecken_file_error_t *e);

/* the op's ctx and a task with size bytes of data */
ngx_tecken_file_ctx_t *ngx_tecken_file_start(ngx_tecken_store_op_t *op,
    size_t size);

/* NGX_OK, or with op->error set NGX_BUSY, NGX_ERROR once the op is active */
ngx_int_t ngx_tecken_file_post(ngx_tecken_store_op_t *op);

/* ends the op: its handler may destroy it */
void ngx_tecken_file_finish(ngx_tecken_store_op_t *op, ngx_int_t rc);


ngx_int_t ngx_tecken_file_get(ngx_tecken_store_op_t *op);
ngx_int_t ngx_tecken_file_put(ngx_tecken_store_op_t *op);
ngx_int_t ngx_tecken_file_list(ngx_tecken_store_op_t *op);


#endif /* _NGX_TECKEN_STORE_FILE_H_INCLUDED_ */
