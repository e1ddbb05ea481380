# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# What the suites of t/faults share: an nginx between a storage that is
# broken and one that is not, keys, and the state that must come back after
# every fault.

package TeckenTest::Faults;

use strict;
use warnings;

use Exporter 'import';
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);

use TeckenTest ();
use TeckenTest::HTTP ();
use TeckenTest::Process qw(wait_until);

our @EXPORT = qw(
    $Slack answer begin downloads fresh metric quiet settled slow_tools store
    symbol timed
);

# what time limits may be exceeded by; instrumented programs are slow
our $Slack = slow_tools() ? 8 : 4;

my $serial = 0;


sub slow_tools
{
    return $ENV{TEST_NGINX_USE_VALGRIND}
           || ($ENV{TEST_NGINX_BINARY} // '') =~ /asan|sanitize/;
}


# Servers on %%PORT%% (both storages, the broken one first), %%PORT_1%% (only
# the broken one) and %%PORT_2%% (only the good one).  "bad" and "good" are
# options of the storages, "server" is for all servers, "http" as ever.
sub downloads
{
    my (%options) = @_;

    my $bad = delete $options{bad} // '';
    my $good = delete $options{good} // '';
    my $zone = delete $options{zone} // '4m';
    my $server = delete $options{server} // '';
    my $url = delete $options{bad_url}
              // 'http://127.0.0.1:$TEST_NGINX_PROXY_PORT/public';
    my $good_url = delete $options{good_url}
                   // 'http://127.0.0.1:$TEST_NGINX_S3_PORT/public';

    # what stays when a reload() names only a part
    my $locations = <<"END";
        location / { tecken_download; }
        location = /alive { return 200 "alive"; }
        location = /metrics { tecken_metrics; }
        $server
END

    my $http = <<"END";
    tecken_zone tecken:$zone;
    tecken_storage bad  $url prefix=bad access=public list=on $bad;
    tecken_storage good $good_url prefix=good access=public list=on $good;
    keepalive_requests 1000000;

    server {
        listen 127.0.0.1:%%PORT_1%% backlog=4096;
        tecken_sources bad;
        $locations
    }

    server {
        listen 127.0.0.1:%%PORT_2%% backlog=4096;
        tecken_sources good;
        $locations
    }
END

    my %text = (
        http => $http . ($options{http} // ''),
        server => "tecken_sources bad good;\n$locations",
    );

    return %text if delete $options{text};

    return TeckenTest::nginx(%options, %text);
}


# A path that no source knows.
sub fresh
{
    my ($name) = @_;

    return symbol(($name // 'fresh') . $$ . '-' . $serial++);
}


sub symbol
{
    my ($name) = @_;

    return "/$name.pdb/0123456789ABCDEF0123456789ABCDEF1/$name.sym";
}


# A path that the source of that prefix knows, "good" or "bad".
sub store
{
    my ($prefix, $path) = @_;

    $path //= fresh($prefix);

    my $answer = TeckenTest::s3()->put('public', $prefix . $path, 'x');
    die "store $path: $answer->{status}\n" if $answer->{status} != 200;

    return $path;
}


# (seconds, answer)
sub timed
{
    my ($code) = @_;

    my $start = time;
    my $answer = $code->();

    return (time - $start, $answer);
}


# A request is sent; options: method, keep.  Its answer may be awaited by
# answer(), or not at all: close() the socket.
sub begin
{
    my ($port, $path, %options) = @_;

    my $method = $options{method} // 'GET';

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 60)
        or die "connect: $!\n";

    syswrite $socket, "$method $path HTTP/1.1\r\nHost: localhost\r\n"
                      . "Connection: close\r\n\r\n";

    return { socket => $socket, started => time };
}


# { status, headers, body, time } of each; the status is 0 where none came.
sub answer
{
    my ($seconds, @clients) = @_;

    my $end = time + $seconds;
    my %open = map { (fileno $_->{socket}) => $_ } @clients;

    while (%open && time < $end) {
        my $bits = '';
        vec($bits, $_, 1) = 1 for keys %open;
        select $bits, undef, undef, $end - time;

        for my $fd (grep { vec $bits, $_, 1 } keys %open) {
            my $client = $open{$fd};
            next if sysread $client->{socket}, $client->{text}, 65536,
                            length($client->{text} // '');
            $client->{time} = time - $client->{started};
            delete $open{$fd};
        }
    }

    return map { _parsed($_) } @clients;
}


sub _parsed
{
    my ($client) = @_;

    my ($head, $body) = split /(?<=\r\n\r\n)/, $client->{text} // '', 2;
    my $answer = TeckenTest::HTTP::parse_response($head // '')
                 // { status => 0, headers => {} };

    return { %$answer, body => $body // '', time => $client->{time} // 1e9 };
}


# A series of /metrics, with its labels if any.
sub metric
{
    my ($nginx, $series) = @_;

    my $answer = $nginx->get('/metrics');

    return $answer->{body} =~ /^\Q$series\E (\S+)$/m ? $1 : undef;
}


# Waits until no lookup is under way.
sub settled
{
    my ($nginx, $seconds) = @_;

    my $left = eval {
        wait_until('all lookups to end', $seconds // 15,
                   sub { metric($nginx, 'tecken_cache_flights') == 0 });
        0;
    } // metric($nginx, 'tecken_cache_flights');

    is $left, 0, 'no lookup is left';
}


# The log has nothing that an operator is to be woken for.
sub quiet
{
    my ($nginx, $except) = @_;

    my @lines = grep { /\[(?:alert|crit|emerg)\]/ }
                split /\n/, $nginx->error_log;
    @lines = grep { !/$except/ } @lines if defined $except;

    is scalar @lines, 0, 'no alert in the log'
        or diag(join "\n", @lines > 10 ? @lines[0 .. 9] : @lines);

    $nginx->check;
}


1;
