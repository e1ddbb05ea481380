# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# One client connection of the fault proxy, and its own one to the server.
# At most one exchange (a request and its response) is under way at a time.

package TeckenTest::FaultProxy::Connection;

use strict;
use warnings;

use Errno ();
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP SOL_SOCKET SO_LINGER TCP_NODELAY);

use TeckenTest::FaultProxy::Answers;
use TeckenTest::HTTP qw(parse_request parse_response take_head);

use constant {
    READ_SIZE => 1 << 16,
    BUFFER_MAX => 1 << 20,
    LINGER_SECONDS => 2,
    SIOCOUTQ => 0x5411,
};

# what happens to the request when its head is there; all others pass it on
my %begin = (
    reset => sub { $_[0]->reset },
    close => sub { $_[0]->_close_after_flush },
    noread => sub { $_[0]->ignore },
    stall => sub { },
    hold => sub { $_[0]{exchange}{held} = 1 },
    latency => \&_delay,
);


sub new
{
    my ($class, $server, $socket, $id) = @_;

    $socket->blocking(0);
    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;

    my $self = bless {
        server => $server, loop => $server->loop, id => $id,
        client => $socket, from_client => '', to_client => '',
        upstream => undef, from_upstream => '', to_upstream => '',
        exchange => undef, ending => undef, ignored => 0,
    }, $class;

    $self->_resume_client;

    return $self;
}


sub held    { return $_[0]{exchange} && $_[0]{exchange}{held} }
sub ignored { return $_[0]{ignored} }


sub release
{
    my ($self) = @_;

    $self->{exchange}{held} = 0;
    $self->_forward;
}


sub reset
{
    my ($self) = @_;

    setsockopt $self->{client}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0
        if $self->{client};
    $self->_destroy;
}


sub ignore
{
    my ($self) = @_;

    $self->{ignored} = 1;
    $self->{loop}->on_read($self->{client}, undef);
}


# --- from the client -------------------------------------------------------

sub _resume_client
{
    my ($self) = @_;

    $self->{loop}->on_read($self->{client}, sub { $self->_read_client });
}


sub _read_client
{
    my ($self) = @_;

    my $n = sysread $self->{client}, $self->{from_client}, READ_SIZE,
                    length $self->{from_client};

    return if !defined $n && $!{EAGAIN};

    if (!$n) {
        $self->{server}->aborted if $self->{exchange};
        $self->_destroy;
        return;
    }

    $self->_advance;
}


sub _advance
{
    my ($self) = @_;

    while ($self->{client} && !$self->{ending}) {

        if (!$self->{exchange}) {
            my $head = take_head(\$self->{from_client}) // return;
            $self->_begin($head);
            next;
        }

        return if !$self->_take_request_body || $self->{exchange};
    }
}


# True when that ended the exchange.
sub _take_request_body
{
    my ($self) = @_;

    my $exchange = $self->{exchange};
    return 0 if $exchange->{request_done};

    my $bytes = $exchange->{body}->take(\$self->{from_client});

    if ($exchange->{passes}) {
        $self->{to_upstream} .= $bytes;
        $self->_write_upstream if $exchange->{forwarding};
    }

    $exchange->{request_done} = $exchange->{body}->done;
    $self->_answer if $exchange->{request_done} && $exchange->{answer};

    return !$self->{exchange};
}


sub _begin
{
    my ($self, $head) = @_;

    my $request = parse_request($head) or return $self->reset;
    my $rule = $self->{server}->judge($self->{id}, $request);

    my $exchange = $self->{exchange} = {
        request => $request, rule => $rule,
        body => TeckenTest::HTTP::Body->for_request($request->{headers}),
    };

    my @answer = TeckenTest::FaultProxy::Answers::for_rule(
        $rule, $request->{method});

    if (@answer) {
        $exchange->{answer} = \@answer;
        $self->_answer if $rule->{early} || $request->{headers}{expect};
        return;
    }

    $exchange->{passes} = 1 if $rule->{mode} ne 'stall';
    $self->{to_upstream} = $head;

    ($begin{ $rule->{mode} } // \&_forward)->($self);
}


sub _delay
{
    my ($self) = @_;

    my $exchange = $self->{exchange};

    $self->{loop}->after(($exchange->{rule}{ms} // 1000) / 1000, sub {
        my $current = $self->{exchange};
        $self->_forward if $current && $current == $exchange;
    });
}


# --- an answer of our own --------------------------------------------------

sub _answer
{
    my ($self) = @_;

    my $exchange = $self->{exchange};
    my ($bytes, $then, $repeat) = @{ delete $exchange->{answer} };

    $self->{to_client} .= $bytes;
    $exchange->{repeat} = $repeat;

    if ($then eq 'close') {
        $self->{ending} = 'close';

    } elsif ($then eq 'keep') {
        $self->_end_exchange(1);
    }

    $self->_write_client;
}


# --- to and from the server ------------------------------------------------

sub _forward
{
    my ($self) = @_;

    $self->{exchange}{forwarding} = 1;
    $self->{upstream} //= $self->_connect;

    $self->_write_upstream;
}


sub _connect
{
    my ($self) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $self->{server}->upstream,
        Proto => 'tcp', Blocking => 0,
    ) or return;

    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
    $self->{loop}->on_read($socket, sub { $self->_read_upstream });

    return $socket;
}


