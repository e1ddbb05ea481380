
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_cache_sh.h>
#include <ngx_tecken_symcache_sh.h>

#include <sys/file.h>
#include <sys/mman.h>


#define NGX_TECKEN_SYMCACHE_TEMP_TRIES  16


static ngx_fd_t ngx_tecken_symcache_create(ngx_tecken_symcache_path_t *path,
    u_char *name, ngx_log_t *log);
static ngx_int_t ngx_tecken_symcache_folders(ngx_tecken_symcache_path_t *path,
    u_char *name, ngx_log_t *log);
static ngx_fd_t ngx_tecken_symcache_memory(ngx_tecken_symcache_path_t *path,
    ngx_log_t *log);
static uint64_t ngx_tecken_symcache_publish(ngx_tecken_symcache_file_t *file,
    off_t size, ngx_log_t *log);
static ngx_int_t ngx_tecken_symcache_rename(ngx_tecken_symcache_file_t *file,
    ngx_log_t *log);
static void ngx_tecken_symcache_file_close(ngx_tecken_symcache_file_t *file,
    ngx_log_t *log);


void
ngx_tecken_symcache_begin(ngx_tecken_symcache_path_t *path,
    ngx_tecken_symcache_key_t *key, ngx_tecken_symcache_file_t *file)
{
    ngx_memzero(file, sizeof(ngx_tecken_symcache_file_t));

    file->fd = NGX_INVALID_FILE;
    file->path = path;
    file->key = *key;

    ngx_tecken_symcache_lock(path);
    file->token = path->sh->sequence;
    ngx_tecken_symcache_unlock(path);
}


ngx_int_t
ngx_tecken_symcache_temp(ngx_tecken_symcache_file_t *file, ngx_log_t *log)
{
    size_t  len;
    u_char  name[NGX_MAX_PATH];

    file->fd = ngx_tecken_symcache_create(file->path, name, log);

    if (file->fd == NGX_INVALID_FILE) {
        file->fd = ngx_tecken_symcache_memory(file->path, log);
        file->memory = 1;

        return (file->fd == NGX_INVALID_FILE) ? NGX_ERROR : NGX_OK;
    }

    len = ngx_strlen(name);

    file->name.data = ngx_alloc(len + 1, log);

    if (file->name.data == NULL) {
        (void) ngx_delete_file(name);
        ngx_tecken_symcache_file_close(file, log);
        return NGX_ERROR;
    }

    file->name.len = len;
    ngx_memcpy(file->name.data, name, len + 1);

    return NGX_OK;
}


/*
 * The lock tells the file from one that was left behind, to processes of other
 * containers too; it goes with its process.
 */

static ngx_fd_t
ngx_tecken_symcache_create(ngx_tecken_symcache_path_t *path, u_char *name,
    ngx_log_t *log)
{
    int          fd;
    ngx_err_t    err;
    ngx_uint_t   n;
    struct stat  st;

    for (n = 0; n < NGX_TECKEN_SYMCACHE_TEMP_TRIES; n++) {

        *ngx_sprintf(name, "%V/" NGX_TECKEN_SYMCACHE_TEMP "/%P-%010uD",
                     &path->path->name, ngx_pid,
                     (uint32_t) ngx_next_temp_number(n > 1))
            = '\0';

        fd = open((char *) name, O_RDWR|O_CREAT|O_EXCL|O_CLOEXEC, 0600);

        if (fd == -1) {
            err = ngx_errno;

            if (err == NGX_EEXIST) {
                continue;
            }

            if (err == NGX_ENOENT && n == 0) {

                if (ngx_tecken_symcache_folders(path, name, log) != NGX_OK) {
                    return NGX_INVALID_FILE;
                }

                continue;
            }

            ngx_log_error(NGX_LOG_CRIT, log, err,
                          ngx_open_file_n " \"%s\" failed", name);
            return NGX_INVALID_FILE;
        }

        /* who cleans may have come first */

        if (flock(fd, LOCK_EX|LOCK_NB) == 0
            && fstat(fd, &st) == 0 && st.st_nlink)
        {
            return fd;
        }

        (void) close(fd);
    }

    ngx_log_error(NGX_LOG_CRIT, log, 0,
                  "no file can be created and locked in \"%V/"
                  NGX_TECKEN_SYMCACHE_TEMP "\"", &path->path->name);

    return NGX_INVALID_FILE;
}


