
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_INFLATE_H_INCLUDED_
#define _TK_INFLATE_H_INCLUDED_


#include "tk_wire.h"


/*
 * gzip (RFC 1952) as a stream, of whom nothing is known: any chunking gives
 * the same bytes and the same verdict, memory is some 100 KiB whatever comes,
 * and the work is linear in the bytes of input and output.
 *
 * A stream is one member or more, what they hold is put together.  What
 * follows a member and does not begin with the bytes 1f 8b 08 is no member:
 * it is ignored, as gzip(1) does, and counted.  CRC32, ISIZE and FHCRC are
 * checked, reserved flags refused.
 */

#define TK_INFLATE_MAX_MEMBERS  64
#define TK_INFLATE_MAX_HEADER   (128 * 1024)   /* of a member, names included */


/* returned by tk_inflate_feed() */

#define TK_INFLATE_OK      0    /* the stream is not at its end */
#define TK_INFLATE_END     1    /* what was fed so far is a whole stream */
#define TK_INFLATE_ERROR   -1


/* why: tk_inflate_code() */

#define TK_INFLATE_BAD        1   /* not gzip, or a damaged one */
#define TK_INFLATE_LIMIT      2   /* too much output, header or many members */
#define TK_INFLATE_NO_MEMORY  3   /* zlib only, at the first body */


typedef struct tk_inflate_s  tk_inflate_t;


/*
 * max_output: bytes over all members, 0: any number.  NULL: no memory.
 */
tk_inflate_t *tk_inflate_create(uint64_t max_output);

void tk_inflate_destroy(tk_inflate_t *z);

/* another stream with the same memory and limit */
void tk_inflate_reset(tk_inflate_t *z);

/*
 * Takes in_used <= in_len bytes and gives out_len <= out_size ones, out_size
 * is not 0; both are set whatever is returned.  Bytes are given before a CRC32
 * confirms them: after an error they are not to be trusted.
 *
 * It stops when the input is used up and nothing more can come of it, or when
 * out is full: then call it again, with in_len 0 if nothing is left.  So after
 * *out_len < out_size all input is used.
 *
 * The stream was whole if the call after which there is no more input has
 * returned TK_INFLATE_END; TK_INFLATE_OK there means that it was cut short.
 * Input may follow TK_INFLATE_END: another member, or bytes to be ignored.
 * After TK_INFLATE_ERROR every call returns it.
 *
 * out of 64 KiB or more is fast; it need not stay at one place.
 */
int tk_inflate_feed(tk_inflate_t *z, const uint8_t *in, size_t in_len,
    size_t *in_used, uint8_t *out, size_t out_size, size_t *out_len);

int tk_inflate_code(const tk_inflate_t *z);

/* for logs: "wrong CRC32", a constant; "" without an error */
const char *tk_inflate_error(const tk_inflate_t *z);

uint64_t tk_inflate_total(const tk_inflate_t *z);     /* bytes given */
uint64_t tk_inflate_ignored(const tk_inflate_t *z);   /* after the members */

/* "isa-l" or "zlib" */
const char *tk_inflate_library(void);


#endif /* _TK_INFLATE_H_INCLUDED_ */
