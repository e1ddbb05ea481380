# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# What one worker tells operators: metrics, statsd, Dockerflow's endpoints.
# Series and checks are those of t/probe/ngx_tecken_probe_ops.c.

use strict;
use warnings;

use IO::Socket::INET ();
use Test::Nginx::Socket 'no_plan';

use TeckenTest qw(:statsd);
use TeckenTest::Process qw(wait_until);

our $Zone = 'tecken_zone tecken:8m;';

# bounds in usec and as Prometheus has them
our @Buckets = (
    [ 50, '0.00005' ], [ 100, '0.0001' ], [ 250, '0.00025' ],
    [ 500, '0.0005' ], [ 1000, '0.001' ], [ 2500, '0.0025' ],
    [ 5000, '0.005' ], [ 10_000, '0.01' ], [ 25_000, '0.025' ],
    [ 50_000, '0.05' ], [ 100_000, '0.1' ], [ 250_000, '0.25' ],
    [ 500_000, '0.5' ], [ 1_000_000, '1' ], [ 2_500_000, '2.5' ],
    [ 5_000_000, '5' ], [ 10_000_000, '10' ], [ 30_000_000, '30' ],
    [ 60_000_000, '60' ], [ 1e12, '+Inf' ],
);


# The text of a histogram without labels after these observations.
sub histogram
{
    my ($name, @usec) = @_;

    my ($text, $sum) = ('', 0);
    $sum += $_ for @usec;

    for my $bucket (@Buckets) {
        my $n = grep { $_ <= $bucket->[0] } @usec;
        $text .= qq{${name}_bucket{le="$bucket->[1]"} $n\n};
    }

    return $text . sprintf "%s_sum %.6f\n%s_count %d\n",
                           $name, $sum / 1e6, $name, scalar @usec;
}


sub client
{
    my ($uri, @headers) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => server_port(), Timeout => 5)
        or die "connect: $!\n";

    print $socket join "\r\n", "GET $uri HTTP/1.0", 'Host: localhost',
                               @headers, '', '';

    return $socket;
}


sub answer
{
    my ($socket) = @_;

    local $/;
    local $SIG{ALRM} = sub { die "no answer\n" };

    alarm 60;
    my $text = <$socket>;
    alarm 0;

    return $text // '';
}


sub get { return answer(client(@_)) }


sub metric
{
    my ($series) = @_;

    return get('/metrics') =~ /^\Q$series\E (\S+)$/m ? $1 : undef;
}


sub nginx_pid
{
    open my $file, '<', server_root() . '/logs/nginx.pid' or die "pid: $!\n";

    return 0 + <$file>;
}


sub log_count
{
    my ($what) = @_;

    open my $file, '<', server_root() . '/logs/error.log' or return 0;

    return scalar grep { /$what/ } <$file>;
}


# the same for all blocks that count
our $Config = <<'END';
location /metrics    { tecken_metrics; }
location /c          { tecken_probe_ops 1; }
location /h          { tecken_probe_ops 2; }
location /heartbeat  { tecken_dockerflow heartbeat; }
END

our $Series = $Zone . <<'END';
tecken_probe_series t_total counter 'result="found"' c "try:True,bucket:x";
tecken_probe_series t_seconds histogram "" h;
END

# slow is slow enough for all to arrive, and quick enough for a test
our $Checks = $Series . <<'END';
tecken_probe_check quick ok 0;
tecken_probe_check slow ok 200;
tecken_probe_check 'b"d' fail 50;
END

our $Failed = qr/^\{"status": "error", "checks": \{@{[ join ', ',
    '"quick": \{"status": "ok", "latency_ms": \d+\}',
    '"slow": \{"status": "ok", "latency_ms": (?:199|[23]\d\d)\}',
    '"b\\\\"d": \{"status": "error", "latency_ms": \d+, '
    . '"error": "the \\\\"bucket\\\\" says: \\\\u0001\\\\u00e9"\}' ]}\}\}$/;

log_level('notice');
master_on();
run_tests();

__DATA__

