# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Sources: their order, that all are asked at once, one that fails, rights on
# buckets, and the URLs that clients are sent to.  S3 is a real server, with a
# fault proxy before it for each source.

use Test::Nginx::Socket 'no_plan';

use DownloadTest;
use TeckenTest;
use TeckenTest::S3;

our %Proxy = map { $_ => fault_proxy(radosgw->port) } qw(a b t);
$ENV{"TEST_NGINX_PROXY_\U$_"} = $Proxy{$_}->port for keys %Proxy;

# each source has its own part of one bucket
our %Prefix = (a => 'sources-a', b => 'sources-b', t => 'sources-t');

our $S3 = 'http://127.0.0.1:$TEST_NGINX_S3_PORT';
our $Keys = 'access_key=$TEST_NGINX_S3_ACCESS_KEY'
            . ' secret_key=$TEST_NGINX_S3_SECRET_KEY';
our $Fast = 'connect_timeout=2s timeout=10s deadline=15s retries=0';

our $Http = <<"END";
tecken_zone     tecken:4m;
tecken_storage  a http://127.0.0.1:\$TEST_NGINX_PROXY_A/public
                prefix=sources-a access=public list=on $Fast;
tecken_storage  b http://127.0.0.1:\$TEST_NGINX_PROXY_B/public
                prefix=sources-b access=public list=on $Fast;
tecken_storage  t http://127.0.0.1:\$TEST_NGINX_PROXY_T/public
                prefix=sources-t access=public list=on $Fast;
END

our $Config = <<'END';
location / {
    tecken_download;
    tecken_sources     a b;
    tecken_try_source  t;
}
location = /metrics { tecken_metrics; }
END

our $Missing = 'Symbol Not Found';
our $Failed = 'Symbol lookup failed, try again later';

s3->put('public', "$Prefix{$_}/both.pdb/AB12/both.sym", 'x') for qw(a b t);
s3->put('public', "$Prefix{$_}/only$_.pdb/AB12/o.sym", 'x') for qw(a b t);


sub url
{
    my ($source, $path) = @_;

    return 'http://127.0.0.1:' . $Proxy{$source}->port
           . "/public/$Prefix{$source}/$path";
}


sub heads
{
    my ($source, $path) = @_;

    return $Proxy{$source}->count('HEAD', qr{^/public/.*\Q$path\E$});
}


add_block_preprocessor(sub {
    my ($block) = @_;

    $block->set_value(http_config => $Http) if !defined $block->http_config;
    $block->set_value(config => $Config) if !defined $block->config;
    $_->reset for values %Proxy;
});

timeout(20);
no_root_location();
no_long_string();
log_level('notice');
run_tests();

__DATA__

=== TEST 1: the first source that has it
--- request eval
[ map { "GET $_" } qw(/both.pdb/ab12/both.sym /onlya.pdb/ab12/o.sym
                      /onlyb.pdb/ab12/o.sym) ]
--- error_code eval: [ 302, 302, 302 ]
--- response_body eval: [ '', '', '' ]
--- response_headers eval
[ map { "Location: $_\nContent-Length: 0\n! Cache-Control\n"
        . "Content-Type: text/html; charset=utf-8\n"
        . 'Access-Control-Allow-Origin: *' }
  main::url('a', 'both.pdb/AB12/both.sym'),
  main::url('a', 'onlya.pdb/AB12/o.sym'),
  main::url('b', 'onlyb.pdb/AB12/o.sym') ]
--- no_error_log
[error]



=== TEST 2: HEAD: 200, without a body and without a Location
--- request eval
[ map { "HEAD $_" } qw(/both.pdb/ab12/both.sym /onlyb.pdb/ab12/o.sym
                       /none.pdb/ab12/none.sym) ]
--- error_code eval: [ 200, 200, 404 ]
--- response_body eval: [ '', '', '' ]
--- response_headers eval
[ "Content-Length: 0\n! Location", "Content-Length: 0\n! Location",
  "Content-Length: 16\n! Location" ]



