
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_annotations.h"
#include "tk_number.h"
#include "tk_tap.h"


#define STR(s)  (tk_str_t) tk_string(s)


typedef struct {
    char    *data;
    size_t   len;
    size_t   size;
    int      fail;                    /* the write that fails, 0: none */
} out_t;


static int
put(void *data, const uint8_t *p, size_t len)
{
    out_t  *out;

    out = data;

    if (out->fail && --out->fail == 0) {
        return 5;
    }

    if (out->size - out->len <= len) {
        out->size = 2 * out->size + len + 1;
        out->data = realloc(out->data, out->size);
    }

    memcpy(out->data + out->len, p, len);
    out->len += len;
    out->data[out->len] = '\0';

    return 0;
}


/* only the annotations */

static char *
print(const tk_annotations_t *a)
{
    out_t           out;
    tk_dumps_t      dumps;
    tk_raw_crash_t  crash;

    memset(&out, 0, sizeof(out));
    memset(&crash, 0, sizeof(crash));
    tk_dumps_init(&dumps, 0);
    crash.dumps = &dumps;

    (void) tk_raw_crash_write(a, &crash, put, &out);

    return out.data;
}


static tk_malformed_e
part(tk_annotations_t *a, const char *name, const void *value, size_t len,
    int json)
{
    size_t           i, n;
    tk_str_t         s;
    tk_malformed_e   rc;

    s.data = (const uint8_t *) name;
    s.len = strlen(name);
    rc = tk_annotations_start(a, &s, json);

    for (i = 0; i < len && rc == TK_MALFORMED_NONE; i += n) {
        n = 1 + (size_t) (tap_random() % 1000);
        n = (n < len - i) ? n : len - i;

        s.data = (const uint8_t *) value + i;
        s.len = n;
        rc = tk_annotations_data(a, &s);
    }

    if (rc != TK_MALFORMED_NONE) {
        tk_annotations_cancel(a);
        return rc;
    }

    return tk_annotations_end(a, &STR(""));
}


static tk_annotations_t *
create(size_t max, size_t total, uint32_t limit)
{
    tk_annotations_conf_t  conf;

    memset(&conf, 0, sizeof(conf));
    conf.max = max;
    conf.total = total;
    conf.names = limit;

    return tk_annotations_create(&conf);
}


/* each line: the JSON in hex, and what Python makes of it */

static void
test_json(void)
{
    char              *data, *p, *hex, *want, *end, *got, name[64];
    size_t             len, i, n;
    uint8_t           *json;
    tk_malformed_e     rc;
    tk_annotations_t  *a;

    data = tap_read_file("t/data/crash/json", &len);

    for (p = data, n = 0; p < data + len; p = end + 1, n++) {

        hex = p;
        want = strchr(p, ' ');
        *want++ = '\0';
        end = strchr(want, '\n');
        *end = '\0';

        i = (hex[0] == '-') ? 0 : strlen(hex) / 2;
        json = malloc(i + 1);

        for (i = 0; hex[0] != '-' && hex[2 * i]; i++) {
            char  byte[3] = { hex[2 * i], hex[2 * i + 1], '\0' };

            json[i] = (uint8_t) strtoul(byte, NULL, 16);
        }

        a = create(0, 0, 0);
        rc = part(a, "extra", json, i, 1);

        (void) snprintf(name, sizeof(name), "JSON number %zu", n);

        if (rc == TK_MALFORMED_NONE) {
            got = print(a);
            tap_is_str(got, strlen(got), want, name);
            free(got);

        } else {
            tap_is_str(tk_malformed_reason(rc)->data,
                       tk_malformed_reason(rc)->len, want, name);
        }

        tk_annotations_destroy(a);
        free(json);
    }

    free(data);
}


static void
test_floats(void)
{
    char      *data, *p, *end, *want;
    size_t     len, n;
    uint8_t    buf[TK_NUMBER];
    tk_str_t   text;
    unsigned   lines, wrong;

    data = tap_read_file("t/data/crash/floats", &len);
    lines = 0;
    wrong = 0;

    for (p = data; p < data + len; p = end + 1) {
        want = strchr(p, ' ');
        end = strchr(want, '\n');
        *end = '\0';
        lines++;

        text.data = (uint8_t *) p;
        text.len = (size_t) (want - p);
        n = tk_number_repr(buf, tk_number_parse(&text));

        if (n != strlen(want + 1) || memcmp(buf, want + 1, n) != 0) {
            wrong++;
            tap_diag_bytes("float", p, text.len);
            tap_diag_bytes("got", buf, n);
            tap_diag_bytes("expected", want + 1, strlen(want + 1));
        }
    }

    tap_ok(lines > 1000 && wrong == 0, "%u floats as Python prints them",
           lines);
    free(data);
}


