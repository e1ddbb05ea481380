
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_DOCKERFLOW_H_INCLUDED_
#define _NGX_TECKEN_DOCKERFLOW_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Dockerflow's endpoints: /__version__, /__heartbeat__, /__lbheartbeat__ and
 * /__broken__.  A heartbeat runs all registered checks at once and is
 * remembered for a second by each worker.
 */


typedef struct ngx_tecken_heartbeat_s  ngx_tecken_heartbeat_t;
typedef struct ngx_tecken_check_s      ngx_tecken_check_t;


struct ngx_tecken_check_s {
    ngx_str_t                name;      /* "storage:public" */

    /*
     * Starts the check.  NGX_OK or NGX_ERROR: it is over, check->error says
     * why; NGX_AGAIN: ngx_tecken_check_done() is called later, from the event
     * loop, or was called already.  It should have a deadline of its own:
     * after ten seconds it counts as failed, "timed out", and is not started
     * again before it is done.
     */
    ngx_int_t              (*start)(ngx_tecken_check_t *check);
    void                    *data;

    ngx_str_t                error;     /* good until the next start() */

    /* private */
    ngx_tecken_heartbeat_t  *heartbeat;
    uint64_t                 started;
    uint64_t                 usec;
    ngx_int_t                rc;

    unsigned                 busy:1;      /* started, not done yet */
    unsigned                 awaited:1;   /* by the run under way */
    unsigned                 late:1;      /* not done at the deadline */
};


ngx_tecken_heartbeat_t *ngx_tecken_heartbeat_create(ngx_conf_t *cf);

/* check, with its name, lives as long as the configuration */
ngx_int_t ngx_tecken_heartbeat_add(ngx_tecken_heartbeat_t *hb,
    ngx_tecken_check_t *check);

/* rc is NGX_OK or NGX_ERROR; harmless for a check that is not under way */
void ngx_tecken_check_done(ngx_tecken_check_t *check, ngx_int_t rc);


/*
 * Content handlers.  heartbeat answers 200 or 500 with JSON:
 * {"status": "ok"|"error", "checks": {"storage:public": {"status": "ok",
 * "latency_ms": 12}, ...}}, a failed check with an "error" text too.
 * version sends the file's bytes as application/json, 404 if it is not there.
 */
ngx_int_t ngx_tecken_dockerflow_heartbeat(ngx_http_request_t *r,
    ngx_tecken_heartbeat_t *hb);
ngx_int_t ngx_tecken_dockerflow_lbheartbeat(ngx_http_request_t *r);

/* path ends with a null, lives as long as r */
ngx_int_t ngx_tecken_dockerflow_version(ngx_http_request_t *r,
    ngx_str_t *path);

/* an [error] line and 500, on purpose: does somebody see it? */
ngx_int_t ngx_tecken_dockerflow_broken(ngx_http_request_t *r);


/* what the endpoints share */

/* GET or HEAD, without a body: NGX_OK, or a status */
ngx_int_t ngx_tecken_dockerflow_method(ngx_http_request_t *r);
ngx_int_t ngx_tecken_dockerflow_no_store(ngx_http_request_t *r);

/* the whole answer in one buffer, status and type are set */
ngx_int_t ngx_tecken_dockerflow_send(ngx_http_request_t *r, ngx_buf_t *b);


#endif /* _NGX_TECKEN_DOCKERFLOW_H_INCLUDED_ */
