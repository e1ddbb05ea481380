
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_crash_id.h"
#include "tk_hmac.h"


#define TK_CRASH_ID_DIGIT  29


static int tk_crash_id_char(size_t i, uint8_t ch);


void
tk_crash_id_create(uint8_t *dst, const uint8_t *random, unsigned digit,
    time_t now)
{
    char        hex[2 * TK_CRASH_ID_RANDOM];
    size_t      i, n;
    uint8_t     uuid[TK_CRASH_ID_RANDOM];
    unsigned    date, pair;
    struct tm   tm;

    memcpy(uuid, random, TK_CRASH_ID_RANDOM);

    /* RFC 4122: version 4, variant 1 */

    uuid[6] = (uint8_t) (0x40 | (uuid[6] & 0x0f));
    uuid[8] = (uint8_t) (0x80 | (uuid[8] & 0x3f));

    tk_hex(hex, uuid, TK_CRASH_ID_RANDOM);

    for (i = 0, n = 0; i < TK_CRASH_ID_DIGIT; i++) {
        dst[i] = (i == 8 || i == 13 || i == 18 || i == 23)
                 ? '-' : (uint8_t) hex[n++];
    }

    dst[i++] = (uint8_t) ('0' + digit % 10);

    memset(&tm, 0, sizeof(tm));
    (void) gmtime_r(&now, &tm);

    date = (unsigned) (tm.tm_year % 100) * 10000
           + (unsigned) (tm.tm_mon + 1) * 100 + (unsigned) tm.tm_mday;

    for (pair = 100000; pair; pair /= 10) {
        dst[i++] = (uint8_t) ('0' + date / pair % 10);
    }
}


int
tk_crash_id_valid(const tk_str_t *id, int strict)
{
    size_t  i;

    if (id->len != TK_CRASH_ID) {
        return 0;
    }

    for (i = 0; i < TK_CRASH_ID; i++) {
        if (!tk_crash_id_char(i, id->data[i])) {
            return 0;
        }
    }

    return !strict || id->data[TK_CRASH_ID_DIGIT] == '0'
           || id->data[TK_CRASH_ID_DIGIT] == '1';
}


static int
tk_crash_id_char(size_t i, uint8_t ch)
{
    if (i == 8 || i == 13 || i == 18 || i == 23) {
        return ch == '-';
    }

    if (ch >= '0' && ch <= '9') {
        return 1;
    }

    return i <= TK_CRASH_ID_DIGIT && ch >= 'a' && ch <= 'f';
}


void
tk_crash_id_date(uint8_t *dst, const uint8_t *id)
{
    dst[0] = '2';
    dst[1] = '0';
    memcpy(dst + 2, id + TK_CRASH_ID_DIGIT + 1, 6);
}
