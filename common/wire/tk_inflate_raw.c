
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_inflate.h"
#include "tk_inflate_raw.h"

#if (TK_HAVE_ISAL)
#include <isa-l/crc.h>
#endif


/* a call takes no more: the libraries count in 32 bits */

#define TK_INFLATE_RAW_CHUNK  (64 * 1024 * 1024)


#if (TK_HAVE_ISAL)


int
tk_inflate_raw_init(tk_inflate_raw_t *raw)
{
    memset(raw->fence, 0, sizeof(raw->fence));

    isal_inflate_init(&raw->state);
    raw->nahead = 0;

    return 0;
}


void
tk_inflate_raw_reset(tk_inflate_raw_t *raw)
{
    /* isal_inflate_reset() of 2.30 leaves some fields as they are */

    isal_inflate_init(&raw->state);

    raw->state.crc_flag = ISAL_DEFLATE;
    raw->nahead = 0;
}


void
tk_inflate_raw_done(tk_inflate_raw_t *raw)
{
    (void) raw;
}


int
tk_inflate_raw(tk_inflate_raw_t *raw, const uint8_t *in, size_t in_len,
    size_t *in_used, uint8_t *out, size_t out_size, size_t *out_len)
{
    int                    rc;
    size_t                 i;
    uint64_t               bits;
    struct inflate_state  *s;

    s = &raw->state;

    if (in_len > TK_INFLATE_RAW_CHUNK) {
        in_len = TK_INFLATE_RAW_CHUNK;
    }

    if (out_size > TK_INFLATE_RAW_CHUNK) {
        out_size = TK_INFLATE_RAW_CHUNK;
    }

    /* it is not written to */

    memcpy(&s->next_in, &in, sizeof(in));
    s->avail_in = (uint32_t) in_len;
    s->next_out = out;
    s->avail_out = (uint32_t) out_size;

    rc = isal_inflate(s);

    /* after an error its counts may be wrong */

    if (rc < 0 || s->avail_in > in_len || s->avail_out > out_size
        || s->read_in_length < 0 || s->read_in_length > 64)
    {
        *in_used = in_len;
        *out_len = 0;
        return TK_INFLATE_RAW_BAD;
    }

    *in_used = in_len - s->avail_in;
    *out_len = out_size - s->avail_out;

    if (s->block_state != ISAL_BLOCK_FINISH) {
        return TK_INFLATE_RAW_OK;
    }

    /* a stream ends within a byte, whole ones behind it were read ahead */

    bits = s->read_in >> (s->read_in_length % 8);
    raw->nahead = (size_t) s->read_in_length / 8;

    for (i = 0; i < raw->nahead; i++) {
        raw->ahead[i] = (uint8_t) bits;
        bits >>= 8;
    }

    return TK_INFLATE_RAW_END;
}


uint32_t
tk_inflate_crc(uint32_t crc, const uint8_t *data, size_t len)
{
    return crc32_gzip_refl(crc, data, len);
}


const char *
tk_inflate_library(void)
{
    return "isa-l";
}


#else


int
tk_inflate_raw_init(tk_inflate_raw_t *raw)
{
    memset(raw, 0, sizeof(tk_inflate_raw_t));

    return inflateInit2(&raw->stream, -MAX_WBITS) == Z_OK ? 0 : -1;
}


void
tk_inflate_raw_reset(tk_inflate_raw_t *raw)
{
    (void) inflateReset(&raw->stream);
}


void
tk_inflate_raw_done(tk_inflate_raw_t *raw)
{
    (void) inflateEnd(&raw->stream);
}


int
tk_inflate_raw(tk_inflate_raw_t *raw, const uint8_t *in, size_t in_len,
    size_t *in_used, uint8_t *out, size_t out_size, size_t *out_len)
{
    int        rc;
    z_stream  *s;

    s = &raw->stream;

    if (in_len > TK_INFLATE_RAW_CHUNK) {
        in_len = TK_INFLATE_RAW_CHUNK;
    }

    if (out_size > TK_INFLATE_RAW_CHUNK) {
        out_size = TK_INFLATE_RAW_CHUNK;
    }

    memcpy(&s->next_in, &in, sizeof(in));
    s->avail_in = (uInt) in_len;
    s->next_out = out;
    s->avail_out = (uInt) out_size;

    rc = inflate(s, Z_NO_FLUSH);

    *in_used = in_len - s->avail_in;
    *out_len = out_size - s->avail_out;

    switch (rc) {

    case Z_OK:
    case Z_BUF_ERROR:
        return TK_INFLATE_RAW_OK;

    case Z_STREAM_END:
        return TK_INFLATE_RAW_END;

    case Z_MEM_ERROR:
        return TK_INFLATE_RAW_NO_MEMORY;

    default:
        return TK_INFLATE_RAW_BAD;
    }
}


uint32_t
tk_inflate_crc(uint32_t crc, const uint8_t *data, size_t len)
{
    while (len > TK_INFLATE_RAW_CHUNK) {
        crc = (uint32_t) crc32(crc, data, TK_INFLATE_RAW_CHUNK);
        data += TK_INFLATE_RAW_CHUNK;
        len -= TK_INFLATE_RAW_CHUNK;
    }

    return (uint32_t) crc32(crc, data, (uInt) len);
}


const char *
tk_inflate_library(void)
{
    return "zlib";
}


#endif
