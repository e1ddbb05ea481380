
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_transfer.h>


static int ngx_tecken_curl_socket(CURL *easy, curl_socket_t s, int what,
    void *data, void *sockdata);
static ngx_connection_t *ngx_tecken_curl_find(curl_socket_t s);
static ngx_connection_t *ngx_tecken_curl_add(curl_socket_t s);
static void ngx_tecken_curl_remove(CURL *easy, ngx_connection_t *c);
static ngx_int_t ngx_tecken_curl_watch(ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t wanted);
static void ngx_tecken_curl_forget(ngx_connection_t *c, ngx_uint_t flags);
static void ngx_tecken_curl_event(ngx_event_t *ev);
static int ngx_tecken_curl_timer(CURLM *multi, long timeout, void *data);
static void ngx_tecken_curl_timeout(ngx_event_t *ev);


/* of this process: libcurl's handles are no configuration */
ngx_tecken_curl_t  ngx_tecken_curl;

/* debug logs of timers look for the fd of a connection */
static ngx_connection_t  ngx_tecken_curl_dummy = { .fd = (ngx_socket_t) -1 };


ngx_int_t
ngx_tecken_curl_init_worker(ngx_cycle_t *cycle, ngx_uint_t connections)
{
    ngx_tecken_curl_t  *tc = &ngx_tecken_curl;

    /* clients need connections too */

    tc->connections = ngx_max(1, ngx_min(connections,
                                         cycle->connection_n / 2));

    tc->log = cycle->log;
    ngx_queue_init(&tc->waiting);
    ngx_queue_init(&tc->ready);
    ngx_queue_init(&tc->spare);

    if (ngx_tecken_curl_memory_init() != CURLE_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "curl_global_init() failed");
        return NGX_ERROR;
    }

    tc->multi = curl_multi_init();
    if (tc->multi == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "curl_multi_init() failed");
        return NGX_ERROR;
    }

    tc->timer.handler = ngx_tecken_curl_timeout;
    tc->timer.data = &ngx_tecken_curl_dummy;
    tc->timer.log = cycle->log;

    /* each transfer has a timer of its own that keeps a quitting worker */
    tc->timer.cancelable = 1;

    curl_multi_setopt(tc->multi, CURLMOPT_SOCKETFUNCTION,
                      ngx_tecken_curl_socket);
    curl_multi_setopt(tc->multi, CURLMOPT_TIMERFUNCTION,
                      ngx_tecken_curl_timer);

    /* a smaller pool than the load costs a connect for nearly each transfer */
    curl_multi_setopt(tc->multi, CURLMOPT_MAXCONNECTS, (long) tc->connections);

    return NGX_OK;
}


void
ngx_tecken_curl_exit_worker(ngx_cycle_t *cycle)
{
    ngx_tecken_curl_t  *tc = &ngx_tecken_curl;

    if (tc->multi == NULL) {
        return;
    }

    ngx_tecken_easy_exit();

    (void) curl_multi_cleanup(tc->multi);
    tc->multi = NULL;

    if (tc->timer.timer_set) {
        ngx_del_timer(&tc->timer);
    }

    if (tc->timer.posted) {
        ngx_delete_posted_event(&tc->timer);
    }

    if (tc->sockets) {
        ngx_free(tc->sockets);
        tc->sockets = NULL;
        tc->nsockets = 0;
    }

    curl_global_cleanup();
    ngx_tecken_curl_memory_done();
}


static int
ngx_tecken_curl_socket(CURL *easy, curl_socket_t s, int what, void *data,
    void *sockdata)
{
    ngx_uint_t         in, out;
    ngx_connection_t  *c;

    c = ngx_tecken_curl_find(s);

    if (what == CURL_POLL_REMOVE) {
        if (c) {
            ngx_tecken_curl_remove(easy, c);
        }

        return 0;
    }

    if (c == NULL) {
        c = ngx_tecken_curl_add(s);

        if (c == NULL) {

            /*
             * -1 would end all transfers, and libcurl 7.88 crashes after it;
             * this one, not watched, ends by its own timer
             */

            return 0;
        }
    }

    if (c->reusable) {
        ngx_reusable_connection(c, 0);
    }

    in = (what & CURL_POLL_IN) != 0;
    out = (what & CURL_POLL_OUT) != 0;

    /* what is added first makes of two changes one EPOLL_CTL_MOD */

    if (in) {
        (void) ngx_tecken_curl_watch(c->read, NGX_READ_EVENT, 1);
    }

    (void) ngx_tecken_curl_watch(c->write, NGX_WRITE_EVENT, out);

    if (!in) {
        (void) ngx_tecken_curl_watch(c->read, NGX_READ_EVENT, 0);
    }

    return 0;
}


static ngx_connection_t *
ngx_tecken_curl_find(curl_socket_t s)
{
    ngx_tecken_curl_t  *tc = &ngx_tecken_curl;

    return ((ngx_uint_t) s < tc->nsockets) ? tc->sockets[s] : NULL;
}


