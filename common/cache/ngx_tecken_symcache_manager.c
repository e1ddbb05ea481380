
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_cache_sh.h>
#include <ngx_tecken_symcache_sh.h>


/* at a time, then others have their turn; milliseconds */
#define NGX_TECKEN_SYMCACHE_MANAGER_FILES      100
#define NGX_TECKEN_SYMCACHE_MANAGER_THRESHOLD  200
#define NGX_TECKEN_SYMCACHE_MANAGER_SLEEP      50
#define NGX_TECKEN_SYMCACHE_MANAGER_WAIT       5000

/* in seconds: the temp folder; all folders, one after the other */
#define NGX_TECKEN_SYMCACHE_CLEAN              5
#define NGX_TECKEN_SYMCACHE_SCAN               3600

/* what is not done by then, by a process that lives, will never be */
#define NGX_TECKEN_SYMCACHE_STUCK              600


typedef struct {
    ngx_tecken_symcache_path_t  *path;
    ngx_log_t                   *log;
    ngx_uint_t                   files;
    ngx_msec_t                   last;
    u_char                       name[NGX_MAX_PATH];
    unsigned                     sleep:1;
} ngx_tecken_symcache_scan_t;


static void ngx_tecken_symcache_deletions(ngx_tecken_symcache_path_t *path,
    ngx_log_t *log);
static ngx_uint_t ngx_tecken_symcache_dead(ngx_pid_t pid);
static ngx_uint_t ngx_tecken_symcache_over(ngx_tecken_symcache_path_t *path,
    ngx_msec_t *wait);
static ngx_msec_t ngx_tecken_symcache_scan(ngx_tecken_symcache_path_t *path,
    ngx_msec_t last, ngx_log_t *log);
static void ngx_tecken_symcache_warm(ngx_tecken_symcache_path_t *path,
    ngx_log_t *log);
static ngx_uint_t ngx_tecken_symcache_units(ngx_tecken_symcache_path_t *path);
static void ngx_tecken_symcache_scan_unit(ngx_tecken_symcache_scan_t *scan,
    ngx_uint_t unit);
static void ngx_tecken_symcache_scan_dir(ngx_tecken_symcache_scan_t *scan,
    size_t len, ngx_uint_t level);
static void ngx_tecken_symcache_scan_file(ngx_tecken_symcache_scan_t *scan,
    const char *base, size_t len);
static void ngx_tecken_symcache_scan_delete(ngx_tecken_symcache_scan_t *scan);
static ngx_int_t ngx_tecken_symcache_scan_add(
    ngx_tecken_symcache_path_t *path, ngx_tecken_symcache_key_t *key,
    struct stat *st);
static void ngx_tecken_symcache_scan_pause(ngx_tecken_symcache_scan_t *scan);


ngx_msec_t
ngx_tecken_symcache_manager(void *data)
{
    ngx_tecken_symcache_path_t *path = data;

    ngx_log_t   *log;
    ngx_msec_t   last, wait;
    ngx_uint_t   n;

    log = ngx_cycle->log;
    last = ngx_current_msec;

    ngx_tecken_symcache_orphans(path, log);
    ngx_tecken_symcache_deletions(path, log);

    if (ngx_time() >= path->clean) {
        path->clean = ngx_time() + NGX_TECKEN_SYMCACHE_CLEAN;
        ngx_tecken_symcache_clean(path, log);
    }

    wait = ngx_tecken_symcache_scan(path, last, log);

    for (n = 0; ngx_tecken_symcache_over(path, &wait); n++) {

        if (ngx_quit || ngx_terminate) {
            break;
        }

        if (n == NGX_TECKEN_SYMCACHE_MANAGER_FILES
            || ngx_current_msec - last > NGX_TECKEN_SYMCACHE_MANAGER_THRESHOLD)
        {
            return NGX_TECKEN_SYMCACHE_MANAGER_SLEEP;
        }

        if (ngx_tecken_symcache_evict(path, log) == 0) {
            break;
        }

        ngx_time_update();
    }

    return wait;
}


/*
 * One top folder after the other: at once as long as the index is cold, for
 * nginx's loader starts a minute late, and then slowly, for what another
 * instance or a process that was killed has left.
 */

