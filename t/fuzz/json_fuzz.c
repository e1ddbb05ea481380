
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_fuzz.h"
#include "tk_json.h"
#include "tk_uri.h"


static uint32_t
hex4(const uint8_t *p)
{
    int       i;
    uint32_t  u;

    for (i = 0, u = 0; i < 4; i++) {
        must((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f'));
        u = u << 4 | (uint32_t) (p[i] <= '9' ? p[i] - '0' : p[i] - 'a' + 10);
    }

    return u;
}


/* the next code point of a JSON string */

static uint32_t
json_next(const uint8_t **p)
{
    uint32_t     u;
    const char  *known;

    static const char  escapes[] = "\"\\bfnrt", values[] = "\"\\\b\f\n\r\t";

    if (**p != '\\') {
        return *(*p)++;
    }

    *p += 2;

    if ((*p)[-1] != 'u') {
        known = strchr(escapes, (*p)[-1]);
        must(known != NULL && *known != '\0');
        return (uint32_t) values[known - escapes];
    }

    u = hex4(*p);
    *p += 4;

    if (u >= 0xd800 && u <= 0xdbff) {
        must((*p)[0] == '\\' && (*p)[1] == 'u');
        u = 0x10000 + ((u & 0x3ff) << 10) + (hex4(*p + 2) & 0x3ff);
        *p += 6;
    }

    return u;
}


static void
json(const uint8_t *data, size_t size)
{
    size_t          i, n;
    uint8_t        *out;
    uint32_t        u;
    const uint8_t  *p, *q;

    n = tk_json_escape(NULL, data, size);
    must(n >= size / 4 && n <= 6 * size);

    out = fuzz_alloc(n + 1);
    out[n] = 0;
    must(tk_json_escape(out, data, size) == n);

    for (i = 0; i < n; i++) {
        must(out[i] >= 0x20 && out[i] < 0x7f);
    }

    q = out;

    for (p = data; p < data + size; /* void */ ) {
        u = tk_utf8_decode(&p, data + size);
        must(json_next(&q) == (u == 0xffffffff ? 0xfffd : u));
    }

    must(q == out + n);
    free(out);
}


static void
log_line(const uint8_t *data, size_t size, size_t room)
{
    size_t    i, n, all;
    uint8_t  *whole, *out;

    whole = fuzz_alloc(4 * size);
    all = tk_log_escape(whole, 4 * size, data, size);
    must(all >= size && all <= 4 * size);

    for (i = 0; i < all; i++) {
        must(whole[i] >= 0x20 && whole[i] != 0x7f && whole[i] != '"');
    }

    out = fuzz_alloc(room);
    n = tk_log_escape(out, room, data, size);

    if (all <= room) {
        must(n == all && memcmp(out, whole, n) == 0);

    } else {
        must(n <= room && n + 12 > room);
        must(room < 3 || memcmp(out + n - 3, "...", 3) == 0);
        must(room < 3 || memcmp(out, whole, n - 3) == 0);
    }

    free(whole);
    free(out);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json(data, size);

    if (size) {
        log_line(data + 1, size - 1, data[0]);
    }

    return 0;
}
