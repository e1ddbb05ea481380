
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/* Units that no builder writes: docs/symcache-format.md says what is wrong. */


#include "tk_sym_unit.h"
#include "tk_tap.h"


typedef struct {
    const char  *what;
    const char  *code;              /* instructions */
    size_t       len;
    int          entries;           /* that are read before the end */
    int          rc;
} broken_t;


#define CODE(s)  s, sizeof(s) - 1


/* a call is 0x09: a handle of 3 bytes, a line; an entry of 1 byte is 0x38 */

#define CALL     "\x09" "abc" "\x02"
#define CALLS4   CALL CALL CALL CALL
#define CALLS32  CALLS4 CALLS4 CALLS4 CALLS4 CALLS4 CALLS4 CALLS4 CALLS4
#define CALLS256 CALLS32 CALLS32 CALLS32 CALLS32 CALLS32 CALLS32 CALLS32 \
                 CALLS32


static const broken_t  broken[] = {
    { "an end", CODE("\x38" "\x00"), 1, 0 },
    { "no end", CODE("\x38"), 1, -1 },
    { "nothing", CODE(""), 0, -1 },
    { "out of no call", CODE("\x04" "\x38" "\x00"), 0, -1 },
    { "out of one too many", CODE(CALL "\x38" "\x05" "\x38" "\x00"), 1, -1 },
    { "out of all", CODE(CALL CALL "\x38" "\x05" "\x38" "\x00"), 2, 0 },
    { "out of five of four",
      CODE(CALLS4 "\x38" "\x07\x01" "\x38" "\x00"), 1, -1 },
    { "out of four of four",
      CODE(CALLS4 "\x38" "\x07\x00" "\x38" "\x00"), 2, 0 },
    { "out of 2^32 of none",
      CODE("\x38" "\x07\xfc\xff\xff\xff\x0f" "\x38" "\x00"), 1, -1 },
    { "out of 2^32 of 256",
      CODE(CALLS256 "\x38" "\x07\xfc\xff\xff\xff\x0f" "\x38" "\x00"), 1, -1 },
    { "out of 2^32 + 1 of one",
      CODE(CALL "\x38" "\x07\xfd\xff\xff\xff\x0f" "\x38" "\x00"), 1, -1 },
    { "into call 257", CODE(CALLS256 "\x38" CALL "\x38" "\x00"), 1, -1 },
    { "into a call that was not there",
      CODE("\x08" "\x38" "\x00"), 0, -1 },
    { "into a call again",
      CODE(CALL "\x38" "\x04" "\x38" "\x08" "\x38" "\x00"), 3, 0 },
    { "into another one",
      CODE(CALL "\x38" "\x04" "\x38" "\x08\x08" "\x38" "\x00"), 2, -1 },
    { "no instruction", CODE("\x38" "\x0b" "\x38" "\x00"), 1, -1 },
};


int
main(void)
{
    int                    rc, entries;
    size_t                 i, size;
    uint8_t               *code;
    const broken_t        *b;
    tk_sym_unit_reader_t  *r;

    for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        b = &broken[i];

        /* blocks of their size, so that a byte more is seen */

        size = 2 + b->len + TK_SYMCACHE_SLACK;
        code = calloc(1, size);
        r = malloc(sizeof(*r));

        memcpy(code + 2, b->code, b->len);

        rc = tk_sym_unit_open(r, code, size, 0, 0x1000);
        entries = 0;

        if (rc == 0) {
            while ((rc = tk_sym_unit_next(r)) == 1) {
                entries++;
            }
        }

        tap_ok(rc == b->rc && entries == b->entries,
               "%s: %d after %d entries", b->what, rc, entries);

        free(code);
        free(r);
    }

    return tap_done();
}