static void
test_types(void)
{
    size_t                  i;
    uint32_t                n;
    tk_str_t                str, name;
    tk_annotations_t       *a;
    const tk_annotation_t  *one, *two;

    static const char  json[] =
        "{\"s\": \"text\", \"i\": 5, \"f\": 1e2, \"t\": true, \"n\": null,"
        " \"l\": [1,2], \"x\": false, \"nan\": NaN, \"inf\": Infinity,"
        " \"-inf\": -Infinity, \"e\": \"\"}";

    static const struct {
        const char       *name;
        tk_annotation_e   type;
        const char       *str;
    } expected[] = {
        { "s", TK_ANNOTATION_TEXT, "text" },
        { "e", TK_ANNOTATION_TEXT, "" },
        { "i", TK_ANNOTATION_NUMBER, "5" },
        { "f", TK_ANNOTATION_NUMBER, "100.0" },
        { "t", TK_ANNOTATION_TRUE, "True" },
        { "x", TK_ANNOTATION_FALSE, "False" },
        { "n", TK_ANNOTATION_NULL, "None" },
        { "nan", TK_ANNOTATION_NUMBER, "nan" },
        { "inf", TK_ANNOTATION_NUMBER, "inf" },
        { "-inf", TK_ANNOTATION_NUMBER, "-inf" },
        { "l", TK_ANNOTATION_JSON, "[1, 2]" }
    };

    a = create(0, 0, 0);
    tap_is_int(tk_annotations_json(a), 0, "no JSON yet");
    (void) part(a, "extra", json, sizeof(json) - 1, 1);
    tap_is_int(tk_annotations_json(a), 1, "JSON");

    for (i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        name.data = (const uint8_t *) expected[i].name;
        name.len = strlen(expected[i].name);
        one = tk_annotations_find(a, &name);

        if (tap_ok(one != NULL, "\"%s\" is there", expected[i].name)) {
            tap_is_int(one->type, expected[i].type, "its type");
            tk_annotation_str(&str, one);
            tap_is_str(str.data, str.len, expected[i].str, "str() of it");
        }
    }

    tap_ok(tk_annotations_find(a, &STR("")) == NULL, "no empty name");
    tap_ok(tk_annotations_find(a, &STR("inf0")) == NULL, "no other name");

    /* aliases */

    (void) tk_annotations_alias(a, &STR("s"), &STR("alias"));
    one = tk_annotations_find(a, &STR("s"));
    two = tk_annotations_find(a, &STR("alias"));
    tap_ok(two && two->value.data == one->value.data
           && two->value.len == one->value.len, "an alias shares the bytes");
    tap_is_int(two->json, 0, "not of the JSON part");

    (void) tk_annotations_alias(a, &STR("t"), &STR("really"));
    one = tk_annotations_find(a, &STR("really"));
    tap_is_str(one->value.data, one->value.len, "True", "of what is no text");

    n = tk_annotations_count(a);
    (void) tk_annotations_alias(a, &STR("s"), &STR("t"));
    (void) tk_annotations_alias(a, &STR("none"), &STR("other"));
    tap_ok(tk_annotations_find(a, &STR("t"))->type == TK_ANNOTATION_TRUE
           && tk_annotations_count(a) == n,
           "only where there is none, and something to be called so");

    one = tk_annotations_find(a, &STR("i"));
    tap_is_int(one->json, 1, "of the JSON part");

    tk_annotations_destroy(a);
    tk_annotations_destroy(NULL);
}


