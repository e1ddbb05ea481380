
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * The plainest way to bring a spool's crashes to S3: threads with a libcurl
 * handle each, a PUT for each object.
 *
 *     putbench PORT BUCKET THREADS < LIST
 *
 * A line of LIST is "FILE OFFSET LENGTH SHA256 KEY", a blank line ends a
 * crash.  A thread takes one crash after the other and puts its objects in
 * their order, in memory by then, signed by ACCESS_KEY and SECRET_KEY of the
 * environment.  Prints "crashes=N objects=N usec=N".
 */


#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tk_sigv4.h"


#define LINE         1024
#define HOST         64
#define MAX_THREADS  256


typedef struct {
    char              file[LINE];
    char              key[LINE];
    char              sha256[TK_SIGV4_HASH_LEN + 1];
    off_t             offset;
    size_t            length;
    unsigned          last:1;          /* of its crash */
} object_t;


typedef struct {
    CURL             *curl;
    uint8_t          *data;            /* of an object */
    size_t            allocated;
    size_t            length;
    size_t            pos;
    tk_sigv4_key_t    key;
} putter_t;


static char              host[HOST];
static const char       *bucket;
static tk_credentials_t  credentials;

static object_t         *objects;
static size_t            nobjects;
static size_t            next_object;
static pthread_mutex_t   mutex = PTHREAD_MUTEX_INITIALIZER;


static void
fail(const char *what, const char *why)
{
    fprintf(stderr, "putbench: %s: %s\n", what, why);
    exit(1);
}


static tk_str_t
str(const char *s)
{
    tk_str_t  t;

    t.data = (const uint8_t *) s;
    t.len = strlen(s);

    return t;
}


static void
read_list(void)
{
    char       line[2 * LINE];
    object_t  *o;

    while (fgets(line, sizeof(line), stdin)) {

        if (line[0] == '\n') {
            if (nobjects) {
                objects[nobjects - 1].last = 1;
            }

            continue;
        }

        /* a power of two of them is allocated */

        if ((nobjects & (nobjects - 1)) == 0) {
            objects = realloc(objects, (nobjects ? nobjects * 2 : 1)
                                       * sizeof(object_t));
            if (objects == NULL) {
                fail("realloc()", strerror(errno));
            }
        }

        o = &objects[nobjects++];
        memset(o, 0, sizeof(object_t));

        if (sscanf(line, "%1023s %jd %zu %64s %1023s", o->file,
                   (intmax_t *) &o->offset, &o->length, o->sha256, o->key)
            != 5)
        {
            fail("not a line of a list", line);
        }
    }
}


static void
read_object(putter_t *p, const object_t *o)
{
    int  fd;

    if (p->allocated < o->length) {
        p->data = realloc(p->data, o->length);
        p->allocated = o->length;

        if (p->data == NULL) {
            fail("realloc()", strerror(errno));
        }
    }

    fd = open(o->file, O_RDONLY|O_CLOEXEC);

    if (fd == -1
        || pread(fd, p->data, o->length, o->offset) != (ssize_t) o->length)
    {
        fail(o->file, strerror(errno));
    }

    close(fd);

    p->length = o->length;
    p->pos = 0;
}


static size_t
give(char *dst, size_t size, size_t n, void *data)
{
    putter_t  *p = data;

    n *= size;

    if (n > p->length - p->pos) {
        n = p->length - p->pos;
    }

    memcpy(dst, p->data + p->pos, n);
    p->pos += n;

    return n;
}


static struct curl_slist *
sign(putter_t *p, const object_t *o, const char *path)
{
    char                line[2 * LINE], date[TK_SIGV4_DATE_LEN + 1];
    char                auth[LINE];
    ssize_t             n;
    tk_sigv4_t          s;
    struct curl_slist  *headers;

    memset(&s, 0, sizeof(s));

    s.credentials = &credentials;
    s.region = str("us-east-1");
    s.service = str("s3");
    s.now = time(NULL);
    s.method = str("PUT");
    s.host = str(host);
    s.path = str(path);
    s.payload_hash = str(o->sha256);

    n = tk_sigv4_sign(&s, &p->key, date, auth, sizeof(auth));
    if (n == -1) {
        fail("tk_sigv4_sign()", path);
    }

    date[TK_SIGV4_DATE_LEN] = '\0';

    snprintf(line, sizeof(line), "Authorization: %.*s", (int) n, auth);
    headers = curl_slist_append(NULL, line);

    snprintf(line, sizeof(line), "x-amz-date: %s", date);
    headers = curl_slist_append(headers, line);

    snprintf(line, sizeof(line), "x-amz-content-sha256: %s", o->sha256);
    headers = curl_slist_append(headers, line);

    return curl_slist_append(headers, "Expect:");
}


