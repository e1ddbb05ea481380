# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Symbols in files, served by the module itself.

use Test::Nginx::Socket 'no_plan';

use DownloadTest;
use POSIX ();

our $Http = <<'END';
tecken_zone     tecken:4m;
tecken_storage  local file://$TEST_NGINX_SERVER_ROOT/html/local;
tecken_storage  second file://$TEST_NGINX_SERVER_ROOT/html/second;
END

our $Config = <<'END';
location / {
    tecken_download;
    tecken_sources  local;
}
location /try/ {
    tecken_download;
    tecken_sources  local second;
}
END

our $Bytes = join '', map { chr(($_ * 7919 >> 3) & 255) } 1 .. 300_000;
our $Gzip = "\x1f\x8b\x08\0\0\0\0\0\0\3" . 'not really deflated' x 50;
our $Text = "MODULE Linux x86_64 AB12 foo\n";
our $Failed = 'Symbol lookup failed, try again later';

our $Files = [
    [ 'local/foo.pdb/AB12/foo.sym', $Text, '202401021530.45' ],
    [ 'local/foo.pdb/AB12/foo.pd_', $Bytes ],
    [ 'local/foo.pdb/AB12/gzip.pd_', $Gzip ],
    [ 'local/foo.pdb/AB12/gzip.dbg.gz', $Gzip ],
    [ 'local/foo.pdb/AB12/empty.sym', '' ],
    [ 'local/foo.pdb/AB12/one.sym', "\x1f" ],
    [ 'local/xul.pdb/AB12/xul.sym', $Gzip ],
    [ 'local/a+b c.so/AB12/a+b c.so.sym', 'strange name' ],
    [ "local/\xe4\xb8\xad.so/AB12/x.sym", 'CJK' ],
    [ 'local/meta.so/AB12/meta.sym', 'zipped somehow' ],
    [ 'local/meta.so/AB12/.tecken.meta.sym', "tecken-object: 1\nsize: 14\n"
      . "content-type: text/x-symbols\ncontent-encoding: gzip\nend\n" ],
    [ 'local/meta.so/AB12/stale.sym', $Gzip ],
    [ 'local/meta.so/AB12/.tecken.stale.sym', "tecken-object: 1\nsize: 15\n"
      . "content-type: text/x-symbols\ncontent-encoding: br\nend\n" ],
    [ 'local/dir.so/AB12/dir.sym/x', 'in a directory' ],
    [ 'local/notdir', 'a file' ],
    [ 'local/loop.so/AB12/.keep', '' ],
    [ 'second/loop.so/AB12/loop.sym', 'second' ],
    [ 'second/foo.pdb/AB12/foo.sym', 'second foo' ],
    [ 'second/link.so/AB12/link.sym', 'second link' ],
    [ 'second/dir.so/AB12/dir.sym', 'second dir' ],
    [ 'outside/target.sym', 'through a link' ],
];

add_block_preprocessor(sub {
    my ($block) = @_;

    $block->set_value(http_config => $Http) if !defined $block->http_config;
    $block->set_value(config => $Config) if !defined $block->config;
    $block->set_value(user_files => $Files);
});


sub path { return server_root() . "/html/$_[0]" }


sub replace_by_link
{
    my ($target, $path) = @_;

    $path = path($path);
    unlink $path;
    symlink $target, $path or die "symlink $path: $!\n";
}

no_root_location();
no_long_string();
log_level('notice');
run_tests();

__DATA__

=== TEST 1: text
--- request
GET /foo.pdb/ab12/foo.sym
--- response_body eval: $main::Text
--- response_headers
Content-Type: text/plain
Content-Length: 29
Last-Modified: Tue, 02 Jan 2024 15:30:45 GMT
Accept-Ranges: bytes
Access-Control-Allow-Origin: *
! Content-Encoding
! Cache-Control
--- response_headers_like
ETag: "[0-9a-f]+-[0-9a-f]+"
--- no_error_log
[error]



