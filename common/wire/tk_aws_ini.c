
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <string.h>

#include "tk_aws_ini.h"


typedef struct {
    const char  *wanted;
    size_t       wanted_len;
    unsigned     line;
    unsigned     profile_line;          /* 0: not seen yet */
    unsigned     section:1;             /* a section was opened */
    unsigned     inside:1;              /* it is the wanted profile */
    unsigned     open:1;                /* a setting may go on */
    unsigned     needed:1;              /* it is one of ours */
    size_t       indent;                /* of that setting */
} tk_aws_ini_t;


static const char *tk_aws_ini_line(tk_aws_ini_t *ini, tk_credentials_t *c,
    tk_str_t line);
static const char *tk_aws_ini_section(tk_aws_ini_t *ini, tk_str_t line);
static const char *tk_aws_ini_setting(tk_aws_ini_t *ini, tk_credentials_t *c,
    tk_str_t line);
static tk_str_t *tk_aws_ini_slot(tk_credentials_t *c, const tk_str_t *name);
static void tk_aws_ini_cut_comment(tk_str_t *s);
static void tk_aws_ini_skip(tk_str_t *s, size_t n);
static void tk_aws_ini_trim(tk_str_t *s);
static int tk_aws_ini_blank(uint8_t ch);


const char *
tk_aws_ini_parse(tk_credentials_t *c, const uint8_t *text, size_t len,
    const char *profile, unsigned *line)
{
    tk_str_t           rest, one;
    const char        *err;
    tk_aws_ini_t       ini;
    const uint8_t     *lf;
    tk_credentials_t   found;

    memset(c, 0, sizeof(tk_credentials_t));
    memset(&found, 0, sizeof(tk_credentials_t));
    memset(&ini, 0, sizeof(tk_aws_ini_t));

    ini.wanted = profile;
    ini.wanted_len = strlen(profile);

    rest.data = text;
    rest.len = len;

    /* editors of Windows begin a file with a byte order mark */

    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        tk_aws_ini_skip(&rest, 3);
    }

    while (rest.len) {
        lf = memchr(rest.data, '\n', rest.len);

        one.data = rest.data;
        one.len = lf ? (size_t) (lf - rest.data) : rest.len;
        tk_aws_ini_skip(&rest, lf ? one.len + 1 : one.len);

        ini.line++;

        err = tk_aws_ini_line(&ini, &found, one);

        if (err) {
            *line = ini.line;
            return err;
        }
    }

    *line = ini.profile_line;

    if (ini.profile_line == 0) {
        return "no profile";
    }

    if (found.access_key.len == 0) {
        return "no aws_access_key_id in profile";
    }

    if (found.secret_key.len == 0) {
        return "no aws_secret_access_key in profile";
    }

    *line = 0;
    *c = found;

    return NULL;
}


static const char *
tk_aws_ini_line(tk_aws_ini_t *ini, tk_credentials_t *c, tk_str_t line)
{
    size_t  indent;

    for (indent = 0; indent < line.len; indent++) {
        if (!tk_aws_ini_blank(line.data[indent])) {
            break;
        }
    }

    tk_aws_ini_trim(&line);

    if (line.len == 0 || line.data[0] == '#' || line.data[0] == ';') {
        return NULL;
    }

    /* what is indented deeper belongs to the setting above, as for "s3 =" */

    if (ini->open && indent > ini->indent) {
        return ini->needed ? "a credential goes on in the next line" : NULL;
    }

    ini->open = 0;

    if (line.data[0] == '[') {
        return tk_aws_ini_section(ini, line);
    }

    if (!ini->section) {
        return "a setting before the first [profile]";
    }

    if (!ini->inside) {
        ini->open = 1;
        ini->needed = 0;
        ini->indent = indent;
        return NULL;
    }

    ini->indent = indent;

    return tk_aws_ini_setting(ini, c, line);
}


