
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_tap.h"
#include "tk_uri.h"


#define BYTES(s)  sizeof(s) - 1, s


typedef struct {
    unsigned     flags;
    size_t       in_len;
    const char  *in;
    size_t       out_len;
    const char  *out;
} case_t;


static const case_t  encodings[] = {
    { 0, BYTES(""), BYTES("") },
    { 0, BYTES("AZaz09-._~"), BYTES("AZaz09-._~") },
    { 0, BYTES("a b+c/d"), BYTES("a%20b%2Bc%2Fd") },
    { TK_URI_SLASH, BYTES("a b+c/d"), BYTES("a%20b%2Bc/d") },
    { TK_URI_PLUS, BYTES("/+ "), BYTES("%2F%2B%20") },
    { 0, BYTES("@[`{"), BYTES("%40%5B%60%7B") },
    { 0, BYTES("!\"#$%&'()*,:;<=>?\\]^|}\x7f"),
      BYTES("%21%22%23%24%25%26%27%28%29%2A%2C%3A%3B%3C%3D%3E%3F%5C%5D%5E"
            "%7C%7D%7F") },
    { 0, BYTES("\0\x1f\x80\xff"), BYTES("%00%1F%80%FF") },
    { 0, BYTES("\xd0\xbc\xc3\xa9"), BYTES("%D0%BC%C3%A9") },
};


/* Python's urllib.parse.unquote_to_bytes() agrees with all but PLUS */

static const case_t  decodings[] = {
    { 0, BYTES(""), BYTES("") },
    { 0, BYTES("a%20b%2fC%2Fd"), BYTES("a b/C/d") },
    { 0, BYTES("a+b"), BYTES("a+b") },
    { TK_URI_PLUS, BYTES("a+b%2B+"), BYTES("a b+ ") },
    { 0, BYTES("%"), BYTES("%") },
    { 0, BYTES("%4"), BYTES("%4") },
    { 0, BYTES("%41"), BYTES("A") },
    { 0, BYTES("%%41"), BYTES("%A") },
    { 0, BYTES("%4%41"), BYTES("%4A") },
    { 0, BYTES("%g0%0g%G0%0G"), BYTES("%g0%0g%G0%0G") },
    { 0, BYTES("%/0%:0%@0%`0%0/%0:"), BYTES("%/0%:0%@0%`0%0/%0:") },
    { 0, BYTES("%00%fF%Ff"), BYTES("\0\xff\xff") },
    { 0, BYTES("%2541"), BYTES("%41") },
    { TK_URI_PLUS, BYTES("%2+1"), BYTES("%2 1") },
};


static void
test_table(const char *name, const case_t *cases, size_t ncases,
    size_t (*call)(uint8_t *, const uint8_t *, size_t, unsigned))
{
    size_t         i, n;
    uint8_t       *in, *out;
    const case_t  *t;

    for (i = 0; i < ncases; i++) {
        t = &cases[i];

        /* blocks of the exact size, for the sanitizers */

        in = malloc(t->in_len ? t->in_len : 1);
        memcpy(in, t->in, t->in_len);
        out = malloc(t->out_len ? t->out_len : 1);

        if (call == tk_uri_decode && t->out_len < t->in_len) {
            n = call(in, in, t->in_len, t->flags);
            tap_is_bytes(in, n, t->out, t->out_len, name);

        } else {
            n = call(out, in, t->in_len, t->flags);
            tap_is_bytes(out, n, t->out, t->out_len, name);
        }

        free(in);
        free(out);
    }
}


static void
test_encode_lengths(void)
{
    size_t         i;
    unsigned       wrong;
    const case_t  *t;

    wrong = 0;

    for (i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
        t = &encodings[i];
        wrong += (tk_uri_encode(NULL, (const uint8_t *) t->in, t->in_len,
                                t->flags) != t->out_len);
    }

    tap_is_int(wrong, 0, "encode without a buffer returns the length");
    tap_is_int((int64_t) tk_uri_encode(NULL, NULL, 0, 0), 0,
               "encode of nothing");
    tap_is_int((int64_t) tk_uri_decode(NULL, NULL, 0, 0), 0,
               "decode of nothing");
}


