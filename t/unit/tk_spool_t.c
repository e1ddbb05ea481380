
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <openssl/sha.h>

#include "tk_spool.h"
#include "tk_tap.h"


#define ID  "de1bb258-cbbf-4589-a673-34f800160918"


typedef struct {
    uint8_t   data[8192];
    size_t    len;
} file_t;


static void
object(file_t *f, tk_spool_object_t *obj, tk_spool_kind_e kind,
    const char *name, const char *text)
{
    obj->kind = kind;
    obj->name_len = (uint8_t) strlen(name);
    memcpy(obj->name, name, obj->name_len);
    obj->offset = f->len;
    obj->length = strlen(text);

    SHA256((const uint8_t *) text, obj->length, obj->sha256);

    memcpy(f->data + f->len, text, obj->length);
    f->len += obj->length;
}


/* one crash with two dumps, one of them empty */

static size_t
record(file_t *f, tk_spool_object_t *objects)
{
    size_t             index, len;
    tk_spool_record_t  rec;

    f->len = 0;

    memcpy(f->data, tk_spool_head, TK_SPOOL_HEAD);
    f->len += TK_SPOOL_HEAD;

    object(f, &objects[1], TK_SPOOL_DUMP, "upload_file_minidump", "MDMP");
    object(f, &objects[2], TK_SPOOL_DUMP, "memory_report", "");
    object(f, &objects[3], TK_SPOOL_RAW_CRASH, "", "{\"uuid\": \"" ID "\"}");
    object(f, &objects[0], TK_SPOOL_DUMP_NAMES, "",
           "[\"memory_report\", \"upload_file_minidump\"]");

    memcpy(rec.crash_id, ID, TK_CRASH_ID);
    rec.received = 1474200000;
    rec.chosen = 1;
    rec.objects = objects;
    rec.n = 4;

    index = f->len;
    len = tk_spool_index(f->data + index, &rec);

    tap_is_int((int64_t) tk_spool_index(NULL, &rec), (int64_t) len,
               "the length of an index is known before");

    f->len += len;

    tk_spool_end(f->data + f->len, index, f->data + index, len);
    f->len += TK_SPOOL_END;

    return index;
}


/* the crash of a file, from its end: 0, or -1 */

static int
parse(const uint8_t *data, size_t len, tk_spool_record_t *rec, uint32_t max,
    const char **reason)
{
    uint8_t         line[TK_SPOOL_END], *index;
    int             rc;
    tk_spool_end_t  end;

    *reason = "no end";

    if (len < TK_SPOOL_END) {
        return -1;
    }

    memcpy(line, data + len - TK_SPOOL_END, TK_SPOOL_END);

    if (tk_spool_parse_end(&end, line, len) != 0) {
        return -1;
    }

    /* as long as it is, for the sanitizers */

    index = malloc(end.index_length);
    memcpy(index, data + len - end.length + end.index, end.index_length);

    rc = tk_spool_parse_index(rec, max, &end, index, reason);

    free(index);

    return rc;
}


static void
test_whole(file_t *f, size_t index)
{
    char                want[TK_SPOOL_END + 1], line[1024];
    uint8_t             sha256[32];
    size_t              i, n;
    const char         *reason;
    tk_spool_object_t   objects[4];
    tk_spool_record_t   rec;

    rec.objects = objects;

    tap_ok(memcmp(f->data, "antenna-spool 1\n", 16) == 0, "the head");

    /* what docs/spool.md says of these two lines */

    n = (size_t) snprintf(line, sizeof(line), "%s",
        "{\"crash_id\": \"" ID "\", \"chosen\": 1, \"received\": 1474200000, "
        "\"objects\": ["
        "{\"kind\": \"dump_names\", \"offset\": 68, \"length\": 41, "
        "\"sha256\": \"");

    tap_is_bytes(f->data + index, n, line, n, "an index begins");

    SHA256(f->data + index, f->len - TK_SPOOL_END - index, sha256);

    n = (size_t) snprintf(want, sizeof(want), "antenna-end %016zx %016zx ",
                          f->len, index);

    for (i = 0; i < 32; i++) {
        n += (size_t) snprintf(want + n, sizeof(want) - n, "%02x", sha256[i]);
    }

    (void) snprintf(want + n, sizeof(want) - n, "%17s\n", "");

    tap_is_bytes(f->data + f->len - TK_SPOOL_END, TK_SPOOL_END, want,
                 TK_SPOOL_END, "the end line");

    tap_is_int(parse(f->data, f->len, &rec, 4, &reason), 0, "read again");
    tap_is_str(rec.crash_id, TK_CRASH_ID, ID, "the crash id");
    tap_is_int((int64_t) rec.received, 1474200000, "when it was received");
    tap_is_int(rec.chosen, 1, "who chose the id");
    tap_is_int(rec.n, 4, "the objects");

    tap_is_int(objects[0].kind, TK_SPOOL_DUMP_NAMES, "dump names first");
    tap_is_str(f->data + objects[0].offset, objects[0].length,
               "[\"memory_report\", \"upload_file_minidump\"]",
               "their bytes");
    tap_is_str(objects[1].name, objects[1].name_len, "upload_file_minidump",
               "the name of a dump");
    tap_is_str(f->data + objects[1].offset, objects[1].length, "MDMP",
               "its bytes");
    tap_is_int((int64_t) objects[2].length, 0, "a dump may be empty");
    tap_is_int(objects[3].kind, TK_SPOOL_RAW_CRASH, "the raw crash is last");

    SHA256((const uint8_t *) "MDMP", 4, sha256);
    tap_is_bytes(objects[1].sha256, 32, sha256, 32, "a checksum");

    tap_is_int(parse(f->data, f->len, &rec, 3, &reason), -1,
               "more objects than there is room for");
}


