
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_spool.h>


#define NGX_ANTENNA_ZONE_SIZE   (512 * 1024)

/* leaves room for a directory, a name, a record's number, ".reason" */
#define NGX_ANTENNA_SPOOL_PATH  (NGX_MAX_PATH - 2 * NGX_ANTENNA_SPOOL_NAME)


static ngx_int_t ngx_antenna_spool_path(ngx_conf_t *cf, ngx_str_t *path,
    ngx_str_t *dir, const char *name);
static ngx_int_t ngx_antenna_spool_zone(ngx_conf_t *cf,
    ngx_antenna_spool_t *spool);
static ngx_int_t ngx_antenna_spool_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_int_t ngx_antenna_spool_sync(ngx_antenna_spool_t *spool,
    ngx_log_t *log);
static ngx_int_t ngx_antenna_spool_sync_dir(ngx_str_t *path, dev_t *dev,
    ngx_log_t *log);
static ngx_int_t ngx_antenna_spool_one_device(ngx_antenna_spool_t *spool,
    dev_t dev, ngx_log_t *log);


uint64_t  ngx_antenna_start;


ngx_antenna_spool_t *
ngx_antenna_spool_add(ngx_conf_t *cf, ngx_array_t *spools,
    ngx_antenna_spool_t *conf)
{
    ngx_uint_t             i;
    ngx_antenna_spool_t  **spool;

    spool = spools->elts;

    for (i = 0; i < spools->nelts; i++) {

        if (spool[i]->path.len != conf->path.len
            || ngx_strncmp(spool[i]->path.data, conf->path.data,
                           conf->path.len)
               != 0)
        {
            continue;
        }

        if (spool[i]->sync != conf->sync
            || spool[i]->max_size != conf->max_size
            || spool[i]->min_free != conf->min_free
            || spool[i]->storage != conf->storage
            || spool[i]->layout != conf->layout
            || spool[i]->crashmovers != conf->crashmovers
            || spool[i]->retry_max != conf->retry_max)
        {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "antenna_spool \"%V\" in %s:%ui has other settings "
                          "than in %s:%ui", &conf->path, conf->file_name,
                          conf->line, spool[i]->file_name, spool[i]->line);
            return NULL;
        }

        return spool[i];
    }

    if (conf->path.len > NGX_ANTENNA_SPOOL_PATH) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "antenna_spool \"%V\" in %s:%ui is too long: it has "
                      "more than %d bytes", &conf->path, conf->file_name,
                      conf->line, NGX_ANTENNA_SPOOL_PATH);
        return NULL;
    }

    /* the parent first: they are created in this order */

    if (ngx_antenna_spool_path(cf, &conf->path, NULL, "") != NGX_OK
        || ngx_antenna_spool_path(cf, &conf->path, &conf->tmp, "/tmp/")
           != NGX_OK
        || ngx_antenna_spool_path(cf, &conf->path, &conf->new, "/new/")
           != NGX_OK
        || ngx_antenna_spool_path(cf, &conf->path, &conf->failed, "/failed/")
           != NGX_OK
        || ngx_antenna_spool_path(cf, &conf->path, &conf->corrupt,
                                  "/corrupt/")
           != NGX_OK
        || ngx_antenna_spool_zone(cf, conf) != NGX_OK)
    {
        return NULL;
    }

    ngx_queue_init(&conf->ready);

    spool = ngx_array_push(spools);
    if (spool == NULL) {
        return NULL;
    }

    *spool = conf;

    return conf;
}


/* nginx creates it at start, for the workers' user */

