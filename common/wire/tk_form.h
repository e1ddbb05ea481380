
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_FORM_H_INCLUDED_
#define _TK_FORM_H_INCLUDED_


#include "tk_malformed.h"


/*
 * A streaming parser of multipart/form-data and multipart/mixed (RFC 2046,
 * 7578), for chunks of any size.  Allocates nothing: a form is some 9 KiB,
 * whatever the client sends.  Data of parts is given out as slices of the
 * caller's buffer; only what may be a delimiter cut by the end of a chunk is
 * kept, and given out from the form if it was none.
 *
 * Crash reports cannot be sent again, so what their senders get wrong is read
 * as it was meant, and noted.  What is accepted beyond Antenna of 2026, which
 * strict refuses:
 *
 *   lines that end with LF only,
 *   blanks after a delimiter,
 *   no final delimiter, a last part that was cut,
 *   no line end before the final delimiter at the end of the body, or before
 *   a delimiter that Content-Disposition follows (Breakpad for Windows),
 *   folded headers, headers without a blank after the colon,
 *   dispositions that are not registered,
 *   Content-Transfer-Encoding, which is ignored.
 *
 * A delimiter that something else follows is data.
 */

#define TK_FORM_PARTS         2000
#define TK_FORM_HEADERS       16
#define TK_FORM_HEADERS_SIZE  8192    /* of a part, with line ends */
#define TK_FORM_BOUNDARY      70
#define TK_FORM_BOUNDARY_2018 201
#define TK_FORM_PADDING       64      /* blanks after a delimiter */

/* CR LF, two hyphens, boundary; hyphens, blanks, CR LF or a header's name */
#define TK_FORM_HOLD          (4 + TK_FORM_BOUNDARY_2018 + 2                  \
                               + TK_FORM_PADDING + 24)


/* what was accepted leniently, bits of form->notes */

#define TK_FORM_LF            0x01    /* lines end with LF only */
#define TK_FORM_PADDED        0x02    /* blanks after a delimiter */
#define TK_FORM_NO_END        0x04    /* no final delimiter */
#define TK_FORM_TRUNCATED     0x08    /* the last part was cut */
#define TK_FORM_NO_CRLF       0x10    /* no line end before a delimiter */
#define TK_FORM_FOLDED        0x20    /* a header on several lines */
#define TK_FORM_COLON         0x40    /* no blank after a header's colon */
#define TK_FORM_DISPOSITION   0x80    /* a disposition that nobody knows */
#define TK_FORM_ENCODING      0x100   /* Content-Transfer-Encoding */
#define TK_FORM_TEXT          0x200   /* bytes that are not UTF-8 in headers */

#define TK_FORM_NOTES         10


typedef enum {
    TK_FORM_AGAIN = 0,                /* the chunk is used up */
    TK_FORM_PART,                     /* form->part is known */
    TK_FORM_DATA,                     /* some of its data */
    TK_FORM_PART_END,                 /* part.last, part.truncated too */
    TK_FORM_END,                      /* what follows is ignored */
    TK_FORM_ERROR                     /* form->error */
} tk_form_event_e;


typedef struct {
    tk_str_t      name;               /* unescaped; empty: none */
    tk_str_t      type;               /* Content-Type as sent, trimmed */

    unsigned      filename:1;         /* there is one, whatever it is */
    unsigned      empty_filename:1;   /* it is empty */
    unsigned      unquoted:1;         /* the name is */
    unsigned      last:1;             /* the final delimiter follows */
    unsigned      truncated:1;        /* the body ended in its data */
} tk_form_part_t;


typedef struct {
    tk_str_t      boundary;           /* of tk_form_boundary(); copied */
    uint32_t      parts;              /* 0: TK_FORM_PARTS */
    uint32_t      headers;            /* of a part, 0: TK_FORM_HEADERS */
    uint32_t      headers_size;       /* 0 or above: TK_FORM_HEADERS_SIZE */
    unsigned      strict:1;
    unsigned      dialect_2018:1;     /* U+FFFD for what is not UTF-8 in a
                                         name or a type: no error */
} tk_form_conf_t;


typedef struct {
    tk_form_part_t   part;            /* until the next one */
    uint32_t         parts;           /* so far */
    uint32_t         notes;
    tk_malformed_e   error;

    /* private */

    tk_form_conf_t   conf;
    unsigned         state;
    unsigned         lf:1;            /* the part began with a bare LF */
    unsigned         final:1;         /* of the delimiter found */
    size_t           needle_len;
    size_t           hold_pos;
    size_t           hold_len;
    size_t           headers_len;
    size_t           line;            /* where the last header line starts */
    uint8_t          needle[2 + TK_FORM_BOUNDARY_2018];  /* "--boundary" */
    uint8_t          hold[TK_FORM_HOLD];
    uint8_t          headers[TK_FORM_HEADERS_SIZE];
} tk_form_t;


/*
 * The boundary of a Content-Type header, as Antenna's rows 1, 2, 3 and 6:
 * media type and "boundary=" are case-sensitive and next to each other,
 * quotes are allowed, trailing blanks go, 1 to 70 bytes.  dialect_2018:
 * multipart/form-data only, up to 201 printable bytes.  lenient: any case,
 * other parameters before it, blanks around "=".
 *
 * dst has room for TK_FORM_BOUNDARY_2018 bytes; boundary->data becomes dst.
 */
tk_malformed_e tk_form_boundary(tk_str_t *boundary, uint8_t *dst,
    const tk_str_t *content_type, int dialect_2018, int lenient);

/* conf->boundary is not empty, at most 201 bytes, has no CR, LF or NUL */
void tk_form_init(tk_form_t *form, const tk_form_conf_t *conf);

/*
 * The next event of the chunk *pos .. last; *pos moves on.  eof: nothing
 * follows the chunk.  data, with TK_FORM_DATA only, is never empty and valid
 * until the next call or the end of the chunk.
 *
 * To be called again until it says TK_FORM_AGAIN (never with eof),
 * TK_FORM_END or TK_FORM_ERROR; these two are said again if asked again.
 */
tk_form_event_e tk_form_next(tk_form_t *form, const uint8_t **pos,
    const uint8_t *last, int eof, tk_str_t *data);

/* the collector note of bit number n of form->notes */
const tk_str_t *tk_form_note(unsigned n);

/*
 * A parameter of a header's value, as Python's cgi.parse_header() finds it:
 * names in any case, the last one wins.  Returns 1 and the value without its
 * quotes, or 0 if there is none.  name with len 0: what is before the first
 * ";".
 */
int tk_form_param(tk_str_t *param, int *quoted, const tk_str_t *value,
    const tk_str_t *name);

/* \\ and \" of what was quoted; dst may be s->data; returns the length */
size_t tk_form_unescape(uint8_t *dst, const tk_str_t *s);


#endif /* _TK_FORM_H_INCLUDED_ */