=== TEST 1: counters with HELP and TYPE once per family
--- http_config eval
$::Series . q{tecken_probe_series t_total counter 'result="no"';}
--- config eval: $::Config
--- request eval
[ 'GET /c?n=3', 'GET /c', 'GET /metrics' ]
--- response_body eval
[ qr/^\d+$/, qr/^\d+$/, qr/
^\#[ ]HELP[ ]t_total[ ]A[ ]back\\\\slash[ ]and\\na[ ]line[ ]feed\n
\#[ ]TYPE[ ]t_total[ ]counter\n
t_total\{result="found"\}[ ]4\n
t_total\{result="no"\}[ ]0\n
\#[ ]/mx ]
--- no_error_log
[error]



=== TEST 2: a histogram, bounds inclusive
--- http_config eval: $::Series
--- config eval: $::Config
--- request eval
[ 'GET /h?n=50', 'GET /h?n=51', 'GET /h?n=700', 'GET /h?n=60000000',
  'GET /h?n=70000000', 'GET /metrics' ]
--- response_body eval
[ (qr/^\d+$/) x 5,
  qr/^# TYPE t_seconds histogram\n\Q${\ ::histogram('t_seconds', 50, 51,
     700, 60_000_000, 70_000_000)}\E/m ]



=== TEST 3: labels and le
--- http_config eval
"$::Zone tecken_probe_series a counter;"
. q{tecken_probe_series t_seconds histogram 'a="1",b="é"';}
--- config eval: $::Config
--- request
GET /metrics
--- response_body_like
t_seconds_bucket\{a="1",b="é",le="0\.00005"\} 0
(?:t_seconds_bucket.*
){19}t_seconds_sum\{a="1",b="é"\} 0\.000000
t_seconds_count\{a="1",b="é"\} 0



=== TEST 4: when the counters began
--- http_config eval: $::Series
--- config eval: $::Config
--- init
my $now = time;
my $created = main::metric('tecken_zone_created_seconds');
main::ok(abs($created - $now) < 10, 'the zone is young');
--- request
HEAD /metrics
--- response_headers
Content-Type: text/plain; version=0.0.4
--- response_headers_like
Content-Length: [1-9][0-9]{3}
--- response_body:



=== TEST 5: only GET and HEAD, and the connection goes on
--- http_config eval: $::Series
--- config eval: $::Config
--- pipelined_requests eval
[ "POST /metrics\nsome body", 'GET /c', "DELETE /heartbeat", 'GET /c' ]
--- error_code eval
[ 405, 200, 405, 200 ]
--- response_body_like eval
[ '405', '^\d+$', '405', '^\d+$' ]



=== TEST 6: what one request counts leaves in one datagram
--- http_config eval
"tecken_statsd 127.0.0.1:$ENV{TEST_NGINX_STATSD_PORT} namespace=ns.x;"
. $::Series
--- config eval: $::Config
--- init
TeckenTest::statsd->clear;
main::get('/c?n=3');
main::get('/h?n=12345');
main::get('/h?n=7');
TeckenTest::statsd->wait_for('ns.x.c');
main::is_deeply([ TeckenTest::statsd->datagrams ],
                [ "ns.x.c:3|c|#try:True,bucket:x\nns.x.h:12.345|ms\n"
                  . "ns.x.h:0.007|ms" ], 'the datagram');
--- request
GET /metrics
--- response_body_like
tecken_statsd_sent_total 1
[^Z]*tecken_statsd_dropped_total 0



