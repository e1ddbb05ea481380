
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_crash_form.h"
#include "tk_fuzz.h"


/*
 * A byte of flags, a Content-Type, LF, a body.  Whole and in pieces it is the
 * same, and no more comes out than went in.
 */

typedef struct {
    const uint8_t  *body;
    size_t          len;
    tk_str_t        boundary;
    unsigned        strict;
    unsigned        dialect_2018;
} input_t;


typedef struct {
    uint8_t  *data;
    size_t    len;
    size_t    size;
} log_t;


static int
put(void *data, const uint8_t *p, size_t len)
{
    log_t  *log;

    log = data;

    if (log->size - log->len < len) {
        log->size = 2 * log->size + len + 64;
        log->data = realloc(log->data, log->size);
        must(log->data != NULL);
    }

    if (len) {
        memcpy(log->data + log->len, p, len);
        log->len += len;
    }

    return 0;
}


static void
put_number(log_t *log, uint64_t n)
{
    (void) put(log, (uint8_t *) &n, sizeof(n));
}


/* the end of the next chunk: all, each byte or a few, or some two places */

static size_t
chunk_end(const input_t *in, size_t pos, unsigned mode)
{
    size_t  end;

    switch (mode) {

    case 0:
        return in->len;

    case 1:
        end = pos + 1 + in->len / 256;
        return (end < in->len) ? end : in->len;

    default:
        end = (in->len * mode * 37 / 128) % (in->len + 1);
        return (pos < end) ? end : in->len;
    }
}


static void
parse(const input_t *in, unsigned mode, log_t *log)
{
    int               eof;
    size_t            pos, end, bytes, copied;
    uint8_t          *chunk;
    tk_str_t          data;
    tk_form_t         form;
    const uint8_t    *p, *start, *last;
    tk_form_conf_t    conf;
    tk_form_event_e   event;

    memset(&conf, 0, sizeof(conf));
    conf.boundary = in->boundary;
    conf.strict = in->strict & 1;
    conf.dialect_2018 = in->dialect_2018 & 1;

    tk_form_init(&form, &conf);

    bytes = 0;
    event = TK_FORM_AGAIN;

    for (pos = 0; event == TK_FORM_AGAIN; pos = end) {

        end = chunk_end(in, pos, mode);
        eof = (pos == end) || (mode == 0 && (in->len & 1));
        copied = 0;

        /* of each byte a block would take most of the time */

        chunk = NULL;
        p = in->body + pos;

        if (end - pos != 1 || in->len < 64) {
            chunk = fuzz_alloc(end - pos);
            memcpy(chunk, p, end - pos);
            p = chunk;
        }

        start = p;
        last = p + (end - pos);

        for ( ;; ) {
            event = tk_form_next(&form, &p, last, eof, &data);
            must(p >= start && p <= last);

            if (event == TK_FORM_DATA) {
                must(data.len != 0);
                bytes += data.len;

                if (data.data < start || data.data + data.len > last) {
                    copied += data.len;
                }

                (void) put(log, data.data, data.len);
                continue;
            }

            if (event == TK_FORM_PART) {
                put_number(log, 1);
                (void) put(log, form.part.name.data, form.part.name.len);
                put_number(log, 2);
                (void) put(log, form.part.type.data, form.part.type.len);
                put_number(log, form.part.filename);
                put_number(log, form.part.empty_filename);
                put_number(log, form.part.unquoted);
                continue;
            }

            if (event == TK_FORM_PART_END) {
                put_number(log, form.part.last);
                put_number(log, form.part.truncated);
                continue;
            }

            break;
        }

        must(event != TK_FORM_AGAIN || (p == last && !eof));
        must(copied <= TK_FORM_HOLD);
        free(chunk);
    }

    must(bytes <= in->len);
    must(form.parts <= TK_FORM_PARTS);
    must(!in->strict || form.notes == 0);

    put_number(log, (uint64_t) event);
    put_number(log, form.parts);

    /* what was noted until an error depends on nothing but the bytes */

    put_number(log, form.notes);
    put_number(log, form.error);
}


static void
crash(const input_t *in, unsigned mode, log_t *log)
{
    size_t             pos, end;
    tk_str_t           data;
    const uint8_t     *p;
    tk_raw_crash_t     raw;
    tk_crash_conf_t    conf;
    tk_crash_form_t    form;
    tk_crash_event_e   event;

    memset(&conf, 0, sizeof(conf));
    conf.form.boundary = in->boundary;
    conf.strict = in->strict & 1;
    conf.dialect_2018 = in->dialect_2018 & 1;
    conf.annotations.total = 1 << 20;
    conf.large = mode;

    must(tk_crash_form_init(&form, &conf) == TK_MALFORMED_NONE);

    event = TK_CRASH_AGAIN;

    for (pos = 0; event == TK_CRASH_AGAIN; pos = end) {

        end = chunk_end(in, pos, mode);
        p = in->body + pos;

        do {
            event = tk_crash_form_next(&form, &p, in->body + end, pos == end,
                                       &data);

            if (event == TK_CRASH_DATA) {
                (void) put(log, data.data, data.len);

            } else if (event == TK_CRASH_ANNOTATION) {
                tk_crash_form_annotation(&form);
            }

        } while (event != TK_CRASH_AGAIN && event != TK_CRASH_END
                 && event != TK_CRASH_ERROR);
    }

    put_number(log, form.error);

    if (event == TK_CRASH_END) {
        must(tk_annotations_count(form.annotations) > 0);

        memset(&raw, 0, sizeof(raw));
        raw.dumps = &form.dumps;
        raw.layout_2022 = 1;
        (void) tk_raw_crash_write(form.annotations, &raw, put, log);
        (void) tk_dumps_names(&form.dumps, put, log);
    }

    tk_crash_form_free(&form);
}


static void
compare(const input_t *in, void (*run)(const input_t *in, unsigned mode,
                                       log_t *log))
{
    log_t     whole, split;
    unsigned  mode;

    memset(&whole, 0, sizeof(whole));
    run(in, 0, &whole);

    for (mode = 1; mode < 5; mode++) {
        memset(&split, 0, sizeof(split));
        run(in, mode, &split);

        must(split.len == whole.len
             && memcmp(split.data, whole.data, whole.len) == 0);

        free(split.data);
    }

    free(whole.data);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input_t         in;
    uint8_t         boundary[TK_FORM_BOUNDARY_2018];
    tk_str_t        type;
    tk_malformed_e  rc;
    const uint8_t  *lf;

    if (size == 0) {
        return 0;
    }

    lf = memchr(data, '\n', size);

    if (lf == NULL) {
        return 0;
    }

    in.strict = data[0] & 1;
    in.dialect_2018 = data[0] >> 1 & 1;

    type.data = data + 1;
    type.len = (lf > data) ? (size_t) (lf - data - 1) : 0;

    rc = tk_form_boundary(&in.boundary, boundary, &type,
                          (int) in.dialect_2018, data[0] >> 2 & 1);

    if (rc != TK_MALFORMED_NONE) {
        must(tk_malformed_status(rc) == 400);
        return 0;
    }

    must(in.boundary.len && in.boundary.len <= TK_FORM_BOUNDARY_2018);

    in.body = lf + 1;
    in.len = size - (size_t) (lf + 1 - data);

    compare(&in, parse);
    compare(&in, crash);

    return 0;
}
