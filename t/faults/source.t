# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# A source that fails: how often it is asked, for how long, what clients get,
# and that it hides and spoils nothing.

use strict;
use warnings;

use POSIX ();
use Test::More;

use TeckenTest qw(:s3 :proxy);
use TeckenTest::Faults;
use TeckenTest::Process qw(fork_child kill_pid);

# the sum of three attempts is more than the deadline
my $options = 'connect_timeout=400ms timeout=400ms deadline=1s retries=2';
my $deadline = 1;

my $nginx = downloads(bad => $options, workers => 1);
my $proxy = proxy();

my $found = qr{^http://127\.0\.0\.1:$ENV{TEST_NGINX_S3_PORT}/public/good/};
my $healed = qr{^http://127\.0\.0\.1:$ENV{TEST_NGINX_PROXY_PORT}/public/bad/};


# The attempts at a path.
sub attempts { return $proxy->count('HEAD', qr/\Q$_[0]\E\z/) }


# what the source does, with what, how often it may be asked for one lookup
# (the least, the most), and whether that takes no time to notice
for my $case (
    ['refuse',          [],                              0, 0, 1],
    ['reset',           [],                              0, 0, 1],
    ['close',           [],                              3, 3, 1],
    ['noread',          [],                              0, 0, 0],
    ['stall',           [],                              2, 3, 0],
    ['half_head',       [],                              2, 3, 0],
    ['half_head_close', [],                              3, 3, 1],
    ['stall_after',     [after => 20],                   2, 3, 0],
    ['reset_after',     [after => 20],                   3, 3, 1],
    ['cut_after',       [after => 20],                   3, 3, 1],
    ['slow',            [bytes => 1, ms => 100],         2, 3, 0],
    ['latency',         [ms => 4000],                    2, 3, 0],
    ['garbage',         [],                              3, 3, 1],
    ['huge_headers',    [],                              3, 3, 1],
    ['status',          [status => 500],                 3, 3, 1],
    ['status',          [status => 502],                 3, 3, 1],
    ['status',          [status => 503],                 3, 3, 1],
    ['status',          [status => 504],                 3, 3, 1],
    ['status',          [status => 429],                 3, 3, 1],
    ['status',          [status => 403],                 1, 1, 1],
    ['status',          [status => 400],                 1, 1, 1],
    ['status',          [status => 501],                 1, 1, 1],
    ['redirect',        [location => 'http://127.0.0.1:9/'], 1, 1, 1],
) {
    my ($mode, $arguments, $least, $most, $quick) = @$case;
    my $limit = ($quick ? 0 : $deadline) + $Slack;

    subtest "$mode @$arguments" => sub {
        my ($there, $hidden, $nowhere) = (store('good'), store('bad'), fresh());

        $proxy->reset;

        # a connection that is kept from before fails like a new one
        is $nginx->get(fresh(), port => $nginx->port(1))->{status}, 404,
           'before';

        $proxy->mode($mode, @$arguments);

        my ($other, $none, $head) = answer(10,
            begin($nginx->port, $there), begin($nginx->port, $nowhere),
            begin($nginx->port(1), $hidden, method => 'HEAD'));

        is $other->{status}, 302, 'the other source has it';
        like $other->{headers}{location}, $found, 'and is told';
        cmp_ok $other->{time}, '<', $limit, 'in time';

        is $none->{status}, 503, 'nobody knows';
        is $none->{body}, 'Symbol lookup failed, try again later', 'body';
        like $none->{headers}{'retry-after'}, qr/^[1-9]\d*$/, 'Retry-After';
        cmp_ok $none->{time}, '<', $limit, 'in time';

        is $head->{status}, 503, 'HEAD';

        my $n = attempts($nowhere);
        cmp_ok $n, '>=', $least, "at least $least attempts";
        cmp_ok $n, '<=', $most, "at most $most attempts";

        $proxy->mode('pass');

        my ($time, $answer) = timed(sub { $nginx->get($hidden) });
        is $answer->{status}, 302, 'the source heals';
        like $answer->{headers}{location}, $healed, 'and has it';
        cmp_ok $time, '<', $Slack, 'at once';
        is $nginx->get($nowhere)->{status}, 404, 'nobody has it now';
    };
}


# answers that are strange, or late, but good
for my $case (
    ['latency', ms => 100],
    ['slow', bytes => 60, ms => 10],
    ['endless', framing => 'chunked'],
    ['endless', framing => 'length'],
    ['endless', framing => 'close'],
    ['status', status => 500, first => 2],
    ['status', status => 503, first => 1],
    ['close', first => 2],
    ['reset', first => 2],
    ['garbage', first => 1],
    ['stall', first => 1],
) {
    my ($mode, @arguments) = @$case;

    subtest "good in the end: $mode @arguments" => sub {
        my $hidden = store('bad');

        $proxy->mode($mode, @arguments);

        my ($time, $answer) = timed(sub { $nginx->get($hidden) });
        is $answer->{status}, 302, 'found';
        like $answer->{headers}{location}, $healed, 'where it is';
        cmp_ok $time, '<', $deadline + $Slack, 'in time';

        # what came beyond that answer is nobody else's
        $proxy->mode('pass');
        is $nginx->get(fresh(), port => $nginx->port(1))->{status}, 404,
           'another key' for 1 .. 3;
    };
}


subtest 'another answer in the body of an answer to HEAD' => sub {
    my $listen = TeckenTest::Helper::listen_tcp(0);

    my $liar = fork_child(sub {
        my $lie = "HTTP/1.1 404 Not Found\r\nContent-Length: 38\r\n\r\n"
                  . "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

        $listen->blocking(1);

        while (my $client = $listen->accept) {
            next if fork;
            syswrite $client, $lie while sysread $client, my $request, 65536;
            POSIX::_exit(0);
        }
    });

    my $other = downloads(
        bad => $options, workers => 1,
        bad_url => 'http://127.0.0.1:' . $listen->sockport . '/public');

    my %status;
    $status{ $other->get(fresh(), port => $other->port(1))->{status} }++
        for 1 .. 20;
    is_deeply \%status, { 404 => 20 }, 'is no answer';

    quiet($other);
    is $other->stop, 0, 'a clean end';
    kill_pid($liar);
};


subtest 'resets amid kept connections' => sub {
    my @paths = map { fresh() . '?_refresh' } 1 .. 200;
    my $load = $nginx->load_start(targets => \@paths, connections => 8);

    for (1 .. 10) {
        $proxy->reset;
        $proxy->mode('reset', first => 3);
        $proxy->wait_for(20, 10);
    }

    $proxy->mode('pass');
    my $result = $load->finish;

    is $result->{failed}, 0, 'all are answered';
    is_deeply [ grep { $_ != 404 && $_ != 503 } keys %{ $result->{status} } ],
              [], 'as missing, or to be asked for again';
};


settled($nginx);
quiet($nginx);
is $nginx->stop, 0, 'a clean end';

done_testing();
