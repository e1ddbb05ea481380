
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_form_header.h"
#include "tk_form_match.h"


static tk_form_event_e tk_form_search(tk_form_t *form, const uint8_t **pos,
    const uint8_t *last, int eof, tk_str_t *data);
static tk_form_event_e tk_form_resume(tk_form_t *form, const uint8_t **pos,
    const uint8_t *last, int eof, tk_str_t *data);
static void tk_form_hold(tk_form_t *form, const uint8_t **pos,
    const uint8_t *last);
static tk_form_event_e tk_form_data(tk_form_t *form, tk_str_t *data,
    const uint8_t *p, const uint8_t *last);
static tk_form_event_e tk_form_delimiter(tk_form_t *form, tk_match_e rc,
    const tk_match_t *m);
static tk_form_event_e tk_form_eof(tk_form_t *form);
static tk_form_event_e tk_form_read_headers(tk_form_t *form,
    const uint8_t **pos, const uint8_t *last, int eof);
static int tk_form_header_line(tk_form_t *form, const uint8_t **pos,
    const uint8_t *last);
static tk_form_event_e tk_form_error(tk_form_t *form, tk_malformed_e error);


static const tk_str_t  tk_form_notes[TK_FORM_NOTES] = {
    tk_string("form has lines that end with LF only"),
    tk_string("form has padding after a delimiter"),
    tk_string("form has no final delimiter"),
    tk_string("form has a truncated last part"),
    tk_string("form has no line end before a delimiter"),
    tk_string("form has folded headers"),
    tk_string("form has headers without a space after the colon"),
    tk_string("form has an unknown content disposition"),
    tk_string("form has a content transfer encoding that was ignored"),
    tk_string("form has headers that are not utf-8")
};


void
tk_form_init(tk_form_t *form, const tk_form_conf_t *conf)
{
    memset(&form->part, 0, sizeof(tk_form_part_t));

    form->parts = 0;
    form->notes = 0;
    form->error = TK_MALFORMED_NONE;

    form->conf = *conf;

    if (conf->parts == 0) {
        form->conf.parts = TK_FORM_PARTS;
    }

    if (conf->headers == 0) {
        form->conf.headers = TK_FORM_HEADERS;
    }

    if (conf->headers_size == 0 || conf->headers_size > TK_FORM_HEADERS_SIZE) {
        form->conf.headers_size = TK_FORM_HEADERS_SIZE;
    }

    form->state = TK_FORM_PREAMBLE;
    form->lf = 0;
    form->final = 0;

    form->hold_pos = 0;
    form->hold_len = 0;
    form->headers_len = 0;
    form->line = 0;

    form->needle[0] = '-';
    form->needle[1] = '-';
    memcpy(form->needle + 2, conf->boundary.data, conf->boundary.len);
    form->needle_len = 2 + conf->boundary.len;

    /* the caller's bytes may go */
    form->conf.boundary.data = form->needle + 2;
}


const tk_str_t *
tk_form_note(unsigned n)
{
    return &tk_form_notes[n];
}


tk_form_event_e
tk_form_next(tk_form_t *form, const uint8_t **pos, const uint8_t *last,
    int eof, tk_str_t *data)
{
    tk_form_event_e  event;

    do {
        switch (form->state) {

        case TK_FORM_PREAMBLE:
        case TK_FORM_IN_DATA:
            event = tk_form_search(form, pos, last, eof, data);
            break;

        case TK_FORM_IN_HEADERS:
            event = tk_form_read_headers(form, pos, last, eof);
            break;

        case TK_FORM_AT_END:
            *pos = last;
            return TK_FORM_END;

        default: /* TK_FORM_FAILED */
            return TK_FORM_ERROR;
        }

        /* a change of state, or a preamble */

    } while (event == TK_FORM_AGAIN
             && (*pos != last || eof || form->state == TK_FORM_AT_END));

    return event;
}


/* the next delimiter, or the data in front of it */

static tk_form_event_e
tk_form_search(tk_form_t *form, const uint8_t **pos, const uint8_t *last,
    int eof, tk_str_t *data)
{
    tk_match_e       rc;
    tk_match_t       m;
    const uint8_t   *p;

    if (form->hold_pos < form->hold_len) {
        return tk_form_resume(form, pos, last, eof, data);
    }

    p = *pos;

    if (p == last) {
        return eof ? tk_form_eof(form) : TK_FORM_AGAIN;
    }

    m.last = last;
    m.eof = eof;

    rc = tk_form_find(form, &m, p);

    if (rc == TK_MATCH_NO) {
        *pos = last;
        return tk_form_data(form, data, p, last);
    }

    if (m.start != p) {
        *pos = m.start;
        return tk_form_data(form, data, p, m.start);
    }

    if (rc == TK_MATCH_MORE) {
        tk_form_hold(form, pos, last);
        return TK_FORM_AGAIN;
    }

    *pos = m.end;

    return tk_form_delimiter(form, rc, &m);
}


/* what was held back, and what of the chunk is needed to understand it */

