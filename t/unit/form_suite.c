
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * Replays forms that others collected: form_suite FOLDER [FOLDER ...], with
 *
 *     python-multipart   *.http and *.yaml of its tests
 *     werkzeug           bodies of old browsers, with their parts beside
 *     formidable         whole requests
 *     modsecurity        whole requests
 *
 * in them, or files of go-fuzz-corpus, whose first line is the boundary.
 */


#include <dirent.h>
#include <openssl/evp.h>

#include "tk_form.h"
#include "tk_tap.h"


#define MAX_PARTS  64


typedef struct {
    char      name[256];
    uint8_t  *data;
    size_t    len;
} part_t;


typedef struct {
    tk_form_event_e   event;
    tk_malformed_e    error;
    uint32_t          notes;
    unsigned          n;
    part_t            parts[MAX_PARTS];
} parts_t;


static void
parts_free(parts_t *parts)
{
    while (parts->n) {
        free(parts->parts[--parts->n].data);
    }
}


/* only the first parts are kept */

static void
parse(const tk_str_t *boundary, const uint8_t *body, size_t len, size_t step,
    int strict, parts_t *parts)
{
    size_t             pos, end;
    part_t            *part;
    tk_str_t           data;
    tk_form_t          form;
    const uint8_t     *p;
    tk_form_conf_t     conf;
    tk_form_event_e    event;

    memset(parts, 0, sizeof(parts_t));
    memset(&conf, 0, sizeof(conf));
    conf.boundary = *boundary;
    conf.strict = (strict != 0);
    conf.dialect_2018 = !strict;

    tk_form_init(&form, &conf);

    part = NULL;
    event = TK_FORM_AGAIN;

    for (pos = 0; event == TK_FORM_AGAIN; pos = end) {

        end = (len - pos < step) ? len : pos + step;
        p = body + pos;

        do {
            event = tk_form_next(&form, &p, body + end, pos == end, &data);

            if (event == TK_FORM_PART) {
                part = NULL;

                if (parts->n < MAX_PARTS) {
                    part = &parts->parts[parts->n++];
                    (void) snprintf(part->name, sizeof(part->name), "%.*s",
                                    (int) form.part.name.len,
                                    form.part.name.data);
                }
            }

            if (event == TK_FORM_DATA && part) {
                part->data = realloc(part->data, part->len + data.len);
                memcpy(part->data + part->len, data.data, data.len);
                part->len += data.len;
            }

        } while (event == TK_FORM_PART || event == TK_FORM_DATA
                 || event == TK_FORM_PART_END);
    }

    parts->event = event;
    parts->error = form.error;
    parts->notes = form.notes;
}


static int
same(const parts_t *one, const parts_t *two)
{
    unsigned  i;

    if (one->event != two->event || one->error != two->error
        || one->notes != two->notes || one->n != two->n)
    {
        return 0;
    }

    for (i = 0; i < one->n; i++) {
        if (strcmp(one->parts[i].name, two->parts[i].name) != 0
            || one->parts[i].len != two->parts[i].len
            || (one->parts[i].len
                && memcmp(one->parts[i].data, two->parts[i].data,
                          one->parts[i].len) != 0))
        {
            return 0;
        }
    }

    return 1;
}


/* whatever it is, it is the same in pieces */

static void
whole_and_split(const tk_str_t *boundary, const uint8_t *body, size_t len,
    const char *name)
{
    int      strict;
    size_t   step;
    parts_t  whole, split;

    static unsigned  good, bad;

    for (strict = 0; strict < 2; strict++) {
        parse(boundary, body, len, len + 1, strict, &whole);

        for (step = 1; step < 8; step += 3) {
            parse(boundary, body, len, step, strict, &split);

            if (!same(&whole, &split)) {
                tap_ok(0, "%s: differs in chunks of %zu", name, step);
            }

            parts_free(&split);
        }

        good += (whole.event == TK_FORM_END);
        bad += (whole.event == TK_FORM_ERROR);

        parts_free(&whole);
    }

    tap_ok(1, "%s # %u read, %u refused", name, good, bad);
}


static size_t
base64(uint8_t *dst, const char *text, size_t len)
{
    int     n;
    size_t  pad;

    for (pad = 0; len && text[len - 1] == '='; pad++) {
        len--;
    }

    n = EVP_DecodeBlock(dst, (const unsigned char *) text,
                        (int) (len + pad));

    return (n < 0) ? 0 : (size_t) n - pad;
}


/* YAML as these files have it: name, data of one or more base64 lines */

