
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_crash_id.h"
#include "tk_dumps.h"
#include "tk_tap.h"


static const struct {
    const char  *id;
    int          valid;
    int          strict;
} ids[] = {
    { "", 0, 0 },
    { "aaa", 0, 0 },
    { "de1bb258cbbf4589a67334f800160918", 0, 0 },
    { "DE1BB258-CBBF-4589-A673-34F800160918", 0, 0 },
    { "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa", 0, 0 },
    { "00000000-0000-0000-0000-000000000000", 1, 1 },
    { "de1bb258-cbbf-4589-a673-34f800160918", 1, 1 },
    { "de1bb258-cbbf-4589-a673-34f801160918", 1, 1 },
    { "de1bb258-cbbf-4589-a673-34f802160918", 1, 0 },
    { "de1bb258-cbbf-4589-a673-34f803160918", 1, 0 },
    { "de1bb258-cbbf-4589-a673-34f80f160918", 1, 0 },

    /* the date is not looked at */
    { "de1bb258-cbbf-4589-a673-34f800169999", 1, 1 },
    { "de1bb258-cbbf-4589-a673-34f80016091a", 0, 0 },

    /* the original lets one line end through */
    { "de1bb258-cbbf-4589-a673-34f800160918\n", 0, 0 },
    { "de1bb258-cbbf-4589-a673-34f80016091", 0, 0 },
    { "de1bb258-cbbf-4589-a673-34f8001609188", 0, 0 },
    { " de1bb258-cbbf-4589-a673-34f800160918", 0, 0 },
    { "de1bb258_cbbf-4589-a673-34f800160918", 0, 0 },
    { "de1bb25-8cbbf-4589-a673-34f800160918", 0, 0 },
    { "ge1bb258-cbbf-4589-a673-34f800160918", 0, 0 },
    { "de1bb258-cbbf-4589-a673-34f80016/918", 0, 0 },
    { "de1bb258-cbbf-4589-a673-34f80016:918", 0, 0 },
    { "../../58-cbbf-4589-a673-34f800160918", 0, 0 }
};


static void
test_valid(void)
{
    size_t    i;
    tk_str_t  id;

    for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        id.data = (const uint8_t *) ids[i].id;
        id.len = strlen(ids[i].id);

        tap_is_int(tk_crash_id_valid(&id, 0), ids[i].valid, "is it an id");
        tap_is_int(tk_crash_id_valid(&id, 1), ids[i].strict,
                   "may a client choose it");
    }

    id.data = (const uint8_t *) "de1bb258-cbbf-4589-a673-34f8\0" "0160918";
    id.len = TK_CRASH_ID;
    tap_is_int(tk_crash_id_valid(&id, 0), 0, "no NUL in an id");
}


/* days as date -u -d @SECONDS prints them */

static const struct {
    time_t       now;
    unsigned     digit;
    const char  *end;
} days[] = {
    { 1474171506, TK_CRASH_ACCEPT, "0160918" },
    { 1474156799, TK_CRASH_DEFER, "1160917" },
    { 1474156800, TK_CRASH_REJECT, "2160918" },
    { 1456704000, TK_CRASH_FAKEACCEPT, "3160229" },
    { 946684800, TK_CRASH_ACCEPT, "0000101" },
    { 4102444799, TK_CRASH_ACCEPT, "0991231" },
    { 4102444800, TK_CRASH_ACCEPT, "0000101" },
    { 1709164799, TK_CRASH_ACCEPT, "0240228" },
    { 1709164800, TK_CRASH_ACCEPT, "0240229" },
    { 0, TK_CRASH_ACCEPT, "0700101" }
};


static void
test_create(void)
{
    size_t    i;
    uint8_t   id[TK_CRASH_ID], date[TK_CRASH_ID_DATE];
    uint8_t   random[TK_CRASH_ID_RANDOM];
    tk_str_t  s;
    unsigned  wrong;

    /* str(uuid.UUID(bytes=..., version=4)) */

    for (i = 0; i < sizeof(random); i++) {
        random[i] = (uint8_t) (0x11 * i);
    }

    tk_crash_id_create(id, random, TK_CRASH_DEFER, 1474171506);
    tap_is_str(id, sizeof(id), "00112233-4455-4677-8899-aabbc1160918",
               "an id of known bytes");

    memset(random, 0xff, sizeof(random));
    tk_crash_id_create(id, random, TK_CRASH_ACCEPT, 1474171506);
    tap_is_str(id, sizeof(id), "ffffffff-ffff-4fff-bfff-fffff0160918",
               "an id of ones");

    for (i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
        tk_crash_id_create(id, random, days[i].digit, days[i].now);
        tap_is_str(id + TK_CRASH_ID - 7, 7, days[i].end,
                   "throttling and day of an id");
    }

    wrong = 0;
    s.data = id;
    s.len = sizeof(id);

    for (i = 0; i < 10000; i++) {
        tap_random_bytes(random, sizeof(random));
        tk_crash_id_create(id, random, i & 1, (time_t) (i * 400000));

        wrong += !tk_crash_id_valid(&s, 1) || id[14] != '4'
                 || strchr("89ab", id[19]) == NULL;
    }

    tap_is_int(wrong, 0, "created ids are valid, of version and variant");

    tk_crash_id_date(date,
             (const uint8_t *) "de1bb258-cbbf-4589-a673-34f800160918");
    tap_is_str(date, sizeof(date), "20160918", "the day of an id");
}


