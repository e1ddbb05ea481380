# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Modules that are not there yet: sources that fail, sources that are silent,
# clients that leave, and what statsd is told of all.

use strict;
use warnings;

use IO::Socket::INET ();
use JSON::PP qw(decode_json);
use Test::More;

use SymbolicateTest;
use TeckenTest qw(:statsd);
use TeckenTest::Process qw(free_port wait_until);


my $request = job('[[[0, 4096]]]', '["a.pdb", "AB"]');

sub unavailable
{
    my ($answer, $description, $name) = @_;

    is $answer->{status}, 503, $name;
    is $answer->{body}, '{"title": "503 Service Unavailable", '
       . qq("description": "$description"}), 'says what to do';
    is $answer->{headers}{'retry-after'}, 5, 'and when';
    is $answer->{headers}{vary}, 'Accept', 'in the form of an error';
}


subtest 'a source that is down' => sub {
    my $port = free_port();
    my $nginx = server(
        storage => "http://127.0.0.1:$port/bucket access=public",
    );

    unavailable(post($nginx, $_, $request),
                'Failed to download symbols, try again later', $_)
        for qw(v4 v5);

    is_deeply v5($nginx, job('[[[0, 1]]]', '["", "AB"]'))->{results}[0]
              {found_modules}, { '/AB' => undef }, 'nothing to ask it for';

    like $nginx->get('/metrics')->{body}, qr/^\Q$_\E$/m, $_
        for 'tecken_symbolicate_requests_total{version="v5",'
            . 'result="source_error"} 1',
            'tecken_symbolicate_modules_total{result="failed"} 2';
};


subtest 'and is to be overlooked' => sub {
    my $port = free_port();
    my $nginx = server(
        storage => "http://127.0.0.1:$port/bucket access=public",
        location => 'tecken_symbolicate_source_errors missing;',
    );
    my $answer = v5($nginx, $request);

    is_deeply $answer->{results}[0]{found_modules},
       { 'a.pdb/AB' => JSON::PP::false }, 'not found';
};


subtest 'a silent source' => sub {
    my $source = IO::Socket::INET->new(Listen => 16,
                                       LocalAddr => '127.0.0.1')
        or die "listen: $!\n";
    my $nginx = server(
        storage => 'http://127.0.0.1:' . $source->sockport
                   . '/bucket access=public',
        location => 'tecken_symbolicate_timeout 300ms;',
    );

    unavailable(post($nginx, 'v5', $request),
                'Symbols are still being prepared, try again later',
                'in time');

    like $nginx->error_log, qr/\[warn\].* 1 of 1 modules are not there in /,
       'logged';

    # a client that leaves while it waits

    my $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => $nginx->port)
        or die "connect: $!\n";
    print $client "POST /symbolicate/v5 HTTP/1.1\r\nHost: x\r\n"
                  . 'Content-Length: ' . length($request)
                  . "\r\n\r\n$request";
    wait_until('it waits', 10, sub {
        $nginx->get('/metrics')->{body}
            =~ /^tecken_symbolicate_waits_total 2$/m;
    });
    like $nginx->get('/metrics')->{body}, qr/^tecken_symbolicate_waiting 1$/m,
       'counted while it does';
    close $client;

    wait_until('it is seen to leave', 10, sub {
        $nginx->error_log =~ /prematurely closed/;
    });

    is post($nginx, 'v5', job('[[]]'))->{status}, 200, 'and is forgotten';
    like $nginx->get('/metrics')->{body}, qr/^tecken_symbolicate_waiting 0$/m,
       'nobody waits';
};


subtest 'what statsd is told' => sub {
    my $statsd = statsd();
    my $nginx = server(http => 'tecken_statsd 127.0.0.1:' . $statsd->port
                               . " namespace=eliot;\n");

    post($nginx, 'v5', '{"jobs": [' . job('[[[0, 1]], [[0, 2], [0, 3]]]')
                       . ', ' . job('[[[0, 4]]]') . ']}');
    post($nginx, 'v4', '{}');

    my @expected = (
        qr/\Aeliot\.symbolicate\.api:[\d.]+\|ms\|#version:v5\z/,
        qr/\Aeliot\.symbolicate\.jobs_count:2\|h\|#version:v5\z/,
        qr/\Aeliot\.symbolicate\.stacks_count:3\|h\|#version:v5\z/,
        qr/\Aeliot\.symbolicate\.frames_count:4\|h\z/,
        qr/\Aeliot\.pageview:1\|c\|#path:\/symbolicate\/v5,method:post\z/,
        qr/\Aeliot\.symbolicate\.request_error:1\|c\|#reason:invalid_jobs\z/,
    );

    for my $line (@expected) {
        ok eval {
            wait_until("$line", 10, sub {
                grep { $_ =~ $line }
                map { split /\n/ } $statsd->datagrams;
            });
        }, "$line";
    }
};


done_testing;
