# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# A reader of symcaches that was written after docs/symcache-format.md, and
# knows nothing else, finds what tecken-symcache finds.

use strict;
use warnings;
no warnings 'portable';

use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;

use TeckenTest::Process qw(slurp write_file);

my $tool = ($ENV{TECKEN_BUILD} || 'build') . '/tecken-symcache';

plan skip_all => "no $tool: make tool" if !-x $tool;

my $dir = tempdir('symcache-format-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $json = JSON::PP->new->canonical;
my $doc = slurp('docs/symcache-format.md');

is(hash64(''), 0xef46db3751d8e999, 'XXH64 of nothing');
is(hash64('abc'), 0x44bc2cf5ad770999, 'XXH64 of 3 bytes');

example();

# what the symbols of real modules do not have: overlaps, deep calls, many
# files, a name in two pieces, the last address

my $text = "MODULE windows x86_64 44E4EC8C2F41492B9369D6B9A059577C2 m.pdb\n"
           . "INFO CODE_ID 5A5A m.dll\n";

$text .= "FILE $_ dir/\"$_\".c\n" for 0 .. 40;
$text .= "INLINE_ORIGIN $_ ns::call<unsigned long, ns::Type>::n$_()\n"
    for 0 .. 300;
$text .= "FUNC 1000 1000 0 ns::call<unsigned long, ns::Type>::deep()\n";
$text .= sprintf "INLINE %u %u %u %u %x %x\n", $_, $_ * 1000, $_ % 41, $_,
                 0x1100 + $_, 0x600 - 2 * $_
    for 0 .. 255;
$text .= sprintf "%x 7 %u %u\n", 0x1000 + 7 * $_, $_ * $_ * 977, $_ * 5 % 41
    for 0 .. 580;
$text .= "FUNC 1800 1000 0 over\n1810 800 4294967295 3\n"
         . "PUBLIC 1850 0 inside\nPUBLIC 40 0 low\nPUBLIC 9000 0 \xc3\xa9\n"
         . "FUNC fffffff0 10 0 top\nfffffff8 8 1 2\n";
$text .= sprintf "FUNC %x 8 0 f%u\n%x 4 %u %u\n", $_ * 32 + 0x20000, $_,
                 $_ * 32 + 0x20000, $_, $_ % 41
    for 0 .. 5000;

write_file("$dir/made.sym", $text);

for my $name ("$dir/made.sym", glob 't/data/symbols/*/*/*.sym') {
    compare($name);
}

done_testing();


sub example
{
    my ($sym) = $doc =~ /^```\n(MODULE .*?)^```/ms;
    my @rows = $doc =~ /^\| 0x[0-9a-f]+ \| `([0-9a-f ]+)` \|/mg;

    write_file("$dir/example.sym", $sym);

    my $sc = build("$dir/example.sym");

    is(unpack('H*', $sc->{section}[0]),
       join('', @rows, '00' x 32) =~ tr/ //dr, 'CODE of the example');
    is_deeply([ unpack 'V34', $sc->{section}[1] ],
              [ 0x1000, 0x2000, (0xffffffff) x 14,
                0x18, 0x30, (0xffffffff) x 14 ], 'INDEX of the example');
    is(join(' ', map { name($sc, $_) } 0, 1, 4, 5, 11),
       ' <unknown> in out end', 'names of the example');
    is($sc->{text}[4], '0123456789ABCDEF0123456789ABCDEF1', 'its debug id');
}


sub build
{
    my ($name) = @_;

    unlink "$dir/symcache";
    system($tool, '-q', 'build', $name, "$dir/symcache") == 0
        or die "build $name: $?\n";

    return opened(slurp("$dir/symcache"));
}


sub opened
{
    my ($map) = @_;

    my ($magic, $version, $flags, $size, @n) = unpack 'a8VVQ<Q<5V4', $map;

    die "magic\n" if $magic ne "tkSYMC\r\n";
    die "version\n" if $version != 1;
    die "size\n" if $size != length $map || $size % 4096;
    die "header\n" if unpack('Q<', substr $map, 248)
                      != hash64(substr $map, 0, 248);
    die "page\n" if substr($map, 256, 4096 - 256) =~ /[^\0]/;

    my @sections = unpack 'Q<15', substr $map, 128;
    my %sc = (units => $n[5], files => $n[6], name_max => $n[8]);

    while (my ($offset, $length, $sum) = splice @sections, 0, 3) {
        my $s = substr $map, $offset, $length;

        die "section\n" if $offset % 4096 || length $s != $length;
        die "checksum\n" if hash64($s) != $sum;

        push @{ $sc{section} }, $s;
    }

    my @texts = unpack 'V10', substr $map, 80;

    while (my ($offset, $length) = splice @texts, 0, 2) {
        push @{ $sc{text} }, substr $sc{section}[3], $offset, $length;
    }

    # where levels are, the highest first

    my ($nodes, @levels) = $sc{units};

    do {
        $nodes = int(($nodes + 15) / 16);
        unshift @levels, $nodes;
    } while ($nodes > 1);

    my $offset = 0;

    for my $i (0 .. $#levels) {
        $sc{top} = $offset if $i == $#levels - 1 || $i == 0;
        push @{ $sc{level} }, $offset;
        $offset += $levels[$i] * ($i == $#levels ? 128 : 64);
    }

    die "index\n" if $offset != length $sc{section}[1];
    die "top\n" if unpack('Q<', substr $map, 120)
                   != hash64(substr $sc{section}[1], 0, $sc{top});

    return \%sc;
}


sub varint
{
    my ($s, $p) = @_;

    my $v = 0;

    for my $i (0 .. 4) {
        my $byte = ord substr $$s, $$p++, 1;

        $v |= ($byte & 0x7f) << 7 * $i;
        last if $byte < 0x80;
    }

    return $v & 0xffffffff;
}


sub signed
{
    my $v = varint(@_);

    return $v % 2 ? -($v + 1) / 2 : $v / 2;
}


sub name
{
    my ($sc, $handle) = @_;

    my $s = \$sc->{section}[0];
    my $p = $handle * 4;
    my $length = varint($s, \$p);
    my $name = '';

    die "name\n" if $length > $sc->{name_max};

    while (length $name < $length) {
        my $byte = ord substr $$s, $p++, 1;

        if ($byte < 0x80) {
            $name .= chr $byte;
            next;
        }

        my ($high, $low) = unpack 'CC', substr $$s, $p, 2;

        $p += 2;
        $name .= substr $sc->{section}[4],
                        ($byte & 1) << 16 | $high << 8 | $low,
                        14 + ($byte >> 1 & 0x3f);
    }

    die "name of another length\n" if length $name != $length;

    return $name;
}


sub path
{
    my ($sc, $n) = @_;

    return '' if $n == 0;

    my ($offset, $length) = unpack 'VV', substr $sc->{section}[2],
                                                8 * ($n - 1), 8;

    return substr $sc->{section}[3], $offset, $length;
}


sub unit
{
    my ($sc, $addr) = @_;

    return if !$sc->{units};

    my $i = 0;

    for my $l (0 .. $#{ $sc->{level} }) {
        my $below = $#{ $sc->{level} } - $l;
        my $at = $sc->{level}[$l] + $i * ($below ? 64 : 128);
        my @keys = unpack 'V16', substr $sc->{section}[1], $at, 64;
        my $most = ($sc->{units} - 1) >> 4 * $below;
        my @there = grep { $i * 16 + $_ <= $most && $keys[$_] <= $addr }
                         0 .. 15;

        return if !@there;

        return ($keys[$there[-1]],
                unpack 'V', substr $sc->{section}[1],
                                   $at + 64 + 4 * $there[-1], 4)
            if !$below;

        $i = $i * 16 + $there[-1];
    }
}


# frames: [ function, file, line ], and the function's address

sub lookup
{
    my ($sc, $addr) = @_;

    my ($start, $offset) = unit($sc, $addr) or return;
    my $p = $offset;
    my $code = \$sc->{section}[0];
    my $head = ord substr $$code, $p++, 1;
    my $n = ($head & 3) + 1;
    my $function = unpack 'V', substr($$code, $p, $n) . "\0" x 4;

    $function = int($offset / 4) - $function if $head & 16;
    $p += $n;

    my $entry = $head & 4 ? $start - varint($code, \$p) & 0xffffffff : $start;

    return $entry, [ name($sc, $function), '', 0 ] if $head & 8;

    my ($next, $at, $places, $depth, $live, $kind) = ($start, 0, 1, 0, 0, 0);
    my @place = map { [ 0, 0 ] } 1 .. 16;
    my @slot;

    for ( ;; ) {
        my $op = ord substr $$code, $p++, 1;

        if ($op >= 0x20) {
            my ($size, $line);

            if ($op >= 0x38) {
                $size = 1 + ($op - 0x38 >> 3);
                $line = ($op - 0x38) % 8 - 1;

            } else {
                $size = $op == 0x20 ? varint($code, \$p) : $op - 0x20;
                $line = signed($code, \$p);
            }

            $next += $size;
            $place[$at][1] = $place[$at][1] + $line & 0xffffffff;

            if ($addr < $next) {
                return if $kind == 1;
                return $entry, [ name($sc, $function), '', 0 ] if $kind == 2;

                my @frames = [ $place[$at][0], $place[$at][1] ];

                unshift @frames, [ @{ $slot[$_] }{qw(file line)} ]
                    for 0 .. $depth - 1;
                @frames = ($frames[-1], @frames[0 .. $#frames - 1]);

                my @names = ((map { $slot[$_]{name} } reverse 0 .. $depth - 1),
                             $function);

                return $entry, map { [ name($sc, $names[$_]),
                                       path($sc, $frames[$_][0]),
                                       $frames[$_][1] ] } 0 .. $#names;
            }

            $kind = 0;

        } elsif ($op >= 0x10) {
            $at = $op - 0x10;

        } elsif ($op == 0) {
            return;

        } elsif ($op <= 2) {
            $kind = $op;

        } elsif ($op == 3) {
            $at = $places++ % 16;
            $place[$at] = [ varint($code, \$p), 0 ];

        } elsif ($op <= 7) {
            my $pop = $op == 7 ? 4 + varint($code, \$p) : $op - 3;

            die "pop\n" if $pop > $depth;

            $slot[$depth - 1]{place} = $at;
            $depth -= $pop;
            $at = $slot[$depth]{from};

        } elsif ($op == 8) {
            die "again\n" if $depth >= $live;
            $at = $slot[$depth++]{place};

        } elsif ($op <= 10) {
            my $h = unpack 'V', substr($$code, $p, $op - 6) . "\0";

            $p += $op - 6;
            $place[$at][1] = $place[$at][1] + signed($code, \$p) & 0xffffffff;
            $slot[$depth++] = { name => $h, file => $place[$at][0],
                                line => $place[$at][1],
                                from => $at, place => $at };
            $live = $depth;

        } else {
            die "instruction $op\n";
        }
    }
}


sub compare
{
    my ($name) = @_;

    my $sc = build($name);
    my (@addrs, $n);

    srand(1);

    my @keys = map { unpack 'V16', substr $sc->{section}[1],
                                          $sc->{level}[-1] + 128 * $_, 64 }
                   0 .. int(($sc->{units} + 15) / 16) - 1;

    splice @keys, $sc->{units};
    is_deeply([ sort { $a <=> $b } @keys ], \@keys, "$name: keys ascend");

    for (1 .. 150) {
        last if !@keys;
        my $key = $keys[rand @keys];
        push @addrs, $key, $key + int rand 64, $key + int rand 3000;
    }

    push @addrs, 0, map { 0x1000 + 13 * $_ } 0 .. 300;
    push @addrs, 0xffffffff - $_ for 0 .. 16;
    @addrs = grep { $_ <= 0xffffffff } @addrs;

    write_file("$dir/addrs", join '', map { sprintf "%x\n", $_ } @addrs);

    my @lines = `$tool lookup $dir/symcache - < $dir/addrs`;
    my @wrong;

    for my $i (0 .. $#addrs) {
        my $wanted = $json->decode($lines[$i]);
        my ($entry, @frames) = lookup($sc, $addrs[$i]);
        my %got;

        delete @$wanted{qw(module module_offset)};

        if (@frames) {
            my $offset = $addrs[$i] - $entry;

            $n++;
            %got = frame(pop @frames);
            $got{function_offset} = sprintf '%s0x%x', $offset < 0 ? '-' : '',
                                            abs $offset;
            $got{inlines} = [ map { { frame($_) } } @frames ] if @frames;
        }

        push @wrong, sprintf "%x: %s instead of %s", $addrs[$i],
                     $json->encode(\%got), $json->encode($wanted)
            if $json->encode(\%got) ne $json->encode($wanted);
    }

    is(join("\n", @wrong > 3 ? @wrong[0 .. 2] : @wrong), '',
       "$name: " . @addrs . ' addresses, ' . ($n || 0) . ' found');
}


sub frame
{
    my ($function, $file, $line) = @{ $_[0] };

    my %frame = (function => unquoted($function));

    if (length $file) {
        $frame{file} = unquoted($file);
        $frame{line} = $line if $line;
    }

    return %frame;
}


sub unquoted
{
    return JSON::PP->new->allow_nonref->decode("\"$_[0]\"");
}


# XXH64, seed 0

sub hash64
{
    my ($data) = @_;

    use integer;

    my ($p1, $p2, $p3, $p4, $p5)
        = (0x9e3779b185ebca87, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9,
           0x85ebca77c2b2ae63, 0x27d4eb2f165667c5);
    my $length = length $data;
    my ($h, $i) = ($p5, 0);

    if ($length >= 32) {
        my @acc = ($p1 + $p2, $p2, 0, 0 - $p1);
        my @words = unpack 'q<*', substr $data, 0, $length / 32 * 32;

        $i = $length / 32 * 32;

        for (my $k = 0; $k < @words; $k += 4) {
            $acc[$_] = rotate($acc[$_] + $words[$k + $_] * $p2, 31) * $p1
                for 0 .. 3;
        }

        $h = rotate($acc[0], 1) + rotate($acc[1], 7) + rotate($acc[2], 12)
             + rotate($acc[3], 18);

        $h = ($h ^ rotate($_ * $p2, 31) * $p1) * $p1 + $p4 for @acc;
    }

    $h += $length;

    for ( ; $i + 8 <= $length; $i += 8) {
        my $word = unpack 'q<', substr $data, $i, 8;

        $h ^= rotate($word * $p2, 31) * $p1;
        $h = rotate($h, 27) * $p1 + $p4;
    }

    if ($i + 4 <= $length) {
        $h ^= unpack('V', substr $data, $i, 4) * $p1;
        $h = rotate($h, 23) * $p2 + $p3;
        $i += 4;
    }

    for ( ; $i < $length; $i++) {
        $h ^= ord(substr $data, $i, 1) * $p5;
        $h = rotate($h, 11) * $p1;
    }

    $h = ($h ^ shifted($h, 33)) * $p2;
    $h = ($h ^ shifted($h, 29)) * $p3;
    $h ^= shifted($h, 32);

    no integer;

    return $h & 0xffffffffffffffff;
}


sub shifted
{
    return ($_[0] & 0xffffffffffffffff) >> $_[1];
}


sub rotate
{
    no integer;

    my $v = $_[0] & 0xffffffffffffffff;

    return $v << $_[1] | $v >> 64 - $_[1];
}
