
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_form_match.h"


static tk_match_e tk_form_find_line(const tk_form_t *form, tk_match_t *m,
    const uint8_t *p, const uint8_t *tail);
static tk_match_e tk_form_match_needle(const tk_form_t *form, tk_match_t *m,
    const uint8_t *p);
static tk_match_e tk_form_match_tail(const tk_form_t *form, tk_match_t *m,
    const uint8_t *p);
static tk_match_e tk_form_match_inline(tk_match_t *m, const uint8_t *p);
static tk_match_e tk_form_short(const tk_match_t *m, tk_match_e at_eof);


/*
 * The first delimiter from p on, or what may become one.  Where so many bytes
 * follow that all is known, lines are looked at; at the end of the chunk
 * every byte is.
 */

tk_match_e
tk_form_find(const tk_form_t *form, tk_match_t *m, const uint8_t *p)
{
    size_t          longest;
    tk_match_e      rc;
    const uint8_t  *tail;

    longest = form->needle_len + TK_FORM_HOLD - 2 - TK_FORM_BOUNDARY_2018;

    if (form->state == TK_FORM_IN_DATA && (size_t) (m->last - p) > longest) {
        tail = m->last - longest;
        rc = tk_form_find_line(form, m, p, tail);

        if (rc != TK_MATCH_NO) {
            return rc;
        }

        p = tail;
    }

    for ( /* void */ ; p < m->last; p++) {

        if (form->state == TK_FORM_PREAMBLE) {
            p = memchr(p, '-', (size_t) (m->last - p));

            if (p == NULL) {
                return TK_MATCH_NO;
            }

        } else if (*p != '-' && *p != '\n' && *p != '\r') {
            continue;
        }

        rc = tk_form_match(form, m, p);

        if (rc != TK_MATCH_NO) {
            return rc;
        }
    }

    return TK_MATCH_NO;
}


/* a delimiter that starts before tail */

static tk_match_e
tk_form_find_line(const tk_form_t *form, tk_match_t *m, const uint8_t *p,
    const uint8_t *tail)
{
    size_t          n;
    tk_match_e      rc;
    const uint8_t  *lf, *start, *last;

    n = form->needle_len;
    lf = p;
    last = tail + n + 2;

    for ( ;; ) {

        lf = memchr(lf, '\n', (size_t) (last - lf));

        if (lf == NULL) {
            return TK_MATCH_NO;
        }

        if (lf[1] == '-') {
            start = lf - (!form->lf && lf > p && lf[-1] == '\r');

        } else if ((lf[1] | 0x20) == 'c' && (size_t) (lf - p) > n
                   && lf[-1] == '\r' && lf[-2] == form->needle[n - 1])
        {
            start = lf - 1 - n;

        } else {
            lf++;
            continue;
        }

        if (start < tail) {
            rc = tk_form_match(form, m, start);

            if (rc != TK_MATCH_NO) {
                return rc;
            }
        }

        lf++;
    }
}


tk_match_e
tk_form_match(const tk_form_t *form, tk_match_t *m, const uint8_t *p)
{
    int         line, crlf;
    tk_match_e  rc;

    m->start = p;
    m->end = p;
    m->notes = 0;
    m->lf = 0;

    line = 0;
    crlf = 0;

    if (form->state == TK_FORM_IN_DATA) {

        if (*p == '\r' && !form->lf) {
            crlf = 1;
            p++;

            if (p == m->last) {
                return tk_form_short(m, TK_MATCH_NO);
            }
        }

        if (*p == '\n') {
            line = 1;
            p++;

        } else if (crlf) {
            return TK_MATCH_NO;
        }

        if (line && !crlf) {
            if (form->conf.strict) {
                return TK_MATCH_NO;
            }

            m->notes |= TK_FORM_LF;
        }

        if (!line && form->conf.strict) {
            return TK_MATCH_NO;
        }
    }

    rc = tk_form_match_needle(form, m, p);

    /*
     * A line end that nothing follows belongs to a delimiter that was
     * forgotten, unless it is of another kind than those of the form.
     */

    if (rc == TK_MATCH_CUT) {
        m->end = m->last;
        m->notes |= TK_FORM_NO_END;

        return (line && (crlf || form->lf || p < m->last)) ? TK_MATCH_CUT
                                                           : TK_MATCH_NO;
    }

    if (rc != TK_MATCH_NEXT) {
        return rc;
    }

    p += form->needle_len;

    if (line || form->state == TK_FORM_PREAMBLE) {
        return tk_form_match_tail(form, m, p);
    }

    m->notes |= TK_FORM_NO_CRLF;

    return tk_form_match_inline(m, p);
}


