
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_ANNOTATIONS_SET_H_INCLUDED_
#define _TK_ANNOTATIONS_SET_H_INCLUDED_


#include "tk_annotations.h"


/* what the files of tk_annotations share */

struct tk_annotations_s {
    tk_annotations_conf_t   conf;
    size_t                  budget;

    tk_annotation_t       **sorted;   /* by name */
    uint32_t                n;
    uint32_t                size;

    tk_text_t               name;     /* of the part that was started */
    tk_text_t               value;
    tk_text_t               notes;    /* lengths, uint32_t, and bytes */
    unsigned                started:1;
    unsigned                json:1;   /* the part is */
    unsigned                has_json:1;
    unsigned                has_text:1;
};


/*
 * A new one, or another value for one that is there.  The value's memory is
 * taken over if text is not NULL: it holds the value then.
 */
tk_malformed_e tk_annotations_insert(tk_annotations_t *a,
    const tk_str_t *name, const tk_str_t *value, tk_text_t *text,
    tk_annotation_e type);

void tk_annotations_clear(tk_annotations_t *a);

/* the object in text, in place of what there is */
tk_malformed_e tk_annotations_read_json(tk_annotations_t *a,
    const tk_text_t *text);


#endif /* _TK_ANNOTATIONS_SET_H_INCLUDED_ */
