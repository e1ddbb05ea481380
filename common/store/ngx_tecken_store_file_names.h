
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_STORE_FILE_NAMES_H_INCLUDED_
#define _NGX_TECKEN_STORE_FILE_NAMES_H_INCLUDED_


/* The next names of a directory in the order of keys, so many and no more. */


#include <ngx_tecken_store_file.h>


#define NGX_TECKEN_FILE_LIST_FEW  16          /* the least of any level */


/* a component of keys; of a directory with the slash */

typedef struct {
    size_t                        len;
    u_char                        data[TK_FILE_NAME_MAX + 1];
} ngx_tecken_file_name_t;


typedef struct {
    ngx_tecken_file_name_t       *elts;     /* a heap, then sorted */
    ngx_uint_t                    n;
    ngx_uint_t                    size;     /* allocated, by ngx_alloc() */
    ngx_uint_t                    max;

    ngx_tecken_file_name_t        last;     /* only what is after it */
    ngx_uint_t                    more;     /* than there was room for */
} ngx_tecken_file_names_t;


/* keeps the least of all that are inserted */
ngx_int_t ngx_tecken_file_names_insert(ngx_tecken_file_names_t *names,
    ngx_tecken_file_name_t *name, ngx_log_t *log);

/* once all are */
void ngx_tecken_file_names_sort(ngx_tecken_file_names_t *names);

void ngx_tecken_file_name_copy(ngx_tecken_file_name_t *dst,
    ngx_tecken_file_name_t *src);


#endif /* _NGX_TECKEN_STORE_FILE_NAMES_H_INCLUDED_ */