/* the directory itself too, if somebody has deleted it */

static ngx_int_t
ngx_tecken_symcache_folders(ngx_tecken_symcache_path_t *path, u_char *name,
    ngx_log_t *log)
{
    u_char     *p;
    ngx_err_t   err;

    for (p = name + path->path->name.len;
         p;
         p = (u_char *) ngx_strchr(p + 1, '/'))
    {

        *p = '\0';

        err = (ngx_create_dir(name, 0700) == NGX_FILE_ERROR) ? ngx_errno : 0;

        if (err && err != NGX_EEXIST) {
            ngx_log_error(NGX_LOG_CRIT, log, err,
                          ngx_create_dir_n " \"%s\" failed", name);
            return NGX_ERROR;
        }

        *p = '/';
    }

    return NGX_OK;
}


static ngx_fd_t
ngx_tecken_symcache_memory(ngx_tecken_symcache_path_t *path, ngx_log_t *log)
{
#ifdef MFD_CLOEXEC

    int  fd;

    fd = memfd_create("symcache", MFD_CLOEXEC);

    if (fd != -1) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "a symcache is built in memory and not kept: directory "
                      "\"%V\" cannot be written to", &path->path->name);
        return fd;
    }

    ngx_log_error(NGX_LOG_CRIT, log, ngx_errno, "memfd_create() failed");

#endif

    return NGX_INVALID_FILE;
}


ngx_int_t
ngx_tecken_symcache_commit(ngx_tecken_symcache_file_t *file, ngx_log_t *log)
{
    ngx_int_t                   rc;
    const char                 *reason;
    struct stat                 st;
    ngx_tecken_symcache_map_t  *map;

    map = ngx_calloc(sizeof(ngx_tecken_symcache_map_t), log);
    if (map == NULL) {
        ngx_tecken_symcache_discard(file, 0, log);
        return NGX_ERROR;
    }

    if (fstat(file->fd, &st) == -1) {
        ngx_log_error(NGX_LOG_CRIT, log, ngx_errno,
                      ngx_fd_info_n " \"%V\" failed", &file->name);
        rc = NGX_ERROR;
        goto failed;
    }

    rc = ngx_tecken_symcache_map(map, file->fd, (size_t) st.st_size, 0,
                                 &reason);

    if (rc == NGX_ERROR) {
        ngx_log_error(NGX_LOG_CRIT, log, ngx_errno, "mmap(\"%V\") failed",
                      &file->name);
        goto failed;
    }

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_ALERT, log, 0,
                      "symcache \"%V\" was built wrong: %s", &file->name,
                      reason);
        goto failed;
    }

    map->path = file->path;
    map->key = file->key;

    if (!file->memory) {
        map->sequence = ngx_tecken_symcache_publish(file,
                                                    ngx_file_fs_size(&st),
                                                    log);
    }

    ngx_tecken_symcache_file_close(file, log);

    file->entry = map;

    return NGX_OK;

failed:

    ngx_free(map);
    ngx_tecken_symcache_discard(file, 0, log);

    return rc;
}


/* the sequence number of what is stored now, or 0 */

