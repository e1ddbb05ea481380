
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_CREDENTIALS_H_INCLUDED_
#define _NGX_TECKEN_CREDENTIALS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <tk_sigv4.h>


/*
 * The keys that sign for a storage: from the directive, the environment, or
 * a file that is read again when it changes.  They never appear in a log.
 */

typedef struct {
    tk_credentials_t    keys;
    tk_sigv4_key_t      signing;       /* derived, for tk_sigv4_*() */

    ngx_str_t           path;          /* of the file, else empty */
    ngx_str_t           profile;

    u_char             *text;          /* the file's, keys point into it */
    u_char             *spare;
    time_t              checked;
    time_t              mtime;
    off_t               size;
    ngx_file_uniq_t     uniq;

    unsigned            env:1;         /* from the environment */
} ngx_tecken_credentials_t;


/* credentials=env|file:PATH; what is wrong is logged with file and line */
ngx_int_t ngx_tecken_credentials_env(ngx_conf_t *cf,
    ngx_tecken_credentials_t *cr);
ngx_int_t ngx_tecken_credentials_file(ngx_conf_t *cf,
    ngx_tecken_credentials_t *cr);

/* looks at most once a second whether the file has changed; a file that can
 * not be read or parsed is logged, the keys before it stay in use */
void ngx_tecken_credentials_refresh(ngx_tecken_credentials_t *cr,
    ngx_log_t *log);


#endif /* _NGX_TECKEN_CREDENTIALS_H_INCLUDED_ */