=== TEST 2: HEAD has the same headers
--- request
HEAD /foo.pdb/ab12/foo.sym
--- response_body eval: ''
--- response_headers
Content-Type: text/plain
Content-Length: 29
Last-Modified: Tue, 02 Jan 2024 15:30:45 GMT
Accept-Ranges: bytes
Access-Control-Allow-Origin: *



=== TEST 3: bytes, by sendfile
--- http_config eval
"$main::Http sendfile on; sendfile_max_chunk 64k;"
--- request eval
[ 'GET /foo.pdb/AB12/foo.pd_', 'HEAD /foo.pdb/AB12/foo.pd_' ]
--- response_body eval: [ $main::Bytes, '' ]
--- response_headers eval
[ ("Content-Type: application/octet-stream\nContent-Length: 300000\n"
   . '! Content-Encoding') x 2 ]



=== TEST 4: bytes, otherwise
--- http_config eval
"$main::Http sendfile off; output_buffers 2 16k;"
--- request
GET /foo.pdb/AB12/foo.pd_
--- response_body eval: $main::Bytes



=== TEST 5: bytes, read by threads
--- http_config eval
"$main::Http aio threads; sendfile off;"
--- request
GET /foo.pdb/AB12/foo.pd_
--- response_body eval: $main::Bytes



=== TEST 6: with open_file_cache
--- http_config eval
"$main::Http open_file_cache max=10; open_file_cache_errors on;"
--- request eval
[ ('GET /foo.pdb/AB12/foo.pd_', 'GET /none.pdb/AB12/foo.pd_') x 2 ]
--- error_code eval: [ 200, 404, 200, 404 ]
--- response_body eval: [ ($main::Bytes, 'Symbol Not Found') x 2 ]



=== TEST 7: nothing in a file
--- request eval
[ 'GET /foo.pdb/AB12/empty.sym', 'HEAD /foo.pdb/AB12/empty.sym',
  'GET /foo.pdb/AB12/one.sym' ]
--- response_body eval: [ '', '', "\x1f" ]
--- response_headers eval
[ 'Content-Length: 0', 'Content-Length: 0',
  "Content-Length: 1\n! Content-Encoding" ]



=== TEST 8: a .sym that is stored as gzip says so
--- request eval
[ 'GET /xul.pdb/AB12/xul.sym', 'HEAD /xul.pdb/AB12/xul.sym' ]
--- response_body eval: [ $main::Gzip, '' ]
--- response_headers eval
[ ("Content-Encoding: gzip\nContent-Type: text/plain\nContent-Length: "
   . length $main::Gzip) x 2 ]



=== TEST 9: whatever the client accepts, once, also where nginx compresses
--- http_config eval
"$main::Http gzip on; gzip_types *; gzip_min_length 1;"
--- more_headers
Accept-Encoding: gzip
--- request
GET /xul.pdb/AB12/xul.sym
--- response_body eval: $main::Gzip
--- response_headers
Content-Encoding: gzip



=== TEST 10: other files are what they are, gzip or not
--- request eval
[ 'GET /foo.pdb/AB12/gzip.pd_', 'GET /foo.pdb/AB12/gzip.dbg.gz' ]
--- response_body eval: [ $main::Gzip, $main::Gzip ]
--- response_headers eval
[ ("! Content-Encoding\nContent-Type: application/octet-stream\n"
   . 'Content-Length: ' . length $main::Gzip) x 2 ]



=== TEST 11: what is known beside the object
--- request eval
[ 'GET /meta.so/AB12/meta.sym', 'HEAD /meta.so/AB12/meta.sym' ]
--- response_body eval: [ 'zipped somehow', '' ]
--- response_headers eval
[ ("Content-Encoding: gzip\nContent-Type: text/x-symbols\nContent-Length: 14")
  x 2 ]



=== TEST 12: what is known of another object counts for nothing
--- request
GET /meta.so/AB12/stale.sym
--- response_body eval: $main::Gzip
--- response_headers
Content-Type: text/plain
Content-Encoding: gzip



