
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_store_file_put.h>

#include <sys/file.h>
#include <time.h>


#define NGX_TECKEN_FILE_LOCK_TIME  10000      /* ms */


static ngx_int_t ngx_tecken_file_put_lock(ngx_tecken_file_put_t *put);
static ngx_int_t ngx_tecken_file_put_new(ngx_tecken_file_put_t *put,
    u_char *final);
static ngx_int_t ngx_tecken_file_put_over(ngx_tecken_file_put_t *put,
    u_char *pending, u_char *final);
static ngx_int_t ngx_tecken_file_put_settle(ngx_tecken_file_put_t *put,
    u_char *pending, u_char *final);
static ngx_int_t ngx_tecken_file_put_match(ngx_tecken_file_put_t *put,
    u_char *name, ngx_int_t *match);
static ngx_int_t ngx_tecken_file_put_rename(ngx_tecken_file_put_t *put,
    u_char *from, u_char *to);
static ngx_int_t ngx_tecken_file_put_sync(ngx_tecken_file_put_t *put);
static ngx_int_t ngx_tecken_file_put_sync_last(ngx_tecken_file_put_t *put);


/* closing the directory unlocks it */

ngx_int_t
ngx_tecken_file_put_commit(ngx_tecken_file_put_t *put)
{
    u_char       pending[TK_FILE_NAME_MAX + 1], final[TK_FILE_NAME_MAX + 1];
    ngx_int_t    rc;
    struct stat  st;

    ngx_sprintf(pending, TK_FILE_PENDING "%s%Z", put->name);
    ngx_sprintf(final, TK_FILE_META "%s%Z", put->name);

    rc = ngx_tecken_file_put_lock(put);
    if (rc != NGX_OK) {
        return rc;
    }

    if (fstatat(put->dir, (char *) put->name, &st, AT_SYMLINK_NOFOLLOW)
        == -1)
    {
        if (ngx_errno == NGX_ENOENT) {
            return ngx_tecken_file_put_new(put, final);
        }

        ngx_tecken_file_error(&put->error, ngx_errno,
                              "fstatat() \"%s\" failed", put->path);
        return NGX_ERROR;
    }

    if (S_ISDIR(st.st_mode)) {
        ngx_tecken_file_error(&put->error, 0, "\"%s\" is a directory: keys "
                              "below it exist, none can have its name",
                              put->path);
        return NGX_ERROR;
    }

    /* whoever else puts it waits for the lock */

    if (put->absent) {
        put->exists = 1;
        return NGX_DECLINED;
    }

    return ngx_tecken_file_put_over(put, pending, final);
}


static ngx_int_t
ngx_tecken_file_put_lock(ngx_tecken_file_put_t *put)
{
    ngx_uint_t       waited;
    struct timespec  ts;

    /* others hold it for a few syncs; one that is stopped must not stop us */

    for (waited = 0; waited < NGX_TECKEN_FILE_LOCK_TIME; waited += 2) {

        if (put->abandoned) {
            return NGX_ABORT;
        }

        if (flock(put->dir, LOCK_EX|LOCK_NB) == 0) {
            return NGX_OK;
        }

        if (ngx_errno != EWOULDBLOCK && ngx_errno != NGX_EINTR) {
            break;
        }

        ts.tv_sec = 0;
        ts.tv_nsec = 2000000;

        (void) nanosleep(&ts, NULL);
    }

    ngx_tecken_file_error(&put->error, ngx_errno,
                          "flock() of the directory of \"%s\" failed",
                          put->path);

    return NGX_ERROR;
}


/*
 * Syncs between the steps, here and below: a file system may keep a later
 * rename and lose an earlier one.
 */

static ngx_int_t
ngx_tecken_file_put_new(ngx_tecken_file_put_t *put, u_char *final)
{
    if (ngx_tecken_file_put_rename(put, put->meta_temp, final) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_tecken_file_put_sync(put) != NGX_OK
        || ngx_tecken_file_put_rename(put, put->temp, put->name) != NGX_OK)
    {
        ngx_tecken_file_put_unlink(put, final);
        return NGX_ERROR;
    }

    return ngx_tecken_file_put_sync_last(put);
}


