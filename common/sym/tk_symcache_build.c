
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <stdlib.h>
#include <string.h>

#include "tk_sym.h"


static tk_sym_rc_t tk_symcache_build_end(tk_symcache_build_t *b);


tk_symcache_build_t *
tk_symcache_build_create(const tk_symcache_build_conf_t *conf)
{
    tk_symcache_build_t  *b;

    static const uint8_t  unknown[2 * TK_SYM_PAD] = "<unknown>";

    b = calloc(1, sizeof(tk_symcache_build_t));
    if (b == NULL) {
        return NULL;
    }

    b->conf = *conf;
    b->conf.max_memory = 0;
    b->memory = sizeof(tk_symcache_build_t) + tk_sym_pack_memory();
    b->stat.memory = b->memory;

    /* no id is as long */

    if (b->conf.debug_id.len > TK_SYM_ID_MAX) {
        b->conf.debug_id.len = TK_SYM_ID_MAX;
    }

    if (b->conf.debug_id.len) {
        memcpy(b->id, conf->debug_id.data, b->conf.debug_id.len);
        b->conf.debug_id.data = b->id;
    }

    if (b->conf.max_size == 0) {
        b->conf.max_size = (uint64_t) 1 << 32;
    }

    b->wide = (!conf->narrow && tk_sym_rows_wide());

    tk_sym_hash_init(&b->code_hash);

    b->names.pack = tk_sym_pack_create(conf->narrow);

    /* arrays that pointers go through have a first item */

    if (b->names.pack == NULL
        || tk_sym_rows_grow(b) != 0
        || tk_sym_vec_room(b, &b->nested, 1, sizeof(tk_sym_nested_t)) != 0
        || tk_sym_name(b, unknown, 0, &b->no_name) != 0
        || tk_sym_name(b, unknown, sizeof("<unknown>") - 1, &b->unknown)
           != 0)
    {
        tk_symcache_build_destroy(b);
        return NULL;
    }

    /* from here on, it is the text that needs memory */

    b->conf.max_memory = conf->max_memory;

    return b;
}


tk_sym_rc_t
tk_symcache_build_feed(tk_symcache_build_t *b, const uint8_t *data,
    size_t len)
{
    if (b->code_error != TK_SYM_ENONE) {
        return TK_SYM_ERROR;
    }

    if (b->state == TK_SYM_END) {
        return TK_SYM_DONE;
    }

    b->stat.read += len;

    if (len && tk_sym_read(b, data, len) != 0) {
        return TK_SYM_ERROR;
    }

    return b->state == TK_SYM_END ? TK_SYM_DONE : TK_SYM_OK;
}


tk_sym_rc_t
tk_symcache_build_finish(tk_symcache_build_t *b, tk_symcache_stat_t *stat)
{
    tk_sym_rc_t  rc;

    rc = b->code_error == TK_SYM_ENONE && !b->finished
         ? tk_symcache_build_end(b) : TK_SYM_ERROR;

    b->finished = 1;
    b->stat.names = b->names.nknown;

    if (stat) {
        *stat = b->stat;
    }

    return rc;
}


static tk_sym_rc_t
tk_symcache_build_end(tk_symcache_build_t *b)
{
    if (b->state != TK_SYM_END && tk_sym_read_end(b) != 0) {
        return TK_SYM_ERROR;
    }

    if (b->state == TK_SYM_MODULE) {
        (void) tk_sym_fail(b, TK_SYM_EMALFORMED, "no text");
        return TK_SYM_ERROR;
    }

    if (tk_sym_origins(b, b->nwaiting) != 0
        || (b->state == TK_SYM_BODY && tk_sym_func_end(b) != 0))
    {
        return TK_SYM_ERROR;
    }

    return tk_sym_merge(b) != 0 || tk_symcache_write(b) != 0 ? TK_SYM_ERROR
                                                             : TK_SYM_OK;
}


tk_sym_error_t
tk_symcache_build_code(const tk_symcache_build_t *b)
{
    return b->code_error;
}


int
tk_symcache_build_errno(const tk_symcache_build_t *b)
{
    return b->error_errno;
}


const char *
tk_symcache_build_error(const tk_symcache_build_t *b)
{
    return b->error;
}


void
tk_symcache_build_destroy(tk_symcache_build_t *b)
{
    unsigned  i;

    if (b == NULL) {
        return;
    }

    tk_sym_tangle_free(b);

    for (i = 0; i < TK_SYM_WAITING; i++) {
        free(b->waiting[i].name.text.data);
    }

    free(b->carry.data);
    free(b->files.direct);
    free(b->files.keys);
    free(b->files.values);
    free(b->origins.direct);
    free(b->origins.keys);
    free(b->origins.values);
    free(b->text.data);
    free(b->paths.data);
    free(b->scratch.data);
    free(b->names.known);
    free(b->names.pack);
    free(b->name.text.data);
    free(b->func.name.text.data);
    free(b->func.rows);
    free(b->func.calls.data);
    free(b->func.ranges.data);
    free(b->keys.data);
    free(b->heap.data);
    free(b->nested.data);
    free(b->code.buf);
    free(b->units.data);
    free(b->spans.data);
    free(b->publics.data);
    free(b);
}
