# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Which paths name a symbol: [try/]<debug file>/<debug id>/<file>, legacy
# products, the case of the id, and what answers all other paths.
#
# Under valgrind too.

use Test::Nginx::Socket 'no_plan';

our $Http = <<'END';
tecken_zone     tecken:4m;
tecken_storage  regular file://$TEST_NGINX_SERVER_ROOT/html/regular;
tecken_storage  try     file://$TEST_NGINX_SERVER_ROOT/html/try;
END

our $Config = <<'END';
location / {
    tecken_download;
    tecken_sources     regular;
    tecken_try_source  try;
}
END

our @Nothing = qw(
    / /a /a/b /AB12 /foo.pdb/AB12 /foo.pdb/AB12/ /foo.pdb//foo.sym
    //foo.pdb/AB12/foo.sym /foo.pdb/AB12//foo.sym /foo.pdb/AB12/foo.sym/
    /foo.pdb/XYZ/foo.sym /foo.pdb/0xAB/foo.sym /foo.pdb/AB-12/foo.sym
    /try/foo.pdb/AB12 /try/foo.pdb/AG/foo.sym /try//AB12/foo.sym
    /firefox/try/foo.pdb/AB12/foo.sym /a/b/c/AB12/foo.sym
    /try/firefox/foo.pdb/AB12/foo.sym /robots.txt /favicon.ico
);

our $Files = <<'END';
>>> regular/foo.pdb/AB12/foo.sym
regular
>>> regular/foo.pdb/ab/foo.sym
stored in lower case
>>> regular/try/AB12/foo.sym
called try
>>> regular/both.pdb/AB12/both.sym
regular first
>>> try/both.pdb/AB12/both.sym
try last
>>> try/only.pdb/AB12/only.sym
try
END

add_block_preprocessor(sub {
    my ($block) = @_;

    $block->set_value(http_config => $Http) if !defined $block->http_config;
    $block->set_value(config => $Config) if !defined $block->config;
    $block->set_value(user_files => $Files) if !defined $block->user_files;
});

no_root_location();
no_long_string();
log_level('notice');
run_tests();

__DATA__

=== TEST 1: debug file, debug id, file
--- request
GET /foo.pdb/AB12/foo.sym
--- response_body
regular
--- no_error_log
[error]



=== TEST 2: the id is of any case in the request and upper case in the key
--- request eval
[ map { "GET /foo.pdb/$_/foo.sym" } qw(ab12 Ab12 aB12 AB12 AB AB1 AB120) ]
--- error_code eval: [ 200, 200, 200, 200, 404, 404, 404 ]
--- response_body eval
[ ("regular\n") x 4, ('Symbol Not Found') x 3 ]



=== TEST 3: names keep their case
--- request eval
[ map { "GET $_" } qw(/Foo.pdb/AB12/foo.sym /foo.pdb/AB12/Foo.sym
                      /foo.PDB/AB12/foo.sym) ]
--- error_code eval: [ 404, 404, 404 ]
--- response_body eval: [ ('Symbol Not Found') x 3 ]



=== TEST 4: /try/ adds the try source
--- request eval
[ 'GET /only.pdb/AB12/only.sym', 'GET /try/only.pdb/ab12/only.sym' ]
--- error_code eval: [ 404, 200 ]
--- response_body eval: [ 'Symbol Not Found', "try\n" ]



=== TEST 5: ?try does, with any value and without, wherever it stands
--- request eval
[ map { "GET /only.pdb/AB12/only.sym?$_" }
  qw(try try= try=0 try=1 try=false a=b&try try&a=b &&try a=try&try
     t%72y %74%72%79=x try=x=y) ]
--- error_code eval: [ (200) x 12 ]
--- response_body eval: [ ("try\n") x 12 ]



=== TEST 6: what is not that argument
--- request eval
[ map { "GET /only.pdb/AB12/only.sym?$_" }
  qw(TRY Try tryx xtry tr a=try try%00 %20try =try try%3D1) ]
--- error_code eval: [ (404) x 10 ]
--- response_body eval: [ ('Symbol Not Found') x 10 ]



=== TEST 7: the try source is the last
--- request eval
[ 'GET /try/both.pdb/AB12/both.sym', 'GET /both.pdb/AB12/both.sym?try' ]
--- response_body eval: [ "regular first\n", "regular first\n" ]



=== TEST 8: the try source is last, wherever else it is named
--- config
location / {
    tecken_download;
    tecken_sources     try regular;
    tecken_try_source  try;
}
--- request eval
[ 'GET /try/both.pdb/AB12/both.sym', 'GET /both.pdb/AB12/both.sym',
  'GET /try/only.pdb/AB12/only.sym' ]
--- response_body eval: [ "regular first\n", "try last\n", "try\n" ]



