# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# The HTTP client: sends packets, reads until the server closes, and never
# waits longer than the block's timeout for the next event.

package Test::Nginx::Client;

use strict;
use warnings;

use Errno qw(EAGAIN EINTR EINPROGRESS EWOULDBLOCK);
use Exporter qw(import);
use IO::Select ();
use IO::Socket::INET ();
use Test::More ();
use Time::HiRes qw(sleep time);

use Test::Nginx::Process qw(nginx_launched nginx_running);
use Test::Nginx::Util qw($ServerAddr $ServerPortForClient $Timeout
                         parse_time say_verbose);

our @EXPORT_OK = qw(send_request);

use constant CONNECT_TRIES_FOR => 1;


# Sends one connection's packets and returns all that came back.

sub send_request {
    my ($block, $request) = @_;

    my $timeout = parse_time($block->timeout) || $Timeout;
    my $sock = _connect($block, $timeout) or return '';

    local $SIG{PIPE} = 'IGNORE';

    my $ctx = {
        block => $block,
        sock => $sock,
        queue => [@{ $request->{packets} }],
        delay => scalar $block->raw_request_middle_delay,
        out => '',
        resp => '',
        not_before => 0,
    };

    _next_packet($ctx, 1);
    _loop($ctx, $timeout);
    close $sock;

    say_verbose("response: [$ctx->{resp}]");

    return $ctx->{resp};
}


sub _connect {
    my ($block, $timeout) = @_;

    my $addr = $block->server_addr_for_client // $ServerAddr;
    my $deadline = time + CONNECT_TRIES_FOR;
    my $error;

    while (1) {
        my $sock = IO::Socket::INET->new(
            PeerAddr => $addr, PeerPort => $ServerPortForClient,
            Proto => 'tcp', Timeout => $timeout,
        );

        if ($sock) {
            $sock->blocking(0);
            return $sock;
        }

        $error = $@ || $!;
        last if time > $deadline || (nginx_launched() && !nginx_running());
        sleep 0.01;
    }

    Test::More::fail($block->name . " - Can't connect to $addr:"
                     . "$ServerPortForClient: $error");
    return;
}


# Makes the next packet the one to write; false when there is none.

sub _next_packet {
    my ($ctx, $first) = @_;

    my $packet = shift @{ $ctx->{queue} } or return 0;

    $ctx->{out} = $packet->{value};
    my $delay = $packet->{delay_before} // ($first ? 0 : $ctx->{delay}) // 0;
    $ctx->{not_before} = $delay ? time + $delay : 0;

    return 1;
}


# Runs until end of file, an error or a time-out. What arrives during a delay
# is read; the delay itself does not count against the time-out.

sub _loop {
    my ($ctx, $timeout) = @_;

    my $sel = IO::Select->new($ctx->{sock});
    my $writing = 1;

    while (1) {
        my $pause = $writing ? $ctx->{not_before} - time : 0;
        my $held = $pause > 0;
        my $writers = $writing && !$held ? $sel : undef;

        $! = 0;
        my ($can_read, $can_write) =
            IO::Select->select($sel, $writers, undef,
                               $held ? $pause : $timeout);

        if (!$can_read) {
            next if $held || $!{EINTR};
            return _timed_out($ctx);
        }

        return if @$can_read && !_read($ctx);

        if (@$can_write) {
            $writing = _write($ctx);
            _shutdown($ctx) if !$writing;
        }
    }
}


sub _timed_out {
    my ($ctx) = @_;

    return if defined $ctx->{block}->abort;

    Test::More::fail('ERROR: client socket timed out - '
                     . $ctx->{block}->name);
}


# False at end of file.

sub _read {
    my ($ctx) = @_;

    while (1) {
        my $n = sysread $ctx->{sock}, $ctx->{resp}, 65536,
                        length $ctx->{resp};

        next if $n;

        if (!defined $n) {
            return 1 if $!{EAGAIN} || $!{EWOULDBLOCK};
            next if $!{EINTR};

            warn '# WARNING: ', $ctx->{block}->name,
                 " - HTTP response read failure: $!\n";
        }

        return 0;
    }
}


# False when there is nothing more to write. An error is one such case: the
# server may have answered before it closed.

sub _write {
    my ($ctx) = @_;

    while (1) {
        while ($ctx->{out} ne '') {
            my $n = syswrite $ctx->{sock}, $ctx->{out};

            if (!defined $n) {
                return 1 if $!{EAGAIN} || $!{EWOULDBLOCK} || $!{EINTR};

                warn '# ', $ctx->{block}->name, " - write failed: $!\n";
                return 0;
            }

            substr $ctx->{out}, 0, $n, '';
        }

        return 0 if !_next_packet($ctx);
        return 1 if $ctx->{not_before};
    }
}


sub _shutdown {
    my ($ctx) = @_;

    my $how = $ctx->{block}->shutdown;
    return if !defined $how;

    shutdown $ctx->{sock}, $how =~ /(\d)/ ? $1 : 1;
}


1;
