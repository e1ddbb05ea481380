
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_malformed.h"


static const struct {
    int          status;
    tk_str_t     reason;
    const char  *text;
} tk_malformed[] = {

    [TK_MALFORMED_NONE] = { 200, tk_string(""), "nothing" },

    [TK_MALFORMED_NO_CONTENT_TYPE] = {
        400, tk_string("malformed_no_content_type"),
        "no \"Content-Type\" header" },

    [TK_MALFORMED_WRONG_CONTENT_TYPE] = {
        400, tk_string("malformed_wrong_content_type"),
        "a media type that is not a form's" },

    [TK_MALFORMED_NO_BOUNDARY] = {
        400, tk_string("malformed_no_boundary"),
        "no boundary in the \"Content-Type\" header" },

    [TK_MALFORMED_BAD_BOUNDARY] = {
        400, tk_string("malformed_bad_boundary"),
        "a boundary that is empty, too long, or has control characters" },

    [TK_MALFORMED_NO_CONTENT_LENGTH] = {
        400, tk_string("malformed_no_content_length"),
        "no body" },

    [TK_MALFORMED_BAD_GZIP] = {
        400, tk_string("malformed_bad_gzip"),
        "a body that is not what gzip writes" },

    [TK_MALFORMED_STRUCTURE] = {
        400, tk_string("malformed_invalid_payload_structure"),
        "a body that is not a form" },

    [TK_MALFORMED_JSON] = {
        400, tk_string("malformed_invalid_json"),
        "annotations that are not JSON" },

    [TK_MALFORMED_JSON_VALUE] = {
        400, tk_string("malformed_invalid_json_value"),
        "annotations in JSON that are not an object" },

    [TK_MALFORMED_DUMP_NAME] = {
        400, tk_string("malformed_invalid_dump_name"),
        "a dump with a reserved name" },

    [TK_MALFORMED_NO_ANNOTATIONS] = {
        400, tk_string("malformed_no_annotations"),
        "no annotations" },

    [TK_MALFORMED_UUID] = {
        400, tk_string("malformed_invalid_uuid"),
        "an invalid crash id" },

    [TK_MALFORMED_DUPLICATE] = {
        400, tk_string("malformed_duplicate_header"),
        "several headers of which there is to be one" },

    [TK_MALFORMED_TOO_LARGE] = {
        413, tk_string("malformed_too_large"),
        "too large a body" },

    [TK_MALFORMED_PARTS] = {
        413, tk_string("malformed_too_large"),
        "too many parts" },

    [TK_MALFORMED_HEADERS] = {
        413, tk_string("malformed_too_large"),
        "too many or too long headers of a part" },

    [TK_MALFORMED_ANNOTATION] = {
        413, tk_string("malformed_too_large"),
        "too long an annotation" },

    [TK_MALFORMED_ANNOTATIONS] = {
        413, tk_string("malformed_too_large"),
        "too many or too long annotations" },

    [TK_MALFORMED_DUMPS] = {
        413, tk_string("malformed_too_large"),
        "too many dumps" },

    [TK_MALFORMED_NO_MEMORY] = {
        500, tk_string("malformed_no_memory"),
        "no memory" }
};


int
tk_malformed_status(tk_malformed_e reason)
{
    return tk_malformed[reason].status;
}


const tk_str_t *
tk_malformed_reason(tk_malformed_e reason)
{
    return &tk_malformed[reason].reason;
}


const char *
tk_malformed_text(tk_malformed_e reason)
{
    return tk_malformed[reason].text;
}
