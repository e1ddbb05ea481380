# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# The load client's process: reads its orders from standard input, prints
# "connected" when every connection has had a response, and a result.

package TeckenTest::Load::Client;

use strict;
use warnings;

use Errno ();
use IO::Handle ();
use JSON::PP ();
use Socket qw(
    AF_INET IPPROTO_TCP SOCK_STREAM SOL_SOCKET SO_ERROR TCP_NODELAY
    inet_aton pack_sockaddr_in
);
use Time::HiRes qw(time);

use TeckenTest::HTTP qw(parse_response take_head);
use TeckenTest::Loop;

my $json = JSON::PP->new->latin1->canonical;


sub main
{
    $| = 1;
    $SIG{PIPE} = 'IGNORE';

    my $self = _new($json->decode(scalar <STDIN>));

    print $json->encode($self->_run), "\n";
}


sub _new
{
    my ($options) = @_;

    my %defaults = (
        connections => 1, keepalive => 1, think => 0, timeout => 60,
        connecting => 200, retry => 1,
    );

    my $self = bless {
        %defaults, %$options, loop => TeckenTest::Loop->new, sent => 0,
        done => 0, status => {}, failures => {}, retried => 0, opened => 0,
        open => {}, queue => [], waiting => 0, latencies => [], first => 0,
        active => 0, next => 0, serial => 0, samples => [],
    }, __PACKAGE__;

    $self->{address} = pack_sockaddr_in($self->{port}, inet_aton('127.0.0.1'));
    $self->{messages} = [ map { $self->_message($_) } @{ $self->{targets} } ];

    return $self;
}


