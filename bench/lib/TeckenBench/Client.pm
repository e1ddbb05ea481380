# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# A client that posts on one connection, and what its times come to.

package TeckenBench::Client;

use strict;
use warnings;

use Exporter 'import';
use IO::Socket::INET;
use List::Util qw(sum);

our @EXPORT_OK = qw(connect_to mean p99 post receive send_post);


sub connect_to
{
    my ($nginx) = @_;

    return IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                 PeerPort => $nginx->port, Timeout => 120)
        // die "connect: $!\n";
}


# All of the request, or what is to go first of it.
sub send_post
{
    my ($socket, $path, $type, $body, $length) = @_;

    my $text = "POST $path HTTP/1.1\r\nHost: localhost\r\n"
             . "Content-Type: $type\r\n"
             . "Content-Length: " . ($length // length $body) . "\r\n\r\n"
             . $body;

    syswrite($socket, $text) == length $text or die "write: $!\n";
}


# The body of an answer on a connection that stays open.
sub receive
{
    my ($socket) = @_;

    my $text = '';

    until ($text =~ /\r\n\r\n/) {
        sysread($socket, $text, 65536, length $text) or die "read: $!\n";
    }

    my ($head, $body) = split /\r\n\r\n/, $text, 2;

    if ($head =~ /^content-length:\s*(\d+)/mi) {
        while (length $body < $1) {
            sysread($socket, $body, 65536, length $body) or die "read: $!\n";
        }

    } else {
        until ($body =~ /(?:\A|\r\n)0\r\n\r\n\z/) {
            sysread($socket, $body, 65536, length $body) or die "read: $!\n";
        }

        $body =~ s/\G([0-9a-f]+)\r\n//i;

        my $all = '';
        my $size = hex $1;

        while ($size) {
            $all .= substr $body, 0, $size, '';
            $body =~ s/\A\r\n([0-9a-f]+)\r\n//i or last;
            $size = hex $1;
        }

        $body = $all;
    }

    die "answer: $head\n$body\n" if $head !~ m{^HTTP/1\.1 200 };

    return $body;
}


sub post
{
    my ($socket, $path, $type, $body) = @_;

    send_post($socket, $path, $type, $body);

    return receive($socket);
}


sub p99
{
    my @sorted = sort { $a <=> $b } @_;

    return $sorted[@sorted * 0.99];
}


sub mean { return sum(@_) / @_ }


1;
