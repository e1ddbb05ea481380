
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

#define NGX_TECKEN_S3_LIST_DEPTH    16

/* twice what the longest keys, all of them encoded, may need */
#define NGX_TECKEN_S3_LIST_PAGE     (8 * 1024 * 1024)


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
    size_t                   query_size;     /* room in call->query */
    size_t                   received;       /* of this page */
    ngx_uint_t               depth;          /* elements that are open */
    ngx_uint_t               failed;
    unsigned                 found:1;        /* of any page */
    unsigned                 inside:1;       /* <Contents> */
    unsigned                 truncated:1;
    unsigned                 encoded:1;      /* encoding-type=url */
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
static ngx_int_t ngx_tecken_s3_list_text(ngx_tecken_s3_list_t *list,
    ngx_str_t *dst);
static ngx_int_t ngx_tecken_s3_list_give(ngx_tecken_s3_list_t *list,
    ngx_tecken_s3_entry_t *e);
static ngx_int_t ngx_tecken_s3_list_strip(ngx_str_t *key, ngx_str_t *dir);
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

    if (ngx_tecken_s3_bucket(call) != NGX_OK
        || ngx_tecken_s3_list_query(list) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_tecken_s3_call_start(call);
}


static ngx_int_t
ngx_tecken_s3_list_query(ngx_tecken_s3_list_t *list)
{
    size_t                   size;
    u_char                  *p;
    ngx_str_t               *more, *prefix;
    ngx_tecken_s3_call_t    *call;
    ngx_tecken_store_op_t   *op;

    call = list->call;
    op = call->op;
    more = &call->s3->more;
    prefix = &op->storage->prefix;

    size = sizeof("continuation-token=&encoding-type=url&list-type=2"
                  "&prefix=%2F%2F")
           + 3 * (list->token.len + more->len + prefix->len + op->key.len);

    if (size > list->query_size) {

        /* for the longer tokens of other pages, too: there may be many */

        size *= 2;

        call->query.data = ngx_pnalloc(op->pool, size);
        if (call->query.data == NULL) {
            return NGX_ERROR;
        }

        list->query_size = size;
    }

    p = call->query.data;

    if (list->token.len) {
        p = ngx_cpymem(p, "continuation-token=", 19);
        p += tk_uri_encode(p, list->token.data, list->token.len, 0);
        *p++ = '&';
    }

    p = ngx_cpymem(p, "encoding-type=url&list-type=2&prefix=", 37);

    if (more->len) {
        p += tk_uri_encode(p, more->data, more->len, 0);
        p = ngx_cpymem(p, "%2F", 3);
    }

    if (prefix->len) {
        p += tk_uri_encode(p, prefix->data, prefix->len, 0);
        p = ngx_cpymem(p, "%2F", 3);
    }

    p += tk_uri_encode(p, op->key.data, op->key.len, 0);

    call->query.len = p - call->query.data;
    call->transfer.target = NULL;

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
    list->encoded = 0;
    list->failed = 0;
    list->received = 0;
    list->depth = 0;
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

    const char            *what;
    ngx_tecken_s3_list_t  *list;

    list = call->data;

    if (t->status / 100 != 2) {
        return ngx_tecken_s3_body(t, data, len);
    }

    if (call->page == 0) {
        call->page = 1;

        if (ngx_tecken_s3_list_reset(list) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    /* libexpat keeps a token until it is whole, and each open element */

    list->received += len;

    if (list->received > NGX_TECKEN_S3_LIST_PAGE) {
        (void) ngx_cpystrn((u_char *) t->error,
                           (u_char *) "too large list of objects",
                           CURL_ERROR_SIZE);
        return NGX_ERROR;
    }

    if (XML_Parse(list->parser, (char *) data, (int) len, 0) != XML_STATUS_OK
        || list->failed)
    {
        what = XML_ErrorString(XML_GetErrorCode(list->parser));

        (void) ngx_snprintf((u_char *) t->error, CURL_ERROR_SIZE,
                            "invalid list of objects: %s%Z",
                            what ? what : "unexpected element");
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

    /* libexpat may keep the last tokens back until it is told of the end */

    if (call->page == 0
        || XML_Parse(list->parser, "", 0, 1) != XML_STATUS_OK
        || list->failed)
    {
        return ngx_tecken_s3_error(call, "the list of objects is cut off");
    }

    e = list->entries.elts;

    for (i = 0; i < list->entries.nelts; i++) {

        rc = ngx_tecken_s3_list_give(list, &e[i]);

        if (rc != NGX_OK) {
            return (rc == NGX_DONE) ? NGX_OK : NGX_ERROR;
        }
    }

    if (!list->truncated) {
        return list->found ? NGX_OK : NGX_DECLINED;
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

    if (list->depth++ == 0) {

        /* an error or a login page with status 200 is no empty list */

        list->failed = (ngx_strcmp(name, "ListBucketResult") != 0);

    } else if (list->depth > NGX_TECKEN_S3_LIST_DEPTH) {
        list->failed = 1;

    } else if (ngx_strcmp(name, "Contents") == 0) {
        ngx_memzero(&list->entry, sizeof(ngx_tecken_s3_entry_t));
        list->inside = 1;
    }
}


static void XMLCALL
ngx_tecken_s3_list_end(void *data, const XML_Char *name)
{
    ngx_tecken_s3_list_t *list = data;

    ngx_tecken_s3_entry_t  *e;

    list->depth--;

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

        if (ngx_tecken_s3_list_text(list, &list->entry.key) != NGX_OK) {
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
        if (ngx_tecken_s3_list_text(list, &list->token) != NGX_OK) {
            list->failed = 1;
        }

    } else if (!list->inside && ngx_strcmp(name, "EncodingType") == 0) {

        /* a server that does not know it sends keys as they are */

        list->encoded = (list->len == 3
                         && ngx_strncmp(list->text, "url", 3) == 0);
    }

    list->len = 0;
}


static ngx_int_t
ngx_tecken_s3_list_text(ngx_tecken_s3_list_t *list, ngx_str_t *dst)
{
    /* an empty string is there, too */

    dst->data = ngx_pnalloc(list->pool, list->len + 1);
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(dst->data, list->text, list->len);
    dst->len = list->len;

    return NGX_OK;
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


/* gives an entry's key out: decoded, without what all of them begin with */

static ngx_int_t
ngx_tecken_s3_list_give(ngx_tecken_s3_list_t *list, ngx_tecken_s3_entry_t *e)
{
    ngx_str_t              *key;
    ngx_tecken_store_op_t  *op;

    op = list->call->op;
    key = &e->key;

    if (list->encoded) {
        key->len = tk_uri_decode(key->data, key->data, key->len, TK_URI_PLUS);
    }

    if (ngx_tecken_s3_list_strip(key, &list->call->s3->more) != NGX_OK
        || ngx_tecken_s3_list_strip(key, &op->storage->prefix) != NGX_OK)
    {
        return ngx_tecken_s3_error(list->call, "the list of objects has one "
                                   "that was not asked for");
    }

    list->found = 1;

    return op->entry(op, key, e->size, e->mtime);
}


static ngx_int_t
ngx_tecken_s3_list_strip(ngx_str_t *key, ngx_str_t *dir)
{
    if (dir->len == 0) {
        return NGX_OK;
    }

    if (key->len <= dir->len
        || ngx_memcmp(key->data, dir->data, dir->len) != 0
        || key->data[dir->len] != '/')
    {
        return NGX_ERROR;
    }

    key->data += dir->len + 1;
    key->len -= dir->len + 1;

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
