
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_offload.h>
#include <ngx_tecken_cache_sh.h>
#include <ngx_tecken_symcache_sh.h>


typedef struct {
    ngx_tecken_symcache_path_t  *path;
    uint64_t                     symbol[2];
    uint64_t                     sequence;
    ngx_log_t                   *log;
} ngx_tecken_symcache_remove_t;


static ngx_int_t ngx_tecken_symcache_remove_post(
    ngx_tecken_symcache_remove_t *rm);
static void ngx_tecken_symcache_remove_run(ngx_tecken_task_t *task);
static ngx_int_t ngx_tecken_symcache_remove_files(
    ngx_tecken_symcache_path_t *path, uint64_t *symbol, uint64_t sequence,
    ngx_log_t *log);
static ngx_uint_t ngx_tecken_symcache_newer(ngx_tecken_symcache_path_t *path,
    ngx_tecken_symcache_key_t *key, uint64_t sequence);


void
ngx_tecken_symcache_delete(ngx_tecken_symcache_path_t *path,
    ngx_tecken_symcache_key_t *key, ngx_log_t *log)
{
    ngx_tecken_symcache_sh_t       *sh;
    ngx_tecken_symcache_remove_t    rm;
    ngx_tecken_symcache_deleted_t  *d, old;

    sh = path->sh;

    for ( ;; ) {

        ngx_tecken_symcache_lock(path);

        d = ngx_tecken_symcache_deletion(sh);

        if (sh->ndeleted < NGX_TECKEN_SYMCACHE_DELETED
            || d->owner == 0 || d->owner == NGX_INVALID_PID)
        {
            break;
        }

        /* so many at once: its files must go before it is forgotten */

        old = *d;

        ngx_tecken_symcache_unlock(path);

        ngx_tecken_symcache_remove(path, old.symbol, old.sequence, log);
    }

    rm.path = path;
    rm.symbol[0] = key->symbol[0];
    rm.symbol[1] = key->symbol[1];
    rm.sequence = ngx_tecken_symcache_deletion_add(sh, key->symbol);
    rm.log = ngx_cycle->log;

    ngx_tecken_symcache_doom_symbol(sh, rm.symbol, rm.sequence);

    ngx_tecken_symcache_unlock(path);

    if (ngx_tecken_symcache_remove_post(&rm) != NGX_OK) {
        ngx_tecken_symcache_remove(path, rm.symbol, rm.sequence, log);
    }
}


