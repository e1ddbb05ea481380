
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_offload.h>
#include <ngx_tecken_cache_sh.h>
#include <ngx_tecken_symcache_sh.h>

#include <tk_symcache_format.h>

#include <sys/mman.h>


static void ngx_tecken_symcache_load_run(ngx_tecken_task_t *task);
static void ngx_tecken_symcache_load_file(ngx_tecken_symcache_load_t *load,
    u_char *name);
static ngx_uint_t ngx_tecken_symcache_unsure(struct stat *st);
static ngx_int_t ngx_tecken_symcache_advise(ngx_tecken_symcache_map_t *map,
    int advice);
static void ngx_tecken_symcache_gone(ngx_tecken_symcache_load_t *load);
static void ngx_tecken_symcache_corrupt(ngx_tecken_symcache_load_t *load,
    u_char *name, struct stat *st, const char *reason);
static ngx_int_t ngx_tecken_symcache_adopt(ngx_tecken_symcache_load_t *load,
    off_t size);


ngx_tecken_task_t *
ngx_tecken_symcache_load_create(ngx_tecken_symcache_map_t *map)
{
    ngx_tecken_task_t           *task;
    ngx_tecken_symcache_load_t  *load;

    task = ngx_tecken_task_create(sizeof(ngx_tecken_symcache_load_t),
                                  ngx_cycle->log);
    if (task == NULL) {
        return NULL;
    }

    load = task->data;

    load->waiter = map;
    load->map.path = map->path;
    load->map.key = map->key;
    load->log = ngx_cycle->log;

    task->run = ngx_tecken_symcache_load_run;

    return task;
}


ngx_int_t
ngx_tecken_symcache_load_post(ngx_tecken_task_t *task)
{
    uint32_t                     i;
    ngx_int_t                    rc;
    ngx_tecken_symcache_sh_t    *sh;
    ngx_tecken_symcache_map_t   *map;
    ngx_tecken_symcache_load_t  *load;
    ngx_tecken_symcache_node_t  *node;

    load = task->data;
    map = &load->map;
    sh = map->path->sh;

    map->sequence = 0;
    load->verified = 0;
    rc = NGX_OK;

    ngx_tecken_symcache_lock(map->path);

    load->token = sh->sequence;

    i = ngx_tecken_symcache_find(sh, &map->key);

    if (i) {
        node = ngx_tecken_symcache_node(sh, i);
        map->sequence = node->sequence;
        load->verified = node->verified;

    } else if (ngx_tecken_symcache_deleting(sh, map->key.symbol)) {

        /* what there may be in the directory is to be removed */
        rc = NGX_DECLINED;
    }

    ngx_tecken_symcache_unlock(map->path);

    if (rc == NGX_OK) {
        rc = ngx_tecken_task_post(map->path->io_pool, task, 0);
    }

    return rc;
}


/* in a thread */

static void
ngx_tecken_symcache_load_run(ngx_tecken_task_t *task)
{
    ngx_tecken_symcache_load_t *load = task->data;

    u_char  name[NGX_MAX_PATH];

    ngx_tecken_symcache_name(load->map.path, &load->map.key, name);

    ngx_tecken_symcache_load_file(load, name);
}


