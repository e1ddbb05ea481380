
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_tap.h"
#include "tk_file_key.h"


#define BYTES(s)  sizeof(s) - 1, s


typedef struct {
    size_t       key_len;
    const char  *key;
    size_t       path_len;
    const char  *path;
} case_t;


static const case_t  cases[] = {
    { BYTES("xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2/xul.sym"),
      BYTES("xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2/xul.sym") },
    { BYTES("a b+c&d=e\\f~g'h\"i"), BYTES("a b+c&d=e\\f~g'h\"i") },
    { BYTES("\xc3\xa9/\xff\x80"), BYTES("\xc3\xa9/\xff\x80") },
    { BYTES("100%"), BYTES("100%25") },
    { BYTES("%41"), BYTES("%2541") },
    { BYTES("%"), BYTES("%25") },
    { BYTES("a\0b\nc\x1f\x7f" "d"), BYTES("a%00b%0Ac%1F%7Fd") },
    { BYTES(""), BYTES("%") },
    { BYTES("/"), BYTES("%/%") },
    { BYTES("/etc/passwd"), BYTES("%/etc/passwd") },
    { BYTES("a/"), BYTES("a/%") },
    { BYTES("a//b"), BYTES("a/%/b") },
    { BYTES("a/%/b"), BYTES("a/%25/b") },
    { BYTES("."), BYTES("%2E") },
    { BYTES(".."), BYTES("%2E.") },
    { BYTES("../../x"), BYTES("%2E./%2E./x") },
    { BYTES("a/./b/../c"), BYTES("a/%2E/b/%2E./c") },
    { BYTES("..."), BYTES("...") },
    { BYTES(".a/..b/c."), BYTES(".a/..b/c.") },
    { BYTES(".\0"), BYTES(".%00") },
    { BYTES(".tecken"), BYTES("%2Etecken") },
    { BYTES("a/.tecken.b"), BYTES("a/%2Etecken.b") },
    { BYTES(".tecken~1.2.3"), BYTES("%2Etecken~1.2.3") },
    { BYTES(".teckenx/y"), BYTES("%2Eteckenx/y") },
    { BYTES(".tecke/.Tecken/x.tecken"), BYTES(".tecke/.Tecken/x.tecken") },
};


/* names of files that are no component of any key */

static const case_t  foreign[] = {
    { BYTES(".") , 0, NULL },
    { BYTES(".."), 0, NULL },
    { BYTES(".tecken.a"), 0, NULL },
    { BYTES(".tecken+a"), 0, NULL },
    { BYTES(".tecken~1.2.3"), 0, NULL },
    { BYTES(".teckena"), 0, NULL },
    { BYTES(""), 0, NULL },
    { BYTES("/"), 0, NULL },
    { BYTES("a/b"), 0, NULL },
    { BYTES("%%"), 0, NULL },
    { BYTES("a%"), 0, NULL },
    { BYTES("%2"), 0, NULL },
    { BYTES("%zz"), 0, NULL },
    { BYTES("%0a"), 0, NULL },
    { BYTES("%2f"), 0, NULL },
    { BYTES("%2F"), 0, NULL },
    { BYTES("%2e"), 0, NULL },
    { BYTES("%41"), 0, NULL },
    { BYTES("a%2E"), 0, NULL },
    { BYTES("%2Ea"), 0, NULL },
    { BYTES("%2E%2E"), 0, NULL },
    { BYTES("%2E.."), 0, NULL },
    { BYTES("a\nb"), 0, NULL },
    { BYTES("a\x7f"), 0, NULL },
};


/* the key again, component by component */

static size_t
decode_path(uint8_t *dst, const uint8_t *path, size_t len)
{
    size_t          n;
    ssize_t         rc;
    const uint8_t  *p, *last, *slash;

    n = 0;
    last = path + len;

    for (p = path; /* void */ ; p = slash + 1) {
        slash = memchr(p, '/', (size_t) (last - p));

        rc = tk_file_name_decode(dst + n, p,
                                 (size_t) ((slash ? slash : last) - p));
        if (rc < 0) {
            return SIZE_MAX;
        }

        n += (size_t) rc;

        if (slash == NULL) {
            return n;
        }

        dst[n++] = '/';
    }
}


