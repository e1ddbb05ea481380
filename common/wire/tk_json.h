
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_JSON_H_INCLUDED_
#define _TK_JSON_H_INCLUDED_


#include "tk_wire.h"


/*
 * Writes the bytes of a JSON string, without the quotes, as Python's
 * json.dumps() with its defaults does: \" \\ \b \f \n \r \t, \uxxxx for
 * other controls, DEL and everything outside ASCII, with surrogate pairs.
 * A byte that is not UTF-8 becomes \ufffd.  dst may be NULL: nothing is
 * written.  Returns the length, at most 6 * len.
 */
size_t tk_json_escape(uint8_t *dst, const uint8_t *src, size_t len);

/*
 * Writes text fit for one line of a log: 0x00-0x1f, 0x22, 0x5c, 0x7f-0x9f,
 * U+2028, U+2029, the bidirectional controls of Unicode and bytes that are
 * not UTF-8 as \xNN; at most size bytes, the last three of them "..." when
 * text was cut, which is never inside a character or \xNN.  Returns the
 * length.
 */
size_t tk_log_escape(uint8_t *dst, size_t size, const uint8_t *src,
    size_t len);


#endif /* _TK_JSON_H_INCLUDED_ */
