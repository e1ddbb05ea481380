
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_crash_form.h"
#include "tk_hmac.h"
#include "tk_tap.h"


/* t/data/crash/forms, which t/data/crash/generate writes */

typedef struct {
    char     *name;
    char     *dialect;
    char     *strict;
    char     *answer;
    char     *content_type;
    char     *user_agent;
    char     *names;
    char     *raw_crash;
    uint8_t  *body;
    size_t    len;
} form_case_t;


/* what came of it */

typedef struct {
    tk_malformed_e  error;
    char           *raw_crash;
    char            names[8192];
    size_t          names_len;
    size_t          raw_crash_len;
    size_t          raw_crash_size;
    unsigned        copied;           /* data that is not in the chunk */
} result_t;


static char *
field(char **p, const char *name)
{
    char  *start, *end;

    start = *p + strlen(name) + 2;

    if (strncmp(*p, name, strlen(name)) != 0 || start[-2] != ':') {
        printf("Bail out! no \"%s\" where it should be\n", name);
        exit(1);
    }

    end = strchr(start, '\n');
    *end = '\0';
    *p = end + 1;

    return start;
}


static void
next_case(char **p, form_case_t *c)
{
    c->name = field(p, "case");
    c->dialect = field(p, "dialect");
    c->strict = field(p, "strict");
    c->answer = field(p, "answer");
    c->content_type = field(p, "content-type");
    c->user_agent = field(p, "user-agent");
    c->names = field(p, "names");
    c->raw_crash = field(p, "raw-crash");
    c->len = (size_t) strtoul(field(p, "body"), NULL, 10);
    c->body = (uint8_t *) *p;

    *p += c->len + 1;
}


static int
write_names(void *data, const uint8_t *p, size_t len)
{
    result_t  *r;

    r = data;
    memcpy(r->names + r->names_len, p, len);
    r->names_len += len;
    r->names[r->names_len] = '\0';

    return 0;
}


static int
write_raw_crash(void *data, const uint8_t *p, size_t len)
{
    result_t  *r;

    r = data;

    if (r->raw_crash_size - r->raw_crash_len <= len) {
        r->raw_crash_size = 2 * r->raw_crash_size + len + 1;
        r->raw_crash = realloc(r->raw_crash, r->raw_crash_size);
    }

    memcpy(r->raw_crash + r->raw_crash_len, p, len);
    r->raw_crash_len += len;
    r->raw_crash[r->raw_crash_len] = '\0';

    return 0;
}


/* size: of the pieces in which the raw crash is written */

static void
finish(tk_crash_form_t *crash, const form_case_t *c, size_t size, result_t *r)
{
    tk_raw_crash_t   raw;
    tk_raw_writer_t  w;

    static const tk_str_t  personal[] = {
        tk_string("Email"),
        tk_string("TelemetryClientId"),
        tk_string("TelemetryServerURL"),
        tk_string("TelemetrySessionId")
    };

    static const tk_str_t  uuid =
                            tk_string("de1bb258-cbbf-4589-a673-34f800160918");
    static const tk_str_t  rule = tk_string("accept_everything");
    static const tk_str_t  tag = tk_string("bp");

    memset(&raw, 0, sizeof(raw));

    raw.dumps = &crash->dumps;
    raw.uuid = uuid;
    raw.sec = 1474171506;
    raw.usec = 789;

    if (strcmp(c->dialect, "2018") == 0) {
        raw.layout_2018 = 1;
        raw.throttle_rate = 100;
        raw.start_sec = 1474171505;
        raw.start_usec = 250000;
        raw.type_tag = tag;

    } else {
        raw.layout_2022 = 1;
        raw.payload_size = c->len;
        raw.user_agent.data = (uint8_t *) c->user_agent;
        raw.user_agent.len = strlen(c->user_agent);
        raw.throttle_rule = rule;

        (void) tk_annotations_remove(crash->annotations, personal, 4);
    }

    (void) tk_dumps_names(&crash->dumps, write_names, r);

    tk_raw_writer_init(&w, crash->annotations, &raw);

    do {
        (void) tk_raw_writer_next(&w, size, write_raw_crash, r);
    } while (!w.done);
}


/*
 * The body in chunks that end at each multiple of size, and at one place; then
 * all annotations are large ones.
 */

