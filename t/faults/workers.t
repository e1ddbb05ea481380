# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# A worker is killed or stopped while it looks things up for others.

use strict;
use warnings;

use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);

use TeckenTest qw(:s3 :proxy);
use TeckenTest::Faults;

my $proxy = proxy();

my $nginx = downloads(
    bad => 'connect_timeout=1s timeout=6s deadline=8s retries=1',
    server => 'location = /pid { return 200 $pid; }');


# A connection that is kept knows its worker.
sub client
{
    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $nginx->port(1), Timeout => 10)
        or die "connect: $!";

    syswrite $socket, "GET /pid HTTP/1.1\r\nHost: localhost\r\n\r\n";

    my $text = '';
    while ($text !~ /\r\n\r\n(\d+)/) {
        sysread $socket, $text, 4096, length $text or die "no pid\n";
    }

    return { socket => $socket, pid => $text =~ s/.*\r\n\r\n//sr };
}


# n clients of each of the two workers
sub clients
{
    my ($n) = @_;

    my %by;

    return TeckenTest::wait_until('clients of both workers', 20, sub {
        my $client = client();
        my $list = $by{ $client->{pid} } //= [];
        push @$list, $client if @$list < $n;

        my @full = grep { @$_ == $n } values %by;
        return @full == 2 && \@full;
    });
}


sub ask
{
    my ($path, @clients) = @_;

    for my $client (@clients) {
        @$client{qw(started text)} = (time, '');
        syswrite $client->{socket}, "GET $path HTTP/1.1\r\nHost: localhost"
                                    . "\r\nConnection: close\r\n\r\n";
    }

    return @clients;
}


# The clients of both workers wait for one lookup of the first one's.
sub waiting
{
    my ($path, $here, $there) = @_;

    my $before = $proxy->count;

    ask($path, $here->[0]);
    $proxy->wait_for($before + 1, 10);

    my @waiting = ask($path, @$there, @$here[1 .. $#$here]);
    $nginx->get('/alive') for 1 .. 4;

    is $proxy->count, $before + 1, 'one lookup for all';

    return @waiting;
}


# a sanitizer would report the second one
for my $signal (slow_tools() ? "KILL" : qw(KILL SEGV)) {
    subtest "$signal of a worker whose lookup others wait for" => sub {
        my ($here, $there) = @{ clients(4) };
        my $path = store('bad');

        $proxy->mode('pass');
        $proxy->mode('stall');
        waiting($path, $here, $there);

        $proxy->mode('pass');
        $nginx->kill_worker($here->[0]{pid}, $signal);

        my @answers = answer(15, @$there);
        is scalar(grep { $_->{status} != 302 } @answers), 0,
           'the other worker takes over';
        cmp_ok [ sort { $b <=> $a } map { $_->{time} } @answers ]->[0], '<',
               7.5, 'soon';

        settled($nginx);
        is $nginx->get($path)->{status}, 302, 'is known';
        is metric($nginx, 'tecken_cache_resets'), 0, 'the table is whole';
    };
}


subtest 'KILL again and again under load' => sub {
    $proxy->mode('latency', ms => 5);

    my @paths = map { fresh() . '?_refresh' } 1 .. 100;
    my $load = $nginx->load_start(targets => \@paths, connections => 32);
    $load->wait_connected;

    for (1 .. 6) {
        my $before = $proxy->count;
        $nginx->kill_worker(($nginx->workers)[ $_ & 1 ]);
        $proxy->wait_for($before + 50, 10);
    }

    my $result = $load->finish;

    # what the dead worker had is lost with its connections
    is $result->{failures}{timeout}, undef, 'nobody hangs';
    cmp_ok $result->{failed}, '<=', 6 * 32, 'only its clients lose';
    is_deeply [ grep { $_ != 404 } keys %{ $result->{status} } ], [],
              'right answers';

    $proxy->mode('pass');
    settled($nginx, 20);
};


subtest 'STOP of a worker whose lookup others wait for' => sub {
    my ($here, $there) = @{ clients(3) };
    my $path = store('bad');

    $proxy->mode('stall');
    waiting($path, $here, $there);

    kill 'STOP', $here->[0]{pid};
    $proxy->mode('pass');

    # its time is the storage's deadline and a second
    my @answers = answer(20, @$there);
    is scalar(grep { $_->{status} != 302 } @answers), 0,
       'the other worker takes over';
    cmp_ok [ sort { $b <=> $a } map { $_->{time} } @answers ]->[0], '<',
           9 + $Slack, 'when its time is over';

    kill 'CONT', $here->[0]{pid};

    @answers = answer(20, @$here);
    is scalar(grep { $_->{status} == 0 } @answers), 0,
       'the one that was stopped answers too';

    $nginx->get($path);
    settled($nginx);
};


settled($nginx);
quiet($nginx, qr/exited on signal/);
is $nginx->stop, 0, 'a clean end';

done_testing();
