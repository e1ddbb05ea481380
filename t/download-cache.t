# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# What is known of a symbol is not asked again: requests that reach the S3
# server are counted by a proxy before it.

use Test::Nginx::Socket 'no_plan';

use DownloadTest;
use TeckenTest;
use TeckenTest::Process qw(wait_until);

our %Proxy = map { $_ => fault_proxy(radosgw->port) } qw(a b);
$ENV{"TEST_NGINX_PROXY_\U$_"} = $Proxy{$_}->port for keys %Proxy;

our $Http = <<'END';
tecken_zone     tecken:4m;
tecken_storage  a http://127.0.0.1:$TEST_NGINX_PROXY_A/public
                prefix=cache-a access=public list=on retries=0;
tecken_storage  b http://127.0.0.1:$TEST_NGINX_PROXY_B/public
                prefix=cache-b access=public list=on retries=0;
END

our $Config = <<'END';
location / {
    tecken_download;
    tecken_sources     a;
    tecken_try_source  b;
}
location = /metrics { tecken_metrics; }
location = /pid     { return 200 $pid; }
END

s3->put('public', "cache-a/there.pdb/AB12/$_.sym", 'x') for 1 .. 9;
s3->put('public', 'cache-b/try.pdb/AB12/1.sym', 'x');


sub heads
{
    my ($name, $source) = @_;

    return $Proxy{$source // 'a'}->count('HEAD', qr{\Q$name\E$});
}


# The statuses of these requests, and the HEADs that they made.
sub cost
{
    my ($name, @requests) = @_;

    my $before = heads($name);
    my @status = map { ask_status(@$_) } @requests;

    return join ' ', @status, '+' . (heads($name) - $before);
}


# Waits for the first request that makes a HEAD.
sub asked_again
{
    my ($path, $name) = @_;

    my $before = heads($name);

    return settled("$name is asked for again", sub {
        ask('GET', $path);
        return heads($name) == $before + 1;
    });
}


sub object
{
    my ($method, $name) = @_;

    s3()->$method('public', "cache-a/$name", $method eq 'put' ? 'x' : ());
}


sub nginx_pid
{
    return 0 + read_log('nginx.pid');
}


add_block_preprocessor(sub {
    my ($block) = @_;

    $block->set_value(http_config => $Http) if !defined $block->http_config;
    $block->set_value(config => $Config) if !defined $block->config;
    $block->set_value(request => 'OPTIONS /');
    $block->set_value(error_code => 204);
    $_->reset for values %Proxy;
});

timeout(20);
no_root_location();
no_long_string();
workers(2);
master_on();
log_level('notice');
run_tests();

__DATA__

=== TEST 1: what is there is asked for once, by whatever name
--- init
main::same(main::cost('1.sym',
    map { [ 'GET', $_ ] } qw(
    /there.pdb/AB12/1.sym /there.pdb/ab12/1.sym /firefox/there.pdb/Ab12/1.sym
    /there.pdb/ab12/1.sym?x=y /there%2Epdb/ab12/1.sym)),
    '302 302 302 302 302 +1', 'found');
main::same(main::cost('1.sym', [ 'HEAD', '/there.pdb/AB12/1.sym' ],
                      [ 'GET', '/there.pdb/AB12/1.sym' ]), '200 302 +0',
           'HEAD');



=== TEST 2: so is what is not
--- init
main::same(main::cost('none.sym',
    [ 'HEAD', '/none.pdb/AB12/none.sym' ], [ 'GET', '/none.pdb/ab12/none.sym' ],
    [ 'GET', '/none.pdb/AB12/none.sym?code_file=x' ]), '404 404 404 +1',
    'missing');



=== TEST 3: other keys are other keys
--- init
main::ask('GET', '/there.pdb/AB12/1.sym');
main::same(main::cost('/', map { [ 'GET', $_ ] } qw(
    /there.pdb/AB12/2.sym /there.pdb/AB12/1.Sym.sym /There.pdb/AB12/1.sym
    /there.pdb/AB1/1.sym /there.pdb/AB121/1.sym)),
    '302 404 404 404 404 +0', 'statuses');
main::same($main::Proxy{a}->count('HEAD'), 6, 'each was asked for');



=== TEST 4: each source for itself
--- init
main::same(main::cost('1.sym', [ 'GET', '/try.pdb/AB12/1.sym' ]), '404 +1',
           'not in the first');
main::same(main::cost('1.sym', [ 'GET', '/try/try.pdb/AB12/1.sym' ],
                      [ 'GET', '/try.pdb/ab12/1.sym?try' ],
                      [ 'GET', '/try.pdb/AB12/1.sym' ]), '302 302 404 +0',
           'which is not asked again');
main::same(main::heads('1.sym', 'b'), 1, 'the try source is asked once');



=== TEST 5: lifetimes
--- http_config eval
"$main::Http tecken_cache_valid found=1s missing=1h;"
--- init
main::same(main::cost('none.sym', ([ 'GET', '/none.pdb/AB12/none.sym' ]) x 2),
           '404 404 +1', 'missing');
main::asked_again('/there.pdb/AB12/3.sym', '3.sym') for 1 .. 3;
main::same(main::heads('none.sym'), 1, 'missing for an hour');



=== TEST 6: the other lifetime
--- http_config eval
"$main::Http tecken_cache_valid missing=1s;"
--- init
main::same(main::cost('3.sym', ([ 'GET', '/there.pdb/AB12/3.sym' ]) x 2),
           '302 302 +1', 'found');
main::asked_again('/none.pdb/AB12/none.sym', 'none.sym') for 1 .. 3;
main::same(main::cost('3.sym', [ 'GET', '/there.pdb/AB12/3.sym' ]), '302 +0',
           'found for six hours');



=== TEST 7: a second is a second
--- http_config eval
"$main::Http tecken_cache_valid missing=2s found=2s;"
--- init
my $start = Time::HiRes::time();
main::ask('GET', '/there.pdb/AB12/4.sym');
main::asked_again('/there.pdb/AB12/4.sym', '4.sym');
my $took = Time::HiRes::time() - $start;
main::cmp_ok($took, '>', 0.9, 'not sooner than the clock of seconds allows');
main::cmp_ok($took, '<', 8, 'nor much later');



=== TEST 8: no lifetime, no cache
--- http_config eval
"$main::Http tecken_cache_valid found=0 missing=0;"
--- init
main::same(main::cost('4.sym', ([ 'GET', '/there.pdb/AB12/4.sym' ]) x 4),
           '302 302 302 302 +4', 'found');
main::same(main::cost('none.sym', ([ 'GET', '/none.pdb/AB12/none.sym' ]) x 3),
           '404 404 404 +3', 'missing');



=== TEST 9: no lifetime for what is missing
--- config
location / {
    tecken_download;
    tecken_sources      a;
    tecken_cache_valid  missing=0;
}
location /try/ {
    tecken_download;
    tecken_sources      a;
}
--- init
main::same(main::cost('none.sym', ([ 'GET', '/none.pdb/AB12/none.sym' ]) x 3),
           '404 404 404 +3', 'missing');
main::same(main::cost('5.sym', ([ 'GET', '/there.pdb/AB12/5.sym' ]) x 3),
           '302 302 302 +1', 'found');
main::same(main::cost('2none.sym',
                      ([ 'GET', '/try/none.pdb/AB12/2none.sym' ]) x 3),
           '404 404 404 +1', 'another location');



=== TEST 10: ?_refresh asks, and what it learns is known
--- init
for my $arg (qw(_refresh _refresh= _refresh=0 a&_refresh=1&b _r%65fresh)) {
    main::object('delete', 'new.pdb/AB12/new.sym');
    main::ask('GET', '/new.pdb/AB12/new.sym?_refresh');
    main::object('put', 'new.pdb/AB12/new.sym');
    main::same(main::cost('new.sym', [ 'GET', '/new.pdb/AB12/new.sym' ],
                          [ 'GET', '/new.pdb/AB12/new.sym?refresh' ]),
               '404 404 +0', 'cached as missing');
    main::same(main::cost('new.sym', [ 'GET', "/new.pdb/AB12/new.sym?$arg" ]),
               '302 +1', $arg);
    main::same(main::cost('new.sym', [ 'GET', '/new.pdb/AB12/new.sym' ]),
               '302 +0', 'cached as found');
}
main::object('delete', 'new.pdb/AB12/new.sym');
main::same(main::cost('new.sym', [ 'GET', '/new.pdb/AB12/new.sym' ],
    [ 'HEAD', '/new.pdb/AB12/new.sym?_refresh' ],
    [ 'GET', '/new.pdb/AB12/new.sym' ]), '302 404 404 +1', 'and back');



=== TEST 11: an error is not cached, what the others said is
--- config
location / { tecken_download; tecken_sources a b; }
--- init
$main::Proxy{a}->mode('status', status => 500);
main::same(main::cost('err.sym', ([ 'GET', '/err.pdb/AB12/err.sym' ]) x 3),
           '503 503 503 +3', 'asked again each time');
main::same(main::heads('err.sym', 'b'), 1, 'but not the other');
$main::Proxy{a}->mode('pass');
main::same(main::cost('err.sym', ([ 'GET', '/err.pdb/AB12/err.sym' ]) x 2),
           '404 404 +1', 'until it knows');



=== TEST 12: a refresh that fails leaves what was known
--- init
main::ask('GET', '/there.pdb/AB12/6.sym');
$main::Proxy{a}->mode('status', status => 500);
main::same(main::cost('6.sym', [ 'GET', '/there.pdb/AB12/6.sym?_refresh' ]),
           '503 +1', 'fails');
main::same(main::cost('6.sym', [ 'GET', '/there.pdb/AB12/6.sym' ]),
           '302 +0', 'known as before');



=== TEST 13: nothing is asked for what is refused or ignored
--- init
main::ask(@$_) for (
    [ 'GET', '/a%22/AB12/a.sym' ], [ 'GET', '/a/AB12/a.exe' ],
    [ 'GET', '/a/AB12/file.ptr' ], [ 'GET', '/a/AB12/a' ], [ 'GET', '/a' ],
    [ 'PUT', '/a/AB12/a.sym' ], [ 'OPTIONS', '/a/AB12/a.sym' ],
    [ 'GET', '/a/' . '0' x 33 . '/a.sym' ], [ 'GET', '/x/a/AB12/a.sym' ],
    [ 'GET', '/index2.txt' ]);
main::same($main::Proxy{$_}->count, 0, "no request to $_") for qw(a b);



=== TEST 14: many at once make one HEAD
--- init
$main::Proxy{a}->mode('hold');
my @clients = map { main::send_request_to('GET', '/there.pdb/AB12/7.sym') }
              1 .. 30;
$main::Proxy{a}->wait_for(1, 20, 'HEAD');
push @clients, map { main::send_request_to('HEAD', '/there.pdb/AB12/7.sym') }
               1 .. 10;
main::same((grep { main::answered($_) } @clients) + 0, 0, 'all wait');
$main::Proxy{a}->mode('pass');
my %seen;
$seen{main::answer($_)->{status}}++ for @clients;
main::same(join(' ', map { "$_:$seen{$_}" } sort keys %seen), '200:10 302:30',
           'all are answered');
main::same(main::heads('7.sym'), 1, 'by one HEAD');



=== TEST 15: what one worker knows all do
--- config
location / { tecken_download; tecken_sources a; add_header X-Pid $pid always; }
--- init
my %pid;
main::settled('both workers have answered', sub {
    my $answer = main::ask('GET', '/there.pdb/AB12/8.sym');
    main::ask('GET', '/none.pdb/AB12/workers.sym');
    $pid{$answer->{headers}{'x-pid'}} = 1;
    return keys %pid == 2;
});
main::same(main::heads('8.sym'), 1, 'found: one HEAD');
main::same(main::heads('workers.sym'), 1, 'missing: one HEAD');



=== TEST 16: a reload forgets nothing
--- init
main::ask('GET', $_) for qw(/there.pdb/AB12/9.sym /none.pdb/AB12/reload.sym);
my %old;
main::settled('both workers', sub {
    $old{main::ask('GET', '/pid')->{body}} = 1; return keys %old == 2 });
kill HUP => main::nginx_pid();
my %new;
main::settled('two others', sub {
    my $pid = main::ask('GET', '/pid')->{body};
    $new{$pid} = 1 if !$old{$pid};
    return keys %new == 2 });
main::same(main::cost('9.sym', ([ 'GET', '/there.pdb/AB12/9.sym' ]) x 5),
           '302 302 302 302 302 +0', 'found');
main::same(main::cost('reload.sym',
                      ([ 'GET', '/none.pdb/AB12/reload.sym' ]) x 5),
           '404 404 404 404 404 +0', 'missing');



=== TEST 17: counts of hits and misses
--- init
main::ask('GET', $_) for qw(
    /there.pdb/AB12/1.sym /there.pdb/AB12/1.sym /there.pdb/AB12/1.sym
    /there.pdb/AB12/1.sym?_refresh /none.pdb/AB12/x.sym /none.pdb/AB12/x.sym);
my %want = (
    'cache_total{source="a",result="hit"}' => 3,
    'cache_total{source="a",result="miss"}' => 2,
    'lookups_total{source="a",result="found"}' => 2,
    'lookups_total{source="a",result="missing"}' => 1,
    'lookups_total{source="a",result="failed"}' => 0,
    'requests_total{result="found"}' => 4,
    'requests_total{result="missing"}' => 2,
    'lookup_seconds_count{source="a"}' => 3,
    'symbol_seconds_count' => 6,
);
main::same(main::metric("tecken_download_$_"), $want{$_}, $_)
    for sort keys %want;



=== TEST 18: files are looked for each time
--- http_config
tecken_zone     tecken:4m;
tecken_storage  local file://$TEST_NGINX_SERVER_ROOT/html/local;
--- user_files
>>> local/a.pdb/AB12/a.sym
a
--- config
location / { tecken_download; tecken_sources local; }
location = /pid { return 200 $pid; }
--- init
my $file = main::server_root() . '/html/local/a.pdb/AB12/b.sym';
main::same(main::ask_status('GET', '/a.pdb/AB12/b.sym'), 404, 'missing');
main::write_text($file, 'b');
main::same(main::ask('GET', '/a.pdb/AB12/b.sym')->{body}, 'b', 'there');
unlink $file;
main::same(main::ask_status('GET', '/a.pdb/AB12/b.sym'), 404, 'gone');
