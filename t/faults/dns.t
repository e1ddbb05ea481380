# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# A storage by host name, when DNS is silent, late, wrong or has news.

use strict;
use warnings;

use Test::More;

use TeckenTest qw(:s3 :proxy :dns);
use TeckenTest::Faults;

my $deadline = 1.2;
my $name = 's3.localhost';

my $dns = dns();
my $proxy = proxy();

my $nginx = downloads(
    workers => 1,
    bad => 'connect_timeout=400ms timeout=400ms deadline=1200ms retries=2',
    bad_url => 'http://s3.localhost:$TEST_NGINX_PROXY_PORT/public',
    http => 'resolver 127.0.0.1:$TEST_NGINX_DNS_PORT ipv6=off valid=1s;
             tecken_resolver_timeout 500ms;');

$dns->set($name => '127.0.0.1');


# So that the resolver has to ask again.
sub expired
{
    my $before = $dns->queries($name);

    TeckenTest::wait_until("a query for $name", 15, sub {
        $nginx->get(fresh(), port => $nginx->port(1));
        return $dns->queries($name) > $before;
    });
}


subtest 'names resolve' => sub {
    my $path = store('bad');
    my $answer = $nginx->get($path);

    is $answer->{status}, 302, 'found';
    is $answer->{headers}{location},
       "http://$name:$ENV{TEST_NGINX_PROXY_PORT}/public/bad$path",
       'by its name';
    is $nginx->get(fresh())->{status}, 404, 'missing in both';
};


# what DNS says, and whether that is known at once
for my $case (
    ['silent', {}, 0],
    ['nxdomain', {}, 1],
    ['servfail', {}, 1],
    ['refused', {}, 1],
    ['answer', { ms => 3000 }, 0],
    ['nxdomain', { ms => 200 }, 1],
) {
    my ($mode, $options, $quick) = @$case;

    subtest join(' ', $mode, %$options) => sub {
        my ($there, $hidden) = (store('good'), store('bad'));

        $dns->mode($mode, %$options);
        expired();

        my ($other, $none) = answer(15, begin($nginx->port, $there),
                                    begin($nginx->port, fresh()));

        is $other->{status}, 302, 'the other source has it';
        is $none->{status}, 503, 'nobody knows';
        cmp_ok $_->{time}, '<', ($quick ? 0.6 : $deadline) + $Slack, 'in time'
            for $other, $none;
        like $nginx->error_log, qr/could not resolve "$name"/, 'is told';

        $dns->mode('answer');
        my $answer = TeckenTest::wait_until('it to heal', 10, sub {
            my $answer = $nginx->get($hidden, port => $nginx->port(1));
            return $answer->{status} != 503 && $answer;
        });
        is $answer->{status}, 302, 'heals';
    };
}


subtest 'late, but in time' => sub {
    my $path = store('bad');

    $dns->mode('answer', ms => 150);
    expired();
    is $nginx->get($path)->{status}, 302, 'found';
    $dns->mode('answer');
};


subtest 'clients leave while a name is looked up' => sub {
    $dns->mode('silent');
    expired();

    my @paths = map { fresh() } 1 .. 20;
    my @clients = map { begin($nginx->port(1), $_) } @paths, @paths;
    close $_->{socket} for @clients[0 .. 24];

    my @answers = answer(15, @clients[25 .. 39]);
    is scalar(grep { $_->{status} != 503 } @answers), 0,
       'those that stay are answered';

    settled($nginx);
    $dns->mode('answer');
};


subtest 'DNS answers while clients leave' => sub {
    for my $ms (50, 100, 150) {
        $dns->mode('answer', ms => $ms);
        expired();

        my @paths = map { fresh() } 1 .. 20;
        my @clients = map { begin($nginx->port, $_) } @paths, @paths;
        close $_->{socket} for @clients[0 .. 19];

        my @answers = answer(15, @clients[20 .. 39]);
        is scalar(grep { $_->{status} != 404 } @answers), 0,
           'those that stay are answered';
    }

    settled($nginx);
    $dns->mode('answer');
};


subtest 'one name, an address that is dead and one that is not' => sub {
    $dns->set($name => [ '127.0.0.1', '127.9.9.9' ]);
    expired();

    my @answers = map { $nginx->get(fresh(), port => $nginx->port(1)) } 1 .. 8;
    is scalar(grep { $_->{status} != 404 } @answers), 0,
       'the second attempt goes to the other';
    $dns->set($name => '127.0.0.1');
};


subtest 'the address changes' => sub {
    $dns->set($name => '127.9.9.9');
    expired();

    TeckenTest::wait_until('the old address to be left', 10, sub {
        $nginx->get(fresh(), port => $nginx->port(1))->{status} == 503;
    });

    $dns->set($name => '127.0.0.1');
    TeckenTest::wait_until('the new address', 10, sub {
        $nginx->get(fresh(), port => $nginx->port(1))->{status} == 404;
    });
    pass 'is followed';
};


settled($nginx);
quiet($nginx);
is $nginx->stop, 0, 'a clean end';

done_testing();
