
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_json_read.h"
#include "tk_uri.h"


#define TK_JSON_S_VALUE   0     /* a value */
#define TK_JSON_S_FIRST   1     /* a value, or the end of the array */
#define TK_JSON_S_OPEN    2     /* a key, or the end of the object */
#define TK_JSON_S_KEY     3     /* a key */
#define TK_JSON_S_AFTER   4     /* what follows a value */
#define TK_JSON_S_ERROR   5


static tk_json_token_t tk_json_after(tk_json_reader_t *rd);
static tk_json_token_t tk_json_key(tk_json_reader_t *rd);
static tk_json_token_t tk_json_value(tk_json_reader_t *rd);
static tk_json_token_t tk_json_open(tk_json_reader_t *rd,
    tk_json_token_t token);
static tk_json_token_t tk_json_close(tk_json_reader_t *rd,
    tk_json_token_t token);
static int tk_json_string(tk_json_reader_t *rd);
static const uint8_t *tk_json_escape_end(const uint8_t *p,
    const uint8_t *last);
static tk_json_token_t tk_json_number(tk_json_reader_t *rd);
static tk_json_token_t tk_json_literal(tk_json_reader_t *rd,
    const char *word, size_t len, tk_json_token_t token);
static tk_json_token_t tk_json_fail(tk_json_reader_t *rd, const uint8_t *pos,
    tk_json_error_t error);
static uint32_t tk_json_hex(const uint8_t *p);


#define tk_json_digit(p, last)  ((p) < (last) && *(p) >= '0' && *(p) <= '9')

#define tk_json_in_object(rd)                                                 \
    ((rd)->kinds[((rd)->depth - 1) / 8] & 1u << ((rd)->depth - 1) % 8)


void
tk_json_reader_init(tk_json_reader_t *rd, const uint8_t *text, size_t len,
    unsigned max_depth)
{
    rd->pos = text;
    rd->last = len ? text + len : text;

    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        rd->pos += 3;
    }

    rd->text.data = NULL;
    rd->text.len = 0;
    rd->error = TK_JSON_ENONE;
    rd->escaped = 0;
    rd->state = TK_JSON_S_VALUE;
    rd->depth = 0;
    rd->max_depth = max_depth < TK_JSON_DEPTH ? max_depth : TK_JSON_DEPTH;
}


static inline void
tk_json_space(tk_json_reader_t *rd)
{
    const uint8_t  *p;

    for (p = rd->pos; p < rd->last; p++) {
        if (*p > ' ' || (*p != ' ' && *p != '\n' && *p != '\r' && *p != '\t'))
        {
            break;
        }
    }

    rd->pos = p;
}


tk_json_token_t
tk_json_next(tk_json_reader_t *rd)
{
    tk_json_space(rd);

    switch (rd->state) {

    case TK_JSON_S_AFTER:
        return tk_json_after(rd);

    case TK_JSON_S_OPEN:
        if (rd->pos < rd->last && *rd->pos == '}') {
            return tk_json_close(rd, TK_JSON_OBJECT_END);
        }

        return tk_json_key(rd);

    case TK_JSON_S_KEY:
        return tk_json_key(rd);

    case TK_JSON_S_FIRST:
        if (rd->pos < rd->last && *rd->pos == ']') {
            return tk_json_close(rd, TK_JSON_ARRAY_END);
        }

        return tk_json_value(rd);

    case TK_JSON_S_VALUE:
        return tk_json_value(rd);

    default: /* TK_JSON_S_ERROR */
        return TK_JSON_ERROR;
    }
}


