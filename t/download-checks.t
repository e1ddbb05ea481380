# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# The checks of a request in their order: method, what is ignored, characters
# that no symbol has, then the lookup; with status, body and headers of each.

use Test::Nginx::Socket 'no_plan';

our $Http = <<'END';
tecken_zone     tecken:4m;
tecken_storage  regular file://$TEST_NGINX_SERVER_ROOT/html/regular;
END

our $Config = <<'END';
location / {
    tecken_download;
    tecken_sources  regular;
}
END

# decorators.py of 2020
our $Cors = <<'END';
Access-Control-Allow-Origin: *
Access-Control-Allow-Methods: GET
Access-Control-Allow-Headers: accept,accept-encoding,authorization,content-type,dnt,origin,user-agent,x-csrftoken,x-requested-with
END

our $Ignored = 'Symbol Not Found (and ignored)';
our $Invalid = 'Symbol name lookup contains invalid characters'
               . ' and will never be found.';
our $Missing = 'Symbol Not Found';
our $Html = "Content-Type: text/html; charset=utf-8\n";

our $Files = <<'END';
>>> regular/foo.pdb/AB12/foo.sym
regular
>>> regular/foo.pdb/AB12/foo.exe
exe
>>> regular/foo.pdb/000000000000000000000000000000000/foo.sym
zeros
>>> regular/foo.pdb/AB12/file.ptr
ptr
>>> regular/index2.txt
index2
END

add_block_preprocessor(sub {
    my ($block) = @_;

    $block->set_value(http_config => $Http) if !defined $block->http_config;
    $block->set_value(config => $Config) if !defined $block->config;
    $block->set_value(user_files => $Files) if !defined $block->user_files;
});


# The percent-encoded form of each character of a string.
sub encoded
{
    my ($text) = @_;

    utf8::encode($text) if utf8::is_utf8($text);

    return map { sprintf '%%%02X', ord } split //, $text;
}

