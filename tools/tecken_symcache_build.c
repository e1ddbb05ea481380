
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * From a .sym or .sym.gz to a symcache.  Text is read and built by one thread;
 * gzip is inflated by a second one, which hands its output over in a ring of
 * buffers.
 */


#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tk_inflate.h"
#include "tecken_symcache.h"


#define CHUNK         (256 * 1024)
#define RING          8
#define PROGRESS_NS   100000000


typedef struct {
    uint8_t              *data;
    size_t                len;
} buffer_t;


typedef struct {
    const char           *name;
    int                   fd;
    uint64_t              size;          /* of the input, 0: not known */
    uint64_t              done;
    size_t                nhead;         /* bytes read to look at them */
    uint8_t               head[2];

    struct timespec       start;
    struct timespec       shown;
    unsigned              progress:1;

    /* below: both threads */

    pthread_mutex_t       mutex;
    pthread_cond_t        more;
    pthread_cond_t        less;

    buffer_t              ring[RING];
    unsigned              first;
    unsigned              n;             /* full ones */

    unsigned              end:1;         /* nothing follows */
    unsigned              enough:1;      /* nothing more is wanted */
    unsigned              stop:1;        /* the outcome is known */

    int                   status;        /* of the inflating thread */
    char                  error[256];
} source_t;


static int build_text(source_t *s, tk_symcache_build_t *b);
static int build_gzip(source_t *s, tk_symcache_build_t *b);
static int build_ring(source_t *s, tk_symcache_build_t *b);
static void *inflate_thread(void *data);
static void inflate_all(source_t *s, tk_inflate_t *z, uint8_t *in,
    uint8_t *spare);
static void inflate_fail(source_t *s, int status, const char *text);
static buffer_t *ring_free(source_t *s, unsigned *stop);
static void ring_put(source_t *s);
static ssize_t source_read(source_t *s, uint8_t *data, size_t size);
static void source_progress(source_t *s, int last);
static int build_status(const char *name, tk_symcache_build_t *b);


int
tool_build(const char *in, int fd, const tool_options_t *options,
    tk_symcache_stat_t *stat)
{
    int                        rc;
    source_t                   s;
    struct stat                st;
    tk_symcache_build_t       *b;
    tk_symcache_build_conf_t   conf;

    memset(&s, 0, sizeof(s));
    memset(&conf, 0, sizeof(conf));

    s.name = in;
    s.fd = STDIN_FILENO;

    if (strcmp(in, "-") == 0) {
        s.name = "stdin";

    } else {
        s.fd = open(in, O_RDONLY|O_CLOEXEC);
        if (s.fd == -1) {
            return tool_error(TOOL_ERROR, "cannot open %s: %s", in,
                              strerror(errno));
        }
    }

    if (fstat(s.fd, &st) == 0 && S_ISREG(st.st_mode)) {
        s.size = (uint64_t) st.st_size;
        (void) posix_fadvise(s.fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    }

    s.progress = !options->quiet && isatty(STDERR_FILENO);
    clock_gettime(CLOCK_MONOTONIC, &s.start);
    s.shown = s.start;

    conf.fd = fd;
    conf.strict = options->strict;

    if (options->id) {
        conf.debug_id.data = (const uint8_t *) options->id;
        conf.debug_id.len = strlen(options->id);
    }

    b = tk_symcache_build_create(&conf);

    if (b == NULL) {
        rc = tool_error(TOOL_ERROR, "no memory");
        goto done;
    }

    while (s.nhead < sizeof(s.head)) {
        ssize_t  n;

        n = source_read(&s, s.head + s.nhead, sizeof(s.head) - s.nhead);

        if (n == -1) {
            rc = tool_error(TOOL_ERROR, "cannot read %s: %s", s.name,
                            strerror(errno));
            goto done;
        }

        if (n == 0) {
            break;
        }

        s.nhead += (size_t) n;
    }

    if (s.nhead == 2 && s.head[0] == 0x1f && s.head[1] == 0x8b) {
        rc = build_gzip(&s, b);

    } else {
        rc = build_text(&s, b);
    }

    if (rc == TOOL_OK && tk_symcache_build_finish(b, stat) != TK_SYM_OK) {
        rc = build_status(s.name, b);
    }

    source_progress(&s, 1);

done:

    tk_symcache_build_destroy(b);

    if (s.fd != STDIN_FILENO) {
        (void) close(s.fd);
    }

    return rc;
}


static int
build_text(source_t *s, tk_symcache_build_t *b)
{
    int           rc;
    ssize_t       n;
    uint8_t      *buf;
    tk_sym_rc_t   fed;

    buf = malloc(CHUNK);
    if (buf == NULL) {
        return tool_error(TOOL_ERROR, "no memory");
    }

    rc = TOOL_OK;
    fed = tk_symcache_build_feed(b, s->head, s->nhead);

    while (fed == TK_SYM_OK) {

        n = source_read(s, buf, CHUNK);

        if (n == -1) {
            rc = tool_error(TOOL_ERROR, "cannot read %s: %s", s->name,
                            strerror(errno));
            break;
        }

        if (n == 0) {
            break;
        }

        fed = tk_symcache_build_feed(b, buf, (size_t) n);
        source_progress(s, 0);
    }

    if (fed == TK_SYM_ERROR) {
        rc = build_status(s->name, b);
    }

    free(buf);

    return rc;
}


static int
build_gzip(source_t *s, tk_symcache_build_t *b)
{
    int        rc, err;
    unsigned   i;
    pthread_t  tid;

    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->more, NULL);
    pthread_cond_init(&s->less, NULL);

    for (i = 0; i < RING; i++) {
        s->ring[i].data = malloc(CHUNK);

        if (s->ring[i].data == NULL) {
            rc = tool_error(TOOL_ERROR, "no memory");
            goto done;
        }
    }

    err = pthread_create(&tid, NULL, inflate_thread, s);
    if (err) {
        rc = tool_error(TOOL_ERROR, "cannot start a thread: %s",
                        strerror(err));
        goto done;
    }

    rc = build_ring(s, b);

    pthread_join(tid, NULL);

    if (rc == TOOL_OK && s->status != TOOL_OK) {
        rc = tool_error(s->status, "%s", s->error);
    }

done:

    for (i = 0; i < RING; i++) {
        free(s->ring[i].data);
    }

    pthread_cond_destroy(&s->more);
    pthread_cond_destroy(&s->less);
    pthread_mutex_destroy(&s->mutex);

    return rc;
}


