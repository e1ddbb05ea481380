
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_fetch.h>

#include <ngx_md5.h>


ngx_tecken_fetch_main_t *
ngx_tecken_fetch_create(ngx_conf_t *cf)
{
    ngx_tecken_fetch_main_t  *main;

    main = ngx_pcalloc(cf->pool, sizeof(ngx_tecken_fetch_main_t));
    if (main == NULL) {
        return NULL;
    }

    if (ngx_array_init(&main->confs, cf->pool, 4,
                       sizeof(ngx_tecken_module_conf_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return main;
}


ngx_int_t
ngx_tecken_fetch_add(ngx_tecken_fetch_main_t *main,
    ngx_tecken_module_conf_t *conf)
{
    ngx_tecken_module_conf_t  **p;

    p = ngx_array_push(&main->confs);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *p = conf;
    conf->main = main;

    return NGX_OK;
}


ngx_int_t
ngx_tecken_fetch_init(ngx_conf_t *cf, ngx_tecken_fetch_main_t *main,
    ngx_tecken_metrics_t *metrics)
{
    u_char                      strict;
    ngx_md5_t                   md5;
    ngx_uint_t                  i, j, n;
    ngx_tecken_storage_t      **st;
    ngx_tecken_module_conf_t  **conf;

    conf = main->confs.elts;
    n = 0;

    for (i = 0; i < main->confs.nelts; i++) {

        /* the order of sources matters, too */

        ngx_md5_init(&md5);

        st = conf[i]->sources->elts;

        for (j = 0; j < conf[i]->sources->nelts; j++) {
            ngx_md5_update(&md5, st[j]->id, sizeof(st[j]->id));
        }

        strict = conf[i]->strict ? 1 : 0;
        ngx_md5_update(&md5, &strict, 1);

        ngx_md5_final((u_char *) conf[i]->id, &md5);

        ngx_md5_init(&md5);
        ngx_md5_update(&md5, conf[i]->id, sizeof(conf[i]->id));
        ngx_md5_update(&md5, &conf[i]->max_symbols, sizeof(off_t));
        ngx_md5_final((u_char *) conf[i]->flight, &md5);

        /* one for each is enough to delete what they have */

        for (j = 0; j < n; j++) {
            if (conf[j]->path == conf[i]->path
                && conf[j]->flight[0] == conf[i]->flight[0]
                && conf[j]->flight[1] == conf[i]->flight[1])
            {
                break;
            }
        }

        if (j == n) {
            conf[n++] = conf[i];
        }
    }

    main->confs.nelts = n;

    return ngx_tecken_fetch_add_metrics(cf, main, metrics);
}


void
ngx_tecken_fetch_init_worker(ngx_tecken_fetch_main_t *main,
    ngx_cycle_t *cycle)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_TECKEN_FETCH_BUCKETS; i++) {
        ngx_queue_init(&main->fetches[i]);
    }

    ngx_queue_init(&main->ready);

    /* debug logs of events look for the fd of a connection */

    main->dummy.fd = (ngx_socket_t) -1;
    main->dummy.data = main;

    main->wake.data = &main->dummy;
    main->wake.handler = ngx_tecken_fetch_wake;
    main->wake.log = cycle->log;
}


void
ngx_tecken_fetch_exit_worker(ngx_tecken_fetch_main_t *main)
{
    ngx_uint_t           i;
    ngx_queue_t         *q, *bucket;
    ngx_tecken_fetch_t  *f;

    ngx_tecken_symbuild_exit_worker();

    for (i = 0; i < NGX_TECKEN_FETCH_BUCKETS; i++) {

        bucket = &main->fetches[i];
        q = ngx_queue_head(bucket);

        while (q != ngx_queue_sentinel(bucket)) {
            f = ngx_queue_data(q, ngx_tecken_fetch_t, queue);
            q = ngx_queue_next(q);

            /* what waits for it is a request that has ended without it */

            ngx_tecken_fetch_free(f);
        }
    }
}