=== TEST 13: nobody reads what the storage keeps for itself
--- request eval
[ 'GET /meta.so/AB12/.tecken.meta.sym', 'GET /meta.so/AB12/%2Etecken.meta.sym',
  'GET /meta.so/AB12/%252Etecken.meta.sym' ]
--- error_code eval: [ 404, 404, 400 ]



=== TEST 14: strange names
--- request eval
[ 'GET /a+b%20c.so/AB12/a%2Bb%20c.so.sym', 'GET /%E4%B8%AD.so/AB12/x.sym' ]
--- response_body eval: [ 'strange name', 'CJK' ]



=== TEST 15: the same etag is not sent again
--- init
my $got = main::ask('GET', '/foo.pdb/AB12/foo.sym');
my $etag = $got->{headers}{etag};
for my $method (qw(GET HEAD)) {
    for my $case ([ 304, "If-None-Match: $etag" ],
                  [ 304, "If-None-Match: \"x\", $etag" ],
                  [ 304, 'If-None-Match: *' ],
                  [ 200, 'If-None-Match: "x"' ],
                  [ 304, 'If-Modified-Since: Tue, 02 Jan 2024 15:30:45 GMT' ],
                  [ 200, 'If-Modified-Since: Tue, 02 Jan 2024 15:30:44 GMT' ],
                  [ 412, 'If-Match: "x"' ], [ 200, "If-Match: $etag" ]) {
        my ($status, $header) = @$case;
        my $got = main::ask($method, '/foo.pdb/AB12/foo.sym',
                            headers => [ $header ]);
        main::same("$got->{status} " . $got->{headers}
                   {'access-control-allow-origin'}, "$status *",
                   "$method, $header");
        main::same($got->{body}, $status == 200 && $method eq 'GET'
                                 ? $main::Text : '', 'its body')
            if $status != 412;
    }
}
--- request
HEAD /foo.pdb/AB12/foo.sym



=== TEST 16: another etag for another content
--- init
my $file = main::path('local/foo.pdb/AB12/foo.sym');
my $before = main::ask('HEAD', '/foo.pdb/AB12/foo.sym')->{headers}{etag};
main::write_text($file, "$main::Text more");
my $got = main::ask('GET', '/foo.pdb/AB12/foo.sym',
                    headers => [ "If-None-Match: $before" ]);
main::same("$got->{status} $got->{body}", "200 $main::Text more", 'new');
--- request
HEAD /foo.pdb/AB12/foo.sym



=== TEST 17: ranges
--- request eval
[ ('GET /foo.pdb/AB12/foo.pd_') x 6, 'HEAD /foo.pdb/AB12/foo.pd_' ]
--- more_headers eval
[ map { "Range: bytes=$_" } '0-0', '100-299', '299990-', '-10', '5-4',
                            '0-999999', '0-9' ]
--- error_code eval: [ 206, 206, 206, 206, 416, 206, 206 ]
--- response_body eval
[ substr($main::Bytes, 0, 1), substr($main::Bytes, 100, 200),
  substr($main::Bytes, -10), substr($main::Bytes, -10), qr/416/,
  $main::Bytes, '' ]
--- response_headers eval
[ (map { "Content-Range: bytes $_/300000\nAccess-Control-Allow-Origin: *" }
   '0-0', '100-299', '299990-299999', '299990-299999'),
  "Content-Range: bytes */300000\nAccess-Control-Allow-Origin: *",
  'Content-Range: bytes 0-299999/300000', 'Content-Range: bytes 0-9/300000' ]



=== TEST 18: several ranges, a bad one, and none any more
--- request eval
[ ('GET /foo.pdb/AB12/foo.pd_') x 4 ]
--- more_headers eval
[ 'Range: bytes=0-0,-1', 'Range: bytes=300000-', 'Range: lines=1-2',
  "Range: bytes=0-1\nIf-Range: \"x\"" ]
