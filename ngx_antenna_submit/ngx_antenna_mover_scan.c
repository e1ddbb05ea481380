
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_mover.h>

#include <dirent.h>
#include <sys/file.h>


#define NGX_ANTENNA_TMP_AGE  3600     /* sec, whoever left it */


typedef struct {
    ngx_antenna_scan_t           scan;    /* the first: see scan_start() */
    ngx_antenna_spool_t         *spool;
    void                        *data;    /* the caller's */
} ngx_antenna_scan_ctx_t;


static void ngx_antenna_scan_run(ngx_tecken_task_t *task);
static void ngx_antenna_scan_cleanup(void *data);
static void ngx_antenna_scan_new(ngx_antenna_scan_ctx_t *ctx, DIR *dir);
static ngx_int_t ngx_antenna_scan_push(ngx_antenna_scan_t *scan,
    const char *name);
static void ngx_antenna_scan_tmp(ngx_antenna_scan_ctx_t *ctx, DIR *dir);
static ngx_uint_t ngx_antenna_scan_dead(const char *name);
static ngx_uint_t ngx_antenna_scan_idle(int dir, const char *name);
static const char *ngx_antenna_name_field(const char *name, ngx_uint_t n);
static void ngx_antenna_scan_error(ngx_antenna_scan_t *scan,
    const char *call);


ngx_tecken_task_t *
ngx_antenna_scan_start(ngx_antenna_spool_t *spool,
    ngx_tecken_task_handler_pt done, void *data)
{
    ngx_tecken_task_t       *task;
    ngx_pool_cleanup_t      *cln;
    ngx_antenna_scan_ctx_t  *ctx;

    task = ngx_tecken_task_create(sizeof(ngx_antenna_scan_ctx_t),
                                  ngx_cycle->log);
    if (task == NULL) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(task->pool, 0);
    if (cln == NULL) {
        ngx_tecken_task_destroy(task);
        return NULL;
    }

    ctx = task->data;
    ctx->spool = spool;
    ctx->data = data;

    cln->handler = ngx_antenna_scan_cleanup;
    cln->data = &ctx->scan;

    task->run = ngx_antenna_scan_run;
    task->done = done;

    if (ngx_tecken_task_post(spool->thread_pool, task, 0) != NGX_OK) {
        ngx_tecken_task_destroy(task);
        return NULL;
    }

    return task;
}


static void
ngx_antenna_scan_cleanup(void *data)
{
    ngx_antenna_scan_t  *scan = data;

    free(scan->names);
}


void *
ngx_antenna_scan_data(ngx_tecken_task_t *task)
{
    ngx_antenna_scan_ctx_t  *ctx = task->data;

    return ctx->data;
}


static void
ngx_antenna_scan_run(ngx_tecken_task_t *task)
{
    ngx_antenna_scan_ctx_t  *ctx = task->data;

    DIR  *dir;

    dir = opendir((char *) ctx->spool->new.data);

    if (dir == NULL) {
        ngx_antenna_scan_error(&ctx->scan, "opendir()");
        return;
    }

    ngx_antenna_scan_new(ctx, dir);

    (void) closedir(dir);

    dir = opendir((char *) ctx->spool->tmp.data);

    if (dir) {
        ngx_antenna_scan_tmp(ctx, dir);
        (void) closedir(dir);
    }
}


