
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_AWS_INI_H_INCLUDED_
#define _TK_AWS_INI_H_INCLUDED_


#include "tk_sigv4.h"


/*
 * Finds a profile in the text of an AWS credentials file ("Configuration and
 * credential file settings"): [profile], name = value, # and ; comments on
 * lines of their own or after a blank; "[profile NAME]" accepted too.  Of
 * settings made twice the last counts; lines indented deeper than a setting
 * belong to it.  Lines of other profiles are not looked at.
 *
 * Returns NULL when access key and secret were found: the results point into
 * text, session_token may be empty.  Else c is empty, the result is a static
 * text that says what is wrong and holds nothing of the file ("no profile"
 * without the name: the caller adds it), and *line is the number of the line
 * at fault, of the profile that lacks a setting, or 0.
 */
const char *tk_aws_ini_parse(tk_credentials_t *c, const uint8_t *text,
    size_t len, const char *profile, unsigned *line);


#endif /* _TK_AWS_INI_H_INCLUDED_ */