sub _message
{
    my ($self, $target) = @_;

    $target = { target => $target } if !ref $target;

    my $method = $target->{method} // 'GET';
    my %headers = (Host => 'localhost', %{ $target->{headers} // {} });

    $headers{'Content-Length'} //= length $target->{body}
        if defined $target->{body};
    $headers{Connection} = 'close' if !$self->{keepalive};

    my $text = join "\r\n", "$method $target->{target} HTTP/1.1",
                    (map { "$_: $headers{$_}" } sort keys %headers), '',
                    $target->{body} // '';

    return { method => $method, text => $text };
}


sub _run
{
    my ($self) = @_;

    my $loop = $self->{loop};
    my $start = time;

    $loop->on_read(\*STDIN, sub { $self->_stop_asked });
    $loop->after($self->{seconds}, sub { $self->{stopping} = 1;
                                         $self->_settle })
        if $self->{seconds};
    $loop->every(0.1, sub { $self->_expire });

    # each of them is one client, on one connection after the other
    for (1 .. $self->{connections}) {
        push @{ $self->{queue} }, { id => ++$self->{serial} };
    }

    $self->_open_more;
    $loop->run if !$self->_settle;

    return $self->_result(time - $start);
}


sub _stop_asked
{
    my ($self) = @_;

    return if sysread STDIN, my $ignored, 1024;

    $self->{loop}->forget(\*STDIN);

    if (!$self->{requests} && !$self->{seconds}) {
        $self->{stopping} = 1;
        $self->_settle;
    }
}


sub _wants_more
{
    my ($self) = @_;

    return 0 if $self->{stopping};

    return !$self->{requests} || $self->{sent} < $self->{requests};
}


# Ends when nothing is under way and nothing is to be begun.
sub _settle
{
    my ($self) = @_;

    return 0 if $self->_wants_more;
    return 0 if $self->{active};

    $self->{loop}->stop;

    return 1;
}


sub _open_more
{
    my ($self) = @_;

    while ($self->{waiting} < $self->{connecting}
           && (my $client = shift @{ $self->{queue} }))
    {
        next if !$client->{message} && !$self->_wants_more;
        $self->_connect($client);
    }

    $self->_settle;
}


sub _connect
{
    my ($self, $client) = @_;

    $client->{message} // $self->_next_message($client);

    socket my $socket, AF_INET, SOCK_STREAM, IPPROTO_TCP
        or return $self->_fail($client, 'connect', "socket: $!");

    $socket->blocking(0);
    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;

    $client->{socket} = $socket;
    $client->{used} = 0;
    $client->{connecting} = 1;
    $client->{in} = '';
    $self->{open}{ $client->{id} } = $client;
    $self->{waiting}++;
    $self->{opened}++;

    connect $socket, $self->{address} or $!{EINPROGRESS}
        or return $self->_fail($client, 'connect', "connect: $!");

    $self->{loop}->on_write($socket, sub { $self->_connected($client) });
}


sub _connected
{
    my ($self, $client) = @_;

    my $error = unpack 'i', getsockopt $client->{socket}, SOL_SOCKET,
                                       SO_ERROR;

    if ($error) {
        $! = $error;
        return $self->_fail($client, 'connect', "connect: $!");
    }

    $self->_no_longer_connecting($client);
    $self->{loop}->on_read($client->{socket}, sub { $self->_read($client) });
    $self->_write($client);
    $self->_open_more if @{ $self->{queue} };
}


sub _no_longer_connecting
{
    my ($self, $client) = @_;

    $self->{waiting}-- if delete $client->{connecting};
}


sub _next_message
{
    my ($self, $client) = @_;

    my $messages = $self->{messages};

    $client->{message} = $messages->[ $self->{next}++ % @$messages ];
    $client->{started} = time;
    $self->{sent}++;
    $self->{active}++;
}


sub _begin
{
    my ($self, $client) = @_;

    $self->_next_message($client);
    $self->_write($client);
}


sub _write
{
    my ($self, $client) = @_;

    my $text = \$client->{message}{text};
    $client->{offset} //= 0;

    my $n = syswrite $client->{socket}, $$text, length $$text,
                     $client->{offset};

    # what it answered before it closed is still to be read
    return if !defined $n && !$!{EAGAIN};

    $client->{offset} += $n // 0;

    my $left = length($$text) - $client->{offset};
    $self->{loop}->on_write($client->{socket},
                            $left ? sub { $self->_write($client) } : undef);
}


sub _read
{
    my ($self, $client) = @_;

    my $n = sysread $client->{socket}, $client->{in}, 1 << 16,
                    length $client->{in};

    return if !defined $n && $!{EAGAIN};
    return $self->_closed($client, defined $n ? 'closed' : 'reset') if !$n;

    if (!$client->{message}) {
        return $self->_fail($client, 'bad', 'bytes without a request');
    }

    $client->{content} //= '';

    while (!$client->{head}) {
        my $text = take_head(\$client->{in}) // return;
        my $head = parse_response($text)
            // return $self->_fail($client, 'bad', $text);

        next if $head->{status} < 200;

        $client->{head} = $head;
        $client->{body} = TeckenTest::HTTP::Body->for_response(
            $client->{message}{method}, $head->{status}, $head->{headers});
    }

    $client->{body}->take(\$client->{in}, \$client->{content});
    $self->_done($client) if $client->{body}->done;
}


sub _done
{
    my ($self, $client) = @_;

    my $head = $client->{head};
    my $content = $client->{content};

    $self->{done}++;
    $self->{status}{ $head->{status} }++;
    push @{ $self->{latencies} }, time - $client->{started};

    $self->_count_failure('body', substr $content, 0, 200)
        if defined $self->{expect} && $head->{status} == 200
           && $client->{message}{method} ne 'HEAD'
           && $content ne $self->{expect};

    $self->_announce($client);

    # a server that answered early and did not read on will close
    my $keep = $self->{keepalive} && $head->{keep_alive}
               && $client->{offset} == length $client->{message}{text};

    $self->_forget_message($client);
    $client->{used} = 1;

    $keep ? $self->_go_on($client) : $self->_close_and_requeue($client);
}


# The first response of each client; when all have had one, the test is told.
sub _announce
{
    my ($self, $client) = @_;

    return if $client->{answered}++;

    return if ++$self->{first} < $self->{connections};

    print "connected\n";

    # those that the server has closed meanwhile are in the queue
    $self->{loop}->after(0, sub {
        $_->{socket} and $self->_go_on($_)
            for splice @{ $self->{gathered} // [] };
    });
}


sub _go_on
{
    my ($self, $client) = @_;

    if ($self->{gather} && $self->{first} < $self->{connections}) {
        push @{ $self->{gathered} }, $client;
        return;
    }

    return $self->_settle if !$self->_wants_more;
    return $self->_begin($client) if !$self->{think};

    my $socket = $client->{socket};

    $self->{loop}->after($self->{think} / 1000, sub {
        # closed, and perhaps opened again, in the meantime
        return if ($client->{socket} // 0) != $socket || $client->{message};

        $self->_wants_more ? $self->_begin($client) : $self->_settle;
    });
}


sub _closed
{
    my ($self, $client, $how) = @_;

    # an idle connection may be closed at any time
    return $self->_close_and_requeue($client) if !$client->{message};

    if ($client->{body} && $client->{body}->until_close && $how eq 'closed') {
        $client->{head}{keep_alive} = 0;
        return $self->_done($client);
    }

    if ($client->{used} && $self->{retry} && !$client->{head}
        && $client->{in} eq '')
    {
        $self->{retried}++;
        $client->{offset} = 0;
        return $self->_close_and_requeue($client);
    }

    $self->_fail($client, $how, "$client->{message}{method}: $how");
}


sub _fail
{
    my ($self, $client, $kind, $text) = @_;

    $self->_count_failure($kind, $text);
    $self->_announce($client);

    $self->_forget_message($client);
    $self->_close_and_requeue($client);
}


sub _forget_message
{
    my ($self, $client) = @_;

    $self->{active}-- if $client->{message};
    delete @$client{qw(message head body content offset)};
}


sub _count_failure
{
    my ($self, $kind, $text) = @_;

    $self->{failures}{$kind}++;

    push @{ $self->{samples} }, "$kind: $text" if @{ $self->{samples} } < 10;
}


sub _close_and_requeue
{
    my ($self, $client) = @_;

    $self->_no_longer_connecting($client);

    if (my $socket = delete $client->{socket}) {
        $self->{loop}->forget($socket);
        close $socket;
    }

    delete $self->{open}{ $client->{id} };
    push @{ $self->{queue} }, $client;

    # not from here: a refused connection would call itself without end
    $self->{pending} //= $self->{loop}->after(0, sub {
        $self->{pending} = undef;
        $self->_open_more;
    });
}


sub _expire
{
    my ($self) = @_;

    my $limit = time - $self->{timeout};

    for my $client (values %{ $self->{open} }) {
        $self->_fail($client, 'timeout', 'no response')
            if $client->{message} && $client->{started} < $limit;
    }
}


sub _result
{
    my ($self, $seconds) = @_;

    my @sorted = sort { $a <=> $b } @{ $self->{latencies} };
    my $failed = 0;
    $failed += $_ for values %{ $self->{failures} };

    return {
        sent => $self->{sent}, done => $self->{done},
        status => $self->{status}, failures => $self->{failures},
        failed => $failed, retried => $self->{retried},
        connections => $self->{opened}, seconds => $seconds,
        rate => $self->{done} / ($seconds || 1), samples => $self->{samples},
        latency => {
            p50 => $sorted[ @sorted * 0.50 ], p99 => $sorted[ @sorted * 0.99 ],
            max => $sorted[-1],
        },
    };
}


1;
