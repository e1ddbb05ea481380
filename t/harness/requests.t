# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# What is sent: requests completed from what the author wrote, packets, delays,
# time-outs and half-closed connections.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(time);

use HarnessTest;
use Test::Nginx::Block;
use Test::Nginx::Request qw(build_requests);

my $host = "Host: localhost\r\nConnection: close\r\n";

is(bytes("--- request\nGET /t\n"), "GET /t HTTP/1.1\r\n$host\r\n", 'GET');
is(bytes("--- request: GET\n"), "GET / HTTP/1.1\r\n$host\r\n", 'default URI');
is(bytes("--- request\nGET /t HTTP/1.0\n"), "GET /t HTTP/1.0\r\n$host\r\n",
   'a version');
is(bytes("--- request\n# one\n  # two\n\nGET  /t\n"),
   "GET /t HTTP/1.1\r\n$host\r\n", 'comments and blanks');
is(bytes("--- request\nPOST /t\n \nab\ncd \n"),
   "POST /t HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nab\ncd",
   'a body, trimmed');
is(bytes("--- request\nPOST /t\nab\n--- more_headers\n# no\nX: y\nZ\n\n"),
   "POST /t HTTP/1.1\r\n${host}X: y\r\nZ: \r\nContent-Length: 2\r\n\r\nab",
   'more_headers');
is(bytes("--- request\nPOST /t\nab\n--- more_headers\nContent-Length: 9\n"),
   "POST /t HTTP/1.1\r\n${host}Content-Length: 9\r\n\r\nab\n",
   'a Content-Length of one\'s own');
is(bytes("--- request eval\n\"POST /t\n1\\r\na\\r\n0\\r\n\\r\n\"\n"
         . "--- more_headers\nTransfer-Encoding: chunked\n"),
   "POST /t HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n"
   . "1\r\na\r\n0\r\n\r\n", 'chunked: the body as it is');
is(bytes("--- request: GET\n--- more_headers\nhost: x\nconnection: y\n"),
   "GET / HTTP/1.1\r\nhost: x\r\nconnection: y\r\n\r\n",
   'Host and Connection of one\'s own');
is(bytes("--- request eval\n\"POST /t\n\\x{e9}\\x{263a}\"\n"),
   "POST /t HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\n\xc3\xa9\xe2\x98\xba",
   'wide characters go as UTF-8');
is(bytes("--- raw_request eval\n[\"GET /\", \" X\\r\\n\"]\n"), "GET /| X\r\n",
   'raw packets');

is(bytes("--- request eval\n[['GE', 'T', ' /t', \"\\nab\", 'c ']]\n"),
   "GE|T |/t HTTP/1.1\r\n|${host}Content-Length: 3\r\n\r\nab|c",
   'packets are cut where the author cut');
is(bytes("--- request eval\n['GET /a', \"POST /b\\nx\"]\n"
         . "--- more_headers eval\n['N: 1', 'N: 2']\n"),
   "GET /a HTTP/1.1\r\n${host}N: 1\r\n\r\n||POST /b HTTP/1.1\r\n${host}N: 2\r\n"
   . "Content-Length: 1\r\n\r\nx", 'several requests');
is(bytes("--- pipelined_requests eval\n['GET /a', 'GET /b']\n"),
   "GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"
   . "GET /b HTTP/1.1\r\n$host\r\n", 'pipelined: one write');

my ($request) = build("--- request eval\n"
                      . "[[{value => 'GET', delay_before => 1}, ' /']]\n");
is($request->{packets}[0]{delay_before}, 1, 'delay_before is kept');