static const char *
tk_aws_ini_section(tk_aws_ini_t *ini, tk_str_t line)
{
    const uint8_t  *end;

    end = memchr(line.data, ']', line.len);

    if (end == NULL) {
        return "no \"]\" after the profile's name";
    }

    line.len = (size_t) (end - line.data);
    tk_aws_ini_skip(&line, 1);
    tk_aws_ini_trim(&line);

    if (line.len > 7 && memcmp(line.data, "profile", 7) == 0
        && tk_aws_ini_blank(line.data[7]))
    {
        tk_aws_ini_skip(&line, 8);
        tk_aws_ini_trim(&line);
    }

    ini->section = 1;
    ini->inside = (line.len == ini->wanted_len
                   && memcmp(line.data, ini->wanted, line.len) == 0);

    if (ini->inside) {
        ini->profile_line = ini->line;
    }

    return NULL;
}


static const char *
tk_aws_ini_setting(tk_aws_ini_t *ini, tk_credentials_t *c, tk_str_t line)
{
    size_t          i;
    tk_str_t        name, *slot;
    const uint8_t  *eq;

    eq = memchr(line.data, '=', line.len);

    if (eq == NULL) {
        return "no \"=\" after a setting's name";
    }

    name.data = line.data;
    name.len = (size_t) (eq - line.data);
    tk_aws_ini_trim(&name);

    ini->open = 1;
    ini->needed = 0;

    slot = tk_aws_ini_slot(c, &name);

    if (slot == NULL) {
        return NULL;
    }

    tk_aws_ini_skip(&line, (size_t) (eq - line.data) + 1);
    tk_aws_ini_cut_comment(&line);
    tk_aws_ini_trim(&line);

    /* these go into headers */

    for (i = 0; i < line.len; i++) {
        if (line.data[i] < 0x20 || line.data[i] == 0x7f) {
            return "a control character in a credential";
        }
    }

    ini->needed = 1;
    *slot = line;

    return NULL;
}


/* names in any case, as botocore takes them */

static tk_str_t *
tk_aws_ini_slot(tk_credentials_t *c, const tk_str_t *name)
{
    size_t    i, n;
    uint8_t   ch;

    static const tk_str_t  names[] = {
        tk_string("aws_access_key_id"),
        tk_string("aws_secret_access_key"),
        tk_string("aws_session_token")
    };

    tk_str_t *const  slots[] = {
        &c->access_key,
        &c->secret_key,
        &c->session_token
    };

    for (n = 0; n < sizeof(names) / sizeof(names[0]); n++) {

        if (name->len != names[n].len) {
            continue;
        }

        for (i = 0; i < name->len; i++) {
            ch = name->data[i];
            ch = (ch >= 'A' && ch <= 'Z') ? (uint8_t) (ch | 0x20) : ch;

            if (ch != names[n].data[i]) {
                break;
            }
        }

        if (i == name->len) {
            return slots[n];
        }
    }

    return NULL;
}


/* without a blank before it "#" may be a part of a secret */

static void
tk_aws_ini_cut_comment(tk_str_t *s)
{
    size_t  i;

    for (i = 1; i < s->len; i++) {
        if ((s->data[i] == '#' || s->data[i] == ';')
            && tk_aws_ini_blank(s->data[i - 1]))
        {
            s->len = i;
            return;
        }
    }
}


static void
tk_aws_ini_skip(tk_str_t *s, size_t n)
{
    s->data += n;
    s->len -= n;
}


static void
tk_aws_ini_trim(tk_str_t *s)
{
    while (s->len && tk_aws_ini_blank(s->data[0])) {
        tk_aws_ini_skip(s, 1);
    }

    while (s->len && tk_aws_ini_blank(s->data[s->len - 1])) {
        s->len--;
    }
}


static int
tk_aws_ini_blank(uint8_t ch)
{
    return ch == ' ' || ch == '\t' || ch == '\r';
}
