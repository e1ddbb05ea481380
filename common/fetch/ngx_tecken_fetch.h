
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_FETCH_H_INCLUDED_
#define _NGX_TECKEN_FETCH_H_INCLUDED_


/* what the common module calls, and what the files of this room share */


#include <ngx_tecken_module.h>
#include <ngx_tecken_symbuild.h>
#include <ngx_tecken_turns.h>
#include <ngx_tecken_metrics.h>


/* of fetches by key, a power of two */
#define NGX_TECKEN_FETCH_BUCKETS  256


/*
 * What a flight tells those that wait: one of these, and the source, if any,
 * plus one, from bit 3.  The first two are remembered.
 */

#define NGX_TECKEN_FETCH_MISSING  0
#define NGX_TECKEN_FETCH_BAD      1
#define NGX_TECKEN_FETCH_BUILT    2
#define NGX_TECKEN_FETCH_FAILED   3        /* the source */
#define NGX_TECKEN_FETCH_BUSY     4
#define NGX_TECKEN_FETCH_ERROR    5

#define ngx_tecken_fetch_code(value)    ((value) & 7)
#define ngx_tecken_fetch_source(value)  ((value) >> 3)


/* of a storage: times of downloads by result */

typedef struct {
    ngx_tecken_metric_t            found;
    ngx_tecken_metric_t            missing;
    ngx_tecken_metric_t            failed;
    ngx_tecken_metric_t            bytes;
} ngx_tecken_fetch_source_metrics_t;


typedef struct {
    ngx_tecken_metric_t            built;
    ngx_tecken_metric_t            missing;
    ngx_tecken_metric_t            bad;
    ngx_tecken_metric_t            other_id;
    ngx_tecken_metric_t            too_large;
    ngx_tecken_metric_t            source_failed;
    ngx_tecken_metric_t            busy;
    ngx_tecken_metric_t            failed;

    ngx_tecken_metric_t            text;         /* bytes */
    ngx_tecken_metric_t            inflate;      /* CPU time */
    ngx_tecken_metric_t            parse;
    ngx_tecken_metric_t            time;

    ngx_tecken_metric_t            running;
    ngx_tecken_metric_t            waiting;

    ngx_tecken_fetch_source_metrics_t  *sources;      /* by storage->index */
} ngx_tecken_fetch_metrics_t;


/* one for each process */

struct ngx_tecken_fetch_main_s {
    /* set by the common module before init() */
    ngx_tecken_cache_t            *cache;
    ngx_tecken_turns_t            *turns;
    ngx_thread_pool_t             *thread_pool;
    ngx_thread_pool_t             *io_thread_pool;
    ngx_array_t                   *storages;     /* ngx_tecken_storage_t * */

    ngx_array_t                    confs;        /* ngx_tecken_module_conf_t
                                                    pointers */
    ngx_tecken_fetch_metrics_t     metrics;

    /* of a worker */
    ngx_queue_t                    fetches[NGX_TECKEN_FETCH_BUCKETS];
    ngx_queue_t                    ready;        /* modules with a result */
    ngx_event_t                    wake;
    ngx_connection_t               dummy;
};


typedef enum {
    NGX_TECKEN_FETCH_WAIT = 0,                   /* another worker has it */
    NGX_TECKEN_FETCH_OPEN,                       /* perhaps it is there */
    NGX_TECKEN_FETCH_HEAD,                       /* who has it? */
    NGX_TECKEN_FETCH_TURN,
    NGX_TECKEN_FETCH_GET,
    NGX_TECKEN_FETCH_BUILD                       /* all bytes are here */
} ngx_tecken_fetch_state_e;


/*
 * A module that is being fetched for all of this worker, by this worker or by
 * another: no request's, it goes on when all that wait have left.
 */

struct ngx_tecken_fetch_s {
    ngx_queue_t                    queue;
    ngx_queue_t                    modules;      /* that wait */

    ngx_tecken_fetch_main_t       *main;
    ngx_tecken_module_conf_t      *conf;
    ngx_tecken_symcache_key_t      key;

    ngx_tecken_fetch_state_e       state;
    ngx_tecken_flight_t            flight;
    ngx_tecken_turn_t              turn;
    ngx_tecken_symcache_op_t       open;
    ngx_tecken_symcache_ref_t     *ref;
    ngx_uint_t                     tries;

    ngx_uint_t                     source;       /* in conf->sources */
    ngx_tecken_store_op_t         *op;
    ngx_tecken_symbuild_t         *build;
    ngx_event_t                    tick;

