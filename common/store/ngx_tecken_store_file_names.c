
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_store_file_names.h>


static void ngx_tecken_file_names_sift(ngx_tecken_file_names_t *names,
    ngx_uint_t i, ngx_uint_t n);
static ngx_int_t ngx_tecken_file_name_cmp(ngx_tecken_file_name_t *one,
    ngx_tecken_file_name_t *two);


ngx_int_t
ngx_tecken_file_names_insert(ngx_tecken_file_names_t *names,
    ngx_tecken_file_name_t *name, ngx_log_t *log)
{
    ngx_uint_t               i, up, size;
    ngx_tecken_file_name_t  *elts, swap;

    if (names->last.len && ngx_tecken_file_name_cmp(name, &names->last) <= 0) {
        return NGX_OK;
    }

    if (names->n == names->max) {
        names->more = 1;

        if (ngx_tecken_file_name_cmp(name, &names->elts[0]) < 0) {
            ngx_tecken_file_name_copy(&names->elts[0], name);
            ngx_tecken_file_names_sift(names, 0, names->n);
        }

        return NGX_OK;
    }

    if (names->n == names->size) {
        size = names->size ? names->size * 2 : NGX_TECKEN_FILE_LIST_FEW;
        size = ngx_min(size, names->max);

        elts = ngx_alloc(size * sizeof(ngx_tecken_file_name_t), log);
        if (elts == NULL) {
            return NGX_ERROR;
        }

        if (names->elts) {
            ngx_memcpy(elts, names->elts,
                       names->n * sizeof(ngx_tecken_file_name_t));
            ngx_free(names->elts);
        }

        names->elts = elts;
        names->size = size;
    }

    elts = names->elts;
    i = names->n++;

    ngx_tecken_file_name_copy(&elts[i], name);

    for ( /* void */ ; i; i = up) {
        up = (i - 1) / 2;

        if (ngx_tecken_file_name_cmp(&elts[i], &elts[up]) <= 0) {
            break;
        }

        ngx_tecken_file_name_copy(&swap, &elts[i]);
        ngx_tecken_file_name_copy(&elts[i], &elts[up]);
        ngx_tecken_file_name_copy(&elts[up], &swap);
    }

    return NGX_OK;
}


static void
ngx_tecken_file_names_sift(ngx_tecken_file_names_t *names, ngx_uint_t i,
    ngx_uint_t n)
{
    ngx_uint_t               next;
    ngx_tecken_file_name_t  *elts, swap;

    elts = names->elts;

    for ( ;; ) {
        next = 2 * i + 1;

        if (next >= n) {
            return;
        }

        if (next + 1 < n
            && ngx_tecken_file_name_cmp(&elts[next + 1], &elts[next]) > 0)
        {
            next++;
        }

        if (ngx_tecken_file_name_cmp(&elts[next], &elts[i]) <= 0) {
            return;
        }

        ngx_tecken_file_name_copy(&swap, &elts[i]);
        ngx_tecken_file_name_copy(&elts[i], &elts[next]);
        ngx_tecken_file_name_copy(&elts[next], &swap);

        i = next;
    }
}


void
ngx_tecken_file_names_sort(ngx_tecken_file_names_t *names)
{
    ngx_uint_t               n;
    ngx_tecken_file_name_t  *elts, swap;

    elts = names->elts;

    for (n = names->n; n > 1; n--) {
        ngx_tecken_file_name_copy(&swap, &elts[0]);
        ngx_tecken_file_name_copy(&elts[0], &elts[n - 1]);
        ngx_tecken_file_name_copy(&elts[n - 1], &swap);

        ngx_tecken_file_names_sift(names, 0, n - 1);
    }
}


void
ngx_tecken_file_name_copy(ngx_tecken_file_name_t *dst,
    ngx_tecken_file_name_t *src)
{
    dst->len = src->len;
    ngx_memcpy(dst->data, src->data, src->len);
}


static ngx_int_t
ngx_tecken_file_name_cmp(ngx_tecken_file_name_t *one,
    ngx_tecken_file_name_t *two)
{
    ngx_int_t  rc;

    rc = ngx_memcmp(one->data, two->data, ngx_min(one->len, two->len));

    if (rc == 0) {
        rc = (one->len > two->len) - (one->len < two->len);
    }

    return rc;
}
