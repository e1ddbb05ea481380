# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# An HTTP load client in a process of its own: a test may reload or kill
# nginx while it runs.

package TeckenTest::Load;

use strict;
use warnings;

use File::Basename ();
use IPC::Open2 ();
use JSON::PP ();

use TeckenTest::Process qw(kill_pid);

my $lib = File::Basename::dirname(File::Basename::dirname(__FILE__));


# Options:
#
#   port
#   targets      array of paths, or of { method, target, headers, body };
#                sent in turn
#   connections  at the same time (1)
#   requests     in all; without it: until "seconds" or finish()
#   seconds
#   keepalive    (1) 0: one request per connection
#   gather       1: nobody begins a second request before all connections have
#                had their first response
#   think        milliseconds between two requests of a connection (0)
#   timeout      seconds for one request (10)
#   connecting   connections being opened at the same time (200)
#   retry        (1) requests on a kept-alive connection that the server
#                closes before any answer are sent again on a new one
#   expect       the body that each 200 must have
sub start
{
    my ($class, %options) = @_;

    # thousands of descriptors need more than the usual soft limit
    my $pid = IPC::Open2::open2(
        my $from, my $to, 'sh', '-c',
        'ulimit -n "$(ulimit -Hn)"; exec "$@"', 'sh', $^X, "-I$lib",
        '-MTeckenTest::Load::Client', '-e', 'TeckenTest::Load::Client::main()');

    print {$to} JSON::PP->new->latin1->encode(\%options), "\n";
    $to->flush;

    return bless { pid => $pid, from => $from, to => $to }, $class;
}


# Waits until every connection has had its first response (or until the end,
# if that comes first).
sub wait_connected
{
    my ($self) = @_;

    my $line = $self->_line;
    $self->{result} = $line if ref $line;

    return $self;
}


# Waits for the end; returns
#
#   sent, done   requests begun, responses complete
#   status       { 200 => n, ... }
#   failures     { connect, reset, closed, timeout, bad, body } as far as any
#   failed       their sum
#   retried      see "retry"
#   connections  opened
#   seconds, rate, latency => { p50, p99, max } in seconds
sub finish
{
    my ($self) = @_;

    # EOF tells a client without a number of requests to stop
    close $self->{to};

    return $self->wait_result;
}


# start and finish, for a number of requests or seconds.
sub run
{
    my ($class, %options) = @_;

    die "load: neither requests nor seconds\n"
        if !$options{requests} && !$options{seconds};

    return $class->start(%options)->wait_result;
}


# As finish(), but lets the client come to its own end.
sub wait_result
{
    my ($self) = @_;

    my $result = $self->{result};
    $result = $self->_line while !ref $result;

    waitpid delete $self->{pid}, 0;

    return $result;
}


sub _line
{
    my ($self) = @_;

    my $line = readline($self->{from}) // die "the load client died\n";

    return $line =~ /\A\{/ ? JSON::PP->new->latin1->decode($line) : 'connected';
}


sub DESTROY
{
    my ($self) = @_;

    local ($?, $@, $!);
    kill_pid($self->{pid}) if $self->{pid};
}


1;
