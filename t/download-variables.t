# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# $tecken_*: what an access log can say of a download.
#
# Under valgrind too.

use Test::Nginx::Socket 'no_plan';

use DownloadTest;
use TeckenTest qw(:proxy);

our $Http = <<'END';
tecken_zone     tecken:4m;
tecken_storage  local file://$TEST_NGINX_SERVER_ROOT/html/local;
tecken_storage  s3 http://127.0.0.1:$TEST_NGINX_PROXY_PORT/public
                prefix=variables access=public list=on retries=0;
tecken_storage  private http://127.0.0.1:$TEST_NGINX_S3_PORT/private
                prefix=variables access_key=$TEST_NGINX_S3_ACCESS_KEY
                secret_key=$TEST_NGINX_S3_SECRET_KEY;

log_format t '$status source=$tecken_source cache=$tecken_cache '
             'file=$tecken_debug_file id=$tecken_debug_id '
             'name=$tecken_file key=$tecken_key';
log_format time '$status time=$tecken_lookup_time';
access_log logs/tecken.log t;
END

our $Config = <<'END';
location / {
    tecken_download;
    tecken_sources     local s3;
    tecken_try_source  private;
}
location /elsewhere { return 204; }
END

our $Files = <<'END';
>>> local/local.pdb/AB12/local.sym
local
>>> sub/page.txt
a page
END

s3->put('public', "variables/s3.pdb/AB12/s3.sym", 'x');
s3->put('private', "variables/p.pdb/AB12/p.sym", 'x');


