
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_ANNOTATIONS_H_INCLUDED_
#define _TK_ANNOTATIONS_H_INCLUDED_


#include "tk_dumps.h"


/*
 * The annotations of a crash and the notes of its collector.  Memory is
 * malloc()ed, by one budget: names, values, notes, and what JSON needs while
 * it is read.  An array sorted by name: no hash to be flooded.
 *
 * Text is kept as UTF-8 in which lone surrogates, which JSON can escape, are
 * three bytes each (so that the order of bytes is that of code points).
 */

#define TK_ANNOTATION        (20 * 1024 * 1024)
#define TK_ANNOTATIONS       (32 * 1024 * 1024)
#define TK_ANNOTATIONS_NAMES 10000
#define TK_ANNOTATIONS_DEPTH 32


typedef enum {
    TK_ANNOTATION_TEXT = 0,           /* a string */
    TK_ANNOTATION_NUMBER,             /* as Python prints it */
    TK_ANNOTATION_TRUE,
    TK_ANNOTATION_FALSE,
    TK_ANNOTATION_NULL,
    TK_ANNOTATION_JSON                /* an object or array, as printed */
} tk_annotation_e;


typedef struct {
    tk_str_t           name;
    tk_str_t           value;
    tk_annotation_e    type;
    unsigned           json:1;        /* came in a JSON part */
    unsigned           removed:1;     /* is not to be stored */
    unsigned           owned:1;       /* private */
    unsigned           shared:1;      /* private */
    size_t             size;          /* private */
} tk_annotation_t;


typedef struct {
    size_t             max;           /* of one, 0: TK_ANNOTATION */
    size_t             total;         /* 0: TK_ANNOTATIONS */
    uint32_t           names;         /* 0: TK_ANNOTATIONS_NAMES */
    uint32_t           depth;         /* of JSON, 0: TK_ANNOTATIONS_DEPTH */
    unsigned           dialect_2018:1;
} tk_annotations_conf_t;


typedef struct tk_annotations_s  tk_annotations_t;


/* NULL: no memory */
tk_annotations_t *tk_annotations_create(const tk_annotations_conf_t *conf);
void tk_annotations_destroy(tk_annotations_t *a);

/*
 * One part of a form: start, data, end, or cancel.  The last one of a name
 * wins.  A JSON part replaces all that came before it.
 *
 * Text is UTF-8, or what charset says: us-ascii, iso-8859-1 and their other
 * names.  What is not right is dropped with Antenna's note; in dialect 2018
 * the charset is ignored, NULs go and U+FFFD comes for what is not UTF-8.
 *
 * Return TK_MALFORMED_NONE or why the crash is refused.
 */
tk_malformed_e tk_annotations_start(tk_annotations_t *a, const tk_str_t *name,
    int json);
tk_malformed_e tk_annotations_data(tk_annotations_t *a, const tk_str_t *data);
tk_malformed_e tk_annotations_end(tk_annotations_t *a,
    const tk_str_t *charset);
void tk_annotations_cancel(tk_annotations_t *a);

/* cuts a line end from the end of the text that was started, if there */
void tk_annotations_chop(tk_annotations_t *a);

/*
 * Another name for an annotation, as text, if there is the annotation and
 * none of this name.  They share its bytes: no part may follow.
 */
tk_malformed_e tk_annotations_alias(tk_annotations_t *a,
    const tk_str_t *name, const tk_str_t *to);

/* text is UTF-8 */
tk_malformed_e tk_annotations_note(tk_annotations_t *a, const char *text,
    size_t len);

/* both kinds were there: Antenna's note */
tk_malformed_e tk_annotations_note_mixed(tk_annotations_t *a);

/*
 * Personal data: not to be stored, each with a note, in this order.  They
 * are still found, and counted.
 */
tk_malformed_e tk_annotations_remove(tk_annotations_t *a,
    const tk_str_t *names, size_t n);

uint32_t tk_annotations_count(const tk_annotations_t *a);

/* bytes of memory that annotations and notes take */
size_t tk_annotations_size(const tk_annotations_t *a);

/* how much of the part that was started there is */
size_t tk_annotations_started(const tk_annotations_t *a);

/* 1: annotations came in a JSON part */
int tk_annotations_json(const tk_annotations_t *a);

/* NULL if there is none */
const tk_annotation_t *tk_annotations_find(const tk_annotations_t *a,
    const tk_str_t *name);

/* in order of names */
const tk_annotation_t *tk_annotations_get(const tk_annotations_t *a,
    uint32_t n);

/* as Python's str() of it, for rules: None, True; strings as they are */
void tk_annotation_str(tk_str_t *str, const tk_annotation_t *annotation);


/* what the collector adds */

typedef struct {
    const tk_dumps_t  *dumps;
    tk_str_t           uuid;
    int64_t            sec;           /* when it was submitted, UTC */
    uint32_t           usec;

    /* of 2018, at the top level */
    unsigned           layout_2018:1;
    unsigned           legacy_processing;
    unsigned           throttle_rate;
    int64_t            start_sec;     /* of the request */
    uint32_t           start_usec;
    tk_str_t           type_tag;      /* "bp" */

    /* of 2022, "metadata" and "version": 2 */
    unsigned           layout_2022:1;
    unsigned           compressed:1;
    uint64_t           payload_size;  /* as it came */
    tk_str_t           user_agent;    /* empty: "None" */
    tk_str_t           throttle_rule;
} tk_raw_crash_t;


/*
 * The object raw_crash: json.dumps(sort_keys=True) of the annotations and of
 * what the collector adds, which wins.  Returns 0 or what write said.
 */
int tk_raw_crash_write(const tk_annotations_t *a, const tk_raw_crash_t *crash,
    tk_text_write_pt write, void *data);


#define TK_RAW_GATHER  4096           /* most of what is written is tiny */

/*
 * The same piece by piece: writer_next() writes some more than size bytes, or
 * what is left, after which done is set.  a and crash stay where they are.
 */

typedef struct {
    const tk_annotations_t  *a;
    const tk_raw_crash_t    *crash;
    tk_text_write_pt         write;
    void                    *data;
    int                      rc;
    size_t                   room;

    unsigned                 next;
    uint32_t                 annotation;
    int                      field;
    size_t                   note;       /* place in the notes */
    const tk_annotation_t   *value;      /* or of the field */
    tk_str_t                 text;       /* the rest of it */
    unsigned                 quoted:1;   /* the text is a string's */
    unsigned                 begun:1;
    unsigned                 first:1;
    unsigned                 done:1;
    size_t                   n;
    uint8_t                  buf[TK_RAW_GATHER];
} tk_raw_writer_t;


void tk_raw_writer_init(tk_raw_writer_t *w, const tk_annotations_t *a,
    const tk_raw_crash_t *crash);
int tk_raw_writer_next(tk_raw_writer_t *w, size_t size,
    tk_text_write_pt write, void *data);


#endif /* _TK_ANNOTATIONS_H_INCLUDED_ */
