
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_symbolicate.h>


/*
 * "debug", asked for by a header: Eliot's shape at the top level, Tecken's in
 * each result.  Objects that have a member for each module are written member
 * by member.
 */


typedef enum {
    NGX_TECKEN_SYMBOLICATE_TIME = 0,      /* of the request */
    NGX_TECKEN_SYMBOLICATE_ALL,           /* frames */
    NGX_TECKEN_SYMBOLICATE_REAL,          /* those that are in a module */
    NGX_TECKEN_SYMBOLICATE_COUNT,         /* modules that have a value */
    NGX_TECKEN_SYMBOLICATE_SUM,           /* of their values */
    NGX_TECKEN_SYMBOLICATE_SUM_USEC,
    NGX_TECKEN_SYMBOLICATE_MAP,           /* an object, module: value */
    NGX_TECKEN_SYMBOLICATE_MAP_USEC,
    NGX_TECKEN_SYMBOLICATE_CLOSE
} ngx_tecken_symbolicate_kind_e;


/* has the module, which n frames refer to, a value? */

typedef ngx_uint_t (*ngx_tecken_symbolicate_value_pt)(ngx_tecken_module_t *m,
    ngx_uint_t n, uint64_t *value);


typedef struct {
    ngx_str_t                         text;       /* before it */
    ngx_tecken_symbolicate_kind_e     kind;
    ngx_tecken_symbolicate_value_pt   value;
} ngx_tecken_symbolicate_piece_t;


static ngx_int_t ngx_tecken_symbolicate_piece(
    ngx_tecken_symbolicate_ctx_t *ctx,
    const ngx_tecken_symbolicate_piece_t *pieces);
static ngx_int_t ngx_tecken_symbolicate_member(
    ngx_tecken_symbolicate_ctx_t *ctx,
    const ngx_tecken_symbolicate_piece_t *piece);
static uint64_t ngx_tecken_symbolicate_total(
    ngx_tecken_symbolicate_ctx_t *ctx,
    const ngx_tecken_symbolicate_piece_t *piece);
static void ngx_tecken_symbolicate_refs(ngx_tecken_symbolicate_ctx_t *ctx,
    ngx_uint_t first, ngx_uint_t last);

static ngx_uint_t ngx_tecken_symbolicate_frames(ngx_tecken_module_t *m,
    ngx_uint_t n, uint64_t *value);
static ngx_uint_t ngx_tecken_symbolicate_hit(ngx_tecken_module_t *m,
    ngx_uint_t n, uint64_t *value);
static ngx_uint_t ngx_tecken_symbolicate_lookup_time(ngx_tecken_module_t *m,
    ngx_uint_t n, uint64_t *value);
static ngx_uint_t ngx_tecken_symbolicate_size(ngx_tecken_module_t *m,
    ngx_uint_t n, uint64_t *value);
static ngx_uint_t ngx_tecken_symbolicate_download(ngx_tecken_module_t *m,
    ngx_uint_t n, uint64_t *value);
static ngx_uint_t ngx_tecken_symbolicate_download_time(ngx_tecken_module_t *m,
    ngx_uint_t n, uint64_t *value);
static ngx_uint_t ngx_tecken_symbolicate_download_fail(ngx_tecken_module_t *m,
    ngx_uint_t n, uint64_t *value);
static ngx_uint_t ngx_tecken_symbolicate_parse_time(ngx_tecken_module_t *m,
    ngx_uint_t n, uint64_t *value);
static ngx_uint_t ngx_tecken_symbolicate_parse_fail(ngx_tecken_module_t *m,
    ngx_uint_t n, uint64_t *value);
static ngx_uint_t ngx_tecken_symbolicate_parse_all(ngx_tecken_module_t *m,
    ngx_uint_t n, uint64_t *value);
static ngx_uint_t ngx_tecken_symbolicate_dropped(ngx_tecken_module_t *m,
    ngx_uint_t n, uint64_t *value);
static ngx_uint_t ngx_tecken_symbolicate_save_time(ngx_tecken_module_t *m,
    ngx_uint_t n, uint64_t *value);


