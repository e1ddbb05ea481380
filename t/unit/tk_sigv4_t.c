
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_sigv4.h"
#include "tk_tap.h"
#include "tk_uri.h"


#define VECTORS   "t/data/sigv4/s3.txt"
#define NVECTORS  78


typedef struct {
    const char         *name;
    const char         *canonical;
    const char         *string;
    const char         *result;
    const char         *date;
    uint32_t            expires;
    tk_sigv4_t          s;
    tk_credentials_t    credentials;
    tk_header_t         headers[TK_SIGV4_MAX_HEADERS];
} vector_t;


static char  buf[65536], date[TK_SIGV4_DATE_LEN];


static tk_str_t
str(const char *s)
{
    tk_str_t  r;

    r.len = strlen(s);
    r.data = (const uint8_t *) s;

    return r;
}


/* in place: the result is never longer */

static void
unescape(char *s)
{
    char  *d;

    for (d = s; *s; s++) {
        if (*s == '\\') {
            *d++ = (*++s == 'n') ? '\n' : *s;

        } else {
            *d++ = *s;
        }
    }

    *d = '\0';
}


static void
vector_set(vector_t *v, const char *key, char *value)
{
    char         *colon;
    tk_header_t  *h;

    if (strcmp(key, "name") == 0) {
        v->name = value;

    } else if (strcmp(key, "method") == 0) {
        v->s.method = str(value);

    } else if (strcmp(key, "host") == 0) {
        v->s.host = str(value);

    } else if (strcmp(key, "path") == 0) {
        v->s.path = str(value);

    } else if (strcmp(key, "query") == 0) {
        v->s.query = str(value);

    } else if (strcmp(key, "region") == 0) {
        v->s.region = str(value);

    } else if (strcmp(key, "header") == 0) {
        h = &v->headers[v->s.nheaders++];
        colon = strchr(value, ':');
        h->name.data = (uint8_t *) value;
        h->name.len = (size_t) (colon - value);
        h->value = str(colon + 1);

    } else if (strcmp(key, "token") == 0) {
        v->credentials.session_token = str(value);

    } else if (strcmp(key, "payload") == 0) {
        v->s.payload_hash = str(value);

    } else if (strcmp(key, "expires") == 0) {
        v->expires = (uint32_t) atol(value);

    } else if (strcmp(key, "canonical") == 0) {
        v->canonical = value;

    } else if (strcmp(key, "string") == 0) {
        v->string = value;

    } else if (strcmp(key, "result") == 0) {
        v->result = value;

    } else if (strcmp(key, "access_key") == 0) {
        v->credentials.access_key = str(value);

    } else if (strcmp(key, "secret_key") == 0) {
        v->credentials.secret_key = str(value);

    } else if (strcmp(key, "now") == 0) {
        v->s.now = (time_t) atoll(value);

    } else if (strcmp(key, "date") == 0) {
        v->date = value;

    } else {
        printf("Bail out! \"%s\" in " VECTORS " is unknown\n", key);
        exit(1);
    }
}


/* what fits into n bytes must not be refused, and must be into n - 1 */

static void
exact(vector_t *v, tk_sigv4_key_t *key, ssize_t n)
{
    char     *heap;
    size_t    size;
    ssize_t   rc;

    for (size = (size_t) n; size + 1 >= (size_t) n; size--) {
        heap = malloc(size);

        rc = v->expires ? tk_sigv4_presign(&v->s, key, v->expires, heap, size)
                        : tk_sigv4_sign(&v->s, key, date, heap, size);

        if (size == (size_t) n) {
            tap_is_str(heap, (size_t) rc, v->result, "in a buffer that fits");

        } else {
            tap_is_int(rc, -1, "not in a buffer one byte smaller");
        }

        free(heap);
    }
}


