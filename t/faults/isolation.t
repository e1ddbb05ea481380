# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# A source that stalls, or whose name nobody resolves, slows no other source
# and no other location.

use strict;
use warnings;

use Test::More;

use TeckenTest qw(:s3 :proxy :dns);
use TeckenTest::Faults;

my $options = 'connect_timeout=1s timeout=2s deadline=4s retries=1';
my $proxy = proxy();


# The worst time of some requests.
sub worst
{
    my ($nginx, $port, @paths) = @_;

    my $worst = 0;

    for my $path (@paths) {
        my ($time, $answer) = timed(sub {
            $nginx->get($path, port => $nginx->port($port)) });
        die "$path: $answer->{status}\n" if $answer->{status} >= 500;
        $worst = $time if $time > $worst;
    }

    return $worst;
}


# While clients wait for the bad source.
sub others_go_on
{
    my ($nginx, @waiting) = @_;

    my @there = map { store('good') } 1 .. 3;

    cmp_ok worst($nginx, 0, ('/alive') x 30), '<', 0.2 * $Slack,
           'the worker has time';
    cmp_ok worst($nginx, 2, @there, map { fresh() } 1 .. 10), '<',
           0.4 * $Slack, 'the other source is as fast as ever';

    my @good = answer(20, map { begin($nginx->port(2), fresh()) } 1 .. 50);
    is scalar(grep { $_->{status} == 404 } @good), 50, 'for many';

    my @early = grep { defined $_->{text} } @waiting;
    is scalar(@early), 0, 'while others wait';

    my @answers = answer(20, @waiting);
    is scalar(grep { $_->{status} != 503 } @answers), 0, 'and get a 503';
    cmp_ok [ sort { $b <=> $a } map { $_->{time} } @answers ]->[0], '<',
           4 + $Slack, 'within the deadline';

    settled($nginx);
    quiet($nginx);
    is $nginx->stop, 0, 'a clean end';
}


for my $case (
    ['places for all', '', 150],
    ['a few places', 'tecken_connections 16;', 150],
    ['very few places', 'tecken_connections 4;', 60],
) {
    my ($name, $http, $n) = @$case;

    subtest "a source stalls, $name" => sub {
        my $nginx = downloads(bad => $options, workers => 1, http => $http);

        $proxy->mode('pass');
        worst($nginx, 1, fresh());
        $proxy->mode('stall');
        my $before = $proxy->count;

        my @waiting = map { begin($nginx->port(1), fresh()) } 1 .. $n;
        $proxy->wait_for($before + 2, 10);

        others_go_on($nginx, @waiting);
    };
}


subtest 'two of three stall' => sub {
    my $nginx = downloads(
        bad => $options, workers => 1,
        http => <<'END',
    tecken_connections 16;
    tecken_storage worse http://127.0.0.1:$TEST_NGINX_PROXY_PORT/public
                   prefix=worse access=public list=on connect_timeout=1s
                   timeout=2s deadline=4s retries=1;
    server {
        listen 127.0.0.1:%%PORT_3%%;
        tecken_sources worse;
        location / { tecken_download; }
    }
END
    );

    $proxy->mode('stall');
    my $before = $proxy->count;
    my @waiting = map { begin($nginx->port($_ & 1 ? 1 : 3), fresh()) }
                  1 .. 100;
    $proxy->wait_for($before + 10, 10);

    others_go_on($nginx, @waiting);
};


subtest 'a name that nobody resolves' => sub {
    dns()->mode('silent');

    my $nginx = downloads(
        bad => $options, workers => 1,
        bad_url => 'http://bad.test:$TEST_NGINX_PROXY_PORT/public',
        http => 'resolver 127.0.0.1:$TEST_NGINX_DNS_PORT ipv6=off;
                 tecken_resolver_timeout 1500ms;');

    my @waiting = map { begin($nginx->port(1), fresh()) } 1 .. 150;
    TeckenTest::wait_until('a query', 10,
                           sub { dns()->queries('bad.test') });

    others_go_on($nginx, @waiting);
};


subtest 'clients of a name that nobody resolves go' => sub {
    dns()->mode('silent');

    my $nginx = downloads(
        bad => $options, workers => 1,
        bad_url => 'http://bad.test:$TEST_NGINX_PROXY_PORT/public',
        http => 'resolver 127.0.0.1:$TEST_NGINX_DNS_PORT ipv6=off;
                 tecken_resolver_timeout 1500ms;');

    dns()->clear;
    my @waiting = map { begin($nginx->port(1), fresh()) } 1 .. 100;
    TeckenTest::wait_until('a query', 10,
                           sub { dns()->queries('bad.test') });
    close $_->{socket} for @waiting;

    settled($nginx);
    cmp_ok worst($nginx, 0, '/alive'), '<', 0.2 * $Slack, 'alive';
    quiet($nginx);
    is $nginx->stop, 0, 'a clean end';
};


done_testing();
