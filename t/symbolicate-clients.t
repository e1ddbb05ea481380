# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Clients that read slowly or not at all, that leave in the middle, and
# requests that nginx makes by itself.

# Under valgrind too.

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
    alarm 20;
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


done_testing;
