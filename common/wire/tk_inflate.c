
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * The library decodes raw deflate only.  gzip's header and trailer are read
 * here: ISA-L refuses some valid headers when they come in pieces and accepts
 * reserved flags, and with zlib the same code keeps the same verdicts.
 */


#include <stdlib.h>

#include "tk_inflate.h"
#include "tk_inflate_raw.h"


#define FTEXT     0x01
#define FHCRC     0x02
#define FEXTRA    0x04
#define FNAME     0x08
#define FCOMMENT  0x10

#define HEADER    10
#define TRAILER   8


typedef enum {
    sw_fixed = 0,
    sw_extra_length,
    sw_extra,
    sw_name,
    sw_comment,
    sw_header_crc,
    sw_body,
    sw_trailer,
    sw_after,
    sw_ignore,
    sw_failed
} tk_inflate_state_e;


struct tk_inflate_s {
    tk_inflate_raw_t     raw;

    tk_inflate_state_e   state;
    uint32_t             crc;        /* of the header, then of the body */
    uint32_t             size;       /* of the body, modulo 2^32 */
    uint32_t             header;     /* bytes of it */
    uint32_t             members;
    uint32_t             rest;       /* of a field */

    uint8_t              flags;
    uint8_t              nbuf;
    uint8_t              buf[HEADER];

    uint64_t             max;
    uint64_t             total;
    uint64_t             ignored;

    int                  code;
    const char          *error;
};


static int tk_inflate_header(tk_inflate_t *z, uint8_t ch);
static void tk_inflate_next_field(tk_inflate_t *z, tk_inflate_state_e after);
static int tk_inflate_fixed(tk_inflate_t *z);
static int tk_inflate_body(tk_inflate_t *z, const uint8_t **in, size_t in_len,
    uint8_t **out, size_t out_size);
static int tk_inflate_trailer(tk_inflate_t *z, uint8_t ch);
static void tk_inflate_after(tk_inflate_t *z, uint8_t ch);
static int tk_inflate_fail(tk_inflate_t *z, int code, const char *error);


static const uint8_t  magic[] = { 0x1f, 0x8b, 0x08 };


tk_inflate_t *
tk_inflate_create(uint64_t max_output)
{
    tk_inflate_t  *z;

    /* what holds the history needs no zeros */

    z = malloc(sizeof(tk_inflate_t));
    if (z == NULL) {
        return NULL;
    }

    if (tk_inflate_raw_init(&z->raw) != 0) {
        free(z);
        return NULL;
    }

    z->max = max_output;

    tk_inflate_reset(z);

    return z;
}


void
tk_inflate_destroy(tk_inflate_t *z)
{
    if (z) {
        tk_inflate_raw_done(&z->raw);
        free(z);
    }
}


void
tk_inflate_reset(tk_inflate_t *z)
{
    z->state = sw_fixed;
    z->crc = 0;
    z->size = 0;
    z->header = 0;
    z->members = 0;
    z->rest = 0;
    z->flags = 0;
    z->nbuf = 0;
    z->total = 0;
    z->ignored = 0;
    z->code = 0;
    z->error = "";
}


int
tk_inflate_feed(tk_inflate_t *z, const uint8_t *in, size_t in_len,
    size_t *in_used, uint8_t *out, size_t out_size, size_t *out_len)
{
    int             rc;
    uint8_t        *o, *o_end;
    const uint8_t  *p, *end;

    p = in;
    end = in_len ? in + in_len : in;
    o = out;
    o_end = out_size ? out + out_size : out;
    rc = 0;

    while (rc == 0 && z->state != sw_failed) {

        if (z->state == sw_body) {
            rc = tk_inflate_body(z, &p, (size_t) (end - p), &o,
                                 (size_t) (o_end - o));
            continue;
        }

        if (z->state == sw_ignore) {
            z->ignored += (uint64_t) (end - p);
            p = end;
        }

        if (p == end) {
            break;
        }

        switch (z->state) {

        case sw_trailer:
            rc = tk_inflate_trailer(z, *p++);
            break;

        case sw_after:
            tk_inflate_after(z, *p++);
            break;

        default:
            rc = tk_inflate_header(z, *p++);
        }
    }

    *in_used = (size_t) (p - in);
    *out_len = (size_t) (o - out);

    switch (z->state) {

    case sw_failed:
        return TK_INFLATE_ERROR;

    case sw_after:
    case sw_ignore:
        return TK_INFLATE_END;

    default:
        return TK_INFLATE_OK;
    }
}


