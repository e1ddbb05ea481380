#!/usr/bin/perl

# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# The statsd listener and the DNS server.

use strict;
use warnings;

use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);

use TeckenTest qw(:statsd :dns);
use TeckenTest::Nginx;

my $out = IO::Socket::INET->new(
    PeerAddr => '127.0.0.1', PeerPort => $ENV{TEST_NGINX_STATSD_PORT},
    Proto => 'udp');

subtest 'statsd keeps datagrams' => sub {
    $out->send("a.b:1|c|#x:1,y\na.b:2|c|\@0.5");
    $out->send("t:1.5|ms\n");

    my ($time) = statsd->wait_for('t', 2);
    is "$time->{value} $time->{type}", '1.5 ms', 'waited for';
    is scalar(statsd->datagrams), 2, 'two datagrams';

    my ($first) = statsd->wait_for(qr/^a\./, 2, 2);
    is_deeply $first->{tags}, [ 'x:1', 'y' ], 'tags';
    is statsd->total('a.b'), 5, 'total, rates undone';
    is_deeply [ statsd->errors ], [], 'no errors';

    ok !eval { statsd->wait_for('never', 0.1) }, 'a deadline';
    like $@, qr/timed out/, 'says so';

    statsd->clear;
    $out->send("n:$_|g") for 1 .. 2000;
    is scalar(statsd->wait_for('n', 5, 2000)), 2000, 'a burst';
};

subtest 'statsd grammar' => sub {
    for my $good ('a:1|c', 'a:-1.5|g', 'a:+3|g', 'a:1e3|h', 'a:1|d', 'a:u-1|s',
                  'a:1|c|@0.1', 'a:1|c|@1', 'a:1|c|@0.25|#a:b', 'a:1|c|#t',
                  'a:1|ms|#url:http://x/,b:c:d')
    {
        ok eval { TeckenTest::Statsd::parse($good); 1 }, $good;
    }

    for my $bad ('', "\n", 'a', 'a:1', 'a:|c', 'a:x|c', 'a:1|x', 'a:1|c|',
                 'a:1|c|@', 'a:1|c|@0', 'a:1|c|@2', 'a:1|c|#', 'a:1|c|#a,',
                 'a:1|c|#a: b', 'a:1|c|#a|@1', ' a:1|c', 'a b:1|c', 'a:1|c ',
                 "a:1|c\n\nb:1|c", "a:1|c\r\nb:1|c", 'a:1|c' . ' ' x 1428,
                 'a:nan|g', '1a:1|c', "a:1|c\n\n", 'a:1,2|c', 'a:1|c|#a:')
    {
        (my $name = $bad) =~ s/[^ -~]/~/g;
        ok !eval { TeckenTest::Statsd::parse($bad); 1 },
           '"' . substr($name, 0, 30) . '"';
    }

    ok !eval { TeckenTest::Statsd::parse('a:1|s|#' . 'x' x 1426); 1 },
       'a large datagram';

    $out->send('what?');
    like((statsd->errors)[0], qr/bad line "what\?"/, 'errors()');
};

subtest 'dns through nginx' => sub {
    dns->set('one.test' => '127.0.0.1', 'two.test' => [ '127.0.0.1' ]);

    my $nginx = TeckenTest::Nginx->start(
        http => "resolver 127.0.0.1:$ENV{TEST_NGINX_DNS_PORT} ipv6=off;
                 resolver_timeout 200ms;
                 server { listen 127.0.0.1:%%PORT_1%%; return 200 fine; }",
        server => 'location / { proxy_pass http://$arg_name:%%PORT_1%%/; }');

    my $ask = sub { $nginx->get("/?name=$_[0]")->{status} };

    is $ask->('one.test'), 200, 'an address';
    is $ask->('absent.test'), 502, 'no such name';
    is dns->queries('one.test'), 1, 'counted';

    dns->set('gone.test' => '127.0.0.1');
    dns->mode('silent', name => 'gone.test');
    is $ask->('gone.test'), 502, 'silence';
    is $ask->('two.test'), 200, 'the other one answers';

    for my $mode (qw(servfail nxdomain refused)) {
        dns->mode($mode);
        dns->set("$mode.test" => '127.0.0.1');
        is $ask->("$mode.test"), 502, $mode;
    }

    dns->mode('answer', ms => 100);
    dns->set('late.test' => '127.0.0.1');
    my $start = time;
    is $ask->('late.test'), 200, 'late';
    cmp_ok time - $start, '>=', 0.1, 'by so much';

    $nginx->stop;
};

done_testing;
