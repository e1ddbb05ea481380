
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */

/*
 * Calls of a directory of symcaches over HTTP, for the tests:
 *
 *     op=build file=F set=N name=S size=BYTES at=begin|temp|ref hold=MSEC
 *     op=open file=F set=N hold=MSEC cancel=1
 *     op=open file=F set=N prefetch=1
 *     op=delete file=F
 *     op=status
 *     op=check
 *     op=bench file=F set=N n=N
 *     op=kill step=change|half|reserved|doomed|deleted file=F
 *
 * A symcache is built of a .sym that has the function S at 0x1000 and nearly
 * BYTES of other symbols; who has a symcache looks that function up.  hold is
 * a pause: before the temp file is made, before the commit, or while the
 * symcache is in use.  prefetch says which part of the index is in memory when
 * the file was dropped from it, and after prefetch().  check walks the index
 * and says what is wrong with it.  kill is the end of the worker: amid a
 * change, with all lists broken, or when a deletion is written but no node is
 * doomed yet; when it was to rename a file, or to unlink one; when it was to
 * unlink those of a symbol.
 */


#include "ngx_tecken_probe.h"
#include <ngx_tecken_cache_sh.h>
#include <ngx_tecken_symcache_sh.h>
#include <tk_symcache_build.h>
#include <tk_symcache_format.h>

#include <sys/mman.h>


typedef struct ngx_tecken_probe_symcache_ctx_s
    ngx_tecken_probe_symcache_ctx_t;

typedef void (*ngx_tecken_probe_symcache_pt)(
    ngx_tecken_probe_symcache_ctx_t *ctx);


struct ngx_tecken_probe_symcache_ctx_s {
    ngx_http_request_t            *request;
    ngx_thread_pool_t             *pool;

    ngx_tecken_symcache_path_t    *path;
    ngx_tecken_symcache_key_t      key;
    ngx_tecken_symcache_op_t       op;
    ngx_tecken_symcache_file_t     file;
    ngx_tecken_symcache_ref_t     *ref;

    ngx_str_t                      name;
    size_t                         size;
    ngx_str_t                      at;
    ngx_msec_t                     msec;

    ngx_int_t                      rc;
    u_char                         reason[128];

    ngx_event_t                    hold;
    ngx_connection_t               dummy;
    ngx_tecken_probe_symcache_pt   next;
};


static ngx_int_t ngx_tecken_probe_symcache_handler(ngx_http_request_t *r);
static ngx_int_t ngx_tecken_probe_symcache_build(
    ngx_tecken_probe_symcache_ctx_t *ctx);
static void ngx_tecken_probe_symcache_write(
    ngx_tecken_probe_symcache_ctx_t *ctx);
static void ngx_tecken_probe_symcache_write_run(ngx_tecken_task_t *task);
static ngx_int_t ngx_tecken_probe_symcache_feed(
    ngx_tecken_probe_symcache_ctx_t *ctx, tk_symcache_build_t *b);
static void ngx_tecken_probe_symcache_written(ngx_tecken_task_t *task);
static void ngx_tecken_probe_symcache_commit(
    ngx_tecken_probe_symcache_ctx_t *ctx);
static void ngx_tecken_probe_symcache_commit_run(ngx_tecken_task_t *task);
static void ngx_tecken_probe_symcache_committed(ngx_tecken_task_t *task);
static void ngx_tecken_probe_symcache_post(
    ngx_tecken_probe_symcache_ctx_t *ctx, ngx_tecken_task_handler_pt run,
    ngx_tecken_task_handler_pt done);
static void ngx_tecken_probe_symcache_prefetch_run(ngx_tecken_task_t *task);
static ngx_uint_t ngx_tecken_probe_symcache_resident(
    ngx_tecken_symcache_map_t *map);
static void ngx_tecken_probe_symcache_prefetched(ngx_tecken_task_t *task);
static ngx_int_t ngx_tecken_probe_symcache_open(
    ngx_tecken_probe_symcache_ctx_t *ctx);
