
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_INFLATE_RAW_H_INCLUDED_
#define _TK_INFLATE_RAW_H_INCLUDED_


/*
 * Raw deflate (RFC 1951) and CRC32 by a library: ISA-L with TK_HAVE_ISAL,
 * else zlib.  For tk_inflate.c.
 */


#include "tk_wire.h"

#if (TK_HAVE_ISAL)
#include <isa-l/igzip_lib.h>
#else
#include <zlib.h>
#endif


#define TK_INFLATE_RAW_OK         0
#define TK_INFLATE_RAW_END        1
#define TK_INFLATE_RAW_BAD       -1
#define TK_INFLATE_RAW_NO_MEMORY -2


typedef struct {
#if (TK_HAVE_ISAL)
    struct inflate_state  state;

    /* what is decoded ahead lies at the end of state */
    uint8_t               fence[512];
#else
    z_stream              stream;
#endif

    size_t                nahead;
    uint8_t               ahead[8];
} tk_inflate_raw_t;


/* 0, or -1 for no memory; then reset for each stream */
int tk_inflate_raw_init(tk_inflate_raw_t *raw);
void tk_inflate_raw_reset(tk_inflate_raw_t *raw);
void tk_inflate_raw_done(tk_inflate_raw_t *raw);

/*
 * With TK_INFLATE_RAW_OK, out is full or all input is used.  After
 * TK_INFLATE_RAW_END ahead has bytes of the input that were used but are not
 * of the stream.
 */
int tk_inflate_raw(tk_inflate_raw_t *raw, const uint8_t *in, size_t in_len,
    size_t *in_used, uint8_t *out, size_t out_size, size_t *out_len);

uint32_t tk_inflate_crc(uint32_t crc, const uint8_t *data, size_t len);


#endif /* _TK_INFLATE_RAW_H_INCLUDED_ */