/* whatever byte of the two lines is another one: refused */

static void
test_damaged(file_t *f, size_t index)
{
    size_t              i, accepted;
    unsigned            bit;
    const char         *reason;
    tk_spool_object_t   objects[4];
    tk_spool_record_t   rec;

    rec.objects = objects;
    accepted = 0;

    for (i = index; i < f->len; i++) {
        for (bit = 0; bit < 8; bit++) {
            f->data[i] = (uint8_t) (f->data[i] ^ 1 << bit);
            accepted += (parse(f->data, f->len, &rec, 4, &reason) == 0);
            f->data[i] = (uint8_t) (f->data[i] ^ 1 << bit);
        }
    }

    tap_is_int((int64_t) accepted, 0, "no flipped bit is accepted");

    for (i = 0; i < f->len; i++) {
        accepted += (parse(f->data, i, &rec, 4, &reason) == 0);
    }

    tap_is_int((int64_t) accepted, 0, "no truncated record is accepted");

    /* what is before it is another record's */

    memmove(f->data + 100, f->data, f->len);
    tap_is_int(parse(f->data, f->len + 100, &rec, 4, &reason), 0,
               "a record behind another one");
    memmove(f->data, f->data + 100, f->len);

    tap_is_int(parse(f->data + 1, f->len - 1, &rec, 4, &reason), -1,
               "a record without its first byte");
}


/* an index with the right checksum that says what it must not */

static void
test_lies(void)
{
    size_t              i, len, offset;
    uint8_t             data[4096];
    const char         *reason;
    tk_spool_object_t   objects[8];
    tk_spool_record_t   rec;

#define SHA  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define OBJ(kind, offset, length)                                             \
    "{\"kind\": \"" kind "\", \"offset\": " offset ", \"length\": " length    \
    ", \"sha256\": \"" SHA "\"}"
#define INDEX(objects)                                                        \
    "{\"crash_id\": \"" ID "\", \"chosen\": 0, \"received\": 1, "            \
    "\"objects\": [" objects "]}\n"
#define NAMES  OBJ("dump_names", "28", "2")
#define RAW    OBJ("raw_crash", "26", "2")
#define DUMP(name, offset, length)                                            \
    OBJ("dump\", \"name\": \"" name, offset, length)

    static const struct {
        const char  *index;
        const char  *name;
        int          rc;
    } cases[] = {
        { INDEX(NAMES ", " DUMP("a", "16", "10") ", " RAW), "right", 0 },
        { INDEX(NAMES ", " DUMP("a", "16", "4") ", " DUMP("b", "20", "6")
                ", " RAW), "right, two dumps", 0 },
        { INDEX(NAMES ", " DUMP("a", "16", "9") ", " RAW), "a gap", -1 },
        { INDEX(NAMES ", " DUMP("a", "16", "11") ", " RAW), "overlap", -1 },
        { INDEX(NAMES ", " DUMP("a", "0", "26") ", " RAW), "its head", -1 },
        { INDEX(NAMES ", " DUMP("a", "16", "999999999999999999") ", " RAW),
          "a large length", -1 },
        { INDEX(NAMES ", " DUMP("a", "16", "18446744073709551616") ", " RAW),
          "a length of 2^64", -1 },
        { INDEX(NAMES ", " DUMP("", "16", "10") ", " RAW), "no name", -1 },
        { INDEX(NAMES ", " DUMP("../a", "16", "10") ", " RAW), "a path", -1 },
        { INDEX(NAMES ", " DUMP("a123456789a123456789a123456789b", "16", "10")
                ", " RAW), "a long name", -1 },
        { INDEX(DUMP("a", "16", "10") ", " NAMES ", " RAW), "order", -1 },
        { INDEX(RAW ", " DUMP("a", "16", "10") ", " NAMES), "order", -1 },
        { INDEX(NAMES ", " RAW), "less than there is", -1 },
        { INDEX(NAMES), "dump names only", -1 },
        { INDEX(NAMES ", " OBJ("raw_crash", "16", "10") ", " RAW),
          "two raw crashes", -1 },
        { INDEX(NAMES ", " OBJ("other", "16", "10") ", " RAW), "a kind", -1 },
        { INDEX(""), "nothing", -1 },
        { INDEX(NAMES ", " DUMP("a", "16", "10") ", " RAW) " ", "more", -1 },
        { "{}\n", "no members", -1 },
        { "\n", "no JSON", -1 },
    };

    rec.objects = objects;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memcpy(data, tk_spool_head, TK_SPOOL_HEAD);
        memset(data + TK_SPOOL_HEAD, 'x', 14);

        offset = TK_SPOOL_HEAD + 14;
        len = strlen(cases[i].index);
        memcpy(data + offset, cases[i].index, len);
        tk_spool_end(data + offset + len, offset, data + offset, len);

        tap_is_int(parse(data, offset + len + TK_SPOOL_END, &rec, 8, &reason),
                   cases[i].rc, cases[i].name);
    }
}


int
main(void)
{
    size_t             index;
    static file_t      f;
    tk_spool_object_t  objects[4];

    index = record(&f, objects);

    test_whole(&f, index);
    test_damaged(&f, index);
    test_lies();

    return tap_done();
}
