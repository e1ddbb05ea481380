
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_json_read.h"
#include "tk_tap.h"


#define BYTES(s)  sizeof(s) - 1, s


/* tokens, one character each, "!" and the error for what is wrong */

static char *
tokens(const char *text, size_t len, unsigned depth)
{
    size_t            n;
    tk_json_token_t   token;
    tk_json_reader_t  rd;

    static char        out[256];
    static const char  names[] = "!.{}[]:sifNtf0";
    static const char  errors[] = "-sduT";

    tk_json_reader_init(&rd, (const uint8_t *) text, len, depth);

    for (n = 0; n < sizeof(out) - 3; /* void */ ) {

        token = tk_json_next(&rd);
        out[n++] = names[token];

        if (token == TK_JSON_ERROR) {
            out[n++] = errors[rd.error];

            /* it stays an error */

            if (tk_json_next(&rd) != TK_JSON_ERROR) {
                out[n++] = '?';
            }

            break;
        }

        if (token == TK_JSON_END) {
            break;
        }
    }

    out[n] = '\0';

    return out;
}


static const struct {
    size_t       len;
    const char  *text;
    const char  *tokens;
} texts[] = {
    { BYTES("{}"), "{}." },
    { BYTES("[]"), "[]." },
    { BYTES(" [ ] \t\r\n"), "[]." },
    { BYTES("\xef\xbb\xbf[]"), "[]." },
    { BYTES("0"), "i." },
    { BYTES("-0"), "i." },
    { BYTES("-12"), "i." },
    { BYTES("1.5"), "f." },
    { BYTES("1e5"), "f." },
    { BYTES("1E+5"), "f." },
    { BYTES("-1.5e-05"), "f." },
    { BYTES("true"), "t." },
    { BYTES("false"), "f." },
    { BYTES("null"), "0." },
    { BYTES("NaN"), "N." },
    { BYTES("Infinity"), "N." },
    { BYTES("-Infinity"), "N." },
    { BYTES("\"a\""), "s." },
    { BYTES("\"\""), "s." },
    { BYTES("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\""), "s." },
    { BYTES("\"\xc3\xa9 \xf0\x9f\x98\x80 \x7f\""), "s." },
    { BYTES("[1,\"a\",[],{}]"), "[is[]{}]." },
    { BYTES("{\"a\":1,\"b\":[2]}"), "{:i:[i]}." },
    { BYTES("{\"a\" : {\"a\" :null} }"), "{:{:0}}." },
    { BYTES("[[[]]]"), "[[[]]]." },

    { BYTES(""), "!s" },
    { BYTES(" "), "!s" },
    { BYTES("\xef\xbb"), "!s" },
    { BYTES("[] []"), "[]!T" },
    { BYTES("1 2"), "i!T" },
    { BYTES("01"), "i!T" },
    { BYTES("{}\0"), "{}!T" },
    { BYTES("-"), "!s" },
    { BYTES("+1"), "!s" },
    { BYTES(".5"), "!s" },
    { BYTES("1."), "!s" },
    { BYTES("1.e5"), "!s" },
    { BYTES("1e"), "!s" },
    { BYTES("1e+"), "!s" },
    { BYTES("0x1"), "i!T" },
    { BYTES("-NaN"), "!s" },
    { BYTES("nan"), "!s" },
    { BYTES("Infinit"), "!s" },
    { BYTES("tru"), "!s" },
    { BYTES("True"), "!s" },
    { BYTES("\"a"), "!s" },
    { BYTES("\"a\\"), "!s" },
    { BYTES("\"\\x\""), "!s" },
    { BYTES("\"\\u12\""), "!s" },
    { BYTES("\"\\u12g4\""), "!s" },
    { BYTES("\"\n\""), "!s" },
    { BYTES("\"\0\""), "!s" },
    { BYTES("'a'"), "!s" },
    { BYTES("\"\xff\""), "!u" },
    { BYTES("\"\xc0\xaf\""), "!u" },
    { BYTES("\"\xed\xa0\x80\""), "!u" },
    { BYTES("\"\xe2\x82"), "!u" },
    { BYTES("\xc3\xa9"), "!s" },
    { BYTES("[1,]"), "[i!s" },
    { BYTES("[,1]"), "[!s" },
    { BYTES("[1 2]"), "[i!s" },
    { BYTES("[1"), "[i!s" },
    { BYTES("[1}"), "[i!s" },
    { BYTES("{]"), "{!s" },
    { BYTES("{\"a\"}"), "{!s" },
    { BYTES("{\"a\":}"), "{:!s" },
    { BYTES("{\"a\":1,}"), "{:i!s" },
    { BYTES("{\"a\":1]"), "{:i!s" },
    { BYTES("{\"a\" 1}"), "{!s" },
    { BYTES("{1:1}"), "{!s" },
    { BYTES("{a:1}"), "{!s" },
    { BYTES("]"), "!s" },
    { BYTES("// a\n1"), "!s" },
    { BYTES("[[[[]]]]"), "[[[!d" },
    { BYTES("{\"a\":[{\"b\":{}}]}"), "{:[{:!d" },
};


