
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_submit.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>


static ngx_int_t ngx_antenna_crash_annotation(ngx_antenna_submit_ctx_t *ctx,
    const u_char *pos, const u_char *last);
static void ngx_antenna_crash_check(ngx_antenna_submit_ctx_t *ctx);
static ngx_int_t ngx_antenna_crash_record(ngx_antenna_submit_ctx_t *ctx);
static ngx_int_t ngx_antenna_crash_dump(ngx_antenna_submit_ctx_t *ctx);
static ngx_int_t ngx_antenna_crash_dump_end(ngx_antenna_submit_ctx_t *ctx);
static tk_malformed_e ngx_antenna_crash_aliases(
    ngx_antenna_submit_ctx_t *ctx);
static ngx_int_t ngx_antenna_crash_judge(ngx_antenna_submit_ctx_t *ctx);
static void ngx_antenna_crash_look(ngx_antenna_submit_ctx_t *ctx);
static void ngx_antenna_crash_looked(ngx_antenna_submit_ctx_t *ctx);
static ngx_int_t ngx_antenna_crash_judged(ngx_antenna_submit_ctx_t *ctx);
static void ngx_antenna_crash_result(ngx_antenna_submit_ctx_t *ctx);
static tk_malformed_e ngx_antenna_crash_client_id(
    ngx_antenna_submit_ctx_t *ctx, ngx_uint_t *unauthorized);
static ngx_uint_t ngx_antenna_crash_authorized(ngx_http_request_t *r,
    ngx_array_t *tokens);
static ngx_int_t ngx_antenna_crash_limit(ngx_antenna_submit_ctx_t *ctx,
    tk_malformed_e reason);
static ngx_int_t ngx_antenna_crash_new_id(ngx_antenna_submit_ctx_t *ctx,
    ngx_antenna_result_e result);
static ngx_int_t ngx_antenna_crash_save(ngx_antenna_submit_ctx_t *ctx);
static void ngx_antenna_crash_fields(ngx_antenna_submit_ctx_t *ctx,
    tk_raw_crash_t *raw);
static void ngx_antenna_crash_committed(ngx_antenna_record_t *rec);


static const char  *ngx_antenna_results[] = {
    "ACCEPT", "DEFER", "REJECT", "FAKEACCEPT"
};


void
ngx_antenna_crash_parse(ngx_antenna_submit_ctx_t *ctx, const u_char *data,
    size_t len, ngx_uint_t eof)
{
    tk_str_t        piece;
    ngx_int_t       rc;
    const uint8_t  *pos, *last;

    if (ctx->ended || ctx->drain) {
        return;
    }

    pos = len ? data : (const uint8_t *) "";
    last = pos + len;

    for ( ;; ) {

        switch (tk_crash_form_next(&ctx->form, &pos, last, eof, &piece)) {

        case TK_CRASH_AGAIN:
            return;

        case TK_CRASH_DUMP:
            rc = ngx_antenna_crash_dump(ctx);
            break;

        case TK_CRASH_DATA:
            rc = ngx_antenna_record_write(ctx->record, piece.data, piece.len);
            break;

        case TK_CRASH_DUMP_END:
            rc = ngx_antenna_crash_dump_end(ctx);
            break;

        case TK_CRASH_ANNOTATION:
            rc = ngx_antenna_crash_annotation(ctx, pos, last);

            if (rc == NGX_OK) {
                return;
            }

            break;

        case TK_CRASH_END:
            ctx->ended = 1;
            return;

        default: /* TK_CRASH_ERROR */
            ngx_antenna_crash_refuse(ctx, ctx->form.error);
            return;
        }

        if (rc == NGX_AGAIN) {
            ctx->blocked = 1;

        } else if (rc != NGX_OK) {
            ctx->failed = rc;
            ngx_antenna_crash_drop(ctx);
            return;
        }
    }
}


/* a large one: the form goes on when a thread has looked at it */