sub _write_upstream
{
    my ($self) = @_;

    my $socket = $self->{upstream} // return $self->reset;

    if ($self->{to_upstream} ne '') {
        my $n = syswrite $socket, $self->{to_upstream};

        if (defined $n) {
            substr $self->{to_upstream}, 0, $n, '';

        } elsif ($!{ECONNREFUSED}) {
            return $self->reset;

        } elsif (!$!{EAGAIN} && !$!{ENOTCONN}) {
            # it may have answered before it closed: reading tells
            $self->{to_upstream} = '';
        }
    }

    my $left = length $self->{to_upstream};

    $self->{loop}->on_write($socket,
                            $left ? sub { $self->_write_upstream } : undef);

    return if !$self->{client} || $self->{ignored} || $self->{ending};

    if ($left > BUFFER_MAX) {
        $self->{loop}->on_read($self->{client}, undef);

    } else {
        $self->_resume_client;
    }
}


sub _read_upstream
{
    my ($self) = @_;

    my $n = sysread $self->{upstream}, $self->{from_upstream}, READ_SIZE,
                    length $self->{from_upstream};

    return if !defined $n && $!{EAGAIN};

    $self->_relay if $n;
    $self->_upstream_closed(defined $n ? 'close' : 'reset') if !$n;
}


sub _relay
{
    my ($self) = @_;

    while ($self->{from_upstream} ne '' && !$self->{ending}) {
        my $exchange = $self->{exchange} // return;
        return if $exchange->{last};

        if (!$exchange->{response}) {
            $self->_relay_head($exchange) or return;

        } else {
            my $bytes = $exchange->{meter}->take(\$self->{from_upstream});
            $self->_emit($bytes);
        }

        return if $exchange->{frozen} || $self->{ending};
        $self->_response_done
            if $exchange->{meter} && $exchange->{meter}->done;
    }
}


sub _relay_head
{
    my ($self, $exchange) = @_;

    my $head = take_head(\$self->{from_upstream}) // return 0;
    my $response = parse_response($head)
        or do { $self->reset; return 0 };

    if ($response->{status} < 200) {
        $self->{to_client} .= $head;
        $self->_write_client;
        return 1;
    }

    $exchange->{response} = $response;
    $exchange->{meter} = TeckenTest::HTTP::Body->for_response(
        $exchange->{request}{method}, $response->{status},
        $response->{headers});

    my $rule = $exchange->{rule};
    $exchange->{limit} = defined $rule->{body}
                         ? length($head) + $rule->{body}
                         : $rule->{after} // 0;

    $self->_emit($head);

    return 1;
}


sub _upstream_closed
{
    my ($self, $how) = @_;

    $self->_drop_upstream;

    my $exchange = $self->{exchange};

    if ($exchange && $exchange->{meter} && $exchange->{meter}->until_close) {
        $self->_end_exchange(0) if !$self->_slow_pending;
        $exchange->{last} = 1;

    } elsif (!$exchange || $exchange->{forwarding}) {
        # as the server does: in the middle of a response, or between two
        $self->{ending} //= $how;
    }

    $self->_write_client;
}


sub _drop_upstream
{
    my ($self) = @_;

    my $socket = delete $self->{upstream} or return;

    $self->{loop}->forget($socket);
    close $socket;
    $self->{from_upstream} = '';
}


# --- response bytes on their way to the client -----------------------------

sub _emit
{
    my ($self, $bytes) = @_;

    my $exchange = $self->{exchange};
    my $mode = $exchange->{rule}{mode};

    if ($mode eq 'slow') {
        $exchange->{slow} .= $bytes;
        $exchange->{ticking} //= $self->_tick($exchange);
        $self->_throttle;
        return;
    }

    my $sent = $exchange->{sent} // 0;
    $exchange->{sent} = $sent + length $bytes;

    if ($mode =~ /_after\z/ && $exchange->{sent} > $exchange->{limit}
        && !$exchange->{fired}++)
    {
        $bytes = $self->_fire($mode, $bytes, $exchange->{limit} - $sent);
    }

    $self->{to_client} .= $bytes;
    $self->_write_client;
}


