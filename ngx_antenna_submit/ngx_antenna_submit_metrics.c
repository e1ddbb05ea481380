
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_submit.h>


static ngx_int_t ngx_antenna_metrics_one(ngx_conf_t *cf,
    ngx_tecken_metric_t *m, ngx_uint_t type, const char *name,
    const char *help, const char *key);
static ngx_int_t ngx_antenna_metrics_tagged(ngx_conf_t *cf,
    ngx_tecken_metric_t *m, ngx_uint_t type, const char *name,
    const char *help, const char *key, const char *tag, ngx_str_t *value);
static ngx_int_t ngx_antenna_metrics_malformed(ngx_conf_t *cf,
    ngx_antenna_metrics_t *metrics);
static ngx_int_t ngx_antenna_metrics_verdicts(ngx_conf_t *cf,
    ngx_antenna_submit_main_conf_t *amcf);
static ngx_tecken_metric_t *ngx_antenna_metrics_find(
    ngx_antenna_metrics_t *metrics, ngx_str_t *rule);
static ngx_int_t ngx_antenna_metrics_rule(ngx_conf_t *cf,
    ngx_antenna_metrics_t *metrics, ngx_str_t *rule);
static ngx_int_t ngx_antenna_metrics_mover(ngx_conf_t *cf,
    ngx_antenna_submit_main_conf_t *amcf);
static ngx_int_t ngx_antenna_metrics_spools(ngx_conf_t *cf,
    ngx_antenna_submit_main_conf_t *amcf);
static uint64_t ngx_antenna_metrics_crashes(ngx_tecken_metric_t *m);
static uint64_t ngx_antenna_metrics_bytes(ngx_tecken_metric_t *m);
static uint64_t ngx_antenna_metrics_oldest(ngx_tecken_metric_t *m);


static ngx_str_t  ngx_antenna_result_names[] = {
    ngx_string("accept"),
    ngx_string("defer"),
    ngx_string("reject"),
    ngx_string("fakeaccept")
};


/* keys of statsd: antenna/statsd_metrics.yaml, "socorro.collector" being
 * the namespace of tecken_statsd */

