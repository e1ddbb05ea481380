
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_CRASH_ID_H_INCLUDED_
#define _TK_CRASH_ID_H_INCLUDED_


#include "tk_wire.h"

#include <time.h>


/*
 * A crash id: 29 characters of a version 4 UUID, the result of throttling as
 * one digit, the day (UTC) as YYMMDD:
 *
 *   de1bb258-cbbf-4589-a673-34f800160918
 */

#define TK_CRASH_ID       36
#define TK_CRASH_ID_DATE  8
#define TK_CRASH_ID_RANDOM  16

/* the digit */
#define TK_CRASH_ACCEPT      0
#define TK_CRASH_DEFER       1
#define TK_CRASH_REJECT      2
#define TK_CRASH_FAKEACCEPT  3


/* dst gets TK_CRASH_ID bytes; random has TK_CRASH_ID_RANDOM of them */
void tk_crash_id_create(uint8_t *dst, const uint8_t *random, unsigned digit,
    time_t now);

/*
 * Lower-case hex in the right places, six digits at the end, which need not
 * be a day; strict: the digit is 0 or 1, which a client's own id must be.
 */
int tk_crash_id_valid(const tk_str_t *id, int strict);

/* dst gets TK_CRASH_ID_DATE bytes, YYYYMMDD, of a valid id */
void tk_crash_id_date(uint8_t *dst, const uint8_t *id);


#endif /* _TK_CRASH_ID_H_INCLUDED_ */
