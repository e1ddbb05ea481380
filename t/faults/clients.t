# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# 10,000 clients leave in the middle of their lookups: nothing of them stays.

use strict;
use warnings;

use Test::More;

use TeckenTest qw(:s3 :proxy);
use TeckenTest::Faults;

my $proxy = proxy();

my $nginx = downloads(
    workers => 1, connections => 4096, log_level => 'notice',
    bad => 'connect_timeout=2s timeout=5s deadline=8s retries=1',
    http => 'tecken_connections 400;');

my ($worker) = $nginx->workers;
my $gone = 0;


# Waits until nginx has seen all of them go.
sub noticed
{
    my ($fds) = @_;

    TeckenTest::wait_until('nginx to notice', 20,
                           sub { $nginx->fds($worker) <= $fds });
}


# Clients that go when nginx has their request, in waves; $path makes a path.
sub waves
{
    my ($n, $size, $path) = @_;

    my $fds = $nginx->fds($worker);

    for (1 .. $n) {
        my @wave = map { begin($nginx->port(1), $path->()) } 1 .. $size;

        # a request that was read has been worked on
        $nginx->get('/alive');
        close $_->{socket} for @wave;
        $gone += $size;
    }

    noticed($fds + 400);
}


sub warm_up
{
    $proxy->mode('pass');

    $nginx->load(targets => [ map { fresh() . '?_refresh' } 1 .. 200 ],
                 requests => 2000, connections => 100);
}


warm_up();
$proxy->mode('stall');
waves(5, 200, \&fresh);
$proxy->mode('pass');
settled($nginx);

my ($rss, $fds) = ($nginx->rss($worker), $nginx->fds($worker));


for my $mode (qw(stall half_head latency pass)) {
    subtest "a key each, $mode" => sub {
        $proxy->mode($mode, ms => 100);
        waves(6, 250, \&fresh);
        settled($nginx);
    };

    subtest "a key for all, $mode" => sub {
        $proxy->mode($mode, ms => 100);
        my $key = fresh();
        waves(4, 250, sub { $key });
        settled($nginx);
    };
}


subtest 'gone before nginx reads their requests' => sub {
    $proxy->mode('stall');

    kill 'STOP', $worker;
    close begin($nginx->port(1), fresh())->{socket} for 1 .. 200;
    kill 'CONT', $worker;

    # a lookup that nobody stops takes 8 s
    my ($time) = timed(sub {
        TeckenTest::wait_until('all requests to be read', 20, sub {
            return 200 <= grep { m{"GET /fresh.*" 499 } }
                               ($nginx->access_log)[-220 .. -1];
        });
        settled($nginx);
    });
    cmp_ok $time, '<', 2 + $Slack, 'are noticed';
};


subtest 'some stay' => sub {
    $proxy->reset;
    $proxy->mode('hold');

    my @keys = map { fresh() } 1 .. 50;
    my @leave = map { begin($nginx->port(1), $_) } @keys;
    $proxy->wait_for(50, 10);
    my @stay = map { begin($nginx->port(1), $_) } @keys;
    $nginx->get('/alive');
    close $_->{socket} for @leave;

    my %left = map { $_ => 1 } @keys;
    TeckenTest::wait_until('nginx to notice', 20, sub {
        return 50 == grep { m{"GET (\S+) .*" 499 } && $left{$1} }
                          $nginx->access_log;
    });

    $proxy->mode('pass');
    my @answers = answer(20, @stay);
    is scalar(grep { $_->{status} != 404 } @answers), 0,
       'who waited takes over';
    is $proxy->count, 50, 'what is under way';
    settled($nginx);
};


subtest 'after all that' => sub {
    $proxy->mode('pass');
    cmp_ok $gone, '>=', 10_000, "$gone clients have gone";

    is_deeply [ $nginx->workers ], [ $worker ], 'the same worker';

    my ($time, $answer) = timed(sub {
        $nginx->get(fresh(), port => $nginx->port(1)) });
    is $answer->{status}, 404, 'answers';
    cmp_ok $time, '<', 0.5 * $Slack, 'at once';

    # kept connections to the source are within tecken_connections
    cmp_ok $nginx->fds($worker), '<=', $fds + 400, 'no descriptor is left';

    my $growth = ($nginx->rss($worker) - $rss) / 1024;
    cmp_ok $growth, '<', slow_tools() ? 1e6 : 4096, "grew by $growth KiB";

    quiet($nginx);
    is $nginx->stop, 0, 'a clean end';
};


done_testing();
