
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_symbolicate.h>


/*
 * What an answer says, in Eliot's order and spacing.  A step writes one small
 * thing and says what comes next in ctx->writer, so that a slice may end
 * after any of them.
 */


/* in this order, JOB to JOB_END for each job */

typedef enum {
    NGX_TECKEN_SYMBOLICATE_START = 0,
    NGX_TECKEN_SYMBOLICATE_JOB,
    NGX_TECKEN_SYMBOLICATE_STACK,
    NGX_TECKEN_SYMBOLICATE_FRAMES,
    NGX_TECKEN_SYMBOLICATE_MODULES,
    NGX_TECKEN_SYMBOLICATE_JOB_DEBUG,
    NGX_TECKEN_SYMBOLICATE_JOB_END,
    NGX_TECKEN_SYMBOLICATE_DEBUG,
    NGX_TECKEN_SYMBOLICATE_END
} ngx_tecken_symbolicate_state_e;


static void ngx_tecken_symbolicate_step(ngx_tecken_symbolicate_ctx_t *ctx);
static void ngx_tecken_symbolicate_stack(ngx_tecken_symbolicate_ctx_t *ctx);
static void ngx_tecken_symbolicate_frames(ngx_tecken_symbolicate_ctx_t *ctx);
static size_t ngx_tecken_symbolicate_find(ngx_tecken_symbolicate_ctx_t *ctx,
    tk_symreq_frame_t *f, tk_symcache_frame_t **found,
    const tk_symcache_t **scp);
static void ngx_tecken_symbolicate_look(ngx_tecken_symbolicate_ctx_t *ctx,
    const tk_symcache_t *sc, tk_symreq_frame_t *f);
static void ngx_tecken_symbolicate_frame_v5(ngx_tecken_symbolicate_ctx_t *ctx,
    tk_symreq_frame_t *f);
static void ngx_tecken_symbolicate_frame_v4(ngx_tecken_symbolicate_ctx_t *ctx,
    tk_symreq_frame_t *f);
static void ngx_tecken_symbolicate_function(ngx_tecken_symbolicate_ctx_t *ctx,
    const tk_symcache_t *sc, tk_symcache_frame_t *f);
static void ngx_tecken_symbolicate_file(ngx_tecken_symbolicate_ctx_t *ctx,
    tk_symcache_frame_t *f);
static void ngx_tecken_symbolicate_offset(ngx_tecken_symbolicate_ctx_t *ctx,
    tk_symreq_frame_t *f);
static void ngx_tecken_symbolicate_module_name(
    ngx_tecken_symbolicate_ctx_t *ctx, uint32_t module,
    const tk_symcache_t *sc);
static void ngx_tecken_symbolicate_map(ngx_tecken_symbolicate_ctx_t *ctx);


void
ngx_tecken_symbolicate_slice(ngx_tecken_symbolicate_ctx_t *ctx)
{
    ngx_tecken_symbolicate_begin(ctx);

    while (!ctx->writer.done && !ngx_tecken_symbolicate_full(ctx)) {
        ngx_tecken_symbolicate_step(ctx);
    }

    ngx_tecken_symbolicate_end(ctx);
}


static void
ngx_tecken_symbolicate_step(ngx_tecken_symbolicate_ctx_t *ctx)
{
    ngx_tecken_symbolicate_writer_t  *w;

    w = &ctx->writer;

    switch (w->state) {

    case NGX_TECKEN_SYMBOLICATE_START:

        if (ctx->version == 5) {
            ngx_tecken_symbolicate_puts(ctx, "{\"results\": [");
        }

        w->state = ctx->req->njobs ? NGX_TECKEN_SYMBOLICATE_JOB
                                   : NGX_TECKEN_SYMBOLICATE_DEBUG;
        break;

    case NGX_TECKEN_SYMBOLICATE_JOB:

        if (w->job) {
            ngx_tecken_symbolicate_puts(ctx, ", ");
        }

        if (ctx->version == 5) {
            ngx_tecken_symbolicate_puts(ctx, "{\"stacks\": [");

        } else {
            ngx_tecken_symbolicate_puts(ctx, "{\"symbolicatedStacks\": [");
        }

        w->index = 0;
        w->state = NGX_TECKEN_SYMBOLICATE_STACK;
        break;

    case NGX_TECKEN_SYMBOLICATE_STACK:
        ngx_tecken_symbolicate_stack(ctx);
        break;

    case NGX_TECKEN_SYMBOLICATE_FRAMES:
        ngx_tecken_symbolicate_frames(ctx);
        break;

    case NGX_TECKEN_SYMBOLICATE_MODULES:
        ngx_tecken_symbolicate_map(ctx);
        break;

    case NGX_TECKEN_SYMBOLICATE_JOB_DEBUG:

        if (ngx_tecken_symbolicate_debug_tecken(ctx) == NGX_OK) {
            w->state = NGX_TECKEN_SYMBOLICATE_JOB_END;
        }

        break;

    case NGX_TECKEN_SYMBOLICATE_JOB_END:

        if (ctx->version == 4) {
            w->state = NGX_TECKEN_SYMBOLICATE_END;
            break;
        }

        ngx_tecken_symbolicate_puts(ctx, "}");

        w->state = ++w->job < ctx->req->njobs ? NGX_TECKEN_SYMBOLICATE_JOB
                                              : NGX_TECKEN_SYMBOLICATE_DEBUG;
        break;

    case NGX_TECKEN_SYMBOLICATE_DEBUG:

        if (w->object == 0) {
            ngx_tecken_symbolicate_puts(ctx, "]");
        }

        if (!ctx->debug || ngx_tecken_symbolicate_debug_eliot(ctx) == NGX_OK) {
            w->state = NGX_TECKEN_SYMBOLICATE_END;
        }

        break;

    default: /* NGX_TECKEN_SYMBOLICATE_END */
        ngx_tecken_symbolicate_puts(ctx, "}");
        w->done = 1;
    }
}


