
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * Replays the signing test suite of the AWS SDKs from a folder (the "v4" of
 * tests/aws-signing-test-suite in aws-c-auth): sigv4_suite FOLDER.
 */


#include <dirent.h>
#include <time.h>

#include "tk_sigv4.h"
#include "tk_tap.h"
#include "tk_uri.h"


#define MAX_HEADERS  16


typedef struct {
    const char         *folder;
    const char         *name;
    char               *context;
    char               *request;
    size_t              request_len;
    int                 sign_body;
    tk_str_t            body;
    uint8_t             path[4096];
    uint8_t             query[4096];
    char                hash[TK_SIGV4_HASH_LEN];
    tk_header_t         headers[MAX_HEADERS];
    tk_credentials_t    credentials;
    tk_sigv4_t          s;
} suite_case_t;


static char  buf[65536];


static char *
read_part(const suite_case_t *t, const char *part, size_t *len)
{
    char  name[4096];

    snprintf(name, sizeof(name), "%s/%s/%s", t->folder, t->name, part);

    return tap_read_file(name, len);
}


/* "key": "value" of a context, whose values have no escapes */

static tk_str_t
context_str(const suite_case_t *t, const char *key)
{
    char      quoted[64];
    char     *p;
    tk_str_t  s;

    memset(&s, 0, sizeof(s));
    snprintf(quoted, sizeof(quoted), "\"%s\":", key);

    p = strstr(t->context, quoted);

    if (p) {
        p = strchr(p + strlen(quoted), '"') + 1;
        s.data = (uint8_t *) p;
        s.len = strcspn(p, "\"");
    }

    return s;
}


static int
context_true(const suite_case_t *t, const char *key)
{
    char   quoted[64];
    char  *p;

    snprintf(quoted, sizeof(quoted), "\"%s\": ", key);

    p = strstr(t->context, quoted);

    return p && strncmp(p + strlen(quoted), "true", 4) == 0;
}


static void
read_context(suite_case_t *t)
{
    size_t     len;
    struct tm  tm;

    t->context = read_part(t, "context.json", &len);

    t->credentials.access_key = context_str(t, "access_key_id");
    t->credentials.secret_key = context_str(t, "secret_access_key");

    /* an omitted token is added behind the signer's back */

    if (!context_true(t, "omit_session_token")) {
        t->credentials.session_token = context_str(t, "token");
    }

    t->sign_body = context_true(t, "sign_body");
    t->s.region = context_str(t, "region");
    t->s.service = context_str(t, "service");

    memset(&tm, 0, sizeof(tm));
    sscanf((char *) context_str(t, "timestamp").data, "%d-%d-%dT%d:%d:%d",
           &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
           &tm.tm_sec);
    tm.tm_year -= 1900;
    tm.tm_mon--;
    t->s.now = timegm(&tm);
}


static tk_str_t
between(const char *start, const char *end)
{
    tk_str_t  s;

    s.data = (const uint8_t *) start;
    s.len = (size_t) (end - start);

    return s;
}


/* the paths of the suite are not encoded, its queries are but for UTF-8 */

static void
read_target(suite_case_t *t, const char *p, const char *end)
{
    size_t       n;
    const char  *args;

    args = memchr(p, '?', (size_t) (end - p));

    t->s.path.data = t->path;
    t->s.path.len = tk_uri_encode(t->path, (const uint8_t *) p,
                                  (size_t) ((args ? args : end) - p),
                                  TK_URI_SLASH);

    if (args == NULL) {
        return;
    }

    for (n = 0, p = args + 1; p < end; p++) {
        if (*p & 0x80) {
            n += tk_uri_encode(t->query + n, (const uint8_t *) p, 1, 0);

        } else {
            t->query[n++] = (uint8_t) *p;
        }
    }

    t->s.query.data = t->query;
    t->s.query.len = n;
}