static void ngx_tecken_probe_symcache_opened(ngx_tecken_symcache_op_t *op);
static void ngx_tecken_probe_symcache_use(
    ngx_tecken_probe_symcache_ctx_t *ctx);
static void ngx_tecken_probe_symcache_pause(
    ngx_tecken_probe_symcache_ctx_t *ctx, const char *at,
    ngx_tecken_probe_symcache_pt next);
static void ngx_tecken_probe_symcache_over(ngx_event_t *ev);
static void ngx_tecken_probe_symcache_answer(
    ngx_tecken_probe_symcache_ctx_t *ctx);
static u_char *ngx_tecken_probe_symcache_lookup(
    ngx_tecken_symcache_ref_t *ref, u_char *p, u_char *last);
static void ngx_tecken_probe_symcache_finish(
    ngx_tecken_probe_symcache_ctx_t *ctx, u_char *text, size_t len);
static ngx_int_t ngx_tecken_probe_symcache_status(ngx_http_request_t *r,
    ngx_tecken_symcache_path_t *path);
static ngx_int_t ngx_tecken_probe_symcache_check(ngx_http_request_t *r,
    ngx_tecken_symcache_path_t *path);
static const char *ngx_tecken_probe_symcache_wrong(
    ngx_tecken_symcache_sh_t *sh);
static ngx_int_t ngx_tecken_probe_symcache_bench(
    ngx_tecken_probe_symcache_ctx_t *ctx);
static void ngx_tecken_probe_symcache_kill(
    ngx_tecken_probe_symcache_ctx_t *ctx, ngx_str_t *step);
