
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_store_file.h>


/* a writer syncs between two changes of an object, a reader does not */
#define NGX_TECKEN_FILE_TRIES  16


typedef struct {
    u_char          pending_text[TK_FILE_META_MAX + 1];
    u_char          final_text[TK_FILE_META_MAX + 1];
    tk_file_meta_t  pending;
    tk_file_meta_t  final;
    tk_file_meta_t *best;                 /* NULL if there is none */
} ngx_tecken_file_metas_t;


static ngx_int_t ngx_tecken_file_open(ngx_tecken_file_path_t *path,
    ngx_fd_t *fd, ngx_file_info_t *fi, ngx_tecken_file_error_t *e);
static ngx_int_t ngx_tecken_file_metas(ngx_tecken_file_path_t *path,
    ngx_file_info_t *fi, ngx_tecken_file_metas_t *m,
    ngx_tecken_file_error_t *e, ngx_log_t *log);
static ngx_int_t ngx_tecken_file_meta(ngx_tecken_file_path_t *path,
    const char *kind, ngx_file_info_t *fi, u_char *text, tk_file_meta_t *meta,
    ngx_int_t *match, ngx_tecken_file_error_t *e, ngx_log_t *log);
static ngx_int_t ngx_tecken_file_same(ngx_tecken_file_path_t *path,
    ngx_file_info_t *fi);
static ngx_int_t ngx_tecken_file_describe(ngx_pool_t *pool,
    ngx_file_info_t *fi, tk_file_meta_t *meta, ngx_tecken_object_t *object);
static ngx_int_t ngx_tecken_file_copy(ngx_pool_t *pool, ngx_str_t *dst,
    tk_str_t *src);
static ngx_int_t ngx_tecken_file_gzipped(ngx_tecken_file_path_t *path,
    ngx_fd_t *fd, ngx_file_info_t *fi, ngx_tecken_file_error_t *e);


ngx_int_t
ngx_tecken_file_object(ngx_tecken_file_path_t *path, ngx_fd_t *fd,
    ngx_pool_t *pool, ngx_tecken_object_t *object, ngx_tecken_file_error_t *e,
    ngx_log_t *log)
{
    ngx_int_t                rc;
    ngx_uint_t               tries;
    ngx_file_info_t          fi;
    ngx_tecken_file_metas_t  m;

    for (tries = 0; tries < NGX_TECKEN_FILE_TRIES; tries++) {

        rc = ngx_tecken_file_open(path, fd, &fi, e);
        if (rc != NGX_OK) {
            return rc;
        }

        rc = ngx_tecken_file_metas(path, &fi, &m, e, log);

        if (rc == NGX_OK) {
            rc = ngx_tecken_file_describe(pool, &fi, m.best, object);

            if (rc == NGX_ERROR) {
                ngx_tecken_file_error(e, 0, "no memory");
            }
        }

        if (rc == NGX_OK && m.best == NULL) {
            rc = ngx_tecken_file_gzipped(path, fd, &fi, e);

            if (rc == NGX_OK) {
                ngx_str_set(&object->content_encoding, "gzip");

            } else if (rc == NGX_DECLINED) {
                rc = NGX_OK;
            }
        }

        if (rc == NGX_OK) {
            return NGX_OK;
        }

        if (fd && ngx_close_file(*fd) == NGX_FILE_ERROR) {
            ngx_log_error(NGX_LOG_ALERT, log, ngx_errno,
                          ngx_close_file_n " \"%s\" failed", path->data);
        }

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        /* NGX_AGAIN: it was replaced */
    }

    ngx_tecken_file_error(e, 0, "\"%s\" changes all the time", path->data);

    return NGX_ERROR;
}