--- error_code eval: [ 206, 416, 200, 200 ]
--- response_headers_like eval
[ 'Content-Type: multipart/byteranges; boundary=\w+',
  'Content-Range: bytes \*/300000', 'Content-Length: 300000',
  'Content-Length: 300000' ]



=== TEST 19: a range of a compressed .sym is one of its bytes
--- request
GET /xul.pdb/AB12/xul.sym
--- more_headers
Range: bytes=0-1
--- error_code: 206
--- response_body eval: "\x1f\x8b"
--- response_headers
Content-Encoding: gzip
Content-Length: 2



=== TEST 20: a range that is not there: nothing is said of the object
--- http_config eval
"$main::Http tecken_cache_control max-age=60;"
--- request eval
[ 'GET /xul.pdb/AB12/xul.sym', 'GET /xul.pdb/AB12/xul.sym',
  'GET /foo.pdb/AB12/foo.sym' ]
--- more_headers eval
[ "Range: bytes=99999-\nDebug: 1", "If-Match: \"x\"\nDebug: 1",
  'If-Unmodified-Since: Tue, 02 Jan 2023 15:30:45 GMT' ]
--- error_code eval: [ 416, 412, 412 ]
--- response_headers eval
[ ("Access-Control-Allow-Origin: *\nAccess-Control-Allow-Methods: GET\n"
   . "! Content-Encoding\n! Cache-Control\n! ETag\n! Last-Modified") x 3 ]
--- raw_response_headers_unlike eval
[ ('Debug-Time:.*Debug-Time:') x 3 ]



=== TEST 21: elsewhere for clients
--- http_config
tecken_zone     tecken:4m;
tecken_storage  local file://$TEST_NGINX_SERVER_ROOT/html
                prefix=/local/ public_url=https://cdn.example.com/x/;
--- request eval
[ 'GET /a+b%20c.so/ab12/a+b%20c.so.sym', 'HEAD /foo.pdb/AB12/foo.sym',
  'GET /none.pdb/AB12/foo.sym' ]
--- config
location / { tecken_download; tecken_sources local; }
--- error_code eval: [ 302, 200, 404 ]
--- response_headers eval
[ "Location: https://cdn.example.com/x/local/a%2Bb%20c.so/AB12/a%2Bb%20c.so.sym"
  . "\nContent-Length: 0", "! Location\nContent-Length: 0", '! Location' ]



=== TEST 22: a prefix
--- http_config
tecken_zone     tecken:4m;
tecken_storage  local file://$TEST_NGINX_SERVER_ROOT/ prefix=html/local;
--- config
location / { tecken_download; tecken_sources local; }
--- request
GET /foo.pdb/AB12/foo.sym
--- response_body eval: $main::Text



=== TEST 23: what is no file is no symbol
--- init
mkdir main::path('local/fifo.so');
mkdir main::path('local/fifo.so/AB12');
POSIX::mkfifo(main::path('local/fifo.so/AB12/fifo.sym'), 0600) or die "$!\n";
--- request eval
[ map { "GET $_" } qw(
  /dir.so/AB12/dir.sym /notdir/AB12/x.sym /fifo.so/AB12/fifo.sym
  /dir.so/AB12/dir.sym%2Fx.sym /try/dir.so/AB12/dir.sym ) ]
--- error_code eval: [ 404, 404, 404, 404, 200 ]
--- response_body eval
[ ('Symbol Not Found') x 3,
  '{"error": "Not Found", "path": "/dir.so/AB12/dir.sym/x.sym"}',
  'second dir' ]
--- no_error_log
[error]



=== TEST 24: a file that can not be looked at: 503, a line, and not for long
--- init
main::replace_by_link('loop.sym', 'local/loop.so/AB12/loop.sym');
--- request
GET /loop.so/AB12/loop.sym
--- error_code: 503
--- response_body eval: $main::Failed
--- response_headers_like
Retry-After: [1-9]\d*
--- error_log eval
[ qr/\[error\].*html\/local\/loop\.so\/AB12\/loop\.sym" failed \(40: /,
  'symbol lookup of "loop.so/AB12/loop.sym" in "local" failed' ]