static ngx_msec_t
ngx_tecken_symcache_scan(ngx_tecken_symcache_path_t *path, ngx_msec_t last,
    ngx_log_t *log)
{
    ngx_uint_t                  n, cold;
    ngx_tecken_symcache_scan_t  scan;

    n = ngx_tecken_symcache_units(path);

    cold = path->sh->cold;

    if (!cold && ngx_time() < path->scan) {
        return NGX_TECKEN_SYMCACHE_MANAGER_WAIT;
    }

    path->scan = ngx_time() + NGX_TECKEN_SYMCACHE_SCAN / n + 1;

    ngx_memzero(&scan, sizeof(ngx_tecken_symcache_scan_t));

    scan.path = path;
    scan.log = log;

    do {
        ngx_tecken_symcache_scan_unit(&scan, path->unit);

        ngx_time_update();

        if (ngx_quit || ngx_terminate) {
            return 0;
        }

        if (++path->unit == n) {
            path->unit = 0;

            if (cold) {
                ngx_tecken_symcache_warm(path, log);
            }

            return NGX_TECKEN_SYMCACHE_MANAGER_WAIT;
        }

    } while (cold && ngx_current_msec - last
                     < NGX_TECKEN_SYMCACHE_MANAGER_THRESHOLD);

    return cold ? NGX_TECKEN_SYMCACHE_MANAGER_SLEEP
                : NGX_TECKEN_SYMCACHE_MANAGER_WAIT;
}


/* files whose process was killed before it was through with them */

void
ngx_tecken_symcache_orphans(ngx_tecken_symcache_path_t *path, ngx_log_t *log)
{
    uint32_t                     i, busy;
    ngx_uint_t                   n;
    ngx_tecken_symcache_sh_t    *sh;
    ngx_tecken_symcache_node_t  *node, orphan;

    sh = path->sh;
    busy = ngx_tecken_symcache_busy(sh);

    for (n = 0; n < NGX_TECKEN_SYMCACHE_MANAGER_FILES; n++) {

        ngx_tecken_symcache_lock(path);

        for (i = ngx_tecken_symcache_node(sh, busy)->next;
             i != busy;
             i = node->next)
        {
            node = ngx_tecken_symcache_node(sh, i);

            if (ngx_tecken_symcache_dead(node->owner)
                || ngx_time() - (time_t) node->used
                   > NGX_TECKEN_SYMCACHE_STUCK)
            {
                break;
            }
        }

        if (i == busy) {
            ngx_tecken_symcache_unlock(path);
            return;
        }

        orphan = *ngx_tecken_symcache_node(sh, i);

        if (ngx_tecken_symcache_find(sh, &orphan.key)
            && !ngx_tecken_symcache_deleted(sh, orphan.key.symbol,
                                            orphan.sequence))
        {
            /* the file is that of the one that is stored */

            ngx_tecken_symcache_free(sh, i);
            ngx_tecken_symcache_unlock(path);
            continue;
        }

        ngx_tecken_symcache_doom(sh, i);
        ngx_tecken_symcache_unlock(path);

        ngx_tecken_symcache_unlink(path, i, orphan.sequence, &orphan.key, log);
    }
}


static void
ngx_tecken_symcache_deletions(ngx_tecken_symcache_path_t *path,
    ngx_log_t *log)
{
    ngx_uint_t                      i, n;
    ngx_tecken_symcache_sh_t       *sh;
    ngx_tecken_symcache_deleted_t   d;

    sh = path->sh;

    if (sh->pending == 0) {
        return;
    }

    for (i = 0; i < NGX_TECKEN_SYMCACHE_DELETED; i++) {

        ngx_tecken_symcache_lock(path);

        n = sh->ndeleted;
        d = sh->deleted[i];

        ngx_tecken_symcache_unlock(path);

        if (i >= n) {
            return;
        }

        if (d.owner && ngx_tecken_symcache_dead(d.owner)) {
            ngx_tecken_symcache_remove(path, d.symbol, d.sequence, log);
        }
    }
}


static ngx_uint_t
ngx_tecken_symcache_dead(ngx_pid_t pid)
{
    return pid == NGX_INVALID_PID
           || (kill(pid, 0) == -1 && ngx_errno == NGX_ESRCH);
}


