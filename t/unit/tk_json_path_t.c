
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_json_path.h"
#include "tk_tap.h"


#define TELEMETRY                                                             \
    "{\"system\": {\"os\": {\"name\": \"Windows_NT\","                        \
    " \"windowsBuildNumber\": 7601}, \"cpu\": [1, {\"os\": 2}]},"             \
    " \"a.b\": 1, \"flag\": true, \"off\": false, \"nothing\": null,"         \
    " \"\": {\"\": \"empty\"}}"


int
main(void)
{
    int       rc;
    char     *dst;
    size_t    i, len;
    tk_str_t  json, path;

    static const struct {
        const char  *json;
        const char  *path;
        const char  *text;          /* NULL: there is none */
    } cases[] = {
        { TELEMETRY, "system.os.name", "Windows_NT" },
        { TELEMETRY, "system.os.windowsBuildNumber", "7601" },
        { TELEMETRY, "flag", "True" },
        { TELEMETRY, "off", "False" },
        { TELEMETRY, "nothing", "None" },
        { TELEMETRY, "system.os", NULL },
        { TELEMETRY, "system.cpu", NULL },
        { TELEMETRY, "system.cpu.os", NULL },
        { TELEMETRY, "system.os.name.x", NULL },
        { TELEMETRY, "system.name", NULL },
        { TELEMETRY, "a.b", NULL },
        { TELEMETRY, "os", NULL },
        { "{\"a\": 1, \"a\": 2}", "a", "2" },
        { "{\"a\": {\"b\": 1}, \"a\": {\"c\": 2}}", "a.b", NULL },
        { "{\"\\u0061\": \"\\u00e9\\n\"}", "a", "\xc3\xa9\n" },
        { "{\"a\": -1.50e3}", "a", "-1.50e3" },
        { "[{\"a\": 1}]", "a", NULL },
        { "17", "a", NULL },
        { "\"text\"", "a", NULL },
        { "null", "a", NULL },
        { "", "a", NULL },
        { "{", "a", NULL },
        { "{\"a\": 1", "a", NULL },
        { "{\"a\": 1 \"b\": 2}", "a", NULL },
        { "{\"a\": NaN}", "a", NULL },
        { "{\"a\": }", "a", NULL },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json.data = (const uint8_t *) cases[i].json;
        json.len = strlen(cases[i].json);
        path.data = (const uint8_t *) cases[i].path;
        path.len = strlen(cases[i].path);

        /* exactly the room it may use, for the sanitizers */

        dst = malloc(json.len ? json.len : 1);
        len = 0;
        rc = tk_json_path(json, path, (uint8_t *) dst, &len);

        if (cases[i].text) {
            tap_is_int(rc, 0, cases[i].path);
            tap_is_str(dst, len, cases[i].text, cases[i].json);

        } else {
            tap_ok(rc == -1, "no \"%s\" in %s", cases[i].path,
                   cases[i].json);
        }

        free(dst);
    }

    return tap_done();
}