static void
ngx_antenna_scan_new(ngx_antenna_scan_ctx_t *ctx, DIR *dir)
{
    struct stat          st;
    struct dirent       *de;
    ngx_antenna_scan_t  *scan;

    scan = &ctx->scan;

    for ( ;; ) {
        ngx_set_errno(0);
        de = readdir(dir);

        if (de == NULL) {
            if (ngx_errno) {
                ngx_antenna_scan_error(scan, "readdir()");
            }

            return;
        }

        /* what an operator has put there is not ours */

        if (de->d_name[0] == '.'
            || ngx_antenna_name_crashes((u_char *) de->d_name) == 0)
        {
            continue;
        }

        if (fstatat(dirfd(dir), de->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1
            || !S_ISREG(st.st_mode))
        {
            continue;
        }

        scan->bytes += st.st_size;
        scan->crashes += ngx_antenna_name_crashes((u_char *) de->d_name);

        if (ngx_antenna_scan_push(scan, de->d_name) != NGX_OK) {
            return;
        }
    }
}


static ngx_int_t
ngx_antenna_scan_push(ngx_antenna_scan_t *scan, const char *name)
{
    ngx_antenna_spool_name_t  *names;

    if (scan->n == NGX_ANTENNA_ENTRIES) {
        scan->partial = 1;
        return NGX_OK;
    }

    if (scan->n == 0 || (scan->n >= 64 && (scan->n & (scan->n - 1)) == 0)) {
        names = realloc(scan->names, ngx_max(scan->n * 2, 64)
                                     * sizeof(ngx_antenna_spool_name_t));
        if (names == NULL) {
            ngx_antenna_scan_error(scan, "realloc()");
            return NGX_ERROR;
        }

        scan->names = names;
    }

    (void) ngx_cpystrn(scan->names[scan->n++].name, (u_char *) name,
                       NGX_ANTENNA_SPOOL_NAME);

    return NGX_OK;
}


/* of workers that have ended, and of those that cannot be asked about */

static void
ngx_antenna_scan_tmp(ngx_antenna_scan_ctx_t *ctx, DIR *dir)
{
    time_t          now;
    struct stat     st;
    struct dirent  *de;

    now = time(NULL);

    while ((de = readdir(dir)) != NULL) {

        if (ngx_antenna_name_crashes((u_char *) de->d_name) == 0
            || fstatat(dirfd(dir), de->d_name, &st, AT_SYMLINK_NOFOLLOW)
               == -1)
        {
            continue;
        }

        if (ngx_antenna_scan_dead(de->d_name)
            || (st.st_mtime < now - NGX_ANTENNA_TMP_AGE
                && ngx_antenna_scan_idle(dirfd(dir), de->d_name)))
        {
            (void) unlinkat(dirfd(dir), de->d_name, 0);
        }
    }
}


static ngx_uint_t
ngx_antenna_scan_dead(const char *name)
{
    ngx_pid_t  pid;

    pid = (ngx_pid_t) atol(ngx_antenna_name_field(name, 1));

    /* in a container a worker has the number of one before the restart */

    if (pid == ngx_pid) {
        return strtoull(ngx_antenna_name_field(name, 2), NULL, 10)
               != ngx_antenna_start;
    }

    return pid <= 0 || (kill(pid, 0) == -1 && ngx_errno == NGX_ESRCH);
}


/* a clock that is set makes files old that are being written */

static ngx_uint_t
ngx_antenna_scan_idle(int dir, const char *name)
{
    int         fd;
    ngx_uint_t  idle;

    fd = openat(dir, name, O_RDONLY|O_NOFOLLOW|O_NONBLOCK|O_CLOEXEC);

    if (fd == -1) {
        return 0;
    }

    idle = (flock(fd, LOCK_EX|LOCK_NB) == 0);

    (void) close(fd);

    return idle;
}


/* <time>.<pid>.<start>.<number>.<crashes>; 0: it is no such name */

ngx_uint_t
ngx_antenna_name_crashes(const u_char *name)
{
    size_t       len;
    ngx_int_t    n;
    ngx_uint_t   dots;
    const char  *p;

    dots = 0;
    p = (const char *) name;

    for (len = 0; p[len]; len++) {
        if (p[len] == '.') {
            dots++;

        } else if (p[len] < '0' || p[len] > '9') {
            return 0;
        }
    }

    if (dots != 4 || len < 15 || len >= NGX_ANTENNA_SPOOL_NAME
        || p[14] != '.')
    {
        return 0;
    }

    p = ngx_antenna_name_field(p, 4);
    n = ngx_atoi((u_char *) p, ngx_strlen(p));

    return n == NGX_ERROR ? 0 : (ngx_uint_t) n;
}


uint64_t
ngx_antenna_name_time(const u_char *name)
{
    uint64_t  n;

    for (n = 0; *name >= '0' && *name <= '9'; name++) {
        n = n * 10 + (*name - '0');
    }

    return n;
}


static const char *
ngx_antenna_name_field(const char *name, ngx_uint_t n)
{
    while (n && *name) {
        n -= (*name++ == '.');
    }

    return name;
}


static void
ngx_antenna_scan_error(ngx_antenna_scan_t *scan, const char *call)
{
    scan->err = ngx_errno;
    scan->call = call;
}
