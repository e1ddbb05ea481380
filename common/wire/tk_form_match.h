
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_FORM_MATCH_H_INCLUDED_
#define _TK_FORM_MATCH_H_INCLUDED_


#include "tk_form.h"


/* form->state */

enum {
    TK_FORM_PREAMBLE = 0,
    TK_FORM_IN_HEADERS,
    TK_FORM_IN_DATA,
    TK_FORM_AT_END,
    TK_FORM_FAILED
};


/* what bytes are that may be a delimiter */

typedef enum {
    TK_MATCH_NO = 0,
    TK_MATCH_MORE,                    /* too few to say */
    TK_MATCH_NEXT,
    TK_MATCH_FINAL,
    TK_MATCH_CUT,                     /* by the end of the body */
    TK_MATCH_BAD                      /* what strict does not accept */
} tk_match_e;


typedef struct {
    const uint8_t  *start;            /* of the delimiter, with CR LF */
    const uint8_t  *end;              /* where what follows it begins */
    const uint8_t  *last;             /* of the bytes that are there */
    int             eof;              /* no more of them will come */
    int             lf;               /* its line ends with LF only */
    uint32_t        notes;
} tk_match_t;


/*
 * What the form waits for, from p on: a delimiter, or bytes that may become
 * one.  m->last and m->eof are set, p is not m->last.
 */
tk_match_e tk_form_find(const tk_form_t *form, tk_match_t *m,
    const uint8_t *p);

/* is there one at p? */
tk_match_e tk_form_match(const tk_form_t *form, tk_match_t *m,
    const uint8_t *p);


#endif /* _TK_FORM_MATCH_H_INCLUDED_ */