static void
test_order(void)
{
    char               name[32], *got;
    size_t             i, k;
    unsigned           wrong;
    tk_annotations_t  *a;

    a = create(0, 0, 0);

    for (i = 0; i < 3000; i++) {
        (void) snprintf(name, sizeof(name), "%c%u",
                        "Aa_z~"[tap_random() % 5],
                        (unsigned) (tap_random() % 300));
        (void) part(a, name, "old", 3, 0);
        (void) part(a, name, name, strlen(name), 0);
    }

    wrong = 0;

    for (k = 0; k < tk_annotations_count(a); k++) {
        const tk_annotation_t  *one, *two;

        one = tk_annotations_get(a, (uint32_t) k);
        wrong += tk_str_compare(&one->name, &one->value) != 0;
        wrong += tk_annotations_find(a, &one->name) != one;

        if (k) {
            two = tk_annotations_get(a, (uint32_t) k - 1);
            wrong += tk_str_compare(&two->name, &one->name) >= 0;
        }
    }

    tap_is_int(wrong, 0, "in order, the last one of a name");
    tk_annotations_destroy(a);

    /* of UTF-8 the order of bytes is that of code points */

    a = create(0, 0, 0);
    (void) part(a, "\xf0\x9f\x98\x80", "4", 1, 0);
    (void) part(a, "\xef\xbf\xbf", "3", 1, 0);
    (void) part(a, "\xc3\xa9", "2", 1, 0);
    (void) part(a, "z", "1", 1, 0);
    got = print(a);
    tap_is_str(got, strlen(got), "{\"z\": \"1\", \"\\u00e9\": \"2\", "
               "\"\\uffff\": \"3\", \"\\ud83d\\ude00\": \"4\"}",
               "by code points");
    free(got);
    tk_annotations_destroy(a);
}


static void
test_limits(void)
{
    char              *text, json[64];
    size_t             i, len;
    tk_malformed_e     rc;
    tk_annotations_t  *a;

    text = malloc(400000);
    memset(text, 'x', 400000);

    a = create(1000, 0, 0);
    tap_is_int(part(a, "A", text, 1000, 0), TK_MALFORMED_NONE,
               "as long as may be");
    tap_is_int(part(a, "A", text, 1001, 0), TK_MALFORMED_ANNOTATION,
               "one byte more");
    tap_is_int(part(a, "A", text, 1001, 1), TK_MALFORMED_ANNOTATION,
               "of JSON too");
    tk_annotations_destroy(a);

    a = create(0, 0, 3);
    (void) part(a, "A", "1", 1, 0);
    (void) part(a, "B", "1", 1, 0);
    tap_is_int(part(a, "C", "1", 1, 0), TK_MALFORMED_NONE, "three names");
    tap_is_int(part(a, "B", "2", 1, 0), TK_MALFORMED_NONE, "one again");
    tap_is_int(part(a, "D", "1", 1, 0), TK_MALFORMED_ANNOTATIONS,
               "four names");
    (void) snprintf(json, sizeof(json),
                    "{\"a\":1,\"b\":2,\"c\":3,\"b\":4,\"d\":5}");
    tap_is_int(part(a, "extra", json, strlen(json), 1),
               TK_MALFORMED_ANNOTATIONS, "four names in JSON");
    tap_ok(tk_annotations_find(a, &STR("A")) != NULL
           && tk_annotations_find(a, &STR("a")) == NULL,
           "what was there stays");
    tk_annotations_destroy(a);

    /* all together; of one name only the last is counted */

    a = create(0, 100000, 0);
    rc = TK_MALFORMED_NONE;

    for (i = 0; i < 100 && rc == TK_MALFORMED_NONE; i++) {
        rc = part(a, "A", text, 30000, 0);
    }

    tap_is_int(rc, TK_MALFORMED_NONE, "one name, a hundred times");
    tap_is_int(part(a, "B", text, 60000, 0), TK_MALFORMED_NONE, "two names");
    tap_is_int(part(a, "C", text, 20000, 0), TK_MALFORMED_ANNOTATIONS,
               "too much in all");
    tk_annotations_destroy(a);

    /* what is dropped leaves room for the note that it was */

    a = create(0, 100000, 0);
    text[0] = '\xff';
    tap_is_int(part(a, "A", text, 65000, 0), TK_MALFORMED_NONE,
               "no UTF-8, and nearly too much");
    tap_ok(tk_annotations_count(a) == 0 && tk_annotations_size(a) > 0
           && tk_annotations_size(a) < 1000, "only a note is left of it");
    tk_annotations_destroy(a);

    /* what JSON needs while it is read is counted too */

    text[0] = '{';
    memcpy(text + 1, "\"a\":[", 5);
    memset(text + 6, '1', 1);

    for (len = 7; len < 300000; len += 2) {
        text[len] = ',';
        text[len + 1] = '1';
    }

    text[len++] = ']';
    text[len++] = '}';

    a = create(0, 500000, 0);
    tap_is_int(part(a, "extra", text, len, 1), TK_MALFORMED_ANNOTATIONS,
               "JSON that does not fit while it is read");
    tk_annotations_destroy(a);

    a = create(0, 2000000, 0);
    tap_is_int(part(a, "extra", text, len, 1), TK_MALFORMED_NONE,
               "JSON that does");
    tk_annotations_destroy(a);

    a = create(0, 300, 0);
    rc = TK_MALFORMED_NONE;

    for (i = 0; i < 100 && rc == TK_MALFORMED_NONE; i++) {
        rc = tk_annotations_note(a, "a note", 6);
    }

    tap_is_int(rc, TK_MALFORMED_ANNOTATIONS, "notes are counted");
    tk_annotations_destroy(a);

    free(text);
}


