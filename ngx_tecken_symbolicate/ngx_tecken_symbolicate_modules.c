
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_symbolicate.h>


/*
 * The modules that frames refer to, all asked for at once.  What is not here
 * in time is an answer of 503; its build goes on, the next request finds it.
 */


/* asked for in one turn of the event loop */
#define NGX_TECKEN_SYMBOLICATE_BATCH  32


/* an (index of ctx->modules, offset) to look up */

typedef struct {
    uint32_t                         module;
    uint32_t                         unused;
    uint64_t                         offset;
} ngx_tecken_symbolicate_address_t;


typedef struct {
    ngx_tecken_symbolicate_ctx_t      *ctx;

    ngx_tecken_symcache_ref_t        **refs;
    ngx_uint_t                         nrefs;

    ngx_tecken_symbolicate_address_t  *addresses;
    ngx_uint_t                         n;
} ngx_tecken_symbolicate_warm_t;


static ngx_int_t ngx_tecken_symbolicate_ask(
    ngx_tecken_symbolicate_ctx_t *ctx);
static void ngx_tecken_symbolicate_more(ngx_event_t *ev);
static ngx_int_t ngx_tecken_symbolicate_slots(
    ngx_tecken_symbolicate_ctx_t *ctx);
static void ngx_tecken_symbolicate_module_handler(ngx_tecken_module_t *m);
static void ngx_tecken_symbolicate_timeout(ngx_event_t *ev);
static ngx_int_t ngx_tecken_symbolicate_timed_out(
    ngx_tecken_symbolicate_ctx_t *ctx);
static void ngx_tecken_symbolicate_waited(ngx_tecken_symbolicate_ctx_t *ctx);
static ngx_int_t ngx_tecken_symbolicate_gathered(
    ngx_tecken_symbolicate_ctx_t *ctx);
static ngx_int_t ngx_tecken_symbolicate_failed(
    ngx_tecken_symbolicate_ctx_t *ctx, ngx_uint_t busy);
static ngx_int_t ngx_tecken_symbolicate_warm(
    ngx_tecken_symbolicate_ctx_t *ctx);
static ngx_int_t ngx_tecken_symbolicate_warm_fill(
    ngx_tecken_symbolicate_ctx_t *ctx, ngx_tecken_task_t *task);
static void ngx_tecken_symbolicate_warm_close(void *data);
static void ngx_tecken_symbolicate_warm_run(ngx_tecken_task_t *task);
static void ngx_tecken_symbolicate_warm_done(ngx_tecken_task_t *task);
static int ngx_libc_cdecl ngx_tecken_symbolicate_cmp(const void *one,
    const void *two);


