
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_cache_sh.h>
#include <ngx_tecken_symcache_sh.h>

#include <sys/file.h>


/* symcaches that go for one that is built, so that min_free is kept */
#define NGX_TECKEN_SYMCACHE_FREE_TRIES  64

/* seconds until no worker has a file mapped that was evicted, as a rule */
#define NGX_TECKEN_SYMCACHE_EVICTING    2


static ngx_int_t ngx_tecken_symcache_hex(u_char *dst, const u_char *src,
    size_t n);


void
ngx_tecken_symcache_name(ngx_tecken_symcache_path_t *path,
    ngx_tecken_symcache_key_t *key, u_char *name)
{
    u_char  *p;

    p = ngx_cpymem(name, path->path->name.data, path->path->name.len);
    p += 1 + path->path->len;

    p = ngx_sprintf(p, "%02xD-", (uint32_t) TK_SYMCACHE_VERSION);
    p = ngx_hex_dump(p, (u_char *) &key->sources, sizeof(key->sources));
    *p++ = '-';
    p = ngx_hex_dump(p, (u_char *) key->symbol, sizeof(key->symbol));
    *p = '\0';

    ngx_create_hashed_filename(path->path, name, p - name);
}


ngx_int_t
ngx_tecken_symcache_parse_name(const char *name, ngx_uint_t *version,
    ngx_tecken_symcache_key_t *key)
{
    u_char         v;
    const u_char  *p;

    p = (const u_char *) name;

    if (ngx_strlen(name) != NGX_TECKEN_SYMCACHE_NAME
        || p[2] != '-' || p[19] != '-'
        || ngx_tecken_symcache_hex(&v, p, 1) != NGX_OK
        || ngx_tecken_symcache_hex((u_char *) &key->sources, p + 3,
                                   sizeof(key->sources))
           != NGX_OK
        || ngx_tecken_symcache_hex((u_char *) key->symbol, p + 20,
                                   sizeof(key->symbol))
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    *version = v;

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_symcache_hex(u_char *dst, const u_char *src, size_t n)
{
    ngx_int_t  v;

    for ( /* void */ ; n; n--) {

        v = ngx_hextoi((u_char *) src, 2);
        if (v == NGX_ERROR) {
            return NGX_ERROR;
        }

        *dst++ = (u_char) v;
        src += 2;
    }

    return NGX_OK;
}


/*
 * If the key's next symcache is stored in between, its file goes too: then it
 * is not found and built once more.
 */

void
ngx_tecken_symcache_unlink(ngx_tecken_symcache_path_t *path, uint32_t i,
    uint64_t sequence, ngx_tecken_symcache_key_t *key, ngx_log_t *log)
{
    ngx_err_t                    err;
    ngx_tecken_symcache_node_t  *node;
    u_char                       name[NGX_MAX_PATH];

    ngx_tecken_symcache_name(path, key, name);

    if (ngx_delete_file(name) == NGX_FILE_ERROR) {
        err = ngx_errno;

        if (err != NGX_ENOENT && err != NGX_ENOTDIR) {
            ngx_log_error(NGX_LOG_CRIT, log, err,
                          ngx_delete_file_n " \"%s\" failed", name);
        }
    }

    ngx_tecken_symcache_lock(path);

    node = ngx_tecken_symcache_node(path->sh, i);

    if (node->state == NGX_TECKEN_SYMCACHE_DELETING
        && node->sequence == sequence)
    {
        ngx_tecken_symcache_free(path->sh, i);
    }

    ngx_tecken_symcache_unlock(path);
}


off_t
ngx_tecken_symcache_evict(ngx_tecken_symcache_path_t *path, ngx_log_t *log)
{
    time_t                       ago;
    uint32_t                     i;
    ngx_tecken_symcache_sh_t    *sh;
    ngx_tecken_symcache_node_t   node;

    sh = path->sh;

    ngx_tecken_symcache_lock(path);

    i = ngx_tecken_symcache_oldest(sh);

    if (i == 0) {
        ngx_tecken_symcache_unlock(path);
        return 0;
    }

    node = *ngx_tecken_symcache_node(sh, i);

    ngx_tecken_symcache_doom(sh, i);
    sh->evictions++;

    ago = ngx_time() - sh->evicting;

    if (ago < 0 || ago > NGX_TECKEN_SYMCACHE_EVICTING) {
        sh->evicting = ngx_time();
        sh->evicted = 0;
    }

    sh->evicted += node.size;

    ngx_tecken_symcache_unlock(path);

    ngx_tecken_symcache_unlink(path, i, node.sequence, &node.key, log);

    return ngx_max(node.size, 1);
}


/*
 * The disk has no more room before the workers have closed their maps of what
 * was evicted: who goes on until it has empties the directory.
 */

off_t
ngx_tecken_symcache_lack(ngx_tecken_symcache_path_t *path)
{
    off_t                      lack;
    time_t                     ago;
    ngx_tecken_symcache_sh_t  *sh;

    if (path->min_free == 0) {
        return 0;
    }

    lack = path->min_free - ngx_fs_available(path->path->name.data);

    if (lack <= 0) {
        return 0;
    }

    sh = path->sh;

    ngx_tecken_symcache_lock(path);

    ago = ngx_time() - sh->evicting;

    if (ago >= 0 && ago <= NGX_TECKEN_SYMCACHE_EVICTING) {
        lack -= sh->evicted;
    }

    ngx_tecken_symcache_unlock(path);

    return ngx_max(lack, 0);
}


/*
 * What is reserved and what is being unlinked counts, so all files together
 * never exceed max_size; only one that is larger than max_size itself does.
 */

uint32_t
ngx_tecken_symcache_room(ngx_tecken_symcache_path_t *path,
    ngx_tecken_symcache_key_t *key, uint64_t token, off_t size,
    uint64_t *sequence, ngx_log_t *log)
{
    uint32_t                   i;
    ngx_uint_t                 n, empty, dead;
    ngx_tecken_symcache_sh_t  *sh;

    sh = path->sh;

    for (n = 0; n < NGX_TECKEN_SYMCACHE_FREE_TRIES; n++) {

        if (ngx_tecken_symcache_lack(path) == 0
            || ngx_tecken_symcache_evict(path, log) == 0)
        {
            break;
        }
    }

    for (dead = 0; /* void */ ; dead++) {

        ngx_tecken_symcache_lock(path);

        if (ngx_tecken_symcache_deleted(sh, key->symbol, token)) {
            ngx_tecken_symcache_unlock(path);
            return 0;
        }

        empty = (ngx_tecken_symcache_oldest(sh) == 0);
        i = 0;

        if (sh->size + size <= path->max_size
            || (empty && sh->size <= path->max_size))
        {
            i = ngx_tecken_symcache_reserve(sh, key, size);
        }

        if (i) {
            *sequence = ngx_tecken_symcache_node(sh, i)->sequence;
        }

        ngx_tecken_symcache_unlock(path);

        if (i) {
            return i;
        }

        if (!empty && ngx_tecken_symcache_evict(path, log)) {
            dead = 0;
            continue;
        }

        if (dead) {
            return 0;
        }

        /* the room may be that of a process that was killed */
        ngx_tecken_symcache_orphans(path, log);
    }
}


/* who builds a file has it locked until it has its name or is gone */

void
ngx_tecken_symcache_clean(ngx_tecken_symcache_path_t *path, ngx_log_t *log)
{
    int             fd, dfd;
    DIR            *dir;
    ngx_uint_t      n;
    struct dirent  *de;
    u_char          name[NGX_MAX_PATH];

    *ngx_sprintf(name, "%V/" NGX_TECKEN_SYMCACHE_TEMP, &path->path->name)
        = '\0';

    dir = opendir((char *) name);

    if (dir == NULL) {
        return;
    }

    n = 0;
    dfd = dirfd(dir);

    while ((de = readdir(dir)) != NULL) {

        /* "PID-NUMBER" */

        if (de->d_name[0] < '0' || de->d_name[0] > '9') {
            continue;
        }

        fd = openat(dfd, de->d_name, O_RDWR|O_NOFOLLOW|O_NONBLOCK|O_CLOEXEC);

        if (fd == -1) {
            continue;
        }

        if (flock(fd, LOCK_EX|LOCK_NB) == 0
            && unlinkat(dfd, de->d_name, 0) == 0)
        {
            n++;
        }

        (void) close(fd);
    }

    (void) closedir(dir);

    if (n) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "removed %ui unfinished symcaches in \"%s\"", n, name);
    }
}
