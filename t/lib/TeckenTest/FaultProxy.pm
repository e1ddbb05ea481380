# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# A proxy in front of an HTTP server (the S3 server, usually) that misbehaves
# on demand.  It is switched while connections are open; each request is
# judged by the rule in force when its head arrives, on kept-alive
# connections too.
#
# Modes and their arguments:
#
#   pass
#   refuse                     nobody listens: ECONNREFUSED; open connections
#                              are reset
#   reset                      RST on accept, and on open connections
#   close                      FIN instead of an answer
#   noread                     accepts, never reads
#   stall                      reads the request, never answers it
#   hold                       as stall, until release() or the next mode
#   latency   ms               before the request is passed on
#   slow      bytes, ms        so many bytes of the response per interval
#   stall_after, reset_after, cut_after (FIN), corrupt_after (one byte wrong)
#             after | body     bytes of the whole response | of its body
#   status    status, body, headers, code    an answer of our own; 5xx and 4xx
#                              have S3's XML, "code" names the error in it
#   redirect  status, location
#   garbage                    bytes that are not HTTP, then FIN
#   half_head                  a part of a head, then nothing
#   half_head_close            a part of a head, then FIN
#   huge_headers  size         a head of 1 MB
#   endless   framing          200 and a body without end: chunked, length
#                              or close
#
# Every mode takes
#
#   method, path               regular expressions; without them: all requests
#   first                      only so many requests, then the next rule
#   early                      answers of our own: before the request's body
#
# and add() puts further rules after it; the first one that fits counts.

package TeckenTest::FaultProxy;

use strict;
use warnings;

use parent 'TeckenTest::Helper';

use TeckenTest::FaultProxy::Server;
use TeckenTest::Process qw(free_port wait_until);


# upstream: the server's port; port: our own, a free one by default
sub start
{
    my ($class, %options) = @_;

    my $port = $options{port} // free_port();
    my $listen = TeckenTest::Helper::listen_tcp($port);

    my $self = $class->start_helper(sub {
        my ($loop) = @_;

        return TeckenTest::FaultProxy::Server->new(
            $loop, $listen, $port, $options{upstream});
    }, port => $port);

    # or the port would never be refused
    close $listen;

    return $self;
}


# A proxy that another process started.
sub attach
{
    my ($class, $port, $control_port) = @_;

    return bless { port => $port, control_port => $control_port }, $class;
}


sub port { return $_[0]{port} }


# Replaces all rules.  Returns when the new rule is in force.
sub mode
{
    my ($self, $mode, %arguments) = @_;

    $self->call('mode', rule => _rule($mode, %arguments));
}


sub add
{
    my ($self, $mode, %arguments) = @_;

    $self->call('add', rule => _rule($mode, %arguments));
}


# pass, and all counts at zero.
sub reset
{
    my ($self) = @_;

    $self->call('mode', rule => { mode => 'pass' });
    $self->call('clear');
}


# Passes on what "hold" holds; returns how many requests that were.
sub release
{
    return $_[0]->call('release');
}


# The requests since start or reset, in order: { method, target, path, mode,
# connection }.  Optional: only a method ("HEAD") and paths that match.
sub requests
{
    my ($self, $method, $path) = @_;

    my $all = $self->call('requests');

    return grep { (!defined $method || $_->{method} eq $method)
                  && (!defined $path || $_->{path} =~ $path) } @$all;
}


# The same as a number, counted over there: it may be asked for often.
sub count
{
    my ($self, $method, $path) = @_;

    return $self->call('count', method => $method,
                       path => defined $path ? "$path" : undef);
}


# Waits until at least $n requests have come.
sub wait_for
{
    my ($self, $n, $seconds, @filter) = @_;

    wait_until("$n requests", $seconds // 5,
               sub { $self->count(@filter) >= $n });
}


# { connections (ever), open, requests, aborted (by the client, before the
# end of the response), held, methods => { }, paths => { } }
sub stats
{
    return $_[0]->call('stats');
}


sub _rule
{
    my ($mode, %arguments) = @_;

    # regular expressions travel as text
    defined $arguments{$_} and $arguments{$_} = "$arguments{$_}"
        for qw(method path);

    return { %arguments, mode => $mode };
}


1;
