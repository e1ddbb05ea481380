
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_out.h"
#include "tk_sigv4.h"


#define TK_SIGV4_ALGORITHM    "AWS4-HMAC-SHA256"
#define TK_SIGV4_TERMINATOR   "aws4_request"
#define TK_SIGV4_MAX_EXPIRES  604800
#define TK_SIGV4_LAST_SECOND  4102444799      /* 2099-12-31T23:59:59Z */

/* host, x-amz-content-sha256, x-amz-date, x-amz-security-token */
#define TK_SIGV4_OWN_HEADERS  4


typedef struct {
    const uint8_t     *name;
    size_t             name_len;
    const uint8_t     *value;
    size_t             value_len;
} tk_arg_t;


/* what the steps of one signature share */

typedef struct {
    const tk_sigv4_t  *s;
    tk_str_t           query;
    tk_str_t           payload_hash;
    char               date[TK_SIGV4_DATE_LEN];
    size_t             nheaders;
    tk_header_t        headers[TK_SIGV4_MAX_HEADERS + TK_SIGV4_OWN_HEADERS];
    size_t             nargs;
    tk_arg_t           args[TK_SIGV4_MAX_ARGS];
} tk_sigv4_work_t;


static int tk_sigv4_start(tk_sigv4_work_t *w, const tk_sigv4_t *s,
    int presign);
static void tk_sigv4_date(char *p, time_t now);
static void tk_sigv4_add_header(tk_sigv4_work_t *w, const tk_str_t *name,
    const tk_str_t *value);
static int tk_sigv4_cmp_names(const tk_str_t *a, const tk_str_t *b);
static int tk_sigv4_sort_args(tk_sigv4_work_t *w);
static int tk_sigv4_cmp_args(const tk_arg_t *a, const tk_arg_t *b);
static int tk_sigv4_cmp(const uint8_t *a, size_t alen, const uint8_t *b,
    size_t blen);

static void tk_sigv4_put_request(tk_out_t *out, const tk_sigv4_work_t *w);
static void tk_sigv4_put_headers(tk_out_t *out, const tk_sigv4_work_t *w);
static void tk_sigv4_put_signed(tk_out_t *out, const tk_sigv4_work_t *w,
    int encode);
static void tk_sigv4_put_scope(tk_out_t *out, const tk_sigv4_work_t *w);
static void tk_sigv4_put_string(tk_out_t *out, const tk_sigv4_work_t *w);
static void tk_sigv4_put_credential(tk_out_t *out, const tk_sigv4_work_t *w);

static void tk_sigv4_derive(tk_sigv4_key_t *key, const tk_sigv4_work_t *w);
static void tk_sigv4_signature(char *hex, tk_sigv4_key_t *key,
    const tk_sigv4_work_t *w);


ssize_t
tk_sigv4_sign(const tk_sigv4_t *s, tk_sigv4_key_t *key, char *date,
    char *auth, size_t size)
{
    char             signature[TK_SIGV4_HASH_LEN];
    tk_out_t         out;
    tk_sigv4_work_t  w;

    if (tk_sigv4_start(&w, s, 0) != 0) {
        return -1;
    }

    tk_sigv4_signature(signature, key, &w);

    tk_out_buffer(&out, auth, size);

    tk_put_text(&out, TK_SIGV4_ALGORITHM " Credential=");
    tk_sigv4_put_credential(&out, &w);
    tk_put_text(&out, ", SignedHeaders=");
    tk_sigv4_put_signed(&out, &w, 0);
    tk_put_text(&out, ", Signature=");
    tk_put(&out, signature, TK_SIGV4_HASH_LEN);

    memcpy(date, w.date, TK_SIGV4_DATE_LEN);

    return tk_out_length(&out);
}