static void
vector_run(vector_t *v, tk_sigv4_key_t *key)
{
    char     label[128];
    ssize_t  n;

    v->s.credentials = &v->credentials;
    v->s.service = str("s3");
    v->s.headers = v->headers;

    if (v->expires) {
        n = tk_sigv4_presign(&v->s, key, v->expires, buf, sizeof(buf));

    } else {
        n = tk_sigv4_canonical_request(&v->s, buf, sizeof(buf));
        snprintf(label, sizeof(label), "%s: canonical request", v->name);
        tap_is_str(buf, (size_t) n, v->canonical, label);

        n = tk_sigv4_string_to_sign(&v->s, buf, sizeof(buf));
        snprintf(label, sizeof(label), "%s: string to sign", v->name);
        tap_is_str(buf, (size_t) n, v->string, label);

        n = tk_sigv4_sign(&v->s, key, date, buf, sizeof(buf));
        tap_is_str(date, sizeof(date), v->date, "the date");
    }

    snprintf(label, sizeof(label), "%s: result", v->name);
    tap_is_str(buf, (size_t) n, v->result, label);

    exact(v, key, n);
}


static void
test_vectors(void)
{
    int              n;
    char            *text, *line, *next, *value;
    size_t           len;
    vector_t         v, common;
    tk_sigv4_key_t   key;

    text = tap_read_file(VECTORS, &len);

    memset(&common, 0, sizeof(common));
    v = common;
    n = 0;

    for (line = text; *line; line = next) {
        next = line + strcspn(line, "\n");
        *next++ = '\0';

        if (*line == '#') {
            continue;
        }

        if (*line) {
            value = line + strcspn(line, " ");
            *value++ = '\0';
            unescape(value);
            vector_set(&v, line, value);

            if (*next) {
                continue;
            }
        }

        if (v.name) {
            memset(&key, 0, sizeof(key));
            vector_run(&v, &key);
            n++;

        } else if (v.date) {
            common = v;
        }

        v = common;
    }

    tap_is_int(n, NVECTORS, "all vectors were there");
    free(text);
}


/*
 * The examples of AWS, "Signature Calculations for the Authorization Header:
 * Transferring Payload in a Single Chunk" and "Authenticating Requests: Using
 * Query Parameters".
 */

typedef struct {
    const char  *name;
    const char  *method;
    const char  *path;
    const char  *query;
    const char  *header[4];
    const char  *payload;
    uint32_t     expires;
    const char  *result;
} example_t;


#define SCOPE  "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
#define AUTH   "AWS4-HMAC-SHA256 Credential=" SCOPE ", SignedHeaders="