static const struct {
    const char  *name;
    const char  *clean;
    int          reserved;
} names[] = {
    { "upload_file_minidump", "upload_file_minidump", 0 },
    { "", "", 0 },
    { "../", "", 0 },
    { "../../etc/passwd", "etcpasswd", 0 },
    { "a b\tc\r\nd", "abcd", 0 },
    { "\xc3\xa9" "e", "e", 0 },
    { "123456789_123456789_123456789_123", "123456789_123456789_123456789_",
      0 },
    { "-123456789_123456789_123456789_123", "123456789_123456789_123456789_",
      0 },
    { "AZaz09_", "AZaz09_", 0 },
    { "@[`{/:", "", 0 },
    { "raw_crash", "raw_crash", 1 },
    { "raw.crash", "rawcrash", 0 },
    { "/raw_crash", "raw_crash", 1 },
    { "Raw_crash", "Raw_crash", 0 },
    { "dump_names", "dump_names", 1 },
    { "processed_crash", "processed_crash", 1 },
    { "raw_crash2", "raw_crash2", 0 },
    { "dump_name", "dump_name", 0 }
};


static void
test_names(void)
{
    size_t    i, n;
    uint8_t   clean[TK_DUMP_NAME];
    tk_str_t  name;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        name.data = (const uint8_t *) names[i].name;
        name.len = strlen(names[i].name);

        n = tk_dump_name(clean, &name);
        tap_is_str(clean, n, names[i].clean, "a sanitized name");
        tap_is_int(tk_dump_name_reserved(clean, n), names[i].reserved,
                   "is it reserved");
    }
}


static int
add(tk_dumps_t *dumps, const char *text, tk_malformed_e *error)
{
    char      note[TK_DUMPS_NOTE];
    tk_str_t  name;

    *error = TK_MALFORMED_NONE;
    name.data = (const uint8_t *) text;
    name.len = strlen(text);

    return tk_dumps_add(dumps, &name, note, error);
}


static int
count(void *data, const uint8_t *p, size_t len)
{
    (void) p;
    *(size_t *) data += len;

    return 0;
}


static int
fail(void *data, const uint8_t *p, size_t len)
{
    (void) p;
    (void) len;

    return --*(int *) data ? 0 : 7;
}


static void
test_dumps(void)
{
    int              i, n;
    char             name[64];
    size_t           bytes, k;
    unsigned         wrong;
    tk_str_t         s;
    tk_dumps_t       dumps;
    tk_malformed_e   error;

    tk_dumps_init(&dumps, 0);

    bytes = 0;
    (void) tk_dumps_names(&dumps, count, &bytes);
    tap_is_int((int64_t) bytes, 2, "no dumps: []");

    /* suffixes that are names of others are stepped over */

    (void) add(&dumps, "x", &error);
    (void) add(&dumps, "x_1", &error);
    (void) add(&dumps, "x_3", &error);

    n = add(&dumps, "x", &error);
    tap_is_str(dumps.elts[n].name, dumps.elts[n].name_len, "x_2",
               "the first free number");
    n = add(&dumps, "x", &error);
    tap_is_str(dumps.elts[n].name, dumps.elts[n].name_len, "x_4",
               "the next one");

    n = add(&dumps, "dump", &error);
    tap_is_str(dumps.elts[n].name, dumps.elts[n].name_len, "dump", "dump");
    n = add(&dumps, "upload_file_minidump", &error);
    tap_is_str(dumps.elts[n].name, dumps.elts[n].name_len,
               "upload_file_minidump_1", "stored where dump is");

    /* a bracket, seven names, a bracket */

    for (i = 0; i < 9; i++) {
        n = i + 1;
        tap_is_int(tk_dumps_names(&dumps, fail, &n), 7,
                   "what write says is handed on");
    }

    while (dumps.n < TK_DUMPS) {
        (void) add(&dumps, "123456789_123456789_1234567890", &error);
    }

    tap_is_int(add(&dumps, "y", &error), -1, "too many dumps");
    tap_is_int(error, TK_MALFORMED_DUMPS, "is why");
    tap_is_int(add(&dumps, "raw_crash", &error), -1, "a reserved name");
    tap_is_int(error, TK_MALFORMED_DUMP_NAME, "is why");

    wrong = 0;

    for (k = 0; k < dumps.n; k++) {
        s.data = dumps.elts[k].name;
        s.len = dumps.elts[k].name_len;
        wrong += (tk_dumps_find(&dumps, &s) != &dumps.elts[k]);
    }

    tap_is_int(wrong, 0, "each dump has a name of its own");
    tk_dumps_free(&dumps);

    /* names in random order, found and printed in theirs */

    tk_dumps_init(&dumps, 2000);

    for (i = 0; i < 2000; i++) {
        (void) snprintf(name, sizeof(name), "n%u",
                        (unsigned) (tap_random() % 1000));
        (void) add(&dumps, name, &error);
    }

    wrong = (dumps.n != 2000);

    for (k = 1; k < dumps.n; k++) {
        const tk_dump_t  *one, *two;
        char              a[TK_DUMP_NAME + 1], b[TK_DUMP_NAME + 1];

        one = &dumps.elts[dumps.sorted[k - 1]];
        two = &dumps.elts[dumps.sorted[k]];
        (void) snprintf(a, sizeof(a), "%.*s", one->name_len, one->name);
        (void) snprintf(b, sizeof(b), "%.*s", two->name_len, two->name);
        wrong += (strcmp(a, b) >= 0);
    }

    tap_is_int(wrong, 0, "2000 dumps, many renamed, in order");
    tk_dumps_free(&dumps);
}


int
main(void)
{
    test_valid();
    test_create();
    test_names();
    test_dumps();

    return tap_done();
}
