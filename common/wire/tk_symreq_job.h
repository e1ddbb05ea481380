
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_SYMREQ_JOB_H_INCLUDED_
#define _TK_SYMREQ_JOB_H_INCLUDED_


/* what the two files of tk_symreq share */


#include "tk_json_read.h"
#include "tk_symreq.h"


typedef struct {
    tk_symreq_t      *req;
    const uint8_t    *data;
    size_t            len;
    uint32_t          job;
} tk_symreq_ctx_t;


/* tk_symreq_job.c: what is at pos, into the arrays */

int tk_symreq_modules(tk_symreq_ctx_t *c, uint32_t pos);
int tk_symreq_stacks(tk_symreq_ctx_t *c, uint32_t pos);

/* tk_symreq.c */

void tk_symreq_reader(tk_symreq_ctx_t *c, tk_json_reader_t *rd,
    uint32_t pos);
int tk_symreq_fail(tk_symreq_ctx_t *c, tk_symreq_reason_t reason,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));


#endif /* _TK_SYMREQ_JOB_H_INCLUDED_ */