static void
test_cases(void)
{
    size_t         i, n;
    uint8_t       *key, *path, *again;
    const case_t  *t;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        t = &cases[i];

        /* blocks of the exact size, for the sanitizers */

        key = malloc(t->key_len + 1);
        path = malloc(t->path_len);
        again = malloc(t->path_len);

        memcpy(key + 1, t->key, t->key_len);

        tap_is_int((int64_t) tk_file_key_encode(NULL, key + 1, t->key_len),
                   (int64_t) t->path_len, "the length of a path");

        n = tk_file_key_encode(path, key + 1, t->key_len);
        tap_is_bytes(path, n, t->path, t->path_len, "the path of a key");

        n = decode_path(again, path, t->path_len);
        tap_is_bytes(again, n, t->key, t->key_len, "the key of a path");

        free(key);
        free(path);
        free(again);
    }

    tap_is_int((int64_t) tk_file_key_encode(NULL, NULL, 0), 1,
               "no bytes at all");
}


static void
test_foreign(void)
{
    size_t   i;
    uint8_t  dst[64];

    for (i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        if (!tap_ok(tk_file_name_decode(dst, (uint8_t *) foreign[i].key,
                                        foreign[i].key_len)
                    == -1, "a name that is no key"))
        {
            tap_diag_bytes("name", foreign[i].key, foreign[i].key_len);
        }
    }
}


static void
test_lengths(void)
{
    uint8_t  key[1024], path[tk_file_key_max(1024)], name[256];

    memset(key, 'a', sizeof(key));

    tap_is_int((int64_t) tk_file_key_encode(path, key, 255), 255,
               "255 bytes are a name");
    tap_is_int((int64_t) tk_file_key_encode(path, key, 256), 0,
               "256 are none");

    key[255] = '/';
    tap_is_int((int64_t) tk_file_key_encode(path, key, 511), 511,
               "two names of 255");
    tap_is_int((int64_t) tk_file_key_encode(path, key, 512), 0,
               "the second too long");

    memset(key, '%', sizeof(key));
    tap_is_int((int64_t) tk_file_key_encode(path, key, 85), 255,
               "85 bytes become 255");
    tap_is_int((int64_t) tk_file_key_encode(path, key, 86), 0,
               "86 become too many");

    memset(key, '/', sizeof(key));
    tap_is_int((int64_t) tk_file_key_encode(path, key, 1024), 2049,
               "1,024 slashes");

    memset(name, 'a', sizeof(name));
    tap_is_int(tk_file_name_decode(path, name, 255), 255, "a long name");
    tap_is_int(tk_file_name_decode(path, name, 256), -1, "too long a name");
    tap_is_int((int64_t) TK_FILE_OBJECT_MAX + 8, 255,
               "an object leaves room for the name of its metadata");
    tap_ok(strlen(TK_FILE_META) == 8 && strlen(TK_FILE_PENDING) == 8
           && strlen(TK_FILE_TEMP) == 8, "our names begin alike");
}


/* two keys never have one path, and no path leaves the root */

static void
test_random(void)
{
    int       bad;
    size_t    n, m, len, i, j;
    uint8_t   key[48], path[tk_file_key_max(48)], again[sizeof(path)];

    static const char  alphabet[] = "./%./%tecken.~+2EF0a\0\n\x7f\xff";

    bad = 0;

    for (i = 0; i < 200000; i++) {
        len = tap_random() % sizeof(key);

        for (j = 0; j < len; j++) {
            key[j] = (uint8_t) alphabet[tap_random() % (sizeof(alphabet) - 1)];

            if (key[j] == 't' && j + 6 <= len) {
                memcpy(key + j, "tecken", 6);
                j += 5;
            }
        }

        n = tk_file_key_encode(path, key, len);
        m = (n && n <= tk_file_key_max(len)) ? decode_path(again, path, n)
                                             : SIZE_MAX;

        if (m != len || memcmp(again, key, len) != 0
            || path[0] == '/' || path[n - 1] == '/'
            || memchr(path, '\0', n) != NULL)
        {
            tap_diag_bytes("key", key, len);
            bad++;
        }
    }

    tap_is_int(bad, 0, "random keys come back from their paths");
}


int
main(void)
{
    test_cases();
    test_foreign();
    test_lengths();
    test_random();

    return tap_done();
}
