package TeckenTest::SymbolRules;

# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# What the answers for a .sym file are, by the rules of the symbolic library,
# as slow and as literal as can be: a map from addresses to places that every
# record is put into.  common/sym is compared with it.

use strict;
use warnings;
no warnings 'portable';

use Encode ();

use constant { U32 => 0xffffffff, U64 => ~0 };


# { error => 1 }, or an object to ask with lookup(ADDRESS)

sub new
{
    my ($class, $text, %args) = @_;

    my $self = bless { strict => $args{strict}, files => {}, origins => {},
                       map => {}, dropped => 0 }, $class;

    my @lines = split /\n/, $text, -1;
    pop @lines if @lines && $lines[-1] eq '';
    s/\r\z// for @lines;

    $self->{lines} = \@lines;

    my $ok = eval { $self->module; $self->file_map; $self->functions;
                    $self->publics; 1 };

    die $@ if !$ok && $@ !~ /^malformed/;
    return { error => 1 } if !$ok;

    $self->{keys} = [sort { $a <=> $b } keys %{ $self->{map} }];

    return $self;
}


sub lookup
{
    my ($self, $addr) = @_;

    my %answer = (module_offset => sprintf '0x%x', $addr);

    return \%answer if $addr > U32;

    my ($key) = grep { $_ <= $addr } reverse @{ $self->{keys} };
    my $place = defined $key ? $self->{map}{$key} : undef;

    return \%answer if !$place;

    my @frames;

    for ( ; $place; $place = $place->{into}) {
        my %frame = (function => $place->{function}{name});

        if ($place->{file} ne '') {
            $frame{file} = $place->{file};
            $frame{line} = $place->{line} if $place->{line};
        }

        push @frames, { %frame, entry => $place->{function}{address} };
    }

    my $outer = pop @frames;
    my $offset = $addr - delete $outer->{entry};

    delete $_->{entry} for @frames;

    %answer = (%answer, %$outer, function_offset =>
               sprintf $offset < 0 ? '-0x%x' : '0x%x', abs $offset);
    $answer{inlines} = \@frames if @frames;

    return \%answer;
}


# reading

sub bad
{
    my ($self) = @_;

    $self->{dropped}++;
    die "malformed\n" if $self->{strict};
}


sub module
{
    my ($self) = @_;

    my $first = $self->{lines}[0] // '';

    $first =~ /^MODULE [^ ]+ (\S+) ([0-9A-Fa-f]{33,40})(?: .*)?\z/
        && $1 =~ /^(?:x86|x86_64|arm64)\z/
        or die "malformed\n";
}


