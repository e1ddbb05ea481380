
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_JSON_PATH_H_INCLUDED_
#define _TK_JSON_PATH_H_INCLUDED_


#include "tk_wire.h"


/*
 * One value out of a JSON text: path is the names of members, from the
 * outermost, with dots between; of equal names the last counts.  Writes a
 * string decoded, a number as it is written, true, false and null as Python's
 * str() has them ("True", "False", "None") to dst, which has room for
 * json.len bytes, and sets *len.  Returns 0, or -1 if there is no such value,
 * it is an object or an array, or the text up to it is no JSON.
 */
int tk_json_path(tk_str_t json, tk_str_t path, uint8_t *dst, size_t *len);


#endif /* _TK_JSON_PATH_H_INCLUDED_ */
