# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# A small event loop over select(), for the parts that serve or make many
# connections.

package TeckenTest::Loop;

use strict;
use warnings;

use Time::HiRes ();


sub new
{
    my ($class) = @_;

    return bless {
        masks => [ '', '' ],                    # read, write
        handlers => [ [], [] ],                 # by descriptor
        timers => [],                           # by time, the next one last
        running => 0,
    }, $class;
}


# Calls $handler whenever $fh is readable; undef: no longer.
sub on_read
{
    my ($self, $fh, $handler) = @_;

    $self->_watch(0, $fh, $handler);
}


sub on_write
{
    my ($self, $fh, $handler) = @_;

    $self->_watch(1, $fh, $handler);
}


# To be called before $fh is closed.
sub forget
{
    my ($self, $fh) = @_;

    $self->_watch($_, $fh, undef) for 0, 1;
}


sub _watch
{
    my ($self, $side, $fh, $handler) = @_;

    my $fd = fileno $fh // return;

    $self->{handlers}[$side][$fd] = $handler;
    vec($self->{masks}[$side], $fd, 1) = defined $handler ? 1 : 0;
}


# Calls $handler once; the result is for cancel().
sub after
{
    my ($self, $seconds, $handler) = @_;

    my $timer = [ Time::HiRes::time() + $seconds, $handler ];
    my $timers = $self->{timers};

    my ($low, $high) = (0, scalar @$timers);
    while ($low < $high) {
        my $middle = int(($low + $high) / 2);

        if ($timers->[$middle][0] > $timer->[0]) {
            $low = $middle + 1;
        } else {
            $high = $middle;
        }
    }

    splice @$timers, $low, 0, $timer;

    return $timer;
}


sub cancel
{
    my ($self, $timer) = @_;

    $timer->[1] = undef if $timer;
}


sub every
{
    my ($self, $seconds, $handler) = @_;

    $self->after($seconds, sub {
        $handler->();
        $self->every($seconds, $handler);
    });
}


sub run
{
    my ($self) = @_;

    $self->{running} = 1;
    $self->_step while $self->{running};
}


sub stop
{
    my ($self) = @_;

    $self->{running} = 0;
}


sub _step
{
    my ($self) = @_;

    my @ready = @{ $self->{masks} };
    my $n = select $ready[0], $ready[1], undef, $self->_next_timer;

    if ($n > 0) {
        $self->_dispatch($_, $ready[$_]) for 1, 0;
    }

    $self->_expire;
}


sub _dispatch
{
    my ($self, $side, $mask) = @_;

    my $handlers = $self->{handlers}[$side];

    # thousands of idle connections are skipped eight at a time
    while ($mask =~ /[^\0]/g) {
        my $byte = pos($mask) - 1;

        for my $fd ($byte * 8 .. $byte * 8 + 7) {
            next if !vec $mask, $fd, 1;

            # an earlier handler may have closed it
            my $handler = $handlers->[$fd] or next;
            $handler->();
        }
    }
}


sub _next_timer
{
    my ($self) = @_;

    my $timers = $self->{timers};
    pop @$timers while @$timers && !$timers->[-1][1];

    return 1 if !@$timers;

    my $left = $timers->[-1][0] - Time::HiRes::time();

    return $left > 0 ? $left : 0;
}


sub _expire
{
    my ($self) = @_;

    my $timers = $self->{timers};
    my $now = Time::HiRes::time();

    while (@$timers && $timers->[-1][0] <= $now) {
        my $timer = pop @$timers;
        $timer->[1]->() if $timer->[1];
    }
}


1;