static void
put(putter_t *p, const object_t *o)
{
    char                path[2 * LINE], url[3 * LINE];
    long                status;
    CURLcode            rc;
    struct curl_slist  *headers;

    snprintf(path, sizeof(path), "/%s/%s", bucket, o->key);
    snprintf(url, sizeof(url), "http://%s%s", host, path);

    read_object(p, o);

    headers = sign(p, o, path);

    curl_easy_setopt(p->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(p->curl, CURLOPT_URL, url);
    curl_easy_setopt(p->curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(p->curl, CURLOPT_INFILESIZE_LARGE,
                     (curl_off_t) o->length);
    curl_easy_setopt(p->curl, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(p->curl, CURLOPT_READDATA, p);
    curl_easy_setopt(p->curl, CURLOPT_HTTPHEADER, headers);

    rc = curl_easy_perform(p->curl);
    if (rc != CURLE_OK) {
        fail(url, curl_easy_strerror(rc));
    }

    curl_easy_getinfo(p->curl, CURLINFO_RESPONSE_CODE, &status);

    if (status != 200) {
        snprintf(path, sizeof(path), "status %ld", status);
        fail(url, path);
    }

    curl_slist_free_all(headers);
}


/* the objects of the next crash */

static size_t
take(size_t *first)
{
    size_t  n;

    pthread_mutex_lock(&mutex);

    *first = next_object;

    for (n = 0; next_object < nobjects; /* void */) {
        n++;

        if (objects[next_object++].last) {
            break;
        }
    }

    pthread_mutex_unlock(&mutex);

    return n;
}


static void *
put_crashes(void *data)
{
    size_t     i, n, first;
    putter_t   p;

    (void) data;

    memset(&p, 0, sizeof(p));

    p.curl = curl_easy_init();
    if (p.curl == NULL) {
        fail("curl_easy_init()", "no memory");
    }

    while ((n = take(&first)) != 0) {
        for (i = 0; i < n; i++) {
            put(&p, &objects[first + i]);
        }
    }

    curl_easy_cleanup(p.curl);
    free(p.data);

    return NULL;
}


static uint64_t
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}


int
main(int argc, char **argv)
{
    size_t       i, crashes;
    unsigned     n, threads;
    uint64_t     start, usec;
    pthread_t    thread[MAX_THREADS];
    const char  *access_key, *secret_key;

    access_key = getenv("ACCESS_KEY");
    secret_key = getenv("SECRET_KEY");
    threads = argc == 4 ? (unsigned) strtoul(argv[3], NULL, 10) : 0;

    if (threads == 0 || threads > MAX_THREADS || access_key == NULL
        || secret_key == NULL)
    {
        fprintf(stderr, "usage: putbench PORT BUCKET THREADS < LIST\n");
        return 2;
    }

    snprintf(host, sizeof(host), "127.0.0.1:%s", argv[1]);
    bucket = argv[2];
    credentials.access_key = str(access_key);
    credentials.secret_key = str(secret_key);

    read_list();
    curl_global_init(CURL_GLOBAL_ALL);

    start = now();

    for (n = 0; n < threads; n++) {
        if (pthread_create(&thread[n], NULL, put_crashes, NULL) != 0) {
            fail("pthread_create()", "no thread");
        }
    }

    for (n = 0; n < threads; n++) {
        pthread_join(thread[n], NULL);
    }

    usec = now() - start;

    for (i = 0, crashes = 0; i < nobjects; i++) {
        crashes += objects[i].last;
    }

    printf("crashes=%zu objects=%zu usec=%" PRIu64 "\n", crashes, nobjects,
           usec);

    curl_global_cleanup();
    free(objects);

    return 0;
}
