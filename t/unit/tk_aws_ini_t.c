
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include "tk_aws_ini.h"
#include "tk_tap.h"


#define GOOD  "aws_access_key_id = AK\naws_secret_access_key = SK\n"


typedef struct {
    const char  *name;
    const char  *text;
    const char  *profile;
    const char  *error;
    unsigned     line;
    const char  *access_key;
    const char  *secret_key;
    const char  *token;
} case_t;


static const case_t  cases[] = {

    { "a plain file", "[default]\n" GOOD, "default",
      NULL, 0, "AK", "SK", "" },

    { "the example of the AWS documents",
      "[default]\n"
      "aws_access_key_id=AKIAIOSFODNN7EXAMPLE\n"
      "aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n"
      "\n"
      "[user1]\n"
      "aws_access_key_id=AKIAI44QH8DHBEXAMPLE\n"
      "aws_secret_access_key=je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY\n"
      "aws_session_token=AQoEXAMPLEH4aoAH0gNCAPy==\n", "user1",
      NULL, 0, "AKIAI44QH8DHBEXAMPLE",
      "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY",
      "AQoEXAMPLEH4aoAH0gNCAPy==" },

    { "CR LF and a byte order mark",
      "\xef\xbb\xbf[default]\r\naws_access_key_id = AK\r\n"
      "aws_secret_access_key = SK\r\n", "default", NULL, 0, "AK", "SK", "" },

    { "no line feed at the end",
      "[a]\naws_secret_access_key=SK\naws_access_key_id=AK", "a",
      NULL, 0, "AK", "SK", "" },

    { "[profile NAME]", "[profile a b]\n" GOOD, "a b",
      NULL, 0, "AK", "SK", "" },

    { "blanks around everything",
      "  [\t a ]  \n\t aws_access_key_id\t=\t AK \t\n"
      "\t aws_secret_access_key = S K \n", "a", NULL, 0, "AK", "S K", "" },

    { "a profile called profile", "[profile]\n" GOOD, "profile",
      NULL, 0, "AK", "SK", "" },

    { "a profile whose name starts with profile", "[profiles]\n" GOOD,
      "profiles", NULL, 0, "AK", "SK", "" },

    { "a longer name", "[production]\n" GOOD, "production",
      NULL, 0, "AK", "SK", "" },

    { "comments",
      "# x = y\n; [b]\n  # z\n[a] # c ]\naws_access_key_id = AK # AK2\n"
      "#aws_access_key_id = AK3\naws_secret_access_key = S#;K\t; K2\n", "a",
      NULL, 0, "AK", "S#;K", "" },

    { "= in a value",
      "[a]\naws_access_key_id = AK\naws_secret_access_key = =S==\n", "a",
      NULL, 0, "AK", "=S==", "" },

    { "names in any case", "[a]\nAWS_Access_Key_ID = AK\n"
      "AWS_SECRET_ACCESS_KEY = SK\nAws_Session_Token = T\n", "a",
      NULL, 0, "AK", "SK", "T" },

    { "the last of two counts",
      "[a]\n" GOOD "[b]\n" GOOD "[a]\naws_access_key_id = AK2\n", "a",
      NULL, 0, "AK2", "SK", "" },

    { "other settings, some of their own length",
      "[a]\nregion = x\naws_access_key_ID2 = no\naws_session_tokem = no\n"
      "aws_access_key_i@ = no\n" GOOD "output =\n", "a",
      NULL, 0, "AK", "SK", "" },

    { "nested settings",
      "[a]\ns3 =\n  aws_access_key_id = no\n\n  # c\n  garbage\n" GOOD, "a",
      NULL, 0, "AK", "SK", "" },

    { "garbage in another profile",
      "[b]\ngarbage\n   more\n= \n[a]\n" GOOD "[c]\n\x01\xff\n", "a",
      NULL, 0, "AK", "SK", "" },

    { "a nested line in another profile that looks like a section",
      "[b]\ns3 =\n  [a\n  x = y\n[a]\n" GOOD, "a",
      NULL, 0, "AK", "SK", "" },

    { "an empty name", "[]\n" GOOD, "", NULL, 0, "AK", "SK", "" },

    { "an empty file", "", "a", "no profile", 0, NULL, NULL, NULL },

    { "no such profile", "[b]\n" GOOD "[A]\n" GOOD "[aa]\n[]\n", "a",
      "no profile", 0, NULL, NULL, NULL },

    { "no access key", "\n[a]\naws_secret_access_key = SK\n", "a",
      "no aws_access_key_id in profile", 2, NULL, NULL, NULL },

    { "an empty access key", "[a]\naws_secret_access_key = SK\n"
      "aws_access_key_id =  \n", "a",
      "no aws_access_key_id in profile", 1, NULL, NULL, NULL },

    { "no secret", "[a]\naws_access_key_id = AK\n", "a",
      "no aws_secret_access_key in profile", 1, NULL, NULL, NULL },

    { "only a comment for a secret",
      "[a]\naws_access_key_id = AK\naws_secret_access_key = # SK\n", "a",
      "no aws_secret_access_key in profile", 1, NULL, NULL, NULL },

    { "an access key in another profile only",
      "[b]\n" GOOD "[a]\naws_secret_access_key = SK\n[c]\n" GOOD, "a",
      "no aws_access_key_id in profile", 4, NULL, NULL, NULL },

    { "no ]", "[a]\n" GOOD "[b\n", "a",
      "no \"]\" after the profile's name", 4, NULL, NULL, NULL },

    { "no section", "# c\n" GOOD, "default",
      "a setting before the first [profile]", 2, NULL, NULL, NULL },

    { "no =", "[a]\naws_access_key_id AK\n", "a",
      "no \"=\" after a setting's name", 2, NULL, NULL, NULL },

    { "a credential in two lines",
      "[a]\naws_access_key_id = AK\naws_secret_access_key = S\n  K\n", "a",
      "a credential goes on in the next line", 4, NULL, NULL, NULL },

    { "a control character",
      "[a]\naws_access_key_id = A\rK\n", "a",
      "a control character in a credential", 2, NULL, NULL, NULL },

    { "DEL", "[a]\naws_session_token = \x7f\n", "a",
      "a control character in a credential", 2, NULL, NULL, NULL },
};


