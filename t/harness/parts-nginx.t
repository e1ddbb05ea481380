#!/usr/bin/perl

# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# nginx under a scenario's control, and the load client.

use strict;
use warnings;

use Test::More;

use TeckenTest qw(:none);
use TeckenTest::FaultProxy;

# the modules are not what is tested here
delete $ENV{TEST_NGINX_LOAD_MODULES};

sub server
{
    my ($text) = @_;

    return "location / { return 200 $text; }
            location /slow { limit_rate 40k; root %%PREFIX%%/html; }";
}

my $nginx = nginx(server => server('one'), upgradable => 1);
TeckenTest::Process::write_file($nginx->prefix . '/html/slow', 'x' x 100_000);

subtest 'one nginx' => sub {
    is scalar($nginx->workers), 2, 'two workers';
    is $nginx->get('/')->{body}, 'one', 'GET';
    is $nginx->head('/')->{status}, 200, 'HEAD';
    is scalar($nginx->access_log), 2, 'access log';
    ok $nginx->wait_log(qr/start worker process/), 'error log';
    cmp_ok $nginx->rss, '>', 1 << 20, 'rss';
    cmp_ok $nginx->fds, '>', 8, 'fds';

    my $before = $nginx->cpu;
    my $result = $nginx->load(requests => 4000, connections => 20,
                              targets => [ '/' ], expect => 'one');
    is $result->{status}{200}, 4000, 'load';
    is $result->{failed}, 0, 'no failures' or diag explain $result;
    is $result->{connections}, 20, 'kept alive';
    cmp_ok $nginx->cpu, '>', $before, 'cpu';
    note "$result->{rate} requests/s";

    $result = $nginx->load(requests => 50, connections => 5, keepalive => 0,
                           targets => [ '/', { method => 'HEAD',
                                               target => '/' } ]);
    is $result->{status}{200}, 50, 'without keep-alive';
    is $result->{connections}, 50, 'one connection each';
};

subtest 'reload and upgrade under load' => sub {
    my $load = $nginx->load_start(connections => 20, targets => [ '/' ])
               ->wait_connected;
    my @old = $nginx->workers;

    my @new = $nginx->reload(server => server('two'), drained => 1);
    ok !(grep { my $pid = $_; grep { $_ == $pid } @new } @old), 'new workers';
    is $nginx->get('/')->{body}, 'two', 'new configuration';

    my $master = $nginx->master;
    $nginx->upgrade;
    isnt $nginx->master, $master, 'another master';
    is $nginx->get('/')->{body}, 'two', 'serves';

    my $result = $load->finish;
    is $result->{failed}, 0, 'no request was lost' or diag explain $result;
    is $result->{done}, $result->{status}{200}, 'all 200';
    is $result->{done}, $result->{sent}, 'all answered';
    note "$result->{done} requests, $result->{retried} retried";

    ok !eval { $nginx->reload(server => 'nonsense;'); 1 }, 'a bad file';
    like $@, qr/unknown directive "nonsense"/, 'is reported';
    $nginx->reload(server => server('two'));
};

subtest 'a drain' => sub {
    my $idle = $nginx->fds;
    my $load = $nginx->load_start(requests => 1, targets => [ '/slow' ]);
    wait_until('its connection', 5, sub { $nginx->fds > $idle });

    $nginx->reload;
    cmp_ok scalar($nginx->all_workers), '>', 2, 'an old worker still serves';
    my $result = $load->finish;
    is $result->{status}{200}, 1, 'and finishes';
    wait_until('it to go', 5, sub { $nginx->all_workers == 2 });
};

subtest 'kills' => sub {
    my ($first) = $nginx->workers;
    my @now = $nginx->kill_worker($first);
    ok !(grep { $_ == $first } @now), 'another worker';
    ok eval { $nginx->check; 1 }, 'we killed it ourselves' or diag $@;

    $nginx->crash;
    ok !eval { $nginx->get('/') }, 'all gone';
    $nginx->restart;
    is $nginx->get('/')->{body}, 'two', 'and back on the same port';
    is $nginx->stop, 0, 'stop';
};

subtest 'what must not be' => sub {
    my $other = nginx(server => 'return 200;');

    kill 'SEGV', ($other->workers)[0];
    $other->wait_log(qr/exited on signal 11/);
    ok !eval { $other->stop; 1 }, 'a worker that crashed';
    like $@, qr/exited on signal 11/, 'is reported';

    like(TeckenTest::Nginx->refuses(server => 'listen nowhere:x;'),
         qr/\[emerg\]/, 'a configuration that is refused');
    ok !eval { nginx(server => 'nonsense;') }, 'start dies';
    like $@, qr/unknown directive/, 'and says why';

    $other = nginx(server => 'return 200;');
    TeckenTest::Process::write_file($other->prefix . '/sanitizer.1',
        "==1==ERROR: AddressSanitizer: heap-use-after-free\n");
    ok !eval { $other->stop; 1 }, 'a report of a sanitizer';
    like $@, qr/heap-use-after-free/, 'is shown';
};

subtest 'failures are told apart' => sub {
    my $other = nginx(server => 'location / { return 200 ok; }');
    my $proxy = TeckenTest::FaultProxy->start(upstream => $other->port);
    my $failures = sub {
        $proxy->mode(@_);
        return TeckenTest::Load->run(
            port => $proxy->port, requests => 4, connections => 2,
            timeout => 0.3, targets => [ '/' ], expect => 'ok')->{failures};
    };

    is_deeply $failures->('pass'), {}, 'none';
    is_deeply $failures->('refuse'), { connect => 4 }, 'connect';
    is_deeply $failures->('close'), { closed => 4 }, 'closed';
    is_deeply $failures->('cut_after', body => 1), { closed => 4 }, 'cut';
    is_deeply $failures->('reset_after', after => 9), { reset => 4 }, 'reset';
    is_deeply $failures->('stall'), { timeout => 4 }, 'timeout';
    is_deeply $failures->('garbage'), { bad => 4 }, 'bad';
    is_deeply $failures->('corrupt_after', body => 0), { body => 4 }, 'body';

    $other->reload(http => 'keepalive_timeout 100ms;');
    my $result = $other->load(
        requests => 8, connections => 4, think => 300, targets => [ '/' ]);
    is $result->{status}{200}, 8, 'idle connections that are closed';
    is $result->{failed}, 0, 'are no failures';
    $other->stop;
};

subtest 'thousands of clients' => sub {
    my $other = nginx(server => 'location / { return 200 ok; }
                                 keepalive_requests 100000;',
                      connections => 4000, log_level => 'warn');

    my $load = $other->load_start(
        connections => 3000, requests => 6000, targets => [ '/' ],
        gather => 1, expect => 'ok')->wait_connected;
    cmp_ok $other->fds, '>', 3000, 'all at the same time';
    my $result = $load->wait_result;

    is $result->{failed}, 0, 'no failures' or diag explain $result;
    is $result->{status}{200}, 6000, 'all answered';
    $other->stop;
};

done_testing;