ssize_t
tk_sigv4_presign(const tk_sigv4_t *s, tk_sigv4_key_t *key, uint32_t expires,
    char *query, size_t size)
{
    char             signature[TK_SIGV4_HASH_LEN];
    tk_str_t         scope;
    tk_out_t         out, *o;
    tk_sigv4_work_t  w;

    if (expires == 0 || expires > TK_SIGV4_MAX_EXPIRES
        || tk_sigv4_start(&w, s, 1) != 0)
    {
        return -1;
    }

    o = &out;
    tk_out_buffer(o, query, size);

    if (s->query.len) {
        tk_put_str(o, &s->query);
        tk_put_text(o, "&");
    }

    tk_put_text(o, "X-Amz-Algorithm=" TK_SIGV4_ALGORITHM "&X-Amz-Credential=");
    tk_put_encoded(o, &s->credentials->access_key);

    scope.data = (const uint8_t *) w.date;
    scope.len = 8;
    tk_put_text(o, "%2F");
    tk_put_str(o, &scope);
    tk_put_text(o, "%2F");
    tk_put_encoded(o, &s->region);
    tk_put_text(o, "%2F");
    tk_put_encoded(o, &s->service);
    tk_put_text(o, "%2F" TK_SIGV4_TERMINATOR "&X-Amz-Date=");
    tk_put(o, w.date, TK_SIGV4_DATE_LEN);
    tk_put_text(o, "&X-Amz-Expires=");
    tk_put_number(o, expires);
    tk_put_text(o, "&X-Amz-SignedHeaders=");
    tk_sigv4_put_signed(o, &w, 1);

    if (s->credentials->session_token.len) {
        tk_put_text(o, "&X-Amz-Security-Token=");
        tk_put_encoded(o, &s->credentials->session_token);
    }

    if (o->overflow) {
        return -1;
    }

    /* what is signed is what was written */

    w.query.data = (const uint8_t *) query;
    w.query.len = (size_t) (o->pos - o->start);

    if (tk_sigv4_sort_args(&w) != 0) {
        return -1;
    }

    tk_sigv4_signature(signature, key, &w);

    tk_put_text(o, "&X-Amz-Signature=");
    tk_put(o, signature, TK_SIGV4_HASH_LEN);

    return tk_out_length(o);
}


ssize_t
tk_sigv4_canonical_request(const tk_sigv4_t *s, char *out, size_t size)
{
    tk_out_t         o;
    tk_sigv4_work_t  w;

    if (tk_sigv4_start(&w, s, 0) != 0) {
        return -1;
    }

    tk_out_buffer(&o, out, size);
    tk_sigv4_put_request(&o, &w);

    return tk_out_length(&o);
}


ssize_t
tk_sigv4_string_to_sign(const tk_sigv4_t *s, char *out, size_t size)
{
    tk_out_t         o;
    tk_sigv4_work_t  w;

    if (tk_sigv4_start(&w, s, 0) != 0) {
        return -1;
    }

    tk_out_buffer(&o, out, size);
    tk_sigv4_put_string(&o, &w);

    return tk_out_length(&o);
}


static int
tk_sigv4_start(tk_sigv4_work_t *w, const tk_sigv4_t *s, int presign)
{
    int       s3;
    size_t    i;
    tk_str_t  date;

    static const tk_str_t  host_name = tk_string("host");
    static const tk_str_t  date_name = tk_string("x-amz-date");
    static const tk_str_t  hash_name = tk_string("x-amz-content-sha256");
    static const tk_str_t  token_name = tk_string("x-amz-security-token");
    static const tk_str_t  unsigned_payload =
                                        tk_string(TK_SIGV4_UNSIGNED_PAYLOAD);

    if (s->nheaders > TK_SIGV4_MAX_HEADERS) {
        return -1;
    }

    /* only S3 leaves a payload out and wants its hash in a header */

    s3 = (s->service.len == 2 && memcmp(s->service.data, "s3", 2) == 0);

    w->s = s;
    w->query = s->query;
    w->payload_hash = (presign && s3) ? unsigned_payload : s->payload_hash;
    w->nheaders = 0;

    tk_sigv4_date(w->date, s->now);

    tk_sigv4_add_header(w, &host_name, &s->host);

    if (!presign) {
        if (s3) {
            tk_sigv4_add_header(w, &hash_name, &w->payload_hash);
        }

        date.data = (const uint8_t *) w->date;
        date.len = TK_SIGV4_DATE_LEN;
        tk_sigv4_add_header(w, &date_name, &date);

        if (s->credentials->session_token.len) {
            tk_sigv4_add_header(w, &token_name,
                                &s->credentials->session_token);
        }
    }

    for (i = 0; i < s->nheaders; i++) {
        tk_sigv4_add_header(w, &s->headers[i].name, &s->headers[i].value);
    }

    return tk_sigv4_sort_args(w);
}


/* gmtime_r() takes a lock and looks at TZ */

static void
tk_sigv4_date(char *p, time_t now)
{
    int       i;
    int64_t   sec;
    uint32_t  days, era, doe, yoe, doy, mp, month, t, field[6];

    sec = (int64_t) now;
    sec = (sec < 0) ? 0 : sec;
    sec = (sec > TK_SIGV4_LAST_SECOND) ? TK_SIGV4_LAST_SECOND : sec;

    t = (uint32_t) (sec % 86400);

    /* years begin in March, eras of 400 years on March 1, 0000 */

    days = (uint32_t) (sec / 86400) + 719468;
    era = days / 146097;
    doe = days % 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    month = (mp < 10) ? mp + 3 : mp - 9;

    field[0] = era * 400 + yoe + (month <= 2);
    field[1] = month;
    field[2] = doy - (153 * mp + 2) / 5 + 1;
    field[3] = t / 3600;
    field[4] = t / 60 % 60;
    field[5] = t % 60;

    *p++ = (char) ('0' + field[0] / 1000);
    *p++ = (char) ('0' + field[0] / 100 % 10);
    field[0] %= 100;

    for (i = 0; i < 6; i++) {
        if (i == 3) {
            *p++ = 'T';
        }

        *p++ = (char) ('0' + field[i] / 10);
        *p++ = (char) ('0' + field[i] % 10);
    }

    *p = 'Z';
}