static void
python_multipart(const char *file, const tk_str_t *boundary, char *yaml,
    const parts_t *got)
{
    char      *line, *next, text[65536], name[256];
    int        in_data;
    size_t     len;
    uint8_t    want[65536];
    unsigned   n, wrong;

    if (strstr(yaml, "error:")) {
        for (n = 0, wrong = 0; n < got->n; n++) {
            wrong += (strcmp(got->parts[n].name, "field") == 0);
        }

        tap_is_int(wrong, 0, file);
        return;
    }

    (void) boundary;

    n = 0;
    wrong = 0;
    in_data = 0;
    len = 0;
    name[0] = '\0';

    for (line = yaml; line; line = next) {
        next = strchr(line, '\n');

        if (next) {
            *next++ = '\0';
        }

        line += strspn(line, " ");

        if (in_data && line[0] && line[0] != '-') {
            len += (size_t) snprintf(text + len, sizeof(text) - len, "%s",
                                     line);

            if (next && next[0] == ' ' && strncmp(next + strspn(next, " "),
                                                  "- ", 2) != 0)
            {
                continue;
            }
        }

        if (in_data) {
            in_data = 0;
            len = base64(want, text, len);

            if (n >= got->n || strcmp(got->parts[n].name, name) != 0
                || got->parts[n].len != len
                || memcmp(got->parts[n].data, want, len) != 0)
            {
                wrong++;
                tap_diag_bytes("expected", want, len);
            }

            n++;
            len = 0;
        }

        if (strncmp(line, "- name: ", 8) == 0) {
            (void) snprintf(name, sizeof(name), "%s", line + 8);

        } else if (strncmp(line, "data: !!binary", 14) == 0) {
            in_data = 1;
            len = 0;
        }
    }

    tap_ok(wrong == 0 && n == got->n, "%s: %u parts", file, n);
}


static void
werkzeug(const char *folder, const char *file, const parts_t *got)
{
    char      name[4096], *want;
    size_t    len;
    unsigned  i;

    /* the text beside them has other line ends than the form */

    static const char *const  files[] = { "file1.png", "file2.png" };

    for (i = 0; i < 2 && got->n == 3; i++) {
        (void) snprintf(name, sizeof(name), "%s/%.*s%s", folder,
                        (int) (strlen(file) - strlen("request.http")), file,
                        files[i]);

        want = tap_read_file(name, &len);
        tap_is_bytes(got->parts[i].data, got->parts[i].len, want, len, name);
        free(want);
    }
}


/* the boundary is that of the header, or the first line */

static int
find_boundary(tk_str_t *boundary, uint8_t *dst, char *data, size_t len,
    char **body)
{
    char      *p;
    tk_str_t   type;

    *body = strstr(data, "\r\n\r\n");
    p = *body ? strcasestr(data, "\ncontent-type:") : NULL;

    if (p && p < *body && strncmp(data, "--", 2) != 0) {

        *body += 4;
        p += strlen("\ncontent-type:");
        p += strspn(p, " ");

        type.data = (uint8_t *) p;
        type.len = strcspn(p, "\r\n");

        return tk_form_boundary(boundary, dst, &type, 1, 1)
               == TK_MALFORMED_NONE;
    }

    *body = data;

    if (strncmp(data, "--", 2) == 0) {
        boundary->data = (uint8_t *) data + 2;
        boundary->len = strcspn(data + 2, "\r\n");

    } else {

        boundary->data = (uint8_t *) data;
        boundary->len = strcspn(data, "\r\n");

        if (boundary->len < len) {
            *body = data + boundary->len + 1;
        }
    }

    return boundary->len > 0 && boundary->len <= TK_FORM_BOUNDARY_2018;
}


static void
run_file(const char *folder, const char *file)
{
    char      name[4096], *data, *body, *yaml, *dot;
    size_t    len, left;
    uint8_t   boundary[TK_FORM_BOUNDARY_2018];
    parts_t   got;
    tk_str_t  b;

    (void) snprintf(name, sizeof(name), "%s/%s", folder, file);
    data = tap_read_file(name, &len);

    yaml = NULL;
    body = data;
    dot = strrchr(name, '.');

    if (strstr(folder, "python-multipart")) {
        memcpy(dot, ".yaml", sizeof(".yaml"));
        yaml = tap_read_file(name, &left);

        b.data = (uint8_t *) yaml + strlen("boundary: ");
        b.len = strcspn((const char *) b.data, "\r\n");

        /* one of them has the delimiter there */

        if (strncmp(data, "--b", 3) == 0 && b.data[0] == '-') {
            b.data += 2;
            b.len -= 2;
        }

    } else if (!find_boundary(&b, boundary, data, len, &body)) {
        tap_ok(1, "%s # SKIP no boundary", file);
        free(data);
        return;
    }

    left = len - (size_t) (body - data);

    whole_and_split(&b, (uint8_t *) body, left, file);

    parse(&b, (uint8_t *) body, left, left + 1, 0, &got);

    if (yaml && strcasestr(data, "content-transfer-encoding: ") == NULL) {
        python_multipart(file, &b, yaml, &got);
    }

    if (strstr(folder, "werkzeug") && strstr(file, "__request.http")) {
        werkzeug(folder, file, &got);
    }

    parts_free(&got);
    free(yaml);
    free(data);
}


static int
wanted(const struct dirent *entry)
{
    const char  *dot;

    dot = strrchr(entry->d_name, '.');

    return entry->d_name[0] != '.'
           && (dot == NULL || strcmp(dot, ".http") == 0);
}


int
main(int argc, char **argv)
{
    int              i, k, n;
    struct dirent  **names;

    if (argc < 2) {
        fprintf(stderr, "usage: form_suite FOLDER [FOLDER ...]\n");
        return 2;
    }

    for (i = 1; i < argc; i++) {

        n = scandir(argv[i], &names, wanted, alphasort);

        if (n <= 0) {
            printf("Bail out! nothing in the folder \"%s\"\n", argv[i]);
            return 1;
        }

        for (k = 0; k < n; k++) {
            run_file(argv[i], names[k]->d_name);
            free(names[k]);
        }

        free(names);
    }

    return tap_done();
}
