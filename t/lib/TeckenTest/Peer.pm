# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# An HTTP server that keeps what it is sent and says what it is told: for
# requests as they are on the wire, and for answers that no real server gives.

package TeckenTest::Peer;

use strict;
use warnings;

use parent 'TeckenTest::Helper';

use IO::Socket::IP;


# host: 127.0.0.1 by default; port: a free one.  Dies if it may not be had.
sub start
{
    my ($class, %options) = @_;

    my $host = $options{host} // '127.0.0.1';

    my $socket = IO::Socket::IP->new(
        LocalAddr => $host, LocalPort => $options{port} // 0,
        Proto => 'tcp', Listen => 64, ReuseAddr => 1,
    ) or die "listen on $host: $@\n";

    # not before: errors would come later
    $socket->blocking(0);

    my $self = $class->start_helper(sub {
        my ($loop) = @_;

        return TeckenTest::Peer::Server->new($loop, $socket);
    }, port => $socket->sockport);

    close $socket;

    return $self;
}


sub port { return $_[0]{port} }


# What to answer, one after the other, and the last one from then on:
#
#   { status, headers, body }   HEAD gets no body
#   early                       before the request's body; then FIN
#   close                       FIN after the answer
#   cut => n                    only so many bytes of the body, then FIN
#
# Forgets the requests so far.
sub answers
{
    my ($self, @answers) = @_;

    $self->call('answers', answers => \@answers);
}


# { head, method, target, headers, body (its first 64 KB), size } of each.
sub requests
{
    return @{ $_[0]->call('requests') };
}


package TeckenTest::Peer::Server;

use TeckenTest::HTTP qw(parse_request take_head);

use constant KEPT => 65536;


sub new
{
    my ($class, $loop, $listen) = @_;

    my $self = bless {
        loop => $loop, answers => [ { status => 200 } ], requests => [],
    }, $class;

    $loop->on_read($listen, sub {
        while (my $socket = $listen->accept) {
            $self->_accepted($socket);
        }
    });

    return $self;
}


sub command_answers
{
    my ($self, %arguments) = @_;

    $self->{answers} = $arguments{answers};
    $self->{requests} = [];

    return 1;
}


sub command_requests
{
    return $_[0]{requests};
}


sub _accepted
{
    my ($self, $socket) = @_;

    my $c = { socket => $socket, buffer => '' };

    $socket->blocking(0);

    $self->{loop}->on_read($socket, sub {
        my $n = sysread $socket, $c->{buffer}, 1 << 16, length $c->{buffer};

        return if !defined $n && $!{EAGAIN};
        return $self->_close($c) if !$n;

        1 while !$c->{closed} && $self->_advance($c);
    });
}


sub _advance
{
    my ($self, $c) = @_;

    # after our FIN: what comes is not looked at
    if ($c->{ended}) {
        $c->{buffer} = '';
        return 0;
    }

    if (!$c->{request}) {
        my $head = take_head(\$c->{buffer}) // return 0;
        $self->_begin($c, $head);
        return 1;
    }

    my $request = $c->{request};
    my $bytes = '';

    $c->{body}->take(\$c->{buffer}, \$bytes);
    $request->{size} += length $bytes;

    my $room = KEPT - length $request->{body};
    $request->{body} .= substr $bytes, 0, $room if $room > 0;

    return 0 if !$c->{body}->done;

    $self->_answer($c);

    return 1;
}


sub _begin
{
    my ($self, $c, $head) = @_;

    my $request = parse_request($head) or return $self->_close($c);

    @$request{qw(head body size)} = ($head, '', 0);

    push @{ $self->{requests} }, $request;

    $c->{request} = $request;
    $c->{body} = TeckenTest::HTTP::Body->for_request($request->{headers});

    my $answers = $self->{answers};
    $c->{answer} = @$answers > 1 ? shift @$answers : $answers->[0];

    $self->_answer($c) if $c->{answer}{early};
}


sub _answer
{
    my ($self, $c) = @_;

    my ($request, $answer) = delete @$c{qw(request answer)};

    my $body = $answer->{body} // '';
    my %headers = ('Content-Length' => length $body,
                   %{ $answer->{headers} // {} });

    $body = substr $body, 0, $answer->{cut} if defined $answer->{cut};
    $body = '' if $request->{method} eq 'HEAD';

    # undef leaves a header out
    my $text = join "\r\n", "HTTP/1.1 $answer->{status} Said",
                    (map { "$_: $headers{$_}" }
                     grep { defined $headers{$_} } sort keys %headers),
                    '', $body;

    $c->{socket}->blocking(1);
    local $SIG{PIPE} = 'IGNORE';
    syswrite $c->{socket}, $text;
    $c->{socket}->blocking(0);

    if ($answer->{early} || $answer->{close} || defined $answer->{cut}) {
        $c->{ended} = 1;
        shutdown $c->{socket}, 1;
    }
}


sub _close
{
    my ($self, $c) = @_;

    $c->{closed} = 1;
    $self->{loop}->forget($c->{socket});
    close $c->{socket};
}


1;
