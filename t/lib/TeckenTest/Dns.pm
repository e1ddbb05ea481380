# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# A DNS server for nginx's "resolver 127.0.0.1:PORT": answers A queries from a
# table, or misbehaves.

package TeckenTest::Dns;

use strict;
use warnings;

use parent 'TeckenTest::Helper';

use IO::Socket::INET;


# table: name => address, or several in an array
sub start
{
    my ($class, %options) = @_;

    my $socket = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => $options{port} // 0,
        Proto => 'udp', Blocking => 0,
    ) or die "dns: $!\n";

    my $self = $class->start_helper(sub {
        my ($loop) = @_;

        return TeckenTest::Dns::Server->new($loop, $socket,
                                            $options{table} // {});
    }, port => $socket->sockport);

    close $socket;

    return $self;
}


sub port { return $_[0]{port} }


# "answer" (the default), "silent", "servfail", "nxdomain" or "refused";
# options: ms (a delay), name (only that one), ttl (seconds, 1)
sub mode
{
    my ($self, $mode, %options) = @_;

    $self->call('mode', mode => $mode, %options);
}


# Adds names, or changes their addresses; undef removes one.
sub set
{
    my ($self, %table) = @_;

    $self->call('set', table => \%table);
}


# How often names were asked for: { name => n }, or one name's number.
# Only A queries: AAAA come beside them.
sub queries
{
    my ($self, $name) = @_;

    my $queries = $self->call('queries');

    return defined $name ? $queries->{lc $name} // 0 : $queries;
}


sub clear
{
    $_[0]->call('clear');
}


package TeckenTest::Dns::Server;

use Socket qw(inet_aton);

use constant { TYPE_A => 1, CLASS_IN => 1 };

my %code = (
    answer => 0, servfail => 2, nxdomain => 3, refused => 5, silent => undef,
);


sub new
{
    my ($class, $loop, $socket, $table) = @_;

    my $self = bless {
        loop => $loop, socket => $socket, table => {}, queries => {},
        mode => 'answer', ttl => 1,
    }, $class;

    $self->command_set(table => $table);
    $loop->on_read($socket, sub { $self->_read });

    return $self;
}


sub command_mode
{
    my ($self, %options) = @_;

    die "the DNS server has no mode $options{mode}\n"
        if !exists $code{ $options{mode} };

    $self->{mode} = $options{mode};
    $self->{ms} = $options{ms} // 0;
    $self->{only} = $options{name};
    $self->{ttl} = $options{ttl} // 1;

    return 1;
}


sub command_set
{
    my ($self, %arguments) = @_;

    my $table = $arguments{table};

    for my $name (keys %$table) {
        my $addresses = $table->{$name};
        $self->{table}{lc $name} = ref $addresses ? $addresses : [ $addresses ];
        delete $self->{table}{lc $name} if !defined $addresses;
    }

    return 1;
}


sub command_queries
{
    return $_[0]{queries};
}


sub command_clear
{
    $_[0]{queries} = {};

    return 1;
}


sub _read
{
    my ($self) = @_;

    while (defined(my $peer = recv $self->{socket}, my $query, 4096, 0)) {
        my $answer = $self->_answer($query) // next;

        $self->{loop}->after(($self->{ms} // 0) / 1000, sub {
            send $self->{socket}, $answer, 0, $peer;
        });
    }
}


# undef: silence
sub _answer
{
    my ($self, $query) = @_;

    return if length $query < 17;

    my $id = unpack 'n', $query;
    my ($name, $length) = _name($query) or return;
    return if length $query < 12 + $length + 4;

    my $question = substr $query, 12, $length + 4;
    my ($type) = unpack 'n', substr $question, $length;

    $self->{queries}{$name}++ if $type == TYPE_A;

    my $mode = defined $self->{only} && lc $self->{only} ne $name
               ? 'answer' : $self->{mode};
    my $code = $code{$mode} // return;

    my $addresses = $self->{table}{$name};
    $code = 3 if $mode eq 'answer' && !$addresses;

    my @records = $code || $type != TYPE_A ? () : @$addresses;

    return pack('n6', $id, 0x8180 | $code, 1, scalar @records, 0, 0)
           . $question . join '', map { $self->_record($_) } @records;
}


# The question's name in lower case, and its length on the wire.
sub _name
{
    my ($query) = @_;

    my ($offset, @labels) = 12;

    while ($offset < length $query) {
        my $length = ord substr $query, $offset++, 1;
        return (lc join('.', @labels), $offset - 12) if $length == 0;
        return if $length > 63;

        push @labels, substr $query, $offset, $length;
        $offset += $length;
    }

    return;
}


# The name is a pointer to the question's.
sub _record
{
    my ($self, $address) = @_;

    return pack 'n n n N n/a*', 0xc00c, TYPE_A, CLASS_IN, $self->{ttl},
                                inet_aton($address);
}


1;
