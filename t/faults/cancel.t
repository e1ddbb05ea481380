# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Operations on a storage that are given up at any moment: while a name is
# looked up, in the queue, while they connect, send, receive, or wait for
# another attempt.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep);

use TeckenTest qw(:s3 :proxy :dns);
use TeckenTest::Faults;

my $proxy = proxy();
my $dns = dns();

my $nginx = downloads(
    workers => 1, log_level => 'notice',
    bad => 'connect_timeout=300ms timeout=300ms deadline=600ms retries=3',
    http => <<'END',
    tecken_connections 24;
    resolver 127.0.0.1:$TEST_NGINX_DNS_PORT ipv6=off valid=1s;
    tecken_resolver_timeout 300ms;
    tecken_storage signed http://127.0.0.1:$TEST_NGINX_PROXY_PORT/public
                   prefix=bad access_key=$TEST_NGINX_S3_ACCESS_KEY
                   secret_key=$TEST_NGINX_S3_SECRET_KEY connect_timeout=300ms
                   timeout=300ms deadline=600ms retries=3;
    tecken_storage named http://s3.localhost:$TEST_NGINX_PROXY_PORT/public
                   prefix=bad access=public list=on connect_timeout=300ms
                   timeout=300ms deadline=600ms retries=3;
END
    server => <<'END',
    location /s3/    { tecken_probe_store signed; client_max_body_size 10m; }
    location /named/ { tecken_probe_store named; }
END
);

my ($worker) = $nginx->workers;

$dns->set('s3.localhost' => '127.0.0.1');

my $big = 'cancelled ' x 60_000;
TeckenTest::s3()->put('public', 'bad/cancel/big', $big);
TeckenTest::s3()->put('public', "bad/cancel/list/$_", 'x') for 1 .. 20;


# A request of each kind.
sub requests
{
    my $key = 'cancel/' . substr fresh(), 1, 20;
    my $put = "PUT /s3/$key HTTP/1.1\r\nHost: localhost\r\n"
              . "Content-Length: 200000\r\n\r\n" . 'p' x 200_000;

    return $put,
        map { "$_ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" }
            'GET /s3/cancel/big?drop',
            'GET /s3/cancel/big?drop&slow=9000&pause=5',
            'GET /s3/cancel/big?drop&cancel=1000', 'HEAD /s3/cancel/big',
            'GET /s3/?list=cancel/list/', 'GET /s3/?check',
            'HEAD /named/cancel/big', 'GET /named/cancel/big?drop',
            'GET ' . fresh();
}


sub send_requests
{
    my ($rounds) = @_;

    my @clients;

    for (1 .. $rounds) {
        for my $text (requests()) {
            my $socket = IO::Socket::INET->new(
                PeerAddr => '127.0.0.1', PeerPort => $nginx->port(1),
                Timeout => 10, Blocking => 1) or die "connect: $!\n";

            # nginx may be slow to read a body: what it took is enough
            $socket->blocking(0);
            syswrite $socket, $text;
            push @clients, { socket => $socket };
        }
    }

    return @clients;
}


for my $case (
    ['pass'], ['stall'], ['noread'], ['refuse'], ['reset'], ['close'],
    ['half_head'], ['garbage'], ['huge_headers'],
    ['latency', ms => 50], ['slow', bytes => 20_000, ms => 5],
    ['reset_after', after => 5000], ['cut_after', after => 5000],
    ['stall_after', after => 5000], ['endless', framing => 'chunked'],
    ['endless', framing => 'length'], ['status', status => 503],
    ['status', status => 503, early => 1], ['status', status => 403],
) {
    my ($mode, @arguments) = @$case;

    subtest "$mode @arguments" => sub {
        $proxy->mode($mode, @arguments);
        my $worst = 0;

        # after moments that grow, a time or two beyond all deadlines
        for my $moment (0, 0.01, 0.03, 0.08, 0.2) {
            $dns->mode($moment > 0.02 ? 'answer' : 'silent');

            my @clients = send_requests(2);
            my ($time) = timed(sub { $nginx->get('/alive') });
            $worst = $time if $time > $worst;
            sleep $moment;

            # in an order of their own
            for (sort { $a->[0] <=> $b->[0] } map { [ rand, $_ ] } @clients) {
                close $_->[1]{socket};
            }
        }

        cmp_ok $worst, '<', 0.3 * $Slack, 'the worker has time';
        is_deeply [ $nginx->workers ], [ $worker ], 'the same worker';

        $proxy->mode('pass');
        $dns->mode('answer');

        my $got = TeckenTest::wait_until('places for transfers', 10, sub {
            my $answer = $nginx->get('/s3/cancel/big',
                                     port => $nginx->port(1));
            return $answer->{status} == 200 && $answer;
        });
        is length $got->{body}, length $big, 'the whole object';
        ok $got->{body} eq $big, 'to the byte';
        is $nginx->get('/s3/?list=cancel/list/',
                       port => $nginx->port(1))->{body} =~ tr/\n//, 20,
           'the whole list';
    };
}


settled($nginx);
cmp_ok $nginx->fds($worker), '<', 100, 'no descriptor is left';
quiet($nginx);
is $nginx->stop, 0, 'a clean end';

done_testing();