static void
read_request(suite_case_t *t)
{
    char         *p, *lf, *colon, *last;
    tk_header_t  *h;

    t->request = read_part(t, "request.txt", &t->request_len);

    p = t->request;
    last = p + t->request_len;
    lf = strchr(p, '\n');

    t->s.method = between(p, strchr(p, ' '));
    p = strchr(p, ' ') + 1;
    read_target(t, p, lf - (sizeof(" HTTP/1.1") - 1));

    h = NULL;

    for (p = lf + 1; p < last && *p != '\n'; p = lf + 1) {
        lf = strchr(p, '\n');
        lf = lf ? lf : last;

        if (*p == ' ' && h) {
            h->value.len = (size_t) (lf - (const char *) h->value.data);
            continue;
        }

        colon = strchr(p, ':');

        if (colon - p == 4 && memcmp(p, "Host", 4) == 0) {
            t->s.host = between(colon + 1, lf);
            h = NULL;
            continue;
        }

        /* one place is left for x-amz-content-sha256 */

        if (t->s.nheaders == MAX_HEADERS - 1) {
            printf("Bail out! too many headers in %s\n", t->name);
            exit(1);
        }

        h = &t->headers[t->s.nheaders++];
        h->name = between(p, colon);
        h->value = between(colon + 1, lf);
    }

    t->body = between(p < last ? p + 1 : last, last);
    tk_sha256_hex(t->hash, t->body.data, t->body.len);
    t->s.payload_hash = between(t->hash, t->hash + sizeof(t->hash));
}


static void
is_file(const suite_case_t *t, const char *part, const char *got, ssize_t n)
{
    char    *want, label[256];
    size_t   len;

    want = read_part(t, part, &len);

    snprintf(label, sizeof(label), "%s: %s", t->name, part);
    tap_is_bytes(got, n < 0 ? 0 : (size_t) n, want, len, label);

    free(want);
}


/* the last of what tk_sigv4_sign() and tk_sigv4_presign() write */

static void
is_signature(const suite_case_t *t, const char *part, ssize_t n)
{
    if (n < TK_SIGV4_HASH_LEN) {
        tap_ok(0, "%s: %s", t->name, part);
        return;
    }

    is_file(t, part, buf + n - TK_SIGV4_HASH_LEN, TK_SIGV4_HASH_LEN);
}


static void
run(suite_case_t *t, tk_sigv4_key_t *key)
{
    char          date[TK_SIGV4_DATE_LEN];
    size_t        nheaders;
    ssize_t       n;
    tk_header_t  *h;

    static const tk_str_t  name = tk_string("X-Amz-Content-Sha256");

    nheaders = t->s.nheaders;

    if (t->sign_body) {
        h = &t->headers[t->s.nheaders++];
        h->name = name;
        h->value = t->s.payload_hash;
    }

    n = tk_sigv4_canonical_request(&t->s, buf, sizeof(buf));
    is_file(t, "header-canonical-request.txt", buf, n);

    n = tk_sigv4_string_to_sign(&t->s, buf, sizeof(buf));
    is_file(t, "header-string-to-sign.txt", buf, n);

    n = tk_sigv4_sign(&t->s, key, date, buf, sizeof(buf));
    is_signature(t, "header-signature.txt", n);

    t->s.nheaders = nheaders;

    n = tk_sigv4_presign(&t->s, key, 3600, buf, sizeof(buf));
    is_signature(t, "query-signature.txt", n);
}


/* S3 signs the path as it is */

static int
normalized(const suite_case_t *t)
{
    int      rc;
    char    *want, *path, *lf;
    size_t   len;

    want = read_part(t, "header-canonical-request.txt", &len);
    path = strchr(want, '\n') + 1;
    lf = strchr(path, '\n');

    rc = ((size_t) (lf - path) != t->s.path.len
          || memcmp(path, t->s.path.data, t->s.path.len) != 0);

    free(want);

    return rc;
}


int
main(int argc, char **argv)
{
    int               i, n, skipped;
    suite_case_t      t;
    tk_sigv4_key_t    key;
    struct dirent   **names;

    if (argc != 2) {
        fprintf(stderr, "usage: sigv4_suite FOLDER\n");
        return 2;
    }

    n = scandir(argv[1], &names, NULL, alphasort);

    if (n < 0) {
        printf("Bail out! cannot read the folder \"%s\"\n", argv[1]);
        return 1;
    }

    memset(&key, 0, sizeof(key));
    skipped = 0;

    for (i = 0; i < n; i++) {

        if (names[i]->d_name[0] == '.') {
            free(names[i]);
            continue;
        }

        memset(&t, 0, sizeof(t));
        t.folder = argv[1];
        t.name = names[i]->d_name;
        t.s.credentials = &t.credentials;
        t.s.headers = t.headers;

        read_context(&t);
        read_request(&t);

        if (normalized(&t)) {
            skipped++;
            tap_ok(1, "%s # SKIP the path is normalised, S3's never is",
                   t.name);

        } else {
            run(&t, &key);
        }

        free(t.context);
        free(t.request);
        free(names[i]);
    }

    free(names);

    printf("# %d cases skipped\n", skipped);

    return tap_done();
}