static int
tk_inflate_header(tk_inflate_t *z, uint8_t ch)
{
    unsigned  n;

    if (z->header++ == TK_INFLATE_MAX_HEADER) {
        return tk_inflate_fail(z, TK_INFLATE_LIMIT, "too long gzip header");
    }

    if (z->state != sw_header_crc && (z->flags & FHCRC || z->nbuf < HEADER)) {
        z->crc = tk_inflate_crc(z->crc, &ch, 1);
    }

    switch (z->state) {

    case sw_fixed:
        n = z->nbuf;

        if (n < sizeof(magic) && ch != magic[n]) {
            return tk_inflate_fail(z, TK_INFLATE_BAD,
                                   n == 2 ? "unknown gzip compression method"
                                          : "not gzip");
        }

        z->buf[n] = ch;
        z->nbuf++;

        return n == HEADER - 1 ? tk_inflate_fixed(z) : 0;

    case sw_extra_length:
        z->rest = z->rest >> 8 | (uint32_t) ch << 8;

        if (++z->nbuf == HEADER + 2) {
            if (z->rest) {
                z->state = sw_extra;

            } else {
                tk_inflate_next_field(z, sw_extra);
            }
        }

        return 0;

    case sw_extra:
        if (--z->rest == 0) {
            tk_inflate_next_field(z, sw_extra);
        }

        return 0;

    case sw_name:
    case sw_comment:
        if (ch == '\0') {
            tk_inflate_next_field(z, z->state);
        }

        return 0;

    default: /* sw_header_crc */
        z->rest = z->rest >> 8 | (uint32_t) ch << 8;

        if (++z->nbuf == HEADER + 2) {
            if (z->rest != (z->crc & 0xffff)) {
                return tk_inflate_fail(z, TK_INFLATE_BAD,
                                       "wrong CRC of a gzip header");
            }

            tk_inflate_next_field(z, sw_header_crc);
        }

        return 0;
    }
}


static int
tk_inflate_fixed(tk_inflate_t *z)
{
    z->flags = z->buf[3];

    if (z->flags & ~(FTEXT|FHCRC|FEXTRA|FNAME|FCOMMENT)) {
        return tk_inflate_fail(z, TK_INFLATE_BAD,
                               "reserved flags in a gzip header");
    }

    if (z->members++ == TK_INFLATE_MAX_MEMBERS) {
        return tk_inflate_fail(z, TK_INFLATE_LIMIT, "too many gzip members");
    }

    tk_inflate_next_field(z, sw_fixed);

    return 0;
}


/* fields are in the order of the states */

static void
tk_inflate_next_field(tk_inflate_t *z, tk_inflate_state_e after)
{
    z->rest = 0;
    z->nbuf = HEADER;

    if (after < sw_extra_length && z->flags & FEXTRA) {
        z->state = sw_extra_length;

    } else if (after < sw_name && z->flags & FNAME) {
        z->state = sw_name;

    } else if (after < sw_comment && z->flags & FCOMMENT) {
        z->state = sw_comment;

    } else if (after < sw_header_crc && z->flags & FHCRC) {
        z->state = sw_header_crc;

    } else {
        z->state = sw_body;
        z->crc = 0;
        z->size = 0;

        tk_inflate_raw_reset(&z->raw);
    }
}


/* returns 1 when there is nothing to do without more input or room */

