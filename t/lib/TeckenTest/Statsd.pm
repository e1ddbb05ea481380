# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# A statsd listener that keeps every datagram apart and holds each one
# against the dogstatsd grammar.

package TeckenTest::Statsd;

use strict;
use warnings;

use parent 'TeckenTest::Helper';

use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_RCVBUF);

use TeckenTest::Process qw(wait_until);

# what fits one Ethernet frame: dogstatsd's own limit
use constant DATAGRAM_MAX => 1432;

my $name = qr/[A-Za-z][A-Za-z0-9_.\-]*/;
my $number = qr/[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/;
my $tag = qr/[A-Za-z][A-Za-z0-9_.\-\/]*(?::[^\s|,#]+)?/;

my $line = qr/
    \A ($name)
    : (?: ($number) \|(c|g|ms|h|d) | ([^|:\n]+) \|(s) )
    (?: \|@ (0\.\d*[1-9]\d*|1(?:\.0+)?) )?
    (?: \|\# ($tag(?:,$tag)*) )?
    \z
/x;


sub start
{
    my ($class, %options) = @_;

    my $socket = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => $options{port} // 0,
        Proto => 'udp', Blocking => 0,
    ) or die "statsd: $!\n";

    setsockopt $socket, SOL_SOCKET, SO_RCVBUF, 8 << 20;

    my $self = $class->start_helper(sub {
        my ($loop) = @_;

        return TeckenTest::Statsd::Server->new($loop, $socket);
    }, port => $socket->sockport);

    close $socket;

    return $self;
}


sub port { return $_[0]{port} }


# All datagrams since start or clear(), each as it came.
sub datagrams
{
    return @{ $_[0]->call('datagrams') };
}


sub clear
{
    $_[0]->call('clear');
}


# All metrics: { name, value, type, rate, tags => [ ], line }.  Dies when a
# datagram is not strictly dogstatsd's.
sub metrics
{
    my ($self, $wanted) = @_;

    my @metrics = map { parse($_) } $self->datagrams;

    return grep { !defined $wanted || _named($_->{name}, $wanted) } @metrics;
}


# Waits for a metric of that name (or that matches a regular expression), and
# for $n of them; returns them.  Fails at the deadline.
sub wait_for
{
    my ($self, $wanted, $seconds, $n) = @_;

    $n //= 1;

    wait_until("metric $wanted", $seconds // 5,
               sub { $self->metrics($wanted) >= $n });

    return $self->metrics($wanted);
}


# The sum of a counter's values, sampling rates undone.
sub total
{
    my ($self, $wanted) = @_;

    my $total = 0;
    $total += $_->{value} / ($_->{rate} // 1)
        for grep { $_->{type} eq 'c' } $self->metrics($wanted);

    return $total;
}


# The grammar errors of all datagrams: nothing, when all is well.
sub errors
{
    my ($self) = @_;

    return map { eval { parse($_); 1 } ? () : $@ } $self->datagrams;
}


# One datagram's metrics, or death.
sub parse
{
    my ($datagram) = @_;

    my $length = length $datagram;
    die "statsd: a datagram of $length bytes\n" if $length > DATAGRAM_MAX;

    # one newline may end it, as agents accept
    (my $text = $datagram) =~ s/\n\z//;
    die "statsd: an empty datagram\n" if $text eq '';

    return map { _metric($_) } split /\n/, $text, -1;
}


sub _metric
{
    my ($text) = @_;

    $text =~ $line or die "statsd: bad line \"$text\"\n";

    return {
        name => $1, value => $2 // $4, type => $3 // $5, rate => $6,
        tags => [ split /,/, $7 // '' ], line => $text,
    };
}


sub _named
{
    my ($name, $wanted) = @_;

    return ref $wanted ? $name =~ $wanted : $name eq $wanted;
}


package TeckenTest::Statsd::Server;


sub new
{
    my ($class, $loop, $socket) = @_;

    my $self = bless { datagrams => [], socket => $socket }, $class;
    $loop->on_read($socket, sub { $self->_drain });

    return $self;
}


sub _drain
{
    my ($self) = @_;

    while (defined recv $self->{socket}, my $datagram, 65536, 0) {
        push @{ $self->{datagrams} }, $datagram;
    }
}


# What was sent before the question belongs to the answer.
sub command_datagrams
{
    my ($self) = @_;

    $self->_drain;

    return $self->{datagrams};
}


sub command_clear
{
    my ($self) = @_;

    $self->_drain;
    $self->{datagrams} = [];

    return 1;
}


1;
