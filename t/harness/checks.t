# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Checks of the response: each section passes when right and fails, alone,
# when wrong.

use strict;
use warnings;

use Test::More;

use HarnessTest;

my $config = <<'E';
location /t { add_header X-A 1; add_header X-A 2; add_header X-B "a b";
              return 200 "hello\n"; }
location /404 { return 404 "gone\n"; }
location /port { return 200 "$server_port\n"; }
location /m { add_header X-M $request_method; return 200 "$request_uri\n"; }
E

check_cases([
    # name, block, checks that pass, checks that fail
    ['status default', '', 1],
    ['status default, wrong', "--- request\nGET /404", 0, qr/status code ok/],
    ['status', "--- request\nGET /404\n--- error_code: 404", 1],
    ['status, wrong', '--- error_code: 404', 0, qr/status code ok/],
    ['status like', '--- error_code_like: ^(?:200|201)$', 1],
    ['status like, wrong', '--- error_code_like: ^5', 0, qr/status code ok/],
    ['status array', "--- request eval\n['GET /t', 'GET /404']\n"
                     . "--- error_code eval\n[200, 404]", 2],
    ['status array, wrong', "--- request eval\n['GET /404', 'GET /404']\n"
                            . "--- error_code eval\n[200, 404]", 1,
     qr/status code ok/],

    ['body', "--- response_body\nhello", 2],
    ['body, wrong', "--- response_body\nbye", 1, qr/response_body/],
    ['body, newline counts', "--- response_body chomp\nhello", 1,
     qr/response_body/],
    ['body eval', "--- response_body eval\n\"hel\" . \"lo\\n\"", 2],
    ['body regex', "--- response_body eval\nqr/^hel+o\$/", 2],
    ['body regex, wrong', "--- response_body eval\nqr/^helo\$/", 1,
     qr/response_body/],
    ['body empty', "--- response_body:", 1, qr/response_body/],
    ['body array', "--- request eval\n['GET /t', 'GET /m']\n"
                   . "--- response_body eval\n[\"hello\\n\", \"/m\\n\"]", 4],
    ['body array, second wrong',
     "--- request eval\n['GET /t', 'GET /m']\n"
     . "--- response_body eval\n[\"hello\\n\", \"/t\\n\"]", 3,
     qr/response_body .*req 1\)/],
    ['body port', "--- request\nGET /port\n"
                  . "--- response_body\n\$ServerPort", 2],
    ['body env', "--- request\nGET /port\n"
                 . "--- response_body\n\$TEST_NGINX_PORT", 2],
    ['body filter', "--- response_body_filters\nuc\n"
                    . "--- response_body\nHELLO", 2],
    ['body filter, wrong', "--- response_body_filters\nuc\n"
                           . "--- response_body\nhello", 1,
     qr/response_body/],
    ['body filter chain', "--- response_body_filters eval\n"
                          . "[sub { substr \$_[0], 0, 2 }, 'uc']\n"
                          . '--- response_body: HE', 2],

    ['like', '--- response_body_like: l{2}', 2],
    ['like, newline is part', "--- response_body_like\nhello\n", 2],
    ['like, wrong', '--- response_body_like: ^ello', 1,
     qr/response_body_like/],
    ['unlike', '--- response_body_unlike: bye', 2],
    ['unlike, wrong', '--- response_body_unlike: hell', 1,
     qr/response_body_unlike/],

    ['header', "--- response_headers\nX-B: a b", 2],
    ['header, wrong', "--- response_headers\nX-B: a", 1, qr/header X-B ok/],
    ['header, repeats joined', "--- response_headers\nX-A: 1, 2", 2],
    ['header, case', "--- response_headers\nx-b: a b", 2],
    ['header, missing', "--- response_headers\nX-C: a", 1, qr/header X-C ok/],
    ['header, missing is empty', "--- response_headers\nX-C:", 2],
    ['header, absent', "--- response_headers\n! X-C", 2],
    ['header, present', "--- response_headers\n! X-B", 1,
     qr/header X-B not present/],
    ['header, one test a line', "--- response_headers\nX-B: a b\n! X-C\n"
                                . 'X-A: 1', 3, qr/header X-A ok/],
    ['header like', "--- response_headers_like\nX-B: \\w .*", 2],
    ['header like, anchored', "--- response_headers_like\nX-B: a", 1,
     qr/header X-B like ok/],
    ['raw like', '--- raw_response_headers_like: X-A: 1\r\nX-A: 2\r\n', 2],
    ['raw like, wrong', '--- raw_response_headers_like: X-C', 1,
     qr/raw resp headers like/],
    ['raw unlike', '--- raw_response_headers_unlike: X-C', 2],
    ['raw unlike, wrong', '--- raw_response_headers_unlike: X-B', 1,
     qr/raw resp headers unlike/],

    ['ignore_response', "--- request\nGET /404\n--- ignore_response\n"
                        . "--- response_body: x", 0],
    ['head', "--- request\nHEAD /m\n--- response_body:\n"
             . "--- response_headers\nX-M: HEAD\nContent-Length: 3", 4],
    ['head, wrong', "--- request\nHEAD /m\n--- response_body\n/m", 1,
     qr/response_body/],
    ['pipelined', "--- pipelined_requests eval\n['GET /t', 'HEAD /m',"
                  . " \"POST /m?x\\nabc\"]\n--- response_body eval\n"
                  . "[\"hello\\n\", '', \"/m?x\\n\"]\n"
                  . "--- response_headers eval\n['X-A: 1, 2', 'X-M: HEAD',"
                  . " 'X-M: POST']\n--- error_code eval\n[200, 200, 200]", 9],
    ['pipelined, wrong', "--- pipelined_requests eval\n['GET /t', 'GET /m']\n"
                         . "--- response_body eval\n[\"hello\\n\", '']\n"
                         . "--- error_code eval\n[200, 200]", 3,
     qr/response_body .*req 1\)/],
], config => $config);