static void
ngx_tecken_symcache_load_file(ngx_tecken_symcache_load_t *load, u_char *name)
{
    int                         fd;
    ngx_err_t                   err;
    ngx_uint_t                  verify;
    const char                 *reason;
    struct stat                 st;
    struct timespec             ts[2];
    ngx_tecken_symcache_map_t  *map;

    map = &load->map;
    load->rc = NGX_ERROR;

    fd = open((char *) name, O_RDONLY|O_NOFOLLOW|O_NONBLOCK|O_CLOEXEC);

    if (fd == -1) {
        err = ngx_errno;

        if (err == NGX_ENOENT || err == NGX_ENOTDIR || err == NGX_ELOOP) {
            ngx_tecken_symcache_gone(load);
            return;
        }

        ngx_log_error(NGX_LOG_CRIT, load->log, err,
                      ngx_open_file_n " \"%s\" failed", name);
        return;
    }

    if (fstat(fd, &st) == -1) {
        ngx_log_error(NGX_LOG_CRIT, load->log, ngx_errno,
                      ngx_fd_info_n " \"%s\" failed", name);
        goto done;
    }

    if (!S_ISREG(st.st_mode)) {
        load->rc = NGX_DECLINED;
        ngx_tecken_symcache_corrupt(load, name, &st, "it is no file");
        goto done;
    }

    verify = !load->verified && ngx_tecken_symcache_unsure(&st);

    load->rc = ngx_tecken_symcache_map(map, fd, (size_t) st.st_size, verify,
                                       &reason);

    if (load->rc == NGX_ERROR) {
        ngx_log_error(NGX_LOG_CRIT, load->log, ngx_errno,
                      "mmap(\"%s\") failed", name);
        goto done;
    }

    if (load->rc == NGX_DECLINED) {
        ngx_tecken_symcache_corrupt(load, name, &st, reason);
        goto done;
    }

    /* the order of use outlives the index; the time of the writing stays */

    ts[0].tv_sec = 0;
    ts[0].tv_nsec = UTIME_NOW;
    ts[1].tv_sec = 0;
    ts[1].tv_nsec = UTIME_OMIT;

    (void) futimens(fd, ts);

    load->rc = ngx_tecken_symcache_adopt(load, ngx_file_fs_size(&st));

    if (load->rc != NGX_OK) {
        (void) munmap(map->addr, map->size);
    }

done:

    (void) close(fd);
}


/*
 * What was written since this machine came up is in the file; what is older
 * may have been torn by a loss of power, so it is read as a whole once.
 */

static ngx_uint_t
ngx_tecken_symcache_unsure(struct stat *st)
{
#ifdef CLOCK_BOOTTIME

    struct timespec  now, up;

    if (clock_gettime(CLOCK_REALTIME, &now) == 0
        && clock_gettime(CLOCK_BOOTTIME, &up) == 0)
    {
        return st->st_mtime <= now.tv_sec - up.tv_sec;
    }

#endif

    return 1;
}


ngx_int_t
ngx_tecken_symcache_map(ngx_tecken_symcache_map_t *map, ngx_fd_t fd,
    size_t size, ngx_uint_t verify, const char **reason)
{
    void  *addr;

    if (size == 0) {
        *reason = "it is empty";
        return NGX_DECLINED;
    }

    addr = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

    if (addr == MAP_FAILED) {
        return NGX_ERROR;
    }

    if (verify) {
        (void) madvise(addr, size, MADV_SEQUENTIAL);
    }

    if (tk_symcache_open(&map->ref.sc, addr, size, reason) != 0
        || (verify && tk_symcache_verify(&map->ref.sc, reason) != 0))
    {
        (void) munmap(addr, size);
        return NGX_DECLINED;
    }

    map->addr = addr;
    map->size = size;

    /* a lookup visits some pages here and there */

    (void) madvise(addr, size, MADV_RANDOM);

    (void) ngx_tecken_symcache_advise(map, MADV_WILLNEED);

    return NGX_OK;
}


void
ngx_tecken_symcache_prefetch(ngx_tecken_symcache_ref_t *ref)
{
    ngx_tecken_symcache_map_t  *map;

    map = (ngx_tecken_symcache_map_t *) ref;

#ifdef MADV_POPULATE_READ

    if (ngx_tecken_symcache_advise(map, MADV_POPULATE_READ) == NGX_OK) {
        return;
    }

#endif

    (void) ngx_tecken_symcache_advise(map, MADV_WILLNEED);
}


/* the sections that every lookup visits, small ones */

static ngx_int_t
ngx_tecken_symcache_advise(ngx_tecken_symcache_map_t *map, int advice)
{
    ngx_int_t                     rc;
    ngx_uint_t                    i;
    const tk_symcache_header_t   *h;
    const tk_symcache_section_t  *section;

    static const ngx_uint_t  small[] = {
        TK_SYMCACHE_INDEX, TK_SYMCACHE_FILES, TK_SYMCACHE_WORDS
    };

    h = map->addr;
    rc = NGX_OK;

    for (i = 0; i < sizeof(small) / sizeof(small[0]); i++) {

        section = &h->section[small[i]];

        if (section->size
            && madvise((u_char *) map->addr + section->offset, section->size,
                       advice)
               == -1)
        {
            rc = NGX_ERROR;
        }
    }

    return rc;
}


/* somebody else has deleted the file, another instance or an operator */

