# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Reloads, upgrades and ends, with lookups under way: no request fails, nothing
# stays behind.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(time);

use TeckenTest qw(:s3 :proxy);
use TeckenTest::Faults;

my $options = 'connect_timeout=2s timeout=5s deadline=10s retries=1';
my $proxy = proxy();

$proxy->mode('pass');
my @there = map { store('bad') } 1 .. 3;


# Known and unknown keys, for ever.
sub start_load
{
    my ($nginx, $n) = @_;

    my $load = $nginx->load_start(
        targets => [ '/alive', map { ($_, fresh() . '?_refresh') } @there ],
        connections => $n, timeout => 20);

    return $load->wait_connected;
}


sub no_request_failed
{
    my ($load) = @_;

    my $result = $load->finish;

    is $result->{failed}, 0, "$result->{done} requests, none failed"
        or diag(join "\n", @{ $result->{samples} });
    is_deeply [ sort keys %{ $result->{status} } ], [ 200, 302, 404 ],
              'right answers';
}


subtest '50 reloads under load' => sub {
    my $nginx = downloads(bad => $options, log_level => 'notice');
    my $load = start_load($nginx, 8);

    # lookups that take longer than a reload
    $proxy->mode('latency', ms => 400, path => qr/slow/);

    my (%first, @slow);

    for my $n (1 .. 50) {
        push @slow, begin($nginx->port(1), fresh('slow')) for 1 .. 3;
        $nginx->get('/alive') for 1 .. 4;

        $nginx->reload(drained => $n % 10 == 0);

        if ($n == 10) {
            %first = (rss => $nginx->rss($nginx->master),
                      fds => $nginx->fds($nginx->master),
                      workers => $nginx->rss, sockets => $nginx->fds);
        }
    }

    my @answers = answer(20, @slow);
    is scalar(grep { $_->{status} != 404 } @answers), 0,
       'lookups that began before a reload are answered';

    no_request_failed($load);

    $proxy->mode('pass');
    is scalar($nginx->all_workers), 2, 'old workers are gone';

    my $kib = ($nginx->rss($nginx->master) - $first{rss}) / 1024;
    cmp_ok $kib, '<', slow_tools() ? 1e6 : 1024, "the master grew by $kib KiB";
    cmp_ok $nginx->fds($nginx->master), '<=', $first{fds}, 'its descriptors';

    $kib = ($nginx->rss - $first{workers}) / 1024;
    cmp_ok $kib, '<', slow_tools() ? 1e6 : 4096, "workers grew by $kib KiB";

    settled($nginx);
    quiet($nginx);
    is $nginx->stop, 0, 'a clean end';
};


subtest 'upgrades of the program under load' => sub {
    my $nginx = downloads(bad => $options, upgradable => 1,
                          main => 'env ASAN_OPTIONS;');
    my $load = start_load($nginx, 8);

    $proxy->mode('latency', ms => 400, path => qr/slow/);

    for (1 .. 2) {
        my @slow = map { begin($nginx->port(1), fresh('slow')) } 1 .. 5;
        $nginx->get('/alive') for 1 .. 4;
        $nginx->upgrade;

        is scalar(grep { $_->{status} != 404 } answer(20, @slow)), 0,
           'lookups that began before are answered';
    }

    no_request_failed($load);
    $proxy->mode('pass');

    settled($nginx);
    quiet($nginx);
    is $nginx->stop, 0, 'a clean end';
};


