
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_sym_hash.h"
#include "tk_tap.h"


/* values of xxHash's own library */

static void
test_known(void)
{
    size_t  i;

    static const struct {
        const char  *text;
        uint64_t     hash;
    } cases[] = {
        { "", 0xef46db3751d8e999 },
        { "a", 0xd24ec4f1a98c6e5b },
        { "abc", 0x44bc2cf5ad770999 },
        { "Nobody inspects the spammish repetition", 0xfbcea83c8a378bf1 },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tap_ok(tk_sym_hash(cases[i].text, strlen(cases[i].text))
               == cases[i].hash, "the hash of \"%s\"", cases[i].text);
    }

    tap_ok(tk_sym_hash(NULL, 0) == 0xef46db3751d8e999, "of nothing");
}


static void
test_pieces(void)
{
    size_t         i, n, k, len;
    uint8_t        data[300];
    unsigned       wrong;
    tk_sym_hash_t  h;

    tap_random_bytes(data, sizeof(data));
    wrong = 0;

    for (i = 0; i < 20000; i++) {
        len = tap_random() % sizeof(data);
        tk_sym_hash_init(&h);

        for (k = 0; k < len; k += n) {
            n = tap_random() % 70;
            n = n < len - k ? n : len - k;
            tk_sym_hash_update(&h, data + k, n);
        }

        wrong += (tk_sym_hash_final(&h) != tk_sym_hash(data, len));
    }

    tap_is_int(wrong, 0, "in pieces as at once");
}


int
main(void)
{
    test_known();
    test_pieces();

    return tap_done();
}
