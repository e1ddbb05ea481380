
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_store_file_names.h>

#include <dirent.h>


/*
 * A walk in the order of keys.  A directory is read for the names that come
 * next, as many as its level may hold, and read again when they are used up:
 * memory is bounded whatever the folder holds.
 */


#define NGX_TECKEN_FILE_LIST_NAMES    16384     /* in all levels */
#define NGX_TECKEN_FILE_LIST_ENTRIES  256       /* in one run */
#define NGX_TECKEN_FILE_LIST_DATA     65536


typedef struct ngx_tecken_file_level_s  ngx_tecken_file_level_t;

struct ngx_tecken_file_level_s {
    ngx_tecken_file_level_t      *up;
    ngx_tecken_file_level_t      *down;     /* kept for the next directory */

    size_t                        path_len;
    size_t                        key_len;
    dev_t                         device;
    ino_t                         inode;

    ngx_tecken_file_names_t       names;
    ngx_uint_t                    i;        /* the next of them */
    unsigned                      opened:1;
};


typedef struct {
    size_t                        len;
    u_char                       *data;
    off_t                         size;
    time_t                        mtime;
} ngx_tecken_file_entry_t;


typedef struct {
    ngx_tecken_store_op_t        *op;       /* the event loop's */
    ngx_uint_t                    found;

    ngx_str_t                     filter;   /* of the first level */

    ngx_tecken_file_level_t      *first;
    ngx_tecken_file_level_t      *level;    /* NULL: the end */

    u_char                       *path;
    u_char                       *key;

    ngx_tecken_file_entry_t      *entries;
    ngx_uint_t                    n;
    u_char                       *data;
    size_t                        len;

    ngx_tecken_file_error_t       error;
} ngx_tecken_file_list_t;


static ngx_int_t ngx_tecken_file_list_create(ngx_tecken_store_op_t *op);
static void ngx_tecken_file_list_free(void *data);
static void ngx_tecken_file_list_done(ngx_tecken_task_t *task);
static void ngx_tecken_file_list_end(ngx_tecken_store_op_t *op, ngx_int_t rc);

static void ngx_tecken_file_list_run(ngx_tecken_task_t *task);
static ngx_int_t ngx_tecken_file_list_next(ngx_tecken_task_t *task);
static ngx_int_t ngx_tecken_file_list_entry(ngx_tecken_file_list_t *list,
    ngx_tecken_file_name_t *name);
static ngx_tecken_file_level_t *ngx_tecken_file_list_level(
    ngx_tecken_task_t *task, ngx_tecken_file_level_t *up);
static ngx_int_t ngx_tecken_file_list_push(ngx_tecken_task_t *task,
    ngx_tecken_file_name_t *name);
static size_t ngx_tecken_file_list_name(ngx_tecken_file_list_t *list,
    ngx_tecken_file_name_t *name);
static ngx_int_t ngx_tecken_file_list_scan(ngx_tecken_task_t *task);
static ngx_int_t ngx_tecken_file_list_read(ngx_tecken_task_t *task, DIR *dir);
static ngx_uint_t ngx_tecken_file_list_loops(ngx_tecken_file_level_t *level);
static ngx_int_t ngx_tecken_file_list_decode(ngx_tecken_file_list_t *list,
    DIR *dir, struct dirent *de, ngx_tecken_file_name_t *name);


