
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_fuzz.h"
#include "tk_uri.h"


static void
round_trip(const uint8_t *data, size_t size, unsigned flags)
{
    size_t    n, m;
    uint8_t  *enc, *dec;

    n = tk_uri_encode(NULL, data, size, flags);
    must(n >= size && n <= 3 * size);

    enc = fuzz_alloc(n);
    dec = fuzz_alloc(size);

    must(tk_uri_encode(enc, data, size, flags) == n);

    m = tk_uri_decode(dec, enc, n, flags & TK_URI_PLUS);
    must(m == size && memcmp(dec, data, size) == 0);

    /* in place */

    m = tk_uri_decode(enc, enc, n, 0);
    must(m == size && memcmp(enc, data, size) == 0);

    free(enc);
    free(dec);
}


static void
decode(const uint8_t *data, size_t size, unsigned flags)
{
    size_t    n, m;
    uint8_t  *one, *two;

    one = fuzz_alloc(size);
    two = fuzz_alloc(size);

    n = tk_uri_decode(one, data, size, flags);
    must(n <= size);

    memcpy(two, data, size);
    m = tk_uri_decode(two, two, size, flags);
    must(m == n && memcmp(one, two, n) == 0);

    free(one);
    free(two);
}


/* what is taken as UTF-8 is the one way to write its code point */

static void
utf8(const uint8_t *data, size_t size)
{
    size_t          n;
    uint32_t        u;
    const uint8_t  *p, *last, *start;

    last = data + size;

    for (p = data; p < last; /* void */ ) {
        start = p;
        u = tk_utf8_decode(&p, last);
        n = (size_t) (p - start);

        if (u == 0xffffffff) {
            must(n == 1 && *start >= 0x80);
            continue;
        }

        must(u <= 0x10ffff && !(u >= 0xd800 && u <= 0xdfff));
        must(n == (u < 0x80 ? 1 : u < 0x800 ? 2 : u < 0x10000 ? 3 : 4));
        must(n == 1 || (p[-1] & 0x3f) == (u & 0x3f));
    }
}


/* the same by cutting and decoding each argument */

static void
query(const uint8_t *data, size_t size, const char *name)
{
    int             found;
    size_t          n, len;
    uint8_t        *dec;
    tk_str_t        value;
    const uint8_t  *p, *last, *amp, *eq, *start, *end;

    len = strlen(name);
    dec = fuzz_alloc(size);
    found = 0;
    start = end = NULL;
    last = data + size;

    for (p = data; p < last; p = amp + 1) {
        amp = memchr(p, '&', (size_t) (last - p));
        amp = amp ? amp : last;

        if (amp == p) {
            continue;
        }

        eq = memchr(p, '=', (size_t) (amp - p));
        eq = eq ? eq : amp;

        n = tk_uri_decode(dec, p, (size_t) (eq - p), TK_URI_PLUS);

        if (n == len && memcmp(dec, name, len) == 0) {
            found = 1;
            start = eq + (eq < amp);
            end = amp;
        }
    }

    must(tk_query_find(data, size, name, &value) == found);

    if (found) {
        must(value.data == start && value.len == (size_t) (end - start));
    }

    free(dec);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char    name[8];
    size_t  i;

    round_trip(data, size, 0);
    round_trip(data, size, TK_URI_SLASH | TK_URI_PLUS);
    decode(data, size, 0);
    decode(data, size, TK_URI_PLUS);
    utf8(data, size);
    query(data, size, "a");
    query(data, size, "");
    query(data, size, "code file");

    /* a name that is likely to be there */

    for (i = 0; i < 7 && i < size && data[i] != '='; i++) {
        name[i] = (char) data[i];
    }

    name[i] = '\0';
    query(data, size, name);

    return 0;
}