static uint64_t
ngx_tecken_symcache_publish(ngx_tecken_symcache_file_t *file, off_t size,
    ngx_log_t *log)
{
    uint32_t                     i;
    uint64_t                     sequence;
    ngx_tecken_symcache_sh_t    *sh;
    ngx_tecken_symcache_path_t  *path;
    ngx_tecken_symcache_node_t  *node;

    path = file->path;
    sh = path->sh;

    i = ngx_tecken_symcache_room(path, &file->key, file->token, size,
                                 &sequence, log);
    if (i == 0) {
        return 0;
    }

    if (ngx_tecken_symcache_rename(file, log) != NGX_OK) {
        ngx_tecken_symcache_lock(path);

        node = ngx_tecken_symcache_node(sh, i);

        if (node->sequence == sequence
            && node->state == NGX_TECKEN_SYMCACHE_RESERVED)
        {
            ngx_tecken_symcache_free(sh, i);
        }

        ngx_tecken_symcache_unlock(path);

        return 0;
    }

    /* it has its name */

    ngx_free(file->name.data);
    ngx_str_null(&file->name);

    ngx_tecken_symcache_lock(path);

    node = ngx_tecken_symcache_node(sh, i);

    /* or else it took so long that the manager has given it up */

    if (node->sequence == sequence
        && node->state == NGX_TECKEN_SYMCACHE_RESERVED)
    {
        if (!ngx_tecken_symcache_deleted(sh, file->key.symbol, file->token)) {
            ngx_tecken_symcache_store(sh, i, 0, 1);
            ngx_tecken_symcache_unlock(path);
            return sequence;
        }

        ngx_tecken_symcache_doom(sh, i);
    }

    ngx_tecken_symcache_unlock(path);

    ngx_tecken_symcache_unlink(path, i, sequence, &file->key, log);

    return 0;
}


static ngx_int_t
ngx_tecken_symcache_rename(ngx_tecken_symcache_file_t *file, ngx_log_t *log)
{
    ngx_err_t   err;
    ngx_uint_t  n;
    u_char      name[NGX_MAX_PATH];

    ngx_tecken_symcache_name(file->path, &file->key, name);

    for (n = 0; /* void */ ; n++) {

        if (ngx_rename_file(file->name.data, name) != NGX_FILE_ERROR) {
            return NGX_OK;
        }

        err = ngx_errno;

        if (err == NGX_ENOENT && n == 0
            && ngx_tecken_symcache_folders(file->path, name, log) == NGX_OK)
        {
            continue;
        }

        ngx_log_error(NGX_LOG_CRIT, log, err,
                      ngx_rename_file_n " \"%V\" to \"%s\" failed, the "
                      "symcache is not kept", &file->name, name);

        return NGX_ERROR;
    }
}


void
ngx_tecken_symcache_discard(ngx_tecken_symcache_file_t *file, ngx_err_t err,
    ngx_log_t *log)
{
    off_t                       size, n;
    struct stat                 st;
    ngx_tecken_symcache_map_t  *map;

    size = 0;

    if ((err == NGX_ENOSPC || err == EDQUOT)
        && file->fd != NGX_INVALID_FILE && !file->memory
        && fstat(file->fd, &st) == 0)
    {
        size = 2 * st.st_size + 1;
    }

    map = file->entry;

    if (map) {
        (void) munmap(map->addr, map->size);
        ngx_free(map);
        file->entry = NULL;
    }

    ngx_tecken_symcache_file_close(file, log);

    /* a disk that max_size is too large for */

    while (size > 0) {

        n = ngx_tecken_symcache_evict(file->path, log);
        if (n == 0) {
            break;
        }

        size -= n;
    }
}


static void
ngx_tecken_symcache_file_close(ngx_tecken_symcache_file_t *file,
    ngx_log_t *log)
{
    ngx_err_t  err;

    if (file->name.data) {

        if (ngx_delete_file(file->name.data) == NGX_FILE_ERROR) {
            err = ngx_errno;

            if (err != NGX_ENOENT && err != NGX_ENOTDIR) {
                ngx_log_error(NGX_LOG_CRIT, log, err,
                              ngx_delete_file_n " \"%s\" failed",
                              file->name.data);
            }
        }

        ngx_free(file->name.data);
        ngx_str_null(&file->name);
    }

    if (file->fd != NGX_INVALID_FILE) {

        if (ngx_close_file(file->fd) == NGX_FILE_ERROR) {
            ngx_log_error(NGX_LOG_ALERT, log, ngx_errno,
                          ngx_close_file_n " of a symcache failed");
        }

        file->fd = NGX_INVALID_FILE;
    }
}
