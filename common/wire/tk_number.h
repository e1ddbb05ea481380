
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_NUMBER_H_INCLUDED_
#define _TK_NUMBER_H_INCLUDED_


#include "tk_wire.h"


/*
 * Numbers as Python prints them.  No locale changes any of these.
 */

#define TK_NUMBER  32                 /* room that any float needs */


/* repr(value): the shortest decimal that reads back, 1e+16, inf as
 * Infinity; returns the length */
size_t tk_number_repr(uint8_t *dst, double value);

/* float(text), of a number as JSON has it */
double tk_number_parse(const tk_str_t *text);


#endif /* _TK_NUMBER_H_INCLUDED_ */