static tk_json_token_t
tk_json_after(tk_json_reader_t *rd)
{
    if (rd->depth == 0) {

        if (rd->pos == rd->last) {
            return TK_JSON_END;
        }

        return tk_json_fail(rd, rd->pos, TK_JSON_ETRAILING);
    }

    if (rd->pos == rd->last) {
        return tk_json_fail(rd, rd->pos, TK_JSON_ESYNTAX);
    }

    if (tk_json_in_object(rd)) {

        if (*rd->pos == '}') {
            return tk_json_close(rd, TK_JSON_OBJECT_END);
        }

        if (*rd->pos == ',') {
            rd->pos++;
            tk_json_space(rd);
            return tk_json_key(rd);
        }

    } else {

        if (*rd->pos == ']') {
            return tk_json_close(rd, TK_JSON_ARRAY_END);
        }

        if (*rd->pos == ',') {
            rd->pos++;
            tk_json_space(rd);
            return tk_json_value(rd);
        }
    }

    return tk_json_fail(rd, rd->pos, TK_JSON_ESYNTAX);
}


static tk_json_token_t
tk_json_key(tk_json_reader_t *rd)
{
    if (rd->pos == rd->last || *rd->pos != '"') {
        return tk_json_fail(rd, rd->pos, TK_JSON_ESYNTAX);
    }

    if (tk_json_string(rd) != 0) {
        return TK_JSON_ERROR;
    }

    tk_json_space(rd);

    if (rd->pos == rd->last || *rd->pos != ':') {
        return tk_json_fail(rd, rd->pos, TK_JSON_ESYNTAX);
    }

    rd->pos++;
    rd->state = TK_JSON_S_VALUE;

    return TK_JSON_KEY;
}


static tk_json_token_t
tk_json_value(tk_json_reader_t *rd)
{
    if (rd->pos == rd->last) {
        return tk_json_fail(rd, rd->pos, TK_JSON_ESYNTAX);
    }

    switch (*rd->pos) {

    case '[':
        return tk_json_open(rd, TK_JSON_ARRAY);

    case '{':
        return tk_json_open(rd, TK_JSON_OBJECT);

    case '"':
        if (tk_json_string(rd) != 0) {
            return TK_JSON_ERROR;
        }

        rd->state = TK_JSON_S_AFTER;
        return TK_JSON_STRING;

    case 't':
        return tk_json_literal(rd, "true", 4, TK_JSON_TRUE);

    case 'f':
        return tk_json_literal(rd, "false", 5, TK_JSON_FALSE);

    case 'n':
        return tk_json_literal(rd, "null", 4, TK_JSON_NULL);

    case 'N':
        return tk_json_literal(rd, "NaN", 3, TK_JSON_NAN);

    case 'I':
        return tk_json_literal(rd, "Infinity", 8, TK_JSON_NAN);

    default:
        return tk_json_number(rd);
    }
}


static tk_json_token_t
tk_json_open(tk_json_reader_t *rd, tk_json_token_t token)
{
    uint8_t  *kind, bit;

    if (rd->depth == rd->max_depth) {
        return tk_json_fail(rd, rd->pos, TK_JSON_EDEPTH);
    }

    kind = &rd->kinds[rd->depth / 8];
    bit = (uint8_t) (1u << rd->depth % 8);

    if (token == TK_JSON_OBJECT) {
        *kind |= bit;
        rd->state = TK_JSON_S_OPEN;

    } else {
        *kind &= (uint8_t) ~bit;
        rd->state = TK_JSON_S_FIRST;
    }

    rd->depth++;
    rd->pos++;

    return token;
}


static tk_json_token_t
tk_json_close(tk_json_reader_t *rd, tk_json_token_t token)
{
    rd->depth--;
    rd->pos++;
    rd->state = TK_JSON_S_AFTER;

    return token;
}


static int
tk_json_string(tk_json_reader_t *rd)
{
    const uint8_t  *p, *start, *end, *last;

    last = rd->last;
    start = rd->pos + 1;
    rd->escaped = 0;

    for (p = start; p < last; /* void */ ) {

        if (*p == '"') {
            rd->text.data = start;
            rd->text.len = (size_t) (p - start);
            rd->pos = p + 1;
            return 0;
        }

        if (*p == '\\') {
            rd->escaped = 1;
            end = tk_json_escape_end(p, last);

            if (end == NULL) {
                break;
            }

            p = end;
            continue;
        }

        if (*p < 0x20) {
            break;
        }

        if (*p < 0x80) {
            p++;
            continue;
        }

        rd->pos = p;

        if (tk_utf8_decode(&p, last) == 0xffffffff) {
            (void) tk_json_fail(rd, rd->pos, TK_JSON_EUTF8);
            return -1;
        }
    }

    (void) tk_json_fail(rd, p, TK_JSON_ESYNTAX);

    return -1;
}