/* is one to go; if not, when may one have to */

static ngx_uint_t
ngx_tecken_symcache_over(ngx_tecken_symcache_path_t *path, ngx_msec_t *wait)
{
    off_t                        size;
    time_t                       left;
    uint32_t                     i;
    ngx_uint_t                   alone;
    ngx_tecken_symcache_sh_t    *sh;
    ngx_tecken_symcache_node_t  *node;

    sh = path->sh;
    alone = 0;
    left = NGX_TECKEN_SYMCACHE_MANAGER_WAIT / 1000;

    ngx_tecken_symcache_lock(path);

    size = sh->size;
    i = ngx_tecken_symcache_oldest(sh);

    node = ngx_tecken_symcache_node(sh, i);

    if (i) {
        left = (time_t) node->used + path->inactive - ngx_time();

        /* one that is larger than max_size itself */
        alone = (node->size == size);
    }

    ngx_tecken_symcache_unlock(path);

    if (i == 0) {
        return 0;
    }

    if (left <= 0 || (size > path->max_size && !alone)
        || ngx_tecken_symcache_lack(path))
    {
        return 1;
    }

    *wait = (ngx_msec_t) ngx_min(*wait, (ngx_msec_t) left * 1000);

    return 0;
}


void
ngx_tecken_symcache_loader(void *data)
{
    ngx_tecken_symcache_path_t *path = data;

    ngx_uint_t                  i, n;
    ngx_tecken_symcache_scan_t  scan;

    if (!path->sh->cold) {
        return;
    }

    ngx_memzero(&scan, sizeof(ngx_tecken_symcache_scan_t));

    scan.path = path;
    scan.log = ngx_cycle->log;
    scan.last = ngx_current_msec;
    scan.sleep = 1;

    n = ngx_tecken_symcache_units(path);

    for (i = 0; i < n && path->sh->cold; i++) {

        ngx_tecken_symcache_scan_unit(&scan, i);

        if (ngx_quit || ngx_terminate) {
            return;
        }
    }

    ngx_tecken_symcache_warm(path, ngx_cycle->log);
}


static void
ngx_tecken_symcache_warm(ngx_tecken_symcache_path_t *path, ngx_log_t *log)
{
    ngx_tecken_symcache_sh_t  *sh;

    sh = path->sh;

    if (!ngx_atomic_cmp_set(&sh->cold, 1, 0)) {
        return;
    }

    ngx_tecken_symcache_lock(path);
    ngx_tecken_symcache_sort(sh);
    ngx_tecken_symcache_unlock(path);

    ngx_log_error(NGX_LOG_NOTICE, log, 0,
                  "symcaches in \"%V\": %uD of %O bytes", &path->path->name,
                  sh->files, sh->size);
}


/* folders of the first level */

static ngx_uint_t
ngx_tecken_symcache_units(ngx_tecken_symcache_path_t *path)
{
    return (path->path->level[0] == 1) ? 16 : 256;
}


static void
ngx_tecken_symcache_scan_unit(ngx_tecken_symcache_scan_t *scan,
    ngx_uint_t unit)
{
    u_char      *p;
    ngx_path_t  *path;

    path = scan->path->path;

    p = ngx_sprintf(scan->name, path->level[0] == 1 ? "%V/%xi" : "%V/%02xi",
                    &path->name, unit);
    *p = '\0';

    ngx_tecken_symcache_scan_dir(scan, p - scan->name, 1);
}


static void
ngx_tecken_symcache_scan_dir(ngx_tecken_symcache_scan_t *scan, size_t len,
    ngx_uint_t level)
{
    DIR            *dir;
    size_t          n, size;
    struct dirent  *de;

    dir = opendir((char *) scan->name);

    if (dir == NULL) {

        if (ngx_errno != NGX_ENOENT && ngx_errno != NGX_ENOTDIR) {
            ngx_log_error(NGX_LOG_CRIT, scan->log, ngx_errno,
                          ngx_open_dir_n " \"%s\" failed", scan->name);
        }

        return;
    }

    size = (level < NGX_MAX_PATH_LEVEL) ? scan->path->path->level[level] : 0;

    scan->name[len++] = '/';

    while ((de = readdir(dir)) != NULL) {

        if (ngx_quit || ngx_terminate) {
            break;
        }

        n = ngx_strlen(de->d_name);

        if (len + n >= NGX_MAX_PATH) {
            continue;
        }

        ngx_memcpy(scan->name + len, de->d_name, n + 1);

        if (size == 0) {
            ngx_tecken_symcache_scan_file(scan, de->d_name, len + n);

        } else if (n == size && de->d_name[0] != '.') {
            ngx_tecken_symcache_scan_dir(scan, len + n, level + 1);
        }
    }

    (void) closedir(dir);
}


