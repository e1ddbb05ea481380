
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_HMAC_H_INCLUDED_
#define _TK_HMAC_H_INCLUDED_


/*
 * The one-shot calls of OpenSSL 3 look their algorithm up each time and the
 * EVP ones allocate a context; SHA256_*() does neither, so it cannot fail.
 */

#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "tk_wire.h"


void tk_sha256(uint8_t *out, const void *data, size_t len);

/*
 * HMAC-SHA256 (RFC 2104) of text that comes in pieces: between start and
 * done it goes to SHA256_Update(inner).  len is at most SHA256_CBLOCK.
 */
void tk_hmac_start(SHA256_CTX *inner, SHA256_CTX *outer, const uint8_t *key,
    size_t len);
void tk_hmac_done(uint8_t *out, SHA256_CTX *inner, SHA256_CTX *outer);

/* Makes of a key of SHA256_DIGEST_LENGTH the HMAC of data under it. */
void tk_hmac_chain(uint8_t *key, const void *data, size_t len);

/* Lower-case hex; out has room for 2 * len bytes. */
void tk_hex(char *out, const uint8_t *data, size_t len);


#endif /* _TK_HMAC_H_INCLUDED_ */
