
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_symbol.h"
#include "tk_tap.h"


#define BYTES(s)  sizeof(s) - 1, s


/* the list of Tecken's settings: DOWNLOAD_LEGACY_PRODUCTS_PREFIXES */

static const tk_str_t  products[] = {
    tk_string("firefox"), tk_string("seamonkey"), tk_string("sunbird"),
    tk_string("thunderbird"), tk_string("xulrunner"), tk_string("fennec"),
    tk_string("b2g")
};

#define NPRODUCTS  (sizeof(products) / sizeof(products[0]))


static void
test_routes(void)
{
    size_t          i;
    uint8_t        *heap;
    tk_symbol_t     s;
    tk_symbol_rc_t  rc;

    static const struct {
        size_t           len;
        const char      *path;
        tk_symbol_rc_t   rc;
        unsigned         try;
        const char      *file;
        const char      *id;
        const char      *name;
    } cases[] = {
        { BYTES("/xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2/xul.sym"),
          TK_SYMBOL_OK, 0, "xul.pdb", "44E4EC8C2F41492B9369D6B9A059577C2",
          "xul.sym" },
        { BYTES("/a/aBcDeF0123456789/b"), TK_SYMBOL_OK, 0, "a",
          "aBcDeF0123456789", "b" },
        { BYTES("/try/x/AB/y"), TK_SYMBOL_OK, 1, "x", "AB", "y" },
        { BYTES("/try/AB/y"), TK_SYMBOL_OK, 0, "try", "AB", "y" },
        { BYTES("/try/try/AB/y"), TK_SYMBOL_OK, 1, "try", "AB", "y" },
        { BYTES("/firefox/x/AB/y"), TK_SYMBOL_OK, 0, "x", "AB", "y" },
        { BYTES("/b2g/x/AB/y"), TK_SYMBOL_OK, 0, "x", "AB", "y" },
        { BYTES("/firefox/AB/y"), TK_SYMBOL_OK, 0, "firefox", "AB", "y" },
        { BYTES("/a b/AB/ c "), TK_SYMBOL_OK, 0, "a b", "AB", " c " },
        { BYTES("/a%2Fb/AB/%"), TK_SYMBOL_OK, 0, "a%2Fb", "AB", "%" },
        { BYTES("/\xff/AB/\n"), TK_SYMBOL_OK, 0, "\xff", "AB", "\n" },
        { BYTES("/../AB/."), TK_SYMBOL_OK, 0, "..", "AB", "." },
        { BYTES("/a\\/0/\\"), TK_SYMBOL_OK, 0, "a\\", "0", "\\" },

        { BYTES("/Firefox/x/AB/y"), TK_SYMBOL_LEGACY, 0, NULL, NULL, NULL },
        { BYTES("/fire/x/AB/y"), TK_SYMBOL_LEGACY, 0, NULL, NULL, NULL },
        { BYTES("/Try/x/AB/y"), TK_SYMBOL_LEGACY, 0, NULL, NULL, NULL },
        { BYTES("/prosody/x/AB/y"), TK_SYMBOL_LEGACY, 0, NULL, NULL, NULL },
        { BYTES("/AB/x/AB/y"), TK_SYMBOL_LEGACY, 0, NULL, NULL, NULL },

        { BYTES(""), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("/"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("//"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("/a"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("/a/AB"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("/a/AB/"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("/a//b"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("//AB/b"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("//x/AB/y"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("/x/AB/y/"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("/try//AB/y"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("/try/x/AB/"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("/try/x/AB/y/"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("/try/b2g/x/AB/y"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL,
          NULL },
        { BYTES("/a/x/AB/y/z/w"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("x/AB/y"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("x/y/AB/z"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("/x/AG/y"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("/x/A:/y"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("/x/A@/y"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("/x/A`/y"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("/x/A\x11/y"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("/x/A\0/y"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("/x/-1/y"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("/try/x/xy/y"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("/fire/x/xy/y"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL, NULL },
        { BYTES("/firefox/x/xy/y"), TK_SYMBOL_NOT_FOUND, 0, NULL, NULL,
          NULL },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        heap = malloc(cases[i].len ? cases[i].len : 1);
        memcpy(heap, cases[i].path, cases[i].len);

        rc = tk_symbol_parse(&s, heap, cases[i].len, products, NPRODUCTS);

        tap_is_int(rc, cases[i].rc, cases[i].len == 1 || rc == TK_SYMBOL_OK
                                    ? "a route" : cases[i].path);

        if (rc == TK_SYMBOL_OK && cases[i].file) {
            tap_is_str(s.debug_file.data, s.debug_file.len, cases[i].file,
                       "its debug file");
            tap_is_str(s.debug_id.data, s.debug_id.len, cases[i].id,
                       "its debug id");
            tap_is_str(s.file.data, s.file.len, cases[i].name, "its file");
            tap_is_int(s.try, cases[i].try, "try");
        }

        free(heap);
    }

    tap_is_int(tk_symbol_parse(&s, (const uint8_t *) "/b2g/x/AB/y", 11, NULL,
                               0), TK_SYMBOL_LEGACY, "no products at all");
    tap_is_int(tk_symbol_parse(&s, NULL, 0, NULL, 0), TK_SYMBOL_NOT_FOUND,
               "no path at all");
}


static int
valid(const void *file, size_t len, const void *name, size_t name_len)
{
    tk_symbol_t  s;

    memset(&s, 0, sizeof(s));
    s.debug_file.data = file;
    s.debug_file.len = len;
    s.file.data = name;
    s.file.len = name_len;

    return tk_symbol_valid(&s);
}


/* the characters of T20's pattern, one by one, in either name */

static void
test_valid_ascii(void)
{
    int       want;
    char      name[3];
    unsigned  ch, wrong;

    wrong = 0;

    for (ch = 0; ch < 0x80; ch++) {
        want = (ch >= 0x20 && strchr("\\^`><{}[]#%\"'~|", (int) ch) == NULL);

        name[0] = 'a';
        name[1] = (char) ch;
        name[2] = 'b';

        wrong += (valid(name, 3, "x", 1) != want);
        wrong += (valid("x", 1, name, 3) != want);
    }

    tap_is_int(wrong, 0, "every ASCII character");
}


static void
test_valid(void)
{
    size_t  i;

    static const struct {
        size_t       len;
        const char  *name;
        int          valid;
    } cases[] = {
        { BYTES("xul.pdb"), 1 },
        { BYTES("libc-2.31.so"), 1 },
        { BYTES("a+b (c) @$&!*,;:=?-_./"), 1 },
        { BYTES("\x7f"), 1 },
        { BYTES("caf\xc3\xa9"), 0 },                /* U+00E9 */
        { BYTES("\xc2\x80"), 0 },
        { BYTES("\xc2\x85"), 0 },
        { BYTES("\xc2\xa0"), 0 },
        { BYTES("\xc3\xbf"), 0 },                   /* U+00FF */
        { BYTES("\xc4\x80"), 1 },                   /* U+0100 */
        { BYTES("\xd0\xbc\xd0\xbe"), 1 },
        { BYTES("\xe6\xbc\xa2"), 1 },
        { BYTES("\xf0\x9f\x98\x80"), 1 },
        { BYTES("\xf4\x8f\xbf\xbf"), 1 },           /* U+10FFFF */
        { BYTES("\xff"), 0 },
        { BYTES("\xc0\xaf"), 0 },
        { BYTES("\xed\xa0\x80"), 0 },
        { BYTES("a\xe6\xbc"), 0 },
        { BYTES("a\0b"), 0 },
        { BYTES("a\r\nb"), 0 },
        { BYTES("C:\\x.pdb"), 0 },
        { BYTES("a%2Fb"), 0 },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tap_ok(valid(cases[i].name, cases[i].len, "x", 1) == cases[i].valid,
               "a debug file is valid or not (%zu)", i);
        tap_ok(valid("x", 1, cases[i].name, cases[i].len) == cases[i].valid,
               "a file is valid or not (%zu)", i);
    }

    tap_is_int(valid(NULL, 0, NULL, 0), 1, "nothing holds nothing invalid");
}


static void
test_key(void)
{
    size_t        n;
    uint8_t      *key;
    const char   *path;
    tk_symbol_t   s;

    path = "/try/xuL.pdb/44e4ec8c2f41492b9369d6b9a059577c2/XUL.sym";

    tk_symbol_parse(&s, (const uint8_t *) path, strlen(path), products,
                    NPRODUCTS);

    n = s.debug_file.len + s.debug_id.len + s.file.len + 2;
    key = malloc(n);

    tap_is_int((int64_t) tk_symbol_key(key, &s), (int64_t) n,
               "the length of a key");
    tap_is_str(key, n, "xuL.pdb/44E4EC8C2F41492B9369D6B9A059577C2/XUL.sym",
               "a key: only the id is in upper case");
    free(key);

    memset(&s, 0, sizeof(s));
    s.debug_id.data = (const uint8_t *) "0fz{`@";
    s.debug_id.len = 6;
    key = malloc(8);

    tap_is_str(key, tk_symbol_key(key, &s), "/0FZ{`@/", "empty names");
    free(key);
}


/* a key with "/" before it is a path that gives the key again */

static void
test_key_parses(void)
{
    size_t       i, k, n, len;
    uint8_t      path[64], key[64], again[64];
    unsigned     parsed, wrong;
    tk_symbol_t  s;

    static const char  alphabet[] = "/aF0.~";

    parsed = 0;
    wrong = 0;

    for (i = 0; i < 200000; i++) {
        len = tap_random() % 16;
        path[0] = '/';

        for (k = 1; k <= len; k++) {
            path[k] = (uint8_t) alphabet[tap_random() % 6];
        }

        if (tk_symbol_parse(&s, path, len + 1, products, NPRODUCTS)
            != TK_SYMBOL_OK)
        {
            continue;
        }

        parsed++;
        n = tk_symbol_key(key + 1, &s);
        key[0] = '/';

        if (tk_symbol_parse(&s, key, n + 1, products, NPRODUCTS)
            != TK_SYMBOL_OK || s.try
            || tk_symbol_key(again, &s) != n || memcmp(again, key + 1, n))
        {
            wrong++;
        }
    }

    tap_ok(parsed > 1000, "enough paths are routes");
    tap_is_int(wrong, 0, "a key is a path to itself");
}


int
main(void)
{
    test_routes();
    test_valid_ascii();
    test_valid();
    test_key();
    test_key_parses();

    return tap_done();
}
