
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_WIRE_H_INCLUDED_
#define _TK_WIRE_H_INCLUDED_


/*
 * Floor 0: libc and libcrypto only, no nginx header.  Nothing here allocates
 * unless its comment says so, keeps a pointer after it returns, or logs.
 */


#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>


/* Bytes owned by somebody else; not NUL-terminated; data may be NULL if len
 * is 0.  The layout is that of ngx_str_t. */

typedef struct {
    size_t          len;
    const uint8_t  *data;
} tk_str_t;


#define tk_string(s)  { sizeof(s) - 1, (const uint8_t *) (s) }


#endif /* _TK_WIRE_H_INCLUDED_ */
