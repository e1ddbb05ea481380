
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_tap.h"
#include "tk_version.h"


/* ascending; equal ones share a row.  From the examples of the toolkit
 * version format's documentation and nsVersionComparator's tests. */

static const char  *order[][6] = {
    { "1.-1" },
    { "1.0pre1" },
    { "1.0pre2" },
    { "1", "1.", "1.0", "1.0.", "1.0.0", "1.0.0.0.0" },
    { "1.1pre", "1.1pre0", "1.0+" },
    { "1.1pre1a" },
    { "1.1pre1aa" },
    { "1.1pre1ab" },
    { "1.1pre1b" },
    { "1.1pre1c" },
    { "1.1pre1" },
    { "1.1pre2" },
    { "1.1pre10a" },
    { "1.1pre10" },
    { "1.1" , "1.1.0" },
    { "1.10" },
    { "2.0" },
    { "52.0a2" },
    { "52.0b1" },
    { "52.0" },
    { "52.0.1" },
    { "52.9.0esr" },
    { "52.9.0" },
    { "115.0.1esr" },
    { "4294967295.0", "99999999999999999999" },
    { "*", "*.0" }
};

#define ROWS  (sizeof(order) / sizeof(order[0]))


static tk_str_t
str(const char *s)
{
    tk_str_t  text;

    text.data = (const uint8_t *) s;
    text.len = strlen(s);

    return text;
}


int
main(void)
{
    int     rc, want;
    size_t  i, j, k, l;

    for (i = 0; i < ROWS; i++) {
        for (j = 0; j < ROWS; j++) {
            want = (i > j) - (i < j);

            for (k = 0; k < 6 && order[i][k]; k++) {
                for (l = 0; l < 6 && order[j][l]; l++) {
                    rc = tk_version_cmp(str(order[i][k]), str(order[j][l]));
                    rc = (rc > 0) - (rc < 0);

                    tap_ok(rc == want, "\"%s\" against \"%s\"", order[i][k],
                           order[j][l]);
                }
            }
        }
    }

    tap_ok(tk_version_cmp(str(""), str("0")) == 0, "nothing is 0");
    tap_ok(tk_version_cmp(str(""), str("1")) < 0, "and less than 1");

    return tap_done();
}
