
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_spool.h>

#include <sys/file.h>
#include <sys/statvfs.h>


/*
 * A file of the spool, as a thread of the pool writes it.  What is renamed to
 * new/ is whole; a sync that failed is not tried again, since the kernel may
 * have dropped the pages and say that all is well the second time.
 */


#define NGX_ANTENNA_FILE_IOVS   64

/* of one write: the kernel seeks larger pages for larger ones */
#define NGX_ANTENNA_FILE_WRITE  65536


static ngx_int_t ngx_antenna_file_error(ngx_antenna_spool_file_t *file,
    const char *call, const u_char *name);
static ngx_int_t ngx_antenna_file_room(ngx_antenna_spool_file_t *file);
static ngx_int_t ngx_antenna_file_rename(ngx_antenna_spool_file_t *file);
static ngx_int_t ngx_antenna_file_sync(ngx_antenna_spool_file_t *file);
static ngx_int_t ngx_antenna_file_sync_dir(ngx_antenna_spool_file_t *file);
static ngx_int_t ngx_antenna_file_sync_new(ngx_antenna_spool_file_t *file);
static ngx_int_t ngx_antenna_file_alive(ngx_antenna_spool_file_t *file);
static uint64_t ngx_antenna_file_usec(void);


ngx_int_t
ngx_antenna_file_init(ngx_antenna_spool_file_t *file,
    ngx_antenna_spool_t *spool, ngx_uint_t n, ngx_pool_t *pool)
{
    ngx_tm_t  tm;

    ngx_gmtime(ngx_time(), &tm);

    file->spool = spool;
    file->n = n;
    file->fd = NGX_INVALID_FILE;

    (void) ngx_snprintf(file->name, NGX_ANTENNA_SPOOL_NAME,
                        "%4d%02d%02d%02d%02d%02d.%P.%uL.%ui.%ui%Z",
                        tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                        tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec,
                        ngx_pid, ngx_antenna_start, ++spool->number, n);

    file->tmp = ngx_pnalloc(pool, spool->tmp.len + spool->new.len
                                  + 2 * NGX_ANTENNA_SPOOL_NAME);
    if (file->tmp == NULL) {
        return NGX_ERROR;
    }

    file->new = ngx_sprintf(file->tmp, "%V%s%Z", &spool->tmp, file->name);

    ngx_sprintf(file->new, "%V%s%Z", &spool->new, file->name);

    return NGX_OK;
}