/* keeps the list sorted; equal names stay in their order */

static void
tk_sigv4_add_header(tk_sigv4_work_t *w, const tk_str_t *name,
    const tk_str_t *value)
{
    size_t  i;

    for (i = w->nheaders; i > 0; i--) {
        if (tk_sigv4_cmp_names(&w->headers[i - 1].name, name) <= 0) {
            break;
        }

        w->headers[i] = w->headers[i - 1];
    }

    w->headers[i].name = *name;
    w->headers[i].value = *value;
    w->nheaders++;
}


static int
tk_sigv4_cmp_names(const tk_str_t *a, const tk_str_t *b)
{
    size_t   i;
    uint8_t  c1, c2;

    for (i = 0; i < a->len && i < b->len; i++) {
        c1 = tk_lower(a->data[i]);
        c2 = tk_lower(b->data[i]);

        if (c1 != c2) {
            return c1 - c2;
        }
    }

    return (a->len > b->len) - (a->len < b->len);
}


static int
tk_sigv4_sort_args(tk_sigv4_work_t *w)
{
    size_t          i;
    tk_arg_t        arg;
    const uint8_t  *p, *last, *eq;

    w->nargs = 0;

    if (w->query.len == 0) {
        return 0;
    }

    p = w->query.data;
    last = p + w->query.len;

    for ( /* void */ ; p < last; p++) {

        eq = NULL;
        arg.name = p;

        while (p < last && *p != '&') {
            if (*p == '=' && eq == NULL) {
                eq = p;
            }

            p++;
        }

        if (p == arg.name) {
            continue;
        }

        if (w->nargs == TK_SIGV4_MAX_ARGS) {
            return -1;
        }

        arg.name_len = (size_t) ((eq ? eq : p) - arg.name);
        arg.value = eq ? eq + 1 : p;
        arg.value_len = (size_t) (p - arg.value);

        for (i = w->nargs; i > 0; i--) {
            if (tk_sigv4_cmp_args(&w->args[i - 1], &arg) <= 0) {
                break;
            }

            w->args[i] = w->args[i - 1];
        }

        w->args[i] = arg;
        w->nargs++;
    }

    return 0;
}


/* not the pairs as a whole: "=" sorts after "-" and "." */

static int
tk_sigv4_cmp_args(const tk_arg_t *a, const tk_arg_t *b)
{
    int  rc;

    rc = tk_sigv4_cmp(a->name, a->name_len, b->name, b->name_len);

    if (rc != 0) {
        return rc;
    }

    return tk_sigv4_cmp(a->value, a->value_len, b->value, b->value_len);
}


static int
tk_sigv4_cmp(const uint8_t *a, size_t alen, const uint8_t *b, size_t blen)
{
    int  rc;

    rc = memcmp(a, b, alen < blen ? alen : blen);

    return rc ? rc : (alen > blen) - (alen < blen);
}


static void
tk_sigv4_put_request(tk_out_t *out, const tk_sigv4_work_t *w)
{
    size_t  i;

    tk_put_str(out, &w->s->method);
    tk_put_text(out, "\n");
    tk_put_str(out, &w->s->path);
    tk_put_text(out, "\n");

    for (i = 0; i < w->nargs; i++) {
        if (i) {
            tk_put_text(out, "&");
        }

        tk_put(out, w->args[i].name, w->args[i].name_len);
        tk_put_text(out, "=");
        tk_put(out, w->args[i].value, w->args[i].value_len);
    }

    tk_put_text(out, "\n");
    tk_sigv4_put_headers(out, w);
    tk_put_text(out, "\n");
    tk_sigv4_put_signed(out, w, 0);
    tk_put_text(out, "\n");
    tk_put_str(out, &w->payload_hash);
}


static void
tk_sigv4_put_headers(tk_out_t *out, const tk_sigv4_work_t *w)
{
    size_t              i;
    const tk_header_t  *h;

    for (i = 0; i < w->nheaders; i++) {
        h = &w->headers[i];

        if (i && tk_sigv4_cmp_names(&h[-1].name, &h->name) == 0) {
            tk_put_text(out, ",");

        } else {
            if (i) {
                tk_put_text(out, "\n");
            }

            tk_put_lower(out, &h->name, 0);
            tk_put_text(out, ":");
        }

        tk_put_value(out, &h->value);
    }

    tk_put_text(out, "\n");
}


