
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_sym_id.h"
#include "tk_tap.h"


static int
parse(tk_sym_id_t *id, const char *text)
{
    return tk_sym_id_parse(id, (const uint8_t *) text, strlen(text));
}


static void
test_ids(void)
{
    size_t       i, n;
    uint8_t      text[TK_SYM_ID_LEN];
    tk_sym_id_t  id;

    static const struct {
        const char  *text;
        const char  *want;              /* NULL: no id */
    } cases[] = {
        { "0123456789abcdef0123456789ABCDEF0",
          "0123456789ABCDEF0123456789ABCDEF0" },
        { "0123456789abcdef0123456789ABCDEFa",
          "0123456789ABCDEF0123456789ABCDEFA" },
        { "0123456789abcdef0123456789abcdef",
          "0123456789ABCDEF0123456789ABCDEF0" },
        { "0123456789abcdef0123456789abcdef000001f",
          "0123456789ABCDEF0123456789ABCDEF1F" },
        { "0123456789abcdef0123456789abcdefffffffff",
          "0123456789ABCDEF0123456789ABCDEFFFFFFFFF" },
        { "0123456789abcdef0123456789abcdef1234567890",
          "0123456789ABCDEF0123456789ABCDEF12345678" },
        { "3e1a2b4c2", "3E1A2B4C2" },
        { "3e1a2b4c12345678", "3E1A2B4C12345678" },
        { "3e1a2b4c", NULL },
        { "3e1a2b4c123456789", NULL },
        { "0123456789abcdef0123456789abcde", NULL },
        { "", NULL },
        { "ABC1", NULL },
        { "01234567-89ab-cdef-0123-456789abcdef-1", NULL },
        { "0123456789abcdef0123456789abcdeg0", NULL },
        { "0123456789abcdef0123456789abcdef0 ", NULL },
        { "0123456789abcdef0123456789abcdef0\n", NULL },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tap_is_int(parse(&id, cases[i].text), cases[i].want ? 0 : -1,
                   cases[i].text);

        if (cases[i].want) {
            n = tk_sym_id_text(text, &id);
            tap_is_str(text, n, cases[i].want, "as text");
        }
    }
}


static void
test_equal(void)
{
    tk_sym_id_t  a, b;

    parse(&a, "0123456789abcdef0123456789abcdef0a");
    parse(&b, "0123456789ABCDEF0123456789ABCDEFA");
    tap_ok(tk_sym_id_equal(&a, &b), "case and leading zeros do not count");

    parse(&b, "0123456789ABCDEF0123456789ABCDEFB");
    tap_ok(!tk_sym_id_equal(&a, &b), "the age does");

    parse(&b, "0123456789ABCDEF0123456789ABCDEEA");
    tap_ok(!tk_sym_id_equal(&a, &b), "and so does each digit");

    parse(&a, "012345670");
    parse(&b, "012345670000000000000000000000000");
    tap_ok(!tk_sym_id_equal(&a, &b), "a time stamp is no GUID");
}


int
main(void)
{
    test_ids();
    test_equal();

    return tap_done();
}