static void
run(const form_case_t *c, size_t size, size_t place, result_t *r)
{
    int                eof;
    size_t             end, pos;
    uint8_t            boundary[TK_FORM_BOUNDARY_2018];
    uint8_t            hash[SHA256_DIGEST_LENGTH], *chunk;
    tk_str_t           type, data;
    uint64_t           dump_size;
    SHA256_CTX         sha;
    const uint8_t     *p, *last;
    tk_crash_conf_t    conf;
    tk_crash_form_t    crash;
    tk_crash_event_e   event;

    memset(r, 0, sizeof(result_t));
    memset(&conf, 0, sizeof(conf));

    conf.dialect_2018 = (strcmp(c->dialect, "2018") == 0);
    conf.strict = (c->strict[0] == '1');
    conf.large = (place < SIZE_MAX);

    type.data = (uint8_t *) c->content_type;
    type.len = strlen(c->content_type);

    r->error = tk_form_boundary(&conf.form.boundary, boundary, &type,
                                conf.dialect_2018, 0);

    if (r->error != TK_MALFORMED_NONE) {
        return;
    }

    if (tk_crash_form_init(&crash, &conf) != TK_MALFORMED_NONE) {
        printf("Bail out! no memory\n");
        exit(1);
    }

    event = TK_CRASH_AGAIN;
    dump_size = 0;
    SHA256_Init(&sha);

    for (pos = 0; event == TK_CRASH_AGAIN; pos = end) {

        end = pos + size - pos % size;
        end = (pos < place && place < end) ? place : end;
        end = (end < c->len) ? end : c->len;
        eof = (pos == c->len) || (size > 1 && end == c->len);

        /* a block of just that size, gone when the chunk is */

        chunk = malloc(end - pos + 1);
        memcpy(chunk, c->body + pos, end - pos);

        p = chunk;
        last = chunk + (end - pos);

        do {
            event = tk_crash_form_next(&crash, &p, last, eof, &data);

            switch (event) {

            case TK_CRASH_DUMP:
                SHA256_Init(&sha);
                dump_size = 0;
                break;

            case TK_CRASH_DATA:
                SHA256_Update(&sha, data.data, data.len);
                dump_size += data.len;

                if (data.len == 0) {
                    printf("Bail out! empty data\n");
                    exit(1);
                }

                if (data.data < chunk || data.data > last) {
                    r->copied++;
                }

                break;

            case TK_CRASH_DUMP_END:
                SHA256_Final(hash, &sha);
                tk_dumps_done(&crash.dumps, crash.dump, hash, dump_size);
                break;

            case TK_CRASH_ANNOTATION:
                tk_crash_form_annotation(&crash);
                break;

            default:
                break;
            }

        } while (event == TK_CRASH_DUMP || event == TK_CRASH_DATA
                 || event == TK_CRASH_DUMP_END
                 || event == TK_CRASH_ANNOTATION);

        if (event == TK_CRASH_AGAIN && p != last) {
            printf("Bail out! %s: chunk not used up\n", c->name);
            exit(1);
        }

        free(chunk);
    }

    r->error = crash.error;

    if (event == TK_CRASH_END) {

        /* said again, nothing is done again */

        p = NULL;
        (void) tk_crash_form_next(&crash, &p, NULL, 1, &data);
        finish(&crash, c, place < SIZE_MAX ? 1 + place % 600 : SIZE_MAX, r);
    }

    tk_crash_form_free(&crash);
}


static int
same(const result_t *one, const result_t *two)
{
    return one->error == two->error
           && one->raw_crash_len == two->raw_crash_len
           && (one->raw_crash_len == 0
               || memcmp(one->raw_crash, two->raw_crash,
                         one->raw_crash_len) == 0)
           && strcmp(one->names, two->names) == 0;
}


static void
check(const form_case_t *c)
{
    char      name[300];
    size_t    i, step;
    result_t  whole, split;
    unsigned  wrong;

    run(c, SIZE_MAX / 2, SIZE_MAX, &whole);

    (void) snprintf(name, sizeof(name), "%s: answer", c->name);
    tap_is_str(whole.error ? tk_malformed_reason(whole.error)->data
                           : (const uint8_t *) "ok",
               whole.error ? tk_malformed_reason(whole.error)->len : 2,
               c->answer, name);

    if (whole.error == TK_MALFORMED_NONE || c->raw_crash[0]) {
        (void) snprintf(name, sizeof(name), "%s: raw crash", c->name);
        tap_is_str(whole.raw_crash, whole.raw_crash_len, c->raw_crash, name);

        (void) snprintf(name, sizeof(name), "%s: dump names", c->name);
        tap_is_str(whole.names, whole.names_len, c->names, name);
    }

    wrong = (whole.copied != 0);
    step = (c->len > 20000) ? c->len / 300 : 1;

    for (i = 0; i <= c->len; i += step) {
        run(c, SIZE_MAX / 2, i, &split);

        if (!same(&whole, &split)) {
            wrong++;
            fprintf(stderr, "# %s: differs when split at %zu\n", c->name, i);
        }

        free(split.raw_crash);
    }

    for (i = 1; i < 130; i += (i < 20) ? 1 : 13) {
        run(c, i, SIZE_MAX, &split);

        if (!same(&whole, &split)) {
            wrong++;
            fprintf(stderr, "# %s: differs in chunks of %zu\n", c->name, i);
        }

        free(split.raw_crash);
    }

    tap_ok(wrong == 0, "%s: the same in any chunks", c->name);

    free(whole.raw_crash);
}


int
main(void)
{
    char         *data, *p;
    size_t        len;
    form_case_t   c;

    data = tap_read_file("t/data/crash/forms", &len);

    for (p = data; p < data + len; /* void */ ) {
        next_case(&p, &c);
        check(&c);
    }

    free(data);

    return tap_done();
}
