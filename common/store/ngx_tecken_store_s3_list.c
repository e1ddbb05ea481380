
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_store_s3.h>

#include <tk_uri.h>

#include <expat.h>


/*
 * ListObjectsV2, page by page.  A page is parsed as it comes; what it lists
 * is given to op->entry when the page is whole, so that a failed attempt is
 * repeated without a trace.
 */


#define NGX_TECKEN_S3_LIST_TEXT     (3 * 1024 + 1)
#define NGX_TECKEN_S3_LIST_ENTRIES  1000


typedef struct {
    ngx_str_t                key;
    off_t                    size;
    time_t                   mtime;
} ngx_tecken_s3_entry_t;


typedef struct {
    ngx_tecken_s3_call_t    *call;
    XML_Parser               parser;
    ngx_pool_t              *pool;           /* of this page */
    ngx_array_t              entries;
    ngx_tecken_s3_entry_t    entry;
    ngx_str_t                token;
    ngx_uint_t               failed;
    unsigned                 inside:1;       /* <Contents> */
    unsigned                 truncated:1;
    size_t                   len;
    u_char                   text[NGX_TECKEN_S3_LIST_TEXT];
} ngx_tecken_s3_list_t;


static ngx_int_t ngx_tecken_s3_list_query(ngx_tecken_s3_list_t *list);
static void ngx_tecken_s3_list_cleanup(void *data);
static ngx_int_t ngx_tecken_s3_list_reset(ngx_tecken_s3_list_t *list);
static ngx_int_t ngx_tecken_s3_list_body(ngx_tecken_transfer_t *t,
    u_char *data, size_t len);
static ngx_int_t ngx_tecken_s3_list_answer(ngx_tecken_s3_call_t *call);
static void XMLCALL ngx_tecken_s3_list_start(void *data, const XML_Char *name,
    const XML_Char **attrs);
static void XMLCALL ngx_tecken_s3_list_end(void *data, const XML_Char *name);
static void XMLCALL ngx_tecken_s3_list_chars(void *data, const XML_Char *s,
    int len);
static ngx_int_t ngx_tecken_s3_list_decode(ngx_tecken_s3_list_t *list,
    ngx_str_t *dst);
static time_t ngx_tecken_s3_list_time(u_char *p, size_t len);