static ngx_int_t
ngx_antenna_crash_annotation(ngx_antenna_submit_ctx_t *ctx,
    const u_char *pos, const u_char *last)
{
    if (pos != last) {

        if (ctx->rest == NULL) {
            ctx->rest = ngx_alloc(NGX_ANTENNA_TURN,
                                  ctx->request->connection->log);
            if (ctx->rest == NULL) {
                return NGX_ERROR;
            }
        }

        /* it may be what was kept before */

        ngx_memmove(ctx->rest, pos, last - pos);

        ctx->rest_pos = ctx->rest;
        ctx->rest_last = ctx->rest + (last - pos);
    }

    return ngx_antenna_work(ctx, ngx_antenna_crash_check,
                            ngx_antenna_body_worked);
}


static void
ngx_antenna_crash_check(ngx_antenna_submit_ctx_t *ctx)
{
    tk_crash_form_annotation(&ctx->form);
}


static ngx_int_t
ngx_antenna_crash_record(ngx_antenna_submit_ctx_t *ctx)
{
    ngx_http_request_t             *r;
    ngx_antenna_submit_loc_conf_t  *alcf;

    if (ctx->record) {
        return NGX_OK;
    }

    r = ctx->request;
    alcf = ngx_http_get_module_loc_conf(r, ngx_antenna_submit_module);

    ctx->record = ngx_antenna_record_create(alcf->spool, r->connection->log);
    if (ctx->record == NULL) {
        return NGX_ERROR;
    }

    ctx->record->handler = ngx_antenna_body_resume;
    ctx->record->data = ctx;

    return NGX_OK;
}