static int
tk_inflate_body(tk_inflate_t *z, const uint8_t **in, size_t in_len,
    uint8_t **out, size_t out_size)
{
    int      rc;
    size_t   used, given, room, i;
    uint8_t  ch, *o;

    if (out_size == 0) {
        return 1;
    }

    o = *out;
    room = out_size;

    if (z->max && room > z->max - z->total) {
        room = (size_t) (z->max - z->total);

        if (room == 0) {

            /* does it end here? */

            o = &ch;
            room = 1;
        }
    }

    rc = tk_inflate_raw(&z->raw, *in, in_len, &used, o, room, &given);

    *in += used;

    if (o == &ch) {
        if (given) {
            return tk_inflate_fail(z, TK_INFLATE_LIMIT,
                                   "too much gzip output");
        }

    } else {
        z->crc = tk_inflate_crc(z->crc, o, given);
        z->size += (uint32_t) given;
        z->total += given;

        *out += given;
    }

    switch (rc) {

    case TK_INFLATE_RAW_OK:

        if (given == out_size || (used == in_len && given < room)) {
            return 1;
        }

        if (used == 0 && given == 0) {
            return tk_inflate_fail(z, TK_INFLATE_BAD,
                                   "deflate data without an end");
        }

        return 0;

    case TK_INFLATE_RAW_END:
        break;

    case TK_INFLATE_RAW_NO_MEMORY:
        return tk_inflate_fail(z, TK_INFLATE_NO_MEMORY,
                               "no memory to inflate");

    default:
        return tk_inflate_fail(z, TK_INFLATE_BAD, "damaged deflate data");
    }

    z->state = sw_trailer;
    z->nbuf = 0;

    /* it has read ahead, but not farther than a trailer is long */

    for (i = 0; i < z->raw.nahead; i++) {
        rc = tk_inflate_trailer(z, z->raw.ahead[i]);
        if (rc != 0) {
            return rc;
        }
    }

    return 0;
}


static uint32_t
tk_inflate_le32(const uint8_t *p)
{
    return (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16
           | (uint32_t) p[3] << 24;
}


static int
tk_inflate_trailer(tk_inflate_t *z, uint8_t ch)
{
    z->buf[z->nbuf++] = ch;

    if (z->nbuf < TRAILER) {
        return 0;
    }

    if (tk_inflate_le32(z->buf) != z->crc) {
        return tk_inflate_fail(z, TK_INFLATE_BAD,
                               "wrong CRC32 of a gzip member");
    }

    if (tk_inflate_le32(z->buf + 4) != z->size) {
        return tk_inflate_fail(z, TK_INFLATE_BAD,
                               "wrong length of a gzip member");
    }

    z->state = sw_after;
    z->nbuf = 0;

    return 0;
}


/* a member only if all of the magic is there */

static void
tk_inflate_after(tk_inflate_t *z, uint8_t ch)
{
    if (ch != magic[z->nbuf]) {
        z->state = sw_ignore;
        z->ignored = z->nbuf + 1u;
        return;
    }

    z->buf[z->nbuf++] = ch;

    if (z->nbuf == sizeof(magic)) {
        z->state = sw_fixed;
        z->header = z->nbuf;
        z->crc = tk_inflate_crc(0, magic, sizeof(magic));
    }
}


static int
tk_inflate_fail(tk_inflate_t *z, int code, const char *error)
{
    z->state = sw_failed;
    z->code = code;
    z->error = error;

    return 1;
}


int
tk_inflate_code(const tk_inflate_t *z)
{
    return z->code;
}


const char *
tk_inflate_error(const tk_inflate_t *z)
{
    return z->error;
}


uint64_t
tk_inflate_total(const tk_inflate_t *z)
{
    return z->total;
}


uint64_t
tk_inflate_ignored(const tk_inflate_t *z)
{
    return z->state == sw_after ? z->nbuf : z->ignored;
}
