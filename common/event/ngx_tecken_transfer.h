
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_TRANSFER_H_INCLUDED_
#define _NGX_TECKEN_TRANSFER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <curl/curl.h>


/*
 * One HTTP exchange by libcurl, driven by nginx's event loop.  Redirects are
 * not followed, bodies are not decoded, no name is resolved here: the URL's
 * host is numeric, or connect_to says where it is.
 */


typedef struct ngx_tecken_easy_s      ngx_tecken_easy_t;
typedef struct ngx_tecken_transfer_s  ngx_tecken_transfer_t;

typedef void (*ngx_tecken_transfer_handler_pt)(ngx_tecken_transfer_t *t);


/*
 * Transfers to one server: they never take all places, so that a server that
 * stalls leaves some for those to others.  One for each, all zero at first.
 * They have the same url, ca_file and connect_timeout.
 */

typedef struct {
    ngx_queue_t                      queue;        /* when some wait */
    ngx_queue_t                      waiting;      /* transfers */
    ngx_uint_t                       nwaiting;
    ngx_uint_t                       nactive;
    ngx_queue_t                      ready;        /* handles of HEADs */
    ngx_uint_t                       nready;
} ngx_tecken_transfer_share_t;


struct ngx_tecken_transfer_s {

    /* set by the caller before the start, kept by it until the end */

    const char                      *method;
    const char                      *url;
    CURLU                           *parsed;       /* url, or NULL */
    const char                      *target;       /* path and query, sent as
                                                      they are; NULL: url's */
    struct curl_slist               *headers;      /* freed by the transfer */
    struct curl_slist               *connect_to;   /* NULL: numeric host */
    const char                      *ca_file;      /* NULL: system's */
    ngx_tecken_transfer_share_t     *share;
    off_t                            upload;       /* body size, -1: none */
    unsigned                         fresh:1;      /* no connection that was
                                                      used before */

    ngx_msec_t                       connect_timeout;
    ngx_msec_t                       timeout;      /* of it all, its wait for
                                                      a place too; 0: none */
    ngx_msec_t                       idle_timeout; /* between two bytes, when
                                                      timeout is 0 */

    /*
     * Called by libcurl: they may not start, cancel or end a transfer.
     *
     * header: NGX_OK or NGX_ERROR.  body: NGX_OK; NGX_AGAIN, which has taken
     * the bytes and wants no more before ngx_tecken_transfer_resume(); or
     * NGX_ERROR.  read gives bytes to upload: their number, NGX_AGAIN or
     * NGX_ERROR.
     */
    ngx_int_t                      (*header)(ngx_tecken_transfer_t *t,
                                             ngx_str_t *name,
                                             ngx_str_t *value);
    ngx_int_t                      (*body)(ngx_tecken_transfer_t *t,
                                           u_char *data, size_t len);
    ssize_t                        (*read)(ngx_tecken_transfer_t *t,
                                           u_char *buf, size_t size);

    /* the end, from the event loop; never called from the start */
    ngx_tecken_transfer_handler_pt   done;
    void                            *data;
    ngx_log_t                       *log;

    /* the result */

    ngx_int_t                        rc;           /* NGX_OK: an answer came
                                                      whole; NGX_BUSY: not
                                                      tried; or NGX_ERROR */
    ngx_uint_t                       status;       /* 0: no answer */
    unsigned                         timed_out:1;
    unsigned                         sent:1;       /* the body was begun */

    /* private */

    ngx_tecken_easy_t               *easy;
    ngx_queue_t                      queue;
    ngx_event_t                      timer;
    ngx_event_t                      resumer;
    size_t                           header_size;
    unsigned                         answered:1;   /* its header is whole */
    unsigned                         progress:1;
    unsigned                         paused:1;
    unsigned                         waiting:1;    /* in the queue */
    unsigned                         active:1;     /* in the multi */
    unsigned                         whole:1;      /* rc is NGX_OK */

    char                             error[CURL_ERROR_SIZE];
};


ngx_int_t ngx_tecken_curl_init_worker(ngx_cycle_t *cycle,
    ngx_uint_t connections);
void ngx_tecken_curl_exit_worker(ngx_cycle_t *cycle);

/* curl_global_init() and what is left after curl_global_cleanup() */
CURLcode ngx_tecken_curl_memory_init(void);
void ngx_tecken_curl_memory_done(void);

/*
 * NGX_OK: t->done is called once, later, unless cancelled.  NGX_BUSY: nginx
 * runs out of connections, or too many transfers wait.  NGX_ERROR: out of
 * memory.  t must be zeroed but for what the caller sets; after NGX_OK its
 * memory must last until done or cancel.
 */
ngx_int_t ngx_tecken_transfer_start(ngx_tecken_transfer_t *t);

/* after NGX_AGAIN from body or read; takes effect in the next event */
void ngx_tecken_transfer_resume(ngx_tecken_transfer_t *t);

/* safe at any time but in header, body and read; done is not called */
void ngx_tecken_transfer_cancel(ngx_tecken_transfer_t *t);


/* an easy handle of libcurl, ngx_tecken_easy.c */

struct ngx_tecken_easy_s {
    CURL                            *curl;
    ngx_tecken_transfer_t           *transfer;     /* NULL: none */
    ngx_tecken_transfer_share_t     *share;        /* it is ready for */
    ngx_queue_t                      queue;        /* of share or spare */
    ngx_queue_t                      all;          /* that are ready */
    ngx_uint_t                       requests;     /* libcurl repeats some */
    unsigned                         prepared:1;
    unsigned                         once:1;       /* not as the next one */
    char                             error[CURL_ERROR_SIZE];
};


/* t->easy, told all about t; NGX_OK or NGX_ERROR */
ngx_int_t ngx_tecken_easy_get(ngx_tecken_transfer_t *t);
void ngx_tecken_easy_put(ngx_tecken_transfer_t *t);
void ngx_tecken_easy_exit(void);


/* the adapter below the transfers, ngx_tecken_curl.c */

typedef struct {
    CURLM                           *multi;
    ngx_event_t                      timer;
    ngx_log_t                       *log;
    ngx_uint_t                       running;      /* the timer's handler */

    ngx_queue_t                      waiting;      /* shares, in turn */
    ngx_uint_t                       nactive;
    ngx_uint_t                       connections;

    ngx_uint_t                       neasy;
    ngx_queue_t                      ready;        /* easy handles, those used
                                                      last first */
    ngx_queue_t                      spare;        /* easy handles, reset */
    time_t                           pruned;       /* libcurl's addresses */

    ngx_connection_t               **sockets;      /* by number, NULL where
                                                      none is registered */
    ngx_uint_t                       nsockets;
} ngx_tecken_curl_t;


extern ngx_tecken_curl_t  ngx_tecken_curl;


/* gives the results of finished transfers out, transfer_finish() does one */
void ngx_tecken_curl_drain(void);
void ngx_tecken_transfer_finish(ngx_tecken_transfer_t *t, CURLcode code);
void ngx_tecken_transfer_next(void);

/* CURLOPT_CLOSESOCKETFUNCTION */
int ngx_tecken_curl_close(void *data, curl_socket_t s);


#endif /* _NGX_TECKEN_TRANSFER_H_INCLUDED_ */
