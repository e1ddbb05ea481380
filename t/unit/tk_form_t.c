
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <time.h>

#include "tk_form.h"
#include "tk_tap.h"


#define STR(s)  (tk_str_t) tk_string(s)


/* rows 1, 2, 3 and 6; the cases of tk_crash_form_t.c are not lenient */

static const struct {
    int              dialect_2018;
    int              lenient;
    const char      *type;
    tk_malformed_e   error;
    const char      *boundary;
} types[] = {
    { 0, 0, "multipart/form-data; boundary=X", TK_MALFORMED_NONE, "X" },
    { 0, 0, "multipart/form-data; boundary=\"X Y\"", TK_MALFORMED_NONE,
      "X Y" },
    { 0, 0, "multipart/form-data; boundary=\"a\\\"b\\\\c\"",
      TK_MALFORMED_NONE, "a\"b\\c" },
    { 0, 0, "multipart/form-data; boundary=\"a;b\"", TK_MALFORMED_NONE,
      "a;b" },
    { 0, 0, "multipart/form-data; boundary=a b ", TK_MALFORMED_NONE, "a b" },
    { 0, 0, "multipart/form-data; boundary=\"open", TK_MALFORMED_NONE,
      "\"open" },
    { 0, 0, "multipart/form-data; boundary=X, multipart/form-data;"
      " boundary=Y", TK_MALFORMED_NONE, "Y" },
    { 0, 0, "multipart/form-data; boundary=a\tb", TK_MALFORMED_BAD_BOUNDARY,
      "" },
    { 0, 0, "multipart/form-data; boundary=a\x7f" "b",
      TK_MALFORMED_BAD_BOUNDARY, "" },
    { 0, 0, "multipart/form-data; boundary=\xc3\xa9", TK_MALFORMED_NONE,
      "\xc3\xa9" },
    { 1, 0, "multipart/form-data; boundary=\xc3\xa9",
      TK_MALFORMED_BAD_BOUNDARY, "" },
    { 0, 0, "multipart/mixed; boundary=X", TK_MALFORMED_NONE, "X" },
    { 1, 0, "multipart/mixed; boundary=X", TK_MALFORMED_WRONG_CONTENT_TYPE,
      "" },
    { 0, 0, "multipart/mixed2; boundary=X", TK_MALFORMED_WRONG_CONTENT_TYPE,
      "" },
    { 0, 0, ";boundary=X", TK_MALFORMED_WRONG_CONTENT_TYPE, "" },
    { 0, 0, ";", TK_MALFORMED_WRONG_CONTENT_TYPE, "" },

    { 0, 1, "Multipart/Form-Data; Boundary=X", TK_MALFORMED_NONE, "X" },
    { 0, 1, "multipart/form-data; charset=utf-8; boundary = \"X\"",
      TK_MALFORMED_NONE, "X" },
    { 0, 1, "multipart/form-data; charset=utf-8", TK_MALFORMED_NO_BOUNDARY,
      "" },
    { 0, 1, "application/json; boundary=X", TK_MALFORMED_WRONG_CONTENT_TYPE,
      "" },
    { 0, 1, "", TK_MALFORMED_NO_CONTENT_TYPE, "" }
};


static void
test_boundary(void)
{
    size_t          i;
    uint8_t         dst[TK_FORM_BOUNDARY_2018];
    tk_str_t        type, boundary;
    tk_malformed_e  rc;

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        type.data = (const uint8_t *) types[i].type;
        type.len = strlen(types[i].type);

        rc = tk_form_boundary(&boundary, dst, &type, types[i].dialect_2018,
                              types[i].lenient);

        tap_is_int(rc, types[i].error, types[i].type);
        tap_is_str(boundary.data, boundary.len, types[i].boundary,
                   "the boundary");
    }

    type.data = NULL;
    type.len = 0;
    tap_is_int(tk_form_boundary(&boundary, dst, &type, 0, 0),
               TK_MALFORMED_NO_CONTENT_TYPE, "no header");
}


static void
test_reasons(void)
{
    int              i, status;
    unsigned         wrong;
    const tk_str_t  *reason;

    wrong = 0;

    for (i = TK_MALFORMED_NO_CONTENT_TYPE; i <= TK_MALFORMED_NO_MEMORY; i++) {
        reason = tk_malformed_reason((tk_malformed_e) i);
        status = tk_malformed_status((tk_malformed_e) i);

        wrong += reason->len < 11
                 || memcmp(reason->data, "malformed_", 10) != 0
                 || tk_malformed_text((tk_malformed_e) i)[0] == '\0'
                 || status != (i < TK_MALFORMED_TOO_LARGE ? 400
                               : i < TK_MALFORMED_NO_MEMORY ? 413 : 500);
    }

    tap_is_int(wrong, 0, "each reason has a name, a text and a status");
}