static tk_match_e
tk_form_match_needle(const tk_form_t *form, tk_match_t *m, const uint8_t *p)
{
    size_t  n;

    n = (size_t) (m->last - p);

    if (n && *p != '-') {
        return TK_MATCH_NO;
    }

    if (n >= form->needle_len) {
        return memcmp(p, form->needle, form->needle_len) == 0 ? TK_MATCH_NEXT
                                                              : TK_MATCH_NO;
    }

    if (n && memcmp(p, form->needle, n) != 0) {
        return TK_MATCH_NO;
    }

    return tk_form_short(m, form->conf.strict ? TK_MATCH_BAD : TK_MATCH_CUT);
}


/* what follows a delimiter at the start of a line */

static tk_match_e
tk_form_match_tail(const tk_form_t *form, tk_match_t *m, const uint8_t *p)
{
    tk_match_e      other;
    const uint8_t  *last;

    other = form->conf.strict ? TK_MATCH_BAD : TK_MATCH_NO;

    if (p < m->last && *p == '-') {
        p++;

        if (p < m->last) {
            m->end = p + 1;
            return (*p == '-') ? TK_MATCH_FINAL : other;
        }

    } else {

        last = p + TK_FORM_PADDING;

        while (!form->conf.strict && p < m->last && p < last
               && (*p == ' ' || *p == '\t'))
        {
            p++;
            m->notes |= TK_FORM_PADDED;
        }

        if (p < m->last && *p == '\r') {
            p++;

        } else if (form->conf.strict && p < m->last) {
            return TK_MATCH_BAD;

        } else {
            m->lf = 1;
        }

        if (p < m->last) {

            if (*p != '\n') {
                return other;
            }

            if (m->lf) {
                m->notes |= TK_FORM_LF;
            }

            m->end = p + 1;
            return TK_MATCH_NEXT;
        }
    }

    if (m->eof) {
        m->end = m->last;
        m->notes |= TK_FORM_NO_END;
    }

    return tk_form_short(m, form->conf.strict ? TK_MATCH_BAD : TK_MATCH_CUT);
}


/*
 * A delimiter within a line is one only at the very end of the body, or if
 * the header follows with which parts begin.
 */

static tk_match_e
tk_form_match_inline(tk_match_t *m, const uint8_t *p)
{
    size_t           n;
    const uint8_t   *last;

    static const tk_str_t  header = tk_string("content-disposition:");

    m->end = m->last;

    if (p < m->last && *p == '-') {
        p++;

        if (p < m->last && *p++ != '-') {
            return TK_MATCH_NO;
        }

        last = p + TK_FORM_PADDING;

        while (p < m->last && p < last && (*p == ' ' || *p == '\t')) {
            p++;
            m->notes |= TK_FORM_PADDED;
        }

        p += (p < m->last && *p == '\r');
        p += (p < m->last && *p == '\n');

        return (p == m->last) ? tk_form_short(m, TK_MATCH_FINAL)
                              : TK_MATCH_NO;
    }

    if (p < m->last && *p++ != '\r') {
        return TK_MATCH_NO;
    }

    if (p < m->last && *p++ != '\n') {
        return TK_MATCH_NO;
    }

    last = p;

    for (n = 0; n < header.len && p < m->last; n++, p++) {
        if (header.data[n] == '-' || header.data[n] == ':'
            ? *p != header.data[n]
            : (*p | 0x20) != header.data[n])
        {
            return TK_MATCH_NO;
        }
    }

    if (n < header.len) {
        m->notes |= TK_FORM_NO_END;
        return tk_form_short(m, TK_MATCH_CUT);
    }

    m->end = last;

    return TK_MATCH_NEXT;
}


static tk_match_e
tk_form_short(const tk_match_t *m, tk_match_e at_eof)
{
    return m->eof ? at_eof : TK_MATCH_MORE;
}