static const ngx_tecken_symbolicate_piece_t  ngx_tecken_symbolicate_eliot[] = {

    { ngx_string(", \"debug\": {\"cache_lookups\": {\"count\": "),
      NGX_TECKEN_SYMBOLICATE_COUNT, ngx_tecken_symbolicate_frames },
    { ngx_string(", \"hits\": "),
      NGX_TECKEN_SYMBOLICATE_COUNT, ngx_tecken_symbolicate_hit },
    { ngx_string(", \"time\": "),
      NGX_TECKEN_SYMBOLICATE_SUM_USEC, ngx_tecken_symbolicate_lookup_time },

    { ngx_string("}, \"downloads\": {\"count\": "),
      NGX_TECKEN_SYMBOLICATE_COUNT, ngx_tecken_symbolicate_download },
    { ngx_string(", \"size_per_module\": "),
      NGX_TECKEN_SYMBOLICATE_MAP, ngx_tecken_symbolicate_size },
    { ngx_string(", \"time_per_module\": "),
      NGX_TECKEN_SYMBOLICATE_MAP_USEC, ngx_tecken_symbolicate_download_time },
    { ngx_string(", \"fail_time_per_module\": "),
      NGX_TECKEN_SYMBOLICATE_MAP_USEC, ngx_tecken_symbolicate_download_fail },
    { ngx_string(", \"size\": "),
      NGX_TECKEN_SYMBOLICATE_SUM, ngx_tecken_symbolicate_size },
    { ngx_string(", \"time\": "),
      NGX_TECKEN_SYMBOLICATE_SUM_USEC, ngx_tecken_symbolicate_download },

    { ngx_string("}, \"parse_sym\": {\"time_per_module\": "),
      NGX_TECKEN_SYMBOLICATE_MAP_USEC, ngx_tecken_symbolicate_parse_time },
    { ngx_string(", \"fail_time_per_module\": "),
      NGX_TECKEN_SYMBOLICATE_MAP_USEC, ngx_tecken_symbolicate_parse_fail },
    { ngx_string(", \"dropped_per_module\": "),
      NGX_TECKEN_SYMBOLICATE_MAP, ngx_tecken_symbolicate_dropped },
    { ngx_string(", \"time\": "),
      NGX_TECKEN_SYMBOLICATE_SUM_USEC, ngx_tecken_symbolicate_parse_all },

    { ngx_string("}, \"save_symcache\": {\"time_per_module\": "),
      NGX_TECKEN_SYMBOLICATE_MAP_USEC, ngx_tecken_symbolicate_save_time },
    { ngx_string(", \"time\": "),
      NGX_TECKEN_SYMBOLICATE_SUM_USEC, ngx_tecken_symbolicate_save_time },

    { ngx_string("}, \"time\": "), NGX_TECKEN_SYMBOLICATE_TIME, NULL },

    { ngx_string(", \"modules\": {\"count\": "),
      NGX_TECKEN_SYMBOLICATE_COUNT, ngx_tecken_symbolicate_frames },
    { ngx_string(", \"stacks_per_module\": "),
      NGX_TECKEN_SYMBOLICATE_MAP, ngx_tecken_symbolicate_frames },

    { ngx_string("}}"), NGX_TECKEN_SYMBOLICATE_CLOSE, NULL }
};


static const ngx_tecken_symbolicate_piece_t  ngx_tecken_symbolicate_tecken[] = {

    { ngx_string(", \"debug\": {\"time\": "),
      NGX_TECKEN_SYMBOLICATE_TIME, NULL },

    { ngx_string(", \"stacks\": {\"count\": "),
      NGX_TECKEN_SYMBOLICATE_ALL, NULL },
    { ngx_string(", \"real\": "),
      NGX_TECKEN_SYMBOLICATE_REAL, NULL },

    { ngx_string("}, \"modules\": {\"count\": "),
      NGX_TECKEN_SYMBOLICATE_COUNT, ngx_tecken_symbolicate_frames },
    { ngx_string(", \"stacks_per_module\": "),
      NGX_TECKEN_SYMBOLICATE_MAP, ngx_tecken_symbolicate_frames },

    { ngx_string("}, \"cache_lookups\": {\"count\": "),
      NGX_TECKEN_SYMBOLICATE_COUNT, ngx_tecken_symbolicate_frames },
    { ngx_string(", \"time\": "),
      NGX_TECKEN_SYMBOLICATE_SUM_USEC, ngx_tecken_symbolicate_lookup_time },

    { ngx_string("}, \"downloads\": {\"count\": "),
      NGX_TECKEN_SYMBOLICATE_COUNT, ngx_tecken_symbolicate_download },
    { ngx_string(", \"time\": "),
      NGX_TECKEN_SYMBOLICATE_SUM_USEC, ngx_tecken_symbolicate_download },
    { ngx_string(", \"size\": "),
      NGX_TECKEN_SYMBOLICATE_SUM, ngx_tecken_symbolicate_size },

    { ngx_string("}}"), NGX_TECKEN_SYMBOLICATE_CLOSE, NULL }
};


