# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# The fault proxy's child: its listening socket, rules and counts.

package TeckenTest::FaultProxy::Server;

use strict;
use warnings;

use TeckenTest::FaultProxy::Connection;
use TeckenTest::Helper;

my %known = map { $_ => 1 } qw(
    pass refuse reset close noread stall hold latency slow stall_after
    reset_after cut_after corrupt_after status redirect garbage half_head
    half_head_close huge_headers endless
);


sub new
{
    my ($class, $loop, $listen, $port, $upstream) = @_;

    my $self = bless {
        loop => $loop, port => $port, upstream => $upstream,
        rules => [ { mode => 'pass' } ], connections => {}, serial => 0,
    }, $class;

    $self->command_clear;
    $self->_listen($listen);

    return $self;
}


sub loop     { return $_[0]{loop} }
sub upstream { return $_[0]{upstream} }


sub command_mode
{
    my ($self, %arguments) = @_;

    my $rule = _checked($arguments{rule});
    my $was = $self->{rules};

    $self->{rules} = [ $rule ];

    $self->command_release;
    $self->_end_unread if grep { $_->{mode} eq 'noread' } @$was;

    if ($rule->{mode} eq 'refuse') {
        $self->_unlisten;

    } elsif (!$self->{listen}) {
        $self->_listen(TeckenTest::Helper::listen_tcp($self->{port}));
    }

    $self->_apply_to_open($rule);

    return 1;
}


sub command_add
{
    my ($self, %arguments) = @_;

    my $rule = _checked($arguments{rule});
    die "$rule->{mode} is for all connections: use mode()\n"
        if $rule->{mode} eq 'refuse';

    push @{ $self->{rules} }, $rule;

    return 1;
}


sub command_release
{
    my ($self) = @_;

    my @held = grep { $_->held } values %{ $self->{connections} };
    $_->release for @held;

    return scalar @held;
}


sub command_clear
{
    my ($self) = @_;

    $self->{requests} = [];
    $self->{accepted} = $self->{aborted} = 0;

    return 1;
}


sub command_requests
{
    return $_[0]{requests};
}


sub command_count
{
    my ($self, %filter) = @_;

    my ($method, $path) = @filter{qw(method path)};

    return scalar grep { (!defined $method || $_->{method} eq $method)
                         && (!defined $path || $_->{path} =~ $path) }
                       @{ $self->{requests} };
}


sub command_stats
{
    my ($self) = @_;

    my @open = values %{ $self->{connections} };
    my (%methods, %paths);

    for (@{ $self->{requests} }) {
        $methods{ $_->{method} }++;
        $paths{ $_->{path} }++;
    }

    return {
        connections => $self->{accepted}, open => scalar @open,
        requests => scalar @{ $self->{requests} },
        aborted => $self->{aborted}, held => scalar(grep { $_->held } @open),
        methods => \%methods, paths => \%paths,
    };
}


# The rule for a request which has just arrived, which is counted with it.
sub judge
{
    my ($self, $connection, $request) = @_;

    (my $path = $request->{target}) =~ s/\?.*//s;
    my $rule = $self->_rule_for($request->{method}, $path);

    push @{ $self->{requests} }, {
        method => $request->{method}, target => $request->{target},
        path => $path, mode => $rule->{mode}, connection => $connection,
    };

    return $rule;
}


sub aborted
{
    $_[0]{aborted}++;
}


sub closed
{
    my ($self, $connection) = @_;

    delete $self->{connections}{$connection};
}


sub _checked
{
    my ($rule) = @_;

    die "the fault proxy has no mode $rule->{mode}\n"
        if !$known{ $rule->{mode} };

    for (grep { defined $rule->{$_} } qw(method path)) {
        $rule->{$_} = qr/$rule->{$_}/;
        $rule->{selective} = 1;
    }

    return $rule;
}


sub _rule_for
{
    my ($self, $method, $path) = @_;

    for my $rule (@{ $self->{rules} }) {
        next if defined $rule->{method} && $method !~ $rule->{method};
        next if defined $rule->{path} && $path !~ $rule->{path};
        next if defined $rule->{first} && $rule->{first}-- <= 0;

        return $rule;
    }

    return { mode => 'pass' };
}


sub _listen
{
    my ($self, $listen) = @_;

    $self->{listen} = $listen;

    $self->{loop}->on_read($listen, sub {
        while (my $socket = $listen->accept) {
            $self->_accepted($socket);
        }
    });
}


sub _unlisten
{
    my ($self) = @_;

    my $listen = delete $self->{listen} or return;

    $self->{loop}->forget($listen);
    close $listen;
}


sub _accepted
{
    my ($self, $socket) = @_;

    $self->{accepted}++;

    my $id = ++$self->{serial};
    my $connection = $self->{connections}{$id} =
        TeckenTest::FaultProxy::Connection->new($self, $socket, $id);

    my $rule = $self->{rules}[0];
    return if $rule->{selective};

    # known before any byte has been read
    if ($rule->{mode} eq 'noread') {
        $connection->ignore;

    } elsif ($rule->{mode} eq 'reset') {
        return if defined $rule->{first} && $rule->{first}-- <= 0;
        $connection->reset;
    }
}


sub _apply_to_open
{
    my ($self, $rule) = @_;

    return if $rule->{selective} || defined $rule->{first};

    my @open = values %{ $self->{connections} };

    if ($rule->{mode} eq 'refuse' || $rule->{mode} eq 'reset') {
        $_->reset for @open;

    } elsif ($rule->{mode} eq 'noread') {
        $_->ignore for @open;
    }
}


# Their clients' end would go unnoticed.
sub _end_unread
{
    my ($self) = @_;

    $_->reset for grep { $_->ignored } values %{ $self->{connections} };
}


1;