static ngx_int_t
ngx_tecken_file_open(ngx_tecken_file_path_t *path, ngx_fd_t *fd,
    ngx_file_info_t *fi, ngx_tecken_file_error_t *e)
{
    ngx_err_t    err;
    const char  *call;

    if (fd) {
        call = ngx_open_file_n;

        /* a FIFO must not block */
        *fd = ngx_open_file(path->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                            NGX_FILE_OPEN, 0);

        if (*fd == NGX_INVALID_FILE) {
            goto failed;
        }

        if (ngx_fd_info(*fd, fi) == NGX_FILE_ERROR) {
            ngx_tecken_file_error(e, ngx_errno, ngx_fd_info_n " \"%s\" failed",
                                  path->data);
            (void) ngx_close_file(*fd);
            return NGX_ERROR;
        }

        if (!ngx_is_file(fi)) {
            (void) ngx_close_file(*fd);
            return NGX_DECLINED;
        }

        return NGX_OK;
    }

    call = ngx_file_info_n;

    if (ngx_file_info(path->data, fi) == NGX_FILE_ERROR) {
        goto failed;
    }

    return ngx_is_file(fi) ? NGX_OK : NGX_DECLINED;

failed:

    err = ngx_errno;

    if (err == NGX_ENOENT || err == NGX_ENOTDIR || err == NGX_ENAMETOOLONG
        || err == ENXIO || err == NGX_EILSEQ)
    {
        return NGX_DECLINED;
    }

    ngx_tecken_file_error(e, err, "%s \"%s\" failed", call, path->data);

    return NGX_ERROR;
}


/*
 * The pending one is read first: what a writer renames between both reads is
 * then found in its new place.  Unless one notes this very file, the object
 * may have been replaced since it was looked at, and a second look tells.
 */