static ngx_connection_t *
ngx_tecken_curl_add(curl_socket_t s)
{
    ngx_tecken_curl_t *tc = &ngx_tecken_curl;

    ngx_uint_t          n;
    ngx_connection_t   *c, **sockets;

    if ((ngx_uint_t) s >= tc->nsockets) {
        n = 2 * ((ngx_uint_t) s + 1);

        sockets = ngx_calloc(n * sizeof(ngx_connection_t *), tc->log);
        if (sockets == NULL) {
            return NULL;
        }

        if (tc->sockets) {
            ngx_memcpy(sockets, tc->sockets,
                       tc->nsockets * sizeof(ngx_connection_t *));
            ngx_free(tc->sockets);
        }

        tc->sockets = sockets;
        tc->nsockets = n;
    }

    c = ngx_get_connection(s, tc->log);
    if (c == NULL) {
        return NULL;
    }

    c->log = tc->log;
    c->read->log = tc->log;
    c->write->log = tc->log;
    c->read->handler = ngx_tecken_curl_event;
    c->write->handler = ngx_tecken_curl_event;

    tc->sockets[s] = c;

    return c;
}


/*
 * A connection that may serve another transfer stays registered.  It is idle
 * then, and reusable to nginx: an event on it, or a lack of connections, makes
 * nginx forget it, while libcurl finds out for itself what its socket is still
 * good for.
 */

static void
ngx_tecken_curl_remove(CURL *easy, ngx_connection_t *c)
{
    char                   *data;
    ngx_tecken_transfer_t  *t;

    data = NULL;
    (void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, &data);

    t = data ? ((ngx_tecken_easy_t *) data)->transfer : NULL;

    /*
     * libcurl 7.88.0 to 8.1.2 closes the socket of a transfer that is
     * cancelled while it connects before it tells so, and without
     * ngx_tecken_curl_close(); once there was an answer, it does not
     */

    if (t == NULL || !t->answered || t->paused
        || !c->read->active || c->write->active
        || ngx_cycle->free_connection_n < ngx_cycle->connection_n / 16)
    {
        ngx_tecken_curl_forget(c, fcntl(c->fd, F_GETFD) == -1
                                  ? NGX_CLOSE_EVENT : 0);
        return;
    }

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    ngx_reusable_connection(c, 1);
}


int
ngx_tecken_curl_close(void *data, curl_socket_t s)
{
    ngx_connection_t  *c;

    c = ngx_tecken_curl_find(s);

    if (c) {
        ngx_tecken_curl_forget(c, NGX_CLOSE_EVENT);
    }

    return ngx_close_socket(s);
}


static ngx_int_t
ngx_tecken_curl_watch(ngx_event_t *ev, ngx_int_t event, ngx_uint_t wanted)
{
    if (wanted == ev->active) {
        return NGX_OK;
    }

    /* level: libcurl does not read until EAGAIN */

    if (wanted) {
        return ngx_add_event(ev, event, NGX_LEVEL_EVENT);
    }

    return ngx_del_event(ev, event, 0);
}


static void
ngx_tecken_curl_forget(ngx_connection_t *c, ngx_uint_t flags)
{
    if (c->read->active) {
        (void) ngx_del_event(c->read, NGX_READ_EVENT, flags);
    }

    if (c->write->active) {
        (void) ngx_del_event(c->write, NGX_WRITE_EVENT, flags);
    }

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    ngx_reusable_connection(c, 0);

    ngx_tecken_curl.sockets[c->fd] = NULL;

    /* the socket is libcurl's: it is not closed here */

    ngx_free_connection(c);
    c->fd = (ngx_socket_t) -1;
}


static void
ngx_tecken_curl_event(ngx_event_t *ev)
{
    int                running;
    ngx_connection_t  *c;

    c = ev->data;

    if (c->reusable) {
        ngx_tecken_curl_forget(c, 0);
        return;
    }

    (void) curl_multi_socket_action(ngx_tecken_curl.multi, c->fd,
                                    ev->write ? CURL_CSELECT_OUT
                                              : CURL_CSELECT_IN,
                                    &running);

    ngx_tecken_curl_drain();
}


static int
ngx_tecken_curl_timer(CURLM *multi, long timeout, void *data)
{
    ngx_event_t  *ev;

    ev = &ngx_tecken_curl.timer;

    /* ngx_add_timer() ignores changes below NGX_TIMER_LAZY_DELAY */

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    if (timeout < 0) {
        if (ev->posted) {
            ngx_delete_posted_event(ev);
        }

    } else if (timeout == 0) {

        /*
         * A transfer that always has more to read says so each time: what is
         * posted from the handler waits, or the loop would see nothing else
         */

        ngx_post_event(ev, ngx_tecken_curl.running ? &ngx_posted_next_events
                                                   : &ngx_posted_events);

    } else {
        ngx_add_timer(ev, (ngx_msec_t) timeout);
    }

    return 0;
}


static void
ngx_tecken_curl_timeout(ngx_event_t *ev)
{
    int  running;

    ngx_tecken_curl.running = 1;

    (void) curl_multi_socket_action(ngx_tecken_curl.multi,
                                    CURL_SOCKET_TIMEOUT, 0, &running);

    ngx_tecken_curl_drain();

    ngx_tecken_curl.running = 0;
}


void
ngx_tecken_curl_drain(void)
{
    int                     left;
    char                   *data;
    CURLMsg                *msg;
    CURLcode                code;

    while ((msg = curl_multi_info_read(ngx_tecken_curl.multi, &left))) {

        if (msg->msg != CURLMSG_DONE) {
            continue;
        }

        /* msg is gone with its handle */

        code = msg->data.result;

        if (curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &data)
            != CURLE_OK)
        {
            continue;
        }

        ngx_tecken_transfer_finish(((ngx_tecken_easy_t *) data)->transfer,
                                   code);
    }

    ngx_tecken_transfer_next();
}