ngx_int_t
ngx_tecken_file_list(ngx_tecken_store_op_t *op)
{
    ngx_tecken_file_ctx_t  *ctx;

    op->rc = ngx_tecken_file_list_create(op);

    if (op->rc != NGX_OK) {
        return op->rc;
    }

    op->rc = ngx_tecken_file_post(op);

    if (op->rc != NGX_OK) {
        ctx = op->ctx;
        ngx_tecken_task_destroy(ctx->task);
        return op->rc;
    }

    op->active = 1;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_tecken_file_list_create(ngx_tecken_store_op_t *op)
{
    u_char                   *p, *path;
    size_t                    len;
    ngx_str_t                 dir;
    ngx_pool_t               *pool;
    ngx_pool_cleanup_t       *cln;
    ngx_tecken_file_ctx_t    *ctx;
    ngx_tecken_file_list_t   *list;
    ngx_tecken_file_level_t  *level;

    ctx = ngx_tecken_file_start(op, sizeof(ngx_tecken_file_list_t));
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    pool = ctx->task->pool;
    list = ctx->task->data;

    list->op = op;
    list->path = ngx_pnalloc(pool, NGX_TECKEN_FILE_PATH);
    list->key = ngx_pnalloc(pool, NGX_TECKEN_FILE_KEY);
    list->entries = ngx_palloc(pool, NGX_TECKEN_FILE_LIST_ENTRIES
                                     * sizeof(ngx_tecken_file_entry_t));
    list->data = ngx_pnalloc(pool, NGX_TECKEN_FILE_LIST_DATA);
    cln = ngx_pool_cleanup_add(pool, 0);

    if (list->path == NULL || list->key == NULL || list->entries == NULL
        || list->data == NULL || cln == NULL)
    {
        goto failed;
    }

    cln->handler = ngx_tecken_file_list_free;
    cln->data = list;

    level = ngx_tecken_file_list_level(ctx->task, NULL);
    if (level == NULL) {
        goto failed;
    }

    list->level = level;

    /* what is before the last slash is a directory, the rest a filter */

    for (len = op->key.len; len; len--) {
        if (op->key.data[len - 1] == '/') {
            break;
        }
    }

    dir.data = op->key.data;
    dir.len = len ? len - 1 : 0;

    path = list->path;
    p = NULL;

    if (op->key.len <= NGX_TECKEN_FILE_KEY) {
        p = ngx_tecken_file_path_write(op->storage, path, &dir, len == 0);
    }

    if (p == NULL) {
        ngx_tecken_task_destroy(ctx->task);
        ngx_str_null(&op->error);
        return NGX_DECLINED;
    }

    level->path_len = p - path;
    level->key_len = len;

    ngx_memcpy(list->key, op->key.data, len);

    list->filter.len = op->key.len - len;
    list->filter.data = ngx_pnalloc(pool, list->filter.len + 1);

    if (list->filter.data == NULL) {
        goto failed;
    }

    ngx_memcpy(list->filter.data, op->key.data + len, list->filter.len);

    ctx->task->run = ngx_tecken_file_list_run;
    ctx->task->done = ngx_tecken_file_list_done;

    return NGX_OK;

failed:

    ngx_tecken_task_destroy(ctx->task);

    return NGX_ERROR;
}


static void
ngx_tecken_file_list_free(void *data)
{
    ngx_tecken_file_list_t *list = data;

    ngx_tecken_file_level_t  *level;

    for (level = list->first; level; level = level->down) {
        if (level->names.elts) {
            ngx_free(level->names.elts);
        }
    }
}


static void
ngx_tecken_file_list_done(ngx_tecken_task_t *task)
{
    ngx_int_t                 rc;
    ngx_str_t                 key;
    ngx_uint_t                i;
    ngx_tecken_store_op_t    *op;
    ngx_tecken_file_list_t   *list;
    ngx_tecken_file_entry_t  *entry;

    list = task->data;
    op = list->op;

    for (i = 0; i < list->n; i++) {
        entry = &list->entries[i];

        key.len = entry->len;
        key.data = entry->data;

        rc = op->entry(op, &key, entry->size, entry->mtime);

        if (rc == NGX_DONE) {
            ngx_tecken_file_list_end(op, NGX_OK);
            return;
        }

        if (rc != NGX_OK) {
            ngx_str_set(&op->error, "the receiver of the list gave up");
            ngx_tecken_file_list_end(op, NGX_ERROR);
            return;
        }

        list->found = 1;
    }

    if (list->error.len) {
        ngx_tecken_file_failed(op, &list->error);
        ngx_tecken_file_list_end(op, NGX_ERROR);
        return;
    }

    if (list->level == NULL) {
        ngx_tecken_file_list_end(op, list->found ? NGX_OK : NGX_DECLINED);
        return;
    }

    rc = ngx_tecken_file_post(op);

    if (rc != NGX_OK) {
        ngx_tecken_file_list_end(op, rc);
    }
}


static void
ngx_tecken_file_list_end(ngx_tecken_store_op_t *op, ngx_int_t rc)
{
    ngx_tecken_file_ctx_t  *ctx;

    ctx = op->ctx;

    ngx_tecken_task_destroy(ctx->task);

    ngx_tecken_file_finish(op, rc);
}


static void
ngx_tecken_file_list_run(ngx_tecken_task_t *task)
{
    ngx_tecken_file_list_t *list = task->data;

    list->n = 0;
    list->len = 0;

    while (list->level && !task->cancelled
           && list->n < NGX_TECKEN_FILE_LIST_ENTRIES
           && list->len + NGX_TECKEN_FILE_KEY <= NGX_TECKEN_FILE_LIST_DATA)
    {
        if (ngx_tecken_file_list_next(task) != NGX_OK) {
            return;
        }
    }
}


/* one name, or one reading of a directory */

static ngx_int_t
ngx_tecken_file_list_next(ngx_tecken_task_t *task)
{
    ngx_tecken_file_list_t *list = task->data;

    ngx_tecken_file_name_t   *name;
    ngx_tecken_file_level_t  *level;

    level = list->level;

    if (level->i == level->names.n) {

        if (level->opened && !level->names.more) {
            list->level = level->up;
            return NGX_OK;
        }

        return ngx_tecken_file_list_scan(task);
    }

    name = &level->names.elts[level->i++];

    ngx_tecken_file_name_copy(&level->names.last, name);

    if (name->len && name->data[name->len - 1] == '/') {
        return ngx_tecken_file_list_push(task, name);
    }

    return ngx_tecken_file_list_entry(list, name);
}


static ngx_int_t
ngx_tecken_file_list_entry(ngx_tecken_file_list_t *list,
    ngx_tecken_file_name_t *name)
{
    u_char                   *p;
    ngx_file_info_t           fi;
    ngx_tecken_file_level_t  *level;
    ngx_tecken_file_entry_t  *entry;

    level = list->level;

    if (ngx_tecken_file_list_name(list, name) == 0) {
        return NGX_OK;
    }

    if (ngx_file_info(list->path, &fi) == NGX_FILE_ERROR) {

        if (ngx_errno == NGX_ENOENT || ngx_errno == NGX_ENOTDIR) {
            return NGX_OK;
        }

        ngx_tecken_file_error(&list->error, ngx_errno,
                              ngx_file_info_n " \"%s\" failed", list->path);
        return NGX_ERROR;
    }

    if (!ngx_is_file(&fi)) {
        return NGX_OK;
    }

    p = list->data + list->len;

    entry = &list->entries[list->n++];

    entry->data = p;
    entry->size = ngx_file_size(&fi);
    entry->mtime = ngx_file_mtime(&fi);

    p = ngx_cpymem(p, list->key, level->key_len);
    p = ngx_cpymem(p, name->data, name->len);

    entry->len = p - entry->data;
    list->len += entry->len;

    return NGX_OK;
}


static ngx_tecken_file_level_t *
ngx_tecken_file_list_level(ngx_tecken_task_t *task,
    ngx_tecken_file_level_t *up)
{
    ngx_uint_t                left;
    ngx_tecken_file_list_t   *list;
    ngx_tecken_file_level_t  *level, *l;

    list = task->data;
    level = up ? up->down : list->first;

    if (level == NULL) {
        level = ngx_pcalloc(task->pool, sizeof(ngx_tecken_file_level_t));
        if (level == NULL) {
            return NULL;
        }

        level->up = up;

        /* a quarter of what the levels above have left */

        left = NGX_TECKEN_FILE_LIST_NAMES;

        for (l = up; l; l = l->up) {
            left -= ngx_min(left, l->names.max);
        }

        level->names.max = ngx_max(left / 4, NGX_TECKEN_FILE_LIST_FEW);

        if (up) {
            up->down = level;

        } else {
            list->first = level;
        }
    }

    level->i = 0;
    level->opened = 0;
    level->names.n = 0;
    level->names.more = 0;
    level->names.last.len = 0;

    return level;
}


static ngx_int_t
ngx_tecken_file_list_push(ngx_tecken_task_t *task,
    ngx_tecken_file_name_t *name)
{
    size_t                    path_len;
    ngx_tecken_file_list_t   *list;
    ngx_tecken_file_level_t  *level, *up;

    list = task->data;
    up = list->level;

    path_len = ngx_tecken_file_list_name(list, name);
    if (path_len == 0) {
        return NGX_OK;
    }

    level = ngx_tecken_file_list_level(task, up);
    if (level == NULL) {
        ngx_tecken_file_error(&list->error, 0, "no memory");
        return NGX_ERROR;
    }

    level->path_len = path_len;
    level->key_len = up->key_len + name->len;

    ngx_memcpy(list->key + up->key_len, name->data, name->len);

    list->level = level;

    return NGX_OK;
}


/* adds a name to the path; 0 if no object can have such a path */

static size_t
ngx_tecken_file_list_name(ngx_tecken_file_list_t *list,
    ngx_tecken_file_name_t *name)
{
    u_char  *p;
    size_t   len, n;

    len = name->len;

    if (len && name->data[len - 1] == '/') {
        len--;
    }

    n = list->level->path_len;

    if (n + 1 + tk_file_key_encode(NULL, name->data, len) + TK_FILE_META_LEN
        >= NGX_TECKEN_FILE_PATH)
    {
        return 0;
    }

    p = list->path + n;

    *p++ = '/';
    p += tk_file_key_encode(p, name->data, len);
    *p = '\0';

    return p - list->path;
}


static ngx_int_t
ngx_tecken_file_list_scan(ngx_tecken_task_t *task)
{
    DIR                      *dir;
    ngx_int_t                 rc;
    ngx_err_t                 err;
    struct stat               st;
    ngx_tecken_file_list_t   *list;
    ngx_tecken_file_level_t  *level;

    list = task->data;
    level = list->level;

    level->i = 0;
    level->names.n = 0;
    level->names.more = 0;

    list->path[level->path_len] = '\0';

    dir = opendir(level->path_len ? (char *) list->path : "/");

    if (dir == NULL) {
        err = ngx_errno;

        /* removed meanwhile */

        if (err == NGX_ENOENT || err == NGX_ENOTDIR || err == NGX_ENAMETOOLONG
            || err == NGX_EILSEQ)
        {
            level->opened = 1;
            return NGX_OK;
        }

        ngx_tecken_file_error(&list->error, err, "opendir() \"%s\" failed",
                              list->path);
        return NGX_ERROR;
    }

    rc = NGX_OK;

    if (!level->opened && fstat(dirfd(dir), &st) == 0) {
        level->device = st.st_dev;
        level->inode = st.st_ino;
    }

    level->opened = 1;

    if (!ngx_tecken_file_list_loops(level)) {
        rc = ngx_tecken_file_list_read(task, dir);
    }

    (void) closedir(dir);

    ngx_tecken_file_names_sort(&level->names);

    return rc;
}


static ngx_int_t
ngx_tecken_file_list_read(ngx_tecken_task_t *task, DIR *dir)
{
    struct dirent           *de;
    ngx_tecken_file_name_t   name;
    ngx_tecken_file_list_t  *list;

    list = task->data;

    while (!task->cancelled) {

        ngx_set_errno(0);

        de = readdir(dir);

        if (de == NULL) {

            if (ngx_errno == 0) {
                return NGX_OK;
            }

            ngx_tecken_file_error(&list->error, ngx_errno,
                                  "readdir() \"%s\" failed", list->path);
            return NGX_ERROR;
        }

        if (ngx_tecken_file_list_decode(list, dir, de, &name) != NGX_OK) {
            continue;
        }

        if (ngx_tecken_file_names_insert(&list->level->names, &name,
                                         task->pool->log)
            != NGX_OK)
        {
            ngx_tecken_file_error(&list->error, 0, "no memory");
            return NGX_ERROR;
        }
    }

    return NGX_ABORT;
}


/* a symbolic link to a directory that it is in */

static ngx_uint_t
ngx_tecken_file_list_loops(ngx_tecken_file_level_t *level)
{
    ngx_tecken_file_level_t  *up;

    for (up = level->up; up; up = up->up) {
        if (up->inode == level->inode && up->device == level->device) {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_tecken_file_list_decode(ngx_tecken_file_list_t *list, DIR *dir,
    struct dirent *de, ngx_tecken_file_name_t *name)
{
    ssize_t                   n;
    struct stat               st;
    ngx_uint_t                is_dir;
    ngx_tecken_file_level_t  *level;

    level = list->level;

    n = tk_file_name_decode(name->data, (u_char *) de->d_name,
                            ngx_strlen(de->d_name));
    if (n == -1) {
        return NGX_DECLINED;
    }

    if (level->up == NULL
        && ((size_t) n < list->filter.len
            || ngx_memcmp(name->data, list->filter.data, list->filter.len)
               != 0))
    {
        return NGX_DECLINED;
    }

#if (NGX_HAVE_D_TYPE)

    if (de->d_type == DT_DIR || de->d_type == DT_REG) {
        is_dir = (de->d_type == DT_DIR);

    } else if (de->d_type != DT_LNK && de->d_type != DT_UNKNOWN) {
        return NGX_DECLINED;

    } else

#endif

    {
        if (fstatat(dirfd(dir), de->d_name, &st, 0) == -1
            || (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)))
        {
            return NGX_DECLINED;
        }

        is_dir = S_ISDIR(st.st_mode) ? 1 : 0;
    }

    if (is_dir) {
        name->data[n++] = '/';
    }

    name->len = n;

    /* too long for a key, or the empty one */

    if (level->key_len + name->len > NGX_TECKEN_FILE_KEY
        || level->key_len + name->len == 0)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}
