
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tk_number.h"


#define TK_NUMBER_DIGITS   800        /* more than decide any rounding: 767 */
#define TK_NUMBER_EXPONENT 100000
#define TK_NUMBER_PRECISE  17


static int tk_number_shortest(char *digits, int *exponent, double value);
static int tk_number_is(const char *digits, int n, int exponent,
    double value);
static void tk_number_increment(char *digits, int n, int *exponent);
static int tk_number_digits(char *digits, int *exponent, double value,
    int precision);
static size_t tk_number_put(uint8_t *dst, const char *s, size_t len);


size_t
tk_number_repr(uint8_t *dst, double value)
{
    int       exponent, n, i;
    char      digits[TK_NUMBER_PRECISE + 1], text[48];
    size_t    len;

    if (isnan(value)) {
        return tk_number_put(dst, "NaN", 3);
    }

    if (isinf(value)) {
        return value > 0 ? tk_number_put(dst, "Infinity", 8)
                         : tk_number_put(dst, "-Infinity", 9);
    }

    len = 0;

    if (signbit(value)) {
        dst[len++] = '-';
        value = -value;
    }

    n = tk_number_shortest(digits, &exponent, value);

    while (n > 1 && digits[n - 1] == '0') {
        n--;
    }

    if (exponent >= -4 && exponent < 16) {

        if (exponent < 0) {
            len += tk_number_put(dst + len, "0.0000", (size_t) 1
                                 - (size_t) exponent);
            return len + tk_number_put(dst + len, digits, (size_t) n);
        }

        for (i = 0; i <= exponent; i++) {
            dst[len++] = (uint8_t) (i < n ? digits[i] : '0');
        }

        dst[len++] = '.';

        if (n <= exponent + 1) {
            dst[len++] = '0';
            return len;
        }

        return len + tk_number_put(dst + len, digits + exponent + 1,
                                   (size_t) (n - exponent - 1));
    }

    dst[len++] = (uint8_t) digits[0];

    if (n > 1) {
        dst[len++] = '.';
        len += tk_number_put(dst + len, digits + 1, (size_t) (n - 1));
    }

    i = snprintf(text, sizeof(text), "e%c%02d", exponent < 0 ? '-' : '+',
                 abs(exponent));

    return len + tk_number_put(dst + len, text, (size_t) i);
}


static int
tk_number_shortest(char *digits, int *exponent, double value)
{
    int  n, precision, two;

    two = 0;
    precision = 1;

    /* of a power of two, what is above is farther away than what is below */

    if (value != 0) {
        two = (frexp(value, &n) == 0.5);
    }

    /* DBL_DIG digits are those of any shorter decimal, and zeros */

    if (value >= DBL_MIN) {
        precision = DBL_DIG;
    }

    for ( /* void */ ; /* void */ ; precision++) {

        n = tk_number_digits(digits, exponent, value, precision);

        if (precision == TK_NUMBER_PRECISE
            || tk_number_is(digits, n, *exponent, value))
        {
            return n;
        }

        if (two) {
            tk_number_increment(digits, n, exponent);

            if (tk_number_is(digits, n, *exponent, value)) {
                return n;
            }
        }
    }
}


static int
tk_number_is(const char *digits, int n, int exponent, double value)
{
    char  text[48];

    (void) snprintf(text, sizeof(text), "%.*se%d", n, digits,
                    exponent - n + 1);

    return strtod(text, NULL) == value;
}


static void
tk_number_increment(char *digits, int n, int *exponent)
{
    while (n--) {
        if (digits[n] != '9') {
            digits[n]++;
            return;
        }

        digits[n] = '0';
    }

    digits[0] = '1';
    (*exponent)++;
}


/* whatever the locale has for a decimal point is left out */

static int
tk_number_digits(char *digits, int *exponent, double value, int precision)
{
    int          n;
    char         text[48];
    const char  *p;

    (void) snprintf(text, sizeof(text), "%.*e", precision - 1, value);

    n = 0;

    for (p = text; *p != 'e'; p++) {
        if (*p >= '0' && *p <= '9') {
            digits[n++] = *p;
        }
    }

    *exponent = atoi(p + 1);

    return n;
}


static size_t
tk_number_put(uint8_t *dst, const char *s, size_t len)
{
    memcpy(dst, s, len);

    return len;
}


double
tk_number_parse(const tk_str_t *text)
{
    int       negative, point, sign;
    char      buf[TK_NUMBER_DIGITS + 32];
    long      exponent, given;
    size_t    i, n;
    uint8_t   ch;
    unsigned  sticky;

    n = 0;
    point = 0;
    sticky = 0;
    exponent = 0;

    negative = (text->len && text->data[0] == '-');

    buf[n++] = negative ? '-' : '+';

    for (i = (size_t) negative; i < text->len; i++) {
        ch = text->data[i];

        if (ch == '.') {
            point = 1;
            continue;
        }

        if (ch < '0' || ch > '9') {
            break;
        }

        if (n == 1 && ch == '0') {

            /* leading */

            exponent -= point;

        } else if (n <= TK_NUMBER_DIGITS) {
            buf[n++] = (char) ch;
            exponent -= point;

        } else {
            sticky |= (ch != '0');
            exponent += !point;
        }
    }

    if (n == 1) {
        return negative ? -0.0 : 0.0;
    }

    if (sticky) {
        buf[n++] = '1';
        exponent--;
    }

    given = 0;
    sign = 1;

    if (i < text->len) {

        i++;

        if (i < text->len && (text->data[i] == '-' || text->data[i] == '+')) {
            sign = (text->data[i] == '-') ? -1 : 1;
            i++;
        }

        for ( /* void */ ; i < text->len; i++) {
            given = given * 10 + (text->data[i] - '0');

            if (given > 1000000000000) {
                given = 1000000000000;
            }
        }
    }

    exponent += sign * given;

    if (exponent > TK_NUMBER_EXPONENT) {
        exponent = TK_NUMBER_EXPONENT;
    }

    if (exponent < -TK_NUMBER_EXPONENT) {
        exponent = -TK_NUMBER_EXPONENT;
    }

    /* no decimal point, so that no locale is asked */

    (void) snprintf(buf + n, sizeof(buf) - n, "e%ld", exponent);

    return strtod(buf, NULL);
}