static ngx_int_t
ngx_tecken_file_put_over(ngx_tecken_file_put_t *put, u_char *pending,
    u_char *final)
{
    if (ngx_tecken_file_put_settle(put, pending, final) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_tecken_file_put_rename(put, put->meta_temp, pending) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_tecken_file_put_sync(put) != NGX_OK
        || ngx_tecken_file_put_rename(put, put->temp, put->name) != NGX_OK)
    {
        ngx_tecken_file_put_unlink(put, pending);
        return NGX_ERROR;
    }

    if (ngx_tecken_file_put_sync(put) != NGX_OK
        || ngx_tecken_file_put_rename(put, pending, final) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_tecken_file_put_sync_last(put);
}


/* another put has stopped before its last step: its metadata is in force */

static ngx_int_t
ngx_tecken_file_put_settle(ngx_tecken_file_put_t *put, u_char *pending,
    u_char *final)
{
    ngx_int_t  match, other;

    if (ngx_tecken_file_put_match(put, pending, &match) != NGX_OK) {
        return NGX_ERROR;
    }

    if (match < 2) {
        return NGX_OK;
    }

    if (match == 2) {
        if (ngx_tecken_file_put_match(put, final, &other) != NGX_OK) {
            return NGX_ERROR;
        }

        if (other >= 2) {
            return NGX_OK;
        }
    }

    if (ngx_tecken_file_put_rename(put, pending, final) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_tecken_file_put_sync(put);
}


static ngx_int_t
ngx_tecken_file_put_match(ngx_tecken_file_put_t *put, u_char *name,
    ngx_int_t *match)
{
    u_char          text[TK_FILE_META_MAX + 1];
    ssize_t         n;
    struct stat     st;
    tk_file_meta_t  meta;

    *match = 0;

    n = ngx_tecken_file_meta_read(put->dir, name, text, &put->error);

    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (n != NGX_DECLINED
        && fstatat(put->dir, (char *) put->name, &st, 0) == 0
        && tk_file_meta_parse(&meta, text, n))
    {
        *match = tk_file_meta_match(&meta, ngx_file_size(&st),
                                    ngx_file_mtime(&st),
                                    ngx_tecken_file_nsec(&st),
                                    ngx_file_uniq(&st));
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_file_put_rename(ngx_tecken_file_put_t *put, u_char *from,
    u_char *to)
{
    if (renameat(put->dir, (char *) from, put->dir, (char *) to) == -1) {
        ngx_tecken_file_error(&put->error, ngx_errno,
                              "renameat() \"%s\" to \"%s\" for \"%s\" failed",
                              from, to, put->path);
        return NGX_ERROR;
    }

    if (from == put->temp || from == put->meta_temp) {
        from[0] = '\0';
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_file_put_sync(ngx_tecken_file_put_t *put)
{
    ngx_err_t  err;

    err = ngx_tecken_file_put_fsync(put->dir);

    if (err) {
        ngx_tecken_file_error(&put->error, err,
                              "fsync() of the directory of \"%s\" failed",
                              put->path);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * While ext4 or XFS shuts down after an error, a sync that is under way may
 * return 0 with nothing written; no open() of a file that begins later does.
 */

static ngx_int_t
ngx_tecken_file_put_sync_last(ngx_tecken_file_put_t *put)
{
    ngx_fd_t  fd;

    if (ngx_tecken_file_put_sync(put) != NGX_OK) {
        return NGX_ERROR;
    }

    fd = openat(put->dir, (char *) put->name, O_RDONLY|O_NOFOLLOW|O_CLOEXEC);

    if (fd == NGX_INVALID_FILE) {
        ngx_tecken_file_error(&put->error, ngx_errno,
                              "openat() of \"%s\" failed after its sync",
                              put->path);
        return NGX_ERROR;
    }

    (void) close(fd);

    return NGX_OK;
}
