
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TECKEN_SYMCACHE_H_INCLUDED_
#define _TECKEN_SYMCACHE_H_INCLUDED_


#include "tk_symcache.h"
#include "tk_symcache_build.h"


/* exit statuses */

#define TOOL_OK     0
#define TOOL_BAD    1    /* what a file holds is not right */
#define TOOL_ERROR  2    /* wrong arguments, or the system said no */


typedef struct {
    const char  *id;             /* debug id that is expected, or NULL */
    unsigned     strict:1;
    unsigned     quiet:1;        /* no progress, no summary */
} tool_options_t;


/* "tecken-symcache: text" to stderr; returns status */
int tool_error(int status, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Reads a .sym or .sym.gz, "-" is stdin, and writes a symcache to fd.
 * Returns an exit status after it has said what is wrong.
 */
int tool_build(const char *in, int fd, const tool_options_t *options,
    tk_symcache_stat_t *stat);


#endif /* _TECKEN_SYMCACHE_H_INCLUDED_ */
