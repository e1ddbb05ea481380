# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Metrics of several workers, and of those that come after them.

use strict;
use warnings;

use IO::Socket::INET ();
use POSIX ();
use Test::Nginx::Socket 'no_plan';

use TeckenTest qw(:none);
use TeckenTest::Process qw(wait_until);

our $Series = <<'END';
tecken_zone tecken:8m;
tecken_probe_series a_total counter 'k="1"';
tecken_probe_series b_total counter;
tecken_probe_series b_seconds histogram 'k="1"';
END

our $Config = <<'END';
location /metrics    { tecken_metrics; }
location /a          { tecken_probe_ops 1; }
location /b          { tecken_probe_ops 2; }
location /h          { tecken_probe_ops 3; }
END


sub get
{
    my ($uri) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => server_port(), Timeout => 5)
        or return '';

    print $socket "GET $uri HTTP/1.0\r\nHost: localhost\r\n\r\n";

    local $/;
    my $text = <$socket> // '';
    return $text =~ s/.*?\r\n\r\n//sr;
}


# Counts until each of two workers has; returns how often.
sub spread
{
    my ($uri) = @_;

    my (%seen, $n);

    wait_until("both workers", 10, sub {
        my $pid = get($uri);
        return if $pid !~ /^\d+$/;

        $n++;
        $seen{$pid} = 1;
        return keys %seen == 2;
    });

    return $n;
}


sub metric
{
    my ($series) = @_;

    return get('/metrics') =~ /^\Q$series\E (\S+)$/m ? $1 : undef;
}


sub master
{
    open my $file, '<', server_root() . '/logs/nginx.pid' or die "pid: $!\n";

    return 0 + <$file>;
}


sub workers_now
{
    my @pids;

    for my $stat (glob '/proc/[0-9]*/stat') {
        open my $file, '<', $stat or next;
        my $text = <$file> // next;

        push @pids, $1 if $text =~ /^(\d+) \(.*\) [^Z] @{[ master() ]} /;
    }

    return @pids;
}


# Waits until none of the workers is one of those and both serve.
sub renewed
{
    my (@old) = @_;

    my %old = map { $_ => 1 } @old;

    wait_until('new workers', 20, sub {
        my @now = workers_now();
        return @now == 2 && !(grep { $old{$_} } @now) && get('/metrics');
    });
}


sub reload
{
    my @old = workers_now();

    kill HUP => master();
    renewed(@old);
}


# The running configuration with one change.
sub edit
{
    my ($change) = @_;

    my $path = server_root() . '/conf/nginx.conf';

    open my $file, '<', $path or die "$path: $!\n";
    local $_ = do { local $/; <$file> };
    $change->();
    open $file, '>', $path or die "$path: $!\n";
    print $file $_;
    close $file or die "$path: $!\n";
}


log_level('notice');
workers(2);
master_on();
run_tests();

__DATA__

=== TEST 1: the workers' counts are one sum
--- http_config eval: $::Series
--- config eval: $::Config
--- init
my $n = main::spread('/a');
main::is(main::metric('a_total{k="1"}'), $n, "sum of $n");
--- request
GET /metrics
--- response_body_like: (?m)^b_total 0$



=== TEST 2: a reload keeps values, whatever comes and goes beside them
--- http_config eval: $::Series
--- config eval: $::Config
--- init
my $n = main::spread('/a');
main::get('/h?n=1500');
my $created = main::metric('tecken_zone_created_seconds');
main::edit(sub {
    s/^.*series b_total.*\n/tecken_probe_series c_total counter;\n/m;
});
main::reload();
main::is(main::metric('a_total{k="1"}'), $n, 'the counter');
main::is(main::metric('b_seconds_sum{k="1"}'), '0.001500', 'the histogram');
main::is(main::metric('b_total'), undef, 'the series that went');
main::is(main::metric('c_total'), 0, 'the series that came');
main::get('/b?n=5');
main::is(main::metric('c_total'), 5, 'counts');
main::edit(sub { s/^.*series c_total.*\n/tecken_probe_series b_total counter;\n/m });
main::reload();
main::is(main::metric('b_total'), 0, 'the one that came back');
main::is(main::metric('tecken_zone_created_seconds'), $created, 'one zone');
--- request
GET /metrics
--- response_body_like: (?m)^b_seconds_count\{k="1"\} 1$
--- no_error_log
[alert]



=== TEST 3: another type under a known name begins at zero
--- http_config eval: $::Series
--- config eval: $::Config
--- init
main::get('/b?n=5');
main::edit(sub { s/b_total counter/b_total histogram/ });
main::reload();
main::get('/b?n=20');
main::is(main::metric('b_total_bucket{le="0.00005"}'), 1, 'as a histogram');
main::is(main::metric('b_total_sum'), '0.000020', 'alone');
main::edit(sub { s/b_total histogram/b_total counter/ });
main::reload();
--- request
GET /metrics
--- response_body_like: (?m)^b_total 5$



=== TEST 4: killed workers leave their counts
--- http_config eval: $::Series
--- config eval: $::Config
--- init
my $n = main::spread('/a');
my @old = main::workers_now();
kill KILL => @old;
main::renewed(@old);
main::is(main::metric('a_total{k="1"}'), $n, 'before');
my $more = main::spread('/a');
main::is(main::metric('a_total{k="1"}'), $n + $more, 'and after');
--- request
GET /metrics
--- response_body_like: (?m)^b_total 0$
--- error_log eval: qr/worker process \d+ exited on signal 9/



=== TEST 5: reloads under load lose no count
--- http_config eval: $::Series
--- config eval: $::Config
--- init
pipe my $read, my $write;
my $child = fork // die "fork: $!\n";
if (!$child) {
    my ($go, $n) = (1, 0);
    local $SIG{TERM} = sub { $go = 0 };
    while ($go) {
        $n++ if main::get('/b') =~ /^\d+$/;
    }
    syswrite $write, $n;
    POSIX::_exit(0);
}
close $write;
main::reload() for 1 .. 3;
kill TERM => $child;
my $n = <$read>;
waitpid $child, 0;
main::ok($n > 10, "$n answers");
main::is(main::metric('b_total'), $n, 'all counted');
--- request
GET /metrics
--- response_body_like: (?m)^b_seconds_count\{k="1"\} 0$
--- no_error_log
[alert]