=== TEST 7: many lines fill datagrams, none is lost
--- http_config eval
"tecken_statsd 127.0.0.1:$ENV{TEST_NGINX_STATSD_PORT};" . $::Series
--- config eval: $::Config
--- init
TeckenTest::statsd->clear;
main::get('/c?times=1000');
TeckenTest::statsd->wait_for('c', 5, 1000);
main::is(TeckenTest::statsd->total('c'), 1000, 'all arrive');
main::is(scalar TeckenTest::statsd->errors, 0, 'and are dogstatsd');
my @length = map { length } TeckenTest::statsd->datagrams;
main::ok(!(grep { $_ > 1400 } @length), 'within the limit');
main::ok(!(grep { $_ < 1300 } @length[0 .. $#length - 1]), 'and full');
--- request
GET /c
--- response_body_like: ^\d+$



=== TEST 8: tags=none, no namespace
--- http_config eval
"tecken_statsd 127.0.0.1:$ENV{TEST_NGINX_STATSD_PORT} tags=none;" . $::Series
--- config eval: $::Config
--- init
TeckenTest::statsd->clear;
main::get('/c');
TeckenTest::statsd->wait_for('c');
main::is_deeply([ TeckenTest::statsd->datagrams ], [ 'c:1|c' ], 'bare');
--- request
GET /c
--- response_body_like: ^\d+$



=== TEST 9: a tag's value is not a way in
--- http_config eval
"tecken_statsd 127.0.0.1:$ENV{TEST_NGINX_STATSD_PORT}; $::Zone"
. 'tecken_probe_series a_total counter "" a "k:a|b#c d\nx:1|c,e,y:' . "\xe9"
. ('z' x 200) . ',w:v:u";'
--- config eval: $::Config =~ s/.*probe_ops 2.*\n//r
--- init
TeckenTest::statsd->clear;
main::get('/c');
TeckenTest::statsd->wait_for('a');
main::is_deeply([ TeckenTest::statsd->datagrams ],
                [ 'a:1|c|#k:a_b_c_d_x_1_c_e,y:_' . ('z' x 99) . ',w:v_u' ],
                'sanitised');
--- request
GET /c
--- response_body_like: ^\d+$



=== TEST 10: the last second leaves with the worker
--- http_config eval
"tecken_statsd 127.0.0.1:$ENV{TEST_NGINX_STATSD_PORT};" . $::Series
--- config eval: $::Config
--- init
TeckenTest::statsd->clear;
main::get('/c?n=77');
kill HUP => main::nginx_pid();
my ($m) = TeckenTest::statsd->wait_for('c');
main::is($m->{value}, 77, 'flushed at exit');
--- request
GET /c
--- response_body_like: ^\d+$



=== TEST 11: nobody listens: counted, one warning, no delay
--- http_config eval
'tecken_statsd 127.0.0.1:$TEST_NGINX_RAND_PORT_1;' . $::Series
--- config eval: $::Config
--- init
main::get('/c?times=100000');
my $sent = main::metric('tecken_statsd_sent_total');
my $dropped = main::metric('tecken_statsd_dropped_total');
main::ok($sent > 1000, "sent $sent");
main::ok($sent - $dropped <= 1 && $sent >= $dropped, "dropped $dropped");
--- request
GET /metrics
--- response_body_like: t_total\{result="found"\} 100000\n
--- grep_error_log eval: qr/\[warn\].*?statsd \S+ failed/
--- grep_error_log_out eval
qr/^\[warn\] [^\n]* send\(\) to statsd 127\.0\.0\.1:\d+ failed\n?$/



=== TEST 12: statsd on a unix socket that is not there
--- http_config eval
'tecken_statsd unix:$TEST_NGINX_SERVER_ROOT/none.sock;' . $::Series
--- config eval: $::Config
--- init
main::get('/c?times=1000');
main::is(main::metric('tecken_statsd_sent_total'), 0, 'nothing sent');
main::ok(main::metric('tecken_statsd_dropped_total') > 10, 'dropped');
--- request
GET /c
--- response_body_like: ^\d+$
--- error_log
connect() to statsd unix:



=== TEST 13: statsd twice
--- http_config eval: "tecken_statsd 127.0.0.1; tecken_statsd [::1]; $::Zone"
--- config
--- must_die
--- error_log
"tecken_statsd" directive is duplicate



=== TEST 14: an option that is none
--- http_config eval: "tecken_statsd 127.0.0.1 namspace=x; $::Zone"
--- config
--- must_die
--- error_log
invalid parameter "namspace=x", it must be "namespace=NAME" or "tags=dogstatsd|none"



=== TEST 15: a namespace that is none
--- http_config eval: "tecken_statsd 127.0.0.1 namespace=a:b; $::Zone"
--- config
--- must_die
--- error_log
invalid parameter "namespace=a:b", the namespace is made of



=== TEST 16: no such port
--- http_config eval: "tecken_statsd 127.0.0.1:99999; $::Zone"
--- config
--- must_die
--- error_log
invalid port in statsd address "127.0.0.1:99999"



=== TEST 17: one name, two types
--- http_config eval
"$::Series tecken_probe_series t_total histogram;"
--- config
--- must_die
--- error_log
metric "t_total" is of two types



=== TEST 18: one series twice
--- http_config eval
"$::Series tecken_probe_series t_seconds histogram;"
--- config
--- must_die
--- error_log
duplicate metric "t_seconds{}"



=== TEST 19: labels that Prometheus would not read
--- http_config eval
$::Zone . q{tecken_probe_series a counter 'a="b",c=d';}
--- config
--- must_die
--- error_log
invalid name or labels of metric "a{a="b",c=d}"



=== TEST 20: more series than there is room for
--- http_config eval
$::Zone . join '', map { "tecken_probe_series h$_ histogram;\n" } 1 .. 200
--- config
--- must_die
--- error_log
no room for metric "h



=== TEST 21: a heartbeat without checks
--- http_config eval: $::Series
--- config eval: $::Config
--- request
GET /heartbeat
--- response_headers
Content-Type: application/json
Cache-Control: no-store
Content-Length: 30
--- response_body chomp
{"status": "ok", "checks": {}}
--- no_error_log
[error]



=== TEST 22: a failed check fails the heartbeat and is logged
--- http_config eval: $::Checks
--- config eval: $::Config
--- request
GET /heartbeat
--- error_code: 500
--- response_headers
Content-Type: application/json
Cache-Control: no-store
--- response_body_like eval: $::Failed
--- grep_error_log eval: qr/dockerflow: check [^:]*: .*/
--- grep_error_log_out eval
qr/^dockerflow: check "b"d" failed after \d+ms: the \\x22bucket\\x22 says: \\x01\xc3\xa9\n?$/



=== TEST 23: twenty at once are one run, and so is who comes just after
--- http_config eval: $::Checks
--- config eval: $::Config
--- init
my @sockets = map { main::client('/heartbeat') } 1 .. 20;
my %answers;
$answers{$_}++ for map { s/^Date:.*\r\n//mr } map { main::answer($_) } @sockets;
main::is_deeply([ values %answers ], [ 20 ], 'the same answer');
main::is(main::log_count('probe: check "slow", run'), 1, 'one run');
--- request
HEAD /heartbeat
--- error_code: 500
--- response_body:
--- error_log
probe: check "slow", run 1
--- no_error_log
probe: check "slow", run 2



=== TEST 24: after a second it is asked again
--- http_config eval
$::Zone . 'tecken_probe_check quick ok 0;'
--- config eval: $::Config =~ s/.*probe_ops.*\n//gr
--- init
TeckenTest::Process::wait_until('a second run', 5, sub {
    main::get('/heartbeat');
    return main::log_count('probe: check "quick", run 2');
});
--- request
GET /heartbeat
--- response_body_like chomp
^\{"status": "ok", "checks": \{"quick": \{"status": "ok", "latency_ms": \d+\}\}\}
--- error_log
probe: check "quick", run 2



=== TEST 25: clients that leave
--- http_config eval: $::Checks =~ s/ok 200;/ok 3000;/r
--- config eval: $::Config . 'location /status { stub_status; }'
--- log_level: info
--- init
my @sockets = map { main::client('/heartbeat') } 1 .. 5;
TeckenTest::Process::wait_until('all to wait, beside who asks', 5, sub {
    return main::get('/status') =~ /Writing: 6 /;
});
close $_ for @sockets[0 .. 3];
main::like(main::answer($sockets[4]), qr/^HTTP\S+ 500 /, 'one stays');
main::is(main::log_count('client prematurely closed connection'), 4,
         'the others left before the end');
--- request
GET /c
--- response_body_like: ^\d+$
--- no_error_log
[alert]



=== TEST 26: a body that arrives during the run, then the next request
--- http_config eval: $::Checks
--- config eval: $::Config
--- init
my $socket = main::client('/heartbeat', 'Content-Length: 6',
                          'Connection: keep-alive');
TeckenTest::Process::wait_until('the run', 5, sub {
    return main::log_count('probe: check "slow", run 1');
});
print $socket "abcdefGET /c HTTP/1.0\r\n\r\n";
main::like(main::answer($socket),
           qr{^HTTP/1.1 500 .*"\}\}\}HTTP/1.1 200 OK\r\n}s, 'both answered');
--- request
GET /c
--- response_body_like: ^\d+$
--- no_error_log
[alert]



=== TEST 27: a check that does not end, and a quit while it goes on
--- http_config eval
$::Zone . 'tecken_probe_check never ok 10500; tecken_probe_check quick ok 0;'
--- config eval: $::Config =~ s/.*probe_ops.*\n//gr
--- timeout: 60
--- request
GET /heartbeat
--- error_code: 500
--- response_body_like chomp
^\{"status": "error", "checks": \{"never": \{"status": "error", "latency_ms": (?:99\d\d|\d{5}), "error": "timed out"\}, "quick": \{"status": "ok", "latency_ms": \d+\}\}\}
--- error_log
dockerflow: check "never" failed after
--- no_shutdown_error_log
[alert]



=== TEST 28: the load balancer's heartbeat asks nobody
--- http_config eval: $::Checks
--- config
location = /lb { tecken_dockerflow lbheartbeat; }
--- request
GET /lb
--- response_headers
Content-Length: 0
Cache-Control: no-store
--- response_body:
--- no_error_log
probe: check



=== TEST 29: the version file as it is
--- http_config eval: $::Zone
--- config
location = /v { tecken_dockerflow version $TEST_NGINX_SERVER_ROOT/html/v.json; }
--- user_files
>>> v.json 202601020304.05
{"version":  "1.0",
 "commit": "abc"}
--- request
GET /v
--- response_headers
Content-Type: application/json
Content-Length: 38
Last-Modified: Fri, 02 Jan 2026 03:04:05 GMT
--- response_body
{"version":  "1.0",
 "commit": "abc"}



=== TEST 30: no version file, no complaint
--- http_config eval: $::Zone
--- config
location = /v { tecken_dockerflow version $TEST_NGINX_SERVER_ROOT/html/v.json; }
--- request
GET /v
--- error_code: 404
--- no_error_log
[error]



=== TEST 31: a version that is no file
--- http_config eval: $::Zone
--- config
location = /v { tecken_dockerflow version $TEST_NGINX_SERVER_ROOT/html; }
--- request
GET /v
--- error_code: 404
--- error_log eval
qr{\[error\].*dockerflow: ".*/html" is not a regular file}



=== TEST 32: an empty version file
--- http_config eval: $::Zone
--- config
location = /v { tecken_dockerflow version $TEST_NGINX_SERVER_ROOT/html/v.json; }
--- user_files
>>> v.json
--- request
GET /v
--- response_body:
--- no_error_log
[alert]



=== TEST 33: broken on purpose
--- http_config eval: $::Zone
--- config
location = /b { tecken_dockerflow broken; }
--- request
GET /b
--- error_code: 500
--- response_body_like: 500 Internal Server Error
--- error_log eval
qr/\[error\].*dockerflow: \/__broken__ was asked for, client: /



=== TEST 34: an "if" in the location changes nothing
--- http_config eval: $::Zone
--- config
location = /v {
    tecken_dockerflow version $TEST_NGINX_SERVER_ROOT/html/v.json;
    if ($arg_if) { set $a 1; }
}
location = /lb {
    tecken_dockerflow lbheartbeat;
    if ($arg_if) { set $a 1; }
}
--- user_files
>>> v.json
{"version":  "1.0"}
--- request eval
["GET /v?if=1", "GET /lb?if=1"]
--- error_code eval
[200, 200]
--- response_body eval
[qq({"version":  "1.0"}\n), '']
--- no_error_log
[error]



=== TEST 35: two answers for one location
--- http_config eval: $::Zone
--- config
location = /m { tecken_metrics; tecken_dockerflow lbheartbeat; }
--- must_die
--- error_log
"tecken_dockerflow" directive conflicts with another handler of the location in



=== TEST 36: two answers, the other way round
--- http_config eval: $::Zone
--- config
location = /m { proxy_pass http://127.0.0.1:1; tecken_metrics; }
--- must_die
--- error_log
"tecken_metrics" directive conflicts with another handler of the location in
