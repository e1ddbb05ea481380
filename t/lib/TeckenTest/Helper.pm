# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# A part that is a child process with an event loop, told what to do at run
# time by one line of JSON per connection to its control port.  The child
# ends with the process that started it.

package TeckenTest::Helper;

use strict;
use warnings;

use Errno ();
use IO::Socket::INET;
use JSON::PP ();

use TeckenTest::Loop;
use TeckenTest::Process qw(fork_child free_port kill_pid);

my $json = JSON::PP->new->latin1->canonical;


# Forks.  $make->($loop) returns the object whose command_NAME methods answer
# call('NAME'); it runs in the child.
sub start_helper
{
    my ($class, $make, %fields) = @_;

    my $control = listen_tcp(free_port());

    my $pid = fork_child(sub {
        my ($parent) = @_;

        my $loop = TeckenTest::Loop->new;
        my $server = $make->($loop);

        $loop->on_read($control, sub { _accept($loop, $server, $control) });
        $loop->every(0.5, sub { $loop->stop if getppid != $parent });
        $loop->run;
    }, $ENV{TECKEN_TEST_LOG});

    return bless {
        pid => $pid, owner => $$, control_port => $control->sockport, %fields,
    }, $class;
}


sub control_port { return $_[0]{control_port} }
sub pid          { return $_[0]{pid} }


# Sends a command, returns its result; dies with the child's error text.
sub call
{
    my ($self, $name, %arguments) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $self->{control_port},
        Proto => 'tcp', Timeout => 60,
    ) or die ref($self) . " is gone: $!\n";

    print {$socket} $json->encode({ %arguments, command => $name }), "\n";
    my $line = <$socket> // die ref($self) . " died in $name\n";

    my $answer = $json->decode($line);
    die $answer->{error} if exists $answer->{error};

    return $answer->{result};
}


sub stop
{
    my ($self) = @_;

    return if !$self->{pid} || $self->{owner} != $$;

    kill_pid(delete $self->{pid}, 'TERM');
}


sub DESTROY
{
    my ($self) = @_;

    local ($?, $@, $!);
    eval { $self->stop };
}


# A listening socket on a port of loopback, which may have been ours before.
sub listen_tcp
{
    my ($port) = @_;

    return IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => $port, Proto => 'tcp',
        Listen => 4096, ReuseAddr => 1, Blocking => 0,
    ) // die "listen on 127.0.0.1:$port: $!\n";
}


sub _accept
{
    my ($loop, $server, $control) = @_;

    my $socket = $control->accept or return;
    $socket->blocking(0);
    my $buffer = '';

    $loop->on_read($socket, sub {
        my $n = sysread $socket, $buffer, 1 << 20, length $buffer;
        return if !defined $n && $!{EAGAIN};

        return if $n && $buffer !~ /\n\z/;

        $loop->forget($socket);
        return if !$n;

        # the caller waits for this answer
        $socket->blocking(1);
        print {$socket} _answer($server, $buffer), "\n";
        close $socket;
    });
}


sub _answer
{
    my ($server, $line) = @_;

    my $answer = eval {
        my $arguments = $json->decode($line);
        my $name = delete $arguments->{command};
        my $method = $server->can("command_$name")
            or die "no command $name\n";

        { result => $server->$method(%$arguments) };
    };

    return $json->encode($answer // { error => "$@" });
}


1;