static ngx_int_t
ngx_antenna_spool_path(ngx_conf_t *cf, ngx_str_t *path, ngx_str_t *dir,
    const char *name)
{
    size_t       len;
    u_char      *p;
    ngx_path_t  *created;

    len = ngx_strlen(name);

    p = ngx_pnalloc(cf->pool, path->len + len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(p, "%V%s%Z", path, name);

    if (dir) {
        dir->data = p;
        dir->len = path->len + len;
    }

    created = ngx_pcalloc(cf->pool, sizeof(ngx_path_t));
    if (created == NULL) {
        return NGX_ERROR;
    }

    created->name.data = p;
    created->name.len = path->len + len;
    created->conf_file = cf->conf_file->file.name.data;
    created->line = cf->conf_file->line;

    return ngx_add_path(cf, &created);
}


static ngx_int_t
ngx_antenna_spool_zone(ngx_conf_t *cf, ngx_antenna_spool_t *spool)
{
    ngx_str_t  name;

    name.len = sizeof("antenna:") - 1 + spool->path.len;

    name.data = ngx_pnalloc(cf->pool, name.len);
    if (name.data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(name.data, "antenna:%V", &spool->path);

    spool->shm_zone = ngx_shared_memory_add(cf, &name, NGX_ANTENNA_ZONE_SIZE,
                                            &ngx_antenna_submit_module);
    if (spool->shm_zone == NULL) {
        return NGX_ERROR;
    }

    spool->shm_zone->init = ngx_antenna_spool_init_zone;
    spool->shm_zone->data = spool;

    return NGX_OK;
}


static ngx_int_t
ngx_antenna_spool_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_antenna_spool_t  *old = data;

    ngx_antenna_spool_t  *spool;

    spool = shm_zone->data;
    spool->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    /* here a reload may still fail: later the master would end */

    if (ngx_antenna_spool_sync(spool, shm_zone->shm.log) != NGX_OK) {
        return NGX_ERROR;
    }

    if (old) {
        spool->sh = old->sh;
        return NGX_OK;
    }

    if (shm_zone->shm.exists) {
        spool->sh = spool->shpool->data;
        return NGX_OK;
    }

    spool->sh = ngx_slab_calloc(spool->shpool,
                                sizeof(ngx_antenna_spool_sh_t));
    if (spool->sh == NULL) {
        return NGX_ERROR;
    }

    spool->shpool->data = spool->sh;
    spool->sh->overflown = 1;
    spool->sh->counted = ngx_current_msec;

    return NGX_OK;
}


/* the directories have just been made: they are to be durable themselves */

static ngx_int_t
ngx_antenna_spool_sync(ngx_antenna_spool_t *spool, ngx_log_t *log)
{
    dev_t       dev;
    u_char     *p;
    ngx_str_t   parent;

    dev = 0;

    parent = spool->path;
    p = parent.data + parent.len;

    while (p > parent.data && *--p != '/') { /* void */ }

    parent.len = p - parent.data + 1;

    if (ngx_antenna_spool_sync_dir(&parent, &dev, log) != NGX_OK
        || ngx_antenna_spool_sync_dir(&spool->path, &dev, log) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_antenna_spool_one_device(spool, dev, log);
}


static ngx_int_t
ngx_antenna_spool_sync_dir(ngx_str_t *path, dev_t *dev, ngx_log_t *log)
{
    u_char       name[NGX_MAX_PATH];
    ngx_fd_t     fd;
    ngx_int_t    rc;
    struct stat  st;

    (void) ngx_cpystrn(name, path->data, path->len + 1);

    rc = NGX_OK;
    fd = open((char *) name, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (fd != -1 && fstat(fd, &st) == 0) {
        *dev = st.st_dev;
    }

    if (fd == -1 || fsync(fd) == -1) {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                      "%s \"%s\" failed, it is to hold the spool",
                      fd == -1 ? "open()" : "fsync()", name);
        rc = NGX_ERROR;
    }

    if (fd != -1) {
        (void) ngx_close_file(fd);
    }

    return rc;
}


/* a crash moves from one directory to another by rename() */

static ngx_int_t
ngx_antenna_spool_one_device(ngx_antenna_spool_t *spool, dev_t dev,
    ngx_log_t *log)
{
    ngx_uint_t    i;
    ngx_str_t    *dir;
    struct stat   st;

    ngx_str_t    *dirs[] = { &spool->tmp, &spool->new, &spool->failed,
                             &spool->corrupt };

    for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        dir = dirs[i];

        if (stat((char *) dir->data, &st) == -1) {
            ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                          "%s \"%s\" failed, it is to hold the spool",
                          "stat()", dir->data);
            return NGX_ERROR;
        }

        if (st.st_dev != dev) {
            ngx_log_error(NGX_LOG_EMERG, log, 0,
                          "\"%V\" is on another file system than \"%V\", a "
                          "spool is to be on one", dir, &spool->path);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_antenna_spools_init_worker(ngx_cycle_t *cycle, ngx_array_t *spools)
{
    ngx_time_t            *tp;
    ngx_uint_t             i;
    ngx_antenna_spool_t  **spool;

    tp = ngx_timeofday();
    ngx_antenna_start = (uint64_t) tp->sec * 1000 + tp->msec;

    spool = spools->elts;

    for (i = 0; i < spools->nelts; i++) {
        ngx_queue_init(&spool[i]->ready);
        spool[i]->batch = 0;
        spool[i]->number = 0;
        spool[i]->syncs = NULL;
        spool[i]->syncing = 0;

        if (ngx_thread_mutex_create(&spool[i]->mutex, cycle->log) != NGX_OK
            || ngx_thread_cond_create(&spool[i]->synced, cycle->log)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_antenna_spools_exit_worker(ngx_array_t *spools)
{
    ngx_antenna_bufs_exit();
}


void
ngx_antenna_spool_added(ngx_antenna_spool_t *spool,
    ngx_antenna_spool_file_t *file)
{
    ngx_atomic_t             tail;
    ngx_antenna_spool_sh_t  *sh;

    sh = spool->sh;

    ngx_shmtx_lock(&spool->shpool->mutex);

    sh->bytes += file->size;
    sh->crashes += file->n;

    if (sh->oldest == 0) {
        sh->oldest = ngx_time();
    }

    tail = sh->tail;

    if (tail - sh->head == NGX_ANTENNA_SPOOL_RING) {
        sh->overflown = 1;

    } else {
        ngx_memcpy(sh->ring[tail % NGX_ANTENNA_SPOOL_RING].name, file->name,
                   NGX_ANTENNA_SPOOL_NAME);

        /* a killed worker leaves what is behind the tail */

        ngx_memory_barrier();
        sh->tail = tail + 1;
    }

    ngx_shmtx_unlock(&spool->shpool->mutex);
}


ngx_int_t
ngx_antenna_spool_next(ngx_antenna_spool_t *spool,
    ngx_antenna_spool_name_t *name)
{
    ngx_int_t                rc;
    ngx_antenna_spool_sh_t  *sh;

    sh = spool->sh;

    /* without the lock: asked for often, and seldom true */

    if (sh->head == sh->tail && !sh->overflown) {
        return NGX_DECLINED;
    }

    ngx_shmtx_lock(&spool->shpool->mutex);

    if (sh->overflown) {
        sh->overflown = 0;
        sh->head = sh->tail;
        rc = NGX_DONE;

    } else if (sh->head == sh->tail) {
        rc = NGX_DECLINED;

    } else {
        *name = sh->ring[sh->head % NGX_ANTENNA_SPOOL_RING];
        sh->head++;
        rc = NGX_OK;
    }

    ngx_shmtx_unlock(&spool->shpool->mutex);

    return rc;
}