static tk_form_event_e
tk_form_resume(tk_form_t *form, const uint8_t **pos, const uint8_t *last,
    int eof, tk_str_t *data)
{
    size_t           held, n, end;
    uint8_t         *p;
    tk_match_e       rc;
    tk_match_t       m;

    held = form->hold_len - form->hold_pos;
    memmove(form->hold, form->hold + form->hold_pos, held);

    form->hold_pos = 0;
    form->hold_len = held;

    n = (size_t) (last - *pos);
    n = (n < TK_FORM_HOLD - held) ? n : TK_FORM_HOLD - held;

    if (n) {
        memcpy(form->hold + held, *pos, n);
    }

    m.start = form->hold;
    m.end = form->hold;
    m.last = form->hold + held + n;
    m.lf = 0;
    m.notes = 0;
    m.eof = eof && *pos + n == last;

    rc = TK_MATCH_NO;

    for (p = form->hold; p < form->hold + held; p++) {
        rc = tk_form_match(form, &m, p);

        if (rc != TK_MATCH_NO) {
            break;
        }
    }

    if (p != form->hold) {
        form->hold_pos = (size_t) (p - form->hold);
        return tk_form_data(form, data, form->hold, p);
    }

    if (rc == TK_MATCH_MORE) {
        *pos += n;
        form->hold_len += n;
        return TK_FORM_AGAIN;
    }

    /* of a header that was looked at, some may be held already */

    end = (size_t) (m.end - form->hold);

    if (end < held) {
        form->hold_pos = end;

    } else {
        form->hold_len = 0;
        *pos += end - held;
    }

    return tk_form_delimiter(form, rc, &m);
}


static void
tk_form_hold(tk_form_t *form, const uint8_t **pos, const uint8_t *last)
{
    form->hold_pos = 0;
    form->hold_len = (size_t) (last - *pos);

    memcpy(form->hold, *pos, form->hold_len);
    *pos = last;
}


static tk_form_event_e
tk_form_data(tk_form_t *form, tk_str_t *data, const uint8_t *p,
    const uint8_t *last)
{
    if (form->state == TK_FORM_PREAMBLE) {
        return TK_FORM_AGAIN;
    }

    data->data = p;
    data->len = (size_t) (last - p);

    return TK_FORM_DATA;
}


static tk_form_event_e
tk_form_delimiter(tk_form_t *form, tk_match_e rc, const tk_match_t *m)
{
    unsigned  in_data;

    if (rc == TK_MATCH_BAD) {
        return tk_form_error(form, TK_MALFORMED_STRUCTURE);
    }

    in_data = (form->state == TK_FORM_IN_DATA);

    form->notes |= m->notes;

    if (rc == TK_MATCH_NEXT) {

        if (form->parts == form->conf.parts) {
            return tk_form_error(form, TK_MALFORMED_PARTS);
        }

        form->lf = m->lf != 0;
        form->headers_len = 0;
        form->line = 0;
        form->state = TK_FORM_IN_HEADERS;

    } else {
        form->state = TK_FORM_AT_END;
        form->part.last = (rc == TK_MATCH_FINAL);
    }

    return in_data ? TK_FORM_PART_END : TK_FORM_AGAIN;
}


/* in a preamble, or in data that no delimiter ends */

static tk_form_event_e
tk_form_eof(tk_form_t *form)
{
    if (form->conf.strict || form->state == TK_FORM_PREAMBLE) {
        return tk_form_error(form, TK_MALFORMED_STRUCTURE);
    }

    form->notes |= TK_FORM_NO_END|TK_FORM_TRUNCATED;
    form->part.truncated = 1;
    form->state = TK_FORM_AT_END;

    return TK_FORM_PART_END;
}


static tk_form_event_e
tk_form_read_headers(tk_form_t *form, const uint8_t **pos,
    const uint8_t *last, int eof)
{
    int              rc;
    const uint8_t   *p;
    tk_malformed_e   error;

    rc = 0;

    if (form->hold_pos < form->hold_len) {
        p = form->hold + form->hold_pos;
        rc = tk_form_header_line(form, &p, form->hold + form->hold_len);
        form->hold_pos = (size_t) (p - form->hold);
    }

    while (rc == 0 && *pos < last) {
        rc = tk_form_header_line(form, pos, last);
    }

    if (rc == 0 && !eof) {
        return TK_FORM_AGAIN;
    }

    if (rc == 0) {
        if (form->conf.strict) {
            return tk_form_error(form, TK_MALFORMED_STRUCTURE);
        }

        /* "--boundary" at the end may have been meant to be the final one */

        form->notes |= form->headers_len ? TK_FORM_NO_END|TK_FORM_TRUNCATED
                                         : TK_FORM_NO_END;
        form->state = TK_FORM_AT_END;

        return TK_FORM_AGAIN;
    }

    error = (rc == -1) ? TK_MALFORMED_HEADERS : tk_form_headers(form);

    if (error != TK_MALFORMED_NONE) {
        return tk_form_error(form, error);
    }

    form->parts++;
    form->state = TK_FORM_IN_DATA;

    return TK_FORM_PART;
}


/* some of a line: 1 if it was the empty one, -1 if there is no room */

static int
tk_form_header_line(tk_form_t *form, const uint8_t **pos,
    const uint8_t *last)
{
    int             crlf;
    size_t          len;
    uint8_t        *end;
    const uint8_t  *lf;

    lf = memchr(*pos, '\n', (size_t) (last - *pos));
    len = (size_t) ((lf ? lf + 1 : last) - *pos);

    if (len > form->conf.headers_size - form->headers_len) {
        return -1;
    }

    memcpy(form->headers + form->headers_len, *pos, len);
    form->headers_len += len;
    *pos += len;

    if (lf == NULL) {
        return 0;
    }

    end = form->headers + form->headers_len;
    len = form->headers_len - form->line;

    crlf = (len > 1 && end[-2] == '\r');

    if (form->conf.strict) {

        /* as the original: ends with CR LF CR LF, so never at once */

        if (!crlf) {
            return 0;
        }

        if (len == 2 && form->line) {
            return 1;
        }

    } else {
        if (!crlf) {
            form->notes |= TK_FORM_LF;
        }

        if (len == 1 + (size_t) crlf) {
            return 1;
        }
    }

    form->line = form->headers_len;

    return 0;
}


static tk_form_event_e
tk_form_error(tk_form_t *form, tk_malformed_e error)
{
    form->error = error;
    form->state = TK_FORM_FAILED;

    return TK_FORM_ERROR;
}