# A server that sends what nginx would not.

my $ok = "HTTP/1.1 200 OK\r\n";
my $te = "${ok}Transfer-Encoding: chunked\r\n\r\n";
my $port = canned_server(
    '/chunked' => "${te}5\r\nhello\r\n1 \r\n\n\r\n0\r\n\r\n",
    '/crlf' => "${te}2\r\nab1\r\nc\r\n0\r\n\r\n",
    '/short' => "${te}5\r\nhel",
    '/nolast' => "${te}2\r\nab\r\n",
    '/junk' => "${te}zz\r\nab\r\n0\r\n\r\n",
    '/after' => "${te}0\r\n\r\nGARBAGE",
    '/trunc' => "${ok}Content-Length: 10\r\n\r\nabc",
    '/long' => "${ok}Content-Length: 3\r\n\r\nabcdef",
    '/304' => "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    '/100' => "HTTP/1.1 100 Continue\r\n\r\n${ok}\r\nx",
    '/headbody' => "${ok}Content-Length: 3\r\n\r\nabc",
    '/empty' => '',
);

my $run = check_cases([
    ['chunked', "--- request\nGET /chunked\n--- response_body\nhello", 2],
    ['chunked, wrong', "--- request\nGET /chunked\n--- response_body\nhell", 1,
     qr/response_body/],
    map({ my ($uri, $error) = @$_;
          ["chunked $uri", "--- request\nGET $uri", 0, $error,
           qr/status code ok/] }
        ['/crlf', qr/expected CRLF/],
        ['/short', qr/not enough octets/],
        ['/nolast', qr/no last chunk found/],
        ['/junk', qr/invalid chunked body/]),
    ['extra bytes', "--- request\nGET /after\n--- response_body:", 2],
    ['truncated', "--- request\nGET /trunc\n--- response_body: abc", 2],
    ['too long', "--- request\nGET /long\n--- response_body: abc", 2],
    ['304', "--- request\nGET /304\n--- error_code: 304\n"
            . '--- response_body:', 2],
    ['100', "--- request\nGET /100\n--- error_code: 100", 1],
    ['body of HEAD', "--- request\nHEAD /headbody\n--- response_body:", 1,
     qr/response_body/],
    ['nothing', "--- request\nGET /empty", 0, qr/status code ok/],
    ['nothing, expected', "--- request\nGET /empty\n--- error_code:", 1],
], env => { TEST_NGINX_CLIENT_PORT => $port });

like($run->{err}, qr/<extra bytes> - unexpected extra bytes .*GARBAGE/,
     'extra bytes are warned about');
like($run->{err}, qr/<too long> - unexpected extra bytes .*"def"/,
     'bytes past Content-Length are warned about');
like($run->{err}, qr/<truncated> - response body truncated: 10/,
     'a truncated body is warned about');

$run = run_t(<<'E' =~ s/DIGITS/'0123456789' x 9/ger);
use Test::Nginx::Socket 'no_plan';
run_tests();
__DATA__
=== long
--- config
location /t { return 200 "DIGITS0x"; }
--- request
GET /t
--- response_body: DIGITS0y
E
fails_only($run, [qr/response_body/], 'long strings');
like($run->{err}, qr/begin to differ at byte 91/, 'and where they differ');

$run = run_t(<<'E');
use Test::Nginx::Socket 'no_plan';
run_tests();
__DATA__
=== many requests, one expectation
--- config
location /t { return 200; }
--- request eval
['GET /t', 'GET /t']
--- response_body: x
E
like($run->{out}, qr/Bail out!.*response_body: an array is needed/,
     'several requests need arrays');

done_testing();