ngx_int_t
ngx_antenna_metrics_add(ngx_conf_t *cf, ngx_antenna_submit_main_conf_t *amcf)
{
    ngx_antenna_metrics_t  *m;

    static ngx_str_t  plain = ngx_string("uncompressed");
    static ngx_str_t  gzipped = ngx_string("compressed");

    m = &amcf->metrics;

    if (ngx_antenna_metrics_one(cf, &m->incoming, NGX_TECKEN_METRIC_COUNTER,
                                "antenna_incoming_crashes_total",
                                "Crash reports that were forms",
                                "breakpad_resource.incoming_crash")
        != NGX_OK
        || ngx_antenna_metrics_one(cf, &m->gzipped,
                                   NGX_TECKEN_METRIC_COUNTER,
                                   "antenna_gzipped_crashes_total",
                                   "Crash reports with a gzip body",
                                   "breakpad_resource.gzipped_crash")
           != NGX_OK
        || ngx_antenna_metrics_one(cf, &m->unauthorized,
                                   NGX_TECKEN_METRIC_COUNTER,
                                   "antenna_unauthorized_uuid_total",
                                   "Crash ids of clients who may not choose "
                                   "one",
                                   "breakpad_resource.unauthorized_uuid")
           != NGX_OK
        || ngx_antenna_metrics_one(cf, &m->failed, NGX_TECKEN_METRIC_COUNTER,
                                   "antenna_spool_failures_total",
                                   "Crash reports refused with 503", "")
           != NGX_OK
        || ngx_antenna_metrics_one(cf, &m->vanished,
                                   NGX_TECKEN_METRIC_COUNTER,
                                   "antenna_incomplete_total",
                                   "Clients that did not send all of a crash "
                                   "report", "")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_antenna_metrics_tagged(cf, &m->size, NGX_TECKEN_METRIC_SIZE,
                                   "antenna_crash_size_bytes",
                                   "Size of crash reports, inflated",
                                   "breakpad_resource.crash_size",
                                   "payload", &plain)
        != NGX_OK
        || ngx_antenna_metrics_tagged(cf, &m->size_gzipped,
                                      NGX_TECKEN_METRIC_SIZE,
                                      "antenna_crash_size_bytes",
                                      "Size of crash reports, inflated",
                                      "breakpad_resource.crash_size",
                                      "payload", &gzipped)
           != NGX_OK
        || ngx_antenna_metrics_one(cf, &m->on_post,
                                   NGX_TECKEN_METRIC_HISTOGRAM,
                                   "antenna_submit_seconds",
                                   "Time from a request's headers to its "
                                   "answer",
                                   "breakpad_resource.on_post.time")
           != NGX_OK
        || ngx_antenna_metrics_one(cf, &m->handling,
                                   NGX_TECKEN_METRIC_HISTOGRAM,
                                   "antenna_crash_handling_seconds",
                                   "Time until a crash was durable",
                                   amcf->dialect_2018
                                   ? "breakpad_resource.crash_handling.time"
                                   : "crashmover.crash_handling.time")
           != NGX_OK
        || ngx_antenna_metrics_one(cf, &m->sync, NGX_TECKEN_METRIC_HISTOGRAM,
                                   "antenna_spool_sync_seconds",
                                   "Time of the syncs of a crash", "")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_antenna_metrics_malformed(cf, m) != NGX_OK
        || ngx_antenna_metrics_verdicts(cf, amcf) != NGX_OK
        || ngx_antenna_metrics_mover(cf, amcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_antenna_metrics_spools(cf, amcf);
}


static ngx_int_t
ngx_antenna_metrics_one(ngx_conf_t *cf, ngx_tecken_metric_t *m,
    ngx_uint_t type, const char *name, const char *help, const char *key)
{
    return ngx_antenna_metrics_tagged(cf, m, type, name, help, key, NULL,
                                      NULL);
}


static ngx_int_t
ngx_antenna_metrics_tagged(ngx_conf_t *cf, ngx_tecken_metric_t *m,
    ngx_uint_t type, const char *name, const char *help, const char *key,
    const char *tag, ngx_str_t *value)
{
    u_char                  *p;
    size_t                   len;
    ngx_tecken_main_conf_t  *tmcf;

    m->type = type;
    m->name.data = (u_char *) name;
    m->name.len = ngx_strlen(name);
    m->help.data = (u_char *) help;
    m->help.len = ngx_strlen(help);
    m->key.data = (u_char *) key;
    m->key.len = ngx_strlen(key);

    if (tag) {
        len = ngx_strlen(tag) + value->len;

        p = ngx_pnalloc(cf->pool, 2 * len + sizeof("=\"\":"));
        if (p == NULL) {
            return NGX_ERROR;
        }

        m->labels.data = p;
        p = ngx_sprintf(p, "%s=\"%V\"", tag, value);
        m->labels.len = p - m->labels.data;

        m->tags.data = p;
        p = ngx_sprintf(p, "%s:%V", tag, value);
        m->tags.len = p - m->tags.data;
    }

    tmcf = ngx_http_conf_get_module_main_conf(cf, ngx_tecken_common_module);

    return ngx_tecken_metrics_add(cf, tmcf->metrics, m);
}


/* several limits have one reason: they share the first one's series */

static ngx_int_t
ngx_antenna_metrics_malformed(ngx_conf_t *cf, ngx_antenna_metrics_t *metrics)
{
    ngx_str_t   reason;
    ngx_uint_t  i;

    for (i = TK_MALFORMED_NONE + 1; i < NGX_ANTENNA_MALFORMED; i++) {

        if (i > TK_MALFORMED_TOO_LARGE && i < TK_MALFORMED_NO_MEMORY) {
            continue;
        }

        reason.data = (u_char *) tk_malformed_reason(i)->data
                      + sizeof("malformed_") - 1;
        reason.len = tk_malformed_reason(i)->len - (sizeof("malformed_") - 1);

        if (ngx_antenna_metrics_tagged(cf, &metrics->malformed[i],
                                       NGX_TECKEN_METRIC_COUNTER,
                                       "antenna_malformed_total",
                                       "Crash reports that were refused, by "
                                       "reason",
                                       "breakpad_resource.malformed",
                                       "reason", &reason)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_antenna_metrics_refused(ngx_antenna_submit_main_conf_t *amcf,
    tk_malformed_e reason)
{
    if (reason > TK_MALFORMED_TOO_LARGE && reason < TK_MALFORMED_NO_MEMORY) {
        reason = TK_MALFORMED_TOO_LARGE;
    }

    ngx_tecken_metrics_count(&amcf->metrics.malformed[reason], 1);
}


static ngx_int_t
ngx_antenna_metrics_verdicts(ngx_conf_t *cf,
    ngx_antenna_submit_main_conf_t *amcf)
{
    ngx_uint_t                i, j, n;
    ngx_antenna_rule_t       *rule;
    ngx_antenna_metrics_t    *m;
    ngx_antenna_throttle_t  **throttle;

    static ngx_str_t  all = ngx_string("accept_everything");
    static ngx_str_t  no_match = ngx_string("NO_MATCH");

    m = &amcf->metrics;

    for (i = 0; i < NGX_ANTENNA_RESULTS; i++) {
        if (ngx_antenna_metrics_tagged(cf, &m->results[i],
                                       NGX_TECKEN_METRIC_COUNTER,
                                       "antenna_throttle_total",
                                       "Verdicts about crashes",
                                       "breakpad_resource.throttle",
                                       "result", &ngx_antenna_result_names[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    throttle = amcf->throttles.elts;
    n = 2;

    for (i = 0; i < amcf->throttles.nelts; i++) {
        n += throttle[i]->rules.nelts;
    }

    m->rules = ngx_pcalloc(cf->pool, n * sizeof(ngx_tecken_metric_t));

    if (m->rules == NULL
        || ngx_antenna_metrics_rule(cf, m, &all) != NGX_OK
        || ngx_antenna_metrics_rule(cf, m, &no_match) != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < amcf->throttles.nelts; i++) {
        rule = throttle[i]->rules.elts;

        for (j = 0; j < throttle[i]->rules.nelts; j++) {
            if (ngx_antenna_metrics_rule(cf, m, &rule[j].name) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


/* the rules of one name, in whatever list, share a series: tags is
 * "rule:<name>" */

static ngx_tecken_metric_t *
ngx_antenna_metrics_find(ngx_antenna_metrics_t *metrics, ngx_str_t *rule)
{
    ngx_str_t   *tags;
    ngx_uint_t   i;

    for (i = 0; i < metrics->nrules; i++) {
        tags = &metrics->rules[i].tags;

        if (tags->len == rule->len + sizeof("rule:") - 1
            && ngx_strncmp(tags->data + sizeof("rule:") - 1, rule->data,
                           rule->len)
               == 0)
        {
            return &metrics->rules[i];
        }
    }

    return NULL;
}


static ngx_int_t
ngx_antenna_metrics_rule(ngx_conf_t *cf, ngx_antenna_metrics_t *metrics,
    ngx_str_t *rule)
{
    if (ngx_antenna_metrics_find(metrics, rule)) {
        return NGX_OK;
    }

    return ngx_antenna_metrics_tagged(cf, &metrics->rules[metrics->nrules++],
                                      NGX_TECKEN_METRIC_COUNTER,
                                      "antenna_throttle_rule_total",
                                      "Crashes by the rule that matched",
                                      "breakpad_resource.throttle_rule",
                                      "rule", rule);
}


void
ngx_antenna_metrics_verdict(ngx_antenna_submit_main_conf_t *amcf,
    ngx_str_t *rule, ngx_antenna_result_e result)
{
    ngx_antenna_metrics_t  *m;

    m = &amcf->metrics;

    ngx_tecken_metrics_count(ngx_antenna_metrics_find(m, rule), 1);
    ngx_tecken_metrics_count(&m->results[result], 1);
}


/* in 2018 the crashmovers were part of the resource */

static ngx_int_t
ngx_antenna_metrics_mover(ngx_conf_t *cf,
    ngx_antenna_submit_main_conf_t *amcf)
{
    u_char               *p;
    ngx_uint_t            i;
    ngx_tecken_metric_t  *m;

    static const struct {
        size_t       offset;
        ngx_uint_t   type;
        const char  *name;
        const char  *help;
        const char  *key;
        const char  *key_2018;
    } series[] = {

        { offsetof(ngx_antenna_metrics_t, stored), NGX_TECKEN_METRIC_COUNTER,
          "antenna_stored_crashes_total",
          "Crashes that are in the storage",
          "crashmover.save_crash.count",
          "breakpad_resource.save_crash.count" },

        { offsetof(ngx_antenna_metrics_t, save), NGX_TECKEN_METRIC_HISTOGRAM,
          "antenna_crash_save_seconds",
          "Time to store the objects of a crash",
          "crashmover.crash_save.time",
          "breakpad_resource.crash_save.time" },

        { offsetof(ngx_antenna_metrics_t, retries), NGX_TECKEN_METRIC_COUNTER,
          "antenna_retries_total",
          "Attempts to store crashes that failed",
          "crashmover.retry_count",
          "breakpad_resource.save_crash_exception.count" },

        { offsetof(ngx_antenna_metrics_t, refused), NGX_TECKEN_METRIC_COUNTER,
          "antenna_refused_crashes_total",
          "Crashes that the storage refused for good, in failed/",
          "crashmover.save_crash_dropped.count",
          "breakpad_resource.save_crash_dropped.count" },

        { offsetof(ngx_antenna_metrics_t, corrupt), NGX_TECKEN_METRIC_COUNTER,
          "antenna_corrupt_files_total",
          "Damaged files of a spool, in corrupt/", "", "" }
    };

    ngx_str_set(&amcf->metrics.retries.tags,
                "count:save_crash_exception.count");

    p = (u_char *) &amcf->metrics;

    for (i = 0; i < sizeof(series) / sizeof(series[0]); i++) {
        m = (ngx_tecken_metric_t *) (p + series[i].offset);

        if (ngx_antenna_metrics_one(cf, m, series[i].type, series[i].name,
                                    series[i].help,
                                    amcf->dialect_2018 ? series[i].key_2018
                                                       : series[i].key)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_antenna_metrics_moved(ngx_antenna_mover_t *mover,
    ngx_antenna_event_e event, const uint8_t *crash_id, uint64_t value)
{
    ngx_antenna_submit_main_conf_t *amcf = mover->data;

    ngx_antenna_metrics_t  *m;

    m = &amcf->metrics;

    switch (event) {

    case NGX_ANTENNA_STORED:
        ngx_tecken_metrics_count(&m->stored, 1);
        ngx_tecken_metrics_observe(&m->save, value * 1000);

        ngx_antenna_log(amcf, NGX_ANTENNA_LOG_INFO,
                        amcf->dialect_2018 ? "antenna.breakpad_resource"
                                           : "antenna.crashmover",
                        "%*s saved", (size_t) TK_CRASH_ID, crash_id);
        break;

    case NGX_ANTENNA_RETRY:
        ngx_tecken_metrics_count(&m->retries, 1);
        break;

    case NGX_ANTENNA_REFUSED:
        ngx_tecken_metrics_count(&m->refused, 1);

        if (crash_id) {
            ngx_antenna_log(amcf, NGX_ANTENNA_LOG_ERROR,
                            "antenna.crashmover",
                            "%*s: refused by the storage; kept in failed/",
                            (size_t) TK_CRASH_ID, crash_id);
        }

        break;

    default: /* NGX_ANTENNA_CORRUPT */
        ngx_tecken_metrics_count(&m->corrupt, 1);
    }
}


static ngx_int_t
ngx_antenna_metrics_spools(ngx_conf_t *cf,
    ngx_antenna_submit_main_conf_t *amcf)
{
    ngx_uint_t             i;
    ngx_tecken_metric_t   *m;
    ngx_antenna_spool_t  **spool;

    spool = amcf->spools.elts;

    for (i = 0; i < amcf->spools.nelts; i++) {

        m = ngx_pcalloc(cf->pool, 3 * sizeof(ngx_tecken_metric_t));
        if (m == NULL) {
            return NGX_ERROR;
        }

        m[0].value = ngx_antenna_metrics_crashes;
        m[1].value = ngx_antenna_metrics_bytes;
        m[2].value = ngx_antenna_metrics_oldest;

        m[0].data = spool[i];
        m[1].data = spool[i];
        m[2].data = spool[i];

        if (ngx_antenna_metrics_tagged(cf, &m[0], NGX_TECKEN_METRIC_GAUGE,
                                       "antenna_spool_crashes",
                                       "Crashes in a spool", "", "spool",
                                       &spool[i]->path)
            != NGX_OK
            || ngx_antenna_metrics_tagged(cf, &m[1], NGX_TECKEN_METRIC_GAUGE,
                                          "antenna_spool_bytes",
                                          "Size of the crashes in a spool",
                                          "", "spool", &spool[i]->path)
               != NGX_OK
            || ngx_antenna_metrics_tagged(cf, &m[2], NGX_TECKEN_METRIC_GAUGE,
                                          "antenna_spool_oldest_seconds",
                                          "Age of the oldest crash in a "
                                          "spool", "", "spool",
                                          &spool[i]->path)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static uint64_t
ngx_antenna_metrics_crashes(ngx_tecken_metric_t *m)
{
    ngx_antenna_spool_t *spool = m->data;

    return spool->sh->crashes;
}


static uint64_t
ngx_antenna_metrics_bytes(ngx_tecken_metric_t *m)
{
    ngx_antenna_spool_t *spool = m->data;

    return spool->sh->bytes;
}


static uint64_t
ngx_antenna_metrics_oldest(ngx_tecken_metric_t *m)
{
    ngx_antenna_spool_t *spool = m->data;

    time_t  oldest;

    oldest = (time_t) spool->sh->oldest;

    return oldest ? (uint64_t) ngx_max(ngx_time() - oldest, 0) : 0;
}
