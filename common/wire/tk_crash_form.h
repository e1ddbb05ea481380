
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_CRASH_FORM_H_INCLUDED_
#define _TK_CRASH_FORM_H_INCLUDED_


#include "tk_annotations.h"
#include "tk_form.h"


/*
 * A crash report as it arrives: which part of the form is what.  Annotations
 * are collected here, dumps are handed on as they come.
 */

typedef enum {
    TK_CRASH_AGAIN = 0,               /* the chunk is used up */
    TK_CRASH_DUMP,                    /* dump number crash->dump begins */
    TK_CRASH_DATA,                    /* some of it */
    TK_CRASH_DUMP_END,                /* it is complete, or was cut */
    TK_CRASH_ANNOTATION,              /* a large one is complete */
    TK_CRASH_END,                     /* of the form, checked; may be before
                                         that of the body */
    TK_CRASH_ERROR                    /* crash->error */
} tk_crash_event_e;


typedef struct {
    tk_form_conf_t          form;
    tk_annotations_conf_t   annotations;
    uint32_t                dumps;    /* at most, 0: TK_DUMPS */
    size_t                  large;    /* text of so many bytes is handed to
                                         the caller, JSON of a quarter;
                                         0: none is */
    unsigned                dialect_2018:1;
    unsigned                strict:1;
} tk_crash_conf_t;


typedef struct {
    tk_form_t               form;
    tk_annotations_t       *annotations;
    tk_dumps_t              dumps;
    int                     dump;
    uint32_t                whole;    /* annotations that were not cut */
    size_t                  large;
    tk_malformed_e          error;

    unsigned                kind;     /* of the part */
    unsigned                dialect_2018:1;
    unsigned                ended:1;
} tk_crash_form_t;


/* TK_MALFORMED_NONE or TK_MALFORMED_NO_MEMORY; then free is harmless */
tk_malformed_e tk_crash_form_init(tk_crash_form_t *crash,
    const tk_crash_conf_t *conf);
void tk_crash_form_free(tk_crash_form_t *crash);

/*
 * As tk_form_next().  A dump's hash and size are for the caller to set, by
 * tk_dumps_done(), at the latest before tk_raw_crash_write().
 */
tk_crash_event_e tk_crash_form_next(tk_crash_form_t *crash,
    const uint8_t **pos, const uint8_t *last, int eof, tk_str_t *data);

/*
 * After TK_CRASH_ANNOTATION, before the next call: checks and keeps what was
 * collected, which takes its time, so in a thread perhaps.
 */
void tk_crash_form_annotation(tk_crash_form_t *crash);


#endif /* _TK_CRASH_FORM_H_INCLUDED_ */
