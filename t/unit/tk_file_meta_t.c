
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_tap.h"
#include "tk_file_meta.h"


#define FIRST  "tecken-object: 1\n"
#define LAST   "end\n"

#define BYTES(s)  sizeof(s) - 1, s


static const char  whole[] =
    FIRST
    "size: 24853\n"
    "mtime: 1700000000.000004501\n"
    "inode: 1316870\n"
    "content-type: text/plain; charset=\"x\"\n"
    "content-encoding: gzip\n"
    "original-size: 82944\n"
    "original-md5: 0cc175b9c0f1b6a831c399e269772661\n"
    LAST;


static const struct {
    size_t       len;
    const char  *text;
    const char  *name;
} refused[] = {
    { BYTES(""), "nothing" },
    { BYTES(FIRST), "no end" },
    { BYTES(LAST), "no first line" },
    { BYTES("tecken-object: 2\n" LAST), "another version" },
    { BYTES("tecken-object: 1\r\n" LAST), "CR" },
    { BYTES("\n" FIRST LAST), "a line before" },
    { BYTES(FIRST LAST "\n"), "a line after" },
    { BYTES(FIRST "size: 1" LAST), "the end in a line" },
    { BYTES(FIRST "end"), "the end cut" },
    { BYTES(FIRST "size: 1\nsize: 1\n" LAST), "twice the same" },
    { BYTES(FIRST "size:1\n" LAST), "no blank" },
    { BYTES(FIRST "size: \n" LAST), "no value" },
    { BYTES(FIRST "size\n" LAST), "no colon" },
    { BYTES(FIRST ": 1\n" LAST), "no name" },
    { BYTES(FIRST "\n" LAST), "an empty line" },
    { BYTES(FIRST "size: -1\n" LAST), "a negative size" },
    { BYTES(FIRST "size: +1\n" LAST), "a plus" },
    { BYTES(FIRST "size: 01\n" LAST), "a leading zero" },
    { BYTES(FIRST "size: 1 \n" LAST), "a blank behind" },
    { BYTES(FIRST "size: 0x1\n" LAST), "hex" },
    { BYTES(FIRST "size: 1000000000000000000\n" LAST), "19 digits" },
    { BYTES(FIRST "mtime: 1\n" LAST), "no fraction" },
    { BYTES(FIRST "mtime: 1.00000000\n" LAST), "eight digits" },
    { BYTES(FIRST "mtime: .000000001\n" LAST), "no seconds" },
    { BYTES(FIRST "mtime: 1.00000000a\n" LAST), "a letter" },
    { BYTES(FIRST "content-type: a\0b\n" LAST), "NUL" },
    { BYTES(FIRST "content-type: a\rb\n" LAST), "CR in a value" },
    { BYTES(FIRST "content-type: a\x7f\n" LAST), "DEL" },
};


static void
test_whole(void)
{
    size_t          len;
    uint8_t         text[TK_FILE_META_MAX];
    tk_file_meta_t  m;

    tap_ok(tk_file_meta_parse(&m, (uint8_t *) whole, sizeof(whole) - 1),
           "all of it");
    tap_is_int(m.size, 24853, "size");
    tap_is_int(m.sec, 1700000000, "seconds");
    tap_is_int(m.nsec, 4501, "nanoseconds");
    tap_is_int(m.inode, 1316870, "inode");
    tap_is_int(m.original_size, 82944, "original size");
    tap_is_str(m.content_type.data, m.content_type.len,
               "text/plain; charset=\"x\"", "type");
    tap_is_str(m.content_encoding.data, m.content_encoding.len, "gzip",
               "encoding");
    tap_is_str(m.original_md5.data, m.original_md5.len,
               "0cc175b9c0f1b6a831c399e269772661", "MD5");

    len = tk_file_meta_write(text, &m);
    tap_is_str(text, len, whole, "written as it was");
}


