
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_json.h"
#include "tk_tap.h"


#define BYTES(s)  sizeof(s) - 1, s


/* as Python prints json.dumps(text) */

static const struct {
    size_t       len;
    const char  *text;
    const char  *json;
} strings[] = {
    { BYTES(""), "" },
    { BYTES("plain"), "plain" },
    { BYTES("\"\\/"), "\\\"\\\\/" },
    { BYTES("\b\f\n\r\t"), "\\b\\f\\n\\r\\t" },
    { BYTES("\0\x01\x1f\v"), "\\u0000\\u0001\\u001f\\u000b" },
    { BYTES(" ~\x7f"), " ~\\u007f" },
    { BYTES("\xc2\x80\xc3\xa9"), "\\u0080\\u00e9" },
    { BYTES("\xe2\x80\xa8"), "\\u2028" },
    { BYTES("\xef\xbf\xbf"), "\\uffff" },
    { BYTES("\xf0\x9f\x98\x80"), "\\ud83d\\ude00" },
    { BYTES("\xf0\x90\x80\x80"), "\\ud800\\udc00" },
    { BYTES("\xf4\x8f\xbf\xbf"), "\\udbff\\udfff" },
    { BYTES("a\xff" "b"), "a\\ufffdb" },
    { BYTES("\xed\xa0\x80"), "\\ufffd\\ufffd\\ufffd" },
    { BYTES("\xe6\xbc"), "\\ufffd\\ufffd" },
    { BYTES("nsTArray<T>::Foo(char const*) \xe2\x80\xa6"),
      "nsTArray<T>::Foo(char const*) \\u2026" },
};


static void
test_json(void)
{
    size_t    i, n;
    uint8_t  *out;

    for (i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        n = tk_json_escape(NULL, (const uint8_t *) strings[i].text,
                           strings[i].len);
        tap_is_int((int64_t) n, (int64_t) strlen(strings[i].json),
                   "the length of a JSON string");

        out = malloc(n ? n : 1);
        n = tk_json_escape(out, (const uint8_t *) strings[i].text,
                           strings[i].len);
        tap_is_str(out, n, strings[i].json, "a JSON string");
        free(out);
    }

    tap_is_int((int64_t) tk_json_escape(NULL, NULL, 0), 0,
               "the JSON string of nothing");
}


static void
test_json_random(void)
{
    size_t    i, k, len, n;
    uint8_t   raw[64], out[6 * 64];
    unsigned  wrong;

    wrong = 0;

    for (i = 0; i < 50000; i++) {
        len = tap_random() % sizeof(raw);
        tap_random_bytes(raw, len);
        n = tk_json_escape(out, raw, len);

        wrong += (n > 6 * len || n != tk_json_escape(NULL, raw, len));

        for (k = 0; k < n; k++) {
            wrong += (out[k] < 0x20 || out[k] > 0x7e);
        }
    }

    tap_is_int(wrong, 0, "JSON is printable ASCII, at most six times as long");
}


