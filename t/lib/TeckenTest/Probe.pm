# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Clients of a probe at /probe, on connections that stay: each knows its worker.

package TeckenTest::Probe;

use strict;
use warnings;

use Exporter qw(import);
use IO::Socket::INET;
use Time::HiRes qw(time);

use TeckenTest::Process qw(wait_until);

our @EXPORT_OK = qw(ask begin client clients finish put status take);


sub client
{
    my ($nginx) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $nginx->port, Timeout => 60)
        or die "connect: $!";

    my $self = { socket => $socket, buffer => '' };
    $self->{pid} = status($self)->{pid};

    return $self;
}


# n of each of the two workers
sub clients
{
    my ($nginx, $n) = @_;

    my %by;

    return wait_until('clients of both workers', 20, sub {
        my $client = client($nginx);
        my $list = $by{ $client->{pid} } //= [];
        push @$list, $client if @$list < $n;

        my @full = grep { @{ $by{$_} } == $n } sort keys %by;
        return @full == 2 && [ @by{@full} ];
    });
}


sub put
{
    my ($self, $args) = @_;

    $self->{sent} = time;
    syswrite $self->{socket},
             "GET /probe?$args HTTP/1.1\r\nHost: localhost\r\n\r\n";

    return $self;
}


# a request in two halves
sub begin
{
    my ($self) = @_;

    $self->{sent} = time;
    syswrite $self->{socket}, 'GET /probe?';
}


sub finish
{
    my ($self, $args) = @_;

    syswrite $self->{socket},
             "$args HTTP/1.1\r\nHost: localhost\r\n\r\n";

    return $self;
}


# undef when the connection ends without an answer
sub take
{
    my ($self) = @_;

    my $end = time + 60;

    while (1) {
        my ($head, $rest) = split /\r\n\r\n/, $self->{buffer}, 2;

        if (defined $rest && $head =~ /^Content-Length: (\d+)/mi
            && length $rest >= $1)
        {
            $self->{seconds} = time - $self->{sent};
            $self->{buffer} = substr $rest, $1;
            return substr $rest, 0, $1 - 1;
        }

        my $bits = '';
        vec($bits, fileno $self->{socket}, 1) = 1;
        select $bits, undef, undef, $end - time or die "no answer in time\n";

        sysread $self->{socket}, $self->{buffer}, 65536,
                length $self->{buffer} or return;
    }
}


# of a client, or of an nginx on a new connection
sub ask
{
    my ($who, $args) = @_;

    return take(put($who, $args)) if ref $who eq 'HASH';

    my $answer = $who->get("/probe?$args", timeout => 60);
    return $answer->{status} == 200 ? $answer->{body} =~ s/\n\z//r
                                    : $answer->{status};
}


sub status
{
    my ($who) = @_;

    return { map { split / / } split /\n/, ask($who, 'op=status') };
}


1;