our @Bad = encoded(join '', (map { chr } 1 .. 31), q{\\^`><{}[]#%"'~|});

no_root_location();
no_long_string();
log_level('notice');
run_tests();

__DATA__

=== TEST 1: other methods
--- request eval
[ map { "$_ /foo.pdb/AB12/foo.sym" }
  qw(POST PUT DELETE PATCH PROPFIND MKCOL LOCK FOO) ]
--- error_code eval
[ (405) x 8 ]
--- response_body eval
[ map { qq({"error": "Method Not Allowed ($_): /foo.pdb/AB12/foo.sym"}) }
  qw(POST PUT DELETE PATCH PROPFIND MKCOL LOCK FOO) ]
--- response_headers eval
[ map { $main::Cors . "Allow: GET, HEAD\nContent-Type: application/json\n"
        . 'Content-Length: '
        . length(qq({"error": "Method Not Allowed ($_): )
                 . '/foo.pdb/AB12/foo.sym"}') . "\n! Debug-Time" }
  qw(POST PUT DELETE PATCH PROPFIND MKCOL LOCK FOO) ]
--- more_headers
Debug: true



=== TEST 2: a body with another method is read and thrown away
--- pipelined_requests eval
[ "PUT /foo.pdb/AB12/foo.sym\n" . 'x' x 100_000,
  "POST /foo.pdb/AB12/foo.sym\n" . 'GET /x HTTP/1.1' ,
  'GET /foo.pdb/AB12/foo.sym' ]
--- error_code eval: [ 405, 405, 200 ]
--- response_body eval
[ (map { qq({"error": "Method Not Allowed ($_): /foo.pdb/AB12/foo.sym"}) }
   qw(PUT POST)), "regular\n" ]



=== TEST 3: the path in the body is decoded, and escaped for JSON
--- request eval
[ map { "PUT /$_/AB12/foo.sym" } 'foo%22%5C.pdb', 'firefox/%C3%A4%0D%0Ax',
                                 'try/%FF', 'foo%2Bbar+', 'a?b=c/d' ]
--- error_code eval: [ (405) x 4, 404 ]
--- response_body eval
[ (map { qq({"error": "Method Not Allowed (PUT): /$_/AB12/foo.sym"}) }
  'foo\"\\\\.pdb', 'firefox/\u00e4\r\nx', 'try/\ufffd', 'foo+bar+'),
  '{"error": "Not Found", "path": "/a"}' ]



=== TEST 4: the method is looked at before all other checks
--- request eval
[ map { "PUT $_" } qw(/foo.pdb/AB12/file.ptr /foo%5B/AB12/foo.sym
                      /foo.pdb/AB12/foo.exe /none/AB12/none.sym) ]
--- error_code eval: [ (405) x 4 ]



=== TEST 5: OPTIONS of any path
--- request eval
[ map { "OPTIONS $_" } qw(/foo.pdb/AB12/foo.sym / /a/b /foo.pdb/AB12/file.ptr
                          /foo%5B/AB12/x.sym /chrome/foo.pdb/AB12/foo.sym) ]
--- error_code eval: [ (204) x 6 ]
--- response_body eval: [ ('') x 6 ]
--- response_headers eval
[ ($main::Cors . "! Content-Type\n! Content-Length\n! Debug-Time") x 6 ]
--- more_headers
Origin: http://example.com
Access-Control-Request-Method: GET
Debug: 1



=== TEST 6: HEAD and GET of what is there
--- request eval
[ 'GET /foo.pdb/AB12/foo.sym', 'HEAD /foo.pdb/AB12/foo.sym' ]
--- response_body eval: [ "regular\n", '' ]
--- response_headers eval
[ ($main::Cors . "Content-Length: 8\nContent-Type: text/plain\n"
   . "! Cache-Control\n! Debug-Time") x 2 ]



=== TEST 7: HEAD and GET of what is not
--- request eval
[ 'GET /none.pdb/AB12/none.sym', 'HEAD /none.pdb/AB12/none.sym' ]
--- error_code eval: [ 404, 404 ]
--- response_body eval: [ $main::Missing, '' ]
--- response_headers eval
[ ($main::Cors . $main::Html . "Content-Length: 16\n! Cache-Control\n"
   . "! ETag\n! Debug-Time\n! Retry-After") x 2 ]



=== TEST 8: files of extensions that nobody stores are ignored
--- request eval
[ map { "GET /foo.pdb/AB12/$_" } qw(
  foo.exe foo foo.SYM foo.sy foo.symx sym foo.sym.gz foo.dbg foo.gz foo.pdb
  foo.tar.BZ2 foo.dl foo.dll foo.Ex_ foo_sym foo.tar foo.sym%20 foo.sym. ) ]
--- error_code eval: [ (404) x 18 ]
--- response_body eval: [ ($main::Ignored) x 18 ]
--- response_headers eval
[ ($main::Cors . $main::Html . "Content-Length: 30\n! Cache-Control\n"
   . '! Debug-Time') x 18 ]



=== TEST 9: files of the others are looked up
--- request eval
[ map { "GET /none.pdb/AB12/$_" } qw(
  a.sym a.dl_ a.ex_ a.pd_ a.dbg.gz a.tar.bz2 .sym .pd_ a.sym.sym a.exe.sym ) ]
--- error_code eval: [ (404) x 10 ]
--- response_body eval: [ ($main::Missing) x 10 ]



=== TEST 10: the id of 33 zeros is ignored, no other
--- request eval
[ map { 'GET /foo.pdb/' . '0' x $_ . '/foo.sym' } 33, 32, 34, 1 ]
--- error_code eval: [ (404) x 4 ]
--- response_body eval: [ $main::Ignored, ($main::Missing) x 3 ]



=== TEST 11: probes of debuggers
--- request eval
[ map { "GET $_" } qw(
  /index2.txt /pingme.txt /file.ptr /foo.pdb/AB12/file.ptr
  /foo.pdb/AB12/index2.txt /foo.pdb/file.ptr /try/index2.txt
  /a/b/c/d/e/pingme.txt /foo.pdb/XYZ/file.ptr //index2.txt ) ]
--- error_code eval: [ (404) x 10 ]
--- response_body eval: [ ($main::Ignored) x 10 ]
--- response_headers eval: [ ($main::Cors . $main::Html) x 10 ]



=== TEST 12: what is no probe
--- request eval
[ map { "GET $_" } qw(/index2.txtx /xindex2.txt /INDEX2.TXT /index2.txt/
                      /file.pt) ]
--- error_code eval: [ (404) x 5 ]
--- response_body eval
[ map { qq({"error": "Not Found", "path": "$_"}) }
  qw(/index2.txtx /xindex2.txt /INDEX2.TXT /index2.txt/ /file.pt) ]



=== TEST 13: HEAD of a probe, and other methods
--- request eval
[ 'HEAD /index2.txt', 'POST /index2.txt', 'PUT /foo.pdb/AB12/file.ptr' ]
--- error_code eval: [ 404, 404, 405 ]
--- response_body eval
[ '', '{"error": "Not Found", "path": "/index2.txt"}',
  '{"error": "Method Not Allowed (PUT): /foo.pdb/AB12/file.ptr"}' ]
--- response_headers eval: [ ($main::Cors) x 3 ]



=== TEST 14: extensions of one's own
--- config
tecken_file_extensions  .sym .exe;
location / {
    tecken_download;
    tecken_sources  regular;
}
location /try/ {
    tecken_download;
    tecken_sources          regular;
    tecken_file_extensions  .pd_;
}
--- request eval
[ map { "GET $_" } qw(/foo.pdb/AB12/foo.sym /foo.pdb/AB12/foo.exe
  /foo.pdb/AB12/foo.pd_ /try/foo.pdb/AB12/foo.sym /try/foo.pdb/AB12/foo.pd_) ]
--- error_code eval: [ 200, 200, 404, 404, 404 ]
--- response_body eval
[ "regular\n", "exe\n", $main::Ignored, $main::Ignored, $main::Missing ]



=== TEST 15: no rule for extensions
--- config
tecken_file_extensions  .sym;
location / {
    tecken_download;
    tecken_sources          regular;
    tecken_file_extensions  off;
}
--- request eval
[ map { "GET /foo.pdb/AB12/$_" } qw(foo.sym foo.exe foo file.ptr) ]
--- error_code eval: [ 200, 200, 404, 404 ]
--- response_body eval
[ "regular\n", "exe\n", $main::Missing, $main::Ignored ]



=== TEST 16: rules of one's own for what is ignored
--- config
tecken_ignore  secret.sym debug_id=ab12 debug_id=FFFF;
location / {
    tecken_download;
    tecken_sources          regular;
    tecken_file_extensions  .sym .txt .ptr;
}
--- request eval
[ map { "GET $_" }
  qw(/x/AB/secret.sym /secret.sym /foo.pdb/AB12/foo.sym /foo.pdb/aB12/foo.sym
     /foo.pdb/ffff/foo.sym /foo.pdb/AB12A/foo.sym /x/AB/file.ptr /index2.txt),
  '/foo.pdb/' . '0' x 33 . '/foo.sym' ]
--- error_code eval: [ (404) x 8, 200 ]
--- response_body eval
[ ($main::Ignored) x 5, ($main::Missing) x 2,
  '{"error": "Not Found", "path": "/index2.txt"}', "zeros\n" ]



=== TEST 17: nothing is ignored by name or id
--- config
tecken_ignore  foo.sym;
location / {
    tecken_download;
    tecken_sources          regular;
    tecken_ignore           off;
    tecken_file_extensions  .sym .ptr;
}
--- request eval
[ 'GET /foo.pdb/AB12/foo.sym', 'GET /foo.pdb/AB12/file.ptr',
  'GET /foo.pdb/' . '0' x 33 . '/foo.sym', 'GET /foo.pdb/AB12/foo.exe',
  'GET /index2.txt' ]
--- error_code eval: [ 200, 200, 200, 404, 404 ]
--- response_body eval
[ "regular\n", "ptr\n", "zeros\n", $main::Ignored,
  '{"error": "Not Found", "path": "/index2.txt"}' ]



=== TEST 18: characters that no debug file has
--- request eval
[ map { "GET /a${_}b.pdb/AB12/foo.sym" } @main::Bad ]
--- error_code eval: [ map { 400 } @main::Bad ]
--- response_body eval: [ map { $main::Invalid } @main::Bad ]
--- response_headers eval
[ map { $main::Cors . $main::Html . "Content-Length: 71\n! Cache-Control" }
  @main::Bad ]



=== TEST 19: nor any file
--- request eval
[ map { "GET /foo.pdb/AB12/a${_}b.sym" } @main::Bad ]
--- error_code eval: [ map { 400 } @main::Bad ]
--- response_body eval: [ map { $main::Invalid } @main::Bad ]



=== TEST 20: alone, at the start, at the end; HEAD too
--- request eval
[ 'GET /%5B/AB12/foo.sym', 'GET /%7Ea/AB12/foo.sym', 'GET /a%0A/AB12/foo.sym',
  'GET /foo.pdb/AB12/%01.sym', 'GET /try/a%22/AB12/foo.sym',
  'GET /b2g/a%22/AB12/foo.sym', 'HEAD /a%22/AB12/foo.sym' ]
--- error_code eval: [ (400) x 7 ]
--- response_body eval: [ ($main::Invalid) x 6, '' ]
--- response_headers eval: [ ('Content-Length: 71') x 7 ]



=== TEST 21: the same bytes as they are
--- raw_request eval
join '', map { "GET /a${_}b.pdb/AB12/foo.sym HTTP/1.1\r\nHost: a\r\n"
               . ($_ eq '|' ? "Connection: close\r\n" : '') . "\r\n" }
         qw(\\ ^ ` > < { } [ ] " ' ~ |)
--- ignore_response
--- no_error_log
[error]
--- access_log eval
[ map { qr/GET \/a$_\Qb.pdb\E\/AB12\/foo.sym HTTP\/1.1" 400 71 / }
  '\\\\x5C', '\^', '`', '>', '<', '\{', '\}', '\[', '\]', '\\\\x22', "'", '~',
  '\|' ]



=== TEST 22: all other printable characters are fine, and DEL
--- request eval
[ map { "GET /a${_}b.pdb/AB12/c${_}d.sym" }
  main::encoded(' !$&()*+,-.:;=?@_' . chr 127) ]
--- error_code eval: [ (404) x 18 ]
--- response_body eval: [ ($main::Missing) x 18 ]



=== TEST 23: U+0080 to U+00FF are bad
--- request eval
[ map { my $c = join '', main::encoded(pack 'U', $_);
        ("GET /a$c.pdb/AB12/foo.sym", "GET /foo.pdb/AB12/$c.sym") }
  0x80, 0x85, 0x9f, 0xa0, 0xad, 0xe4, 0xff ]
--- error_code eval: [ (400) x 14 ]
--- response_body eval: [ ($main::Invalid) x 14 ]



=== TEST 24: characters beyond them are fine
--- request eval
[ map { my $c = join '', main::encoded(pack 'U', $_);
        ("GET /a$c.pdb/AB12/foo.sym", "GET /foo.pdb/AB12/$c.sym") }
  0x100, 0x3b1, 0x2028, 0x4e2d, 0xac00, 0xfffd, 0x1f4a9, 0x10ffff ]
--- error_code eval: [ (404) x 16 ]
--- response_body eval: [ ($main::Missing) x 16 ]



=== TEST 25: malformed UTF-8 is bad
--- request eval
[ map { ("GET /a$_/AB12/foo.sym", "GET /foo.pdb/AB12/$_.sym") }
  qw(%80 %BF %C3 %C0%AF %C1%BF %E0%80%AF %F0%80%80%AF %ED%A0%80 %ED%BF%BF
     %F4%90%80%80 %F5%80%80%80 %FF %FE %E4%B8 %E4%B8x %F0%9F%92) ]
--- error_code eval: [ (400) x 32 ]
--- response_body eval: [ ($main::Invalid) x 32 ]



=== TEST 26: the same bytes as they are
--- raw_request eval
"GET /a\xff\xc0\xaf.pdb/AB12/foo.sym HTTP/1.1\r\nHost: a\r\n"
. "Connection: close\r\n\r\n"
--- error_code: 400
--- response_body eval: $main::Invalid



=== TEST 27: what is ignored is not looked at further
--- request eval
[ 'GET /a%22/AB12/foo.exe', 'GET /a%22/AB12/file.ptr',
  'GET /a%22/' . '0' x 33 . '/foo.sym', 'GET /a/AB12/%22.exe' ]
--- error_code eval: [ (404) x 4 ]
--- response_body eval: [ ($main::Ignored) x 4 ]



=== TEST 28: Debug-Time of what needed no lookup
--- request eval
[ 'GET /foo.pdb/AB12/foo.exe', 'GET /foo.pdb/AB12/file.ptr',
  'GET /a%22/AB12/foo.sym', 'HEAD /a%22/AB12/foo.sym' ]
--- error_code eval: [ 404, 404, 400, 400 ]
--- response_headers eval: [ ('Debug-Time: 0.0') x 4 ]
--- more_headers
Debug: true



=== TEST 29: Debug-Time of a lookup, in seconds
--- request eval
[ 'GET /foo.pdb/AB12/foo.sym', 'HEAD /foo.pdb/AB12/foo.sym',
  'GET /none.pdb/AB12/none.sym', 'HEAD /none.pdb/AB12/none.sym' ]
--- error_code eval: [ 200, 200, 404, 404 ]
--- response_headers_like eval: [ ('Debug-Time: 0\.\d*[1-9]\d*') x 4 ]
--- more_headers
Debug: 1



=== TEST 30: what asks for it
--- request eval
[ ('GET /foo.pdb/AB12/foo.exe') x 6 ]
--- more_headers eval
[ map { "Debug: $_" } qw(1 true True TRUE yes YES) ]
--- error_code eval: [ (404) x 6 ]
--- response_headers eval: [ ('Debug-Time: 0.0') x 6 ]



=== TEST 31: what does not
--- request eval
[ ('GET /foo.pdb/AB12/foo.exe') x 9 ]
--- more_headers eval
[ 'Debug: 0', 'Debug: false', 'Debug: on', 'Debug: ', 'Debug: truex',
  'Debug: y', 'Debug: 11', 'X-Debug: 1', 'Debugs: true' ]
--- error_code eval: [ (404) x 9 ]
--- response_headers eval: [ ('! Debug-Time') x 9 ]



=== TEST 32: a body larger than allowed
--- config
location / {
    tecken_download;
    tecken_sources        regular;
    client_max_body_size  10;
}
--- request eval
"PUT /foo.pdb/AB12/foo.sym\n" . 'x' x 11
--- error_code: 413
--- response_headers eval: $main::Cors
--- error_log
client intended to send too large body



=== TEST 33: a chunked body that is none
--- raw_request eval
"GET /foo.pdb/AB12/foo.sym HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
. "Transfer-Encoding: chunked\r\n\r\nnonsense\r\n"
--- error_code: 400
--- response_headers eval: $main::Cors
--- error_log
client sent invalid chunked body



=== TEST 34: who may not
--- config
location / {
    tecken_download;
    tecken_sources  regular;
    deny            all;
}
--- request
GET /foo.pdb/AB12/foo.sym
--- error_code: 403
--- response_headers eval: $main::Cors
--- error_log
access forbidden by rule



=== TEST 35: before there is a location: a NUL, no host, a long line
--- http_config eval
$main::Http . "large_client_header_buffers 2 2k;"
--- raw_request eval
[ map { "GET $_ HTTP/1.1\r\n" . "Connection: close\r\n\r\n" }
  '/foo.pdb/AB12/foo.sym' ]
--- error_code: 400
--- response_headers eval: $main::Cors



=== TEST 36: a NUL in the path, percent-encoded
--- request eval
[ 'GET /a%00b.pdb/AB12/foo.sym', 'GET /foo.pdb/AB12/foo%00.sym',
  'GET /foo.pdb/AB12/foo.sym%00', 'GET /%00' ]
--- error_code eval: [ (400) x 4 ]
--- response_headers eval: [ ($main::Cors) x 4 ]



=== TEST 37: a request line that is too long
--- http_config eval
$main::Http . 'large_client_header_buffers 2 2k;'
--- request eval
'GET /foo.pdb/AB12/' . 'x' x 4000 . '.sym'
--- error_code: 414
--- response_headers eval: $main::Cors



=== TEST 38: a server without downloads says nothing of them
--- config
location / { return 200 "x\n"; }
--- request eval
[ 'GET /a%00b', 'GET /' ]
--- error_code eval: [ 400, 200 ]
--- response_headers eval: [ ('! Access-Control-Allow-Origin') x 2 ]



=== TEST 39: an error page keeps the headers, once
--- config
location / {
    tecken_download;
    tecken_sources  regular;
    client_max_body_size  10;
    error_page 413 /sorry;
}
location = /sorry { internal; return 413 "sorry\n"; }
--- request eval
"PUT /foo.pdb/AB12/foo.sym\n" . 'x' x 11
--- error_code: 413
--- response_body
sorry
--- raw_response_headers_unlike: (?:Access-Control-Allow-Origin.*){2}
--- error_log
too large body



=== TEST 40: Cache-Control by directive: what was found, and only that
--- config
location / {
    tecken_download;
    tecken_sources        regular;
    tecken_cache_control  "public, max-age=$arg_age";
}
--- request eval
[ 'GET /foo.pdb/AB12/foo.sym?age=60', 'HEAD /foo.pdb/AB12/foo.sym?age=61',
  'GET /none.pdb/AB12/none.sym', 'GET /foo.pdb/AB12/foo.exe',
  'GET /a%22/AB12/foo.sym', 'PUT /foo.pdb/AB12/foo.sym', 'GET /a' ]
--- error_code eval: [ 200, 200, 404, 404, 400, 405, 404 ]
--- response_headers eval
[ 'Cache-Control: public, max-age=60', 'Cache-Control: public, max-age=61',
  ('! Cache-Control') x 5 ]



=== TEST 41: Cache-Control that is empty for this request
--- config
tecken_cache_control  private;
location / {
    tecken_download;
    tecken_sources        regular;
    tecken_cache_control  $arg_cc;
}
--- request eval
[ 'GET /foo.pdb/AB12/foo.sym', 'GET /foo.pdb/AB12/foo.sym?cc=no-store' ]
--- response_headers eval: [ '! Cache-Control', 'Cache-Control: no-store' ]



=== TEST 42: requests on one connection
--- pipelined_requests eval
[ 'HEAD /foo.pdb/AB12/foo.sym', 'GET /none.pdb/AB12/none.sym',
  'OPTIONS /a', 'GET /a%22/AB12/foo.sym', 'HEAD /none.pdb/AB12/none.sym',
  'GET /foo.pdb/AB12/foo.exe', 'DELETE /a/AB12/b.sym', 'GET /x',
  'GET /foo.pdb/AB12/foo.sym' ]
--- error_code eval: [ 200, 404, 204, 400, 404, 404, 405, 404, 200 ]
--- response_body eval
[ '', $main::Missing, '', $main::Invalid, '', $main::Ignored,
  '{"error": "Method Not Allowed (DELETE): /a/AB12/b.sym"}',
  '{"error": "Not Found", "path": "/x"}', "regular\n" ]



=== TEST 43: HTTP/1.0
--- request eval
[ 'GET /foo.pdb/AB12/foo.sym HTTP/1.0', 'GET /none.pdb/AB12/none.sym HTTP/1.0' ]
--- error_code eval: [ 200, 404 ]
--- response_body eval: [ "regular\n", $main::Missing ]
--- response_headers eval: [ 'Content-Length: 8', 'Content-Length: 16' ]
