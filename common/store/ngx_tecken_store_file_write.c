
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_store_file_put.h>

#include <dirent.h>
#include <time.h>


#define NGX_TECKEN_FILE_TEMP_TRIES   100
#define NGX_TECKEN_FILE_STALE        3600      /* s */
#define NGX_TECKEN_FILE_STALE_MAX    1000      /* entries looked at */

/* crashes are nobody else's; nginx as a daemon has no umask */
#define NGX_TECKEN_FILE_DIR_MODE     0750
#define NGX_TECKEN_FILE_MODE         0640


static ngx_int_t ngx_tecken_file_put_open(ngx_tecken_file_put_t *put);
static ngx_fd_t ngx_tecken_file_put_dir(ngx_tecken_file_put_t *put);
static ngx_int_t ngx_tecken_file_put_mkdirs(ngx_tecken_file_put_t *put);
static ngx_int_t ngx_tecken_file_put_sync_parent(ngx_tecken_file_put_t *put,
    u_char *end);
static void ngx_tecken_file_put_sweep(ngx_tecken_file_put_t *put);
static ngx_fd_t ngx_tecken_file_put_temp(ngx_tecken_file_put_t *put,
    u_char *name);
static ngx_int_t ngx_tecken_file_put_digests(ngx_tecken_file_put_t *put);
static ngx_int_t ngx_tecken_file_put_write(ngx_tecken_file_put_t *put);
static ngx_int_t ngx_tecken_file_put_verify(ngx_tecken_file_put_t *put);
static ngx_int_t ngx_tecken_file_put_close(ngx_tecken_file_put_t *put);
static ngx_int_t ngx_tecken_file_put_meta(ngx_tecken_file_put_t *put);


static ngx_atomic_t  ngx_tecken_file_temp_number;


void
ngx_tecken_file_put_run(ngx_tecken_task_t *task)
{
    ngx_tecken_file_put_t *put = task->data;

    ngx_int_t  rc;

    rc = NGX_OK;

    if (put->step & NGX_TECKEN_FILE_PUT_OPEN) {
        rc = ngx_tecken_file_put_open(put);
    }

    if (rc == NGX_OK && (put->step & NGX_TECKEN_FILE_PUT_WRITE)) {
        rc = ngx_tecken_file_put_write(put);
    }

    if (rc == NGX_OK && (put->step & NGX_TECKEN_FILE_PUT_COMMIT)) {
        rc = ngx_tecken_file_put_verify(put);

        if (rc == NGX_OK) {
            rc = ngx_tecken_file_put_close(put);
        }

        if (rc == NGX_OK) {
            rc = ngx_tecken_file_put_meta(put);
        }

        if (rc == NGX_OK) {
            rc = ngx_tecken_file_put_commit(put);
        }
    }

    if (rc != NGX_OK || put->abandoned
        || (put->step & NGX_TECKEN_FILE_PUT_COMMIT))
    {
        ngx_tecken_file_put_discard(put);
    }
}


void
ngx_tecken_file_put_discard(void *data)
{
    ngx_tecken_file_put_t *put = data;

    if (put->fd != NGX_INVALID_FILE) {
        (void) close(put->fd);
        put->fd = NGX_INVALID_FILE;
    }

    ngx_tecken_file_put_unlink(put, put->temp);
    ngx_tecken_file_put_unlink(put, put->meta_temp);

    if (put->dir != NGX_INVALID_FILE) {
        (void) close(put->dir);
        put->dir = NGX_INVALID_FILE;
    }

    /* both may be NULL */

    EVP_MD_CTX_free(put->md5_ctx);
    EVP_MD_CTX_free(put->sha256_ctx);

    put->md5_ctx = NULL;
    put->sha256_ctx = NULL;
}


static ngx_int_t
ngx_tecken_file_put_open(ngx_tecken_file_put_t *put)
{
    put->dir = ngx_tecken_file_put_dir(put);

    if (put->dir == NGX_INVALID_FILE && ngx_errno == NGX_ENOENT) {

        if (ngx_tecken_file_put_mkdirs(put) != NGX_OK) {
            return NGX_ERROR;
        }

        put->dir = ngx_tecken_file_put_dir(put);
    }

    if (put->dir == NGX_INVALID_FILE) {
        ngx_tecken_file_error(&put->error, ngx_errno,
                              "open() of the directory of \"%s\" failed",
                              put->path);
        return NGX_ERROR;
    }

    ngx_tecken_file_put_sweep(put);

    put->fd = ngx_tecken_file_put_temp(put, put->temp);
    if (put->fd == NGX_INVALID_FILE) {
        return NGX_ERROR;
    }

    return ngx_tecken_file_put_digests(put);
}


