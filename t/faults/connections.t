# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# nginx's connections and those to sources run out.

use strict;
use warnings;

use Test::More;

use TeckenTest qw(:s3 :proxy);
use TeckenTest::Faults;
use TeckenTest::Process qw(slurp wait_until);

my $proxy = proxy();
my $options = 'connect_timeout=1s timeout=1s deadline=2s retries=1';

# no attempt is to end before the source answers
my $patient = 'connect_timeout=5s timeout=20s deadline=30s retries=1';


sub all_well
{
    my ($nginx) = @_;

    $proxy->mode('pass');
    settled($nginx);

    my ($there, $hidden) = (store('good'), store('bad'));
    my @answers = answer(20, map { begin($nginx->port, $_) }
                             $there, $hidden, fresh());
    is_deeply [ map { $_->{status} } @answers ], [ 302, 302, 404 ],
              'all is well after it';
}


# how many transfers at a time, what the source does
for my $case (
    [1, 'pass'], [1, 'stall'], [3, 'pass'], [3, 'latency'], [3, 'reset'],
    [3, 'status'],
) {
    my ($n, $mode) = @$case;

    subtest "$n transfers at a time, $mode" => sub {
        my $nginx = downloads(bad => $options, workers => 1,
                              http => "tecken_connections $n;");
        my ($worker) = $nginx->workers;

        $proxy->mode($mode, ms => 5);

        # more than may wait
        my @clients = map { begin($nginx->port(1), fresh()) } 1 .. 120;
        my @answers = answer(20, @clients);

        is scalar(grep { $_->{status} != 404 && $_->{status} != 503 }
                       @answers), 0, 'all are answered';
        cmp_ok [ sort { $b <=> $a } map { $_->{time} } @answers ]->[0], '<',
               2 + $Slack, 'in time';

        # a queue of 16 for each place
        my $served = grep { $_->{status} == 404 } @answers;
        my $queued = $n * 17 < 120 ? $n * 17 : 120;
        cmp_ok $served, '>=', $queued - 1, "$served are served"
            if $mode eq 'pass';

        all_well($nginx);
        is_deeply [ $nginx->workers ], [ $worker ], 'the same worker';
        quiet($nginx);
        is $nginx->stop, 0, 'a clean end';
    };
}


subtest 'clients in the queue leave' => sub {
    my $nginx = downloads(bad => $options, workers => 1,
                          http => 'tecken_connections 3;');

    $proxy->mode('stall');
    my @clients = map { begin($nginx->port(1), fresh()) } 1 .. 40;
    $nginx->get('/alive');

    # every other one, then those that have a place
    close $clients[$_ * 2]{socket} for 0 .. 19;
    $proxy->mode('pass');

    my @answers = answer(20, @clients[ map { $_ * 2 + 1 } 0 .. 19 ]);
    is scalar(grep { $_->{status} != 404 && $_->{status} != 503 } @answers),
       0, 'the others are answered';
    cmp_ok scalar(grep { $_->{status} == 404 } @answers), '>=', 15,
           'most of them after all';

    all_well($nginx);
    quiet($nginx);
    is $nginx->stop, 0, 'a clean end';
};


for my $n (32, 64) {
    for my $mode (qw(pass stall)) {
        subtest "worker_connections $n, $mode" => sub {
            my $nginx = downloads(bad => $options, workers => 1,
                                  connections => $n);
            my ($worker) = $nginx->workers;

            $proxy->mode($mode);

            # nginx closes those it has no connection for; none may hang
            my @clients = map { begin($nginx->port(1), fresh()) } 1 .. 150;
            my @answers = answer(20, @clients);
            my %status;
            $status{ $_->{status} }++ for @answers;

            my @others = grep { !/^(?:0|404|503)$/ } keys %status;
            is_deeply \@others, [], 'a good answer, a 503 or none';
            is scalar(grep { $_->{time} > 4 + $Slack } @answers), 0,
               'in time';

            all_well($nginx);
            is_deeply [ $nginx->workers ], [ $worker ], 'the same worker';
            quiet($nginx, qr/worker_connections are not enough/);
            is $nginx->stop, 0, 'a clean end';
        };
    }
}


