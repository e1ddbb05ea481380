# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# The one-shot TCP and UDP servers of tcp_listen and udp_listen.

package Test::Nginx::Mock;

use strict;
use warnings;

use Exporter qw(import);
use IO::Socket::INET ();
use IO::Socket::UNIX ();
use POSIX qw(:sys_wait_h);
use Socket qw(SOCK_STREAM SOCK_DGRAM);
use Test::More ();
use Time::HiRes qw(sleep time);

use Test::Nginx::Util qw($InSubprocess bail_out is_str expand_env parse_time);

our @EXPORT_OK = qw(start_mocks finish_mocks stop_mocks);

my @Mocks;                   # { kind, pid, sock, query, path }


sub start_mocks {
    my ($block, $ports) = @_;

    _start('tcp', \&_serve_tcp, $block, $ports) if defined $block->tcp_listen;
    _start('udp', \&_serve_udp, $block, $ports) if defined $block->udp_listen;
}


sub _start {
    my ($kind, $serve, $block, $ports) = @_;

    my ($listen, $reply) = $kind eq 'tcp' ? qw(tcp_listen tcp_reply)
                                          : qw(udp_listen udp_reply);

    if (!defined $block->$reply && !defined $block->tcp_shutdown) {
        bail_out($block->name, " - $listen needs $reply");
    }

    my $target = expand_env($block->$listen, $block->name, $ports);
    $target =~ s/\A\s+|\s+\z//g;
    my $sock = _listen($kind, $target, $block);

    # the child shares the offset, so read it from the start once it is gone
    open my $query, '+>', undef or bail_out("temporary file: $!");

    my $pid = fork // bail_out("fork: $!");

    if ($pid == 0) {
        $InSubprocess = 1;
        eval { $serve->($block, $sock, $query); 1 }
            or warn '# ', $block->name, " - $kind mock: $@";
        POSIX::_exit(0);
    }

    close $sock if $kind eq 'tcp';
    push @Mocks, { kind => $kind, pid => $pid, query => $query,
                   path => $target =~ m{/} ? $target : undef };
}


sub _listen {
    my ($kind, $target, $block) = @_;

    my $tcp = $kind eq 'tcp';
    my $sock;

    if ($target =~ /^\d+$/) {
        $sock = IO::Socket::INET->new(
            LocalAddr => '127.0.0.1', LocalPort => $target, Proto => $kind,
            $tcp ? (ReuseAddr => 1, Listen => 5) : (),
        );

    } elsif ($target =~ m{\S\.sock\z}) {
        unlink $target;
        $sock = IO::Socket::UNIX->new(
            Local => $target, Type => $tcp ? SOCK_STREAM : SOCK_DGRAM,
            $tcp ? (Listen => 5) : (),
        );

    } else {
        bail_out($block->name, " - bad ${kind}_listen target \"$target\"");
    }

    return $sock // bail_out($block->name,
                             " - cannot listen on $kind $target: ", $@ || $!);
}


sub _serve_tcp {
    my ($block, $listener, $query) = @_;

    my $client = $listener->accept or die "accept: $!\n";
    my $how = $block->tcp_shutdown;

    if (defined $how) {
        sleep $block->tcp_shutdown_delay if $block->tcp_shutdown_delay;
        shutdown $client, $how;
    }

    my $buf = '';
    $buf = _read_query($block, $client, $query)
        if !defined $how || $how == 1;

    _delay($block->tcp_reply_delay);
    _reply($block, $block->tcp_reply, $buf, sub { _send_all($client, $_[0]) })
        if !defined $how || $how == 0;

    if (defined $block->tcp_no_close) {
        sleep 1 while 1;
    }
}


# Without a length to wait for, the first piece is the query.

sub _read_query {
    my ($block, $client, $query) = @_;

    my $need = $block->tcp_query_len // length($block->tcp_query // '');
    my $buf = '';

    while (sysread $client, my $piece, 65536) {
        $buf .= $piece;
        syswrite $query, $piece;
        last if !$need || length $buf >= $need;
    }

    return $buf;
}


sub _serve_udp {
    my ($block, $sock, $query) = @_;

    my $peer = recv($sock, my $buf, 65536, 0) // die "recv: $!\n";
    syswrite $query, $buf;

    _delay($block->udp_reply_delay);
    _reply($block, $block->udp_reply, $buf, sub {
        defined send($sock, $_[0], 0, $peer) or die "send: $!\n";
    });
}


sub _delay {
    my ($time) = @_;

    sleep parse_time($time) if $time;
}


sub _reply {
    my ($block, $reply, $query, $send) = @_;

    $reply = $reply->($query) if ref $reply eq 'CODE';
    return if !defined $reply;

    $send->($_) for ref $reply eq 'ARRAY' ? @$reply : $reply;
}


sub _send_all {
    my ($sock, $bytes) = @_;

    local $SIG{PIPE} = 'IGNORE';

    while (length $bytes) {
        my $n = syswrite $sock, $bytes;
        die "send: $!\n" if !defined $n;
        substr $bytes, 0, $n, '';
    }
}


# The tests on what the servers got, and their end.

sub finish_mocks {
    my ($block) = @_;

    my %expects = (
        tcp => defined $block->tcp_query || defined $block->tcp_query_len,
        udp => defined $block->udp_query,
    );

    my %got;

    for my $mock (@Mocks) {
        _wait_for($mock, 0.5)
            if $expects{$mock->{kind}} && !defined $block->tcp_no_close;
    }

    for my $mock (splice @Mocks) {
        _end($mock);

        my $query = $mock->{query};
        seek $query, 0, 0;
        $got{$mock->{kind}} = do { local $/; scalar <$query> // '' };
    }

    my $name = $block->name;

    is_str($got{tcp}, $block->tcp_query, "$name - tcp_query ok")
        if defined $got{tcp} && defined $block->tcp_query;
    Test::More::is(length $got{tcp}, $block->tcp_query_len,
                   "$name - TCP query length ok")
        if defined $got{tcp} && defined $block->tcp_query_len;
    is_str($got{udp}, $block->udp_query, "$name - udp_query ok")
        if defined $got{udp} && defined $block->udp_query;
}


# A query may still be on its way when the response is complete.

sub _wait_for {
    my ($mock, $seconds) = @_;

    my $deadline = time + $seconds;

    while (time < $deadline) {
        if (waitpid($mock->{pid}, WNOHANG) != 0) {
            $mock->{gone} = 1;
            return;
        }

        sleep 0.002;
    }
}


sub _end {
    my ($mock) = @_;

    if (!$mock->{gone}) {
        kill 'KILL', $mock->{pid};
        waitpid $mock->{pid}, 0;
    }

    unlink $mock->{path} if defined $mock->{path};
}


sub stop_mocks {
    _end($_) for splice @Mocks;
}


1;