static ngx_fd_t
ngx_tecken_file_put_dir(ngx_tecken_file_put_t *put)
{
    u_char    c;
    ngx_fd_t  fd;

    c = *put->name;
    *put->name = '\0';

    fd = open((char *) put->path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    *put->name = c;

    return fd;
}


static ngx_int_t
ngx_tecken_file_put_mkdirs(ngx_tecken_file_put_t *put)
{
    u_char     *p, *made;
    ngx_err_t   err;

    made = NULL;

    /* never the root: it may be a disk that is not mounted */

    for (p = put->below; p < put->name; p++) {

        if (*p != '/') {
            continue;
        }

        *p = '\0';
        err = (mkdir((char *) put->path, NGX_TECKEN_FILE_DIR_MODE) == -1)
              ? ngx_errno : 0;
        *p = '/';

        if (err == NGX_EEXIST) {
            continue;
        }

        if (err) {
            ngx_tecken_file_error(&put->error, err,
                                  "mkdir() \"%*s\" failed",
                                  (size_t) (p - put->path), put->path);
            return NGX_ERROR;
        }

        if (made == NULL) {
            made = p;
        }
    }

    /* after all of them: most file systems then have one journal to write */

    for (p = made; p && p < put->name; p++) {

        if (*p == '/' && ngx_tecken_file_put_sync_parent(put, p) != NGX_OK) {
            goto failed;
        }
    }

    return NGX_OK;

failed:

    /* the next put must not take them for synced */

    for (p = put->name - 1; p >= made; p--) {

        if (*p == '/') {
            *p = '\0';
            (void) rmdir((char *) put->path);
            *p = '/';
        }
    }

    return NGX_ERROR;
}


/* a directory is there after a power cut when the one above it is synced */

static ngx_int_t
ngx_tecken_file_put_sync_parent(ngx_tecken_file_put_t *put, u_char *end)
{
    u_char     c, *p;
    ngx_fd_t   fd;
    ngx_err_t  err;

    for (p = end; p[-1] != '/'; p--) { /* void */ }

    c = *p;
    *p = '\0';
    fd = open((char *) put->path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    *p = c;

    err = (fd == NGX_INVALID_FILE) ? ngx_errno
                                   : ngx_tecken_file_put_fsync(fd);

    if (fd != NGX_INVALID_FILE) {
        (void) close(fd);
    }

    if (err) {
        ngx_tecken_file_error(&put->error, err, "fsync() \"%*s\" failed",
                              (size_t) (p - put->path), put->path);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* what puts of a killed process have left */

static void
ngx_tecken_file_put_sweep(ngx_tecken_file_put_t *put)
{
    DIR             *dir;
    time_t           stale;
    ngx_fd_t         fd;
    ngx_uint_t       n;
    struct stat      st;
    struct dirent   *de;

    fd = openat(put->dir, ".", O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    if (fd == NGX_INVALID_FILE) {
        return;
    }

    dir = fdopendir(fd);
    if (dir == NULL) {
        (void) close(fd);
        return;
    }

    stale = time(NULL) - NGX_TECKEN_FILE_STALE;

    for (n = 0; n < NGX_TECKEN_FILE_STALE_MAX; n++) {

        de = readdir(dir);
        if (de == NULL) {
            break;
        }

        if (ngx_strncmp(de->d_name, TK_FILE_TEMP, TK_FILE_META_LEN) == 0
            && fstatat(put->dir, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0
            && S_ISREG(st.st_mode)
            && st.st_mtime < stale)
        {
            (void) unlinkat(put->dir, de->d_name, 0);
        }
    }

    (void) closedir(dir);
}


static ngx_fd_t
ngx_tecken_file_put_temp(ngx_tecken_file_put_t *put, u_char *name)
{
    ngx_fd_t      fd;
    ngx_err_t     err;
    ngx_uint_t    n;
    ngx_atomic_t  number;

    for (n = 0; n < NGX_TECKEN_FILE_TEMP_TRIES; n++) {

        number = ngx_atomic_fetch_add(&ngx_tecken_file_temp_number, 1);

        *ngx_sprintf(name, TK_FILE_TEMP "%P.%T.%uA", ngx_pid, time(NULL),
                     number)
            = '\0';

        fd = openat(put->dir, (char *) name,
                    O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC,
                    NGX_TECKEN_FILE_MODE);

        if (fd != NGX_INVALID_FILE) {
            return fd;
        }

        if (ngx_errno != NGX_EEXIST) {
            break;
        }
    }

    err = ngx_errno;
    name[0] = '\0';

    ngx_tecken_file_error(&put->error, err,
                          "openat() of a temporary file for \"%s\" failed",
                          put->path);

    return NGX_INVALID_FILE;
}


static ngx_int_t
ngx_tecken_file_put_digests(ngx_tecken_file_put_t *put)
{
    if (put->check_md5) {
        put->md5_ctx = EVP_MD_CTX_new();

        if (put->md5_ctx == NULL
            || !EVP_DigestInit_ex(put->md5_ctx, EVP_md5(), NULL))
        {
            ngx_tecken_file_error(&put->error, 0, "libcrypto has no MD5");
            return NGX_ERROR;
        }
    }

    if (put->check_sha256) {
        put->sha256_ctx = EVP_MD_CTX_new();

        if (put->sha256_ctx == NULL
            || !EVP_DigestInit_ex(put->sha256_ctx, EVP_sha256(), NULL))
        {
            ngx_tecken_file_error(&put->error, 0, "libcrypto has no SHA-256");
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_file_put_write(ngx_tecken_file_put_t *put)
{
    u_char   *p, *last;
    size_t    size;
    ssize_t   n;

    p = put->data;
    last = p + put->len;

    if (put->check_md5) {
        (void) EVP_DigestUpdate(put->md5_ctx, p, put->len);
    }

    if (put->check_sha256) {
        (void) EVP_DigestUpdate(put->sha256_ctx, p, put->len);
    }

    while (p < last) {

        if (put->abandoned) {
            return NGX_ABORT;
        }

        size = ngx_min(last - p, NGX_TECKEN_FILE_CHUNK);

        n = write(put->fd, p, size);

        if (n == -1) {
            if (ngx_errno == NGX_EINTR) {
                continue;
            }

            ngx_tecken_file_error(&put->error, ngx_errno,
                                  "write() of \"%s\" failed", put->path);
            return NGX_ERROR;
        }

        p += n;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_file_put_verify(ngx_tecken_file_put_t *put)
{
    u_char  digest[EVP_MAX_MD_SIZE];

    if (put->check_md5
        && (!EVP_DigestFinal_ex(put->md5_ctx, digest, NULL)
            || ngx_memcmp(digest, put->md5, sizeof(put->md5)) != 0))
    {
        ngx_tecken_file_error(&put->error, 0,
                              "the MD5 of the object is not the expected one");
        return NGX_ERROR;
    }

    if (put->check_sha256
        && (!EVP_DigestFinal_ex(put->sha256_ctx, digest, NULL)
            || ngx_memcmp(digest, put->sha256, sizeof(put->sha256)) != 0))
    {
        ngx_tecken_file_error(&put->error, 0, "the SHA-256 of the object "
                              "is not the expected one");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_file_put_close(ngx_tecken_file_put_t *put)
{
    ngx_fd_t         fd;
    ngx_file_info_t  fi;

    /* after a failed fsync() another one tells nothing */

    if (fsync(put->fd) == -1) {
        ngx_tecken_file_error(&put->error, ngx_errno,
                              "fsync() of \"%s\" failed", put->path);
        return NGX_ERROR;
    }

    if (ngx_fd_info(put->fd, &fi) == NGX_FILE_ERROR) {
        ngx_tecken_file_error(&put->error, ngx_errno,
                              ngx_fd_info_n " of \"%s\" failed", put->path);
        return NGX_ERROR;
    }

    put->meta.size = ngx_file_size(&fi);
    put->meta.sec = ngx_file_mtime(&fi);
    put->meta.nsec = ngx_tecken_file_nsec(&fi);
    put->meta.inode = (int64_t) ngx_file_uniq(&fi);

    fd = put->fd;
    put->fd = NGX_INVALID_FILE;

    if (close(fd) == -1) {
        ngx_tecken_file_error(&put->error, ngx_errno,
                              "close() of \"%s\" failed", put->path);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_file_put_meta(ngx_tecken_file_put_t *put)
{
    size_t     len;
    u_char     text[TK_FILE_META_MAX];
    ssize_t    n;
    ngx_fd_t   fd;
    ngx_err_t  err;

    len = tk_file_meta_write(text, &put->meta);

    fd = ngx_tecken_file_put_temp(put, put->meta_temp);
    if (fd == NGX_INVALID_FILE) {
        return NGX_ERROR;
    }

    do {
        n = write(fd, text, len);
    } while (n == -1 && ngx_errno == NGX_EINTR);

    err = (n == -1) ? ngx_errno : (n < (ssize_t) len) ? NGX_ENOSPC : 0;

    if (err == 0 && fsync(fd) == -1) {
        err = ngx_errno;
    }

    if (close(fd) == -1 && err == 0) {
        err = ngx_errno;
    }

    if (err) {
        ngx_tecken_file_error(&put->error, err,
                              "write() of the metadata of \"%s\" failed",
                              put->path);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* some file systems know no sync of a directory */

ngx_err_t
ngx_tecken_file_put_fsync(ngx_fd_t dir)
{
    if (fsync(dir) == 0 || ngx_errno == NGX_EINVAL) {
        return 0;
    }

    return ngx_errno;
}


void
ngx_tecken_file_put_unlink(ngx_tecken_file_put_t *put, u_char *name)
{
    if (name[0] == '\0') {
        return;
    }

    if (unlinkat(put->dir, (char *) name, 0) == -1
        && ngx_errno != NGX_ENOENT)
    {
        ngx_log_error(NGX_LOG_ALERT, put->log, ngx_errno,
                      "unlinkat() \"%s\" beside \"%s\" failed",
                      name, put->path);
    }

    name[0] = '\0';
}
