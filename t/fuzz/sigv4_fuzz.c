
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_fuzz.h"
#include "tk_sigv4.h"


#define MAX_FIELDS  (11 + 2 * (TK_SIGV4_MAX_HEADERS + 2))


/*
 * The input is fields with "|" between them: seconds, expires, access key,
 * secret, token, region, service, method, host, path, query, and then names
 * and values of headers in turn.
 */

typedef struct {
    tk_str_t            fields[MAX_FIELDS];
    size_t              nfields;
    tk_credentials_t    credentials;
    tk_header_t         headers[TK_SIGV4_MAX_HEADERS + 1];
    uint32_t            expires;
    tk_sigv4_t          s;
} input_t;


typedef enum {
    CANONICAL, STRING, SIGN, PRESIGN
} call_t;


static char  date[TK_SIGV4_DATE_LEN];


static ssize_t
call(const input_t *in, call_t which, tk_sigv4_key_t *key, char *out,
    size_t size)
{
    switch (which) {

    case CANONICAL:
        return tk_sigv4_canonical_request(&in->s, out, size);

    case STRING:
        return tk_sigv4_string_to_sign(&in->s, out, size);

    case SIGN:
        return tk_sigv4_sign(&in->s, key, date, out, size);

    default:
        return tk_sigv4_presign(&in->s, key, in->expires, out, size);
    }
}


static uint64_t
number(const tk_str_t *s)
{
    size_t    i;
    uint64_t  n;

    for (i = 0, n = 0; i < s->len; i++) {
        n = n * 10 + (uint64_t) (s->data[i] - '0');
    }

    return n;
}


static void
read_input(input_t *in, const uint8_t *data, size_t size)
{
    size_t          i;
    tk_str_t       *f;
    const uint8_t  *p;

    memset(in, 0, sizeof(input_t));

    for (i = 0; i < MAX_FIELDS; i++) {
        in->fields[i].data = (const uint8_t *) "";
    }

    for (i = 0; i < MAX_FIELDS; i++) {
        p = memchr(data, '|', size);

        in->fields[i].data = data;
        in->fields[i].len = p ? (size_t) (p - data) : size;
        in->nfields++;

        if (p == NULL) {
            break;
        }

        size -= (size_t) (p - data) + 1;
        data = p + 1;
    }

    f = in->fields;

    in->s.now = (time_t) number(&f[0]);
    in->expires = (uint32_t) number(&f[1]);
    in->credentials.access_key = f[2];
    in->credentials.secret_key = f[3];
    in->credentials.session_token = f[4];
    in->s.credentials = &in->credentials;
    in->s.region = f[5];
    in->s.service = f[6];
    in->s.method = f[7];
    in->s.host = f[8];
    in->s.path = f[9];
    in->s.query = f[10];
    in->s.payload_hash = f[9];
    in->s.headers = in->headers;

    for (i = 11; i + 1 < in->nfields; i += 2) {
        if (in->s.nheaders == TK_SIGV4_MAX_HEADERS + 1) {
            break;
        }

        in->headers[in->s.nheaders].name = f[i];
        in->headers[in->s.nheaders++].value = f[i + 1];
    }
}


static size_t
arguments(const tk_str_t *q)
{
    size_t  i, n;

    for (i = 0, n = 0; i < q->len; i++) {
        n += (q->data[i] != '&' && (i == 0 || q->data[i - 1] == '&'));
    }

    return n;
}


/* the result in a block of its own, or NULL; no smaller block does */

static char *
result(const input_t *in, call_t which, tk_sigv4_key_t *key, size_t *len)
{
    int      may_fail;
    char    *out;
    size_t   size, nargs;
    ssize_t  n;

    size = 4096 + 4 * (in->s.query.len + in->s.path.len + in->s.host.len
           + in->s.method.len + in->s.region.len + in->s.service.len
           + in->credentials.access_key.len
           + in->credentials.session_token.len);

    for (nargs = 0; nargs < in->s.nheaders; nargs++) {
        size += 4 * (in->headers[nargs].name.len
                     + in->headers[nargs].value.len);
    }

    out = fuzz_alloc(size);
    n = call(in, which, key, out, size);
    free(out);

    nargs = arguments(&in->s.query);
    may_fail = (in->s.nheaders > TK_SIGV4_MAX_HEADERS
                || nargs > TK_SIGV4_MAX_ARGS);

    if (which == PRESIGN) {
        nargs += 5 + (in->credentials.session_token.len > 0);
        may_fail = may_fail || nargs > TK_SIGV4_MAX_ARGS
                   || in->expires == 0 || in->expires > 604800;
    }

    must((n == -1) == may_fail);

    if (n == -1) {
        return NULL;
    }

    *len = (size_t) n;

    out = fuzz_alloc(*len - 1);
    must(call(in, which, key, out, *len - 1) == -1);
    free(out);

    out = fuzz_alloc(*len);
    must(call(in, which, key, out, *len) == n);

    return out;
}


static void
reversed(uint8_t *dst, const tk_str_t *q)
{
    size_t          n;
    const uint8_t  *p, *end;

    for (end = q->data + q->len; /* void */ ; end = p - 1) {

        for (p = end; p > q->data && p[-1] != '&'; p--) { /* void */ }

        n = (size_t) (end - p);
        memcpy(dst, p, n);
        dst += n;

        if (p == q->data) {
            return;
        }

        *dst++ = '&';
    }
}


/* the order of arguments changes neither form nor signature */

static void
permute(const input_t *in, call_t which, const char *want, size_t len)
{
    char            *out;
    size_t           n, tail;
    input_t          other;
    uint8_t         *q;
    tk_sigv4_key_t   key;

    q = fuzz_alloc(in->s.query.len);
    reversed(q, &in->s.query);

    other = *in;
    other.s.query.data = q;

    memset(&key, 0, sizeof(key));
    out = result(&other, which, &key, &n);
    must(out != NULL && n == len);

    /* presigned, the arguments are written as they came */

    tail = (which == PRESIGN) ? len - TK_SIGV4_HASH_LEN : 0;
    must(memcmp(out + tail, want + tail, len - tail) == 0);

    free(out);
    free(q);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char            *canonical, *out, hash[TK_SIGV4_HASH_LEN];
    size_t           len, n;
    input_t          in;
    tk_sigv4_key_t   key;

    read_input(&in, data, size);
    memset(&key, 0, sizeof(key));

    canonical = result(&in, CANONICAL, &key, &len);

    if (canonical) {
        permute(&in, CANONICAL, canonical, len);

        tk_sha256_hex(hash, canonical, len);
        out = result(&in, STRING, &key, &n);
        must(memcmp(out + n - sizeof(hash), hash, sizeof(hash)) == 0);
        free(out);

        out = result(&in, SIGN, &key, &n);
        permute(&in, SIGN, out, n);
        free(out);
        free(canonical);
    }

    out = result(&in, PRESIGN, &key, &n);

    if (out) {
        must(memcmp(out, in.s.query.data, in.s.query.len) == 0);
        permute(&in, PRESIGN, out, n);
        free(out);
    }

    return 0;
}