static ngx_int_t
ngx_tecken_file_metas(ngx_tecken_file_path_t *path, ngx_file_info_t *fi,
    ngx_tecken_file_metas_t *m, ngx_tecken_file_error_t *e, ngx_log_t *log)
{
    ngx_int_t  pending, final;

    m->best = NULL;

    if (path->len - path->name > TK_FILE_OBJECT_MAX) {
        return NGX_OK;
    }

    if (ngx_tecken_file_meta(path, TK_FILE_PENDING, fi, m->pending_text,
                             &m->pending, &pending, e, log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (pending == 3) {
        m->best = &m->pending;
        return NGX_OK;
    }

    if (ngx_tecken_file_meta(path, TK_FILE_META, fi, m->final_text, &m->final,
                             &final, e, log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (final == 3) {
        m->best = &m->final;
        return NGX_OK;
    }

    if (pending == 2 && final < 2) {
        m->best = &m->pending;

    } else if (final > 0) {
        m->best = &m->final;

    } else if (final == NGX_DECLINED) {
        return NGX_OK;
    }

    if (ngx_tecken_file_same(path, fi) != NGX_OK) {
        return NGX_AGAIN;
    }

    if (m->best == NULL) {
        ngx_log_error(NGX_LOG_INFO, log, 0,
                      "metadata beside \"%s\" is of another file, ignored",
                      path->data);
    }

    return NGX_OK;
}


/* *match: as of tk_file_meta_match(), NGX_DECLINED: none or unusable */

static ngx_int_t
ngx_tecken_file_meta(ngx_tecken_file_path_t *path, const char *kind,
    ngx_file_info_t *fi, u_char *text, tk_file_meta_t *meta, ngx_int_t *match,
    ngx_tecken_file_error_t *e, ngx_log_t *log)
{
    u_char   *p, name[NGX_TECKEN_FILE_PATH];
    ssize_t   n;

    p = ngx_cpymem(name, path->data, path->name);
    p = ngx_cpymem(p, kind, TK_FILE_META_LEN);
    ngx_memcpy(p, path->data + path->name, path->len - path->name + 1);

    *match = NGX_DECLINED;

    n = ngx_tecken_file_meta_read(AT_FDCWD, name, text, e);

    if (n == NGX_DECLINED) {
        return NGX_OK;
    }

    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (!tk_file_meta_parse(meta, text, n)) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "\"%s\" is no metadata of an object, ignored, "
                      "remove or repair it", name);
        return NGX_OK;
    }

    *match = tk_file_meta_match(meta, ngx_file_size(fi), ngx_file_mtime(fi),
                                ngx_tecken_file_nsec(fi), ngx_file_uniq(fi));

    return NGX_OK;
}


ssize_t
ngx_tecken_file_meta_read(ngx_fd_t dir, u_char *name, u_char *text,
    ngx_tecken_file_error_t *e)
{
    ssize_t    n;
    ngx_fd_t   fd;
    ngx_err_t  err;

    fd = openat(dir, (char *) name, O_RDONLY|O_NONBLOCK);

    if (fd == NGX_INVALID_FILE) {
        err = ngx_errno;

        /* some file systems have shorter names than TK_FILE_NAME_MAX */

        if (err == NGX_ENOENT || err == NGX_ENAMETOOLONG) {
            return NGX_DECLINED;
        }

        ngx_tecken_file_error(e, err, "openat() \"%s\" failed", name);
        return NGX_ERROR;
    }

    /* a byte more tells what is too long */

    n = ngx_read_fd(fd, text, TK_FILE_META_MAX + 1);

    if (n == -1) {
        err = ngx_errno;

        if (err == NGX_EISDIR) {
            n = 0;

        } else {
            ngx_tecken_file_error(e, err, ngx_read_fd_n " \"%s\" failed",
                                  name);
            n = NGX_ERROR;
        }
    }

    (void) ngx_close_file(fd);

    return n;
}


static ngx_int_t
ngx_tecken_file_same(ngx_tecken_file_path_t *path, ngx_file_info_t *fi)
{
    ngx_file_info_t  now;

    if (ngx_file_info(path->data, &now) == NGX_FILE_ERROR
        || ngx_file_uniq(&now) != ngx_file_uniq(fi)
        || ngx_file_size(&now) != ngx_file_size(fi)
        || ngx_file_mtime(&now) != ngx_file_mtime(fi)
        || ngx_tecken_file_nsec(&now) != ngx_tecken_file_nsec(fi))
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_file_describe(ngx_pool_t *pool, ngx_file_info_t *fi,
    tk_file_meta_t *meta, ngx_tecken_object_t *object)
{
    u_char  *p;

    ngx_memzero(object, sizeof(ngx_tecken_object_t));

    object->size = ngx_file_size(fi);
    object->mtime = ngx_file_mtime(fi);
    object->original_size = -1;

    /* the ETag of nginx's static files */

    p = ngx_pnalloc(pool, NGX_OFF_T_LEN + NGX_TIME_T_LEN + 3);
    if (p == NULL) {
        return NGX_ERROR;
    }

    object->etag.data = p;
    object->etag.len = ngx_sprintf(p, "\"%xT-%xO\"", object->mtime,
                                   object->size)
                       - p;

    if (meta == NULL) {
        return NGX_OK;
    }

    object->original_size = (off_t) meta->original_size;

    if (ngx_tecken_file_copy(pool, &object->content_type, &meta->content_type)
        != NGX_OK
        || ngx_tecken_file_copy(pool, &object->content_encoding,
                                &meta->content_encoding)
           != NGX_OK
        || ngx_tecken_file_copy(pool, &object->original_md5,
                                &meta->original_md5)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_file_copy(ngx_pool_t *pool, ngx_str_t *dst, tk_str_t *src)
{
    if (src->len == 0) {
        return NGX_OK;
    }

    dst->data = ngx_pnalloc(pool, src->len);
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(dst->data, src->data, src->len);
    dst->len = src->len;

    return NGX_OK;
}


/* a folder that was synchronised from a bucket has lost its metadata */

static ngx_int_t
ngx_tecken_file_gzipped(ngx_tecken_file_path_t *path, ngx_fd_t *fd,
    ngx_file_info_t *fi, ngx_tecken_file_error_t *e)
{
    u_char     magic[2];
    ssize_t    n;
    ngx_fd_t   file;
    ngx_err_t  err;

    if (path->len - path->name < 4
        || ngx_memcmp(path->data + path->len - 4, ".sym", 4) != 0
        || ngx_file_size(fi) < 2)
    {
        return NGX_DECLINED;
    }

    file = fd ? *fd : ngx_open_file(path->data,
                                    NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                                    NGX_FILE_OPEN, 0);

    if (file == NGX_INVALID_FILE) {
        err = ngx_errno;

        if (err == NGX_ENOENT) {
            return NGX_AGAIN;
        }

        ngx_tecken_file_error(e, err, ngx_open_file_n " \"%s\" failed",
                              path->data);
        return NGX_ERROR;
    }

    n = pread(file, magic, 2, 0);
    err = ngx_errno;

    if (fd == NULL) {
        (void) ngx_close_file(file);
    }

    if (n == -1) {
        ngx_tecken_file_error(e, err, "pread() \"%s\" failed", path->data);
        return NGX_ERROR;
    }

    return (n == 2 && magic[0] == 0x1f && magic[1] == 0x8b) ? NGX_OK
                                                            : NGX_DECLINED;
}
