# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Private objects through nginx instead of a redirect: every byte and header
# as S3 has them.

use Test::Nginx::Socket 'no_plan';

use Digest::MD5 qw(md5_hex);
use DownloadTest;
use TeckenTest qw(:proxy);

our $Http = <<'END';
tecken_zone     tecken:4m;
tecken_storage  private http://127.0.0.1:$TEST_NGINX_PROXY_PORT/private
                prefix=proxied access_key=$TEST_NGINX_S3_ACCESS_KEY
                secret_key=$TEST_NGINX_S3_SECRET_KEY retries=0;
tecken_storage  public http://127.0.0.1:$TEST_NGINX_S3_PORT/public
                prefix=proxied access=public list=on;
END

our $Config = <<'END';
location / {
    tecken_download;
    tecken_sources        private;
    tecken_download_mode  proxy;
}

location @tecken {
    proxy_pass        $tecken_url;
    proxy_set_header  Authorization "";
}
END

# what an object is for S3: bytes, type, encoding
our $Cab = "MSCF\0\0\0\0" . join '', map { chr(($_ * 7919 >> 3) & 255) }
                                      1 .. 300_000;
our $Gzip = "\x1f\x8b\x08\0\0\0\0\0\0\3" . 'not really deflated' x 50;
our %Object = (
    'app.pdb/AB12/app.pd_' => [ $Cab, 'application/octet-stream' ],
    'app.pdb/AB12/app.ex_' => [ $Cab, 'application/vnd.ms-cab-compressed' ],
    'xul.pdb/AB12/xul.sym' => [ $Gzip, 'text/plain', 'gzip' ],
    'a.so/AB12/a.so.dbg.gz' => [ $Gzip, 'application/gzip' ],
    'a+b c.so/AB12/a+b c.so.sym' => [ "FUNC 1 2 3 f\n", 'text/plain' ],
    'empty.pdb/AB12/empty.sym' => [ '', 'text/plain' ],
);

for my $key (keys %Object) {
    my ($body, $type, $encoding) = @{ $Object{$key} };
    s3->put('private', "proxied/$key", $body, {
        content_type => $type, content_encoding => $encoding,
        meta => { original_size => 12345 } });
}

s3->put('private', 'proxied/cc.pdb/AB12/cc.sym', 'x', {
    headers => { 'cache-control' => 'max-age=1' } });
s3->put('public', 'proxied/pub.pdb/AB12/pub.sym', 'x');

our @Headers = qw(content-type content-length content-encoding etag
                  last-modified accept-ranges x-amz-meta-original_size
                  x-amz-meta-original-size);

our $Path = '/app.pdb/AB12/app.pd_';


add_block_preprocessor(sub {
    my ($block) = @_;

    $block->set_value(http_config => $Http) if !defined $block->http_config;
    $block->set_value(config => $Config) if !defined $block->config;

    if (!defined $block->request) {
        $block->set_value(request => 'OPTIONS /');
        $block->set_value(error_code => 204);
    }

    proxy->reset;
});

timeout(20);
no_root_location();
no_long_string();
log_level('notice');
run_tests();

__DATA__

=== TEST 1: bytes and headers are S3's
--- init
for my $key (sort keys %main::Object) {
    my $path = '/' . TeckenTest::HTTP::uri_escape($key, '/');
    my $want = main::s3()->get('private', "proxied/$key");
    my $head = main::s3()->head('private', "proxied/$key");
    my $got = main::ask('GET', $path);
    main::same($got->{status}, 200, "$key: GET");
    main::ok($got->{body} eq $main::Object{$key}[0], 'the bytes');
    main::same($got->{headers}{$_}, $want->{headers}{$_}, $_)
        for @main::Headers;
    main::same($got->{headers}{'content-encoding'}, $main::Object{$key}[2],
               'no encoding of our own');
    $got = main::ask('HEAD', $path);
    main::same($got->{status}, 200, "$key: HEAD");
    main::same($got->{headers}{$_}, $head->{headers}{$_}, $_)
        for @main::Headers;
}



=== TEST 2: with gzip, and a client that accepts it, too
--- http_config eval
"$main::Http gzip on; gzip_types *; gzip_proxied any; gunzip on;"
--- init
for my $key ('xul.pdb/AB12/xul.sym') {
    my $got = main::ask('GET', "/$key", headers => [ 'Accept-Encoding: gzip' ]);
    main::ok($got->{body} eq $main::Object{$key}[0], 'the bytes');
    main::same($got->{headers}{'content-encoding'}, 'gzip', 'once');
}



=== TEST 3: CORS, and nothing of the signature
--- init
my $got = main::ask('GET', $main::Path, headers => [ 'Origin: http://a' ]);
main::same($got->{headers}{'access-control-allow-origin'}, '*', 'origin');
main::same($got->{headers}{'access-control-allow-methods'}, 'GET', 'methods');
main::unlike($got->{head}, qr/signature|credential|testaccess/i, 'headers');
main::same($got->{headers}{location}, undef, 'no redirect');
my ($get) = main::proxy()->requests('GET');
main::like($get->{target}, qr/[?&]X-Amz-Signature=[0-9a-f]{64}/,
           'the signature is in the query');



