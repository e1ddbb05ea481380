# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Clients that read slowly or not at all, or leave in the middle; and a worker
# that does.

use strict;
use warnings;

use IO::Socket::INET ();
use Socket qw(:DEFAULT SOL_SOCKET SO_RCVBUF inet_aton pack_sockaddr_in);
use Test::More;

use SymbolicateTest;
use TeckenTest qw(:none);
use TeckenTest::HTTP ();
use TeckenTest::Process qw(wait_until);


# a connection whose client takes a few bytes only until it reads
sub narrow
{
    my ($port) = @_;

    socket my $client, AF_INET, SOCK_STREAM, 0 or die "socket: $!\n";
    setsockopt $client, SOL_SOCKET, SO_RCVBUF, 4096 or die "rcvbuf: $!\n";
    connect $client, pack_sockaddr_in($port, inet_aton('127.0.0.1'))
        or die "connect: $!\n";
    $client->autoflush;

    return $client;
}


sub text_of
{
    my ($request, $connection, $version) = @_;

    $version //= 'v5';

    return "POST /symbolicate/$version HTTP/1.1\r\nHost: x\r\n"
           . "Connection: $connection\r\n"
           . 'Content-Length: ' . length($request) . "\r\n\r\n$request";
}


sub rest_of
{
    my ($client) = @_;

    my $text = '';

    local $SIG{ALRM} = sub { die "no end after " . length($text) . " bytes\n" };
    alarm 60;
    1 while sysread $client, $text, 4096, length $text;
    alarm 0;

    return $text;
}


my $nginx = server(server => <<'END');
listen        127.0.0.1:%%PORT_1%% sndbuf=4k;
send_timeout  1s;
END


# one buffer, some, and many slices
for my $frames (100, 1000, 4000) {
    my $request = job('[[' . join(',', ('[0,831332]') x $frames) . ']]');
    my $whole = post($nginx, 'v5', $request)->{body};

    subtest "$frames frames to one that reads late" => sub {
        my $client = narrow($nginx->port(1));

        print $client text_of($request, 'keep-alive')
                      . text_of('{', 'close');

        # it takes all, and the next request is answered
        my $text = eval { rest_of($client) } // $@;
        my $got = '';

        if ($text =~ /\r\nTransfer-Encoding: chunked\r/) {
            $text =~ s/\A.*?\r\n\r\n//s;

            while ($text =~ s/\A([0-9a-f]+)\r\n//) {
                my $size = hex $1;
                $got .= substr $text, 0, $size, '';
                $text =~ s/\A\r\n//;
                last if $size == 0;
            }

        } else {
            $text =~ s/\A.*?\r\n\r\n//s;
            $got = substr $text, 0, length $whole, '';
        }

        ok $got eq $whole, 'all of it';
        like $text, qr/\AHTTP\/1.1 400 .*not valid JSON/s, 'then the next';
    };
}


subtest 'one that reads at once while nginx is told to reload' => sub {
    my $one = server(location => 'tecken_symbolicate_frames 1000000;');
    my $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => $one->port)
        or die "connect: $!\n";

    print $client text_of(job('[[' . join(',', ('[0,1096094]') x 400_000)
                              . ']]'), 'close');

    # much is written by then, and more is not
    my $end = '';
    sysread $client, $end, 65536 for 1 .. 50;

    kill 'HUP', $one->master;

    while (sysread $client, my $text, 65536) {
        $end = substr $end . $text, -1000;
    }

    like $end, qr/EC61AC938E5A39B16F9FBD350E3169A50": true\}\}\]\}\r\n0\r\n\r\n\z/,
       'has the end of its answer';
    like $one->error_log, qr/gracefully shutting down/, 'of the old worker';

    wait_until('the new one', 20, sub {
        my ($pid, $more) = $one->all_workers;
        !$more && grep { $_ == $pid } $one->workers;
    });
};