/* what has another name is not ours, so it stays */

static void
ngx_tecken_symcache_scan_file(ngx_tecken_symcache_scan_t *scan,
    const char *base, size_t len)
{
    ngx_uint_t                  version;
    struct stat                 st;
    ngx_tecken_symcache_key_t   key;
    u_char                      name[NGX_MAX_PATH];

    if (ngx_tecken_symcache_parse_name(base, &version, &key) != NGX_OK
        || lstat((char *) scan->name, &st) == -1 || !S_ISREG(st.st_mode))
    {
        return;
    }

    ngx_tecken_symcache_scan_pause(scan);

    /* a newer one is that of an instance that is upgraded, or was */

    if (version < TK_SYMCACHE_VERSION
        || (version > TK_SYMCACHE_VERSION
            && st.st_mtime < ngx_time() - scan->path->inactive))
    {
        ngx_log_error(NGX_LOG_INFO, scan->log, 0,
                      "symcache \"%s\" of version %ui is deleted", scan->name,
                      version);

        ngx_tecken_symcache_scan_delete(scan);
        return;
    }

    if (version > TK_SYMCACHE_VERSION) {
        return;
    }

    ngx_tecken_symcache_name(scan->path, &key, name);

    if (ngx_strcmp(name, scan->name) != 0) {
        return;
    }

    if (ngx_tecken_symcache_scan_add(scan->path, &key, &st) != NGX_OK) {
        ngx_tecken_symcache_scan_delete(scan);
    }
}


static void
ngx_tecken_symcache_scan_delete(ngx_tecken_symcache_scan_t *scan)
{
    if (ngx_delete_file(scan->name) == NGX_FILE_ERROR
        && ngx_errno != NGX_ENOENT)
    {
        ngx_log_error(NGX_LOG_CRIT, scan->log, ngx_errno,
                      ngx_delete_file_n " \"%s\" failed", scan->name);
    }
}


/* NGX_DECLINED: the zone is full */

static ngx_int_t
ngx_tecken_symcache_scan_add(ngx_tecken_symcache_path_t *path,
    ngx_tecken_symcache_key_t *key, struct stat *st)
{
    time_t                     used;
    uint32_t                   i;
    ngx_int_t                  rc;
    ngx_tecken_symcache_sh_t  *sh;

    sh = path->sh;
    rc = NGX_OK;

    ngx_tecken_symcache_lock(path);

    if (ngx_tecken_symcache_find(sh, key) == 0
        && !ngx_tecken_symcache_deleting(sh, key->symbol)
        && !ngx_tecken_symcache_outdated(sh, key))
    {
        i = ngx_tecken_symcache_reserve(sh, key, ngx_file_fs_size(st));

        if (i) {
            used = ngx_max(st->st_atime, st->st_mtime);
            ngx_tecken_symcache_store(sh, i, ngx_min(used, ngx_time()), 0);

        } else {
            rc = NGX_DECLINED;
        }
    }

    ngx_tecken_symcache_unlock(path);

    return rc;
}


static void
ngx_tecken_symcache_scan_pause(ngx_tecken_symcache_scan_t *scan)
{
    if (!scan->sleep) {
        return;
    }

    ngx_time_update();

    if (++scan->files < NGX_TECKEN_SYMCACHE_MANAGER_FILES
        && ngx_current_msec - scan->last
           < NGX_TECKEN_SYMCACHE_MANAGER_THRESHOLD)
    {
        return;
    }

    ngx_msleep(NGX_TECKEN_SYMCACHE_MANAGER_SLEEP);

    ngx_time_update();

    scan->files = 0;
    scan->last = ngx_current_msec;
}
