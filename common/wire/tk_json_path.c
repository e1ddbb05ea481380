
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_json_path.h"
#include "tk_json_read.h"


#define TK_JSON_PATH_DEPTH  64


static int tk_json_member(tk_json_reader_t *rd, tk_str_t name);
static int tk_json_text(tk_json_reader_t *rd, tk_json_token_t token,
    uint8_t *dst, size_t *len);


int
tk_json_path(tk_str_t json, tk_str_t path, uint8_t *dst, size_t *len)
{
    tk_str_t          name;
    const uint8_t    *dot;
    tk_json_reader_t  rd;

    tk_json_reader_init(&rd, json.data, json.len, TK_JSON_PATH_DEPTH);

    while (path.len) {
        name = path;
        dot = memchr(path.data, '.', path.len);

        if (dot) {
            name.len = (size_t) (dot - path.data);
            path.len -= name.len + 1;
            path.data = dot + 1;

        } else {
            path.len = 0;
        }

        if (tk_json_member(&rd, name) != 0) {
            return -1;
        }
    }

    return tk_json_text(&rd, tk_json_next(&rd), dst, len);
}


/* leaves rd before the value of the last member of this name */

static int
tk_json_member(tk_json_reader_t *rd, tk_str_t name)
{
    int               found;
    tk_json_token_t   token;
    tk_json_reader_t  value;

    if (tk_json_next(rd) != TK_JSON_OBJECT) {
        return -1;
    }

    found = 0;

    while ((token = tk_json_next(rd)) == TK_JSON_KEY) {

        if (tk_json_is(rd, (const char *) name.data, name.len)) {
            value = *rd;
            found = 1;
        }

        if (tk_json_skip(rd, tk_json_next(rd)) != 0) {
            return -1;
        }
    }

    if (token != TK_JSON_OBJECT_END || !found) {
        return -1;
    }

    *rd = value;

    return 0;
}


static int
tk_json_text(tk_json_reader_t *rd, tk_json_token_t token, uint8_t *dst,
    size_t *len)
{
    tk_str_t  text;

    static const tk_str_t  True = tk_string("True");
    static const tk_str_t  False = tk_string("False");
    static const tk_str_t  None = tk_string("None");

    switch (token) {

    case TK_JSON_STRING:
        *len = tk_json_decode(dst, rd->text);
        return 0;

    case TK_JSON_INTEGER:
    case TK_JSON_FLOAT:
        text = rd->text;
        break;

    case TK_JSON_TRUE:
        text = True;
        break;

    case TK_JSON_FALSE:
        text = False;
        break;

    case TK_JSON_NULL:
        text = None;
        break;

    default:
        return -1;
    }

    memcpy(dst, text.data, text.len);
    *len = text.len;

    return 0;
}