subtest 'connections run out while transfers begin' => sub {
    my $nginx = downloads(bad => $options, workers => 1, connections => 64);

    # idle clients take them
    my @idle = map {
        IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                              PeerPort => $nginx->port) // die "connect: $!"
    } 1 .. 45;

    $proxy->mode('latency', ms => 20);
    my $got = 0;

    for (1 .. 10) {
        my @answers = answer(20, map { begin($nginx->port(1), fresh()) }
                                 1 .. 20);
        $got += grep { $_->{status} == 404 } @answers;
    }

    cmp_ok $got, '>', 0, "$got of 200 are served";
    close $_ for @idle;

    all_well($nginx);
    quiet($nginx, qr/worker_connections are not enough/);
    is $nginx->stop, 0, 'a clean end';
};


# Registrations of a worker's epoll.
sub registered
{
    my ($worker) = @_;

    my $n = 0;

    for my $file (glob "/proc/$worker/fdinfo/*") {
        $n += () = slurp($file) =~ /^tfd:/mg;
    }

    return $n;
}


# What is registered without clients: the worker has answered one, and the
# connections of those before it are closed when the number stays.
sub at_rest
{
    my ($nginx) = @_;

    my ($worker) = $nginx->workers;
    my $before = -1;

    metric($nginx, 'tecken_cache_flights');

    wait_until('connections to end', 10, sub {
        my $last = $before;
        $before = registered($worker);
        return $before == $last;
    });

    return $before;
}


# So many lookups at once leave as many idle connections to the source.
sub leave_idle
{
    my ($nginx, $n, $before) = @_;

    my ($worker) = $nginx->workers;

    # none ends before all have begun
    $proxy->mode('hold');
    my @clients = map { begin($nginx->port(1), fresh()) } 1 .. $n;
    wait_until('all requests', 10, sub { $proxy->stats->{held} == $n });
    $proxy->mode('pass');

    is scalar(grep { $_->{status} == 404 } answer(20, @clients)), $n,
       'lookups';
    settled($nginx);

    cmp_ok registered($worker) - $before, '>=', $n, 'they are kept';
}


subtest 'clients need what idle connections to a source have' => sub {
    my $nginx = downloads(bad => $patient, workers => 1, connections => 64);
    my ($worker) = $nginx->workers;
    my $there = store('good');

    leave_idle($nginx, 15, at_rest($nginx));
    $nginx->get($there);

    # all of nginx's connections but a few
    my @clients = map {
        IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                              PeerPort => $nginx->port) // die "connect: $!"
    } 1 .. 50;

    syswrite $_, "GET $there HTTP/1.1\r\nHost: localhost\r\n"
                 . "Connection: close\r\n\r\n" for @clients;

    my @answers = answer(20, map { { socket => $_, started => time } }
                             @clients);
    is scalar(grep { $_->{status} == 302 } @answers), 50, 'clients get them';

    all_well($nginx);
    quiet($nginx, qr/worker_connections are not enough/);
    is $nginx->stop, 0, 'a clean end';
};


subtest 'a source that closes idle connections' => sub {
    my $nginx = downloads(bad => $patient, workers => 1);
    my ($worker) = $nginx->workers;

    my $before = at_rest($nginx);
    leave_idle($nginx, 20, $before);

    # an event that stays would be told again and again
    $proxy->mode('refuse');
    wait_until('them to be forgotten', 10,
               sub { registered($worker) == $before });
    pass 'they are forgotten';

    all_well($nginx);
    leave_idle($nginx, 20, $before);

    quiet($nginx);
    is $nginx->stop, 0, 'a clean end';
};


done_testing();