=== TEST 3: the try source is asked for try requests, and is the last
--- request eval
[ map { "GET $_" } qw(/onlyt.pdb/ab12/o.sym /try/onlyt.pdb/ab12/o.sym
                      /onlyt.pdb/ab12/o.sym?try /try/both.pdb/ab12/both.sym) ]
--- error_code eval: [ 404, 302, 302, 302 ]
--- response_headers eval
[ '! Location', ('Location: ' . main::url('t', 'onlyt.pdb/AB12/o.sym')) x 2,
  'Location: ' . main::url('a', 'both.pdb/AB12/both.sym') ]



=== TEST 4: another order
--- config
location / { tecken_download; tecken_sources b a; }
--- request
GET /both.pdb/ab12/both.sym
--- error_code: 302
--- response_headers eval
'Location: ' . main::url('b', 'both.pdb/AB12/both.sym')



=== TEST 5: all are asked before one has answered, each once; no more is sent
--- init
$_->mode('hold') for values %main::Proxy;
my $client = main::send_request_to('GET', '/try/none.pdb/ab12/at-once.sym');
main::settled("$_ is asked while all are silent",
              sub { main::heads($_, 'at-once.sym') == 1 }) for qw(a b t);
$main::Proxy{$_}->release for qw(t b);
main::same(main::answered($client, 0.1), 0, 'no answer without the first');
$main::Proxy{a}->release;
main::same(main::answer($client)->{body}, $main::Missing, 'missing');
main::same(main::heads($_, 'at-once.sym'), 1, "$_: one HEAD") for qw(a b t);
main::same($main::Proxy{$_}->count('GET'), 0, "$_: no GET") for qw(a b t);
$_->mode('pass') for values %main::Proxy;
--- request
HEAD /none.pdb/AB12/none.sym
--- error_code: 404



=== TEST 6: the time is the slowest one's, not the sum
--- init
$main::Proxy{$_}->mode('latency', ms => 2500) for qw(a b t);
my $answer = main::ask('GET', '/try/none.pdb/ab12/slow.sym');
main::same($answer->{status}, 404, 'missing');
main::cmp_ok($answer->{seconds}, '>=', 2.4, 'not before they know');
main::cmp_ok($answer->{seconds}, '<', 7.5, 'at the same time');
--- request
HEAD /none.pdb/AB12/slow.sym
--- error_code: 404