/* one event after the other, as text */

static void
events(const tk_form_conf_t *conf, const char *body, size_t len, int eof,
    char *text)
{
    size_t            n;
    tk_str_t          data;
    tk_form_t         form;
    const uint8_t    *p;
    tk_form_event_e   event;

    tk_form_init(&form, conf);
    p = (const uint8_t *) body;
    n = 0;

    do {
        event = tk_form_next(&form, &p, (const uint8_t *) body + len, eof,
                             &data);

        switch (event) {

        case TK_FORM_AGAIN:
            n += (size_t) sprintf(text + n, "again");
            break;

        case TK_FORM_PART:
            n += (size_t) sprintf(text + n, "part(%.*s) ",
                                  (int) form.part.name.len,
                                  form.part.name.data);
            break;

        case TK_FORM_DATA:
            n += (size_t) sprintf(text + n, "data(%.*s) ", (int) data.len,
                                  data.data);
            break;

        case TK_FORM_PART_END:
            n += (size_t) sprintf(text + n, "end%s%s ",
                                  form.part.last ? "(last)" : "",
                                  form.part.truncated ? "(truncated)" : "");
            break;

        case TK_FORM_END:
            n += (size_t) sprintf(text + n, "END");
            break;

        default:
            n += (size_t) sprintf(text + n, "error(%d)", (int) form.error);
            break;
        }

    } while (event != TK_FORM_AGAIN && event != TK_FORM_END
             && event != TK_FORM_ERROR);
}


static void
test_events(void)
{
    char            text[1000], want[100];
    tk_form_conf_t  conf;

    static const char  part[] = "--b\r\nContent-Disposition: form-data; "
                                "name=A\r\n\r\n";
    static const char  whole[] = "--b\r\nContent-Disposition: form-data; "
                                 "name=A\r\n\r\nxyz\r\n--b\r\n\r\n"
                                 "\r\n--b--\r\nmore";

    memset(&conf, 0, sizeof(conf));
    conf.boundary = STR("b");

    events(&conf, "", 0, 0, text);
    tap_is_str(text, strlen(text), "again", "no bytes yet");

    (void) snprintf(want, sizeof(want), "error(%d)", TK_MALFORMED_STRUCTURE);
    events(&conf, "", 0, 1, text);
    tap_is_str(text, strlen(text), want, "no bytes at all");
    events(&conf, NULL, 0, 1, text);
    tap_is_str(text, strlen(text), want, "nor a buffer");

    events(&conf, part, sizeof(part) - 1, 0, text);
    tap_is_str(text, strlen(text), "part(A) again", "a part begins");

    events(&conf, whole, sizeof(whole) - 1, 0, text);
    tap_is_str(text, strlen(text),
               "part(A) data(xyz) end part() end(last) END",
               "a form, before the end of the body");

    events(&conf, whole, sizeof(part) - 1 + 2, 1, text);
    tap_is_str(text, strlen(text), "part(A) data(xy) end(truncated) END",
               "a form that was cut");

    conf.parts = 1;
    (void) snprintf(want, sizeof(want), "part(A) data(xyz) error(%d)",
                    TK_MALFORMED_PARTS);
    events(&conf, whole, sizeof(whole) - 1, 0, text);
    tap_is_str(text, strlen(text), want, "a part too much");

    conf.headers_size = sizeof(part) - 1 - 5;
    events(&conf, whole, sizeof(part) + 2, 0, text);
    tap_is_str(text, strlen(text), "part(A) data(xyz) again",
               "headers that just fit");

    conf.headers_size--;
    (void) snprintf(want, sizeof(want), "error(%d)", TK_MALFORMED_HEADERS);
    events(&conf, whole, sizeof(whole) - 1, 0, text);
    tap_is_str(text, strlen(text), want, "headers that do not");
}


/* whatever is kept of a chunk is a delimiter that was begun */

