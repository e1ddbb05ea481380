
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_SYM_PATH_H_INCLUDED_
#define _TK_SYM_PATH_H_INCLUDED_


#include "tk_wire.h"


/*
 * clean_path() of the symbolic library: "." and empty inner segments go, ".."
 * takes the segment before it along.  A path that begins with \, with a drive
 * letter, or that has a \ and no / has both as separators and is joined by \.
 * dst has room for len + 1 bytes and may be src.  Returns the length.
 */
size_t tk_sym_path_clean(uint8_t *dst, const uint8_t *src, size_t len);


#endif /* _TK_SYM_PATH_H_INCLUDED_ */