ngx_int_t
ngx_tecken_s3_list(ngx_tecken_store_op_t *op)
{
    ngx_pool_cleanup_t    *cln;
    ngx_tecken_s3_call_t  *call;
    ngx_tecken_s3_list_t  *list;

    call = ngx_tecken_s3_call(op, "GET");
    if (call == NULL) {
        return NGX_ERROR;
    }

    list = ngx_pcalloc(op->pool, sizeof(ngx_tecken_s3_list_t));
    if (list == NULL) {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(op->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_tecken_s3_list_cleanup;
    cln->data = list;

    list->call = call;

    call->data = list;
    call->answer = ngx_tecken_s3_list_answer;
    call->transfer.body = ngx_tecken_s3_list_body;

    call->path.len = call->s3->path.len + 1;
    call->path.data = ngx_pnalloc(op->pool, call->path.len);
    if (call->path.data == NULL) {
        return NGX_ERROR;
    }

    *ngx_cpymem(call->path.data, call->s3->path.data, call->s3->path.len)
        = '/';

    if (ngx_tecken_s3_list_query(list) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_tecken_s3_call_start(call);
}


static ngx_int_t
ngx_tecken_s3_list_query(ngx_tecken_s3_list_t *list)
{
    u_char                  *p;
    ngx_str_t               *prefix;
    ngx_tecken_s3_call_t    *call;
    ngx_tecken_store_op_t   *op;

    call = list->call;
    op = call->op;
    prefix = &op->storage->prefix;

    p = ngx_pnalloc(op->pool, sizeof("continuation-token=&encoding-type=url"
                                     "&list-type=2&prefix=%2F")
                              + 3 * (list->token.len + prefix->len
                                     + op->key.len));
    if (p == NULL) {
        return NGX_ERROR;
    }

    call->query.data = p;

    if (list->token.len) {
        p = ngx_cpymem(p, "continuation-token=", 19);
        p += tk_uri_encode(p, list->token.data, list->token.len, 0);
        *p++ = '&';
    }

    p = ngx_cpymem(p, "encoding-type=url&list-type=2&prefix=", 37);

    if (prefix->len) {
        p += tk_uri_encode(p, prefix->data, prefix->len, 0);
        p = ngx_cpymem(p, "%2F", 3);
    }

    p += tk_uri_encode(p, op->key.data, op->key.len, 0);

    call->query.len = p - call->query.data;
    call->transfer.url = NULL;

    return NGX_OK;
}


static void
ngx_tecken_s3_list_cleanup(void *data)
{
    ngx_tecken_s3_list_t *list = data;

    if (list->parser) {
        XML_ParserFree(list->parser);
    }

    if (list->pool) {
        ngx_destroy_pool(list->pool);
    }
}


/* before the first byte of each attempt */

static ngx_int_t
ngx_tecken_s3_list_reset(ngx_tecken_s3_list_t *list)
{
    ngx_tecken_s3_list_cleanup(list);

    list->parser = NULL;
    list->inside = 0;
    list->truncated = 0;
    list->failed = 0;
    list->len = 0;
    list->token.len = 0;

    list->pool = ngx_create_pool(16384, list->call->op->log);
    if (list->pool == NULL) {
        return NGX_ERROR;
    }

    if (ngx_array_init(&list->entries, list->pool, 64,
                       sizeof(ngx_tecken_s3_entry_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    list->parser = XML_ParserCreate(NULL);
    if (list->parser == NULL) {
        return NGX_ERROR;
    }

    XML_SetUserData(list->parser, list);
    XML_SetElementHandler(list->parser, ngx_tecken_s3_list_start,
                          ngx_tecken_s3_list_end);
    XML_SetCharacterDataHandler(list->parser, ngx_tecken_s3_list_chars);

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_s3_list_body(ngx_tecken_transfer_t *t, u_char *data, size_t len)
{
    ngx_tecken_s3_call_t *call = t->data;

    ngx_tecken_s3_list_t  *list;

    list = call->data;

    if (t->status / 100 != 2) {
        return NGX_OK;
    }

    if (call->page == 0) {
        call->page = 1;

        if (ngx_tecken_s3_list_reset(list) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (XML_Parse(list->parser, (char *) data, (int) len, 0) != XML_STATUS_OK
        || list->failed)
    {
        (void) ngx_snprintf((u_char *) t->error, CURL_ERROR_SIZE,
                            "invalid list of objects, line %ui%Z",
                            (ngx_uint_t)
                            XML_GetCurrentLineNumber(list->parser));
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_tecken_s3_list_answer(ngx_tecken_s3_call_t *call)
{
    ngx_int_t                rc;
    ngx_uint_t               i;
    ngx_tecken_s3_list_t    *list;
    ngx_tecken_store_op_t   *op;
    ngx_tecken_s3_entry_t   *e;

    op = call->op;
    list = call->data;

    if (call->page == 0
        || XML_Parse(list->parser, "", 0, 1) != XML_STATUS_OK)
    {
        return ngx_tecken_s3_error(call, "the list of objects is cut off");
    }

    e = list->entries.elts;

    for (i = 0; i < list->entries.nelts; i++) {

        rc = op->entry(op, &e[i].key, e[i].size, e[i].mtime);

        if (rc != NGX_OK) {
            return (rc == NGX_DONE) ? NGX_OK : NGX_ERROR;
        }
    }

    if (!list->truncated) {
        return NGX_OK;
    }

    if (list->token.len == 0) {
        return ngx_tecken_s3_error(call, "a truncated list of objects has no "
                                   "continuation token");
    }

    if (ngx_tecken_s3_list_query(list) != NGX_OK) {
        return NGX_ERROR;
    }

    /* the next page has attempts and a deadline of its own */

    op->attempts = 0;

    return ngx_tecken_s3_call_next(call);
}


static void XMLCALL
ngx_tecken_s3_list_start(void *data, const XML_Char *name,
    const XML_Char **attrs)
{
    ngx_tecken_s3_list_t *list = data;

    list->len = 0;

    if (ngx_strcmp(name, "Contents") == 0) {
        ngx_memzero(&list->entry, sizeof(ngx_tecken_s3_entry_t));
        list->inside = 1;
    }
}


static void XMLCALL
ngx_tecken_s3_list_end(void *data, const XML_Char *name)
{
    ngx_tecken_s3_list_t *list = data;

    ngx_tecken_s3_entry_t  *e;

    if (ngx_strcmp(name, "Contents") == 0) {

        list->inside = 0;

        if (list->entry.key.data == NULL) {
            return;
        }

        if (list->entries.nelts == NGX_TECKEN_S3_LIST_ENTRIES) {
            list->failed = 1;
            return;
        }

        e = ngx_array_push(&list->entries);
        if (e == NULL) {
            list->failed = 1;
            return;
        }

        *e = list->entry;

    } else if (list->inside && ngx_strcmp(name, "Key") == 0) {

        if (ngx_tecken_s3_list_decode(list, &list->entry.key) != NGX_OK) {
            list->failed = 1;
        }

    } else if (list->inside && ngx_strcmp(name, "Size") == 0) {
        list->entry.size = ngx_atoof(list->text, list->len);

    } else if (list->inside && ngx_strcmp(name, "LastModified") == 0) {
        list->entry.mtime = ngx_tecken_s3_list_time(list->text, list->len);

    } else if (!list->inside && ngx_strcmp(name, "IsTruncated") == 0) {
        list->truncated = (list->len == 4
                           && ngx_strncmp(list->text, "true", 4) == 0);

    } else if (!list->inside && ngx_strcmp(name, "NextContinuationToken") == 0)
    {
        list->token.len = list->len;
        list->token.data = ngx_pnalloc(list->pool, list->len);

        if (list->token.data == NULL) {
            list->failed = 1;
            return;
        }

        ngx_memcpy(list->token.data, list->text, list->len);
    }

    list->len = 0;
}


static void XMLCALL
ngx_tecken_s3_list_chars(void *data, const XML_Char *s, int len)
{
    ngx_tecken_s3_list_t *list = data;

    if (list->len + len > NGX_TECKEN_S3_LIST_TEXT) {
        list->failed = 1;
        return;
    }

    ngx_memcpy(list->text + list->len, s, len);
    list->len += len;
}


/* encoding-type=url; the storage's prefix is not the caller's */

static ngx_int_t
ngx_tecken_s3_list_decode(ngx_tecken_s3_list_t *list, ngx_str_t *dst)
{
    size_t      len, skip;
    ngx_str_t  *prefix;

    prefix = &list->call->op->storage->prefix;

    len = tk_uri_decode(list->text, list->text, list->len, TK_URI_PLUS);
    skip = prefix->len ? prefix->len + 1 : 0;

    if (len < skip
        || ngx_memcmp(list->text, prefix->data, prefix->len) != 0)
    {
        return NGX_ERROR;
    }

    dst->len = len - skip;
    dst->data = ngx_pnalloc(list->pool, dst->len + 1);
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(dst->data, list->text + skip, dst->len);

    return NGX_OK;
}


/* "2026-11-21T09:30:05.000Z" */

static time_t
ngx_tecken_s3_list_time(u_char *p, size_t len)
{
    struct tm  tm;

    if (len < sizeof("2026-11-21T09:30:05Z") - 1
        || p[4] != '-' || p[7] != '-' || p[10] != 'T' || p[13] != ':'
        || p[16] != ':')
    {
        return (time_t) -1;
    }

    ngx_memzero(&tm, sizeof(struct tm));

    tm.tm_year = (int) ngx_atoi(p, 4) - 1900;
    tm.tm_mon = (int) ngx_atoi(p + 5, 2) - 1;
    tm.tm_mday = (int) ngx_atoi(p + 8, 2);
    tm.tm_hour = (int) ngx_atoi(p + 11, 2);
    tm.tm_min = (int) ngx_atoi(p + 14, 2);
    tm.tm_sec = (int) ngx_atoi(p + 17, 2);

    return timegm(&tm);
}