static void ngx_tecken_probe_symcache_break(ngx_tecken_symcache_sh_t *sh);
static char *ngx_tecken_probe_symcache(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_command_t  ngx_tecken_probe_symcache_commands[] = {

    { ngx_string("tecken_probe_symcache"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_tecken_probe_symcache,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_tecken_probe_symcache_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_tecken_probe_symcache_module = {
    NGX_MODULE_V1,
    &ngx_tecken_probe_symcache_module_ctx, /* module context */
    ngx_tecken_probe_symcache_commands,    /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_tecken_probe_symcache_handler(ngx_http_request_t *r)
{
    uint64_t                          id[2];
    ngx_int_t                         rc;
    ngx_str_t                         op, file, debug_id;
    ngx_tecken_loc_conf_t            *tlcf;
    ngx_tecken_main_conf_t           *tmcf;
    ngx_tecken_probe_symcache_ctx_t  *ctx;

    tmcf = ngx_http_get_module_main_conf(r, ngx_tecken_common_module);
    tlcf = ngx_http_get_module_loc_conf(r, ngx_tecken_common_module);

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_tecken_probe_symcache_ctx_t));
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_null(&op);
    ngx_str_null(&file);
    ngx_str_set(&debug_id, "000102030405060708090A0B0C0D0E0F0");

    (void) ngx_http_arg(r, (u_char *) "op", 2, &op);
    (void) ngx_http_arg(r, (u_char *) "file", 4, &file);
    (void) ngx_http_arg(r, (u_char *) "name", 4, &ctx->name);
    (void) ngx_http_arg(r, (u_char *) "at", 2, &ctx->at);

    ctx->request = r;
    ctx->pool = tmcf->io_thread_pool;
    ctx->path = tlcf->symcache;
    ctx->msec = ngx_tecken_probe_arg(r, "hold", 0);
    ctx->size = ngx_tecken_probe_arg(r, "size", 0);

    /* not r->connection: its data is another request in subrequests */

    ctx->dummy.fd = (ngx_socket_t) -1;
    ctx->dummy.data = ctx;

    ctx->hold.data = &ctx->dummy;
    ctx->hold.handler = ngx_tecken_probe_symcache_over;
    ctx->hold.log = r->connection->log;

    id[0] = ngx_tecken_probe_arg(r, "set", 0);
    id[1] = 0;

    ngx_tecken_symcache_key(&ctx->key, &file, &debug_id, id);

    switch (op.len > 1 ? op.data[1] : '\0') {

    case 'u':
        return ngx_tecken_probe_symcache_build(ctx);

    case 'p':
        return ngx_tecken_probe_symcache_open(ctx);

    case 'e':
        if (op.data[0] == 'b') {
            return ngx_tecken_probe_symcache_bench(ctx);
        }

        ngx_tecken_symcache_delete(ctx->path, &ctx->key, r->connection->log);
        return ngx_tecken_probe_send(r, (u_char *) "ok\n", 3);

    case 't':
        return ngx_tecken_probe_symcache_status(r, ctx->path);

    case 'h':
        return ngx_tecken_probe_symcache_check(r, ctx->path);

    case 'i':
        (void) ngx_http_arg(r, (u_char *) "step", 4, &op);
        ngx_tecken_probe_symcache_kill(ctx, &op);
        return NGX_ERROR;

    default:
        return NGX_HTTP_BAD_REQUEST;
    }
}


static ngx_int_t
ngx_tecken_probe_symcache_build(ngx_tecken_probe_symcache_ctx_t *ctx)
{
    ngx_tecken_symcache_begin(ctx->path, &ctx->key, &ctx->file);

    ctx->request->main->count++;

    ngx_tecken_probe_symcache_pause(ctx, "begin",
                                    ngx_tecken_probe_symcache_write);

    return NGX_DONE;
}


static void
ngx_tecken_probe_symcache_write(ngx_tecken_probe_symcache_ctx_t *ctx)
{
    ngx_tecken_probe_symcache_post(ctx, ngx_tecken_probe_symcache_write_run,
                                   ngx_tecken_probe_symcache_written);
}


/* in a thread */

static void
ngx_tecken_probe_symcache_write_run(ngx_tecken_task_t *task)
{
    int                                err;
    tk_symcache_build_t               *b;
    tk_symcache_build_conf_t           conf;
    ngx_tecken_probe_symcache_ctx_t  **pp, *ctx;

    pp = task->data;
    ctx = *pp;

    ctx->rc = ngx_tecken_symcache_temp(&ctx->file, ngx_cycle->log);

    if (ctx->rc != NGX_OK) {
        ngx_cpystrn(ctx->reason, (u_char *) "no temp file", 128);
        return;
    }

    ngx_memzero(&conf, sizeof(tk_symcache_build_conf_t));
    conf.fd = ctx->file.fd;

    b = tk_symcache_build_create(&conf);

    ctx->rc = (b == NULL) ? NGX_ERROR
                          : ngx_tecken_probe_symcache_feed(ctx, b);

    if (ctx->rc != NGX_OK) {
        err = b ? tk_symcache_build_errno(b) : 0;

        ngx_cpystrn(ctx->reason,
                    (u_char *) (b ? tk_symcache_build_error(b) : "no memory"),
                    128);

        ngx_tecken_symcache_discard(&ctx->file, err, ngx_cycle->log);
    }

    tk_symcache_build_destroy(b);
}


static ngx_int_t
ngx_tecken_probe_symcache_feed(ngx_tecken_probe_symcache_ctx_t *ctx,
    tk_symcache_build_t *b)
{
    u_char      *p, text[512];
    uint64_t     n;
    size_t       size;
    tk_sym_rc_t  rc;

    p = ngx_snprintf(text, sizeof(text),
                     "MODULE Linux x86_64 000102030405060708090A0B0C0D0E0F0 "
                     "probe\nFUNC 1000 10 0 %V\n", &ctx->name);

    rc = tk_symcache_build_feed(b, text, p - text);

    /* names that nothing makes smaller */

    n = 88172645463325252;

    for (size = 0; size < ctx->size && rc == TK_SYM_OK; size += p - text) {

        p = ngx_sprintf(text, "PUBLIC %xz 0 ", 0x2000 + size);

        while (p < text + 256) {
            n ^= n << 13;
            n ^= n >> 7;
            n ^= n << 17;
            p = ngx_sprintf(p, "%016xL", n);
        }

        *p++ = LF;

        rc = tk_symcache_build_feed(b, text, p - text);
    }

    if (rc == TK_SYM_OK) {
        rc = tk_symcache_build_finish(b, NULL);
    }

    return (rc == TK_SYM_OK) ? NGX_OK : NGX_ERROR;
}


static void
ngx_tecken_probe_symcache_written(ngx_tecken_task_t *task)
{
    ngx_tecken_probe_symcache_ctx_t  **pp, *ctx;

    pp = task->data;
    ctx = *pp;

    ngx_tecken_task_destroy(task);

    if (ctx->rc != NGX_OK) {
        ngx_tecken_probe_symcache_answer(ctx);
        return;
    }

    ngx_tecken_probe_symcache_pause(ctx, "temp",
                                    ngx_tecken_probe_symcache_commit);
}


static void
ngx_tecken_probe_symcache_commit(ngx_tecken_probe_symcache_ctx_t *ctx)
{
    ngx_tecken_probe_symcache_post(ctx, ngx_tecken_probe_symcache_commit_run,
                                   ngx_tecken_probe_symcache_committed);
}


/* in a thread */

static void
ngx_tecken_probe_symcache_commit_run(ngx_tecken_task_t *task)
{
    ngx_tecken_probe_symcache_ctx_t  **pp;

    pp = task->data;

    (*pp)->rc = ngx_tecken_symcache_commit(&(*pp)->file, ngx_cycle->log);
}


static void
ngx_tecken_probe_symcache_committed(ngx_tecken_task_t *task)
{
    ngx_tecken_probe_symcache_ctx_t  **pp, *ctx;

    pp = task->data;
    ctx = *pp;

    ngx_tecken_task_destroy(task);

    if (ctx->rc != NGX_OK) {
        ngx_cpystrn(ctx->reason, (u_char *) "not committed", 128);
        ngx_tecken_probe_symcache_answer(ctx);
        return;
    }

    ctx->ref = ngx_tecken_symcache_finish(&ctx->file);

    ngx_tecken_probe_symcache_pause(ctx, "ref",
                                    ngx_tecken_probe_symcache_answer);
}


static void
ngx_tecken_probe_symcache_post(ngx_tecken_probe_symcache_ctx_t *ctx,
    ngx_tecken_task_handler_pt run, ngx_tecken_task_handler_pt done)
{
    ngx_tecken_task_t                 *task;
    ngx_tecken_probe_symcache_ctx_t  **pp;

    task = ngx_tecken_task_create(sizeof(void *), ngx_cycle->log);

    if (task) {
        pp = task->data;
        *pp = ctx;

        task->run = run;
        task->done = done;

        if (ngx_tecken_task_post(ctx->pool, task, 0) == NGX_OK) {
            return;
        }

        ngx_tecken_task_destroy(task);
    }

    ngx_tecken_symcache_discard(&ctx->file, 0, ngx_cycle->log);

    ctx->rc = NGX_ERROR;
    ngx_cpystrn(ctx->reason, (u_char *) "no task", 128);

    ngx_tecken_probe_symcache_answer(ctx);
}


static ngx_int_t
ngx_tecken_probe_symcache_open(ngx_tecken_probe_symcache_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    ctx->op.handler = ngx_tecken_probe_symcache_opened;
    ctx->op.data = ctx;

    r->main->count++;

    ctx->op.rc = ngx_tecken_symcache_open(ctx->path, &ctx->key, &ctx->op,
                                          r->connection->log);

    if (ctx->op.rc == NGX_AGAIN) {

        if (ngx_tecken_probe_arg(r, "cancel", 0)) {
            ngx_tecken_symcache_cancel(&ctx->op);
            ngx_tecken_probe_symcache_finish(ctx, (u_char *) "cancelled\n",
                                             10);
        }

        return NGX_DONE;
    }

    ngx_tecken_probe_symcache_use(ctx);

    return NGX_DONE;
}


static void
ngx_tecken_probe_symcache_opened(ngx_tecken_symcache_op_t *op)
{
    ngx_tecken_probe_symcache_use(op->data);
}


static void
ngx_tecken_probe_symcache_use(ngx_tecken_probe_symcache_ctx_t *ctx)
{
    switch (ctx->op.rc) {

    case NGX_OK:
        ctx->ref = ctx->op.ref;
        ngx_str_set(&ctx->at, "use");

        if (ngx_tecken_probe_arg(ctx->request, "prefetch", 0)) {
            ngx_tecken_probe_symcache_post(ctx,
                                       ngx_tecken_probe_symcache_prefetch_run,
                                       ngx_tecken_probe_symcache_prefetched);
            return;
        }

        ngx_tecken_probe_symcache_pause(ctx, "use",
                                        ngx_tecken_probe_symcache_answer);
        return;

    case NGX_DECLINED:
        ngx_tecken_probe_symcache_finish(ctx, (u_char *) "miss\n", 5);
        return;

    default: /* NGX_ERROR */
        ngx_tecken_probe_symcache_finish(ctx, (u_char *) "error\n", 6);
        return;
    }
}


/* in a thread */

static void
ngx_tecken_probe_symcache_prefetch_run(ngx_tecken_task_t *task)
{
    int                                fd;
    ngx_uint_t                         before, after;
    ngx_tecken_symcache_map_t         *map;
    ngx_tecken_probe_symcache_ctx_t  **pp, *ctx;
    u_char                             name[NGX_MAX_PATH];

    pp = task->data;
    ctx = *pp;

    map = (ngx_tecken_symcache_map_t *) ctx->ref;

    ngx_tecken_symcache_name(ctx->path, &ctx->key, name);

    fd = open((char *) name, O_RDONLY);

    if (fd != -1) {
        (void) fsync(fd);
        (void) madvise(map->addr, map->size, MADV_DONTNEED);
        (void) posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        (void) close(fd);
    }

    before = ngx_tecken_probe_symcache_resident(map);

    ngx_tecken_symcache_prefetch(ctx->ref);

    after = ngx_tecken_probe_symcache_resident(map);

    *ngx_sprintf(ctx->reason, "%ui%% then %ui%%", before, after) = '\0';
}


static ngx_uint_t
ngx_tecken_probe_symcache_resident(ngx_tecken_symcache_map_t *map)
{
    size_t                        i, n, sum;
    const tk_symcache_header_t   *h;
    const tk_symcache_section_t  *index;
    u_char                        pages[4096];

    h = map->addr;
    index = &h->section[TK_SYMCACHE_INDEX];

    n = (index->size + ngx_pagesize - 1) / ngx_pagesize;

    if (n == 0 || n > sizeof(pages)
        || mincore((u_char *) map->addr + index->offset, index->size, pages)
           == -1)
    {
        return 1000;
    }

    for (i = 0, sum = 0; i < n; i++) {
        sum += pages[i] & 1;
    }

    return 100 * sum / n;
}


static void
ngx_tecken_probe_symcache_prefetched(ngx_tecken_task_t *task)
{
    size_t                             len;
    ngx_tecken_probe_symcache_ctx_t  **pp, *ctx;

    pp = task->data;
    ctx = *pp;

    ngx_tecken_task_destroy(task);

    ngx_tecken_symcache_close(ctx->ref);

    len = ngx_strlen(ctx->reason);
    ctx->reason[len++] = LF;

    ngx_tecken_probe_symcache_finish(ctx, ctx->reason, len);
}


static void
ngx_tecken_probe_symcache_pause(ngx_tecken_probe_symcache_ctx_t *ctx,
    const char *at, ngx_tecken_probe_symcache_pt next)
{
    if (ctx->msec == 0 || ctx->at.len != ngx_strlen(at)
        || ngx_strncmp(ctx->at.data, at, ctx->at.len) != 0)
    {
        next(ctx);
        return;
    }

    ctx->next = next;
    ngx_add_timer(&ctx->hold, ctx->msec);
}


static void
ngx_tecken_probe_symcache_over(ngx_event_t *ev)
{
    ngx_connection_t                 *c;
    ngx_tecken_probe_symcache_ctx_t  *ctx;

    c = ev->data;
    ctx = c->data;

    ctx->next(ctx);
}


static void
ngx_tecken_probe_symcache_answer(ngx_tecken_probe_symcache_ctx_t *ctx)
{
    u_char  *p, text[512];

    if (ctx->ref) {
        p = ngx_tecken_probe_symcache_lookup(ctx->ref, text,
                                             text + sizeof(text));
        ngx_tecken_symcache_close(ctx->ref);

    } else {
        p = ngx_snprintf(text, sizeof(text), "failed: %s\n", ctx->reason);
    }

    ngx_tecken_probe_symcache_finish(ctx, text, p - text);
}


static u_char *
ngx_tecken_probe_symcache_lookup(ngx_tecken_symcache_ref_t *ref, u_char *p,
    u_char *last)
{
    size_t               n;
    tk_symcache_frame_t  frame;

    n = tk_symcache_lookup(&ref->sc, 0x1008, &frame, 1);

    if (n != 1) {
        return ngx_snprintf(p, last - p, "no symbol\n");
    }

    n = tk_symcache_function(&ref->sc, frame.function, p, last - p - 1);
    p += ngx_min(n, (size_t) (last - p - 1));

    *p++ = LF;

    return p;
}


static void
ngx_tecken_probe_symcache_finish(ngx_tecken_probe_symcache_ctx_t *ctx,
    u_char *text, size_t len)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_http_finalize_request(r, ngx_tecken_probe_send(r, text, len));

    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_tecken_probe_symcache_status(ngx_http_request_t *r,
    ngx_tecken_symcache_path_t *path)
{
    u_char                        *p, text[512];
    ngx_tecken_symcache_status_t   status;

    ngx_tecken_symcache_status(path, &status);

    p = ngx_sprintf(text, "size %uL\nmax_size %uL\nfiles %uL\ncapacity %uL\n"
                    "maps %uL\nevictions %uL\ncorrupt %uL\nresets %uL\n"
                    "cold %uA\npending %ui\npid %P\n",
                    status.size, status.max_size, status.files,
                    status.capacity, status.maps, status.evictions,
                    status.corrupt, status.resets, path->sh->cold,
                    path->sh->pending, ngx_pid);

    return ngx_tecken_probe_send(r, text, p - text);
}


static ngx_int_t
ngx_tecken_probe_symcache_check(ngx_http_request_t *r,
    ngx_tecken_symcache_path_t *path)
{
    u_char      *p, text[128];
    const char  *wrong;

    ngx_tecken_symcache_lock(path);
    wrong = ngx_tecken_probe_symcache_wrong(path->sh);
    ngx_tecken_symcache_unlock(path);

    p = ngx_sprintf(text, "%s\n", wrong);

    return ngx_tecken_probe_send(r, text, p - text);
}


static const char *
ngx_tecken_probe_symcache_wrong(ngx_tecken_symcache_sh_t *sh)
{
    off_t                        size;
    uint32_t                     i, n, head, prev, lists, stored;
    ngx_tecken_symcache_node_t  *node;

    lists = 0;
    stored = 0;
    size = 0;

    for (n = 0; n < 2; n++) {

        head = n ? ngx_tecken_symcache_busy(sh) : 0;
        prev = head;

        for (i = ngx_tecken_symcache_node(sh, head)->next;
             i != head;
             i = node->next)
        {
            node = ngx_tecken_symcache_node(sh, i);

            if (node->prev != prev || ++lists > sh->files) {
                return "a list is broken";
            }

            if ((node->state == NGX_TECKEN_SYMCACHE_STORED) != (n == 0)
                || node->state == NGX_TECKEN_SYMCACHE_FREE)
            {
                return "a node is in the wrong list";
            }

            if (n == 0) {
                stored++;

                if (ngx_tecken_symcache_find(sh, &node->key) != i) {
                    return "a node is not found";
                }
            }

            size += node->size;
            prev = i;
        }
    }

    if (lists != sh->files) {
        return "the number of files is wrong";
    }

    if (size != sh->size) {
        return "the size is wrong";
    }

    for (i = sh->free, n = 0; i; i = ngx_tecken_symcache_node(sh, i)->chain) {
        if (++n > sh->fresh) {
            return "the free list is broken";
        }
    }

    return (n + lists == sh->fresh) ? "ok" : "a node is lost";
}


/* nanoseconds of open() and close() of a symcache that is mapped */

static ngx_int_t
ngx_tecken_probe_symcache_bench(ngx_tecken_probe_symcache_ctx_t *ctx)
{
    u_char              *p, text[64];
    uint64_t             usec;
    ngx_int_t            i, n;
    ngx_http_request_t  *r;

    r = ctx->request;
    n = ngx_max(ngx_tecken_probe_arg(r, "n", 1000), 1);

    usec = ngx_tecken_usec();

    for (i = 0; i < n; i++) {

        if (ngx_tecken_symcache_open(ctx->path, &ctx->key, &ctx->op,
                                     r->connection->log)
            != NGX_OK)
        {
            ngx_tecken_symcache_cancel(&ctx->op);
            return NGX_HTTP_NOT_FOUND;
        }

        ngx_tecken_symcache_close(ctx->op.ref);
    }

    usec = ngx_tecken_usec() - usec;

    p = ngx_sprintf(text, "%uL\n", usec * 1000 / n);

    return ngx_tecken_probe_send(r, text, p - text);
}


static void
ngx_tecken_probe_symcache_kill(ngx_tecken_probe_symcache_ctx_t *ctx,
    ngx_str_t *step)
{
    uint32_t                   i;
    ngx_tecken_symcache_sh_t  *sh;

    sh = ctx->path->sh;

    ngx_tecken_symcache_lock(ctx->path);

    i = ngx_tecken_symcache_find(sh, &ctx->key);

    switch (step->data[0]) {

    case 'c':
        ngx_tecken_probe_symcache_break(sh);
        (void) raise(SIGKILL);
        break;

    case 'h':
        (void) ngx_tecken_symcache_deletion_add(sh, ctx->key.symbol);
        (void) raise(SIGKILL);
        break;

    case 'r':
        (void) ngx_tecken_symcache_reserve(sh, &ctx->key, 1048576);
        break;

    default: /* "doomed", "deleted" */

        if (step->data[1] == 'e') {
            (void) ngx_tecken_symcache_deletion_add(sh, ctx->key.symbol);
        }

        if (i) {
            ngx_tecken_symcache_doom(sh, i);
        }

        break;
    }

    ngx_tecken_symcache_unlock(ctx->path);

    (void) raise(SIGKILL);
}


/* who walks any of these lists walks for ever */

static void
ngx_tecken_probe_symcache_break(ngx_tecken_symcache_sh_t *sh)
{
    uint32_t  i;

    ngx_tecken_cache_change(sh);

    for (i = 0; i <= sh->capacity + 1; i++) {

        if (i > sh->fresh && i <= sh->capacity) {
            continue;
        }

        ngx_tecken_symcache_node(sh, i)->chain = i;
        ngx_tecken_symcache_node(sh, i)->next = i;
        ngx_tecken_symcache_node(sh, i)->prev = i;
    }

    sh->free = sh->fresh;
    sh->files = 0;
    sh->size = -1;
    sh->pending = 77;
}


static char *
ngx_tecken_probe_symcache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_tecken_probe_handle(cf, ngx_tecken_probe_symcache_handler);
}