=== TEST 4: CORS rules of the bucket are left as they are
--- init
main::proxy()->mode('status', status => 200, body => 'x', method => '^GET$',
    headers => { 'Access-Control-Allow-Origin' => 'http://b' });
my $got = main::ask('GET', $main::Path);
main::same($got->{headers}{'access-control-allow-origin'}, 'http://b', 'one');
main::same($got->{headers}{'access-control-allow-methods'}, undef, 'alone');



=== TEST 5: ranges
--- request eval
[ ("GET $main::Path") x 3, "HEAD $main::Path" ]
--- more_headers eval
[ 'Range: bytes=0-3', 'Range: bytes=-5', 'Range: bytes=100-199', '' ]
--- error_code eval: [ 206, 206, 206, 200 ]
--- response_body eval
[ 'MSCF', substr($main::Cab, -5), substr($main::Cab, 100, 100), '' ]
--- response_headers eval
my $n = length $main::Cab;
[ "Content-Range: bytes 0-3/$n\nAccess-Control-Allow-Origin: *",
  'Content-Range: bytes ' . ($n - 5) . '-' . ($n - 1) . "/$n",
  "Content-Range: bytes 100-199/$n\nContent-Length: 100", "Content-Length: $n" ]



=== TEST 6: a range that there is not
--- request eval
"GET $main::Path"
--- more_headers
Range: bytes=9999999-
--- error_code: 416
--- response_headers
Access-Control-Allow-Origin: *



=== TEST 7: conditional requests
--- init
my $etag = main::s3()->head('private', "proxied$main::Path")->{headers}{etag};
my $date = main::s3()->head('private', "proxied$main::Path")
           ->{headers}{'last-modified'};
for my $method (qw(GET HEAD)) {
    my $got = main::ask($method, $main::Path,
                        headers => [ "If-None-Match: $etag" ]);
    main::same("$got->{status} $got->{headers}{'access-control-allow-origin'}",
               '304 *', "$method, the same");
    $got = main::ask($method, $main::Path,
                     headers => [ 'If-None-Match: "x"' ]);
    main::same($got->{status}, 200, "$method, another");
    $got = main::ask($method, $main::Path,
                     headers => [ "If-Modified-Since: $date" ]);
    main::same($got->{status}, 304, "$method, not modified");
}



=== TEST 8: a public object is redirected to
--- config
location / {
    tecken_download;
    tecken_sources        private public;
    tecken_download_mode  proxy;
}
location @tecken { proxy_pass $tecken_url; }
--- request
GET /pub.pdb/ab12/pub.sym
--- error_code: 302
--- response_headers eval
"Location: http://127.0.0.1:$ENV{TEST_NGINX_S3_PORT}"
. '/public/proxied/pub.pdb/AB12/pub.sym'



=== TEST 9: a location of another name; redirect where that is said
--- config
tecken_download_mode  proxy @s3;
tecken_sources        private;
location /      { tecken_download; }
location /try/  { tecken_download; tecken_download_mode redirect; }
location @s3    { proxy_pass $tecken_url; add_header X-Here yes; }
--- request eval
[ "GET $main::Path", "GET /try$main::Path" ]
--- error_code eval: [ 200, 302 ]
--- response_headers eval: [ 'X-Here: yes', '! X-Here' ]



=== TEST 10: a client's own credentials
--- request eval
"GET $main::Path"
--- more_headers
Authorization: Basic dGVzdDp0ZXN0
--- error_code: 200
--- response_body eval: $main::Cab



=== TEST 11: missing, ignored and refused need no proxy
--- request eval
[ 'GET /none.pdb/AB12/none.sym', 'GET /a.pdb/AB12/a.exe', "PUT $main::Path",
  'GET /a%22/AB12/a.sym' ]
--- error_code eval: [ 404, 404, 405, 400 ]



=== TEST 12: known to be there, and gone when it is fetched
--- http_config eval
"$main::Http tecken_cache_control max-age=60;"
--- init
main::s3()->put('private', 'proxied/race.pdb/AB12/race.sym', 'x');
my $got = main::ask('GET', '/race.pdb/AB12/race.sym');
main::same("$got->{status} $got->{headers}{'cache-control'}", '200 max-age=60',
           'there');
main::s3()->delete('private', 'proxied/race.pdb/AB12/race.sym');
for my $method (qw(GET HEAD)) {
    $got = main::ask($method, '/race.pdb/AB12/race.sym');
    main::same($got->{status}, 404, "$method: gone");
    main::same($got->{headers}{'cache-control'}, undef,
               'no lifetime for what is not there');
    main::same($got->{headers}{'access-control-allow-origin'}, '*', 'CORS');
}
$got = main::ask('GET', '/race.pdb/AB12/race.sym?_refresh');
main::same("$got->{status} $got->{body}", '404 Symbol Not Found', 'refreshed');