static ngx_int_t
ngx_tecken_symcache_remove_post(ngx_tecken_symcache_remove_t *rm)
{
    ngx_tecken_task_t  *task;

    task = ngx_tecken_task_create(sizeof(ngx_tecken_symcache_remove_t),
                                  ngx_cycle->log);
    if (task == NULL) {
        return NGX_ERROR;
    }

    *(ngx_tecken_symcache_remove_t *) task->data = *rm;

    task->run = ngx_tecken_symcache_remove_run;
    task->done = ngx_tecken_task_destroy;

    if (ngx_tecken_task_post(rm->path->io_pool, task, 0) != NGX_OK) {
        ngx_tecken_task_destroy(task);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_tecken_symcache_remove_run(ngx_tecken_task_t *task)
{
    ngx_tecken_symcache_remove_t *rm = task->data;

    ngx_tecken_symcache_remove(rm->path, rm->symbol, rm->sequence, rm->log);
}


void
ngx_tecken_symcache_remove(ngx_tecken_symcache_path_t *path, uint64_t *symbol,
    uint64_t sequence, ngx_log_t *log)
{
    uint32_t                     i, next, busy;
    ngx_int_t                    rc;
    ngx_tecken_symcache_sh_t    *sh;
    ngx_tecken_symcache_node_t  *node;

    rc = ngx_tecken_symcache_remove_files(path, symbol, sequence, log);

    sh = path->sh;

    ngx_tecken_symcache_lock(path);

    busy = ngx_tecken_symcache_busy(sh);

    for (i = ngx_tecken_symcache_node(sh, busy)->next; i != busy; i = next) {

        node = ngx_tecken_symcache_node(sh, i);
        next = node->next;

        if (node->state == NGX_TECKEN_SYMCACHE_DELETING
            && node->sequence < sequence
            && ngx_tecken_symcache_same(node->key.symbol, symbol))
        {
            ngx_tecken_symcache_free(sh, i);
        }
    }

    /* or else the manager tries again, and no file of it is taken meanwhile */

    ngx_tecken_symcache_deletion_done(sh, symbol, sequence,
                                      rc == NGX_OK ? 0 : NGX_INVALID_PID);

    ngx_tecken_symcache_unlock(path);
}


static ngx_int_t
ngx_tecken_symcache_remove_files(ngx_tecken_symcache_path_t *path,
    uint64_t *symbol, uint64_t sequence, ngx_log_t *log)
{
    DIR                        *dir;
    ngx_int_t                   rc;
    ngx_err_t                   err;
    ngx_uint_t                  version;
    struct dirent              *de;
    ngx_tecken_symcache_key_t   key;
    u_char                      name[NGX_MAX_PATH];

    key.symbol[0] = symbol[0];
    key.symbol[1] = symbol[1];
    key.sources = 0;

    ngx_tecken_symcache_name(path, &key, name);

    name[path->path->name.len + path->path->len] = '\0';

    dir = opendir((char *) name);

    if (dir == NULL) {
        err = ngx_errno;

        if (err == NGX_ENOENT || err == NGX_ENOTDIR) {
            return NGX_OK;
        }

        ngx_log_error(NGX_LOG_CRIT, log, err,
                      ngx_open_dir_n " \"%s\" failed", name);
        return NGX_ERROR;
    }

    rc = NGX_OK;

    while ((de = readdir(dir)) != NULL) {

        if (ngx_tecken_symcache_parse_name(de->d_name, &version, &key)
            != NGX_OK
            || !ngx_tecken_symcache_same(key.symbol, symbol)
            || (version == TK_SYMCACHE_VERSION
                && ngx_tecken_symcache_newer(path, &key, sequence)))
        {
            continue;
        }

        if (unlinkat(dirfd(dir), de->d_name, 0) == -1
            && ngx_errno != NGX_ENOENT)
        {
            ngx_log_error(NGX_LOG_CRIT, log, ngx_errno,
                          "unlinkat() \"%s\" in \"%s\" failed", de->d_name,
                          name);
            rc = NGX_ERROR;
        }
    }

    (void) closedir(dir);

    return rc;
}


static ngx_uint_t
ngx_tecken_symcache_newer(ngx_tecken_symcache_path_t *path,
    ngx_tecken_symcache_key_t *key, uint64_t sequence)
{
    uint32_t    i;
    ngx_uint_t  newer;

    ngx_tecken_symcache_lock(path);

    i = ngx_tecken_symcache_find(path->sh, key);

    newer = (i
             && ngx_tecken_symcache_node(path->sh, i)->sequence > sequence);

    ngx_tecken_symcache_unlock(path);

    return newer;
}


void
ngx_tecken_symcache_status(ngx_tecken_symcache_path_t *path,
    ngx_tecken_symcache_status_t *status)
{
    ngx_uint_t                 i;
    ngx_tecken_symcache_sh_t  *sh;

    sh = path->sh;

    ngx_tecken_symcache_lock(path);

    status->size = sh->size;
    status->files = sh->files;
    status->evictions = sh->evictions;
    status->corrupt = sh->corrupt;
    status->resets = sh->resets;

    ngx_tecken_symcache_unlock(path);

    status->max_size = path->max_size;
    status->capacity = sh->capacity;

    status->maps = 0;

    for (i = 0; i < NGX_MAX_PROCESSES; i++) {
        status->maps += sh->maps[i];
    }
}