/* behind the escape sequence at p, NULL if it is none */

static const uint8_t *
tk_json_escape_end(const uint8_t *p, const uint8_t *last)
{
    int      i;
    uint8_t  ch;

    if (++p == last) {
        return NULL;
    }

    switch (*p++) {

    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return p;

    case 'u':
        break;

    default:
        return NULL;
    }

    for (i = 0; i < 4; i++, p++) {

        if (p == last) {
            return NULL;
        }

        ch = *p | 0x20;

        if (!(*p >= '0' && *p <= '9') && !(ch >= 'a' && ch <= 'f')) {
            return NULL;
        }
    }

    return p;
}


static tk_json_token_t
tk_json_number(tk_json_reader_t *rd)
{
    const uint8_t    *p, *last;
    tk_json_token_t   token;

    p = rd->pos;
    last = rd->last;
    token = TK_JSON_INTEGER;

    if (*p == '-') {
        p++;

        if (p < last && *p == 'I') {
            return tk_json_literal(rd, "-Infinity", 9, TK_JSON_NAN);
        }
    }

    if (!tk_json_digit(p, last)) {
        return tk_json_fail(rd, p, TK_JSON_ESYNTAX);
    }

    if (*p == '0') {
        p++;

    } else {
        while (tk_json_digit(p, last)) {
            p++;
        }
    }

    if (p < last && *p == '.') {
        token = TK_JSON_FLOAT;

        if (!tk_json_digit(p + 1, last)) {
            return tk_json_fail(rd, p, TK_JSON_ESYNTAX);
        }

        for (p++; tk_json_digit(p, last); p++) { /* void */ }
    }

    if (p < last && (*p == 'e' || *p == 'E')) {
        token = TK_JSON_FLOAT;
        p++;

        if (p < last && (*p == '+' || *p == '-')) {
            p++;
        }

        if (!tk_json_digit(p, last)) {
            return tk_json_fail(rd, p, TK_JSON_ESYNTAX);
        }

        while (tk_json_digit(p, last)) {
            p++;
        }
    }

    rd->text.data = rd->pos;
    rd->text.len = (size_t) (p - rd->pos);
    rd->escaped = 0;
    rd->pos = p;
    rd->state = TK_JSON_S_AFTER;

    return token;
}


static tk_json_token_t
tk_json_literal(tk_json_reader_t *rd, const char *word, size_t len,
    tk_json_token_t token)
{
    if ((size_t) (rd->last - rd->pos) < len
        || memcmp(rd->pos, word, len) != 0)
    {
        return tk_json_fail(rd, rd->pos, TK_JSON_ESYNTAX);
    }

    rd->text.data = rd->pos;
    rd->text.len = len;
    rd->escaped = 0;
    rd->pos += len;
    rd->state = TK_JSON_S_AFTER;

    return token;
}


static tk_json_token_t
tk_json_fail(tk_json_reader_t *rd, const uint8_t *pos, tk_json_error_t error)
{
    rd->pos = pos;
    rd->error = error;
    rd->state = TK_JSON_S_ERROR;

    return TK_JSON_ERROR;
}


int
tk_json_skip(tk_json_reader_t *rd, tk_json_token_t token)
{
    unsigned  depth;

    if (token == TK_JSON_OBJECT || token == TK_JSON_ARRAY) {

        depth = rd->depth;

        while (rd->depth >= depth) {
            token = tk_json_next(rd);

            if (token == TK_JSON_ERROR) {
                return -1;
            }
        }
    }

    return token == TK_JSON_ERROR ? -1 : 0;
}


