
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_MALFORMED_H_INCLUDED_
#define _TK_MALFORMED_H_INCLUDED_


#include "tk_wire.h"


/* why a crash report is refused: Antenna's reasons, and what is ours */

typedef enum {
    TK_MALFORMED_NONE = 0,
    TK_MALFORMED_NO_CONTENT_TYPE,
    TK_MALFORMED_WRONG_CONTENT_TYPE,
    TK_MALFORMED_NO_BOUNDARY,
    TK_MALFORMED_BAD_BOUNDARY,        /* empty or too long */
    TK_MALFORMED_NO_CONTENT_LENGTH,
    TK_MALFORMED_BAD_GZIP,
    TK_MALFORMED_STRUCTURE,
    TK_MALFORMED_JSON,
    TK_MALFORMED_JSON_VALUE,          /* not an object */
    TK_MALFORMED_DUMP_NAME,
    TK_MALFORMED_NO_ANNOTATIONS,
    TK_MALFORMED_UUID,
    TK_MALFORMED_DUPLICATE,           /* a header that is to be there once */

    /* 413 */
    TK_MALFORMED_TOO_LARGE,           /* the body, inflated */
    TK_MALFORMED_PARTS,
    TK_MALFORMED_HEADERS,             /* too many or too long, of a part */
    TK_MALFORMED_ANNOTATION,          /* one annotation */
    TK_MALFORMED_ANNOTATIONS,         /* all, in bytes or number */
    TK_MALFORMED_DUMPS,               /* too many */

    /* 500 */
    TK_MALFORMED_NO_MEMORY
} tk_malformed_e;


/* the status of Antenna of 2026, or ours: 400, 413, 500 */
int tk_malformed_status(tk_malformed_e reason);

/*
 * What follows "Discarded=", e.g. "malformed_invalid_json"; without the first
 * ten bytes it is the tag "reason" of the metric.  Not for
 * TK_MALFORMED_BAD_BOUNDARY, whose answer is JSON, and
 * TK_MALFORMED_NO_MEMORY, whose is empty: "malformed_bad_boundary",
 * "malformed_no_memory" for metrics.
 */
const tk_str_t *tk_malformed_reason(tk_malformed_e reason);

/* for a log: what was wrong, lower case */
const char *tk_malformed_text(tk_malformed_e reason);


#endif /* _TK_MALFORMED_H_INCLUDED_ */
