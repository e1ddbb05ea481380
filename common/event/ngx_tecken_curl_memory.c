
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_transfer.h>


/*
 * A transfer takes some forty pieces of memory from 16 bytes to 2 KB and gives
 * them back, the next one wants the same sizes.  What libcurl frees waits for
 * it here, a list for each size.
 *
 * Each piece is malloc()'s own, at least as large as its list says.  So it
 * does not matter where one comes from: libcurl has some that are older than
 * these functions, some that it frees after the end of a worker, and there may
 * be threads of others, for whom these are just malloc() and free().
 */


#if (NGX_LINUX && !NGX_DEBUG_PALLOC)

#define NGX_TECKEN_CURL_STEP   16
#define NGX_TECKEN_CURL_LISTS  (4096 / NGX_TECKEN_CURL_STEP)
#define NGX_TECKEN_CURL_KEPT   (1024 * 1024)


typedef struct ngx_tecken_curl_piece_s  ngx_tecken_curl_piece_t;

struct ngx_tecken_curl_piece_s {
    ngx_tecken_curl_piece_t   *next;
};


typedef struct {
    pthread_t                  owner;
    ngx_uint_t                 active;
    size_t                     kept;             /* in all lists */
    ngx_tecken_curl_piece_t   *lists[NGX_TECKEN_CURL_LISTS + 1];
} ngx_tecken_curl_memory_t;


static void *ngx_tecken_curl_malloc(size_t size);
static void *ngx_tecken_curl_calloc(size_t n, size_t size);
static void *ngx_tecken_curl_realloc(void *p, size_t size);
static char *ngx_tecken_curl_strdup(const char *s);
static void ngx_tecken_curl_free(void *p);


static ngx_tecken_curl_memory_t  ngx_tecken_curl_memory;


#define ngx_tecken_curl_mine(m)                                               \
    ((m)->active && pthread_equal(pthread_self(), (m)->owner))


/* another module that was first keeps what it has chosen */

CURLcode
ngx_tecken_curl_memory_init(void)
{
    ngx_tecken_curl_memory.owner = pthread_self();
    ngx_tecken_curl_memory.active = 1;

    return curl_global_init_mem(CURL_GLOBAL_DEFAULT, ngx_tecken_curl_malloc,
                                ngx_tecken_curl_free, ngx_tecken_curl_realloc,
                                ngx_tecken_curl_strdup,
                                ngx_tecken_curl_calloc);
}


void
ngx_tecken_curl_memory_done(void)
{
    ngx_uint_t                 i;
    ngx_tecken_curl_piece_t   *piece;
    ngx_tecken_curl_memory_t  *m;

    m = &ngx_tecken_curl_memory;

    m->active = 0;
    m->kept = 0;

    for (i = 0; i <= NGX_TECKEN_CURL_LISTS; i++) {

        while (m->lists[i]) {
            piece = m->lists[i];
            m->lists[i] = piece->next;
            free(piece);
        }
    }
}


static void *
ngx_tecken_curl_malloc(size_t size)
{
    ngx_uint_t                 i;
    ngx_tecken_curl_piece_t   *piece;
    ngx_tecken_curl_memory_t  *m;

    m = &ngx_tecken_curl_memory;

    if (size > NGX_TECKEN_CURL_LISTS * NGX_TECKEN_CURL_STEP) {
        return malloc(size);
    }

    i = (size + NGX_TECKEN_CURL_STEP - 1) / NGX_TECKEN_CURL_STEP;

    if (ngx_tecken_curl_mine(m) && m->lists[i]) {
        piece = m->lists[i];

        m->lists[i] = piece->next;
        m->kept -= i * NGX_TECKEN_CURL_STEP;

        return piece;
    }

    /* so that it gets to the same list */

    return malloc(ngx_max(i, 1) * NGX_TECKEN_CURL_STEP);
}


static void *
ngx_tecken_curl_calloc(size_t n, size_t size)
{
    void  *p;

    if (n && size > NGX_TECKEN_CURL_LISTS * NGX_TECKEN_CURL_STEP / n) {
        return calloc(n, size);
    }

    p = ngx_tecken_curl_malloc(n * size);

    if (p) {
        ngx_memzero(p, n * size);
    }

    return p;
}


static void *
ngx_tecken_curl_realloc(void *p, size_t size)
{
    void    *new;
    size_t   room;

    if (p == NULL) {
        return ngx_tecken_curl_malloc(size);
    }

    if (size > NGX_TECKEN_CURL_LISTS * NGX_TECKEN_CURL_STEP) {
        return realloc(p, size);
    }

    room = malloc_usable_size(p);

    if (size <= room) {
        return p;
    }

    new = ngx_tecken_curl_malloc(size);

    if (new) {
        ngx_memcpy(new, p, room);
        ngx_tecken_curl_free(p);
    }

    return new;
}


static char *
ngx_tecken_curl_strdup(const char *s)
{
    char    *p;
    size_t   size;

    size = ngx_strlen(s) + 1;

    p = ngx_tecken_curl_malloc(size);

    if (p) {
        ngx_memcpy(p, s, size);
    }

    return p;
}


static void
ngx_tecken_curl_free(void *p)
{
    ngx_uint_t                 i;
    ngx_tecken_curl_piece_t   *piece;
    ngx_tecken_curl_memory_t  *m;

    if (p == NULL) {
        return;
    }

    m = &ngx_tecken_curl_memory;

    i = malloc_usable_size(p) / NGX_TECKEN_CURL_STEP;

    if (!ngx_tecken_curl_mine(m)
        || i == 0 || i > NGX_TECKEN_CURL_LISTS
        || m->kept >= NGX_TECKEN_CURL_KEPT)
    {
        free(p);
        return;
    }

    piece = p;

    piece->next = m->lists[i];
    m->lists[i] = piece;
    m->kept += i * NGX_TECKEN_CURL_STEP;
}

#else

/* sanitizers see the ends of pieces, and who uses what is freed */

CURLcode
ngx_tecken_curl_memory_init(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT);
}


void
ngx_tecken_curl_memory_done(void)
{
    /* void */
}

#endif