static int
build_ring(source_t *s, tk_symcache_build_t *b)
{
    int           rc;
    buffer_t     *buf;
    tk_sym_rc_t   fed;

    rc = TOOL_OK;
    fed = TK_SYM_OK;

    pthread_mutex_lock(&s->mutex);

    while (fed == TK_SYM_OK) {

        while (s->n == 0 && !s->end) {
            pthread_cond_wait(&s->more, &s->mutex);
        }

        if (s->n == 0) {
            break;
        }

        buf = &s->ring[s->first];

        pthread_mutex_unlock(&s->mutex);

        fed = tk_symcache_build_feed(b, buf->data, buf->len);
        source_progress(s, 0);

        pthread_mutex_lock(&s->mutex);

        s->first = (s->first + 1) % RING;
        s->n--;

        pthread_cond_signal(&s->less);
    }

    /* what follows is still inflated, for the CRC32 at its end */

    s->enough = 1;

    if (fed == TK_SYM_ERROR) {
        s->stop = 1;
        rc = build_status(s->name, b);
    }

    pthread_cond_signal(&s->less);
    pthread_mutex_unlock(&s->mutex);

    return rc;
}


static void *
inflate_thread(void *data)
{
    source_t *s = data;

    uint8_t       *in, *spare;
    tk_inflate_t  *z;

    z = tk_inflate_create(0);
    in = malloc(CHUNK);
    spare = malloc(CHUNK);

    if (z && in && spare) {
        inflate_all(s, z, in, spare);

    } else {
        inflate_fail(s, TOOL_ERROR, "no memory");
    }

    tk_inflate_destroy(z);
    free(in);
    free(spare);

    pthread_mutex_lock(&s->mutex);
    s->end = 1;
    pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->mutex);

    return NULL;
}


