
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_OUT_H_INCLUDED_
#define _TK_OUT_H_INCLUDED_


#include "tk_hmac.h"


/* Where text goes: into a hash, or into a buffer that must not overflow. */

typedef struct {
    SHA256_CTX  *sha;
    char        *start;
    char        *pos;
    char        *last;
    int          overflow;
} tk_out_t;


void tk_out_buffer(tk_out_t *out, char *buf, size_t size);
void tk_out_hash(tk_out_t *out, SHA256_CTX *sha);

/* The length of what a buffer got, -1 if it was too small. */
ssize_t tk_out_length(const tk_out_t *out);

void tk_put(tk_out_t *out, const void *data, size_t len);
void tk_put_str(tk_out_t *out, const tk_str_t *s);
void tk_put_number(tk_out_t *out, uint32_t n);

/* Percent-encoded, "/" too. */
void tk_put_encoded(tk_out_t *out, const tk_str_t *s);

/* In lower case, percent-encoded or as it is. */
void tk_put_lower(tk_out_t *out, const tk_str_t *s, int encode);

/*
 * A header's value, trimmed; inner runs of blanks, which may be a folded
 * line, become one space.
 */
void tk_put_value(tk_out_t *out, const tk_str_t *s);

uint8_t tk_lower(uint8_t ch);

#define tk_put_text(out, text)  tk_put(out, text, sizeof(text) - 1)


#endif /* _TK_OUT_H_INCLUDED_ */