/* megabytes: what is kept is what came, whatever its memory was on the way */

static void
test_large(void)
{
    char                   *text;
    size_t                  i, size;
    unsigned                wrong;
    tk_annotations_t       *a;
    const tk_annotation_t  *one;

    static const size_t  sizes[] = {
        600000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 1500000, 5000001
    };

    text = malloc(5000001);

    for (i = 0; i < 5000001; i++) {
        text[i] = (char) ('!' + tap_random() % 90);
    }

    a = create(0, 0, 0);
    wrong = 0;

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size = sizes[i];

        wrong += part(a, "A", text, size, 0) != TK_MALFORMED_NONE;
        one = tk_annotations_find(a, &STR("A"));
        wrong += one == NULL || one->value.len != size
                 || memcmp(one->value.data, text, size) != 0;
    }

    tap_is_int((long) wrong, 0, "large texts are kept as they are");
    tap_ok(tk_annotations_size(a) < 5000001 + 2000, "and nothing besides");

    tk_annotations_destroy(a);
    free(text);
}


/* nothing grows faster than the input: the time of two is twice that of one */

static void
test_deep(void)
{
    char              *text, *got, *want;
    size_t             i, len;
    tk_annotations_t  *a;

    text = malloc(200000);
    want = malloc(200000);
    len = 0;

    /* an object in each object, of which the last key comes first */

    for (i = 0; i < 32; i++) {
        len += (size_t) sprintf(text + len, "{\"z\":%zu,\"y\":", i);
    }

    len += (size_t) sprintf(text + len, "0");

    for (i = 0; i < 32; i++) {
        text[len++] = '}';
    }

    a = create(0, 0, 0);
    tap_is_int(part(a, "extra", text, len, 1), TK_MALFORMED_NONE,
               "32 objects in one another");
    got = print(a);

    len = 0;

    for (i = 0; i < 32; i++) {
        len += (size_t) sprintf(want + len, "{\"y\": ");
    }

    len += (size_t) sprintf(want + len, "0");

    for (i = 32; i-- > 0; /* void */ ) {
        len += (size_t) sprintf(want + len, ", \"z\": %zu}", i);
    }

    tap_is_str(got, strlen(got), want, "in order at each level");

    free(got);
    free(text);
    free(want);
    tk_annotations_destroy(a);
}


/* memory ends at each place: what was begun goes, what was there stays */

static void
test_short_of_memory(void)
{
    char               *got;
    size_t              total;
    tk_str_t            s;
    unsigned            wrong, refused;
    tk_malformed_e      rc;
    tk_annotations_t   *a;

    static const char  json[] =
        "{\"b\": {\"y\": [1.5, \"\\ud800\"], \"x\": {}, \"y\": 2}, \"a\": "
        "\"text\", \"c\": [[], {\"q\": 1, \"p\": 2}]}";
    static const char  utf16[] = "{\0\"\0d\0\"\0:\0\"\0\xe9\0\"\0}\0";

    wrong = 0;
    refused = 0;

    for (total = 1; total < 4000; total += 3) {

        a = create(0, total, 0);
        rc = part(a, "first", "value", 5, 0);

        if (rc == TK_MALFORMED_NONE) {
            rc = part(a, "extra", json, sizeof(json) - 1, 1);

            wrong += (tk_annotations_find(a, &STR("first")) != NULL)
                     != (rc != TK_MALFORMED_NONE);
        }

        if (rc == TK_MALFORMED_NONE) {
            rc = part(a, "late", "\xff", 1, 0);
        }

        if (rc == TK_MALFORMED_NONE) {
            s = STR("b");
            rc = tk_annotations_remove(a, &s, 1);
        }

        if (rc == TK_MALFORMED_NONE) {
            rc = part(a, "extra", utf16, sizeof(utf16) - 1, 1);
        }

        got = print(a);

        if (rc == TK_MALFORMED_NONE) {
            wrong += strcmp(got, "{\"d\": \"\\u00e9\"}") != 0;

        } else {
            wrong += (rc != TK_MALFORMED_ANNOTATIONS);
            refused++;
        }

        free(got);
        tk_annotations_destroy(a);
    }

    tap_is_int(wrong, 0, "whatever memory there is");
    tap_ok(refused > 100 && refused < 1200, "%u times it was too little",
           refused);
}