static void
ngx_tecken_symbolicate_stack(ngx_tecken_symbolicate_ctx_t *ctx)
{
    tk_symreq_job_t                  *job;
    ngx_tecken_symbolicate_writer_t  *w;

    w = &ctx->writer;
    job = &ctx->req->jobs[w->job];

    if (w->index < job->nstacks) {

        if (w->index) {
            ngx_tecken_symbolicate_puts(ctx, ", ");
        }

        ngx_tecken_symbolicate_puts(ctx, "[");

        w->frame = 0;
        w->part = 0;
        w->state = NGX_TECKEN_SYMBOLICATE_FRAMES;

        return;
    }

    if (ctx->version == 5) {
        ngx_tecken_symbolicate_puts(ctx, "], \"found_modules\": {");

    } else {
        ngx_tecken_symbolicate_puts(ctx, "], \"knownModules\": [");
    }

    w->index = 0;
    w->comma = 0;
    w->state = NGX_TECKEN_SYMBOLICATE_MODULES;
}


static void
ngx_tecken_symbolicate_frames(ngx_tecken_symbolicate_ctx_t *ctx)
{
    uint32_t                          *start;
    tk_symreq_t                       *req;
    tk_symreq_frame_t                 *f;
    ngx_tecken_symbolicate_writer_t   *w;

    req = ctx->req;
    w = &ctx->writer;
    start = &req->stacks[req->jobs[w->job].stack + w->index];

    if (start[0] + w->frame == start[1]) {
        ngx_tecken_symbolicate_puts(ctx, "]");

        w->index++;
        w->state = NGX_TECKEN_SYMBOLICATE_STACK;

        return;
    }

    if (w->frame && w->part == 0) {
        ngx_tecken_symbolicate_puts(ctx, ", ");
    }

    f = &req->frames[start[0] + w->frame];

    if (ctx->version == 5) {
        ngx_tecken_symbolicate_frame_v5(ctx, f);

    } else {
        ngx_tecken_symbolicate_frame_v4(ctx, f);
    }

    if (w->part == 0) {
        w->frame++;
    }
}


/* the frames of an address, 0 if it has no symbol; *scp if it has a module */

static size_t
ngx_tecken_symbolicate_find(ngx_tecken_symbolicate_ctx_t *ctx,
    tk_symreq_frame_t *f, tk_symcache_frame_t **found,
    const tk_symcache_t **scp)
{
    ngx_tecken_module_t             *m;
    ngx_tecken_symbolicate_ahead_t  *a;

    *scp = NULL;

    if (f->module == TK_SYMREQ_NONE) {
        return 0;
    }

    m = ngx_tecken_symbolicate_module(ctx, f->module);

    if (m == NULL || m->rc != NGX_OK) {
        return 0;
    }

    *scp = &m->ref->sc;

    if (f->kind != TK_SYMREQ_OFFSET) {
        return 0;
    }

    a = ctx->writer.ahead;

    if (a == NULL || a->first > f || f - a->first >= (ptrdiff_t) a->n) {
        ngx_tecken_symbolicate_look(ctx, *scp, f);

        a = ctx->writer.ahead;
        if (a == NULL) {
            return 0;
        }
    }

    /* what is before f was written */

    for ( /* void */ ; a->first < f; a->first++) {
        a->n--;
        a->found += *a->count++;
    }

    *found = a->found;

    return *a->count;
}


/*
 * Looks up a frame and those behind it that are of the same module: together
 * they wait for memory much less.
 */

