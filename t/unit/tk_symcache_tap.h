
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_SYMCACHE_TAP_H_INCLUDED_
#define _TK_SYMCACHE_TAP_H_INCLUDED_


/* Symcaches in memory, for t/unit and t/fuzz. */


#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tk_symcache.h"
#include "tk_symcache_build.h"


typedef struct {
    tk_sym_rc_t         rc;
    tk_sym_error_t      code;
    int                 error_errno;
    char                error[128];
    tk_symcache_stat_t  stat;
    uint8_t            *data;           /* of its size to the byte */
    size_t              size;
} built_t;


/*
 * Builds a symcache from text, in pieces that end at the offsets in ends, 0
 * at the last, or of step bytes each if that is not 0.  Each piece is in a
 * block of its own, so that one byte more is seen.
 */

static __attribute__((unused)) void
built(built_t *built, const tk_symcache_build_conf_t *conf, const void *text,
    size_t len, size_t step, const size_t *ends)
{
    size_t                     i, n;
    uint8_t                   *piece;
    struct stat                st;
    tk_symcache_build_t       *b;
    tk_symcache_build_conf_t   c;

    memset(built, 0, sizeof(*built));
    memset(&c, 0, sizeof(c));

    if (conf) {
        c = *conf;
    }

    if (c.fd == 0) {
        c.fd = memfd_create("symcache", MFD_CLOEXEC);
    }

    b = tk_symcache_build_create(&c);

    if (c.fd == -1 || b == NULL) {
        abort();
    }

    for (i = 0; i < len; i += n) {
        n = ends && *ends ? *ends++ - i : len - i;
        n = step && step < n ? step : n;

        piece = malloc(n ? n : 1);
        memcpy(piece, (const uint8_t *) text + i, n);
        built->rc = tk_symcache_build_feed(b, piece, n);
        free(piece);

        if (built->rc != TK_SYM_OK) {
            break;
        }
    }

    if (built->rc != TK_SYM_ERROR) {
        built->rc = tk_symcache_build_finish(b, &built->stat);
    }

    built->code = tk_symcache_build_code(b);
    built->error_errno = tk_symcache_build_errno(b);
    memcpy(built->error, tk_symcache_build_error(b),
           strlen(tk_symcache_build_error(b)) + 1);

    tk_symcache_build_destroy(b);

    if (built->rc == TK_SYM_OK) {

        if (fstat(c.fd, &st) != 0) {
            abort();
        }

        built->size = (size_t) st.st_size;

        if (posix_memalign((void **) &built->data, 8, built->size) != 0
            || pread(c.fd, built->data, built->size, 0) != st.st_size)
        {
            abort();
        }
    }

    if (conf == NULL || conf->fd == 0) {
        close(c.fd);
    }
}


#endif /* _TK_SYMCACHE_TAP_H_INCLUDED_ */