static const example_t  examples[] = {

    { "AWS: GET Object", "GET", "/test.txt", "",
      { "Range", "bytes=0-9" }, "", 0,
      AUTH "host;range;x-amz-content-sha256;x-amz-date, Signature="
      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41" },

    { "AWS: PUT Object", "PUT", "/test%24file.text", "",
      { "x-amz-storage-class", "REDUCED_REDUNDANCY",
        "Date", "Fri, 24 May 2013 00:00:00 GMT" },
      "Welcome to Amazon S3.", 0,
      AUTH "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class, "
      "Signature="
      "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd" },

    { "AWS: GET Bucket Lifecycle", "GET", "/", "lifecycle", { NULL }, "", 0,
      AUTH "host;x-amz-content-sha256;x-amz-date, Signature="
      "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543" },

    { "AWS: Get Bucket (List Objects)", "GET", "/", "max-keys=2&prefix=J",
      { NULL }, "", 0,
      AUTH "host;x-amz-content-sha256;x-amz-date, Signature="
      "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7" },

    { "AWS: presigned GET", "GET", "/test.txt", "", { NULL }, "", 86400,
      "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
      "AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
      "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400"
      "&X-Amz-SignedHeaders=host&X-Amz-Signature="
      "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404" },
};


static void
example(tk_sigv4_t *s, tk_credentials_t *c)
{
    memset(s, 0, sizeof(*s));
    memset(c, 0, sizeof(*c));

    c->access_key = str("AKIAIOSFODNN7EXAMPLE");
    c->secret_key = str("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");

    s->credentials = c;
    s->region = str("us-east-1");
    s->service = str("s3");
    s->now = 1369353600;
    s->method = str("GET");
    s->host = str("examplebucket.s3.amazonaws.com");
    s->path = str("/test.txt");
    s->payload_hash = str(TK_SIGV4_EMPTY_HASH);
}


static void
test_examples(void)
{
    char              hash[TK_SIGV4_HASH_LEN];
    size_t            i, k;
    ssize_t           n;
    tk_sigv4_t        s;
    tk_header_t       headers[2];
    tk_sigv4_key_t    key;
    tk_credentials_t  c;
    const example_t  *e;

    memset(&key, 0, sizeof(key));

    for (i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        e = &examples[i];

        example(&s, &c);
        s.method = str(e->method);
        s.path = str(e->path);
        s.query = str(e->query);
        s.headers = headers;

        for (k = 0; k < 4 && e->header[k]; k += 2) {
            headers[s.nheaders].name = str(e->header[k]);
            headers[s.nheaders++].value = str(e->header[k + 1]);
        }

        tk_sha256_hex(hash, e->payload, strlen(e->payload));
        s.payload_hash.data = (const uint8_t *) hash;
        s.payload_hash.len = sizeof(hash);

        n = e->expires ? tk_sigv4_presign(&s, &key, e->expires, buf,
                                          sizeof(buf))
                       : tk_sigv4_sign(&s, &key, date, buf, sizeof(buf));

        tap_is_str(buf, (size_t) n, e->result, e->name);
    }
}


/* dates as "date -u" of coreutils prints them */

static void
test_dates(void)
{
    size_t            i;
    tk_sigv4_t        s;
    tk_sigv4_key_t    key;
    tk_credentials_t  c;

    static const struct {
        int64_t      now;
        const char  *date;
    } dates[] = {
        { 0,              "19700101T000000Z" },
        { 68169599,       "19720228T235959Z" },
        { 68169600,       "19720229T000000Z" },
        { 68256000,       "19720301T000000Z" },
        { 946684799,      "19991231T235959Z" },
        { 951782400,      "20000229T000000Z" },
        { 951868800,      "20000301T000000Z" },
        { 1369353600,     "20130524T000000Z" },
        { 1795253405,     "20261121T093005Z" },
        { 2147483648,     "20380119T031408Z" },
        { 4091648400,     "20990829T010000Z" },
        { 4102444799,     "20991231T235959Z" },
        { 4102444800,     "20991231T235959Z" },
        { INT64_MAX,      "20991231T235959Z" },
        { -1,             "19700101T000000Z" },
        { INT64_MIN,      "19700101T000000Z" },
    };

    for (i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
        example(&s, &c);
        memset(&key, 0, sizeof(key));
        s.now = (time_t) dates[i].now;

        tk_sigv4_sign(&s, &key, date, buf, sizeof(buf));
        tap_is_str(date, sizeof(date), dates[i].date, dates[i].date);
    }
}


/* every day of 130 years against the C library */

static void
test_calendar(void)
{
    char              want[32];
    time_t            now;
    unsigned          wrong;
    struct tm         tm;
    tk_sigv4_t        s;
    tk_sigv4_key_t    key;
    tk_credentials_t  c;

    example(&s, &c);
    memset(&key, 0, sizeof(key));
    wrong = 0;

    for (now = 0; now < 4102444800; now += 86399) {
        s.now = now;
        gmtime_r(&now, &tm);
        strftime(want, sizeof(want), "%Y%m%dT%H%M%SZ", &tm);

        tk_sigv4_sign(&s, &key, date, buf, sizeof(buf));
        wrong += (memcmp(date, want, sizeof(date)) != 0);
    }

    tap_is_int(wrong, 0, "dates up to 2099 agree with gmtime()");
}


static void
canonical_is(const tk_sigv4_t *s, const char *want, const char *name)
{
    ssize_t  n;

    n = tk_sigv4_canonical_request(s, buf, sizeof(buf));

    tap_is_str(buf, n < 0 ? 0 : (size_t) n, want, name);
}


#define TAIL(names)                                                           \
    "x-amz-content-sha256:" TK_SIGV4_EMPTY_HASH "\n"                          \
    "x-amz-date:20130524T000000Z\n\n" names "\n" TK_SIGV4_EMPTY_HASH


static void
test_canonical(void)
{
    size_t            i;
    tk_sigv4_t        s;
    tk_header_t       h[4];
    tk_credentials_t  c;

    static const struct {
        const char  *query;
        const char  *canonical;
    } queries[] = {
        { "", "" },
        { "x", "x=" },
        { "x=", "x=" },
        { "x==", "x==" },
        { "&", "" },
        { "&&b&&a&", "a=&b=" },
        { "=v", "=v" },
        { "=", "=" },
        { "b=1&a=2&a=1&a", "a=&a=1&a=2&b=1" },
        { "a=1&a-b=2&a.b=3&aa=4&A=5", "A=5&a=1&a-b=2&a.b=3&aa=4" },
        { "a=10&a=1&a=1", "a=1&a=1&a=10" },
        { "%E1=1&z=2&%20=3", "%20=3&%E1=1&z=2" },
    };

    for (i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        char  want[512];

        example(&s, &c);
        s.query = str(queries[i].query);

        snprintf(want, sizeof(want), "GET\n/test.txt\n%s\n"
                 "host:examplebucket.s3.amazonaws.com\n"
                 TAIL("host;x-amz-content-sha256;x-amz-date"),
                 queries[i].canonical);

        canonical_is(&s, want, queries[i].query);
    }

    example(&s, &c);
    s.path = str("/a//../b%2f");
    s.headers = h;
    s.nheaders = 4;
    h[0].name = str("X-B");
    h[0].value = str("  two \t\r\n  words ");
    h[1].name = str("x-a");
    h[1].value = str("");
    h[2].name = str("x-b");
    h[2].value = str("\t \t");
    h[3].name = str("X-b");
    h[3].value = str("last");

    canonical_is(&s, "GET\n/a//../b%2f\n\n"
                 "host:examplebucket.s3.amazonaws.com\nx-a:\n"
                 "x-amz-content-sha256:" TK_SIGV4_EMPTY_HASH "\n"
                 "x-amz-date:20130524T000000Z\nx-b:two words,,last\n\n"
                 "host;x-a;x-amz-content-sha256;x-amz-date;x-b\n"
                 TK_SIGV4_EMPTY_HASH,
                 "repeated, folded and empty headers; the path untouched");

    h[0].name = str("X-AMZ-META-A-NAME-THAT-IS-LONGER-THAN-SIXTY-FOUR-"
                    "CHARACTERS-0123456789@[`{");
    s.nheaders = 1;
    s.path = str("/");
    h[0].value = str("v");

    canonical_is(&s, "GET\n/\n\nhost:examplebucket.s3.amazonaws.com\n"
                 "x-amz-content-sha256:" TK_SIGV4_EMPTY_HASH "\n"
                 "x-amz-date:20130524T000000Z\n"
                 "x-amz-meta-a-name-that-is-longer-than-sixty-four-"
                 "characters-0123456789@[`{:v\n\n"
                 "host;x-amz-content-sha256;x-amz-date;"
                 "x-amz-meta-a-name-that-is-longer-than-sixty-four-"
                 "characters-0123456789@[`{\n" TK_SIGV4_EMPTY_HASH,
                 "a long name in lower case");

    s.service = str("sqs");
    s.nheaders = 0;

    canonical_is(&s, "GET\n/\n\nhost:examplebucket.s3.amazonaws.com\n"
                 "x-amz-date:20130524T000000Z\n\nhost;x-amz-date\n"
                 TK_SIGV4_EMPTY_HASH,
                 "x-amz-content-sha256 is for S3 only");
}


static void
test_limits(void)
{
    char              query[TK_SIGV4_MAX_ARGS * 4], *p;
    size_t            i, n;
    ssize_t           rc;
    tk_sigv4_t        s;
    tk_header_t       h[TK_SIGV4_MAX_HEADERS + 1];
    tk_sigv4_key_t    key;
    tk_credentials_t  c;

    example(&s, &c);
    memset(&key, 0, sizeof(key));
    s.headers = h;

    for (i = 0; i < TK_SIGV4_MAX_HEADERS + 1; i++) {
        h[i].name = str("x");
        h[i].value = str("y");
    }

    c.session_token = str("t");
    s.nheaders = TK_SIGV4_MAX_HEADERS;
    tap_ok(tk_sigv4_sign(&s, &key, date, buf, sizeof(buf)) > 0,
           "as many headers as may be");

    s.nheaders = TK_SIGV4_MAX_HEADERS + 1;
    tap_is_int(tk_sigv4_sign(&s, &key, date, buf, sizeof(buf)), -1,
               "sign: one header more");
    tap_is_int(tk_sigv4_presign(&s, &key, 1, buf, sizeof(buf)), -1,
               "presign: one header more");
    tap_is_int(tk_sigv4_canonical_request(&s, buf, sizeof(buf)), -1,
               "canonical request: one header more");
    tap_is_int(tk_sigv4_string_to_sign(&s, buf, sizeof(buf)), -1,
               "string to sign: one header more");

    s.nheaders = 0;

    for (i = 0, p = query; i < TK_SIGV4_MAX_ARGS + 1; i++) {
        *p++ = (char) ('A' + i % 26);
        *p++ = '&';
    }

    s.query.data = (const uint8_t *) query;
    s.query.len = TK_SIGV4_MAX_ARGS * 2;
    tap_ok(tk_sigv4_sign(&s, &key, date, buf, sizeof(buf)) > 0,
           "as many arguments as may be");

    s.query.len += 2;
    tap_is_int(tk_sigv4_sign(&s, &key, date, buf, sizeof(buf)), -1,
               "sign: one argument more");

    s.query.len = (TK_SIGV4_MAX_ARGS - 5) * 2;
    tap_is_int(tk_sigv4_presign(&s, &key, 1, buf, sizeof(buf)), -1,
               "presign: no room for six arguments");

    c.session_token = str("");
    tap_ok(tk_sigv4_presign(&s, &key, 1, buf, sizeof(buf)) > 0,
           "presign: room for five arguments");

    s.query.len = 0;
    tap_is_int(tk_sigv4_presign(&s, &key, 0, buf, sizeof(buf)), -1,
               "a URL that expires at once");
    tap_is_int(tk_sigv4_presign(&s, &key, 604801, buf, sizeof(buf)), -1,
               "a URL that lives for more than a week");
    tap_is_int(tk_sigv4_presign(&s, &key, 1, NULL, 0), -1, "no buffer");

    rc = tk_sigv4_canonical_request(&s, buf, sizeof(buf));

    for (n = 0; n < (size_t) rc; n++) {
        if (tk_sigv4_canonical_request(&s, buf, n) != -1) {
            break;
        }
    }

    tap_is_int((int64_t) n, rc, "canonical request: no smaller buffer does");
}


/*
 * With the four bytes before it a secret of 60 fills a block, and a longer
 * one is hashed first.  The expected values are Python's hmac module's.
 */

static void
test_secrets(void)
{
    char              secret[101];
    size_t            i;
    ssize_t           n;
    tk_sigv4_t        s;
    tk_sigv4_key_t    key;
    tk_credentials_t  c;

    static const struct {
        size_t       len;
        const char  *signature;
    } secrets[] = {
        { 0,
          "84c2b83e2bc56c6d851cd4c5cae10dc6"
          "08bf6df1c4848eb7a542cd25e19b6d53" },
        { 1,
          "150c6b2f06faf40f4f72f4e85ee946d6"
          "fc1114f1f974a56cf5244efabdaf5e97" },
        { 59,
          "84bf54c9b5b7c5fe90fcd753d2743241"
          "5ca5a8ac8e7c0e0579726053990c2ef7" },
        { 60,
          "a3368f3b3df33cb137f10c8ff0453f2f"
          "f8f3014e105d6aad1c82ac01e8fde741" },
        { 61,
          "bbb29be12b711555520d8523f7c44d80"
          "a6a47190ee52b5c4386dbcf891ea7a07" },
        { 100,
          "42b2b619081a9a5be7e8fd639246bd79"
          "b37a139033198ad677f42e31458b779d" },
    };

    memset(secret, 'k', sizeof(secret));

    for (i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        example(&s, &c);
        memset(&key, 0, sizeof(key));
        c.secret_key.data = (const uint8_t *) (secrets[i].len ? secret : NULL);
        c.secret_key.len = secrets[i].len;

        n = tk_sigv4_sign(&s, &key, date, buf, sizeof(buf));
        tap_is_str(buf + n - 64, 64, secrets[i].signature, "a secret's length");
    }
}


/*
 * Services other than S3 sign the payload's hash when presigned too.  The
 * expected values are Python's hmac module's.
 */

static void
test_services(void)
{
    size_t            i;
    ssize_t           n;
    tk_sigv4_t        s;
    tk_sigv4_key_t    key;
    tk_credentials_t  c;

    static const struct {
        const char  *region;
        const char  *service;
        const char  *sign;
        const char  *presign;
    } services[] = {
        { "us-east-1", "es",
          "aab149609d54362b5ae381ae932aa4bd"
          "9a3120f75c8f4576e79774090ba3c32a",
          "5b8575b751c8e69d99165b771e114426"
          "4e978673fdfff3c0fdd591c2f0f9411d" },
        { "", "s3",
          "af1f469fea9b8a3f8a559519fc326f2c"
          "67fc3d70a98bfb7558b02e4c2c42a65e",
          "bac1a166fce1562f74aeece181b9e07b"
          "5180b1b3c278fcd11f51d8a234305738" },
        { "us-east-1", "",
          "a3a5da97ab76cddf5e512a6ca22aa34a"
          "c72ac04601266d6300564bab4259b920",
          "8605177e9fad2e5b8ee261091480fdc0"
          "78ef36738e088f1f1cd29ac4dfd4bdd7" },
    };

    for (i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        example(&s, &c);
        memset(&key, 0, sizeof(key));
        s.region = str(services[i].region);
        s.service = str(services[i].service);

        n = tk_sigv4_sign(&s, &key, date, buf, sizeof(buf));
        tap_is_str(buf + n - 64, 64, services[i].sign, services[i].service);

        n = tk_sigv4_presign(&s, &key, 60, buf, sizeof(buf));
        tap_is_str(buf + n - 64, 64, services[i].presign,
                   services[i].service);
    }
}


/* one key for a day; another day, or a zeroed key, makes a new one */

static void
test_key(void)
{
    char              first[1024], again[1024];
    ssize_t           n;
    tk_sigv4_t        s;
    tk_sigv4_key_t    key, copy;
    tk_credentials_t  c;

    example(&s, &c);
    memset(&key, 0, sizeof(key));

    n = tk_sigv4_sign(&s, &key, date, first, sizeof(first));
    tap_ok(key.valid && memcmp(key.date, "20130524", 8) == 0,
           "the key is kept with its day");

    copy = key;
    memset(&c.secret_key, 0, sizeof(c.secret_key));
    tk_sigv4_sign(&s, &key, date, again, sizeof(again));
    tap_is_bytes(again, (size_t) n, first, (size_t) n,
                 "the day's key needs no secret");

    s.now += 86400;
    tk_sigv4_sign(&s, &key, date, again, sizeof(again));
    tap_ok(memcmp(key.key, copy.key, sizeof(key.key)) != 0
           && memcmp(key.date, "20130525", 8) == 0, "a new day, a new key");

    example(&s, &c);
    memset(&key, 0, sizeof(key));
    tk_sigv4_presign(&s, &key, 60, again, sizeof(again));
    tap_is_bytes(key.key, sizeof(key.key), copy.key, sizeof(copy.key),
                 "presigning derives the same key");
}


/* "&" may be in a header's name and must not end the list of them */

static void
test_presigned_headers(void)
{
    ssize_t           n;
    tk_str_t          v;
    tk_sigv4_t        s;
    tk_header_t       h[2];
    tk_sigv4_key_t    key;
    tk_credentials_t  c;

    example(&s, &c);
    memset(&key, 0, sizeof(key));
    s.headers = h;
    s.nheaders = 2;
    h[0].name = str("X-A&B");
    h[0].value = str("1");
    h[1].name = str("Content-MD5");
    h[1].value = str("2");

    n = tk_sigv4_presign(&s, &key, 60, buf, sizeof(buf));

    tap_is_int(tk_query_find((uint8_t *) buf, (size_t) n,
                             "X-Amz-SignedHeaders", &v), 1,
               "the list of signed headers");
    tap_is_str(v.data, v.len, "content-md5%3Bhost%3Bx-a%26b",
               "it is encoded");
}


/* the presigned query parsed back holds what went in */

static void
test_parse_back(void)
{
    size_t            i, k, len;
    ssize_t           n;
    uint8_t           raw[3][100], enc[3][300], out[300];
    unsigned          wrong;
    tk_str_t          v;
    tk_sigv4_t        s;
    tk_sigv4_key_t    key;
    tk_credentials_t  c;

    wrong = 0;

    for (i = 0; i < 2000; i++) {
        example(&s, &c);
        memset(&key, 0, sizeof(key));

        for (k = 0; k < 3; k++) {
            tap_random_bytes(raw[k], sizeof(raw[k]));
        }

        c.access_key.data = raw[0];
        c.access_key.len = tap_random() % 100;
        c.session_token.data = raw[1];
        c.session_token.len = 1 + tap_random() % 99;

        memcpy(enc[2], "q=", 2);
        len = tap_random() % 90;
        s.query.data = enc[2];
        s.query.len = 2 + tk_uri_encode(enc[2] + 2, raw[2], len, 0);

        n = tk_sigv4_presign(&s, &key, 77, buf, sizeof(buf));

        if (n < 0 || !tk_query_find((uint8_t *) buf, (size_t) n, "q", &v)
            || tk_uri_decode(out, v.data, v.len, 0) != len
            || memcmp(out, raw[2], len) != 0)
        {
            wrong++;
            continue;
        }

        if (!tk_query_find((uint8_t *) buf, (size_t) n,
                           "X-Amz-Security-Token", &v)
            || tk_uri_decode(out, v.data, v.len, 0) != c.session_token.len
            || memcmp(out, raw[1], c.session_token.len) != 0)
        {
            wrong++;
            continue;
        }

        if (!tk_query_find((uint8_t *) buf, (size_t) n, "X-Amz-Credential",
                           &v)
            || tk_uri_decode(out, v.data, v.len, 0) != c.access_key.len + 35
            || memcmp(out, raw[0], c.access_key.len) != 0
            || memcmp(out + c.access_key.len,
                      "/20130524/us-east-1/s3/aws4_request", 35) != 0)
        {
            wrong++;
        }
    }

    tap_is_int(wrong, 0, "a presigned query parses back");
}


static void
test_sha256(void)
{
    char  hash[TK_SIGV4_HASH_LEN];

    tk_sha256_hex(hash, NULL, 0);
    tap_is_str(hash, 64, TK_SIGV4_EMPTY_HASH, "SHA-256 of nothing");

    /* FIPS 180-2, appendix B.1 */
    tk_sha256_hex(hash, "abc", 3);
    tap_is_str(hash, 64, "ba7816bf8f01cfea414140de5dae2223"
               "b00361a396177a9cb410ff61f20015ad", "SHA-256 of \"abc\"");
}


int
main(void)
{
    test_vectors();
    test_examples();
    test_dates();
    test_calendar();
    test_canonical();
    test_limits();
    test_secrets();
    test_services();
    test_key();
    test_presigned_headers();
    test_parse_back();
    test_sha256();

    return tap_done();
}
