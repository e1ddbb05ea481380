
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_aws_ini.h"
#include "tk_fuzz.h"


static void
within(const tk_str_t *s, const uint8_t *data, size_t size)
{
    size_t  i;

    if (s->len == 0) {
        return;
    }

    must(s->data >= data && s->data + s->len <= data + size);

    for (i = 0; i < s->len; i++) {
        must(s->data[i] >= 0x20 && s->data[i] != 0x7f);
    }

    must(s->data[0] != ' ' && s->data[s->len - 1] != ' ');
}


static void
same(const tk_str_t *a, const tk_str_t *b)
{
    must(a->len == b->len);
    must(a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}


static void
same_result(const uint8_t *text, size_t len, const char *err, unsigned line,
    const tk_credentials_t *c)
{
    unsigned          l;
    const char       *e;
    tk_credentials_t  d;

    e = tk_aws_ini_parse(&d, text, len, "default", &l);

    must(e == err && l == line);
    same(&d.access_key, &c->access_key);
    same(&d.secret_key, &c->secret_key);
    same(&d.session_token, &c->session_token);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t             i, n, lines;
    uint8_t           *text;
    unsigned           line;
    const char        *err;
    tk_credentials_t   c;

    static const char  comment[] = "\n ; [x\n\t# = y";

    line = 0xffffffff;
    err = tk_aws_ini_parse(&c, data, size, "default", &line);

    for (i = 0, lines = 1; i < size; i++) {
        lines += (data[i] == '\n');
    }

    must(line <= lines);

    if (err) {
        must(c.access_key.len == 0 && c.secret_key.len == 0
             && c.session_token.len == 0);

    } else {
        must(line == 0 && c.access_key.len && c.secret_key.len);
    }

    within(&c.access_key, data, size);
    within(&c.secret_key, data, size);
    within(&c.session_token, data, size);

    /* comments at the end change nothing */

    text = fuzz_alloc(size + sizeof(comment) - 1);
    memcpy(text, data, size);
    memcpy(text + size, comment, sizeof(comment) - 1);
    same_result(text, size + sizeof(comment) - 1, err, line, &c);
    free(text);

    /* nor do line ends of Windows */

    text = fuzz_alloc(size + lines);

    for (i = 0, n = 0; i < size; i++) {
        if (data[i] == '\n') {
            text[n++] = '\r';
        }

        text[n++] = data[i];
    }

    same_result(text, n, err, line, &c);
    free(text);

    return 0;
}