static void
is_credential(const tk_str_t *got, const char *want, const char *name)
{
    tap_is_str(got->data, got->len, want, name);
}


static void
test_cases(void)
{
    size_t             i, len;
    char              *heap;
    unsigned           line;
    const char        *err;
    const case_t      *t;
    tk_credentials_t   c;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        t = &cases[i];
        len = strlen(t->text);

        /* its own block, for the sanitizers; never NULL */

        heap = malloc(len + 1);
        memcpy(heap + 1, t->text, len);
        memset(&c, 0xa5, sizeof(c));
        line = 12345;

        err = tk_aws_ini_parse(&c, (uint8_t *) heap + 1, len, t->profile,
                               &line);

        tap_is_str(err ? err : "(ok)", strlen(err ? err : "(ok)"),
                   t->error ? t->error : "(ok)", t->name);
        tap_is_int(line, t->line, "the line");

        is_credential(&c.access_key, t->error ? "" : t->access_key,
                      "the access key");
        is_credential(&c.secret_key, t->error ? "" : t->secret_key,
                      "the secret");
        is_credential(&c.session_token, t->error ? "" : t->token,
                      "the token");

        free(heap);
    }
}


/* a file cut anywhere is an error or the same credentials, never others */

static void
test_cut(void)
{
    size_t             n, ok;
    unsigned           line, wrong;
    const char        *err;
    tk_credentials_t   c;

    static const char  text[] =
        "[b]\naws_access_key_id = no\naws_secret_access_key = no\n"
        "[a]\naws_access_key_id = AK\naws_secret_access_key = S\n[c]\n";

    ok = 0;
    wrong = 0;

    for (n = 0; n < sizeof(text); n++) {
        err = tk_aws_ini_parse(&c, (const uint8_t *) text, n, "a", &line);

        if (err) {
            wrong += (c.access_key.len != 0 || c.secret_key.len != 0);
            continue;
        }

        ok++;
        wrong += (c.access_key.len != 2 || memcmp(c.access_key.data, "AK", 2)
                  || c.secret_key.len != 1 || c.secret_key.data[0] != 'S');
    }

    tap_is_int(wrong, 0, "a cut file gives no other credentials");

    /* after "S", its LF, "[c]" and its LF, but not after "[" and "[c" */
    tap_is_int((int64_t) ok, 4, "a cut section is seen");
}


int
main(void)
{
    unsigned          line;
    tk_credentials_t  c;

    test_cases();
    test_cut();

    tap_is_str(tk_aws_ini_parse(&c, NULL, 0, "a", &line), 10, "no profile",
               "no text at all");

    return tap_done();
}
