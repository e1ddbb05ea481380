
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_VERSION_H_INCLUDED_
#define _TK_VERSION_H_INCLUDED_


#include "tk_wire.h"


/*
 * Compares two version numbers as Mozilla's programs do (the "toolkit version
 * format": 1.0pre1 < 1.0 == 1 < 1.1a < 1.1): parts between dots, each a
 * number, a word, a number and a word, of which a missing number is 0 and a
 * missing word is greater than any; "*" is greater than all numbers, "1+" is
 * "2pre".  Returns less than 0, 0 or more than 0.
 */
int tk_version_cmp(tk_str_t a, tk_str_t b);


#endif /* _TK_VERSION_H_INCLUDED_ */