static ngx_int_t
ngx_antenna_crash_dump(ngx_antenna_submit_ctx_t *ctx)
{
    tk_dump_t  *dump;

    if (ngx_antenna_crash_record(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    dump = &ctx->form.dumps.elts[ctx->form.dump];

    return ngx_antenna_record_object(ctx->record, TK_SPOOL_DUMP, dump->name,
                                     dump->name_len);
}


static ngx_int_t
ngx_antenna_crash_dump_end(ngx_antenna_submit_ctx_t *ctx)
{
    tk_spool_object_t  *obj;

    obj = ngx_antenna_record_object_end(ctx->record);

    if (obj) {
        tk_dumps_done(&ctx->form.dumps, ctx->form.dump, obj->sha256,
                      obj->length);
    }

    return NGX_OK;
}


void
ngx_antenna_crash_refuse(ngx_antenna_submit_ctx_t *ctx, tk_malformed_e reason)
{
    ctx->malformed = reason;
    ngx_antenna_crash_drop(ctx);
}


void
ngx_antenna_crash_drop(ngx_antenna_submit_ctx_t *ctx)
{
    ctx->drain = 1;
    ctx->blocked = 0;
    ctx->rest_pos = ctx->rest_last;

    if (ctx->record) {
        ngx_antenna_record_destroy(ctx->record);
        ctx->record = NULL;
    }
}


ngx_int_t
ngx_antenna_crash_failed(ngx_antenna_submit_ctx_t *ctx, ngx_int_t rc)
{
    ctx->failed = rc;
    ngx_antenna_crash_drop(ctx);

    return ngx_antenna_answer_failed(ctx);
}


ngx_int_t
ngx_antenna_crash_decide(ngx_antenna_submit_ctx_t *ctx)
{
    tk_malformed_e                   malformed;
    ngx_antenna_judge_t             *judge;
    ngx_antenna_submit_loc_conf_t   *alcf;
    ngx_antenna_submit_main_conf_t  *amcf;

    if (ctx->failed) {
        return ngx_antenna_answer_failed(ctx);
    }

    if (ctx->malformed != TK_MALFORMED_NONE) {
        return ngx_antenna_answer_malformed(ctx, ctx->malformed);
    }

    alcf = ngx_http_get_module_loc_conf(ctx->request,
                                        ngx_antenna_submit_module);
    amcf = ngx_http_get_module_main_conf(ctx->request,
                                         ngx_antenna_submit_module);

    ngx_tecken_metrics_count(&amcf->metrics.incoming, 1);
    ngx_gettimeofday(&ctx->submitted);

    malformed = ngx_antenna_crash_aliases(ctx);

    if (malformed != TK_MALFORMED_NONE) {
        return ngx_antenna_crash_limit(ctx, malformed);
    }

    judge = &ctx->judge;

    judge->request = ctx->request;
    judge->annotation = ngx_antenna_annotation;
    judge->data = ctx;
    judge->random = &ngx_antenna_random_state;
    judge->now = ctx->submitted.tv_sec;
    judge->match_size = alcf->match_size;

    return ngx_antenna_crash_judge(ctx);
}


/* NGX_AGAIN, or the answer's rc */

static ngx_int_t
ngx_antenna_crash_judge(ngx_antenna_submit_ctx_t *ctx)
{
    ngx_int_t                       rc;
    ngx_antenna_submit_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(ctx->request,
                                        ngx_antenna_submit_module);

    rc = ngx_antenna_throttle(alcf->throttle, &ctx->judge);

    if (rc == NGX_AGAIN) {
        rc = ngx_antenna_work(ctx, ngx_antenna_crash_look,
                              ngx_antenna_crash_looked);
        if (rc == NGX_OK) {
            return NGX_AGAIN;
        }
    }

    if (rc != NGX_OK) {
        return ngx_antenna_crash_failed(ctx, rc);
    }

    ngx_antenna_crash_result(ctx);

    return ngx_antenna_crash_judged(ctx);
}


static void
ngx_antenna_crash_look(ngx_antenna_submit_ctx_t *ctx)
{
    ngx_antenna_look_run(&ctx->judge);
}


static void
ngx_antenna_crash_looked(ngx_antenna_submit_ctx_t *ctx)
{
    ngx_int_t  rc;

    /* the crash is whole: it is kept even if the client has gone */

    rc = ngx_antenna_crash_judge(ctx);

    if (rc != NGX_AGAIN) {
        ngx_http_finalize_request(ctx->request, rc);
    }
}


static ngx_int_t
ngx_antenna_crash_judged(ngx_antenna_submit_ctx_t *ctx)
{
    ngx_int_t                        rc;
    ngx_uint_t                       unauthorized;
    tk_malformed_e                   malformed;
    ngx_antenna_judge_t             *judge;
    ngx_antenna_submit_loc_conf_t   *alcf;
    ngx_antenna_submit_main_conf_t  *amcf;

    alcf = ngx_http_get_module_loc_conf(ctx->request,
                                        ngx_antenna_submit_module);
    amcf = ngx_http_get_module_main_conf(ctx->request,
                                         ngx_antenna_submit_module);

    judge = &ctx->judge;
    malformed = TK_MALFORMED_NONE;
    unauthorized = 0;

    if (judge->result != NGX_ANTENNA_REJECT) {
        malformed = ngx_antenna_crash_client_id(ctx, &unauthorized);
    }

    if (!ctx->has_id && ngx_antenna_crash_new_id(ctx, judge->result) != NGX_OK)
    {
        return ngx_antenna_crash_failed(ctx, NGX_ERROR);
    }

    ngx_antenna_metrics_verdict(amcf, &judge->rule, judge->result);

    ngx_antenna_log(amcf, NGX_ANTENNA_LOG_INFO, "antenna.breakpad_resource",
                    "%*s: matched by %V; returned %s", (size_t) TK_CRASH_ID,
                    ctx->id, &judge->rule,
                    ngx_antenna_results[judge->result]);

    if (unauthorized) {
        ngx_antenna_crash_drop(ctx);
        return ngx_antenna_answer_unauthorized(ctx);
    }

    if (malformed != TK_MALFORMED_NONE) {
        ngx_antenna_crash_drop(ctx);
        return ngx_antenna_answer_malformed(ctx, malformed);
    }

    switch (judge->result) {

    case NGX_ANTENNA_REJECT:
        ngx_antenna_crash_drop(ctx);
        return ngx_antenna_answer_rejected(ctx);

    case NGX_ANTENNA_FAKEACCEPT:
        ngx_antenna_crash_drop(ctx);
        return ngx_antenna_answer_crash_id(ctx);

    default:
        break;
    }

    malformed = tk_annotations_remove(ctx->form.annotations,
                                      alcf->removed->elts,
                                      alcf->removed->nelts);

    if (malformed != TK_MALFORMED_NONE) {
        return ngx_antenna_crash_limit(ctx, malformed);
    }

    rc = ngx_antenna_crash_save(ctx);

    return rc == NGX_AGAIN ? NGX_AGAIN : ngx_antenna_crash_failed(ctx, rc);
}


/* what we add to a form was too much: the same form always will be */

static ngx_int_t
ngx_antenna_crash_limit(ngx_antenna_submit_ctx_t *ctx, tk_malformed_e reason)
{
    if (reason == TK_MALFORMED_NO_MEMORY) {
        return ngx_antenna_crash_failed(ctx, NGX_ERROR);
    }

    ngx_antenna_crash_drop(ctx);
    ctx->has_id = 0;

    return ngx_antenna_answer_malformed(ctx, reason);
}


/* for clients that call ProductName "prod" */

static tk_malformed_e
ngx_antenna_crash_aliases(ngx_antenna_submit_ctx_t *ctx)
{
    ngx_uint_t                      i;
    tk_malformed_e                  rc;
    ngx_antenna_alias_t            *alias;
    ngx_antenna_submit_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(ctx->request,
                                        ngx_antenna_submit_module);

    if (alcf->aliases == NULL) {
        return TK_MALFORMED_NONE;
    }

    alias = alcf->aliases->elts;

    for (i = 0; i < alcf->aliases->nelts; i++) {
        rc = tk_annotations_alias(ctx->form.annotations, &alias[i].from,
                                  &alias[i].to);

        if (rc != TK_MALFORMED_NONE) {
            return rc;
        }
    }

    return TK_MALFORMED_NONE;
}


/* for variables and the log */

static void
ngx_antenna_crash_result(ngx_antenna_submit_ctx_t *ctx)
{
    ngx_antenna_judge_t             *judge;
    ngx_antenna_submit_main_conf_t  *amcf;

    judge = &ctx->judge;

    ctx->rule = judge->rule;

    switch (judge->result) {

    case NGX_ANTENNA_ACCEPT:
        ngx_str_set(&ctx->result, "accept");
        break;

    case NGX_ANTENNA_DEFER:
        ngx_str_set(&ctx->result, "defer");
        break;

    case NGX_ANTENNA_REJECT:
        ngx_str_set(&ctx->result, "reject");
        break;

    default: /* NGX_ANTENNA_FAKEACCEPT */
        ngx_str_set(&ctx->result, "fakeaccept");
        break;
    }

    if (judge->log.len) {
        amcf = ngx_http_get_module_main_conf(ctx->request,
                                             ngx_antenna_submit_module);

        ngx_antenna_log(amcf, NGX_ANTENNA_LOG_INFO, "antenna.throttler",
                        "%V", &judge->log);
    }
}


/* the client's own id, of a crash that is sent on or was announced before */

static tk_malformed_e
ngx_antenna_crash_client_id(ngx_antenna_submit_ctx_t *ctx,
    ngx_uint_t *unauthorized)
{
    const tk_annotation_t           *a;
    ngx_antenna_submit_loc_conf_t   *alcf;
    ngx_antenna_submit_main_conf_t  *amcf;

    static const tk_str_t  uuid = tk_string("uuid");

    alcf = ngx_http_get_module_loc_conf(ctx->request,
                                        ngx_antenna_submit_module);

    a = tk_annotations_find(ctx->form.annotations, &uuid);

    if (a == NULL || alcf->client_id == NGX_ANTENNA_ID_IGNORE) {
        return TK_MALFORMED_NONE;
    }

    if (alcf->client_id == NGX_ANTENNA_ID_BEARER
        && !ngx_antenna_crash_authorized(ctx->request, alcf->tokens))
    {
        *unauthorized = 1;
        return TK_MALFORMED_NONE;
    }

    if (a->type != TK_ANNOTATION_TEXT || !tk_crash_id_valid(&a->value, 1)) {

        /* one who may choose ids wants to know; others get a new one */

        return alcf->client_id == NGX_ANTENNA_ID_BEARER
               ? TK_MALFORMED_UUID : TK_MALFORMED_NONE;
    }

    ngx_memcpy(ctx->id, a->value.data, TK_CRASH_ID);
    ctx->has_id = 1;
    ctx->chosen = 1;

    amcf = ngx_http_get_module_main_conf(ctx->request,
                                         ngx_antenna_submit_module);

    ngx_antenna_log(amcf, NGX_ANTENNA_LOG_INFO, "antenna.breakpad_resource",
                    "%*s has existing crash_id", (size_t) TK_CRASH_ID,
                    ctx->id);

    return TK_MALFORMED_NONE;
}


static ngx_uint_t
ngx_antenna_crash_authorized(ngx_http_request_t *r, ngx_array_t *tokens)
{
    u_char                hash[SHA256_DIGEST_LENGTH];
    ngx_str_t             value;
    ngx_uint_t            i, found;
    ngx_antenna_token_t  *token;

    if (r->headers_in.authorization == NULL) {
        return 0;
    }

    value = r->headers_in.authorization->value;

    if (value.len <= sizeof("Bearer ") - 1
        || ngx_strncmp(value.data, "Bearer ", sizeof("Bearer ") - 1) != 0)
    {
        return 0;
    }

    tk_sha256(hash, value.data + sizeof("Bearer ") - 1,
              value.len - (sizeof("Bearer ") - 1));

    token = tokens->elts;
    found = 0;

    for (i = 0; i < tokens->nelts; i++) {
        found |= CRYPTO_memcmp(hash, token[i].sha256, SHA256_DIGEST_LENGTH)
                 == 0;
    }

    return found;
}


static ngx_int_t
ngx_antenna_crash_new_id(ngx_antenna_submit_ctx_t *ctx,
    ngx_antenna_result_e result)
{
    u_char  random[TK_CRASH_ID_RANDOM];

    if (RAND_bytes(random, TK_CRASH_ID_RANDOM) != 1) {
        ngx_log_error(NGX_LOG_ALERT, ctx->request->connection->log, 0,
                      "RAND_bytes() failed, the crash gets no id");
        return NGX_ERROR;
    }

    tk_crash_id_create(ctx->id, random, (unsigned) result,
                       ctx->submitted.tv_sec);
    ctx->has_id = 1;

    return NGX_OK;
}


/* NGX_AGAIN, or why not */

static ngx_int_t
ngx_antenna_crash_save(ngx_antenna_submit_ctx_t *ctx)
{
    ngx_int_t              rc;
    tk_raw_crash_t         raw;
    ngx_antenna_record_t  *rec;

    if (ngx_antenna_crash_record(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    rec = ctx->record;

    ngx_antenna_crash_fields(ctx, &raw);

    if (ngx_antenna_record_object(rec, TK_SPOOL_RAW_CRASH, NULL, 0) != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_antenna_raw_write(ctx, &raw);

    return rc == NGX_OK ? ngx_antenna_crash_finish(ctx) : rc;
}


ngx_int_t
ngx_antenna_crash_finish(ngx_antenna_submit_ctx_t *ctx)
{
    ngx_int_t              rc;
    ngx_antenna_record_t  *rec;

    rec = ctx->record;

    if (ngx_antenna_record_object(rec, TK_SPOOL_DUMP_NAMES, NULL, 0)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (tk_dumps_names(&ctx->form.dumps, ngx_antenna_crash_write, ctx) != 0) {
        return ctx->failed;
    }

    rec->handler = ngx_antenna_crash_committed;

    rc = ngx_antenna_record_commit(rec, ctx->id, ctx->chosen,
                                   ctx->submitted.tv_sec);

    /* NGX_OK would be one that nobody has synced */

    return rc == NGX_OK ? NGX_ERROR : rc;
}


static void
ngx_antenna_crash_fields(ngx_antenna_submit_ctx_t *ctx, tk_raw_crash_t *raw)
{
    ngx_table_elt_t                *agent;
    ngx_http_request_t             *r;
    ngx_antenna_judge_t            *judge;
    ngx_antenna_submit_loc_conf_t  *alcf;

    static const tk_str_t  type_tag = tk_string("bp");

    r = ctx->request;
    alcf = ngx_http_get_module_loc_conf(r, ngx_antenna_submit_module);

    ngx_memzero(raw, sizeof(tk_raw_crash_t));

    judge = &ctx->judge;

    raw->dumps = &ctx->form.dumps;
    raw->uuid.data = ctx->id;
    raw->uuid.len = TK_CRASH_ID;
    raw->sec = ctx->submitted.tv_sec;
    raw->usec = (uint32_t) ctx->submitted.tv_usec;

    raw->layout_2018 = (alcf->layout == TK_CRASH_2018);
    raw->legacy_processing = (unsigned) judge->result;
    raw->throttle_rate = (unsigned) judge->percentage;
    raw->start_sec = ctx->start.tv_sec;
    raw->start_usec = (uint32_t) ctx->start.tv_usec;
    raw->type_tag = type_tag;

    /* the fields of both, but for an exact copy of 2018 */

    raw->layout_2022 = !raw->layout_2018
                       || alcf->dialect != NGX_ANTENNA_DIALECT_2018;
    raw->compressed = ctx->compressed;
    raw->payload_size = (uint64_t) ctx->received;
    raw->throttle_rule.data = judge->rule.data;
    raw->throttle_rule.len = judge->rule.len;

    agent = r->headers_in.user_agent;

    if (agent) {
        raw->user_agent.data = agent->value.data;
        raw->user_agent.len = agent->value.len;
    }
}


int
ngx_antenna_crash_write(void *data, const uint8_t *p, size_t len)
{
    ngx_antenna_submit_ctx_t *ctx = data;

    ngx_int_t  rc;

    rc = ngx_antenna_record_write(ctx->record, p, len);

    /* it is in memory anyway, there is nothing to be held back */

    if (rc == NGX_OK || rc == NGX_AGAIN) {
        return 0;
    }

    ctx->failed = rc;

    return -1;
}


static void
ngx_antenna_crash_committed(ngx_antenna_record_t *rec)
{
    uint64_t                         usec;
    ngx_int_t                        rc;
    ngx_connection_t                *c;
    ngx_http_request_t              *r;
    ngx_antenna_submit_ctx_t        *ctx = rec->data;
    ngx_antenna_submit_main_conf_t  *amcf;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    rc = rec->rc;
    usec = rec->usec;

    ctx->record = NULL;
    ngx_antenna_record_destroy(rec);

    if (rc == NGX_OK) {
        amcf = ngx_http_get_module_main_conf(r, ngx_antenna_submit_module);

        ngx_tecken_metrics_observe(&amcf->metrics.sync, usec);
        ngx_tecken_metrics_observe(&amcf->metrics.handling,
                                   ngx_tecken_usec() - ctx->started);

        rc = ngx_antenna_answer_crash_id(ctx);

    } else {
        rc = ngx_antenna_crash_failed(ctx, rc);
    }

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}
