# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# The smallest zone under a flood of keys; a statsd that is not there.

use strict;
use warnings;

use Test::More;

use TeckenTest qw(:s3 :proxy);
use TeckenTest::Faults;
use TeckenTest::Process qw(free_port);

my $options = 'connect_timeout=1s timeout=2s deadline=4s retries=1';
my $proxy = proxy();


# Missing keys at once, which the proxy answers by itself.
sub flood
{
    my ($nginx, $n) = @_;

    $proxy->mode('status', status => 404);

    return $nginx->load(targets => [ map { fresh() } 1 .. $n ],
                        port => $nginx->port(1), requests => $n,
                        connections => 64, timeout => 20);
}


subtest 'more keys than the zone has room for' => sub {
    my $nginx = downloads(bad => $options, zone => '1m');
    my $capacity = metric($nginx, 'tecken_cache_capacity_keys');

    my $result = flood($nginx, $capacity + 2000);

    is $result->{failed}, 0, 'no request fails';
    is_deeply [ keys %{ $result->{status} } ], [ 404 ], 'all are answered';
    cmp_ok metric($nginx, 'tecken_cache_keys'), '<=', $capacity, 'bounded';
    cmp_ok metric($nginx, 'tecken_cache_evictions'), '>=', 1900,
           'the oldest go';
    is metric($nginx, 'tecken_cache_resets'), 0, 'the table is whole';

    $proxy->mode('pass');
    my $path = store('bad');
    is $nginx->get($path)->{status}, 302, 'and all is well';
    my $before = $proxy->count;
    is $nginx->get($path)->{status}, 302, 'again';
    is $proxy->count, $before, 'from memory';

    settled($nginx);
    unlike $nginx->error_log, qr/no memory|ngx_slab_alloc/, 'no error';
    quiet($nginx);
    is $nginx->stop, 0, 'a clean end';
};


subtest 'more lookups than the zone has room for' => sub {
    my $patient = 'connect_timeout=1s timeout=2s deadline=60s retries=9';
    my $nginx = downloads(bad => $patient, zone => '1m', workers => 1,
                          connections => 8192);

    $proxy->mode('hold');
    my $before = $proxy->count;
    my @clients = map { begin($nginx->port(1), fresh()) } 1 .. 300;
    $proxy->wait_for($before + 100, 10);
    $proxy->mode('status', status => 404);

    my @answers = answer(60, @clients);
    is scalar(grep { $_->{status} != 404 } @answers), 0, 'all are answered';

    settled($nginx);
    quiet($nginx);
    is $nginx->stop, 0, 'a clean end';
};


for my $target ('127.0.0.1:' . free_port(),
                'unix:%%PREFIX%%/nobody.sock')
{
    subtest "no statsd at $target" => sub {
        my $nginx = eval {
            downloads(bad => $options,
                      http => "tecken_statsd $target;");
        };

        if (!$nginx) {
            plan skip_all => 'statsd by UDP only' if $target =~ /unix/;
            die $@;
        }

        my $result = flood($nginx, 500);
        is $result->{failed}, 0, 'no request fails';
        is_deeply [ keys %{ $result->{status} } ], [ 404 ],
                  'all are answered';
        cmp_ok $result->{latency}{p99}, '<', 0.5 * $Slack, 'as fast';

        my @lines = $nginx->error_log =~ /statsd/g;
        cmp_ok scalar(@lines), '<', 20, 'the log is not flooded';

        quiet($nginx);
        is $nginx->stop, 0, 'a clean end';
    };
}


done_testing();
