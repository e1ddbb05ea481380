
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _TK_FORM_HEADER_H_INCLUDED_
#define _TK_FORM_HEADER_H_INCLUDED_


#include "tk_form.h"


/* Makes form->part of form->headers, in place. */
tk_malformed_e tk_form_headers(tk_form_t *form);


#endif /* _TK_FORM_HEADER_H_INCLUDED_ */