static void
ngx_tecken_symbolicate_look(ngx_tecken_symbolicate_ctx_t *ctx,
    const tk_symcache_t *sc, tk_symreq_frame_t *f)
{
    uint64_t                         offsets[TK_SYMCACHE_MANY];
    ngx_uint_t                       n;
    tk_symreq_frame_t               *last;
    ngx_tecken_symbolicate_ahead_t  *a;

    a = ctx->writer.ahead;

    if (a == NULL) {
        a = ngx_palloc(ctx->request->pool,
                       sizeof(ngx_tecken_symbolicate_ahead_t));
        if (a == NULL) {
            ctx->writer.failed = 1;
            return;
        }

        ctx->writer.ahead = a;
    }

    last = ctx->req->frames + ctx->req->nframes;

    a->first = f;
    a->found = a->frames;
    a->count = a->counts;

    for (n = 0; n < TK_SYMCACHE_MANY && f < last; n++, f++) {

        if (f->module != a->first->module || f->kind != TK_SYMREQ_OFFSET) {
            break;
        }

        offsets[n] = f->offset;
    }

    /* all, or those whose frames there is room for; the first one's is */

    a->n = tk_symcache_lookup_many(sc, offsets, n, a->frames,
                                   sizeof(a->frames) / sizeof(a->frames[0]),
                                   a->counts);
}


/* a frame, or the rest of its inlines */

static void
ngx_tecken_symbolicate_frame_v5(ngx_tecken_symbolicate_ctx_t *ctx,
    tk_symreq_frame_t *f)
{
    size_t                            n;
    const tk_symcache_t              *sc;
    tk_symcache_frame_t              *found;
    ngx_tecken_symbolicate_writer_t  *w;

    w = &ctx->writer;
    found = NULL;
    n = ngx_tecken_symbolicate_find(ctx, f, &found, &sc);

    if (w->part == 0) {
        ngx_tecken_symbolicate_puts(ctx, "{\"frame\": ");
        ngx_tecken_symbolicate_put_number(ctx, w->frame);
        ngx_tecken_symbolicate_puts(ctx, ", \"module\": \"");
        ngx_tecken_symbolicate_module_name(ctx, f->module, sc);
        ngx_tecken_symbolicate_puts(ctx, "\", \"module_offset\": \"");
        ngx_tecken_symbolicate_offset(ctx, f);
        ngx_tecken_symbolicate_puts(ctx, "\"");

        if (n == 0) {
            ngx_tecken_symbolicate_puts(ctx, "}");
            return;
        }

        ngx_tecken_symbolicate_puts(ctx, ", ");
        ngx_tecken_symbolicate_function(ctx, sc, &found[n - 1]);
        ngx_tecken_symbolicate_puts(ctx, ", \"function_offset\": \"");

        if (f->offset < found[n - 1].entry) {
            ngx_tecken_symbolicate_put_hex(ctx,
                                        found[n - 1].entry - f->offset, 1);
        } else {
            ngx_tecken_symbolicate_put_hex(ctx,
                                        f->offset - found[n - 1].entry, 0);
        }

        ngx_tecken_symbolicate_puts(ctx, "\"");
        ngx_tecken_symbolicate_file(ctx, &found[n - 1]);
    }

    if (w->part == 0 && n > 1) {
        ngx_tecken_symbolicate_puts(ctx, ", \"inlines\": [");
        w->part = 1;
    }

    while (w->part && w->part < n) {

        if (ngx_tecken_symbolicate_full(ctx)) {
            return;
        }

        if (w->part > 1) {
            ngx_tecken_symbolicate_puts(ctx, ", ");
        }

        ngx_tecken_symbolicate_puts(ctx, "{");
        ngx_tecken_symbolicate_function(ctx, sc, &found[w->part - 1]);
        ngx_tecken_symbolicate_file(ctx, &found[w->part - 1]);
        ngx_tecken_symbolicate_puts(ctx, "}");

        w->part++;
    }

    if (w->part) {
        ngx_tecken_symbolicate_puts(ctx, "]");
        w->part = 0;
    }

    ngx_tecken_symbolicate_puts(ctx, "}");
}


static void
ngx_tecken_symbolicate_frame_v4(ngx_tecken_symbolicate_ctx_t *ctx,
    tk_symreq_frame_t *f)
{
    size_t                n;
    const tk_symcache_t  *sc;
    tk_symcache_frame_t  *found;

    found = NULL;
    n = ngx_tecken_symbolicate_find(ctx, f, &found, &sc);

    ngx_tecken_symbolicate_puts(ctx, "\"");

    if (n) {
        ngx_tecken_symbolicate_put_function(ctx, sc, found[n - 1].function);

    } else {
        ngx_tecken_symbolicate_offset(ctx, f);
    }

    ngx_tecken_symbolicate_puts(ctx, " (in ");
    ngx_tecken_symbolicate_module_name(ctx, f->module, sc);
    ngx_tecken_symbolicate_puts(ctx, ")\"");
}