ngx_int_t
ngx_tecken_symbolicate_debug_eliot(ngx_tecken_symbolicate_ctx_t *ctx)
{
    if (ctx->writer.object == 0 && ctx->req->njobs) {
        ngx_tecken_symbolicate_refs(ctx, 0, ctx->req->nframes);
    }

    if (ctx->writer.failed) {
        return NGX_AGAIN;
    }

    return ngx_tecken_symbolicate_piece(ctx, ngx_tecken_symbolicate_eliot);
}


ngx_int_t
ngx_tecken_symbolicate_debug_tecken(ngx_tecken_symbolicate_ctx_t *ctx)
{
    tk_symreq_job_t  *job;

    if (ctx->writer.object == 0) {

        job = &ctx->req->jobs[ctx->writer.job];

        ngx_tecken_symbolicate_refs(ctx, ctx->req->stacks[job->stack],
                             ctx->req->stacks[job->stack + job->nstacks]);
    }

    if (ctx->writer.failed) {
        return NGX_AGAIN;
    }

    return ngx_tecken_symbolicate_piece(ctx, ngx_tecken_symbolicate_tecken);
}


static ngx_int_t
ngx_tecken_symbolicate_piece(ngx_tecken_symbolicate_ctx_t *ctx,
    const ngx_tecken_symbolicate_piece_t *pieces)
{
    ngx_tecken_symbolicate_writer_t       *w;
    const ngx_tecken_symbolicate_piece_t  *piece;

    w = &ctx->writer;
    piece = &pieces[w->object];

    if (w->comma == 0) {
        ngx_tecken_symbolicate_put(ctx, piece->text.data, piece->text.len);
    }

    switch (piece->kind) {

    case NGX_TECKEN_SYMBOLICATE_TIME:
        ngx_tecken_symbolicate_put_usec(ctx, ngx_tecken_usec() - ctx->started);
        break;

    case NGX_TECKEN_SYMBOLICATE_ALL:
        ngx_tecken_symbolicate_put_number(ctx, w->frames);
        break;

    case NGX_TECKEN_SYMBOLICATE_REAL:
        ngx_tecken_symbolicate_put_number(ctx, w->real);
        break;

    case NGX_TECKEN_SYMBOLICATE_SUM_USEC:
        ngx_tecken_symbolicate_put_usec(ctx,
                                    ngx_tecken_symbolicate_total(ctx, piece));
        break;

    case NGX_TECKEN_SYMBOLICATE_COUNT:
    case NGX_TECKEN_SYMBOLICATE_SUM:
        ngx_tecken_symbolicate_put_number(ctx,
                                    ngx_tecken_symbolicate_total(ctx, piece));
        break;

    case NGX_TECKEN_SYMBOLICATE_MAP:
    case NGX_TECKEN_SYMBOLICATE_MAP_USEC:

        if (ngx_tecken_symbolicate_member(ctx, piece) == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        break;

    default: /* NGX_TECKEN_SYMBOLICATE_CLOSE */
        w->object = 0;
        return NGX_OK;
    }

    w->object++;

    return NGX_AGAIN;
}


/* comma is 1 when the object is open and 2 when it has a member */

static ngx_int_t
ngx_tecken_symbolicate_member(ngx_tecken_symbolicate_ctx_t *ctx,
    const ngx_tecken_symbolicate_piece_t *piece)
{
    uint64_t                          value;
    ngx_tecken_module_t              *m;
    ngx_tecken_symbolicate_writer_t  *w;

    w = &ctx->writer;

    if (w->comma == 0) {
        ngx_tecken_symbolicate_puts(ctx, "{");
        w->index = 0;
        w->comma = 1;
    }

    while (w->index < ctx->nmodules) {

        m = &ctx->modules[w->index];

        if (w->refs[w->index++] == 0
            || !piece->value(m, w->refs[w->index - 1], &value))
        {
            continue;
        }

        if (w->comma == 2) {
            ngx_tecken_symbolicate_puts(ctx, ", ");
        }

        ngx_tecken_symbolicate_puts(ctx, "\"");
        ngx_tecken_symbolicate_put(ctx, m->debug_file.data, m->debug_file.len);
        ngx_tecken_symbolicate_puts(ctx, "/");
        ngx_tecken_symbolicate_put(ctx, m->debug_id.data, m->debug_id.len);
        ngx_tecken_symbolicate_puts(ctx, "\": ");

        if (piece->kind == NGX_TECKEN_SYMBOLICATE_MAP_USEC) {
            ngx_tecken_symbolicate_put_usec(ctx, value);

        } else {
            ngx_tecken_symbolicate_put_number(ctx, value);
        }

        w->comma = 2;

        return NGX_AGAIN;
    }

    ngx_tecken_symbolicate_puts(ctx, "}");
    w->comma = 0;

    return NGX_OK;
}


static uint64_t
ngx_tecken_symbolicate_total(ngx_tecken_symbolicate_ctx_t *ctx,
    const ngx_tecken_symbolicate_piece_t *piece)
{
    uint64_t    value, sum;
    ngx_uint_t  i;

    sum = 0;

    for (i = 0; i < ctx->nmodules; i++) {
        if (ctx->writer.refs[i]
            && piece->value(&ctx->modules[i], ctx->writer.refs[i], &value))
        {
            sum += (piece->kind == NGX_TECKEN_SYMBOLICATE_COUNT) ? 1 : value;
        }
    }

    return sum;
}


/* how many of these frames refer to each module */

static void
ngx_tecken_symbolicate_refs(ngx_tecken_symbolicate_ctx_t *ctx,
    ngx_uint_t first, ngx_uint_t last)
{
    uint32_t                          n;
    ngx_uint_t                        i;
    ngx_tecken_symbolicate_writer_t  *w;

    w = &ctx->writer;

    if (w->refs == NULL) {
        w->refs = ngx_palloc(ctx->request->pool,
                             (ctx->nmodules + 1) * sizeof(ngx_uint_t));
        if (w->refs == NULL) {
            w->failed = 1;
            return;
        }
    }

    ngx_memzero(w->refs, ctx->nmodules * sizeof(ngx_uint_t));

    w->frames = last - first;
    w->real = 0;
    w->comma = 0;

    for (i = first; i < last; i++) {

        n = ctx->req->frames[i].module;

        if (n == TK_SYMREQ_NONE) {
            continue;
        }

        w->real++;

        if (ctx->req->modules[n].mark) {
            w->refs[ctx->req->modules[n].mark - 1]++;
        }
    }
}


static ngx_uint_t
ngx_tecken_symbolicate_frames(ngx_tecken_module_t *m, ngx_uint_t n,
    uint64_t *value)
{
    *value = n;
    return 1;
}


static ngx_uint_t
ngx_tecken_symbolicate_hit(ngx_tecken_module_t *m, ngx_uint_t n,
    uint64_t *value)
{
    *value = 1;
    return m->hit;
}


static ngx_uint_t
ngx_tecken_symbolicate_lookup_time(ngx_tecken_module_t *m, ngx_uint_t n,
    uint64_t *value)
{
    *value = m->usec;
    return m->hit;
}


static ngx_uint_t
ngx_tecken_symbolicate_size(ngx_tecken_module_t *m, ngx_uint_t n,
    uint64_t *value)
{
    *value = m->stat.size;
    return m->stat.found;
}


static ngx_uint_t
ngx_tecken_symbolicate_download(ngx_tecken_module_t *m, ngx_uint_t n,
    uint64_t *value)
{
    *value = m->stat.download_usec;
    return m->stat.downloaded;
}


static ngx_uint_t
ngx_tecken_symbolicate_download_time(ngx_tecken_module_t *m, ngx_uint_t n,
    uint64_t *value)
{
    *value = m->stat.download_usec;
    return m->stat.found;
}


static ngx_uint_t
ngx_tecken_symbolicate_download_fail(ngx_tecken_module_t *m, ngx_uint_t n,
    uint64_t *value)
{
    *value = m->stat.download_usec;
    return m->stat.downloaded && !m->stat.found;
}


static ngx_uint_t
ngx_tecken_symbolicate_parse_time(ngx_tecken_module_t *m, ngx_uint_t n,
    uint64_t *value)
{
    *value = m->stat.parse_usec;
    return m->stat.parsed;
}


static ngx_uint_t
ngx_tecken_symbolicate_parse_fail(ngx_tecken_module_t *m, ngx_uint_t n,
    uint64_t *value)
{
    *value = m->stat.parse_usec;
    return m->stat.found && !m->stat.parsed;
}


static ngx_uint_t
ngx_tecken_symbolicate_parse_all(ngx_tecken_module_t *m, ngx_uint_t n,
    uint64_t *value)
{
    *value = m->stat.parse_usec;
    return 1;
}


static ngx_uint_t
ngx_tecken_symbolicate_dropped(ngx_tecken_module_t *m, ngx_uint_t n,
    uint64_t *value)
{
    if (m->rc != NGX_OK) {
        return 0;
    }

    *value = m->ref->sc.dropped;
    return *value != 0;
}


static ngx_uint_t
ngx_tecken_symbolicate_save_time(ngx_tecken_module_t *m, ngx_uint_t n,
    uint64_t *value)
{
    *value = m->stat.save_usec;
    return m->stat.parsed;
}