static void
inflate_all(source_t *s, tk_inflate_t *z, uint8_t *in, uint8_t *spare)
{
    int        rc;
    char       text[200];
    size_t     len, used, pos, room, given;
    ssize_t    n;
    unsigned   stop;
    buffer_t  *buf;

    memcpy(in, s->head, s->nhead);

    len = s->nhead;
    pos = 0;
    buf = NULL;

    for ( ;; ) {

        /* a buffer is handed over when it is full */

        if (buf == NULL) {
            buf = ring_free(s, &stop);

            if (stop) {
                return;
            }

            if (buf) {
                buf->len = 0;
            }
        }

        room = buf ? CHUNK - buf->len : CHUNK;

        rc = tk_inflate_feed(z, in + pos, len - pos, &used,
                             buf ? buf->data + buf->len : spare, room,
                             &given);
        pos += used;

        if (rc == TK_INFLATE_ERROR) {
            inflate_fail(s, tk_inflate_code(z) == TK_INFLATE_NO_MEMORY
                            ? TOOL_ERROR : TOOL_BAD, tk_inflate_error(z));
            return;
        }

        if (buf) {
            buf->len += given;
        }

        if (given == room) {
            if (buf) {
                ring_put(s);
                buf = NULL;
            }

            continue;
        }

        n = source_read(s, in, CHUNK);

        if (n == -1) {
            snprintf(text, sizeof(text), "cannot read: %s", strerror(errno));
            inflate_fail(s, TOOL_ERROR, text);
            return;
        }

        if (n == 0) {
            break;
        }

        len = (size_t) n;
        pos = 0;
    }

    if (rc != TK_INFLATE_END) {
        inflate_fail(s, TOOL_BAD, "gzip data ends too early");
        return;
    }

    if (buf && buf->len) {
        ring_put(s);
    }
}


static void
inflate_fail(source_t *s, int status, const char *text)
{
    s->status = status;
    snprintf(s->error, sizeof(s->error), "%s: %s", s->name, text);
}


/* NULL: output is not wanted any more */

static buffer_t *
ring_free(source_t *s, unsigned *stop)
{
    buffer_t  *buf;

    pthread_mutex_lock(&s->mutex);

    while (s->n == RING && !s->enough) {
        pthread_cond_wait(&s->less, &s->mutex);
    }

    buf = s->enough ? NULL : &s->ring[(s->first + s->n) % RING];
    *stop = s->stop;

    pthread_mutex_unlock(&s->mutex);

    return buf;
}


static void
ring_put(source_t *s)
{
    pthread_mutex_lock(&s->mutex);

    s->n++;

    pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->mutex);
}


static ssize_t
source_read(source_t *s, uint8_t *data, size_t size)
{
    ssize_t  n;

    do {
        n = read(s->fd, data, size);
    } while (n == -1 && errno == EINTR);

    if (n > 0) {
        __atomic_add_fetch(&s->done, (uint64_t) n, __ATOMIC_RELAXED);
    }

    return n;
}


static void
source_progress(source_t *s, int last)
{
    double           seconds, mb;
    uint64_t         done;
    struct timespec  now;

    if (!s->progress) {
        return;
    }

    if (last) {
        fprintf(stderr, "\r\033[K");
        return;
    }

    clock_gettime(CLOCK_MONOTONIC, &now);

    if ((now.tv_sec - s->shown.tv_sec) * 1000000000L
        + now.tv_nsec - s->shown.tv_nsec < PROGRESS_NS)
    {
        return;
    }

    s->shown = now;

    done = __atomic_load_n(&s->done, __ATOMIC_RELAXED);
    mb = (double) done / 1e6;
    seconds = (double) (now.tv_sec - s->start.tv_sec)
              + (double) (now.tv_nsec - s->start.tv_nsec) / 1e9;

    if (s->size) {
        fprintf(stderr, "\r%s: %3.0f %%, %.0f MB/s\033[K", s->name,
                100 * (double) done / (double) s->size, mb / seconds);

    } else {
        fprintf(stderr, "\r%s: %.0f MB, %.0f MB/s\033[K", s->name, mb,
                mb / seconds);
    }
}


static int
build_status(const char *name, tk_symcache_build_t *b)
{
    int  status;

    switch (tk_symcache_build_code(b)) {

    case TK_SYM_EMALFORMED:
    case TK_SYM_EID:
    case TK_SYM_ELIMIT:
        status = TOOL_BAD;
        break;

    case TK_SYM_EOUTPUT:
        return tool_error(TOOL_ERROR, "cannot write the symcache: %s",
                          strerror(tk_symcache_build_errno(b)));

    default:
        status = TOOL_ERROR;
    }

    return tool_error(status, "%s: %s", name, tk_symcache_build_error(b));
}
