
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_form_header.h"
#include "tk_out.h"
#include "tk_uri.h"


static uint8_t *tk_form_line(tk_form_t *form, uint8_t *p, uint8_t *last,
    uint8_t **next);
static int tk_form_header(tk_form_t *form, uint8_t *p, uint8_t *last,
    tk_str_t *disposition);
static tk_malformed_e tk_form_disposition(tk_form_t *form,
    const tk_str_t *value);
static tk_malformed_e tk_form_boundary_value(tk_str_t *boundary, uint8_t *dst,
    const tk_str_t *param, int quoted, size_t max);
static size_t tk_form_param_len(const uint8_t *p, size_t len);
static int tk_form_known(const tk_str_t *s, const tk_str_t *known, size_t n);
static int tk_form_equal(const tk_str_t *s, const tk_str_t *other);
static int tk_form_utf8(const tk_str_t *s);
static void tk_form_trim(tk_str_t *s);
static int tk_form_space(uint8_t ch);
static size_t tk_form_replace(uint8_t *dst, const uint8_t *src, size_t len,
    uint8_t ch);


static const tk_str_t  tk_form_form_data = tk_string("multipart/form-data");
static const tk_str_t  tk_form_mixed = tk_string("multipart/mixed");
static const tk_str_t  tk_form_boundary_is = tk_string("boundary=");
static const tk_str_t  tk_form_boundary_name = tk_string("boundary");

static const tk_str_t  tk_form_dispositions[] = {
    tk_string("form-data"),
    tk_string("attachment"),
    tk_string("inline"),
    tk_string("file")
};


tk_malformed_e
tk_form_headers(tk_form_t *form)
{
    uint8_t   *p, *last, *end, *next;
    uint32_t   n;
    tk_str_t   disposition;

    memset(&form->part, 0, sizeof(tk_form_part_t));

    disposition.len = 0;
    disposition.data = NULL;

    n = 0;
    last = form->headers + form->headers_len;

    for (p = form->headers; p < last; p = next) {

        end = tk_form_line(form, p, last, &next);

        if (end == p) {
            continue;
        }

        if (n++ == form->conf.headers) {
            return TK_MALFORMED_HEADERS;
        }

        if (!tk_form_header(form, p, end, &disposition)) {
            return TK_MALFORMED_STRUCTURE;
        }
    }

    if (!form->conf.dialect_2018) {
        for (n = 0; n < form->part.type.len; n++) {
            if (form->part.type.data[n] & 0x80) {
                return TK_MALFORMED_STRUCTURE;
            }
        }
    }

    return tk_form_disposition(form, &disposition);
}


/* the end of a line, where the next one starts; folded ones become one */

static uint8_t *
tk_form_line(tk_form_t *form, uint8_t *p, uint8_t *last, uint8_t **next)
{
    uint8_t  *lf, *from;

    from = p;

    for ( ;; ) {

        lf = memchr(from, '\n', (size_t) (last - from));

        if (lf == NULL) {
            *next = last;
            return last;
        }

        *next = lf + 1;

        if (form->conf.strict) {
            if (lf > p && lf[-1] == '\r') {
                return lf - 1;
            }

        } else {
            from = lf - (lf > p && lf[-1] == '\r');

            /* the empty line is never folded */

            if (from == p || lf + 1 == last
                || (lf[1] != ' ' && lf[1] != '\t'))
            {
                return from;
            }

            form->notes |= TK_FORM_FOLDED;
            memset(from, ' ', (size_t) (lf + 1 - from));
        }

        from = lf + 1;
    }
}


static int
tk_form_header(tk_form_t *form, uint8_t *p, uint8_t *last,
    tk_str_t *disposition)
{
    tk_str_t  name, value;
    uint8_t  *colon;

    static const tk_str_t  type_name = tk_string("content-type");
    static const tk_str_t  disposition_name = tk_string("content-disposition");
    static const tk_str_t  encoding = tk_string("content-transfer-encoding");
    static const tk_str_t  binary = tk_string("binary");

    colon = memchr(p, ':', (size_t) (last - p));

    while (form->conf.strict && colon
           && (colon + 1 == last || colon[1] != ' '))
    {
        colon = memchr(colon + 1, ':', (size_t) (last - colon - 1));
    }

    if (colon == NULL) {
        return 1;
    }

    name.data = p;
    name.len = (size_t) (colon - p);
    value.data = colon + 1;
    value.len = (size_t) (last - colon - 1);

    if (!form->conf.strict) {
        tk_form_trim(&name);
    }

    if (tk_form_equal(&name, &type_name)) {
        form->part.type = value;
        tk_form_trim(&form->part.type);

    } else if (tk_form_equal(&name, &disposition_name)) {
        *disposition = value;

    } else if (tk_form_equal(&name, &encoding)) {

        tk_form_trim(&value);

        if (value.len == binary.len
            && memcmp(value.data, binary.data, binary.len) == 0)
        {
            return 1;
        }

        if (form->conf.strict) {
            return 0;
        }

        form->notes |= TK_FORM_ENCODING;

    } else {
        return 1;
    }

    if (colon + 1 == last || colon[1] != ' ') {
        form->notes |= TK_FORM_COLON;
    }

    return 1;
}