ngx_int_t
ngx_tecken_symbolicate_gather(ngx_tecken_symbolicate_ctx_t *ctx)
{
    if (ngx_tecken_symbolicate_slots(ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_tecken_symbolicate_ask(ctx);
}


/* for some, and then it is the others' turn */

static ngx_int_t
ngx_tecken_symbolicate_ask(ngx_tecken_symbolicate_ctx_t *ctx)
{
    ngx_uint_t                           last;
    ngx_tecken_module_t                 *m;
    ngx_tecken_symbolicate_loc_conf_t   *slcf;
    ngx_tecken_symbolicate_main_conf_t  *smcf;

    last = ngx_min(ctx->asked + NGX_TECKEN_SYMBOLICATE_BATCH, ctx->nmodules);

    while (ctx->asked < last) {

        m = &ctx->modules[ctx->asked++];
        m->rc = ngx_tecken_module_get(m);

        if (m->rc == NGX_AGAIN) {
            ctx->pending++;
            ctx->cold = 1;
        }
    }

    if (ctx->asked == ctx->nmodules && ctx->pending == 0) {
        return ngx_tecken_symbolicate_gathered(ctx);
    }

    if (!ctx->queued) {
        ctx->queued = 1;

        slcf = ngx_http_get_module_loc_conf(ctx->request,
                                            ngx_tecken_symbolicate_module);
        smcf = ngx_http_get_module_main_conf(ctx->request,
                                             ngx_tecken_symbolicate_module);

        ngx_tecken_metrics_count(&smcf->waits, 1);
        ngx_tecken_metrics_level(&smcf->waiting, 1);

        ctx->timer.handler = ngx_tecken_symbolicate_timeout;
        ctx->timer.data = ctx;
        ctx->timer.log = ctx->request->connection->log;

        ngx_add_timer(&ctx->timer, slcf->timeout);
    }

    if (ctx->asked < ctx->nmodules) {

        ctx->more.handler = ngx_tecken_symbolicate_more;
        ctx->more.data = ctx;
        ctx->more.log = ctx->request->connection->log;

        ngx_post_event(&ctx->more, &ngx_posted_next_events);
    }

    return ngx_tecken_symbolicate_wait(ctx);
}


static void
ngx_tecken_symbolicate_more(ngx_event_t *ev)
{
    ngx_tecken_symbolicate_resume(ev->data, ngx_tecken_symbolicate_ask);
}


/* one for each module that is needed and can be asked for */

static ngx_int_t
ngx_tecken_symbolicate_slots(ngx_tecken_symbolicate_ctx_t *ctx)
{
    ngx_uint_t              i, n;
    tk_symreq_module_t     *sm;
    ngx_http_request_t     *r;
    ngx_tecken_module_t    *m;
    ngx_tecken_loc_conf_t  *tlcf;

    r = ctx->request;
    sm = ctx->req->modules;
    n = 0;

    for (i = 0; i < ctx->req->nmodules; i++) {
        if (sm[i].frames && sm[i].file.len && sm[i].id.len) {
            sm[i].mark = ++n;
        }
    }

    if (n == 0) {
        return NGX_OK;
    }

    ctx->modules = ngx_pcalloc(r->pool, n * sizeof(ngx_tecken_module_t));
    if (ctx->modules == NULL) {
        return NGX_ERROR;
    }

    ctx->nmodules = n;

    tlcf = ngx_http_get_module_loc_conf(r, ngx_tecken_common_module);

    for (i = 0; i < ctx->req->nmodules; i++) {

        if (sm[i].mark == 0) {
            continue;
        }

        m = &ctx->modules[sm[i].mark - 1];

        m->conf = &tlcf->module;
        m->debug_file.len = sm[i].file.len;
        m->debug_file.data = (u_char *) sm[i].file.data;
        m->debug_id.len = sm[i].id.len;
        m->debug_id.data = (u_char *) sm[i].id.data;
        m->handler = ngx_tecken_symbolicate_module_handler;
        m->data = ctx;
        m->log = r->connection->log;
    }

    return NGX_OK;
}


static void
ngx_tecken_symbolicate_module_handler(ngx_tecken_module_t *m)
{
    ngx_tecken_symbolicate_ctx_t  *ctx;

    ctx = m->data;

    ctx->pending--;

    if (ctx->pending == 0 && ctx->asked == ctx->nmodules && ctx->waiting) {
        ngx_tecken_symbolicate_resume(ctx, ngx_tecken_symbolicate_gathered);
    }
}


static void
ngx_tecken_symbolicate_timeout(ngx_event_t *ev)
{
    ngx_tecken_symbolicate_resume(ev->data, ngx_tecken_symbolicate_timed_out);
}


static ngx_int_t
ngx_tecken_symbolicate_timed_out(ngx_tecken_symbolicate_ctx_t *ctx)
{
    ngx_log_error(NGX_LOG_WARN, ctx->request->connection->log, 0,
                  "%ui of %ui modules are not there in time, see "
                  "\"tecken_symbolicate_timeout\"",
                  ctx->pending + ctx->nmodules - ctx->asked, ctx->nmodules);

    ngx_tecken_symbolicate_release(ctx);

    ngx_tecken_symbolicate_count(ctx, NGX_TECKEN_SYMBOLICATE_TIMEOUT);

    return ngx_tecken_symbolicate_unavailable(ctx,
                          "Symbols are still being prepared, try again later");
}


void
ngx_tecken_symbolicate_release(ngx_tecken_symbolicate_ctx_t *ctx)
{
    ngx_uint_t  i;

    ngx_tecken_symbolicate_waited(ctx);

    for (i = 0; i < ctx->nmodules; i++) {
        ngx_tecken_module_release(&ctx->modules[i]);
        ctx->modules[i].ref = NULL;
    }
}


static void
ngx_tecken_symbolicate_waited(ngx_tecken_symbolicate_ctx_t *ctx)
{
    ngx_tecken_symbolicate_main_conf_t  *smcf;

    if (ctx->timer.timer_set) {
        ngx_del_timer(&ctx->timer);
    }

    if (ctx->more.posted) {
        ngx_delete_posted_event(&ctx->more);
    }

    if (ctx->queued) {
        ctx->queued = 0;

        smcf = ngx_http_get_module_main_conf(ctx->request,
                                             ngx_tecken_symbolicate_module);

        ngx_tecken_metrics_level(&smcf->waiting, -1);
    }
}


static ngx_int_t
ngx_tecken_symbolicate_gathered(ngx_tecken_symbolicate_ctx_t *ctx)
{
    ngx_uint_t                           i, busy, error;
    ngx_tecken_module_t                 *m;
    ngx_tecken_symbolicate_loc_conf_t   *slcf;
    ngx_tecken_symbolicate_main_conf_t  *smcf;

    ngx_tecken_symbolicate_waited(ctx);

    slcf = ngx_http_get_module_loc_conf(ctx->request,
                                        ngx_tecken_symbolicate_module);
    smcf = ngx_http_get_module_main_conf(ctx->request,
                                         ngx_tecken_symbolicate_module);
    busy = 0;
    error = 0;

    for (i = 0; i < ctx->nmodules; i++) {

        m = &ctx->modules[i];

        if (m->rc == NGX_OK) {
            ctx->found++;

        } else if (m->rc == NGX_DECLINED) {
            ctx->missing++;

        } else if (m->rc == NGX_BUSY && m->source.len) {

            /* a source */
            busy++;

        } else {

            /* NGX_ERROR, or too many builds */
            error++;
        }
    }

    ngx_tecken_metrics_count(&smcf->found, ctx->found);
    ngx_tecken_metrics_count(&smcf->missing, ctx->missing);
    ngx_tecken_metrics_count(&smcf->failed, busy + error);

    if (error
        || (busy
            && slcf->source_errors == NGX_TECKEN_SYMBOLICATE_SOURCES_503))
    {
        return ngx_tecken_symbolicate_failed(ctx, busy);
    }

    ctx->missing += busy;

    if (ctx->cold && ctx->found) {
        return ngx_tecken_symbolicate_warm(ctx);
    }

    return ngx_tecken_symbolicate_answer(ctx);
}


static ngx_int_t
ngx_tecken_symbolicate_failed(ngx_tecken_symbolicate_ctx_t *ctx,
    ngx_uint_t busy)
{
    ngx_tecken_symbolicate_release(ctx);

    if (busy) {
        ngx_tecken_symbolicate_count(ctx,
                                     NGX_TECKEN_SYMBOLICATE_SOURCE_ERROR);

        return ngx_tecken_symbolicate_unavailable(ctx,
                                "Failed to download symbols, try again later");
    }

    ngx_tecken_symbolicate_count(ctx, NGX_TECKEN_SYMBOLICATE_FAILED);

    return ngx_tecken_symbolicate_unavailable(ctx,
                                 "Failed to prepare symbols, try again later");
}


/*
 * Pages of a map that was opened a moment ago may have to be read from disk:
 * they are, in a thread, each once, and then the answer is written from
 * memory.
 */

static ngx_int_t
ngx_tecken_symbolicate_warm(ngx_tecken_symbolicate_ctx_t *ctx)
{
    ngx_tecken_task_t              *task;
    ngx_tecken_main_conf_t         *tmcf;
    ngx_tecken_symbolicate_warm_t  *w;

    task = ngx_tecken_task_create(sizeof(ngx_tecken_symbolicate_warm_t),
                                  ngx_cycle->log);
    if (task == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    w = task->data;
    w->ctx = ctx;

    task->run = ngx_tecken_symbolicate_warm_run;
    task->done = ngx_tecken_symbolicate_warm_done;

    if (ngx_tecken_symbolicate_warm_fill(ctx, task) != NGX_OK) {
        ngx_tecken_task_destroy(task);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    tmcf = ngx_http_get_module_main_conf(ctx->request,
                                         ngx_tecken_common_module);

    if (ngx_tecken_task_post(tmcf->io_thread_pool, task, 0) != NGX_OK) {

        /* slower for others, but right */

        ngx_tecken_task_destroy(task);
        return ngx_tecken_symbolicate_answer(ctx);
    }

    ctx->running = task;

    return ngx_tecken_symbolicate_wait(ctx);
}


static ngx_int_t
ngx_tecken_symbolicate_warm_fill(ngx_tecken_symbolicate_ctx_t *ctx,
    ngx_tecken_task_t *task)
{
    ngx_uint_t                      i;
    tk_symreq_frame_t              *f;
    ngx_pool_cleanup_t             *cln;
    ngx_tecken_module_t            *m;
    ngx_tecken_symbolicate_warm_t  *w;

    w = task->data;

    w->refs = ngx_pcalloc(task->pool,
                          ctx->nmodules * sizeof(ngx_tecken_symcache_ref_t *));
    w->addresses = ngx_palloc(task->pool, ctx->req->nframes
                              * sizeof(ngx_tecken_symbolicate_address_t));

    cln = ngx_pool_cleanup_add(task->pool, 0);

    if (w->refs == NULL || w->addresses == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    /* the request may go, and its maps, while the thread reads them */

    cln->handler = ngx_tecken_symbolicate_warm_close;
    cln->data = w;

    w->nrefs = ctx->nmodules;

    for (i = 0; i < ctx->nmodules; i++) {
        if (ctx->modules[i].rc == NGX_OK) {
            w->refs[i] = ctx->modules[i].ref;
            ngx_tecken_symcache_hold(w->refs[i]);
        }
    }

    for (i = 0; i < ctx->req->nframes; i++) {

        f = &ctx->req->frames[i];

        if (f->module == TK_SYMREQ_NONE || f->kind != TK_SYMREQ_OFFSET) {
            continue;
        }

        m = ngx_tecken_symbolicate_module(ctx, f->module);

        if (m && m->rc == NGX_OK) {
            w->addresses[w->n].module = (uint32_t) (m - ctx->modules);
            w->addresses[w->n].offset = f->offset;
            w->n++;
        }
    }

    return NGX_OK;
}


static void
ngx_tecken_symbolicate_warm_close(void *data)
{
    ngx_tecken_symbolicate_warm_t *w = data;

    ngx_uint_t  i;

    for (i = 0; i < w->nrefs; i++) {
        if (w->refs[i]) {
            ngx_tecken_symcache_close(w->refs[i]);
        }
    }
}


static void
ngx_tecken_symbolicate_warm_run(ngx_tecken_task_t *task)
{
    size_t                             n, k, max;
    u_char                            *name;
    ngx_uint_t                         i;
    const tk_symcache_t               *sc;
    tk_symcache_frame_t                frames[TK_SYMCACHE_FRAMES];
    ngx_tecken_symbolicate_warm_t     *w;
    ngx_tecken_symbolicate_address_t  *a;

    w = task->data;

    ngx_qsort(w->addresses, w->n, sizeof(ngx_tecken_symbolicate_address_t),
              ngx_tecken_symbolicate_cmp);

    max = 0;

    for (i = 0; i < w->nrefs; i++) {
        if (w->refs[i] && w->refs[i]->sc.name_max > max) {
            max = w->refs[i]->sc.name_max;
        }
    }

    name = ngx_palloc(task->pool, max + 1);
    if (name == NULL) {
        return;
    }

    sc = NULL;

    for (i = 0; i < w->n && !task->cancelled; i++) {

        a = &w->addresses[i];

        if (sc != &w->refs[a->module]->sc) {
            sc = &w->refs[a->module]->sc;

        } else if (a->offset == a[-1].offset) {
            continue;
        }

        n = tk_symcache_lookup(sc, a->offset, frames, TK_SYMCACHE_FRAMES);

        for (k = 0; k < n; k++) {
            (void) tk_symcache_function(sc, frames[k].function, name, max);
            if (frames[k].file.len) {
                name[0] = *(volatile const u_char *) frames[k].file.data;
            }
        }
    }
}


static void
ngx_tecken_symbolicate_warm_done(ngx_tecken_task_t *task)
{
    ngx_tecken_symbolicate_ctx_t   *ctx;
    ngx_tecken_symbolicate_warm_t  *w;

    w = task->data;
    ctx = w->ctx;

    ctx->running = NULL;
    ngx_tecken_task_destroy(task);

    ngx_tecken_symbolicate_resume(ctx, ngx_tecken_symbolicate_answer);
}


static int ngx_libc_cdecl
ngx_tecken_symbolicate_cmp(const void *one, const void *two)
{
    const ngx_tecken_symbolicate_address_t  *a, *b;

    a = one;
    b = two;

    if (a->module != b->module) {
        return a->module < b->module ? -1 : 1;
    }

    return a->offset < b->offset ? -1 : a->offset > b->offset;
}
