
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_annotations.h"
#include "tk_fuzz.h"
#include "tk_json_read.h"


/* A byte of flags and an annotation, or annotations in JSON. */

typedef struct {
    uint8_t  *data;
    size_t    len;
    size_t    size;
} out_t;


static int
put(void *data, const uint8_t *p, size_t len)
{
    out_t  *out;

    out = data;

    if (out->size - out->len < len) {
        out->size = 2 * out->size + len + 64;
        out->data = realloc(out->data, out->size);
        must(out->data != NULL);
    }

    memcpy(out->data + out->len, p, len);
    out->len += len;

    return 0;
}


static tk_malformed_e
read_and_print(const uint8_t *data, size_t size, unsigned flags, out_t *out)
{
    size_t                  step, i;
    tk_str_t                s, charset;
    tk_dumps_t              dumps;
    tk_malformed_e          rc;
    tk_raw_crash_t          crash;
    tk_raw_writer_t         w;
    tk_annotations_t       *a;
    tk_annotations_conf_t   conf;

    static const tk_str_t  name = tk_string("name\xc3\xa9");
    static const tk_str_t  latin1 = tk_string("latin-1");
    static const tk_str_t  none = tk_string("");

    memset(out, 0, sizeof(out_t));
    memset(&conf, 0, sizeof(conf));
    conf.dialect_2018 = flags >> 1 & 1;

    a = tk_annotations_create(&conf);
    must(a != NULL);

    rc = tk_annotations_start(a, &name, flags & 1);
    step = (flags & 8) ? 1 : size;

    for (i = 0; i < size && rc == TK_MALFORMED_NONE; i += step) {
        s.data = data + i;
        s.len = step;
        rc = tk_annotations_data(a, &s);
    }

    must(rc == TK_MALFORMED_NONE);

    charset = (flags & 4) ? latin1 : none;
    rc = tk_annotations_end(a, &charset);

    memset(&crash, 0, sizeof(crash));
    tk_dumps_init(&dumps, 0);
    crash.dumps = &dumps;

    tk_raw_writer_init(&w, a, &crash);

    do {
        must(tk_raw_writer_next(&w, (flags & 8) ? 1 : SIZE_MAX, put, out)
             == 0);
    } while (!w.done);

    tk_annotations_destroy(a);

    return rc;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    out_t               out, again;
    size_t              i;
    unsigned            flags;
    tk_malformed_e      rc;
    tk_json_reader_t    reader;
    tk_json_token_t     token;

    if (size == 0) {
        return 0;
    }

    flags = data[0];
    data++;
    size--;

    rc = read_and_print(data, size, flags, &out);

    must(rc == TK_MALFORMED_NONE || rc == TK_MALFORMED_JSON
         || rc == TK_MALFORMED_JSON_VALUE);
    must((flags & 1) || rc == TK_MALFORMED_NONE);

    /* a float of four bytes may be one of 19: 1E15 */

    must(out.len <= 6 * size + 64);

    for (i = 0; i < out.len; i++) {
        must(out.data[i] >= 0x20 && out.data[i] < 0x7f);
    }

    tk_json_reader_init(&reader, out.data, out.len, TK_JSON_DEPTH);

    do {
        token = tk_json_next(&reader);
        must(token != TK_JSON_ERROR);
    } while (token != TK_JSON_END);

    /* in pieces it is the same; read again, it is itself */

    must(read_and_print(data, size, flags ^ 8, &again) == rc);
    must(again.len == out.len && memcmp(again.data, out.data, out.len) == 0);
    free(again.data);

    must(read_and_print(out.data, out.len, 1, &again) == TK_MALFORMED_NONE);
    must(again.len == out.len && memcmp(again.data, out.data, out.len) == 0);
    free(again.data);

    free(out.data);

    return 0;
}