=== TEST 9: a try request without a try source
--- config
tecken_try_source try;
location / {
    tecken_download;
    tecken_sources     regular;
    tecken_try_source  off;
}
--- request eval
[ 'GET /try/only.pdb/AB12/only.sym', 'GET /try/foo.pdb/AB12/foo.sym' ]
--- error_code eval: [ 404, 200 ]
--- response_body eval: [ 'Symbol Not Found', "regular\n" ]



=== TEST 10: a try source by inheritance
--- config
tecken_sources     regular;
tecken_try_source  try;
location / { tecken_download; }
--- request
GET /try/only.pdb/AB12/only.sym
--- response_body
try



=== TEST 11: a debug file that is called try
--- request eval
[ 'GET /try/AB12/foo.sym', 'GET /try/try/AB12/foo.sym' ]
--- response_body eval: [ "called try\n", "called try\n" ]



=== TEST 12: the seven legacy products are dropped
--- request eval
[ map { "GET /$_/foo.pdb/AB12/foo.sym" }
  qw(firefox seamonkey sunbird thunderbird xulrunner fennec b2g) ]
--- response_body eval: [ ("regular\n") x 7 ]



=== TEST 13: a legacy product is no try request
--- request eval
[ 'GET /firefox/only.pdb/AB12/only.sym',
  'GET /firefox/only.pdb/AB12/only.sym?try' ]
--- error_code eval: [ 404, 200 ]
--- response_body eval: [ 'Symbol Not Found', "try\n" ]



=== TEST 14: any other first component of four
--- request eval
[ map { "GET /$_/foo.pdb/AB12/foo.sym" }
  qw(chrome Firefox FIREFOX firefox2 fire TRY Try v1 ..x %20 firefox%20) ]
--- error_code eval: [ (404) x 11 ]
--- response_body eval
[ ('{"error": "Invalid legacy product prefix"}') x 11 ]
--- response_headers eval
[ ("Content-Type: application/json\nContent-Length: 42\n"
   . "Access-Control-Allow-Origin: *\n! Debug-Time") x 11 ]
--- more_headers
Debug: true



=== TEST 15: a list of one's own replaces the default
--- config
tecken_legacy_products  palemoon firefox-esr;
location / {
    tecken_download;
    tecken_sources  regular;
}
--- request eval
[ map { "GET /$_/foo.pdb/AB12/foo.sym" } qw(palemoon firefox-esr firefox try) ]
--- error_code eval: [ 200, 200, 404, 200 ]
--- response_body eval
[ "regular\n", "regular\n", '{"error": "Invalid legacy product prefix"}',
  "regular\n" ]



=== TEST 16: no legacy products
--- config
tecken_legacy_products  palemoon;
location / {
    tecken_download;
    tecken_sources          regular;
    tecken_legacy_products  off;
}
--- request eval
[ map { "GET $_/foo.pdb/AB12/foo.sym" } '/firefox', '/palemoon', '/off', '' ]
--- error_code eval: [ 404, 404, 404, 200 ]
--- response_body eval
[ ('{"error": "Invalid legacy product prefix"}') x 3, "regular\n" ]



=== TEST 17: paths that name nothing
--- request eval
[ map { "GET $_" } @main::Nothing ]
--- error_code eval: [ (404) x @main::Nothing ]
--- response_body eval
[ map { qq({"error": "Not Found", "path": "$_"}) } @main::Nothing ]
--- response_headers eval
[ map { "Content-Type: application/json\nContent-Length: "
        . (34 + length) . "\nAccess-Control-Allow-Origin: *\n! Debug-Time" }
      @main::Nothing ]
--- more_headers
Debug: 1



=== TEST 18: routes come before methods
--- request eval
[ map { "$_ /a/b" } qw(HEAD POST PUT DELETE PROPFIND) ]
--- error_code eval: [ (404) x 5 ]
--- response_body eval
[ '', ('{"error": "Not Found", "path": "/a/b"}') x 4 ]
--- response_headers eval
[ ("Content-Type: application/json\nContent-Length: 38\n! Allow") x 5 ]



=== TEST 19: the path is judged decoded, its query apart
--- request eval
[ map { "GET $_" } qw(
    /foo%2Epdb/%41%4212/foo%2esym /%66oo.pdb/AB12/foo.sym?x=%2F
    /foo.pdb%2FAB12%2Ffoo.sym /firefox%2Ffoo.pdb/AB12/foo.sym
    /foo.pdb/AB12/foo.sym?/a/b/c /foo.pdb/AB12/foo.sym? ) ]
--- response_body eval: [ ("regular\n") x 6 ]



=== TEST 20: an encoded slash is a slash
--- request eval
[ 'GET /foo%2Fbar.pdb/AB12/foo.sym', 'GET /%2Ffoo.pdb/AB12/foo.sym',
  'GET /foo.pdb/AB12/x%2Fb.sym', 'GET /foo.pdb/AB%2F12/foo.sym' ]