static void
test_tokens(void)
{
    size_t       i;
    char         name[64];
    const char  *got;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        snprintf(name, sizeof(name), "text %zu of %zu bytes", i,
                 texts[i].len);
        got = tokens(texts[i].text, texts[i].len, 3);
        tap_is_str(got, strlen(got), texts[i].tokens, name);
    }
}


static void
test_depth(void)
{
    size_t  i;
    char    text[2 * TK_JSON_DEPTH + 2];
    char   *got;

    for (i = 0; i <= TK_JSON_DEPTH; i++) {
        text[i] = '[';
        text[TK_JSON_DEPTH + 1 + i] = ']';
    }

    got = tokens(text + 1, 2 * TK_JSON_DEPTH, TK_JSON_DEPTH);
    tap_ok(strchr(got, '!') == NULL, "as deep as can be");

    tap_is_str(tokens(text, 8, 4) + 4, 2, "!d", "five are too many for four");
    tap_is_str(tokens(text, 8, 99999) + 8, 2, "!s", "a limit has a limit");
}


static void
reader(tk_json_reader_t *rd, const char *text)
{
    tk_json_reader_init(rd, (const uint8_t *) text, strlen(text), 32);
}


static void
test_skip(void)
{
    tk_json_reader_t  rd;

    reader(&rd, "[[1,[2]],{\"a\":[3]},4,\"b\",5]");

    (void) tk_json_next(&rd);
    tap_is_int(tk_json_skip(&rd, tk_json_next(&rd)), 0, "skip an array");
    tap_is_int(tk_json_skip(&rd, tk_json_next(&rd)), 0, "skip an object");
    tap_is_int(tk_json_skip(&rd, tk_json_next(&rd)), 0, "skip a number");
    tap_is_int(tk_json_skip(&rd, tk_json_next(&rd)), 0, "skip a string");
    tap_is_int(tk_json_next(&rd), TK_JSON_INTEGER, "what is next");
    tap_is_str(rd.text.data, rd.text.len, "5", "is the last");
    tap_is_int(tk_json_next(&rd), TK_JSON_ARRAY_END, "of the array");

    reader(&rd, "[[1,[2}]]");

    (void) tk_json_next(&rd);
    tap_is_int(tk_json_skip(&rd, tk_json_next(&rd)), -1, "skip nonsense");
    tap_is_int(tk_json_skip(&rd, tk_json_next(&rd)), -1, "it stays so");
}