ngx_int_t
ngx_antenna_file_open(ngx_antenna_spool_file_t *file)
{
    file->fd = ngx_open_file(file->tmp, NGX_FILE_RDWR,
                             NGX_FILE_CREATE_OR_OPEN|O_EXCL|O_CLOEXEC,
                             NGX_FILE_OWNER_ACCESS);

    if (file->fd == NGX_INVALID_FILE) {
        return ngx_antenna_file_error(file, "open()", file->tmp);
    }

    /* it is no garbage, however old it looks */

    (void) flock(file->fd, LOCK_SH|LOCK_NB);

    if (ngx_antenna_file_room(file) != NGX_OK) {
        ngx_antenna_file_discard(file);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_antenna_file_room(ngx_antenna_spool_file_t *file)
{
    struct statvfs  fs;

    if (file->spool->min_free == 0) {
        return NGX_OK;
    }

    if (fstatvfs(file->fd, &fs) == -1) {
        return ngx_antenna_file_error(file, "fstatvfs()", file->tmp);
    }

    if ((off_t) fs.f_bavail * (off_t) fs.f_frsize < file->spool->min_free) {
        ngx_set_errno(0);
        file->full = 1;
        return ngx_antenna_file_error(file, "", file->tmp);
    }

    return NGX_OK;
}


ngx_int_t
ngx_antenna_file_write(ngx_antenna_spool_file_t *file,
    ngx_antenna_buf_t *bufs)
{
    size_t              size;
    u_char             *pos;
    ssize_t             n;
    ngx_uint_t          niovs;
    struct iovec        iovs[NGX_ANTENNA_FILE_IOVS];
    ngx_antenna_buf_t  *buf;

    /* others write at the same time, and a few bytes may inflate to many */

    if (file->size && ngx_antenna_file_room(file) != NGX_OK) {
        return NGX_ERROR;
    }

    if (bufs == NULL) {
        return NGX_OK;
    }

    pos = bufs->data;

    for ( ;; ) {
        niovs = 0;
        size = 0;

        for (buf = bufs; buf && niovs < NGX_ANTENNA_FILE_IOVS;
             buf = buf->next)
        {
            iovs[niovs].iov_base = niovs ? buf->data : pos;
            iovs[niovs].iov_len = buf->last - (u_char *) iovs[niovs].iov_base;

            size += iovs[niovs].iov_len;

            if (niovs && size > NGX_ANTENNA_FILE_WRITE) {
                break;
            }

            niovs++;
        }

        n = writev(file->fd, iovs, niovs);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            continue;
        }

        if (n == -1) {
            return ngx_antenna_file_error(file, "writev()", file->tmp);
        }

        file->size += n;

        while (n >= bufs->last - pos) {
            n -= bufs->last - pos;
            bufs = bufs->next;

            if (bufs == NULL) {
                return NGX_OK;
            }

            pos = bufs->data;
        }

        pos += n;
    }
}


ngx_int_t
ngx_antenna_file_commit(ngx_antenna_spool_file_t *file)
{
    uint64_t   start;
    ngx_int_t  rc;

    start = ngx_antenna_file_usec();

    switch (file->spool->sync) {

    case NGX_ANTENNA_SYNC_STRICT:
        rc = ngx_antenna_file_sync(file);

        if (rc == NGX_OK) {
            rc = ngx_antenna_file_rename(file);
        }

        if (rc == NGX_OK) {
            rc = ngx_antenna_file_sync_dir(file);
        }

        if (rc == NGX_OK) {
            rc = ngx_antenna_file_alive(file);
        }

        break;

    case NGX_ANTENNA_SYNC_FAST:
        rc = ngx_antenna_file_rename(file);

        if (rc == NGX_OK) {
            rc = ngx_antenna_file_sync(file);
        }

        if (rc == NGX_OK) {
            rc = ngx_antenna_file_alive(file);
        }

        break;

    default:
        rc = ngx_antenna_file_rename(file);
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    /* of a network's file system it is close() that says what went wrong */

    if (ngx_close_file(file->fd) == NGX_FILE_ERROR) {
        file->fd = NGX_INVALID_FILE;
        return ngx_antenna_file_error(file, "close()", file->new);
    }

    file->fd = NGX_INVALID_FILE;
    file->usec = ngx_antenna_file_usec() - start;

    return NGX_OK;
}


static ngx_int_t
ngx_antenna_file_rename(ngx_antenna_spool_file_t *file)
{
    if (ngx_rename_file(file->tmp, file->new) == NGX_FILE_ERROR) {
        return ngx_antenna_file_error(file, "rename()", file->tmp);
    }

    file->renamed = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_antenna_file_sync(ngx_antenna_spool_file_t *file)
{
    if (fsync(file->fd) == -1) {
        return ngx_antenna_file_error(file, "fsync()", file->tmp);
    }

    return NGX_OK;
}


/*
 * One sync of new/ is for all who have renamed their files before it begins;
 * those who come later share the next one.
 */

static ngx_int_t
ngx_antenna_file_sync_dir(ngx_antenna_spool_file_t *file)
{
    ngx_log_t                *log;
    ngx_antenna_spool_t      *spool;
    ngx_antenna_spool_sync_t  sync, *first, *next;

    log = ngx_cycle->log;
    spool = file->spool;
    sync.done = 0;

    if (ngx_thread_mutex_lock(&spool->mutex, log) != NGX_OK) {
        return ngx_antenna_file_sync_new(file);
    }

    sync.next = spool->syncs;
    spool->syncs = &sync;

    while (!sync.done && spool->syncing) {
        (void) ngx_thread_cond_wait(&spool->synced, &spool->mutex, log);
    }

    if (!sync.done) {
        first = spool->syncs;
        spool->syncs = NULL;
        spool->syncing = 1;

        (void) ngx_thread_mutex_unlock(&spool->mutex, log);

        sync.rc = ngx_antenna_file_sync_new(file);

        (void) ngx_thread_mutex_lock(&spool->mutex, log);

        for ( /* void */ ; first; first = next) {
            next = first->next;

            first->rc = sync.rc;
            first->error = file->error;
            first->done = 1;
        }

        spool->syncing = 0;

        (void) pthread_cond_broadcast(&spool->synced);
    }

    (void) ngx_thread_mutex_unlock(&spool->mutex, log);

    file->error = sync.error;

    return sync.rc;
}


static ngx_int_t
ngx_antenna_file_sync_new(ngx_antenna_spool_file_t *file)
{
    ngx_fd_t   fd;
    ngx_err_t  err;

    fd = open((char *) file->spool->new.data, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (fd == -1) {
        return ngx_antenna_file_error(file, "open()", file->spool->new.data);
    }

    err = fsync(fd) == -1 ? ngx_errno : 0;

    (void) ngx_close_file(fd);

    if (err) {
        ngx_set_errno(err);
        return ngx_antenna_file_error(file, "fsync()", file->spool->new.data);
    }

    return NGX_OK;
}


/*
 * While ext4 or XFS shuts down after an error, a sync that is under way may
 * return 0 with nothing written; no read that begins later does.
 */

static ngx_int_t
ngx_antenna_file_alive(ngx_antenna_spool_file_t *file)
{
    u_char   c;
    ssize_t  n;

    do {
        n = pread(file->fd, &c, 1, 0);
    } while (n == -1 && ngx_errno == NGX_EINTR);

    if (n != 1) {
        if (n == 0) {
            ngx_set_errno(EIO);
        }

        return ngx_antenna_file_error(file, "pread()", file->new);
    }

    return NGX_OK;
}


void
ngx_antenna_file_discard(ngx_antenna_spool_file_t *file)
{
    u_char  *name;

    if (file->fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(file->fd);
        file->fd = NGX_INVALID_FILE;
    }

    /* nobody was told of it: it must not be there after all */

    name = file->renamed ? file->new : file->tmp;

    (void) ngx_delete_file(name);
}


static ngx_int_t
ngx_antenna_file_error(ngx_antenna_spool_file_t *file, const char *call,
    const u_char *name)
{
    file->error.err = ngx_errno;
    file->error.call = call;
    file->error.name = name;

    return NGX_ERROR;
}


ngx_int_t
ngx_antenna_file_failed(ngx_antenna_spool_file_t *file, ngx_log_t *log)
{
    if (file->full) {
        ngx_log_error(NGX_LOG_CRIT, log, 0,
                      "spool \"%V\" is full: less than "
                      "antenna_spool_min_free is free, is the storage down?",
                      &file->spool->path);
        return NGX_BUSY;
    }

    ngx_log_error(NGX_LOG_CRIT, log, file->error.err,
                  "spool: %s \"%s\" failed, the crash is not taken",
                  file->error.call, file->error.name);

    switch (file->error.err) {

    case NGX_ENOSPC:
    case EDQUOT:
    case EROFS:
    case NGX_EMFILE:
    case NGX_ENFILE:
        return NGX_BUSY;

    default:
        return NGX_ERROR;
    }
}


static uint64_t
ngx_antenna_file_usec(void)
{
    struct timespec  ts;

    if (clock_gettime(CLOCK_MONOTONIC, &ts) == -1) {
        return 0;
    }

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}