=== TEST 7: the answer waits for a slow source that is preferred and has it
--- init
$main::Proxy{a}->mode('hold');
my $client = main::send_request_to('GET', '/both.pdb/ab12/both.sym');
main::settled('b has told', sub {
    (main::metric('tecken_download_lookups_total{source="b",result="found"}')
     // 0) == 1 });
main::same(main::answered($client, 0.1), 0, 'no answer yet');
$main::Proxy{a}->release;
main::same(main::answer($client)->{headers}{location},
           main::url('a', 'both.pdb/AB12/both.sym'), 'the preferred');
--- request
HEAD /both.pdb/AB12/both.sym



=== TEST 8: the answer waits for a slow source that is preferred and has not
--- init
$main::Proxy{a}->mode('hold');
my $client = main::send_request_to('GET', '/onlyb.pdb/ab12/o.sym');
main::settled('b has told', sub {
    (main::metric('tecken_download_lookups_total{source="b",result="found"}')
     // 0) == 1 });
main::same(main::answered($client, 0.1), 0, 'no answer yet');
$main::Proxy{a}->release;
main::same(main::answer($client)->{headers}{location},
           main::url('b', 'onlyb.pdb/AB12/o.sym'), 'the other');
--- request
HEAD /onlyb.pdb/AB12/o.sym



=== TEST 9: the answer does not wait for those after the one that has it
--- init
$main::Proxy{b}->mode('hold');
$main::Proxy{t}->mode('stall');
my $answer = main::ask('GET', '/try/both.pdb/ab12/both.sym');
main::same($answer->{headers}{location},
           main::url('a', 'both.pdb/AB12/both.sym'), 'early');
main::same(main::heads('b', 'both.sym'), 1, 'b was asked');
main::same($main::Proxy{b}->release, 1, 'and still had not answered');
--- request
HEAD /both.pdb/AB12/both.sym



=== TEST 10: a source that fails does not hide one after it
--- init
for my $fault ([ 'refuse' ], [ 'reset' ], [ 'close' ], [ 'garbage' ],
               [ 'half_head_close' ], map { [ 'status', status => $_ ] }
               400, 401, 403, 429, 500, 501, 502, 503, 504, 301, 307) {
    my ($mode, @arguments) = @$fault;

    $main::Proxy{a}->mode($mode, @arguments);
    my $answer = main::ask('GET', '/onlyb.pdb/ab12/o.sym?_refresh');
    main::same("$answer->{status} $answer->{headers}{location}",
               '302 ' . main::url('b', 'onlyb.pdb/AB12/o.sym'), "@$fault");
}
$main::Proxy{a}->mode('pass');
--- request
HEAD /both.pdb/AB12/both.sym



=== TEST 11: nor one before it, nor the try source
--- init
$main::Proxy{b}->mode('status', status => 500);
main::same(main::ask('GET', '/onlya.pdb/ab12/o.sym')->{headers}{location},
           main::url('a', 'onlya.pdb/AB12/o.sym'), 'the one before it');
main::same(main::ask('GET', '/try/onlyt.pdb/ab12/o.sym')->{headers}{location},
           main::url('t', 'onlyt.pdb/AB12/o.sym'), 'the try source');
--- request
HEAD /onlya.pdb/AB12/o.sym



=== TEST 12: none has it and one failed: not found is not known
--- init
for my $fault ([ 'refuse' ], [ 'reset' ], [ 'garbage' ],
               map { [ 'status', status => $_ ] }
               400, 403, 429, 500, 503, 302) {
    my ($mode, @arguments) = @$fault;

    for my $source (qw(a b)) {
        $main::Proxy{$source}->mode($mode, @arguments);
        my $answer = main::ask('GET', '/none.pdb/ab12/503.sym?_refresh');
        main::same("$answer->{status} $answer->{body}", "503 $main::Failed",
                   "$source: @$fault");
        main::like($answer->{headers}{'retry-after'}, qr/^[1-9]\d*$/,
                   'Retry-After');
        main::same($answer->{headers}{'access-control-allow-origin'}, '*',
                   'CORS');
        main::same($answer->{headers}{'cache-control'}, undef, 'Cache-Control');

        # what came from an error is not cached
        $main::Proxy{$source}->mode('pass');
    }
}
main::same(main::ask('GET', '/none.pdb/ab12/503.sym')->{status}, 404,
           'and right again at once');
--- request
GET /none.pdb/AB12/503.sym
--- error_code: 404



=== TEST 13: found at once when the source is back
--- init
$main::Proxy{a}->mode('status', status => 500);
main::same(main::ask('GET', '/onlya.pdb/ab12/o.sym')->{status}, 503, 'down');
$main::Proxy{a}->mode('pass');
main::same(main::ask('GET', '/onlya.pdb/ab12/o.sym')->{headers}{location},
           main::url('a', 'onlya.pdb/AB12/o.sym'), 'up');
--- request
HEAD /onlya.pdb/AB12/o.sym



=== TEST 14: HEAD of what is not known
--- init
$main::Proxy{a}->mode('status', status => 500);
--- request
HEAD /none.pdb/AB12/none.sym
--- error_code: 503
--- response_body eval: ''
--- response_headers
Content-Length: 37
Access-Control-Allow-Origin: *
--- response_headers_like
Retry-After: [1-9]\d*



=== TEST 15: a line of the log: request, key, source, reason
--- init
$main::Proxy{b}->mode('status', status => 500);
--- request
GET /none.pdb/ab12/none.sym?x=y
--- error_code: 503
--- response_body eval: $main::Failed
--- error_log eval
[ qr/\[error\].*symbol lookup of "none\.pdb\/AB12\/none\.sym" in "b" failed/,
  qr/in "b" failed.*status 500/,
  qr/in "b" failed.*request: "GET \/none\.pdb\/ab12\/none\.sym\?x=y / ]
--- no_error_log
in "a" failed



=== TEST 16: attempts are made again, and again only where it may help
--- http_config eval
$main::Http =~ s/retries=0/retries=2/gr
--- init
$main::Proxy{a}->mode('status', status => 503, first => 2);
main::same(main::ask('GET', '/onlya.pdb/ab12/o.sym')->{status}, 302,
           'the third attempt');
main::same(main::heads('a', 'onlya.pdb/AB12/o.sym'), 3, 'three');
$main::Proxy{a}->reset;
$main::Proxy{a}->mode('status', status => 403);
main::same(main::ask('GET', '/onlyb.pdb/ab12/o.sym')->{status}, 302,
           'b has it');
main::same(main::heads('a', 'onlyb.pdb/AB12/o.sym'), 1, '403: one attempt');
--- request
HEAD /onlya.pdb/AB12/o.sym



=== TEST 17: public buckets: 403 is "missing" where the public may not list
--- http_config eval
qq{
tecken_zone     tecken:4m;
tecken_storage  listed   $main::S3/public access=public list=on;
tecken_storage  unlisted $main::S3/public-nolist access=public list=off;
tecken_storage  default  $main::S3/public-nolist access=public;
tecken_storage  wrong    $main::S3/public-nolist access=public list=on;
}
--- config
location /      { tecken_download; tecken_sources listed unlisted default; }
location /try/  { tecken_download; tecken_sources default; }
location /b2g/  { tecken_download; tecken_sources wrong; }
--- init
$main::s3 = main::s3();
$main::s3->put('public-nolist', 'there.pdb/AB12/there.sym', 'x');
--- request eval
[ map { "GET $_" } qw(/none.pdb/ab12/x.sym /there.pdb/ab12/there.sym
  /try/none.pdb/ab12/x.sym /try/there.pdb/ab12/there.sym
  /b2g/none.pdb/ab12/x.sym /b2g/there.pdb/ab12/there.sym) ]
--- error_code eval: [ 404, 302, 404, 302, 503, 302 ]



=== TEST 18: private buckets: 403 is an error where the owner may list
--- http_config eval
qq{
tecken_zone     tecken:4m;
tecken_storage  private  $main::S3/private prefix=sources $main::Keys;
tecken_storage  denied   $main::S3/denied $main::Keys;
tecken_storage  unlisted $main::S3/denied $main::Keys list=off;
tecken_storage  badkey   $main::S3/private access_key=testaccess secret_key=x;
}
--- config
location /      { tecken_download; tecken_sources private; }
location /try/  { tecken_download; tecken_sources private denied; }
location /b2g/  { tecken_download; tecken_sources private unlisted; }
location /fennec/ { tecken_download; tecken_sources badkey private; }
--- init
main::s3()->put('private', 'sources/p.pdb/AB12/p.sym', 'x');
--- request eval
[ map { ("GET $_/none.pdb/ab12/x.sym", "GET $_/p.pdb/ab12/p.sym") }
  '', '/try', '/b2g', '/fennec' ]
--- error_code eval: [ 404, 302, 503, 302, 404, 302, 503, 302 ]



=== TEST 19: a bucket that is not there does not hide another
--- http_config eval
qq{
tecken_zone     tecken:4m;
tecken_storage  nobucket $main::S3/no-such-bucket $main::Keys;
tecken_storage  private  $main::S3/private prefix=sources $main::Keys;
}
--- config
location / { tecken_download; tecken_sources nobucket private; }
--- init
main::s3()->put('private', 'sources/p.pdb/AB12/p.sym', 'x');
--- request
GET /p.pdb/ab12/p.sym
--- error_code: 302



=== TEST 20: a presigned URL fetches the object, as long as it is good
--- http_config eval
qq{
tecken_zone     tecken:4m;
tecken_storage  private  $main::S3/private prefix=sources $main::Keys;
}
--- config
location /      { tecken_download; tecken_sources private; }
location /try/  { tecken_download; tecken_sources private;
                  tecken_presign_expires 1s; }
location /b2g/  { tecken_download; tecken_sources private;
                  tecken_presign_expires 7d; }
--- init
for my $name ("a b+c&e=f;g@,\$!\xe4\xb8\xad.pdb", 'plain.pdb') {
    my $file = $name =~ s/pdb$/sym/r;
    main::s3()->put('private', "sources/$name/AB12/$file", "body of $name");
    my $path = join '/', '', map { TeckenTest::HTTP::uri_escape($_) }
                                 $name, 'ab12', $file;
    my $answer = main::ask('GET', $path);
    main::same($answer->{status}, 302, "$name: found");
    my $url = $answer->{headers}{location};
    main::like($url, qr{^http://127\.0\.0\.1:\d+/private/sources/[^/?]+/AB12/
                        [^/?]+\?[!-~]+$}x, 'the URL');
    main::like($url, qr/[?&]X-Amz-Expires=3600(?:&|$)/, 'an hour by default');
    main::same(scalar(`curl -s '$url'`), "body of $name", 'the object');
    main::same(scalar(`curl -s -o /dev/null -w '%{http_code}' '${url}x'`), 403,
               'not with another signature');
}
my $url = main::ask('GET', '/b2g/plain.pdb/ab12/plain.sym')
          ->{headers}{location};
main::like($url, qr/[?&]X-Amz-Expires=604800(?:&|$)/, 'seven days');
$url = main::ask('GET', '/try/plain.pdb/ab12/plain.sym')->{headers}{location};
main::like($url, qr/[?&]X-Amz-Expires=1(?:&|$)/, 'a second');
main::settled('and then no more', sub {
    `curl -s -o /dev/null -w '%{http_code}' '$url'` == 403 });
main::unlike(join('', main::error_lines(qr/./)), qr/testsecret/, 'no secret');
--- request
HEAD /plain.pdb/AB12/plain.sym
--- response_headers
! Location
Content-Length: 0



=== TEST 21: Location: every reserved byte of the key is encoded
--- http_config eval
qq{
tecken_zone     tecken:4m;
tecken_storage  public  $main::S3/public prefix=v1/x+y access=public;
}
--- config
location / { tecken_download; tecken_sources public; }
--- init
my $name = "a+b c!\$&()*,:;=?\@-._\xe4\xb8\xad";
main::s3()->put('public', "v1/x+y/$name/AB12/$name.sym", 'x');
--- request eval
my $e = 'a+b%20c!$&()*,:;=%3F@-._%E4%B8%AD';
[ "GET /$e/ab12/$e.sym", "GET /$e/ab12/$e.sym?try&x=y#z" ]
--- error_code eval: [ 302, 302 ]
--- response_headers eval
my $e = 'a%2Bb%20c%21%24%26%28%29%2A%2C%3A%3B%3D%3F%40-._%E4%B8%AD';
[ ("Location: http://127.0.0.1:$ENV{TEST_NGINX_S3_PORT}/public/v1/x%2By/$e/"
   . "AB12/$e.sym") x 2 ]



=== TEST 22: such a Location is the object
--- http_config eval
qq{
tecken_zone     tecken:4m;
tecken_storage  public  $main::S3/public prefix=v1/x+y access=public;
}
--- config
location / { tecken_download; tecken_sources public; }
--- init
main::s3()->put('public', 'v1/x+y/libstdc++.so.6/AB12/libstdc++.so.6.sym',
                'its text');
my $url = main::ask('GET', '/libstdc++.so.6/ab12/libstdc++.so.6.sym')
          ->{headers}{location};
main::same(scalar(`curl -s '$url'`), 'its text', 'libstdc++');
--- request
GET /libstdc%2B%2b.so.6/AB12/libstdc++.so.6.sym
--- error_code: 302



=== TEST 23: URLs of one's own for clients
--- http_config eval
qq{
tecken_zone     tecken:4m;
tecken_storage  public   $main::S3/public prefix=v1 access=public
                         public_url=https://cdn.example.com/sym/;
tecken_storage  private  $main::S3/private prefix=sources $main::Keys
                         public_url=https://cdn.example.com;
}
--- config
location /     { tecken_download; tecken_sources public; }
location /try/ { tecken_download; tecken_sources private; }
--- init
main::s3()->put('public', 'v1/a+b.pdb/AB12/a.sym', 'x');
main::s3()->put('private', 'sources/a+b.pdb/AB12/a.sym', 'x');
--- request eval
[ 'GET /a+b.pdb/ab12/a.sym', 'GET /try/a+b.pdb/ab12/a.sym',
  'HEAD /a+b.pdb/ab12/a.sym' ]
--- error_code eval: [ 302, 302, 200 ]
--- response_headers eval
[ 'Location: https://cdn.example.com/sym/v1/a%2Bb.pdb/AB12/a.sym',
  'Location: https://cdn.example.com/sources/a%2Bb.pdb/AB12/a.sym',
  '! Location' ]



=== TEST 24: files and S3 in any order
--- http_config eval
qq{
$main::Http
tecken_storage  local file://\$TEST_NGINX_SERVER_ROOT/html/local;
}
--- user_files
>>> local/both.pdb/AB12/both.sym
local
>>> local/local.pdb/AB12/local.sym
local
--- config
location /     { tecken_download; tecken_sources a local; }
location /try/ { tecken_download; tecken_sources local a; }
--- request eval
[ map { "GET $_" } qw(/both.pdb/ab12/both.sym /local.pdb/ab12/local.sym
  /try/both.pdb/ab12/both.sym /try/onlya.pdb/ab12/o.sym) ]
--- error_code eval: [ 302, 200, 200, 302 ]
--- response_body eval: [ '', "local\n", "local\n", '' ]



=== TEST 25: a local file makes it needless to ask those after it
--- http_config eval
qq{
$main::Http
tecken_storage  local file://\$TEST_NGINX_SERVER_ROOT/html/local;
}
--- user_files
>>> local/both.pdb/AB12/needless.sym
local
--- config
location / { tecken_download; tecken_sources local a b; tecken_try_source t; }
--- init
main::same(main::ask('GET', '/try/both.pdb/ab12/needless.sym')->{body},
           "local\n", 'local');
main::same($main::Proxy{$_}->count, 0, "$_ is not asked") for qw(a b t);
--- request
GET /both.pdb/AB12/needless.sym



=== TEST 26: a failing S3 source does not hide a file, nor does a file hide it
--- http_config eval
qq{
$main::Http
tecken_storage  local file://\$TEST_NGINX_SERVER_ROOT/html/local;
}
--- user_files
>>> local/local.pdb/AB12/local.sym
local
--- config
location /     { tecken_download; tecken_sources a local; }
--- init
$main::Proxy{a}->mode('status', status => 503);
--- request eval
[ 'GET /local.pdb/ab12/local.sym', 'GET /none.pdb/ab12/local.sym' ]
--- error_code eval: [ 200, 503 ]
--- response_body eval: [ "local\n", $main::Failed ]