static void
test_names(void)
{
    size_t            i;
    tk_json_reader_t  rd;

    static const struct {
        const char  *text;
        const char  *name;
        int          is;
    } names[] = {
        { "\"jobs\"", "jobs", 1 },
        { "\"jobs\"", "job", 0 },
        { "\"job\"", "jobs", 0 },
        { "\"Jobs\"", "jobs", 0 },
        { "\"j\\u006fbs\"", "jobs", 1 },
        { "\"j\\u006Fb\"", "jobs", 0 },
        { "\"jobs\\u0000\"", "jobs", 0 },
        { "\"\\u006a\\u006f\\u0062\\u0073\"", "jobs", 1 },
        { "\"\\/\"", "/", 1 },
        { "\"\\u00e9\"", "\xc3\xa9", 1 },
        { "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", 1 },
        { "\"\"", "", 1 },
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        reader(&rd, names[i].text);
        (void) tk_json_next(&rd);
        tap_is_int(tk_json_is(&rd, names[i].name, strlen(names[i].name)),
                   names[i].is, names[i].text);
    }
}


static void
test_decode(void)
{
    size_t            i, n;
    uint8_t           out[64];
    tk_json_reader_t  rd;

    /* as Python's json.loads() and then .encode("utf-8", "replace") but that
     * a lone surrogate becomes U+FFFD */

    static const struct {
        const char  *json;
        size_t       len;
        const char  *text;
    } strings[] = {
        { "\"plain\"", BYTES("plain") },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", BYTES("\"\\/\b\f\n\r\t") },
        { "\"\\u0000\\u007f\\u0080\\u07ff\\u0800\\uffff\"",
          BYTES("\0\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf") },
        { "\"\\ud800\\udc00\\uDBFF\\uDFFF\"",
          BYTES("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf") },
        { "\"\\ud800\"", BYTES("\xef\xbf\xbd") },
        { "\"\\udc00\\ud800\"", BYTES("\xef\xbf\xbd\xef\xbf\xbd") },
        { "\"\\ud800\\u0041\"", BYTES("\xef\xbf\xbd" "A") },
        { "\"\\ud800\\ud800\\udc00\"", BYTES("\xef\xbf\xbd\xf0\x90\x80\x80") },
        { "\"\\ud800x\"", BYTES("\xef\xbf\xbdx") },
        { "\"\xc3\xa9\\u00e9\"", BYTES("\xc3\xa9\xc3\xa9") },
        { "\"\"", BYTES("") },
    };

    for (i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        reader(&rd, strings[i].json);
        (void) tk_json_next(&rd);

        n = tk_json_decode(NULL, rd.text);
        tap_is_int((int64_t) n, (int64_t) strings[i].len, "its length");

        n = tk_json_decode(out, rd.text);
        tap_is_bytes(out, n, strings[i].text, strings[i].len,
                     strings[i].json);
    }
}


static void
test_integers(void)
{
    int               negative, rc;
    size_t            i;
    uint64_t          value;
    tk_json_reader_t  rd;

    static const struct {
        const char  *text;
        int          rc;
        int          negative;
        uint64_t     value;
    } numbers[] = {
        { "0", 0, 0, 0 },
        { "-0", 0, 0, 0 },
        { "-1", 0, 1, 1 },
        { "9007199254740993", 0, 0, 9007199254740993 },
        { "9223372036854775809", 0, 0, 9223372036854775809u },
        { "18446744073709551615", 0, 0, UINT64_MAX },
        { "-18446744073709551615", 0, 1, UINT64_MAX },
        { "18446744073709551616", -1, 0, 0 },
        { "18446744073709551620", -1, 0, 0 },
        { "28446744073709551615", -1, 0, 0 },
        { "100000000000000000000", -1, 0, 0 },
        { "-340282366920938463463374607431768211456", -1, 1, 0 },
    };

    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        reader(&rd, numbers[i].text);
        tap_is_int(tk_json_next(&rd), TK_JSON_INTEGER, numbers[i].text);

        rc = tk_json_integer(rd.text, &negative, &value);
        tap_is_int(rc, numbers[i].rc, "does it fit");
        tap_is_int(negative, numbers[i].negative, "its sign");

        if (rc == 0) {
            tap_ok(value == numbers[i].value, "its value");
        }
    }
}


int
main(void)
{
    test_tokens();
    test_depth();
    test_skip();
    test_names();
    test_decode();
    test_integers();

    return tap_done();
}
