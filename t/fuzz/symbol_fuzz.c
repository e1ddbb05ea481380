
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_fuzz.h"
#include "tk_symbol.h"


static const tk_str_t  products[] = {
    tk_string("firefox"), tk_string("b2g")
};


static size_t
count(const uint8_t *data, size_t size, uint8_t ch)
{
    size_t  n;

    for (n = 0; size; size--) {
        n += (*data++ == ch);
    }

    return n;
}


static void
within(const tk_str_t *s, const uint8_t *data, size_t size)
{
    must(s->len > 0 && s->data > data && s->data + s->len <= data + size);
    must(s->data[-1] == '/' && memchr(s->data, '/', s->len) == NULL);
}


static void
key_is_a_path(const tk_symbol_t *s)
{
    size_t        n;
    uint8_t      *key, *again;
    tk_symbol_t   k;

    n = s->debug_file.len + s->debug_id.len + s->file.len + 2;
    key = fuzz_alloc(n + 1);
    again = fuzz_alloc(n);

    key[0] = '/';
    must(tk_symbol_key(key + 1, s) == n);
    must(tk_symbol_parse(&k, key, n + 1, NULL, 0) == TK_SYMBOL_OK);
    must(!k.try && tk_symbol_valid(&k) == tk_symbol_valid(s));
    must(tk_symbol_key(again, &k) == n && memcmp(again, key + 1, n) == 0);

    free(key);
    free(again);
}


/* with a product before it three components are four, and the same */

static void
product_is_dropped(const uint8_t *data, size_t size, const tk_symbol_t *s)
{
    uint8_t      *path;
    tk_symbol_t   k;

    path = fuzz_alloc(size + 4);
    memcpy(path, "/b2g", 4);
    memcpy(path + 4, data, size);

    must(tk_symbol_parse(&k, path, size + 4, products, 2) == TK_SYMBOL_OK);
    must(!k.try && k.file.len == s->file.len
         && k.debug_id.len == s->debug_id.len);

    must(tk_symbol_parse(&k, path, size + 4, products, 1)
         == TK_SYMBOL_LEGACY);

    free(path);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t          i, slashes;
    tk_symbol_t     s;
    tk_symbol_rc_t  rc;

    rc = tk_symbol_parse(&s, data, size, products, 2);
    slashes = count(data, size, '/');

    if (rc == TK_SYMBOL_OK) {
        within(&s.debug_file, data, size);
        within(&s.debug_id, data, size);
        within(&s.file, data, size);

        must(s.file.data + s.file.len == data + size);
        must(slashes == 3 || slashes == 4);
        must(!s.try || (slashes == 4 && memcmp(data, "/try/", 5) == 0));

        key_is_a_path(&s);

        if (slashes == 3) {
            product_is_dropped(data, size, &s);
        }
    }

    if (rc == TK_SYMBOL_LEGACY) {
        must(slashes == 4 && memcmp(data, "/try/", 5) != 0);
    }

    /* a name is valid if it is so in two parts cut before an ASCII byte */

    memset(&s, 0, sizeof(s));
    s.file.data = data;
    s.file.len = size;

    if (tk_symbol_valid(&s)) {
        must(memchr(data, '%', size) == NULL);
        must(memchr(data, '\n', size) == NULL);

        for (i = 0; i < size; i++) {
            if (data[i] < 0x80) {
                s.file.len = i;
                s.debug_file.data = data + i;
                s.debug_file.len = size - i;
                must(tk_symbol_valid(&s));
            }
        }
    }

    return 0;
}
