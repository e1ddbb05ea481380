
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_hmac.h"
#include "tk_sigv4.h"


void
tk_sha256(uint8_t *out, const void *data, size_t len)
{
    SHA256_CTX  sha;

    SHA256_Init(&sha);

    if (len) {
        SHA256_Update(&sha, data, len);
    }

    SHA256_Final(out, &sha);
}


void
tk_sha256_hex(char *out, const void *data, size_t len)
{
    uint8_t  hash[SHA256_DIGEST_LENGTH];

    tk_sha256(hash, data, len);
    tk_hex(out, hash, sizeof(hash));
}


void
tk_hmac_start(SHA256_CTX *inner, SHA256_CTX *outer, const uint8_t *key,
    size_t len)
{
    size_t   i;
    uint8_t  pad[SHA256_CBLOCK];

    memset(pad, 0x36, sizeof(pad));

    for (i = 0; i < len; i++) {
        pad[i] ^= key[i];
    }

    SHA256_Init(inner);
    SHA256_Update(inner, pad, sizeof(pad));

    for (i = 0; i < sizeof(pad); i++) {
        pad[i] ^= 0x36 ^ 0x5c;
    }

    SHA256_Init(outer);
    SHA256_Update(outer, pad, sizeof(pad));

    OPENSSL_cleanse(pad, sizeof(pad));
}


void
tk_hmac_done(uint8_t *out, SHA256_CTX *inner, SHA256_CTX *outer)
{
    uint8_t  hash[SHA256_DIGEST_LENGTH];

    SHA256_Final(hash, inner);
    SHA256_Update(outer, hash, sizeof(hash));
    SHA256_Final(out, outer);

    OPENSSL_cleanse(inner, sizeof(SHA256_CTX));
    OPENSSL_cleanse(outer, sizeof(SHA256_CTX));
}


void
tk_hmac_chain(uint8_t *key, const void *data, size_t len)
{
    SHA256_CTX  inner, outer;

    tk_hmac_start(&inner, &outer, key, SHA256_DIGEST_LENGTH);

    if (len) {
        SHA256_Update(&inner, data, len);
    }

    tk_hmac_done(key, &inner, &outer);
}


void
tk_hex(char *out, const uint8_t *data, size_t len)
{
    size_t  i;

    static const char  hex[] = "0123456789abcdef";

    for (i = 0; i < len; i++) {
        *out++ = hex[data[i] >> 4];
        *out++ = hex[data[i] & 0xf];
    }
}