static void
test_round_trip(void)
{
    size_t    i, len, n, m;
    uint8_t   raw[200], enc[600], dec[600];
    unsigned  wrong, flags;

    wrong = 0;

    for (i = 0; i < 20000; i++) {
        len = tap_random() % sizeof(raw);
        tap_random_bytes(raw, len);
        flags = (unsigned) tap_random() & TK_URI_SLASH;

        n = tk_uri_encode(enc, raw, len, flags);

        /* encoded text has no "+", so both ways to decode must agree */

        m = tk_uri_decode(dec, enc, n, (unsigned) tap_random() & TK_URI_PLUS);
        wrong += (m != len || memcmp(dec, raw, len) != 0);

        m = tk_uri_decode(enc, enc, n, 0);
        wrong += (m != len || memcmp(enc, raw, len) != 0);
    }

    tap_is_int(wrong, 0, "decode(encode(x)) is x, in place too");
}


/* encoding in two pieces, cut anywhere, gives the same */

static void
test_split(void)
{
    size_t    cut, n, m;
    uint8_t   raw[100], whole[300], parts[300];
    unsigned  wrong;

    wrong = 0;
    tap_random_bytes(raw, sizeof(raw));
    n = tk_uri_encode(whole, raw, sizeof(raw), 0);

    for (cut = 0; cut <= sizeof(raw); cut++) {
        m = tk_uri_encode(parts, raw, cut, 0);
        m += tk_uri_encode(parts + m, raw + cut, sizeof(raw) - cut, 0);
        wrong += (m != n || memcmp(whole, parts, n) != 0);
    }

    tap_is_int(wrong, 0, "encode in two parts");
}


static size_t
utf8_put(uint8_t *p, uint32_t u)
{
    if (u < 0x80) {
        p[0] = (uint8_t) u;
        return 1;
    }

    if (u < 0x800) {
        p[0] = (uint8_t) (0xc0 | u >> 6);
        p[1] = (uint8_t) (0x80 | (u & 0x3f));
        return 2;
    }

    if (u < 0x10000) {
        p[0] = (uint8_t) (0xe0 | u >> 12);
        p[1] = (uint8_t) (0x80 | (u >> 6 & 0x3f));
        p[2] = (uint8_t) (0x80 | (u & 0x3f));
        return 3;
    }

    p[0] = (uint8_t) (0xf0 | u >> 18);
    p[1] = (uint8_t) (0x80 | (u >> 12 & 0x3f));
    p[2] = (uint8_t) (0x80 | (u >> 6 & 0x3f));
    p[3] = (uint8_t) (0x80 | (u & 0x3f));

    return 4;
}


static void
test_utf8_all(void)
{
    size_t          n, cut;
    uint8_t         buf[4];
    uint32_t        u, got;
    unsigned        wrong, surrogates, truncated;
    const uint8_t  *p;

    wrong = 0;
    surrogates = 0;
    truncated = 0;

    for (u = 0; u < 0x120000; u++) {
        n = utf8_put(buf, u);
        p = buf;
        got = tk_utf8_decode(&p, buf + n);

        if ((u >= 0xd800 && u <= 0xdfff) || u > 0x10ffff) {
            surrogates += (got != 0xffffffff || p != buf + 1);
            continue;
        }

        wrong += (got != u || p != buf + n);

        for (cut = 1; cut < n; cut++) {
            p = buf;
            got = tk_utf8_decode(&p, buf + cut);
            truncated += (got != 0xffffffff || p != buf + 1);
        }
    }

    tap_is_int(wrong, 0, "every code point");
    tap_is_int(surrogates, 0, "surrogates and what is above U+10FFFF");
    tap_is_int(truncated, 0, "every code point cut short");
}


/* the count of all valid sequences of a length says that no other is taken */

static void
test_utf8_exhaustive(void)
{
    uint8_t         buf[3];
    uint32_t        i;
    unsigned        two, three;
    const uint8_t  *p;

    two = 0;
    three = 0;

    for (i = 0; i < 0x1000000; i++) {
        buf[0] = (uint8_t) (i >> 16);
        buf[1] = (uint8_t) (i >> 8);
        buf[2] = (uint8_t) i;

        if (buf[0] < 0x80) {
            continue;
        }

        p = buf;

        if (tk_utf8_decode(&p, buf + 3) == 0xffffffff) {
            continue;
        }

        two += (p == buf + 2 && buf[2] == 0);
        three += (p == buf + 3);
    }

    tap_is_int(two, 0x800 - 0x80, "all sequences of two bytes");
    tap_is_int(three, 0x10000 - 0x800 - 0x800,
               "all sequences of three bytes");
}