sub file_map
{
    my ($self) = @_;

    for (@{ $self->{lines} }) {
        last if !/^(?:MODULE|INFO|FILE) /;
        next if !/^FILE /;

        my $line = text($_);

        if (defined $line
            && $line =~ /^FILE[ \t\r\n]+([0-9]+)(?:[ \t\r\n]+(.*))?\z/s
            && defined(my $number = number($1)))
        {
            $self->{files}{$number} = path($2 // '');

        } else {
            $self->{dropped}++;
        }
    }
}


sub functions
{
    my ($self) = @_;

    my $in = '';
    my $function;

    for my $raw (@{ $self->{lines} }) {

        if ($raw =~ /^(?:FUNC|PUBLIC|STACK) /) {
            $self->finish($function) if $function;
            undef $function;
            $in = '';
            last if $raw =~ /^STACK /;
            next if $raw =~ /^PUBLIC /;

            $function = $self->func($raw);
            $in = $function ? 'body' : 'skip';
            next;
        }

        if ($raw =~ /^INLINE_ORIGIN /) {
            my $line = text($raw);

            if (defined $line
                && $line =~ /^INLINE_ORIGIN[ \t\r\n]+([0-9]+)[ \t\r\n]+(.+)\z/s
                && defined(my $number = number($1)))
            {
                $self->{origins}{$number} = $2;

            } else {
                $self->bad;
            }

            next;
        }

        next if $in ne 'body';

        my $line = text($raw);

        if (!defined $line) {
            $self->bad;

        } elsif ($raw =~ /^INLINE /) {
            $self->bad if !$self->inline($function, $line);

        } elsif ($line ne '') {
            $self->bad if !$self->line($function, $line);
        }
    }

    $self->finish($function) if $function;
}


sub func
{
    my ($self, $raw) = @_;

    my $line = text($raw) // '';
    my $gap = qr/[ \t\r\n]+/;
    my $hex = qr/([0-9A-Fa-f]+)/;
    my ($address, $size, $parameters);

    if ($line !~ /^FUNC$gap(?:m$gap)?$hex$gap$hex$gap$hex(?:$gap(.*))?\z/s
        || !defined($address = hexadecimal($1))
        || !defined($size = hexadecimal($2))
        || !defined($parameters = hexadecimal($3)))
    {
        $self->bad;
        return;
    }

    return { address => $address, end => sum($address, $size),
             name => $4 // '<unknown>', lines => [], calls => [],
             drop => $size == 0 || $address > U32 };
}


sub inline
{
    my ($self, $function, $line) = @_;

    my $gap = qr/[ \t\r\n]+/;
    my $hex = qr/[0-9A-Fa-f]+/;

    $line =~ /^INLINE$gap([0-9]+)$gap([0-9]+)$gap([0-9]+)$gap([0-9]+)
              ((?:$gap$hex$gap$hex)+)\z/x
        or return 0;

    my ($depth, $call_line, $file, $origin) = map { number($_) } $1, $2, $3,
                                                                 $4;
    my @ranges = map { hexadecimal($_) } split ' ', $5;

    return 0 if grep { !defined } $depth, $call_line, $file, $origin, @ranges;

    while (my ($address, $size) = splice @ranges, 0, 2) {
        next if $address < $function->{address} || $size == 0;

        push @{ $function->{calls} },
            { depth => $depth, start => $address, end => sum($address, $size),
              name => $self->{origins}{$origin} // '',
              file => $self->{files}{$file} // '',
              line => $call_line & U32 };
    }

    return 1;
}


sub line
{
    my ($self, $function, $line) = @_;

    my $gap = qr/[ \t\r\n]+/;

    $line =~ /^([0-9A-Fa-f]+)$gap([0-9A-Fa-f]+)$gap(-?)([0-9]+)$gap([0-9]+)\z/
        or return 0;

    my ($minus, $address, $size, $number, $file) =
        ($3, hexadecimal($1), hexadecimal($2), number($4), number($5));

    return 0 if grep { !defined } $address, $size, $number, $file;
    return 1 if $size == 0 || $address < $function->{address};

    push @{ $function->{lines} },
        { start => $address, end => sum($address, $size),
          line => $minus ? 0 : $number & U32,
          file => $self->{files}{$file} // '' };

    return 1;
}


sub publics
{
    my ($self) = @_;

    my $gap = qr/[ \t\r\n]+/;

    for my $raw (@{ $self->{lines} }) {
        last if $raw =~ /^STACK /;
        next if $raw !~ /^PUBLIC /;

        my $line = text($raw) // '';
        my $address;

        if ($line !~ /^PUBLIC$gap(?:m$gap)?([0-9A-Fa-f]+)$gap([0-9A-Fa-f]+)
                      (?:$gap(.*))?\z/xs
            || !defined($address = hexadecimal($1))
            || !defined(hexadecimal($2)))
        {
            $self->{dropped}++;
            next;
        }

        $address &= U32;

        $self->{map}{$address} ||=
            { function => { name => $3 // '<unknown>', address => $address },
              file => '', line => 0 };
    }
}


# one function: which calls count, whose lines are whose, what goes where

sub finish
{
    my ($self, $function) = @_;

    return if $function->{drop};

    my @calls = nest($function);
    my @lines = sort { $a->{start} <=> $b->{start} }
                @{ delete $function->{lines} };

    my $outer = { function => $function, start => $function->{address},
                  end => $function->{end}, lines => [], inner => [] };
    my @stack = ($outer);

    while (@calls || @lines) {

        if (@calls && (!@lines || $calls[0]{start} <= $lines[0]{start})) {
            my $call = shift @calls;

            last if $call->{start} >= $function->{end};

            pop @stack while @stack > 1 && $stack[-1]{end} <= $call->{start};
            pop @stack while @stack > $call->{depth} + 1;

            my $node = { function => { name => $call->{name} }, inline => 1,
                         start => $call->{start}, end => $call->{end},
                         lines => [], inner => [] };

            push @{ $stack[-1]{lines} }, { %$call };
            push @{ $stack[-1]{inner} }, $node;
            push @stack, $node;
            next;
        }

        my $line = shift @lines;

        next if $line->{start} >= $function->{end};

        pop @stack while @stack > 1 && $stack[-1]{end} <= $line->{start};

        my ($cut) = sort { $a <=> $b } $line->{end},
            @stack > 1 ? $stack[-1]{end} : (),
            @calls ? $calls[0]{start} : ();

        unshift @lines, { %$line, start => $cut } if $cut < $line->{end};
        push @{ $stack[-1]{lines} }, { %$line, end => $cut };
    }

    $self->walk($outer, [[0, undef]]);
}


sub nest
{
    my ($function) = @_;

    my @heap;
    heap_push(\@heap, $_) for @{ delete $function->{calls} };

    my (@nested, @end);

    while (@heap) {
        my $call = heap_pop(\@heap);
        my $depth = $call->{depth};

        next if $call->{start} >= $function->{end};
        next if $depth > @end
                || ($depth && $end[$depth - 1] <= $call->{start});

        if ($depth < @end && $end[$depth] > $call->{start}) {
            heap_push(\@heap, { %$call, start => $end[$depth] })
                if $end[$depth] < $call->{end};
            next;
        }

        if ($depth && $end[$depth - 1] < $call->{end}) {
            heap_push(\@heap, { %$call, start => $end[$depth - 1] });
            $call = { %$call, end => $end[$depth - 1] };
        }

        push @nested, $call;
        splice @end, $depth, @end, $call->{end};
    }

    return @nested;
}


# std::collections::BinaryHeap of the least address and depth

sub heap_above
{
    my ($x, $y) = @_;

    return $x->{start} < $y->{start}
           || ($x->{start} == $y->{start} && $x->{depth} <= $y->{depth});
}


sub heap_up
{
    my ($heap, $i) = @_;

    while ($i) {
        my $parent = int(($i - 1) / 2);

        last if heap_above($heap->[$parent], $heap->[$i]);

        @$heap[$i, $parent] = @$heap[$parent, $i];
        $i = $parent;
    }
}


sub heap_push
{
    my ($heap, $item) = @_;

    push @$heap, $item;
    heap_up($heap, $#$heap);
}


sub heap_pop
{
    my ($heap) = @_;

    my $item = pop @$heap;

    return $item if !@$heap;

    ($item, $heap->[0]) = ($heap->[0], $item);

    my $i = 0;

    while ((my $child = 2 * $i + 1) < @$heap) {
        $child++ if $child + 1 < @$heap
                    && heap_above($heap->[$child + 1], $heap->[$child]);

        @$heap[$i, $child] = @$heap[$child, $i];
        $i = $child;
    }

    heap_up($heap, $i);

    return $item;
}


sub walk
{
    my ($self, $node, $sites) = @_;

    my @inner = sort { $a->{start} <=> $b->{start} }
                map { @{ $_->{lines} } } @{ $node->{inner} };
    my @lines = @{ $node->{lines} };
    my @sites = @$sites;
    my $site = shift @sites;
    my @inner_sites;

    while (my $line = shift @lines) {
        my $at = $line->{start};

        $site = shift @sites while @sites && $sites[0][0] <= $at;

        my $place = { function => $node->{function}, file => $line->{file},
                      line => $line->{line}, into => $site->[1] };

        while ($at < $line->{end}) {

            $self->{map}{$at} = $place
                if $at <= U32 && (!@inner || $inner[0]{start} > $at);

            if (@inner && $inner[0]{start} < $line->{end}) {
                my $call = shift @inner;
                push @inner_sites, [$call->{start}, $place];
                $at = $call->{end};

            } else {
                $at = $line->{end};
            }
        }

        shift @lines while @lines && $lines[0]{start} < $at;
    }

    if (!$node->{inline}) {
        $self->{map}{ $node->{start} } ||=
            { function => $node->{function}, file => '', line => 0 };
    }

    for my $inner (@{ $node->{inner} }) {
        $self->walk($inner, \@inner_sites)
            if @{ $inner->{lines} } && @inner_sites;
    }

    $self->{map}{ $node->{end} } = undef
        if $node->{end} <= U32 && !exists $self->{map}{ $node->{end} };
}


# texts and numbers

sub text
{
    my ($bytes) = @_;

    my $line = eval { Encode::decode('UTF-8', my $copy = $bytes,
                                     Encode::FB_CROAK) };

    return if !defined $line;

    my $space = qr/[\t-\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]/;

    $line =~ s/^$space+//;
    $line =~ s/$space+\z//;

    return $line;
}


sub hexadecimal
{
    my ($digits) = @_;

    $digits =~ s/^0+(?=.)//;

    return length $digits > 16 ? undef : hex $digits;
}


sub number
{
    my ($digits) = @_;

    $digits =~ s/^0+(?=.)//;

    return if length $digits > 20
              || (length $digits == 20 && $digits gt '18446744073709551615');

    return 0 + $digits;
}


sub sum
{
    my ($x, $y) = @_;

    return $y > U64 - $x ? U64 : $x + $y;
}


# clean_path(join_path(folder, name))

sub path
{
    my ($path) = @_;

    $path =~ s/[\/\\]+\z// if $path =~ /[^\/\\]/;

    if ($path =~ /^(.*)[\/\\]([^\/\\]*)\z/s) {
        my ($folder, $name) = ($1 eq '' ? substr($path, 0, 1) : $1, $2);

        if ($name =~ /^<.*>\z/s) {
            $path = $name;

        } elsif ($name eq '') {
            $path = $folder;

        } else {
            my $separator = windows($folder) ? '\\' : '/';
            $folder =~ s/[\/\\]+\z//;
            $path = "$folder$separator$name";
        }
    }

    my $windows = windows($path);
    my $separator = $windows ? '\\' : '/';
    my ($clean, $more, $above) = ('', 0, 0);

    for my $segment (split $windows ? qr/[\/\\]/ : qr/\//, $path, -1) {
        next if $segment eq '.';

        if ($segment eq '..') {

            if (!$above && $clean ne '') {
                $clean =~ s/[^\/\\]*\z// if $windows;
                $clean =~ s/[^\/]*\z// if !$windows;
                chop $clean;
                $more = 0 if $clean eq '';
                next;
            }

            $more = 0 if !$above;
            $above = 1;
        }

        $clean .= $separator if $more;
        $clean .= $segment;
        $more = 1;
    }

    return $clean;
}


sub windows
{
    my ($path) = @_;

    return $path =~ /\\/ || $path =~ /^[A-Za-z]:\//;
}


1;