static const struct {
    size_t       size;
    size_t       len;
    const char  *text;
    const char  *log;
} lines[] = {
    { 100, BYTES(""), "" },
    { 100, BYTES("plain ~ text"), "plain ~ text" },
    { 100, BYTES("a\r\nb\0"), "a\\x0D\\x0Ab\\x00" },
    { 100, BYTES("\"\\\x1b[31m\x7f"), "\\x22\\x5C\\x1B[31m\\x7F" },
    { 100, BYTES("\xc2\x80\xc2\x9f\xc2\xa0"),
      "\\xC2\\x80\\xC2\\x9F\xc2\xa0" },
    { 100, BYTES("caf\xc3\xa9 \xf0\x9f\x98\x80"),
      "caf\xc3\xa9 \xf0\x9f\x98\x80" },
    { 100, BYTES("\xff\xe6\xbc"), "\\xFF\\xE6\\xBC" },
    { 100, BYTES("\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa"
                 "\xe2\x80\xae\xe2\x80\xaf"),
      "\xe2\x80\xa7\\xE2\\x80\\xA8\\xE2\\x80\\xA9\\xE2\\x80\\xAA"
      "\\xE2\\x80\\xAE\xe2\x80\xaf" },
    { 100, BYTES("\xd8\x9b\xd8\x9c\xd8\x9d"),
      "\xd8\x9b\\xD8\\x9C\xd8\x9d" },
    { 100, BYTES("\xe2\x80\x8d\xe2\x80\x8e\xe2\x80\x8f\xe2\x80\x90"),
      "\xe2\x80\x8d\\xE2\\x80\\x8E\\xE2\\x80\\x8F\xe2\x80\x90" },
    { 100, BYTES("\xe2\x81\xa5\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa"),
      "\xe2\x81\xa5\\xE2\\x81\\xA6\\xE2\\x81\\xA9\xe2\x81\xaa" },

    /* cut */
    { 6, BYTES("abcdef"), "abcdef" },
    { 6, BYTES("abcdefg"), "abc..." },
    { 7, BYTES("abc\n"), "abc\\x0A" },
    { 7, BYTES("abc\nd"), "abc..." },
    { 8, BYTES("abc\nde"), "abc..." },
    { 10, BYTES("abc\ndefg"), "abc\\x0A..." },
    { 7, BYTES("abc\xc3\xa9" "def"), "abc..." },
    { 8, BYTES("abc\xc3\xa9" "def"), "abc\xc3\xa9" "def" },
    { 8, BYTES("abc\xc3\xa9" "defg"), "abc\xc3\xa9..." },
    { 5, BYTES("\xf0\x9f\x98\x80" "ab"), "..." },
    { 4, BYTES("\n"), "\\x0A" },
    { 3, BYTES("\n"), "..." },
    { 3, BYTES("abc"), "abc" },
    { 3, BYTES("abcd"), "..." },
    { 2, BYTES("abc"), ".." },
    { 1, BYTES("ab"), "." },
    { 0, BYTES("a"), "" },
    { 0, BYTES(""), "" },
};


static void
test_log(void)
{
    size_t    i, n;
    uint8_t  *out;

    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        out = malloc(lines[i].size ? lines[i].size : 1);
        n = tk_log_escape(out, lines[i].size, (const uint8_t *) lines[i].text,
                          lines[i].len);
        tap_is_str(out, n, lines[i].log, "a line of a log");
        free(out);
    }

    tap_is_int((int64_t) tk_log_escape(NULL, 0, NULL, 0), 0,
               "a line of a log of nothing");
}


static void
test_log_random(void)
{
    size_t    i, k, len, size, n, all;
    uint8_t   raw[64], whole[4 * 64], out[4 * 64];
    unsigned  wrong;

    wrong = 0;

    for (i = 0; i < 50000; i++) {
        len = tap_random() % sizeof(raw);
        tap_random_bytes(raw, len);
        size = tap_random() % sizeof(out);

        all = tk_log_escape(whole, sizeof(whole), raw, len);
        n = tk_log_escape(out, size, raw, len);

        if (all <= size) {
            wrong += (n != all || memcmp(out, whole, n) != 0);

        } else {
            wrong += (n > size || n + 12 <= size);

            for (k = 1; k <= 3 && k <= n; k++) {
                wrong += (out[n - k] != '.');
            }

            wrong += (n > 3 && memcmp(out, whole, n - 3) != 0);
        }

        for (k = 0; k < n; k++) {
            wrong += (out[k] < 0x20 || out[k] == 0x7f || out[k] == '"');
        }
    }

    tap_is_int(wrong, 0, "log text fits, starts as the whole, is one line");
}


int
main(void)
{
    test_json();
    test_json_random();
    test_log();
    test_log_random();

    return tap_done();
}
