
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_out.h"
#include "tk_uri.h"


static int tk_blank(uint8_t ch);


void
tk_out_buffer(tk_out_t *out, char *buf, size_t size)
{
    out->sha = NULL;
    out->start = buf;
    out->pos = buf;
    out->last = buf ? buf + size : NULL;
    out->overflow = 0;
}


void
tk_out_hash(tk_out_t *out, SHA256_CTX *sha)
{
    tk_out_buffer(out, NULL, 0);
    out->sha = sha;
}


ssize_t
tk_out_length(const tk_out_t *out)
{
    return out->overflow ? -1 : out->pos - out->start;
}


void
tk_put(tk_out_t *out, const void *data, size_t len)
{
    if (len == 0) {
        return;
    }

    if (out->sha) {
        SHA256_Update(out->sha, data, len);
        return;
    }

    if (out->overflow || (size_t) (out->last - out->pos) < len) {
        out->overflow = 1;
        return;
    }

    memcpy(out->pos, data, len);
    out->pos += len;
}


void
tk_put_str(tk_out_t *out, const tk_str_t *s)
{
    tk_put(out, s->data, s->len);
}


void
tk_put_encoded(tk_out_t *out, const tk_str_t *s)
{
    size_t   i, n, len;
    uint8_t  buf[3 * 64];

    for (i = 0; i < s->len; i += n) {
        n = s->len - i;
        n = (n < 64) ? n : 64;

        len = tk_uri_encode(buf, s->data + i, n, 0);
        tk_put(out, buf, len);
    }
}


void
tk_put_lower(tk_out_t *out, const tk_str_t *s, int encode)
{
    size_t    i;
    uint8_t   buf[64];
    tk_str_t  part;

    part.data = buf;
    part.len = 0;

    for (i = 0; i < s->len; i++) {
        buf[part.len++] = tk_lower(s->data[i]);

        if (part.len < sizeof(buf) && i + 1 < s->len) {
            continue;
        }

        if (encode) {
            tk_put_encoded(out, &part);

        } else {
            tk_put_str(out, &part);
        }

        part.len = 0;
    }
}


void
tk_put_value(tk_out_t *out, const tk_str_t *s)
{
    int             words;
    const uint8_t  *p, *last, *start;

    if (s->len == 0) {
        return;
    }

    words = 0;
    p = s->data;
    last = p + s->len;

    for ( ;; ) {

        while (p < last && tk_blank(*p)) {
            p++;
        }

        if (p == last) {
            return;
        }

        start = p;

        while (p < last && !tk_blank(*p)) {
            p++;
        }

        if (words++) {
            tk_put_text(out, " ");
        }

        tk_put(out, start, (size_t) (p - start));
    }
}


void
tk_put_number(tk_out_t *out, uint32_t n)
{
    char  buf[sizeof("4294967295")], *p;

    p = buf + sizeof(buf);

    do {
        *--p = (char) ('0' + n % 10);
        n /= 10;
    } while (n);

    tk_put(out, p, (size_t) (buf + sizeof(buf) - p));
}


uint8_t
tk_lower(uint8_t ch)
{
    return (ch >= 'A' && ch <= 'Z') ? (uint8_t) (ch | 0x20) : ch;
}


static int
tk_blank(uint8_t ch)
{
    return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n';
}