static void
test_little(void)
{
    size_t          len;
    uint8_t         text[TK_FILE_META_MAX];
    tk_file_meta_t  m;

    static const char  later[] = FIRST "colour: blue\ncontent-type: \t\xc3\xa9"
                                 ": x\ncolour: red\n" LAST;

    tap_ok(tk_file_meta_parse(&m, (uint8_t *) FIRST LAST,
                              sizeof(FIRST LAST) - 1), "nothing in it");
    tap_ok(m.size == -1 && m.sec == -1 && m.nsec == -1 && m.inode == -1
           && m.original_size == -1 && m.content_type.len == 0
           && m.content_encoding.len == 0 && m.original_md5.len == 0,
           "all unknown");

    len = tk_file_meta_write(text, &m);
    tap_is_str(text, len, FIRST LAST, "nothing to write");

    tap_ok(tk_file_meta_parse(&m, (uint8_t *) later, sizeof(later) - 1),
           "names of a later version are skipped");
    tap_is_str(m.content_type.data, m.content_type.len, "\t\xc3\xa9: x",
               "tabs, UTF-8 and colons are bytes of a value");
}


static void
test_refused(void)
{
    size_t          i;
    uint8_t        *text;
    tk_file_meta_t  m;

    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        text = malloc(refused[i].len ? refused[i].len : 1);
        memcpy(text, refused[i].text, refused[i].len);

        tap_ok(!tk_file_meta_parse(&m, text, refused[i].len), "refused: %s",
               refused[i].name);

        free(text);
    }

    /* wherever it is cut */

    for (i = 0; i < sizeof(whole) - 1; i++) {
        text = malloc(i ? i : 1);
        memcpy(text, whole, i);

        if (tk_file_meta_parse(&m, text, i)) {
            tap_ok(0, "cut at %zu", i);
        }

        free(text);
    }
}


static void
test_bounds(void)
{
    size_t           len, i;
    uint8_t          value[TK_FILE_META_VALUE + 1], *text;
    tk_file_meta_t   m, again;
    tk_str_t        *s[3];

    memset(value, 'v', sizeof(value));
    memset(&m, 0, sizeof(m));

    m.size = m.sec = m.inode = m.original_size = 999999999999999999;
    m.nsec = 999999999;

    s[0] = &m.content_type;
    s[1] = &m.content_encoding;
    s[2] = &m.original_md5;

    for (i = 0; i < 3; i++) {
        s[i]->data = value;
        s[i]->len = TK_FILE_META_VALUE;
    }

    text = malloc(TK_FILE_META_MAX);

    len = tk_file_meta_write(text, &m);
    tap_ok(len > 3 * TK_FILE_META_VALUE && len <= TK_FILE_META_MAX,
           "the longest of all");
    tap_ok(tk_file_meta_parse(&again, text, len), "is read back");
    tap_is_int(again.original_size, 999999999999999999, "the greatest number");
    tap_is_int((int64_t) again.original_md5.len, TK_FILE_META_VALUE,
               "the longest value");

    for (i = 0; i < 3; i++) {
        s[i]->len++;
        tap_is_int((int64_t) tk_file_meta_write(text, &m), 0,
                   "a value too long");
        s[i]->len = 3;
        value[1] = '\n';
        tap_is_int((int64_t) tk_file_meta_write(text, &m), 0,
                   "a value of two lines");
        value[1] = 'v';
    }

    m.inode++;
    len = tk_file_meta_write(text, &m);
    tap_ok(len && tk_file_meta_parse(&again, text, len)
           && again.inode == -1 && again.size == m.size,
           "a number too long is not noted");

    free(text);
}


static void
test_match(void)
{
    tk_file_meta_t  m;

    memset(&m, 0, sizeof(m));

    m.size = 10;
    m.sec = 20;
    m.nsec = 30;
    m.inode = 40;

    tap_is_int(tk_file_meta_match(&m, 10, 20, 30, 40), 3, "the same file");
    tap_is_int(tk_file_meta_match(&m, 10, 20, 30, 41), 2, "a copy");
    tap_is_int(tk_file_meta_match(&m, 10, 20, 31, 40), 1, "another time");
    tap_is_int(tk_file_meta_match(&m, 10, 21, 30, 40), 1, "another second");
    tap_is_int(tk_file_meta_match(&m, 11, 20, 30, 40), 0, "another size");

    m.inode = -1;
    tap_is_int(tk_file_meta_match(&m, 10, 20, 30, -1), 2, "no inode");

    m.sec = -1;
    tap_is_int(tk_file_meta_match(&m, 10, -1, 30, 40), 1, "no time");

    m.size = -1;
    tap_is_int(tk_file_meta_match(&m, 11, 21, 31, 41), 1, "written by hand");
}


int
main(void)
{
    test_whole();
    test_little();
    test_refused();
    test_bounds();
    test_match();

    return tap_done();
}