subtest 'an upgrade that is taken back' => sub {
    my $nginx = downloads(bad => $options, upgradable => 1,
                          main => 'env ASAN_OPTIONS;');
    my $old = $nginx->master;
    my $pid = $nginx->prefix . '/nginx.pid';
    my $load = start_load($nginx, 4);

    kill 'USR2', $old;
    my $new = TeckenTest::wait_until('a new master', 20, sub {
        my $now = TeckenTest::Process::slurp($pid);
        return $now && $now != $old && $now + 0;
    });

    $nginx->{master} = $new;
    TeckenTest::wait_until('its workers', 20, sub { $nginx->workers == 2 });
    $nginx->{master} = $old;

    my @slow = map { begin($nginx->port(1), fresh('slow')) } 1 .. 5;
    $nginx->get('/alive') for 1 .. 4;

    kill 'WINCH', $old;
    TeckenTest::wait_until('old workers to end', 20,
                           sub { $nginx->all_workers == 0 });

    kill 'HUP', $old;
    TeckenTest::wait_until('old workers to be back', 20,
                           sub { $nginx->workers == 2 });
    kill 'QUIT', $new;
    TeckenTest::wait_until('the new master to end', 20,
                           sub { !TeckenTest::Process::alive($new) });

    is scalar(grep { $_->{status} != 404 } answer(20, @slow)), 0,
       'lookups are answered';
    no_request_failed($load);

    quiet($nginx);
    is $nginx->stop, 0, 'a clean end';
};


subtest 'QUIT with lookups under way' => sub {
    my $nginx = downloads(bad => $options);

    $proxy->mode('latency', ms => 500);
    my $before = $proxy->count;
    my $path = fresh();

    # two workers, one lookup and those who wait for it; a lookup each
    my @clients = map { begin($nginx->port(1), $_) }
                  ($path) x 10, map { fresh() } 1 .. 10;
    $proxy->wait_for($before + 11, 10);

    is $nginx->stop('QUIT'), 0, 'a clean end';
    is scalar(grep { $_->{status} != 404 } answer(20, @clients)), 0,
       'all are answered';
    quiet($nginx);
    $proxy->mode('pass');
};


subtest 'QUIT while an attempt fails and a queue waits' => sub {
    my $nginx = downloads(bad => $options, workers => 1,
                          http => 'tecken_connections 2;');

    $proxy->mode('status', status => 503, first => 1);
    $proxy->add('latency', ms => 50);
    my $before = $proxy->count;
    my @clients = map { begin($nginx->port(1), fresh()) } 1 .. 10;
    $proxy->wait_for($before + 1, 10);
    $nginx->get('/alive');

    is $nginx->stop('QUIT'), 0, 'a clean end';
    is scalar(grep { $_->{status} != 404 } answer(20, @clients)), 0,
       'all are answered';
    quiet($nginx);
    $proxy->mode('pass');
};


for my $mode (qw(stall pass refuse)) {
    subtest "TERM with lookups under way, $mode" => sub {
        my $nginx = downloads(bad => $options);

        $proxy->mode($mode);
        my @clients = map { begin($nginx->port(1), fresh()) } 1 .. 50;
        $nginx->get('/alive') for 1 .. 4;

        my ($time) = timed(sub { $nginx->stop('TERM') });
        cmp_ok $time, '<', 2 + $Slack, 'ends at once';
        quiet($nginx);
        $proxy->mode('pass');
    };
}


subtest 'worker_shutdown_timeout' => sub {
    my $nginx = downloads(bad => $options,
                          main => 'worker_shutdown_timeout 1s;');

    $proxy->mode('pass');
    $nginx->get(fresh(), port => $nginx->port(1)) for 1 .. 4;
    $proxy->mode('stall');
    my $before = $proxy->count;

    my @clients = map { begin($nginx->port(1), fresh()) } 1 .. 20;
    $proxy->wait_for($before + 20, 10);

    my ($time) = timed(sub { $nginx->reload(drained => 1) });
    cmp_ok $time, '<', 3 + $Slack, 'old workers do not wait for the source';

    answer(5, @clients);
    $proxy->mode('pass');
    settled($nginx);

    # nginx itself says so of connections that it ends like that
    quiet($nginx, qr/open socket .* left in connection|aborting/);
    is $nginx->stop, 0, 'a clean end';
};


done_testing();