int
tk_json_is(const tk_json_reader_t *rd, const char *name, size_t len)
{
    uint32_t        ch;
    const uint8_t  *p, *q, *p_last, *q_last;

    if (!rd->escaped) {
        return rd->text.len == len && memcmp(rd->text.data, name, len) == 0;
    }

    p = rd->text.data;
    p_last = p + rd->text.len;
    q = (const uint8_t *) name;
    q_last = q + len;

    while (p < p_last && q < q_last) {

        ch = tk_json_decode_char(&p, p_last);

        if (ch != tk_utf8_decode(&q, q_last)) {
            return 0;
        }
    }

    return p == p_last && q == q_last;
}


size_t
tk_json_decode(uint8_t *dst, tk_str_t text)
{
    size_t          n;
    uint8_t         buf[4];
    uint32_t        ch;
    const uint8_t  *p, *last;

    if (text.len == 0) {
        return 0;
    }

    n = 0;
    p = text.data;
    last = p + text.len;

    while (p < last) {

        ch = tk_json_decode_char(&p, last);

        if (ch < 0x80) {
            buf[0] = (uint8_t) ch;
            ch = 1;

        } else if (ch < 0x800) {
            buf[0] = (uint8_t) (0xc0 | ch >> 6);
            buf[1] = (uint8_t) (0x80 | (ch & 0x3f));
            ch = 2;

        } else if (ch < 0x10000) {
            buf[0] = (uint8_t) (0xe0 | ch >> 12);
            buf[1] = (uint8_t) (0x80 | (ch >> 6 & 0x3f));
            buf[2] = (uint8_t) (0x80 | (ch & 0x3f));
            ch = 3;

        } else {
            buf[0] = (uint8_t) (0xf0 | ch >> 18);
            buf[1] = (uint8_t) (0x80 | (ch >> 12 & 0x3f));
            buf[2] = (uint8_t) (0x80 | (ch >> 6 & 0x3f));
            buf[3] = (uint8_t) (0x80 | (ch & 0x3f));
            ch = 4;
        }

        if (dst) {
            memcpy(dst + n, buf, ch);
        }

        n += ch;
    }

    return n;
}


uint32_t
tk_json_decode_char(const uint8_t **p, const uint8_t *last)
{
    uint32_t        ch, low;
    const uint8_t  *s;

    s = *p;

    if (*s != '\\') {
        return tk_utf8_decode(p, last);
    }

    *p = s + 2;

    switch (s[1]) {

    case 'b':
        return '\b';

    case 'f':
        return '\f';

    case 'n':
        return '\n';

    case 'r':
        return '\r';

    case 't':
        return '\t';

    case 'u':
        break;

    default:
        return s[1];
    }

    ch = tk_json_hex(s + 2);
    s += 6;
    *p = s;

    if ((ch & 0xf800) != 0xd800) {
        return ch;
    }

    if (ch < 0xdc00 && last - s >= 6 && s[0] == '\\' && s[1] == 'u') {

        low = tk_json_hex(s + 2);

        if ((low & 0xfc00) == 0xdc00) {
            *p = s + 6;
            return 0x10000 + ((ch & 0x3ff) << 10) + (low & 0x3ff);
        }
    }

    return 0xfffd;
}


static uint32_t
tk_json_hex(const uint8_t *p)
{
    int       i;
    uint32_t  u;

    for (i = 0, u = 0; i < 4; i++) {
        u = u << 4 | (uint32_t) (p[i] <= '9' ? p[i] - '0'
                                             : (p[i] | 0x20) - 'a' + 10);
    }

    return u;
}


int
tk_json_integer(tk_str_t text, int *negative, uint64_t *value)
{
    uint64_t        n;
    uint8_t         digit;
    const uint8_t  *p, *last;

    p = text.data;
    last = p + text.len;
    n = 0;

    *negative = (*p == '-');
    p += *negative;

    for ( /* void */ ; p < last; p++) {

        digit = (uint8_t) (*p - '0');

        if (n >= UINT64_MAX / 10
            && (n > UINT64_MAX / 10 || digit > UINT64_MAX % 10))
        {
            return -1;
        }

        n = n * 10 + digit;
    }

    if (n == 0) {
        *negative = 0;
    }

    *value = n;

    return 0;
}