# The bytes that still go out; $room: those before the fault.
sub _fire
{
    my ($self, $mode, $bytes, $room) = @_;

    $room = 0 if $room < 0;

    if ($mode eq 'corrupt_after') {
        substr($bytes, $room, 1) ^= "\xff";
        return $bytes;
    }

    $self->{exchange}{frozen} = 1;
    $self->_drop_upstream;

    $self->{ending} = 'close' if $mode eq 'cut_after';
    $self->{ending} = 'reset' if $mode eq 'reset_after';

    return substr $bytes, 0, $room;
}


sub _slow_pending
{
    my ($self) = @_;

    return length($self->{exchange}{slow} // '');
}


# Some bytes now and the others later.
sub _tick
{
    my ($self, $exchange) = @_;

    my $rule = $exchange->{rule};

    $self->{to_client} .= substr $exchange->{slow}, 0, $rule->{bytes} // 100,
                                 '';

    $exchange->{ticking} = $self->{loop}->after(
        ($rule->{ms} // 100) / 1000, sub {
            return if !$self->{client} || !$self->{exchange}
                      || $self->{exchange} != $exchange;

            $exchange->{ticking} = undef;
            $self->_tick($exchange) if $exchange->{slow} ne '';
            $self->_throttle;
        });

    $self->_end_exchange($exchange->{keep})
        if $exchange->{last} && $exchange->{slow} eq '';
    $self->_write_client;

    return $exchange->{ticking};
}


sub _response_done
{
    my ($self) = @_;

    my $exchange = $self->{exchange};
    my $keep = $exchange->{response}{keep_alive};

    if ($self->_slow_pending) {
        $exchange->{last} = 1;
        $exchange->{keep} = $keep;
        return;
    }

    $self->_end_exchange($keep);
    $self->_write_client;
}


# The connection cannot be kept while the client is still sending.
sub _end_exchange
{
    my ($self, $keep) = @_;

    my $exchange = $self->{exchange};
    my $complete = $exchange->{request_done} || $exchange->{body}->done;

    if (!$keep || !$complete) {
        $self->{ending} //= 'close';
        return;
    }

    $self->{exchange} = undef;
    $self->{loop}->after(0, sub { $self->_advance });
}


sub _write_client
{
    my ($self) = @_;

    my $socket = $self->{client} // return;

    if ($self->{to_client} ne '') {
        my $n = syswrite $socket, $self->{to_client};

        if (defined $n) {
            substr $self->{to_client}, 0, $n, '';

        } elsif (!$!{EAGAIN}) {
            $self->{server}->aborted if $self->{exchange};
            $self->_destroy;
            return;
        }
    }

    my $exchange = $self->{exchange};
    $self->{to_client} = $exchange->{repeat}
        if $self->{to_client} eq '' && $exchange && defined $exchange->{repeat};

    my $left = length $self->{to_client};

    $self->{loop}->on_write($socket,
                            $left ? sub { $self->_write_client } : undef);
    $self->_throttle;
    $self->_end if !$left && $self->{ending};
}


# A slow client must not make us hold the whole response.
sub _throttle
{
    my ($self) = @_;

    my $upstream = $self->{upstream} // return;
    my $waiting = length $self->{to_client};
    $waiting += $self->_slow_pending if $self->{exchange};

    $self->{loop}->on_read($upstream, $waiting > BUFFER_MAX
                                      ? undef : sub { $self->_read_upstream });
}


# --- the end ---------------------------------------------------------------

sub _close_after_flush
{
    my ($self) = @_;

    $self->{ending} = 'close';
    $self->_write_client;
}


sub _end
{
    my ($self) = @_;

    $self->_drop_upstream;

    return $self->_reset_when_delivered if $self->{ending} eq 'reset';

    # read on for a while: unread bytes would turn the FIN into a RST
    shutdown $self->{client}, 1;

    $self->{loop}->on_read($self->{client}, sub {
        my $n = sysread $self->{client}, my $ignored, READ_SIZE;
        $self->_destroy if defined $n ? !$n : !$!{EAGAIN};
    });

    $self->{lingering} //= $self->{loop}->after(LINGER_SECONDS,
                                                sub { $self->_destroy });
}


# A reset throws away what the client's kernel has not got yet.
sub _reset_when_delivered
{
    my ($self) = @_;

    return if !$self->{client};

    my $unsent = pack 'i', 0;
    ioctl $self->{client}, SIOCOUTQ, $unsent;

    return $self->reset if unpack('i', $unsent) == 0;

    $self->{loop}->after(0.002, sub { $self->_reset_when_delivered });
}


sub _destroy
{
    my ($self) = @_;

    $self->_drop_upstream;
    $self->{exchange} = undef;
    $self->{ending} = 'gone';

    my $socket = delete $self->{client} or return;

    $self->{loop}->cancel($self->{lingering});
    $self->{loop}->forget($socket);
    close $socket;

    $self->{server}->closed($self->{id});
}


1;