static void
ngx_tecken_symcache_gone(ngx_tecken_symcache_load_t *load)
{
    uint32_t                     i;
    ngx_tecken_symcache_map_t   *map;
    ngx_tecken_symcache_node_t  *node;

    map = &load->map;

    ngx_tecken_symcache_lock(map->path);

    i = ngx_tecken_symcache_find(map->path->sh, &map->key);
    node = ngx_tecken_symcache_node(map->path->sh, i);

    if (i == 0 || node->sequence == map->sequence) {
        load->rc = NGX_DECLINED;

        if (i) {
            ngx_tecken_symcache_free(map->path->sh, i);
        }

    } else {
        load->rc = NGX_AGAIN;
    }

    ngx_tecken_symcache_unlock(map->path);
}


static void
ngx_tecken_symcache_corrupt(ngx_tecken_symcache_load_t *load, u_char *name,
    struct stat *st, const char *reason)
{
    uint32_t                     i;
    struct stat                  now;
    ngx_tecken_symcache_sh_t    *sh;
    ngx_tecken_symcache_map_t   *map;

    map = &load->map;
    sh = map->path->sh;

    /* another instance may have a whole one in its place already */

    if (lstat((char *) name, &now) == -1 || now.st_ino != st->st_ino) {
        load->rc = NGX_AGAIN;
        return;
    }

    ngx_log_error(NGX_LOG_ERR, load->log, 0,
                  "symcache \"%s\" is corrupt: %s, it is deleted", name,
                  reason);

    ngx_tecken_symcache_lock(map->path);

    sh->corrupt++;

    i = ngx_tecken_symcache_find(sh, &map->key);

    if (i && ngx_tecken_symcache_node(sh, i)->sequence == map->sequence) {
        ngx_tecken_symcache_doom(sh, i);

    } else {
        i = 0;
    }

    ngx_tecken_symcache_unlock(map->path);

    if (i) {
        ngx_tecken_symcache_unlink(map->path, i, map->sequence, &map->key,
                                   load->log);

    } else if (unlink((char *) name) == -1 && ngx_errno != NGX_ENOENT) {
        ngx_log_error(NGX_LOG_CRIT, load->log, ngx_errno,
                      ngx_delete_file_n " \"%s\" failed", name);
    }
}


/*
 * NGX_AGAIN: the index has changed meanwhile, the file that is mapped may be
 * one that was replaced.
 */

static ngx_int_t
ngx_tecken_symcache_adopt(ngx_tecken_symcache_load_t *load, off_t size)
{
    uint32_t                     i;
    ngx_uint_t                   empty;
    ngx_tecken_symcache_sh_t    *sh;
    ngx_tecken_symcache_map_t   *map;
    ngx_tecken_symcache_node_t  *node;

    map = &load->map;
    sh = map->path->sh;

    for ( ;; ) {

        ngx_tecken_symcache_lock(map->path);

        i = ngx_tecken_symcache_find(sh, &map->key);

        if (i || map->sequence) {

            node = ngx_tecken_symcache_node(sh, i);

            if (i == 0 || node->sequence != map->sequence
                || ngx_tecken_symcache_outdated(sh, &map->key))
            {
                ngx_tecken_symcache_unlock(map->path);
                return NGX_AGAIN;
            }

            ngx_tecken_symcache_touch(sh, i);
            ngx_tecken_symcache_resize(sh, i, size);
            node->verified = 1;

            ngx_tecken_symcache_unlock(map->path);
            return NGX_OK;
        }

        if (ngx_tecken_symcache_deleted(sh, map->key.symbol, load->token)
            || ngx_tecken_symcache_deleting(sh, map->key.symbol)
            || ngx_tecken_symcache_outdated(sh, &map->key))
        {
            ngx_tecken_symcache_unlock(map->path);
            return NGX_AGAIN;
        }

        i = ngx_tecken_symcache_reserve(sh, &map->key, size);

        if (i) {
            ngx_tecken_symcache_store(sh, i, 0, 1);
            map->sequence = ngx_tecken_symcache_node(sh, i)->sequence;
        }

        empty = (ngx_tecken_symcache_oldest(sh) == 0);

        ngx_tecken_symcache_unlock(map->path);

        if (i) {
            return NGX_OK;
        }

        /* the zone is full */

        if (empty || ngx_tecken_symcache_evict(map->path, load->log) == 0) {
            ngx_log_error(NGX_LOG_ALERT, load->log, 0,
                          "zone of symcaches in \"%V\" has no room",
                          &map->path->path->name);
            return NGX_ERROR;
        }
    }
}
