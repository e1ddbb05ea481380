# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# One table for all workers: flights over two of them, a herd, kill -9,
# reload, a full zone.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);

use TeckenTest qw(:none);
use TeckenTest::Probe qw(ask begin client clients finish put status take);

my $keys = 0;


sub wait_flights
{
    my ($client, $n) = @_;

    TeckenTest::wait_until("$n flights", 15,
                           sub { status($client)->{flights} == $n });
}


# also, what others have left behind is over
sub idle_clients
{
    my ($nginx, $n) = @_;

    my $clients = clients($nginx, $n);
    wait_flights($clients->[0][0], 0);

    return $clients;
}


sub tally
{
    my %count;
    $count{ $_ // 'nothing' }++ for @_;
    return \%count;
}


sub start_nginx
{
    my ($zone, %options) = @_;

    return nginx(
        http => "tecken_zone tecken:$zone; keepalive_requests 1000000;
                 keepalive_timeout 600s;",
        server => 'location = /probe { tecken_probe_cache; }',
        connections => 2048, %options,
    );
}


my $nginx = start_nginx('4m');


subtest 'one table' => sub {
    my ($here, $there) = map { $_->[0] } @{ clients($nginx, 1) };

    ask($here, 'op=set&key=t&value=7&ttl=60');
    is ask($there, 'op=get&key=t'), 'hit 7', 'a value of another worker';
    ask($there, 'op=delete&key=t');
    is ask($here, 'op=get&key=t'), 'miss', 'deleted by another worker';

    my $start = time;
    ask($here, 'op=set&key=t&value=7&ttl=1');
    my ($set, $hit, $hits) = (time, 0, 0);
    TeckenTest::wait_until('its end', 10, sub {
        my $asked = time;
        return 1 if ask($there, 'op=get&key=t') ne 'hit 7';
        ($hit, $hits) = ($asked, $hits + 1);
        return 0;
    });
    cmp_ok time - $start, '>=', 0.95, 'not before its time';
    ok $hits, 'fresh';
    cmp_ok $hit - $set, '<', 1.3, 'not long after it';
};


# the owner, what each of four others does, what they get, what stays
for my $case (
    ['land', 'value=7', 'owner landed 7', { 'waited ok 7' => 4 }, 'hit 7'],
    ['told', 'value=7&ttl=0', 'owner landed 7', { 'waited ok 7' => 4 },
     'miss'],
    ['fail', 'result=fail', 'owner failed', { 'waited error' => 4 }, 'miss'],
    ['leave', 'result=leave', 'owner left',
     { 'waited then owner landed 8' => 1, 'waited ok 8' => 3 }, 'hit 8'],
    ['late', 'value=7&hold=2700&timeout=900', 'owner landed 7',
     { 'waited then owner landed 8' => 1, 'waited ok 8' => 3 }, 'hit 8'],
    ['late fail', 'result=fail&hold=1800&timeout=900', 'owner failed',
     { 'waited then owner landed 8' => 1, 'waited ok 8' => 3 }, 'hit 8', 1800],
) {
    my ($name, $args, $first, $others, $after, $hold) = @$case;
    $hold //= 50;

    subtest "flight: $name" => sub {
        my ($here, $there) = @{ idle_clients($nginx, 3) };
        my $key = 'key=f' . $keys++;

        put($here->[0], "op=join&$args&hold=1200&$key");
        wait_flights($here->[1], 1);

        my @waiting = map { put($_, "op=join&hold=$hold&value=8&$key") }
                      @$here[1, 2], @$there[0, 1];

        is_deeply tally(map { take($_) } @waiting), $others, 'others';
        is take($here->[0]), $first, 'owner';
        is ask($there->[2], "op=get&$key"), $after, 'after';
        wait_flights($here->[0], 0);
    };
}


subtest 'waiters of other workers alone' => sub {
    my ($here, $there) = @{ idle_clients($nginx, 4) };
    my $witness = pop @$there;

    put($here->[0], 'op=join&key=o&hold=1200&result=leave');
    wait_flights($here->[1], 1);
    put($_, 'op=join&key=o&hold=50&value=8') for @$there;

    is_deeply tally(map { take($_) } @$there),
              { 'waited then owner landed 8' => 1, 'waited ok 8' => 2 },
              'one follows';
    cmp_ok $there->[0]{seconds}, '<', 8, 'soon';

    put($here->[0], 'op=join&key=p&hold=20000&timeout=25000&value=1');
    wait_flights($here->[1], 1);
    put($_, 'op=join&key=p') for @$there;
    status($witness);    # is read after these
    ask($here->[1], 'op=set&key=p&value=2');

    is_deeply tally(map { take($_) } @$there), { 'waited ok 2' => 3 },
              'a value that is set ends the flight';
    cmp_ok $there->[2]{seconds}, '<', 10, 'soon';
    close $here->[0]{socket};
};


subtest 'a result is kept while new flights start' => sub {
    my ($here, $there) = @{ idle_clients($nginx, 2) };

    put($here->[0], 'op=join&key=u&hold=1200&value=7&ttl=0');
    wait_flights($here->[1], 1);
    put($there->[0], 'op=join&key=u&value=8');

    is take($here->[0]), 'owner landed 7', 'lands';
    is ask($here->[0], "op=join&key=u$_"), 'owner landed 1', 'another'
        for 1 .. 8;
    is take($there->[0]), 'waited ok 7', 'who looks later';
};


subtest 'the owner\'s client goes' => sub {
    my ($here, $there) = @{ idle_clients($nginx, 2) };

    put($here->[0], 'op=join&key=g&hold=9000');
    wait_flights($here->[1], 1);
    put($_, 'op=join&key=g&hold=50&value=2') for $here->[1], $there->[0];
    close $here->[0]{socket};

    is_deeply tally(take($here->[1]), take($there->[0])),
              { 'waited then owner landed 2' => 1, 'waited ok 2' => 1 },
              'one follows';
};


subtest 'a herd' => sub {
    my @herd = map { client($nginx) } 1 .. 512;
    my %pids = map { $_->{pid} => 1 } @herd;

    is scalar(keys %pids), 2, 'two workers';

    put($_, 'op=join&key=h&hold=300&value=5') for @herd;

    my $got = tally(map { take($_) } @herd);
    is $got->{'owner landed 5'}, 1, 'one owner';
    is $got->{'waited ok 5'} + ($got->{'hit 5'} // 0), 511,
       'its value for all';

    # each of 512 follows the one before, or finds it done
    put($_, 'op=join&key=i&result=leave') for @herd[0 .. 99];
    is_deeply [ sort keys %{ tally(map { take($_) } @herd[0 .. 99]) } ],
              [ 'owner left', 'waited then owner left' ], 'one by one';
};


subtest 'kill -9 of the owner' => sub {
    my ($here, $there) = @{ idle_clients($nginx, 3) };

    put($here->[0], 'op=join&key=k&hold=30000&timeout=40000');
    wait_flights($there->[0], 1);
    put($_, 'op=join&key=k&hold=50&value=8&timeout=40000') for @$there;
    $nginx->kill_worker($here->[0]{pid});

    is_deeply tally(map { take($_) } @$there),
              { 'waited then owner landed 8' => 1, 'waited ok 8' => 2 },
              'one follows';
    cmp_ok $there->[0]{seconds}, '<', 20, 'before its time is over';
};


subtest 'kill -9 of the owner, nobody waits yet' => sub {
    my ($here, $there) = @{ idle_clients($nginx, 1) };

    put($here->[0], 'op=join&key=l&hold=30000&timeout=40000');
    wait_flights($there->[0], 1);
    $nginx->kill_worker($here->[0]{pid});

    is ask($there->[0], 'op=join&key=l&value=8'),
       'waited then owner landed 8', 'who comes follows';
    cmp_ok $there->[0]{seconds}, '<', 20, 'before its time is over';
};


subtest 'kill -9 amid a change of the table' => sub {
    my ($here, $there) = @{ idle_clients($nginx, 2) };
    my $resets = status($there->[0])->{resets};

    ask($here->[0], "op=set&key=m$_&value=3") for 1 .. 100;
    is ask($here->[0], 'op=kill'), undef, 'no answer';

    is ask($there->[0], 'op=set&key=n&value=4'), 'ok', 'others go on';
    is ask($there->[0], 'op=get&key=n'), 'hit 4', 'and store';
    is ask($there->[0], 'op=get&key=m7'), 'miss', 'what was broken is gone';

    my $status = status($there->[0]);
    is $status->{resets}, $resets + 1, 'is counted';
    is $status->{keys}, 1, 'one key';

    $nginx->{killed}{ $here->[0]{pid} } = 1;
    TeckenTest::wait_until('a new worker', 10,
                           sub { 2 == grep { $_ != $here->[0]{pid} }
                                      $nginx->workers });

    my ($one, $two) = @{ clients($nginx, 2) };
    put($one->[0], 'op=join&key=q&hold=1200&value=5');
    wait_flights($one->[1], 1);
    is ask($two->[0], 'op=join&key=q'), 'waited ok 5', 'flights too';
    is take($one->[0]), 'owner landed 5', 'lands';
};


subtest 'reload while a flight is under way' => sub {
    my ($here, $there) = @{ idle_clients($nginx, 2) };

    put($here->[0], 'op=join&key=r&hold=5000&timeout=10000&value=6');
    wait_flights($here->[1], 1);
    put($there->[0], 'op=join&key=r');
    my %old = map { $_ => 1 } $nginx->workers;
    $nginx->reload;

    my ($one, $two) = @{ clients($nginx, 1) };
    ok !$old{ $_->[0]{pid} }, 'a new worker' for $one, $two;
    put($_->[0], 'op=join&key=r&value=1') for $one, $two;

    is take($here->[0]), 'owner landed 6', 'the old owner lands';
    is take($there->[0]), 'waited ok 6', 'for the old worker';
    is take($_->[0]), 'waited ok 6', 'for a new worker' for $one, $two;

    TeckenTest::wait_until('the old workers to go', 10, sub {
        return !grep { $old{$_} } $nginx->all_workers;
    });
};


subtest 'a new size is a new zone' => sub {
    my ($here, $there) = @{ clients($nginx, 2) };
    ask($here->[0], 'op=set&key=s&value=6');

    # requests that the old workers have begun to read
    begin($_->[0]) for $here, $there;
    status($_->[1]) for $here, $there;

    $nginx->reload(http => 'tecken_zone tecken:2m;');
    my ($new) = @{ clients($nginx, 1) };
    is ask($new->[0], 'op=get&key=s'), 'miss', 'empty';

    # the old zone is none of the master's any more
    is take(finish($here->[0], 'op=kill')), undef, 'an old worker is killed';
    $nginx->{killed}{ $here->[0]{pid} } = 1;
    is take(finish($there->[0], 'op=get&key=s')), 'miss',
       'the other old one goes on';
};


is $nginx->stop, 0, 'a clean end';


subtest 'a full zone' => sub {
    my $small = start_nginx('1m', workers => 1);
    my $client = client($small);
    my $capacity = status($client)->{capacity};

    ask($client, "op=set&key=z$_&value=$_") for 1 .. 20;
    ask($client, 'op=bench&n=' . ($capacity - 20));
    ask($client, "op=set&key=y$_&value=$_") for 1 .. 10;

    is ask($client, 'op=get&key=z10'), 'miss', 'the oldest ten are gone';
    is ask($client, 'op=get&key=z11'), 'hit 11', 'no other is';

    my $status = status($client);
    is $status->{keys}, $capacity, 'full';
    is $status->{evictions}, 10, 'ten evictions';

    # many new keys go through, but never a zone full within a second
    my $n = int($capacity / 6);
    my $rounds = 0;

    TeckenTest::wait_until('the zone to be filled again', 30, sub {
        sleep 0.35;
        ask($client, 'op=get&key=y1');
        ask($client, 'op=bench&n=' . ($n + $rounds));
        return $rounds++ == 8;
    });

    is ask($client, 'op=get&key=y1'), 'hit 1', 'a key in use stays';
    is ask($client, 'op=get&key=y2'), 'miss', 'one that is not goes';
};


done_testing();
