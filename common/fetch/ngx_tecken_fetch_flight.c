
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_fetch.h>


/*
 * A fetch between its flight, which another worker may own, and the directory,
 * in which that one's symcache is found.
 */


/* an owner tells every second that it is alive */
#define NGX_TECKEN_FETCH_TIMEOUT  15000

/* builds that were deleted before they could be opened */
#define NGX_TECKEN_FETCH_TRIES    5


static void ngx_tecken_fetch_landed(ngx_tecken_fetch_t *f, ngx_uint_t value);
static void ngx_tecken_fetch_opened(ngx_tecken_symcache_op_t *op);
static void ngx_tecken_fetch_got(ngx_tecken_fetch_t *f, ngx_int_t rc);


/* NGX_OK: *value is known; NGX_DONE: f is the owner; or NGX_AGAIN */

ngx_int_t
ngx_tecken_fetch_join(ngx_tecken_fetch_t *f, ngx_uint_t *value)
{
    ngx_int_t  rc;

    f->state = NGX_TECKEN_FETCH_WAIT;

    rc = ngx_tecken_flight_join(f->main->cache, &f->flight,
                                NGX_TECKEN_FETCH_TIMEOUT, 0);

    *value = f->flight.value;

    return rc;
}


void
ngx_tecken_fetch_flown(ngx_tecken_flight_t *flight)
{
    ngx_tecken_fetch_t *f = flight->data;

    switch (flight->rc) {

    case NGX_OK:
        ngx_tecken_fetch_landed(f, flight->value);
        break;

    case NGX_DONE:

        /* the owner is gone */

        ngx_tecken_fetch_own(f);
        break;

    default: /* NGX_ERROR */
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "module \"%V\": waited too long for another worker",
                      &f->symbol);

        ngx_tecken_fetch_tell(f, NGX_TECKEN_FETCH_ERROR);
        break;
    }
}


static void
ngx_tecken_fetch_landed(ngx_tecken_fetch_t *f, ngx_uint_t value)
{
    ngx_int_t  rc;

    if (ngx_tecken_fetch_code(value) != NGX_TECKEN_FETCH_BUILT) {
        ngx_tecken_fetch_tell(f, value);
        return;
    }

    f->state = NGX_TECKEN_FETCH_OPEN;
    f->open.handler = ngx_tecken_fetch_opened;
    f->open.data = f;

    rc = ngx_tecken_symcache_open(f->conf->path, &f->key, &f->open,
                                  ngx_cycle->log);
    if (rc != NGX_AGAIN) {
        ngx_tecken_fetch_got(f, rc);
    }
}


static void
ngx_tecken_fetch_opened(ngx_tecken_symcache_op_t *op)
{
    ngx_tecken_fetch_got(op->data, op->rc);
}


static void
ngx_tecken_fetch_got(ngx_tecken_fetch_t *f, ngx_int_t rc)
{
    ngx_uint_t  value;

    if (rc == NGX_OK) {
        f->ref = f->open.ref;
        ngx_tecken_fetch_tell(f, NGX_TECKEN_FETCH_BUILT);
        return;
    }

    if (rc == NGX_ERROR) {
        ngx_tecken_fetch_tell(f, NGX_TECKEN_FETCH_ERROR);
        return;
    }

    /* evicted or invalidated already, or it could not be stored */

    if (++f->tries == NGX_TECKEN_FETCH_TRIES) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "module \"%V\": its symcache is gone each time it was "
                      "built, is the symcache directory too small?",
                      &f->symbol);

        ngx_tecken_fetch_tell(f, NGX_TECKEN_FETCH_ERROR);
        return;
    }

    rc = ngx_tecken_fetch_join(f, &value);

    if (rc == NGX_OK) {
        ngx_tecken_fetch_tell(f, value);

    } else if (rc == NGX_DONE) {
        ngx_tecken_fetch_own(f);
    }
}


void
ngx_tecken_fetch_free(ngx_tecken_fetch_t *f)
{
    ngx_queue_remove(&f->queue);

    if (f->tick.timer_set) {
        ngx_del_timer(&f->tick);
    }

    if (f->op) {
        ngx_tecken_store_op_destroy(f->op);
    }

    if (f->build) {
        ngx_tecken_symbuild_destroy(f->build);
    }

    ngx_tecken_symcache_cancel(&f->open);
    ngx_tecken_turn_leave(f->main->turns, &f->turn);
    ngx_tecken_flight_leave(f->main->cache, &f->flight);

    if (f->ref) {
        ngx_tecken_symcache_close(f->ref);
    }

    ngx_free(f);
}
