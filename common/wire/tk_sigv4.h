
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_SIGV4_H_INCLUDED_
#define _TK_SIGV4_H_INCLUDED_


#include <time.h>

#include "tk_wire.h"


#define TK_SIGV4_UNSIGNED_PAYLOAD  "UNSIGNED-PAYLOAD"
#define TK_SIGV4_EMPTY_HASH                                                   \
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

#define TK_SIGV4_DATE_LEN       (sizeof("20261121T093005Z") - 1)
#define TK_SIGV4_HASH_LEN       64
#define TK_SIGV4_MAX_HEADERS    32
#define TK_SIGV4_MAX_ARGS       64


typedef struct {
    tk_str_t         access_key;
    tk_str_t         secret_key;
    tk_str_t         session_token;         /* len 0: none */
} tk_credentials_t;


typedef struct {
    tk_str_t         name;                  /* any case */
    tk_str_t         value;
} tk_header_t;


/*
 * The derived signing key is good for one day, region, service and secret;
 * the owner keeps one of these beside the credentials, zeroed at first, and
 * zeroes it when the secret changes.  Only the day is looked at here: two
 * regions need two of them.
 */

typedef struct {
    uint8_t          key[32];
    char             date[8];
    unsigned         valid:1;
} tk_sigv4_key_t;


typedef struct {
    const tk_credentials_t  *credentials;
    tk_str_t                 region;
    tk_str_t                 service;       /* "s3" */
    time_t                   now;

    tk_str_t                 method;
    tk_str_t                 host;          /* as in the Host header */
    tk_str_t                 path;          /* encoded, as on the wire */
    tk_str_t                 query;         /* encoded, without "?" */

    /*
     * Headers to sign beside host and the x-amz-* ones made here: any order
     * and case.  Values are trimmed and inner runs of blanks collapsed.
     */
    const tk_header_t       *headers;
    size_t                   nheaders;

    tk_str_t                 payload_hash;  /* lower-case hex SHA-256, or
                                               TK_SIGV4_UNSIGNED_PAYLOAD */
} tk_sigv4_t;


/*
 * Signs a request with headers (AWS, "Authenticating Requests: Using the
 * Authorization Header").  Signed are host, x-amz-content-sha256,
 * x-amz-date, x-amz-security-token when there is one, and s->headers, which
 * must not name these again.  With a service other than "s3" there is no
 * x-amz-content-sha256.
 *
 * date must have room for TK_SIGV4_DATE_LEN bytes: the X-Amz-Date to send.
 * auth receives the value of Authorization; returns its length, or -1 if it
 * needs more than size bytes or there are over TK_SIGV4_MAX_HEADERS headers
 * or TK_SIGV4_MAX_ARGS query arguments; auth is then not to be used.
 * The signed path is s->path as it is: S3 neither normalises nor encodes
 * twice.  Query arguments are signed as they are too, so they must be encoded
 * as tk_uri_encode() does; "x" and "x=" are the same, "&&" holds none.
 *
 * s->now is taken from 1970 to 2099, what is outside as the nearest second.
 */
ssize_t tk_sigv4_sign(const tk_sigv4_t *s, tk_sigv4_key_t *key, char *date,
    char *auth, size_t size);

/*
 * Presigns a request (AWS, "Authenticating Requests: Using Query
 * Parameters"): writes the whole new query string, s->query included, with
 * X-Amz-Signature last.  Only host and s->headers are signed; payload_hash
 * is taken as UNSIGNED-PAYLOAD if the service is "s3".  expires is in
 * seconds, 1 to 604800; anything else is refused.
 * Returns the length, or -1 as tk_sigv4_sign() does.  The five or six
 * X-Amz-* arguments that are signed count towards TK_SIGV4_MAX_ARGS.
 */
ssize_t tk_sigv4_presign(const tk_sigv4_t *s, tk_sigv4_key_t *key,
    uint32_t expires, char *query, size_t size);

/* Lower-case hex SHA-256 of data; out has room for 64 bytes, no NUL. */
void tk_sha256_hex(char *out, const void *data, size_t len);


/* for tests and tools: the intermediate forms, same return values */

ssize_t tk_sigv4_canonical_request(const tk_sigv4_t *s, char *out,
    size_t size);
ssize_t tk_sigv4_string_to_sign(const tk_sigv4_t *s, char *out, size_t size);


#endif /* _TK_SIGV4_H_INCLUDED_ */