static tk_malformed_e
tk_form_disposition(tk_form_t *form, const tk_str_t *value)
{
    int        quoted;
    size_t     len;
    uint8_t   *p;
    tk_str_t   kind, param;

    static const tk_str_t  nothing = tk_string("");
    static const tk_str_t  name = tk_string("name");
    static const tk_str_t  filename = tk_string("filename");
    static const tk_str_t  extended = tk_string("filename*");

    if (value->data == NULL) {
        return TK_MALFORMED_NONE;
    }

    (void) tk_form_param(&kind, &quoted, value, &nothing);

    if (!tk_form_known(&kind, tk_form_dispositions,
                       sizeof(tk_form_dispositions) / sizeof(tk_str_t)))
    {
        if (form->conf.strict) {
            return TK_MALFORMED_STRUCTURE;
        }

        form->notes |= TK_FORM_DISPOSITION;
    }

    if (tk_form_param(&param, &quoted, value, &filename)) {
        form->part.filename = 1;
        form->part.empty_filename = (param.len == 0);
    }

    if (tk_form_param(&param, &quoted, value, &extended)) {
        form->part.filename = 1;
        form->part.empty_filename = 0;
    }

    if (!tk_form_param(&param, &quoted, value, &name)) {
        return TK_MALFORMED_NONE;
    }

    if (!tk_form_utf8(&param)) {
        if (!form->conf.dialect_2018) {
            return TK_MALFORMED_STRUCTURE;
        }

        form->notes |= TK_FORM_TEXT;
    }

    if (quoted) {
        p = form->headers + (param.data - form->headers);
        len = tk_form_unescape(p, &param);
        param.len = len;
    }

    form->part.name = param;
    form->part.unquoted = !quoted;

    return TK_MALFORMED_NONE;
}


tk_malformed_e
tk_form_boundary(tk_str_t *boundary, uint8_t *dst,
    const tk_str_t *content_type, int dialect_2018, int lenient)
{
    int             quoted;
    size_t          i, max;
    tk_str_t        type, rest, param;
    const uint8_t  *semicolon;

    boundary->data = dst;
    boundary->len = 0;

    if (content_type->len == 0) {
        return TK_MALFORMED_NO_CONTENT_TYPE;
    }

    type = *content_type;
    rest.data = type.data + type.len;
    rest.len = 0;

    semicolon = memchr(type.data, ';', type.len);

    if (semicolon) {
        rest.data = semicolon + 1;
        rest.len = type.len - (size_t) (rest.data - type.data);
        type.len = (size_t) (semicolon - type.data);
    }

    tk_form_trim(&type);
    tk_form_trim(&rest);

    if (!tk_form_equal(&type, &tk_form_form_data)
        && (dialect_2018 || !tk_form_equal(&type, &tk_form_mixed)))
    {
        return TK_MALFORMED_WRONG_CONTENT_TYPE;
    }

    if (!lenient) {

        /* case matters to the originals */

        for (i = 0; i < type.len; i++) {
            if (type.data[i] != tk_lower(type.data[i])) {
                return TK_MALFORMED_WRONG_CONTENT_TYPE;
            }
        }

        if (rest.len < tk_form_boundary_is.len
            || memcmp(rest.data, tk_form_boundary_is.data,
                      tk_form_boundary_is.len) != 0)
        {
            return TK_MALFORMED_NO_BOUNDARY;
        }
    }

    if (!tk_form_param(&param, &quoted, content_type, &tk_form_boundary_name))
    {
        return TK_MALFORMED_NO_BOUNDARY;
    }

    max = dialect_2018 ? TK_FORM_BOUNDARY_2018 : TK_FORM_BOUNDARY;

    return tk_form_boundary_value(boundary, dst, &param, quoted, max);
}


/* all bytes may be escaped, so twice as many are looked at */