static void
ngx_tecken_symbolicate_function(ngx_tecken_symbolicate_ctx_t *ctx,
    const tk_symcache_t *sc, tk_symcache_frame_t *f)
{
    ngx_tecken_symbolicate_puts(ctx, "\"function\": \"");
    ngx_tecken_symbolicate_put_function(ctx, sc, f->function);
    ngx_tecken_symbolicate_puts(ctx, "\"");
}


static void
ngx_tecken_symbolicate_file(ngx_tecken_symbolicate_ctx_t *ctx,
    tk_symcache_frame_t *f)
{
    if (f->file.len == 0) {
        return;
    }

    ngx_tecken_symbolicate_puts(ctx, ", \"file\": \"");
    ngx_tecken_symbolicate_put(ctx, f->file.data, f->file.len);
    ngx_tecken_symbolicate_puts(ctx, "\"");

    if (f->line) {
        ngx_tecken_symbolicate_puts(ctx, ", \"line\": ");
        ngx_tecken_symbolicate_put_number(ctx, f->line);
    }
}


static void
ngx_tecken_symbolicate_offset(ngx_tecken_symbolicate_ctx_t *ctx,
    tk_symreq_frame_t *f)
{
    tk_str_t  big;

    if (f->kind == TK_SYMREQ_BIG) {
        big = tk_symreq_big(ctx->req, f);

        ngx_tecken_symbolicate_puts(ctx, "0x");
        ngx_tecken_symbolicate_put(ctx, big.data, big.len);

        return;
    }

    ngx_tecken_symbolicate_put_hex(ctx, f->offset,
                                   f->kind == TK_SYMREQ_NEGATIVE);
}


/* that of a PE file goes before that of its debug file */

static void
ngx_tecken_symbolicate_module_name(ngx_tecken_symbolicate_ctx_t *ctx,
    uint32_t module, const tk_symcache_t *sc)
{
    tk_str_t  *file;

    if (sc && sc->module.len) {
        ngx_tecken_symbolicate_put(ctx, sc->module.data, sc->module.len);
        return;
    }

    if (module == TK_SYMREQ_NONE
        || ctx->req->modules[module].file.len == 0)
    {
        ngx_tecken_symbolicate_puts(ctx, "<unknown>");
        return;
    }

    file = &ctx->req->modules[module].file;

    ngx_tecken_symbolicate_put(ctx, file->data, file->len);
}


/* an entry of found_modules or knownModules, or their end */

static void
ngx_tecken_symbolicate_map(ngx_tecken_symbolicate_ctx_t *ctx)
{
    uint32_t                          n;
    tk_symreq_job_t                  *job;
    tk_symreq_module_t               *sm;
    ngx_tecken_module_t              *m;
    ngx_tecken_symbolicate_writer_t  *w;

    w = &ctx->writer;
    job = &ctx->req->jobs[w->job];

    if (w->index == job->nmap) {

        if (ctx->version == 5) {
            ngx_tecken_symbolicate_puts(ctx, "}");

        } else {
            ngx_tecken_symbolicate_puts(ctx, "]");
        }

        w->state = ctx->debug ? NGX_TECKEN_SYMBOLICATE_JOB_DEBUG
                              : NGX_TECKEN_SYMBOLICATE_JOB_END;
        return;
    }

    n = ctx->req->map[job->map + w->index++];

    /* an object of Python's has each key once, a list has all */

    if (ctx->version == 5 && (n & TK_SYMREQ_AGAIN)) {
        return;
    }

    n &= ~TK_SYMREQ_AGAIN;

    if (w->comma) {
        ngx_tecken_symbolicate_puts(ctx, ", ");
    }

    w->comma = 1;
    m = ngx_tecken_symbolicate_module(ctx, n);

    if (ctx->version == 5) {
        sm = &ctx->req->modules[n];

        ngx_tecken_symbolicate_puts(ctx, "\"");
        ngx_tecken_symbolicate_put(ctx, sm->file.data, sm->file.len);
        ngx_tecken_symbolicate_puts(ctx, "/");
        ngx_tecken_symbolicate_put(ctx, sm->id.data, sm->id.len);
        ngx_tecken_symbolicate_puts(ctx, "\": ");
    }

    if (m == NULL) {
        ngx_tecken_symbolicate_puts(ctx, "null");

    } else if (m->rc == NGX_OK) {
        ngx_tecken_symbolicate_puts(ctx, "true");

    } else {
        ngx_tecken_symbolicate_puts(ctx, "false");
    }
}