=== TEST 13: the same in our words, by error_page
--- config
location / {
    tecken_download;
    tecken_sources        private;
    tecken_download_mode  proxy;
}
location @tecken {
    proxy_pass              $tecken_url;
    proxy_intercept_errors  on;
    error_page              403 404 = @gone;
}
location @gone { return 404 "Symbol Not Found"; }
--- init
main::s3()->put('private', 'proxied/race.pdb/AB12/race2.sym', 'x');
main::ask('GET', '/race.pdb/AB12/race2.sym');
main::s3()->delete('private', 'proxied/race.pdb/AB12/race2.sym');
my $got = main::ask('GET', '/race.pdb/AB12/race2.sym');
main::same("$got->{status} $got->{body}", '404 Symbol Not Found', 'gone');
main::same($got->{headers}{'access-control-allow-origin'}, '*', 'CORS');



=== TEST 14: S3 fails between the question and the fetch
--- http_config eval
"$main::Http tecken_cache_control max-age=60;"
--- init
for my $case ([ 502, 'close' ], [ 500, 'status', status => 500 ],
              [ 503, 'status', status => 503 ], [ 502, 'reset' ]) {
    my ($status, $mode, @arguments) = @$case;
    main::proxy()->mode($mode, @arguments, method => '^GET$');
    my $got = main::ask('GET', $main::Path);
    main::same($got->{status}, $status, "@$case");
    main::same($got->{headers}{'access-control-allow-origin'}, '*', 'CORS');
    main::same($got->{headers}{'cache-control'}, undef, 'no lifetime');
}
main::proxy()->reset;
main::same(main::ask_status('GET', $main::Path), 200, 'and works again');



=== TEST 15: Cache-Control: the directive's, else the object's
--- http_config eval
"$main::Http map \$arg_cc \$cc { default \$arg_cc; }"
--- config
location / {
    tecken_download;
    tecken_sources        private;
    tecken_download_mode  proxy;
    tecken_cache_control  $cc;
}
location @tecken { proxy_pass $tecken_url; }
--- request eval
[ 'GET /cc.pdb/AB12/cc.sym', 'GET /cc.pdb/AB12/cc.sym?cc=private',
  'GET /app.pdb/AB12/app.pd_', 'HEAD /app.pdb/AB12/app.pd_?cc=public' ]
--- response_headers eval
[ 'Cache-Control: max-age=1', 'Cache-Control: private', '! Cache-Control',
  'Cache-Control: public' ]
--- raw_response_headers_unlike eval
[ ('(?i)cache-control:.*cache-control:') x 4 ]



=== TEST 16: Debug-Time
--- request eval
"GET $main::Path"
--- more_headers
Debug: yes
--- response_headers_like
Debug-Time: \d+\.\d*[1-9]\d*



=== TEST 17: a large one
--- init
my $large = join '', map { pack 'N', $_ * 2654435761 % 4294967296 }
                     1 .. 2_000_000;
main::s3()->put('private', 'proxied/large.pdb/AB12/large.sym', $large);
my $got = main::ask('GET', '/large.pdb/AB12/large.sym');
main::same(length $got->{body}, 8_000_000, 'length');
main::same(main::md5_hex($got->{body}), main::md5_hex($large), 'bytes');



=== TEST 18: the HEAD to S3 is signed as a HEAD
--- init
main::ask('HEAD', $main::Path) for 1 .. 2;
my @heads = main::proxy()->requests('HEAD');
main::same(scalar @heads, 3, 'one lookup, two of clients');
main::same(main::proxy()->count('GET'), 0, 'no GET');
main::same((grep { $_->{target} =~ /X-Amz-Signature/ } @heads) + 0, 2,
           'by signed URLs');



=== TEST 19: a bare named location is nobody's way in
--- request eval
[ 'GET /@tecken', 'GET /@tecken/AB12/a.sym', 'GET @tecken' ]
--- error_code eval: [ 404, 404, 400 ]



=== TEST 20: the length of a body that is not sent is not sent either
--- config
location / {
    tecken_download;
    tecken_sources        private;
    tecken_download_mode  proxy;
}
location @tecken {
    set               $echo http://127.0.0.1:$TEST_NGINX_SERVER_PORT/echo;
    proxy_pass        $echo;
    proxy_set_header  Host localhost;
}
location = /echo { return 200 "<$http_content_length>"; }
--- init
sub announced
{
    my ($got) = @_;

    return $got->{status} == 200 && $got->{body} =~ /^<(\d*)>$/
           ? $1 || 0 : "$got->{status} $got->{body}";
}

my @length = (headers => [ 'Content-Length: 5' ]);
my $client = main::send_request_to('GET', $main::Path, @length);
syswrite $client->{socket}, 'hello';
main::same(announced(main::answer($client)), 0, 'a body after its header');
main::same(announced(main::ask('GET', $main::Path, @length)), 0,
           'a body that never comes');
main::same(announced(main::ask('GET', $main::Path,
                               headers => [ 'Transfer-Encoding: chunked' ])),
           0, 'chunks that never come');
main::same(announced(main::ask('GET', $main::Path, body => 'hello')), 0,
           'a body with its header');