static tk_malformed_e
tk_form_boundary_value(tk_str_t *boundary, uint8_t *dst,
    const tk_str_t *param, int quoted, size_t max)
{
    size_t    i;
    uint8_t   buf[2 * TK_FORM_BOUNDARY_2018];
    tk_str_t  value;

    if (param->len > sizeof(buf)) {
        return TK_MALFORMED_BAD_BOUNDARY;
    }

    memcpy(buf, param->data, param->len);

    value.data = buf;
    value.len = param->len;

    if (quoted) {
        value.len = tk_form_unescape(buf, &value);
    }

    while (value.len && tk_form_space(buf[value.len - 1])) {
        value.len--;
    }

    if (value.len == 0 || value.len > max) {
        return TK_MALFORMED_BAD_BOUNDARY;
    }

    for (i = 0; i < value.len; i++) {
        if (buf[i] < 0x20 || buf[i] == 0x7f
            || (max == TK_FORM_BOUNDARY_2018 && buf[i] > 0x7e))
        {
            return TK_MALFORMED_BAD_BOUNDARY;
        }
    }

    memcpy(dst, buf, value.len);
    boundary->len = value.len;

    return TK_MALFORMED_NONE;
}


int
tk_form_param(tk_str_t *param, int *quoted, const tk_str_t *value,
    const tk_str_t *name)
{
    int             found, first;
    size_t          left, n;
    tk_str_t        key, text;
    const uint8_t  *p, *equals;

    found = 0;
    first = 1;
    *quoted = 0;

    p = value->data;
    left = value->len;

    param->data = p;
    param->len = 0;

    for ( ;; ) {

        n = tk_form_param_len(p, left);

        text.data = p;
        text.len = n;
        tk_form_trim(&text);

        if (first && name->len == 0) {
            *param = text;
            return 1;
        }

        equals = (!first && text.len) ? memchr(text.data, '=', text.len)
                                      : NULL;

        if (equals) {
            key.data = text.data;
            key.len = (size_t) (equals - text.data);
            tk_form_trim(&key);

            if (tk_form_equal(&key, name)) {
                param->data = equals + 1;
                param->len = text.len - (size_t) (equals + 1 - text.data);
                tk_form_trim(param);

                *quoted = (param->len >= 2 && param->data[0] == '"'
                           && param->data[param->len - 1] == '"');

                if (*quoted) {
                    param->data++;
                    param->len -= 2;
                }

                found = 1;
            }
        }

        if (n == left) {
            return found;
        }

        first = 0;
        p += n + 1;
        left -= n + 1;
    }
}


/* up to a semicolon that is not in quotes, as Python counts them */

static size_t
tk_form_param_len(const uint8_t *p, size_t len)
{
    size_t    i;
    unsigned  quotes;

    quotes = 0;

    for (i = 0; i < len; i++) {

        if (p[i] == '"' && (i == 0 || p[i - 1] != '\\')) {
            quotes++;
        }

        if (p[i] == ';' && (quotes & 1) == 0) {
            return i;
        }
    }

    return len;
}


size_t
tk_form_unescape(uint8_t *dst, const tk_str_t *s)
{
    size_t  len;

    /* one after the other, as Python does: what one leaves the next sees */

    len = tk_form_replace(dst, s->data, s->len, '\\');

    return tk_form_replace(dst, dst, len, '"');
}


static size_t
tk_form_replace(uint8_t *dst, const uint8_t *src, size_t len, uint8_t ch)
{
    size_t  i, n;

    n = 0;

    for (i = 0; i < len; i++) {
        if (src[i] == '\\' && i + 1 < len && src[i + 1] == ch) {
            i++;
        }

        dst[n++] = src[i];
    }

    return n;
}


static int
tk_form_known(const tk_str_t *s, const tk_str_t *known, size_t n)
{
    while (n--) {
        if (tk_form_equal(s, &known[n])) {
            return 1;
        }
    }

    return 0;
}


/* other is in lower case */

static int
tk_form_equal(const tk_str_t *s, const tk_str_t *other)
{
    size_t  i;

    if (s->len != other->len) {
        return 0;
    }

    for (i = 0; i < s->len; i++) {
        if (tk_lower(s->data[i]) != other->data[i]) {
            return 0;
        }
    }

    return 1;
}


static int
tk_form_utf8(const tk_str_t *s)
{
    const uint8_t  *p, *last;

    p = s->data;
    last = p + s->len;

    while (p < last) {
        if (tk_utf8_decode(&p, last) == 0xffffffff) {
            return 0;
        }
    }

    return 1;
}


static void
tk_form_trim(tk_str_t *s)
{
    while (s->len && tk_form_space(s->data[0])) {
        s->data++;
        s->len--;
    }

    while (s->len && tk_form_space(s->data[s->len - 1])) {
        s->len--;
    }
}


/* what Python's str.strip() takes off, of ASCII */

static int
tk_form_space(uint8_t ch)
{
    return ch == ' ' || (ch >= 0x09 && ch <= 0x0d)
           || (ch >= 0x1c && ch <= 0x1f);
}
