
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ctype.h>

#include "tk_sym_line.h"
#include "tk_tap.h"


/* up to 8 digits and what follows, as the C library reads them */

static void
test_numbers(void)
{
    size_t    i, k;
    char      text[16];
    unsigned  n, hex, dec, wrong;
    uint64_t  v;

    static const char  alphabet[] = "0123456789abcdefABCDEF0123456789gG/:@`";

    wrong = 0;

    for (i = 0; i < 500000; i++) {
        n = 1 + (unsigned) (tap_random() % 8);
        memset(text, 0, sizeof(text));

        for (k = 0; k < 8; k++) {
            text[k] = k < n ? alphabet[tap_random() % (i % 2 ? 38 : 22)]
                            : (char) tap_random();
        }

        v = tk_sym_load((const uint8_t *) text);

        hex = 1;
        dec = 1;

        for (k = 0; k < n; k++) {
            hex &= isxdigit((unsigned char) text[k]) != 0;
            dec &= isdigit((unsigned char) text[k]) != 0;
        }

        wrong += ((unsigned) tk_sym_is_hex8(v, n) != hex);
        wrong += ((unsigned) tk_sym_is_dec8(v, n) != dec);
        text[n] = '\0';

        wrong += (hex && tk_sym_hex8(v, n) != strtoul(text, NULL, 16));
        wrong += (dec && tk_sym_dec8(v, n) != strtoul(text, NULL, 10));
    }

    tap_is_int(wrong, 0, "numbers of up to eight digits");
}


static void
test_each_byte(void)
{
    unsigned  ch, wrong;
    uint64_t  v;

    wrong = 0;

    for (ch = 0; ch < 256; ch++) {
        v = 0x3131313131313131 ^ (uint64_t) (0x31 ^ ch) << 24;

        wrong += (tk_sym_is_hex8(v, 8) != (isxdigit((int) ch) != 0));
        wrong += (tk_sym_is_dec8(v, 8) != (isdigit((int) ch) != 0));
        wrong += (tk_sym_word(v) != (ch <= ' ' ? 3 : 8));
    }

    tap_is_int(wrong, 0, "each byte is a digit or not, and ends a word or "
               "not");
}


static void
test_eol(void)
{
    size_t          i, len, at;
    uint8_t        *heap;
    unsigned        wrong;
    const uint8_t  *eol;

    wrong = 0;

    for (len = 0; len < 100; len++) {
        heap = malloc(len ? len : 1);

        for (i = 0; i < len; i++) {
            heap[i] = (uint8_t) (i % 2 ? 0x8a : 0x0b);
        }

        wrong += (tk_sym_eol(heap, heap + len) != NULL);

        for (at = 0; at < len; at++) {
            heap[at] = '\n';
            eol = tk_sym_eol(heap, heap + len);
            wrong += (eol != heap + at);
            heap[at] = 0x0a ^ 0x80;
        }

        free(heap);
    }

    tap_is_int(wrong, 0, "the end of a line");
}


int
main(void)
{
    test_numbers();
    test_each_byte();
    test_eol();

    return tap_done();
}