subtest 'one that reads nothing' => sub {
    for my $frames (100, 4000) {
        my $client = narrow($nginx->port(1));
        my $before = () = $nginx->error_log =~ /client timed out/g;

        print $client text_of(job('[[' . join(',', ('[0,831332]') x $frames)
                                  . ']]'), 'keep-alive');

        ok eval {
            wait_until('it is given up', 20, sub {
                $before < (() = $nginx->error_log =~ /client timed out/g);
            });
        }, "of $frames frames" or diag $@;
    }
};


# how many requests a log says were left, of those with a label
sub left
{
    my ($server, $label) = @_;

    return scalar grep { m{/symbolicate/v5\?$label } && /" 499 / }
                  $server->access_log;
}


sub leaving
{
    my ($server, $label, $request) = @_;

    my $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => $server->port)
        or die "connect: $!\n";

    print $client text_of($request, 'close') =~ s/v5/v5?$label/r;

    return $client;
}


sub metric
{
    my ($server, $series) = @_;

    return $server->get('/metrics')->{body} =~ /^\Q$series\E (\d+)$/m
           ? $1 : die "no $series\n";
}


subtest 'some that leave while their requests are read in' => sub {
    my $one = server(
        main => 'thread_pool one threads=1;',
        http => "tecken_thread_pool one;\n",
    );
    my ($worker) = $one->workers;

    post($one, 'v5', job('[[[0, 1]]]'));
    my $fds = $one->fds;

    # 5 MB each, in one thread: the last ones cannot be read in by then
    my $long = job('[[' . join(',', ('[0,' . '9' x 4300 . ']') x 1200) . ']]');

    for (1 .. 6) {
        my $client = leaving($one, 'parse', $long);
        close $client;
    }

    wait_until('their end', 60, sub {
        6 == grep { m{/symbolicate/v5\?parse } } $one->access_log;
    });

    cmp_ok left($one, 'parse'), '>', 0, 'left: ' . left($one, 'parse');

    is v5($one, $long)->{results}[0]{stacks}[0][0]{module}, 'libc.so.6',
       'the next request is answered';
    wait_until('descriptors', 10, sub { $one->fds <= $fds });
    is_deeply [ $one->workers ], [ $worker ], 'by the same worker';
};


subtest 'some that leave while maps are read' => sub {
    # other addresses for each, one after the other in one thread
    my @requests = map {
        my $first = 160_000 + 40_000 * $_;
        job('[[' . join(',', map { "[0,$_]" } $first .. $first + 39_999)
            . ']]');
    } 0 .. 9;

    my ($one, $worker);

    # a machine that looks away for a while finds all answered: once more then

    for (1 .. 10) {
        $one->stop if $one;

        $one = server(
            main => 'thread_pool one threads=1;',
            http => "tecken_io_thread_pool one;\n",
        );
        ($worker) = $one->workers;

        my @clients = map { leaving($one, 'warm', $_) } @requests;

        # all are known to have their module, most not to be answered yet
        wait_until('all have it', 60, sub {
            metric($one, 'tecken_symbolicate_modules_total{result="found"}')
                == 10;
        });
        close $_ for @clients;

        wait_until('their end', 60, sub {
            10 == grep { m{/symbolicate/v5\?warm } } $one->access_log;
        });

        last if left($one, 'warm');
    }

    cmp_ok left($one, 'warm'), '>', 0, 'left: ' . left($one, 'warm');
    is metric($one, 'tecken_symbolicate_waiting'), 0, 'nobody waits';

    is scalar @{ v5($one, $requests[9])->{results}[0]{stacks}[0] }, 40_000,
       'the next request is answered';
    is_deeply [ $one->workers ], [ $worker ], 'by the same worker';
};


subtest 'one whose worker is killed while it waits' => sub {
    my $source = IO::Socket::INET->new(Listen => 16,
                                       LocalAddr => '127.0.0.1')
        or die "listen: $!\n";
    my $one = server(storage => 'http://127.0.0.1:' . $source->sockport
                                . '/bucket access=public');
    my $client = leaving($one, 'wait', job('[[[0, 1]]]'));

    wait_until('it waits', 20, sub {
        metric($one, 'tecken_symbolicate_waiting') == 1;
    });

    $one->kill_worker;

    is metric($one, 'tecken_symbolicate_waiting'), 0, 'and is not counted';
};


done_testing;