my $config = <<'E';
location /t { return 200 "$request_method $request_uri|$http_x\n"; }
location /up { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
location /big { client_max_body_size 1k; return 200; }
E

my $start = time;
my $run = check_cases([
    ['raw', "--- raw_request eval\n\"GET /t HTTP/1.0\\r\\nX: y\\r\\n\\r\\n\"\n"
            . "--- response_body\nGET /t|y", 2],
    ['raw, wrong', "--- raw_request eval\n\"GET HTTP/1.0\\r\\n\\r\\n\"\n"
                   . '--- response_body: x', 0, qr/status/, qr/response_body/],
    ['raw packets', "--- raw_request eval\n"
                    . "['GET ', '/t HTT', \"P/1.0\\r\\n\\r\\n\"]\n"
                    . "--- raw_request_middle_delay: 0.1\n"
                    . "--- response_body\nGET /t|", 2],
    ['raw packets, wrong', "--- raw_request eval\n"
                    . "['GET ', '/u HTT', \"P/1.0\\r\\n\\r\\n\"]\n"
                    . "--- response_body\nGET /t|", 0, qr/status/, qr/body/],
    ['packets', "--- request eval\n[['GET', {value => ' /t', delay_before =>"
                . " 0.1}, '?a']]\n--- response_body\nGET /t?a|", 2],
    ['time-out', "--- timeout: 100ms\n--- raw_request eval\n\"GET /t\"\n", 0,
     qr/client socket timed out/, qr/status code ok/],
    ['time-out, abort', "--- timeout: 100ms\n--- abort\n"
                        . "--- raw_request eval\n\"GET /t\"\n"
                        . '--- error_code:', 1],
    ['time-out, abort, ignored', "--- timeout: 0.1s\n--- abort\n"
                        . "--- raw_request eval\n\"GET /t\"\n"
                        . '--- ignore_response', 0],
    ['keep-alive does not end', "--- timeout: 100ms\n--- request\nGET /t\n"
                        . "--- more_headers\nConnection: keep-alive", 1,
     qr/client socket timed out/],
    ['shutdown', "--- raw_request eval\n\"GET /t\"\n--- shutdown\n"
                 . '--- ignore_response', 0],
    ['early answer', "--- request eval\n\"POST /big\\n\" . 'x' x 3e6\n"
                     . '--- error_code: 413', 1],
    ['tcp query', "--- tcp_listen: \$TEST_NGINX_RAND_PORT_1\n"
            . "--- tcp_reply eval\n[\"HTTP/1.0 200 OK\\r\\n\\r\\n\", 'a']\n"
            . "--- request\nGET /up\n--- response_body: a\n"
            . '--- tcp_query eval: qr{^GET /up }', 3],
    ['tcp query, wrong', "--- tcp_listen: \$TEST_NGINX_RAND_PORT_1\n"
            . "--- tcp_reply eval\nsub { \"HTTP/1.0 200 OK\\r\\n\\r\\n\" .\n"
            . " length \$_[0] }\n--- tcp_query: GET /\n"
            . "--- tcp_query_len: 6\n"
            . "--- request\nGET /up\n--- response_body_like: ^\\d+\$", 2,
     qr/tcp_query ok/, qr/TCP query length ok/],
    ['tcp query, none', "--- tcp_listen: \$TEST_NGINX_RAND_PORT_1\n"
            . "--- tcp_reply: x\n--- tcp_query: x\n--- request\nGET /t", 1,
     qr/tcp_query ok/],
    ['udp', "--- config\nlocation /t { set \$a x; return 200 \$a; }\n"
            . "access_log syslog:server=127.0.0.1:\$TEST_NGINX_RAND_PORT_1;\n"
            . "--- udp_listen: \$TEST_NGINX_RAND_PORT_1\n--- udp_reply: x\n"
            . '--- udp_query eval: qr{^<190>.*GET /t}', 2],
    ['udp, wrong', "--- config\nlocation /t { return 200; }\n"
            . "access_log syslog:server=127.0.0.1:\$TEST_NGINX_RAND_PORT_1;\n"
            . "--- udp_listen: \$TEST_NGINX_RAND_PORT_1\n--- udp_reply: x\n"
            . '--- udp_query eval: qr{GET /u}', 1, qr/udp_query ok/],
], config => $config);

cmp_ok(time - $start, '>', 0.3, 'delays are kept');

my $port = free_tcp_port();
$run = run_t(<<'E', env => { TEST_NGINX_CLIENT_PORT => $port });
use Test::Nginx::Socket 'no_plan';
run_tests();
__DATA__
=== nobody listens
--- config
--- request
GET /t
E
fails_only($run, [qr/Can't connect to 127.0.0.1:$port/, qr/status code/],
           'TEST_NGINX_CLIENT_PORT');

$run = run_t(<<'E');
use Test::Nginx::Socket 'no_plan';
run_tests();
__DATA__
=== bad
--- config
--- request
GET /t HTTP/1.1 more
E
like($run->{out}, qr/Bail out!.*bad request line.*more/, 'a bad request line');

done_testing();


sub build {
    my ($block) = Test::Nginx::Block::parse_spec("=== x\n$_[0]");
    $block->run_filters;
    return build_requests($block, {});
}

sub bytes {
    return join '||', map { join '|', map { $_->{value} } @{ $_->{packets} } }
                      build($_[0]);
}