=== TEST 25: but another source may have it
--- init
main::replace_by_link('loop.sym', 'local/loop.so/AB12/loop.sym');
my $got = main::ask('GET', '/try/loop.so/AB12/loop.sym');
main::same("$got->{status} $got->{body}", '200 second', 'hidden by nobody');
unlink main::path('local/loop.so/AB12/loop.sym');
main::write_text(main::path('local/loop.so/AB12/loop.sym'), 'healed');
main::same(main::ask('GET', '/try/loop.so/AB12/loop.sym')->{body}, 'healed',
           'and at once when it is back');
--- request
HEAD /foo.pdb/AB12/foo.sym



=== TEST 26: links are followed, as "root" does
--- init
mkdir main::path('local/link.so');
mkdir main::path('local/link.so/AB12');
main::replace_by_link('../../../outside/target.sym',
                      'local/link.so/AB12/link.sym');
main::replace_by_link('nowhere', 'local/link.so/AB12/dangling.sym');
--- request eval
[ 'GET /link.so/AB12/link.sym', 'GET /link.so/AB12/dangling.sym' ]
--- error_code eval: [ 200, 404 ]
--- response_body eval: [ 'through a link', 'Symbol Not Found' ]



=== TEST 27: unless they are disabled: the file can not be opened
--- http_config eval
"$main::Http disable_symlinks on from=\$TEST_NGINX_SERVER_ROOT/html;"
--- init
mkdir main::path('local/link.so');
mkdir main::path('local/link.so/AB12');
main::replace_by_link('../../../outside/target.sym',
                      'local/link.so/AB12/link.sym');
--- request
GET /link.so/AB12/link.sym
--- error_code: 503
--- response_body eval: $main::Failed
--- response_headers
! Cache-Control
! ETag
--- error_log
symbol lookup of "link.so/AB12/link.sym" in "local" failed



=== TEST 28: and does not hide another source's
--- http_config eval
"$main::Http disable_symlinks on from=\$TEST_NGINX_SERVER_ROOT/html;"
--- init
mkdir main::path('local/link.so');
mkdir main::path('local/link.so/AB12');
main::replace_by_link('../../../outside/target.sym',
                      'local/link.so/AB12/link.sym');
--- request
GET /try/link.so/AB12/link.sym
--- response_body eval: 'second link'



=== TEST 29: a file that may not be read
--- skip_eval: 5: $> == 0
--- init
chmod 0, main::path('local/foo.pdb/AB12/foo.sym');
--- request
GET /foo.pdb/AB12/foo.sym
--- error_code: 503
--- response_body eval: $main::Failed
--- error_log
(13: Permission denied)
symbol lookup of "foo.pdb/AB12/foo.sym" in "local" failed



=== TEST 30: nor does that hide another source's, metadata beside it or not
--- skip_eval: 5: $> == 0
--- init
my $file = main::path('local/foo.pdb/AB12/foo.sym');
chmod 0, $file;
main::same(main::ask('GET', '/try/foo.pdb/AB12/foo.sym')->{body},
           'second foo', 'without');
main::write_text(main::path('local/foo.pdb/AB12/.tecken.foo.sym'),
                 "tecken-object: 1\nsize: 29\nend\n");
main::same(main::ask('GET', '/try/foo.pdb/AB12/foo.sym')->{body},
           'second foo', 'with');
chmod 0644, $file;
main::same(main::ask('GET', '/try/foo.pdb/AB12/foo.sym')->{body},
           $main::Text, 'and back');
--- request
HEAD /foo.pdb/AB12/foo.sym



=== TEST 31: the root that goes away
--- init
rename main::path('local'), main::path('gone');
main::same(main::ask_status('GET', '/foo.pdb/AB12/foo.sym'), 404, 'gone');
rename main::path('gone'), main::path('local');
--- request
HEAD /foo.pdb/AB12/foo.sym