    ngx_tecken_storage_t          *storage;      /* that had it or failed */
    ngx_tecken_module_stat_t       stat;

    uint64_t                       started;
    uint64_t                       asked;        /* the source */
    off_t                          fed;
    off_t                          tick_fed;     /* at the last tick,
                                                    or -1 */
    off_t                          window_fed;   /* when the window began */
    ngx_msec_t                     window;
    ngx_msec_t                     exiting;      /* for so long */

    unsigned                       owner:1;
    unsigned                       failed:1;     /* some source */
    unsigned                       bad:1;        /* some .sym */
    unsigned                       paused:1;     /* by the build */
    unsigned                       drain:1;      /* the rest of the body */
    unsigned                       too_large:1;

    ngx_str_t                      debug_id;     /* upper case, in path */
    ngx_str_t                      symbol;       /* "<debug file>/<ID>" */
    ngx_str_t                      path;         /* symbol, "/<file>.sym" */
    u_char                         data[1];
};


/* ngx_tecken_fetch.c: the owner's work; own(), go(), land() may free f */

void ngx_tecken_fetch_own(ngx_tecken_fetch_t *f);

/*
 * Goes on until something is to be waited for.  NGX_OK: f->source is to be
 * asked; NGX_DECLINED: the one after it; NGX_BUSY, NGX_ERROR: this is the end.
 */
void ngx_tecken_fetch_go(ngx_tecken_fetch_t *f, ngx_int_t rc);

/* f->source has it, its turn is awaited: as go() wants it, or NGX_AGAIN */
ngx_int_t ngx_tecken_fetch_take(ngx_tecken_fetch_t *f);

void ngx_tecken_fetch_land(ngx_tecken_fetch_t *f, ngx_uint_t code,
    ngx_tecken_metric_t *metric);

/* of a request that waits for it, if any */
ngx_log_t *ngx_tecken_fetch_log(ngx_tecken_fetch_t *f);

/* ngx_tecken_fetch_source.c: f->source; as go() wants it, or NGX_AGAIN */
ngx_int_t ngx_tecken_fetch_ask(ngx_tecken_fetch_t *f);

/* ends what is under way there; the next one is to be asked */
void ngx_tecken_fetch_source_failed(ngx_tecken_fetch_t *f,
    ngx_uint_t attempts, ngx_str_t *error);

#define ngx_tecken_fetch_storage(f)                                           \
    (((ngx_tecken_storage_t **) (f)->conf->sources->elts)[(f)->source])

/*
 * ngx_tecken_fetch_flight.c: NGX_OK: *value is known; NGX_DONE: f is the
 * owner; or NGX_AGAIN.
 */
ngx_int_t ngx_tecken_fetch_join(ngx_tecken_fetch_t *f, ngx_uint_t *value);

/* the flight's handler */
void ngx_tecken_fetch_flown(ngx_tecken_flight_t *flight);

/* ends whatever is under way; nobody waits for f */
void ngx_tecken_fetch_free(ngx_tecken_fetch_t *f);

/* ngx_tecken_module.c: the result for all that wait; frees f */
void ngx_tecken_fetch_tell(ngx_tecken_fetch_t *f, ngx_uint_t value);

/* gives results out */
void ngx_tecken_fetch_wake(ngx_event_t *ev);

/* ngx_tecken_fetch_metrics.c */
ngx_int_t ngx_tecken_fetch_add_metrics(ngx_conf_t *cf,
    ngx_tecken_fetch_main_t *main, ngx_tecken_metrics_t *metrics);


/* the common module's calls */

ngx_tecken_fetch_main_t *ngx_tecken_fetch_create(ngx_conf_t *cf);

/* in a merge: conf says path and sources, the rest is done in init() */
ngx_int_t ngx_tecken_fetch_add(ngx_tecken_fetch_main_t *main,
    ngx_tecken_module_conf_t *conf);

/* in postconfiguration, when storages and pools are known */
ngx_int_t ngx_tecken_fetch_init(ngx_conf_t *cf, ngx_tecken_fetch_main_t *main,
    ngx_tecken_metrics_t *metrics);

void ngx_tecken_fetch_init_worker(ngx_tecken_fetch_main_t *main,
    ngx_cycle_t *cycle);
void ngx_tecken_fetch_exit_worker(ngx_tecken_fetch_main_t *main);


#endif /* _NGX_TECKEN_FETCH_H_INCLUDED_ */