--- error_code eval: [ (404) x 4 ]
--- response_body eval
[ '{"error": "Invalid legacy product prefix"}',
  '{"error": "Not Found", "path": "//foo.pdb/AB12/foo.sym"}',
  '{"error": "Not Found", "path": "/foo.pdb/AB12/x/b.sym"}',
  '{"error": "Invalid legacy product prefix"}' ]



=== TEST 21: a decoded path is not decoded again
--- request eval
[ 'GET /foo.pdb%252FAB12/foo.sym', 'GET /foo%252Epdb/AB12/foo.sym',
  'GET /foo.pdb%253F/a' ]
--- error_code eval: [ 404, 400, 404 ]
--- response_body eval
[ '{"error": "Not Found", "path": "/foo.pdb%2FAB12/foo.sym"}',
  'Symbol name lookup contains invalid characters and will never be found.',
  '{"error": "Not Found", "path": "/foo.pdb%3F/a"}' ]



=== TEST 22: the path in a JSON body, escaped as Python does
--- request eval
[ map { "GET /a/$_" } '%22', '%5C', '%08%09%0A%0C%0D', '%01%1F%7F',
  '%C3%A4', '%E4%B8%AD', '%F0%9F%92%A9', "'%3C%3E&", '%FF' ]
--- error_code eval: [ (404) x 9 ]
--- response_body eval
[ map { qq({"error": "Not Found", "path": "/a/$_"}) }
  '\"', '\\\\', '\b\t\n\f\r', '\u0001\u001f\u007f', '\u00e4', '\u4e2d',
  '\ud83d\udca9', "'<>&", '\ufffd' ]



=== TEST 23: after a rewrite the path is the one it made
--- config
location /symbols/ {
    rewrite  ^/symbols(/.*)$ $1 break;
    tecken_download;
    tecken_sources  regular;
}
--- request eval
[ 'GET /symbols/foo.pdb/ab12/foo.sym',
  'GET /symbols/firefox/foo.pdb/AB12/foo%2Esym',
  'GET /symbols/nothing' ]
--- error_code eval: [ 200, 200, 404 ]
--- response_body eval
[ "regular\n", "regular\n", '{"error": "Not Found", "path": "/nothing"}' ]



=== TEST 24: other locations are none of its business
--- config
location / {
    tecken_download;
    tecken_sources  regular;
}
location /other/ { return 200 "other\n"; }
--- request eval
[ 'GET /other/foo.pdb/AB12/foo.sym', 'OPTIONS /other/',
  'GET /foo.pdb/AB12/foo.sym' ]
--- response_body eval: [ "other\n", "other\n", "regular\n" ]
--- response_headers eval
[ '! Access-Control-Allow-Origin', '! Access-Control-Allow-Origin',
  'Access-Control-Allow-Origin: *' ]



=== TEST 25: every id of hexadecimal digits is one, however long
--- request eval
[ 'GET /a/0/foo.sym', 'GET /a/' . 'a' x 40 . '/foo.sym',
  'GET /a/' . '0' x 1000 . '/foo.sym' ]
--- error_code eval: [ 404, 404, 404 ]
--- response_body eval: [ ('Symbol Not Found') x 3 ]



=== TEST 26: an "if" in the location changes nothing
--- config
location / {
    tecken_download;
    tecken_sources  regular;
    if ($arg_if) { set $a 1; }
}
--- request eval
[ 'GET /foo.pdb/AB12/foo.sym?if=1',
  'GET /firefox/foo.pdb/AB12/foo.sym?if=1', 'PUT /a/b/c?if=1' ]
--- error_code eval: [ 200, 200, 405 ]
--- response_body_like eval: [ '^regular$', '^regular$', '' ]
--- response_headers eval
[ ('Access-Control-Allow-Origin: *') x 3 ]



=== TEST 27: a location has one handler
--- config
location / {
    tecken_metrics;
    tecken_download;
    tecken_sources  regular;
}
--- must_die
--- error_log
"tecken_download" directive conflicts with another handler of the location in



=== TEST 28: methods that the configuration excepts
--- config
location / {
    tecken_download;
    tecken_sources  regular;

    limit_except OPTIONS {
        allow 127.0.0.1;
        deny  all;
    }
}
--- request eval
[ 'GET /foo.pdb/AB12/foo.sym', 'HEAD /foo.pdb/AB12/foo.sym',
  'OPTIONS /foo.pdb/AB12/foo.sym', 'GET /foo.pdb/AB12/nothing.sym',
  'DELETE /foo.pdb/AB12/foo.sym' ]
--- error_code eval: [ 200, 200, 204, 404, 405 ]