static void
test_bounded(void)
{
    size_t            i, n, copied, bytes;
    uint8_t          *body, chunk[4096];
    tk_str_t          data;
    tk_form_t         form;
    const uint8_t    *p;
    tk_form_conf_t    conf;
    tk_form_event_e   event;

    static const char  head[] = "--bound\r\nContent-Disposition: form-data; "
                                "name=A; filename=B\r\n\r\n";

    memset(&conf, 0, sizeof(conf));
    conf.boundary = STR("bound");
    tk_form_init(&form, &conf);

    n = 4 << 20;
    body = malloc(n);

    /* all that a delimiter is made of */

    for (i = 0; i < n; i++) {
        body[i] = (uint8_t) "\r\n--boun \t"[tap_random() % 10];
    }

    memcpy(body, head, sizeof(head) - 1);

    copied = 0;
    bytes = 0;

    for (i = 0; i < n; i += sizeof(chunk)) {

        memcpy(chunk, body + i, sizeof(chunk));
        p = chunk;

        do {
            event = tk_form_next(&form, &p, chunk + sizeof(chunk), 0, &data);

            if (event == TK_FORM_DATA) {
                if (data.data < chunk || data.data >= chunk + sizeof(chunk)) {
                    copied += data.len;

                } else if (memcmp(data.data, body + i
                                  + (data.data - chunk), data.len) != 0)
                {
                    bytes = n;
                }

                bytes += data.len;
            }

        } while (event != TK_FORM_AGAIN && event != TK_FORM_ERROR);
    }

    event = tk_form_next(&form, &p, p, 1, &data);
    bytes += (event == TK_FORM_DATA) ? data.len : 0;

    tap_ok(n - (sizeof(head) - 1) - bytes < 3,
           "every byte comes out, but a line end");
    tap_ok(copied < n / sizeof(chunk) * 4, "%zu of %zu bytes were kept",
           copied, n);
    tap_ok(sizeof(tk_form_t) < 10000, "a form is %zu bytes",
           sizeof(tk_form_t));

    free(body);
}


static double
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}


/* CPU seconds of a form of which the text is repeated */

static double
flood(const char *boundary, const char *head, const char *text, size_t n)
{
    size_t            i, len;
    double            start;
    uint8_t          *body;
    tk_str_t          data;
    tk_form_t         form;
    const uint8_t    *p;
    tk_form_conf_t    conf;
    tk_form_event_e   event;

    memset(&conf, 0, sizeof(conf));
    conf.boundary.data = (const uint8_t *) boundary;
    conf.boundary.len = strlen(boundary);
    conf.parts = UINT32_MAX;

    body = malloc(n);
    len = strlen(text);

    for (i = 0; i < n; i++) {
        body[i] = (uint8_t) text[i % len];
    }

    memcpy(body, head, strlen(head));

    start = now();

    tk_form_init(&form, &conf);
    p = body;

    do {
        event = tk_form_next(&form, &p, body + n, 1, &data);
    } while (event != TK_FORM_END && event != TK_FORM_ERROR);

    start = now() - start;
    free(body);

    return start;
}


static void
test_linear(void)
{
    size_t       i;
    unsigned     k;
    double       t, once, twice;

    static const char  hyphens[] =
        "----------------------------------------------------------------X";
    static const char  name[] =
        "01234567890123456789012345678901234567890123456789";
    static const char  nothing[] = "";
    static const char  in_hyphens[] =
        "--"
        "----------------------------------------------------------------X"
        "\r\nContent-Disposition: form-data; name=A\r\n\r\n";
    static const char  in_name[] =
        "--01234567890123456789012345678901234567890123456789\r\n"
        "Content-Disposition: form-data; name=A\r\n\r\n";

    static const struct {
        const char  *what;
        const char  *boundary;
        const char  *head;
        const char  *text;
    } floods[] = {
        { "a preamble of hyphens", hyphens, nothing, "-" },
        { "data of hyphens", hyphens, in_hyphens, "-" },
        { "lines of hyphens", hyphens, in_hyphens, "\r\n---" },
        { "preamble of near delimiters", name, nothing,
          "--0123456789012345678901234567890123456789012345678" },
        { "line ends", name, in_name, "\r\n" },
        { "near delimiters", name, in_name,
          "\r\n--0123456789012345678901234567890123456789012345678" },
        { "delimiters and more", name, in_name,
          "\r\n--01234567890123456789012345678901234567890123456789X" },
        { "near headers", name, in_name, "9\r\nc" },
        { "delimiters within lines", name, in_name,
          "x--01234567890123456789012345678901234567890123456789\r\nc" },
        { "parts", name, nothing,
          "--01234567890123456789012345678901234567890123456789\r\n"
          "Content-Disposition: form-data; name=A\r\n\r\nx\r\n" }
    };

    for (i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {

        once = 1e9;
        twice = 1e9;

        /* until it was measured on a quiet processor; a square has 4 */

        for (k = 0; k < 40 && (k < 5 || twice > 2.6 * once); k++) {
            t = flood(floods[i].boundary, floods[i].head, floods[i].text,
                      1 << 20);
            once = (t < once) ? t : once;

            t = flood(floods[i].boundary, floods[i].head, floods[i].text,
                      2 << 20);
            twice = (t < twice) ? t : twice;
        }

        /* what takes no time cannot be compared */

        tap_ok(twice < 2.6 * once + 0.001 && once * 1e9 / (1 << 20) < 100,
               "%s: linear", floods[i].what);
        printf("# %s: %.2f ns a byte\n", floods[i].what,
               once * 1e9 / (1 << 20));
    }
}


int
main(void)
{
    test_boundary();
    test_reasons();
    test_events();
    test_bounded();
    test_linear();

    return tap_done();
}