/* a header's name may hold "&" (RFC 9110, section 5.6.2) */

static void
tk_sigv4_put_signed(tk_out_t *out, const tk_sigv4_work_t *w, int encode)
{
    size_t              i;
    const tk_header_t  *h;

    static const tk_str_t  separator = tk_string(";");

    for (i = 0; i < w->nheaders; i++) {
        h = &w->headers[i];

        if (i) {
            if (tk_sigv4_cmp_names(&h[-1].name, &h->name) == 0) {
                continue;
            }

            tk_put_lower(out, &separator, encode);
        }

        tk_put_lower(out, &h->name, encode);
    }
}


static void
tk_sigv4_put_scope(tk_out_t *out, const tk_sigv4_work_t *w)
{
    tk_put(out, w->date, 8);
    tk_put_text(out, "/");
    tk_put_str(out, &w->s->region);
    tk_put_text(out, "/");
    tk_put_str(out, &w->s->service);
    tk_put_text(out, "/" TK_SIGV4_TERMINATOR);
}


static void
tk_sigv4_put_credential(tk_out_t *out, const tk_sigv4_work_t *w)
{
    tk_put_str(out, &w->s->credentials->access_key);
    tk_put_text(out, "/");
    tk_sigv4_put_scope(out, w);
}


static void
tk_sigv4_put_string(tk_out_t *out, const tk_sigv4_work_t *w)
{
    char        hex[TK_SIGV4_HASH_LEN];
    uint8_t     hash[SHA256_DIGEST_LENGTH];
    tk_out_t    request;
    SHA256_CTX  sha;

    SHA256_Init(&sha);

    tk_out_hash(&request, &sha);
    tk_sigv4_put_request(&request, w);

    SHA256_Final(hash, &sha);
    tk_hex(hex, hash, sizeof(hash));

    tk_put_text(out, TK_SIGV4_ALGORITHM "\n");
    tk_put(out, w->date, TK_SIGV4_DATE_LEN);
    tk_put_text(out, "\n");
    tk_sigv4_put_scope(out, w);
    tk_put_text(out, "\n");
    tk_put(out, hex, sizeof(hex));
}


static void
tk_sigv4_derive(tk_sigv4_key_t *key, const tk_sigv4_work_t *w)
{
    uint8_t            secret[SHA256_CBLOCK];
    SHA256_CTX         inner, outer;
    const tk_str_t    *sk;

    sk = &w->s->credentials->secret_key;

    if (4 + sk->len <= sizeof(secret)) {
        memcpy(secret, "AWS4", 4);

        if (sk->len) {
            memcpy(secret + 4, sk->data, sk->len);
        }

        tk_hmac_start(&inner, &outer, secret, 4 + sk->len);

    } else {

        /* RFC 2104: a key longer than a block is hashed first */

        SHA256_Init(&inner);
        SHA256_Update(&inner, "AWS4", 4);
        SHA256_Update(&inner, sk->data, sk->len);
        SHA256_Final(secret, &inner);

        tk_hmac_start(&inner, &outer, secret, SHA256_DIGEST_LENGTH);
    }

    SHA256_Update(&inner, w->date, sizeof(key->date));
    tk_hmac_done(key->key, &inner, &outer);

    tk_hmac_chain(key->key, w->s->region.data, w->s->region.len);
    tk_hmac_chain(key->key, w->s->service.data, w->s->service.len);
    tk_hmac_chain(key->key, TK_SIGV4_TERMINATOR,
                  sizeof(TK_SIGV4_TERMINATOR) - 1);

    memcpy(key->date, w->date, sizeof(key->date));
    key->valid = 1;

    OPENSSL_cleanse(secret, sizeof(secret));
}


static void
tk_sigv4_signature(char *hex, tk_sigv4_key_t *key, const tk_sigv4_work_t *w)
{
    uint8_t     hash[SHA256_DIGEST_LENGTH];
    tk_out_t    out;
    SHA256_CTX  inner, outer;

    if (!key->valid || memcmp(key->date, w->date, sizeof(key->date)) != 0) {
        tk_sigv4_derive(key, w);
    }

    tk_hmac_start(&inner, &outer, key->key, sizeof(key->key));

    tk_out_hash(&out, &inner);
    tk_sigv4_put_string(&out, w);
    tk_hmac_done(hash, &inner, &outer);

    tk_hex(hex, hash, sizeof(hash));
}