static void
test_utf8_malformed(void)
{
    size_t          i;
    const uint8_t  *p;

    static const struct {
        size_t       len;
        const char  *text;
    } malformed[] = {
        { BYTES("\x80") }, { BYTES("\xbf") }, { BYTES("\xc0\x80") },
        { BYTES("\xc1\xbf") }, { BYTES("\xc2") }, { BYTES("\xc2\x7f") },
        { BYTES("\xc2\xc0") }, { BYTES("\xe0\x9f\xbf") },
        { BYTES("\xed\xa0\x80") }, { BYTES("\xe1\x80") },
        { BYTES("\xe1\x80\x7f") }, { BYTES("\xf0\x8f\xbf\xbf") },
        { BYTES("\xf4\x90\x80\x80") }, { BYTES("\xf1\x80\x80\xc0") },
        { BYTES("\xf5\x80\x80\x80") }, { BYTES("\xfe") }, { BYTES("\xff") },
        { BYTES("\xe1\x7f\x80") }, { BYTES("\xf1\x80\x7f\x80") },
    };

    for (i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        p = (const uint8_t *) malformed[i].text;

        tap_ok(tk_utf8_decode(&p, p + malformed[i].len) == 0xffffffff
               && p == (const uint8_t *) malformed[i].text + 1,
               "malformed, one byte taken (%zu)", i);
    }
}


static void
test_query(void)
{
    int       rc;
    size_t    i;
    tk_str_t  v;

    static const struct {
        size_t       len;
        const char  *args;
        const char  *name;
        const char  *value;
    } cases[] = {
        { BYTES(""), "a", NULL },
        { BYTES("a"), "a", "" },
        { BYTES("a="), "a", "" },
        { BYTES("a=x"), "a", "x" },
        { BYTES("a=x&a=y"), "a", "y" },
        { BYTES("b&a=x"), "a", "x" },
        { BYTES("ab=1&a=2"), "a", "2" },
        { BYTES("a=1&ab=2"), "ab", "2" },
        { BYTES("&&a=x&&"), "a", "x" },
        { BYTES("b=a"), "a", NULL },
        { BYTES("a==x"), "a", "=x" },
        { BYTES("%61=%41"), "a", "%41" },
        { BYTES("%61%3d=1"), "a=", "1" },
        { BYTES("code+file=1"), "code file", "1" },
        { BYTES("%5frefresh"), "_refresh", "" },
        { BYTES("try;x=1"), "try", NULL },
        { BYTES("a%00=1&a=2"), "a", "2" },
        { BYTES("a\0=1&a=2"), "a", "2" },
        { BYTES("A=1"), "a", NULL },
        { BYTES("a%=1"), "a%", "1" },
        { BYTES("=1"), "", "1" },
        { BYTES("&"), "", NULL },
        { BYTES("try=0"), "try", "0" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        v.len = 1;
        v.data = (const uint8_t *) "?";

        rc = tk_query_find((const uint8_t *) cases[i].args, cases[i].len,
                           cases[i].name, &v);

        if (cases[i].value == NULL) {
            tap_is_int(rc, 0, cases[i].args);
            continue;
        }

        tap_is_int(rc, 1, cases[i].args);
        tap_is_str(v.data, v.len, cases[i].value, "its value");
    }

    tap_is_int(tk_query_find(NULL, 0, "a", &v), 0, "no query at all");
}


int
main(void)
{
    test_table("encode", encodings, sizeof(encodings) / sizeof(case_t),
               tk_uri_encode);
    test_table("decode", decodings, sizeof(decodings) / sizeof(case_t),
               tk_uri_decode);
    test_encode_lengths();
    test_round_trip();
    test_split();
    test_utf8_all();
    test_utf8_exhaustive();
    test_utf8_malformed();
    test_query();

    return tap_done();
}