static void
test_write(void)
{
    int                i, rc;
    out_t              out;
    char               long_[3000];
    size_t             k;
    uint8_t            hash[32], agent[100000];
    char               note[TK_DUMPS_NOTE];
    unsigned           writes;
    tk_dumps_t         dumps;
    tk_malformed_e     error;
    tk_raw_crash_t     crash;
    tk_annotations_t  *a;

    a = create(0, 0, 0);
    memset(&crash, 0, sizeof(crash));
    tk_dumps_init(&dumps, 0);

    /* characters of two to four bytes at each place of a piece */

    for (k = 0; k + 4 < sizeof(long_); /* void */ ) {
        static const char *const  text[] = {
            "\xf0\x9f\x98\x80", "\xc3\xa9", "\xe2\x82\xac", "x"
        };
        const char  *s;

        s = text[tap_random() % 4];
        memcpy(long_ + k, s, strlen(s));
        k += strlen(s);
    }

    (void) part(a, "long", long_, k, 0);
    (void) part(a, "A", "1", 1, 0);
    (void) tk_annotations_note(a, "one", 3);
    (void) tk_annotations_note(a, "t\xffo", 3);

    memset(hash, 0xab, sizeof(hash));
    tk_dumps_done(&dumps, tk_dumps_add(&dumps, &STR("d"), note, &error), hash,
                  5);

    crash.dumps = &dumps;
    crash.layout_2018 = 1;
    crash.layout_2022 = 1;
    crash.compressed = 1;
    crash.sec = 1000000000;
    crash.start_sec = 1000000000;
    crash.start_usec = 100000;
    crash.uuid = STR("U");
    crash.type_tag = STR("bp");
    crash.throttle_rule = STR("r");

    memset(&out, 0, sizeof(out));
    rc = tk_raw_crash_write(a, &crash, put, &out);
    tap_is_int(rc, 0, "both layouts at once");

    tap_ok(strstr(out.data, "{\"A\": \"1\", \"MinidumpSha256Hash\": \"\", "
                  "\"dump_checksums\": {\"d\": \"abab") == out.data,
           "how it begins");
    tap_ok(strstr(out.data, "\"metadata\": {\"collector_notes\": [\"one\", "
                  "\"t\\ufffdo\"], \"dump_checksums\": {\"d\": ") != NULL,
           "notes");
    tap_ok(strstr(out.data, "\"payload_compressed\": \"1\"") != NULL,
           "compressed");
    tap_ok(strstr(out.data, "\"submitted_timestamp\": "
                  "\"2001-09-09T01:46:40+00:00\", \"throttle_rate\": 0, "
                  "\"timestamp\": 1000000000.1, \"type_tag\": \"bp\", "
                  "\"uuid\": \"U\", \"version\": 2}") != NULL,
           "how it ends");
    tap_ok(strstr(out.data, "ufffd") == strstr(out.data, "ufffdo"),
           "no character is cut in two");

    free(out.data);

    /* whatever write fails, that is all; small pieces are one */

    memset(agent, 'x', sizeof(agent));
    crash.user_agent.data = agent;
    crash.user_agent.len = sizeof(agent);

    writes = 0;

    for (i = 1; i < 500; i++) {
        memset(&out, 0, sizeof(out));
        out.fail = i;
        rc = tk_raw_crash_write(a, &crash, put, &out);
        free(out.data);

        if (rc == 0) {
            break;
        }

        writes += (rc == 5 && out.fail == 0);
    }

    tap_ok(i > 20 && writes == (unsigned) i - 1,
           "what write says is handed on, %u times", writes);

    tk_dumps_free(&dumps);
    tk_annotations_destroy(a);
}


int
main(void)
{
    test_json();
    test_floats();
    test_types();
    test_order();
    test_limits();
    test_large();
    test_deep();
    test_short_of_memory();
    test_write();

    return tap_done();
}