# The access log's lines of these requests.
sub logged
{
    my (@requests) = @_;

    my $before = length read_log('tecken.log');
    ask(ref $_ ? @$_ : ('GET', $_)) for @requests;

    my $text = sub { substr read_log('tecken.log'), $before };
    TeckenTest::Process::wait_until('the access log', 20, sub {
        ($text->() =~ tr/\n//) >= @requests });

    return $text->();
}


add_block_preprocessor(sub {
    my ($block) = @_;

    $block->set_value(http_config => $Http) if !defined $block->http_config;
    $block->set_value(config => $Config) if !defined $block->config;
    $block->set_value(user_files => $Files);
    $block->set_value(request => 'OPTIONS /') if !defined $block->request;
    $block->set_value(error_code => 204) if !defined $block->error_code;
    proxy->reset;
});

timeout(20);
no_root_location();
no_long_string();
log_level('notice');
run_tests();

__DATA__

=== TEST 1: a file: the source and the key, no cache needed
--- init
main::same(main::logged('/firefox/local.pdb/ab12/local.sym?x=y'),
    "200 source=local cache=HIT file=local.pdb id=ab12 name=local.sym "
    . "key=local.pdb/AB12/local.sym\n", 'found in a file');



=== TEST 2: S3: MISS, then HIT, BYPASS by _refresh
--- init
my $rest = 'file=s3.pdb id=Ab12 name=s3.sym key=s3.pdb/AB12/s3.sym';
main::same(main::logged('/s3.pdb/Ab12/s3.sym', '/s3.pdb/Ab12/s3.sym',
                        '/s3.pdb/Ab12/s3.sym?_refresh',
                        [ 'HEAD', '/s3.pdb/Ab12/s3.sym' ]),
    join('', map { "$_ $rest\n" } '302 source=s3 cache=MISS',
         '302 source=s3 cache=HIT', '302 source=s3 cache=BYPASS',
         '200 source=s3 cache=HIT'), 'found in S3');



=== TEST 3: missing: no source
--- init
my $rest = 'file=none.pdb id=AB name=none.sym key=none.pdb/AB/none.sym';
main::same(main::logged('/none.pdb/AB/none.sym', '/none.pdb/AB/none.sym'),
    "404 source=- cache=MISS $rest\n404 source=- cache=HIT $rest\n", 'missing');



=== TEST 4: try, and its source
--- init
main::same(main::logged('/try/p.pdb/AB12/p.sym'),
    "302 source=private cache=MISS file=p.pdb id=AB12 name=p.sym "
    . "key=p.pdb/AB12/p.sym\n", 'the name of the try source');



=== TEST 5: failed
--- init
main::proxy()->mode('status', status => 500);
my $rest = 'file=none.pdb id=AC name=none.sym key=none.pdb/AC/none.sym';
main::same(main::logged(('/none.pdb/AC/none.sym') x 2),
    "503 source=- cache=MISS $rest\n" x 2, 'never from a cache');



=== TEST 6: no lookup: what is known of the path, and no more
--- init
main::same(main::logged('/a.pdb/AB/a.exe', '/a%22%5C/AB/a.sym'),
    "404 source=- cache=- file=a.pdb id=AB name=a.exe key=-\n"
    . "400 source=- cache=- file=a\\x22\\x5C id=AB name=a.sym key=-\n",
    'ignored and invalid');



=== TEST 7: paths that name nothing, and other locations
--- init
my $none = 'source=- cache=- file=- id=- name=- key=-';
main::same(main::logged('/a/b', '/x/AZ/y.sym', '/index2.txt', '/elsewhere',
                        [ 'OPTIONS', '/a/AB/b.sym' ], '/a%00'),
           join('', map { "$_ $none\n" } 404, 404, 404, 204, 204, 400),
           'nothing is known');



=== TEST 8: control characters do not reach the log
--- init
my $text = main::logged('/a%0A200%20source=x/AB/b%0D.sym');
main::same($text, "400 source=- cache=- file=a\\x0A200 source=x id=AB "
                  . "name=b\\x0D.sym key=-\n", 'escaped');



=== TEST 9: seconds with microseconds, for lookups only
--- http_config eval
$main::Http =~ s/tecken\.log t;/tecken.log time;/r
--- init
main::like(main::logged('/local.pdb/ab12/local.sym', '/s3.pdb/AB12/s3.sym',
                        '/none.pdb/AB12/none.sym', '/a.pdb/AB/a.exe', '/a'),
    qr/\A200[ ]time=0\.\d{6}\n302[ ]time=0\.\d{6}\n404[ ]time=0\.\d{6}\n
       (?:404[ ]time=-\n){2}\z/x,
    'shape');



=== TEST 10: the time is the sources' time
--- http_config eval
$main::Http =~ s/tecken\.log t;/tecken.log time;/r
--- init
main::proxy()->mode('latency', ms => 2000);
my ($time) = main::logged('/none.pdb/AB12/none.sym') =~ /time=([\d.]+)\n/;
main::cmp_ok($time, '>=', 1.95, 'slow');
main::cmp_ok($time, '<', 60, 'in seconds');
($time) = main::logged('/none.pdb/AB12/none.sym') =~ /time=([\d.]+)\n/;
main::cmp_ok($time, '<', 1.95, 'known');



=== TEST 11: in a header, where the answer is known
--- config
location / {
    tecken_download;
    tecken_sources  local s3;
    add_header      X-Source "<$tecken_source> <$tecken_cache>" always;
}
--- request eval
[ 'GET /local.pdb/AB12/local.sym', 'GET /s3.pdb/AB12/s3.sym',
  'GET /none.pdb/AB12/none.sym', 'GET /none.pdb/AB12/none.exe' ]
--- error_code eval: [ 200, 302, 404, 404 ]
--- response_headers eval
[ map { "X-Source: $_" } '<local> <HIT>', '<s3> <MISS>', '<> <MISS>', '<> <>' ]



=== TEST 12: before the handler has run there is nothing
--- config
location / {
    if ($tecken_source) { return 500; }
    set $before "<$tecken_debug_file>";
    tecken_download;
    tecken_sources  local;
    add_header      X-Before $before;
}
--- request
GET /local.pdb/AB12/local.sym
--- error_code: 200
--- response_headers
X-Before: <>



=== TEST 13: of a proxied object, after the internal redirect
--- config
location / {
    tecken_download;
    tecken_sources        private;
    tecken_download_mode  proxy;
}
location @tecken { proxy_pass $tecken_url; }
--- init
main::same(main::logged('/p.pdb/ab12/p.sym'),
    "200 source=private cache=MISS file=p.pdb id=ab12 name=p.sym "
    . "key=p.pdb/AB12/p.sym\n", 'still known');



=== TEST 14: of a subrequest, which are not its parent's
--- config
location = /page {
    try_files  /none /sub/page.txt;
}
location /sub/ {
    auth_request  /local.pdb/AB12/local.sym;
}
location / {
    tecken_download;
    tecken_sources  local;
}
--- init
my $got;
main::same(main::logged('/page'),
    "200 source=- cache=- file=- id=- name=- key=-\n", 'no download');
$got = main::ask('GET', '/page', headers => [ 'Debug: true' ]);
main::same("$got->{status} $got->{body}", "200 a page\n", 'the page');
main::same($got->{headers}{'access-control-allow-origin'}, undef, 'no CORS');
main::same($got->{headers}{'debug-time'}, undef, 'no Debug-Time');
