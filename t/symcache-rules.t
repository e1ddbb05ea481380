# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# tecken-symcache against the rules taken literally, on small .sym files made
# at random: functions that overlap, calls that are nested badly, lines in any
# order, records that are malformed.
#
# SYMCACHE_RULES=SEED-SEED chooses others, or more of them.

use strict;
use warnings;
no warnings 'portable';

use Encode ();
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;

use TeckenTest::Process qw(write_file);
use TeckenTest::SymbolRules;

my $tool = ($ENV{TECKEN_BUILD} || 'build') . '/tecken-symcache';

plan skip_all => "no $tool: make tool" if !-x $tool;

my ($first, $last) = split /-/, $ENV{SYMCACHE_RULES} || '1-240';
my $dir = tempdir('symcache-rules-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $json = JSON::PP->new->canonical;
my ($files, $answers, $found, $inlined, $errors, $wrong) = (0) x 6;

for my $seed ($first .. $last) {
    srand($seed);

    my ($text, @addrs) = make();
    my $strict = int rand 2;

    compare($seed, $text, $strict, @addrs);
    last if $wrong >= 3;
}

is($wrong, 0, "$files files, $answers answers, $found found, $inlined with "
              . "inlines, $errors errors");

if ($last - $first > 100) {
    ok($found > $answers / 4, 'enough is found');
    ok($inlined > $answers / 50, 'enough has inlines');
    ok($errors > 5, 'enough errors');
}

done_testing();


sub compare
{
    my ($seed, $text, $strict, @addrs) = @_;

    my $rules = TeckenTest::SymbolRules->new($text, strict => $strict);

    write_file("$dir/a.sym", $text);

    my $out = qx{$tool @{[$strict ? '-s' : '']} lookup $dir/a.sym @addrs 2>$dir/err};
    my $status = $? >> 8;

    $files++;

    if (ref $rules eq 'HASH') {
        $errors++;
        wrong($seed, $text, 'no error') if $status != 1;
        return;
    }

    if ($status != 0) {
        wrong($seed, $text, 'an error: ' . qx{cat $dir/err});
        return;
    }

    for my $line (split /\n/, $out) {
        my $got = $json->decode($line);
        my $want = $rules->lookup(hex shift @addrs);

        delete $got->{module};

        $answers++;
        $found += exists $want->{function};
        $inlined += exists $want->{inlines};

        if ($json->encode($got) ne $json->encode($want)) {
            wrong($seed, $text, 'got      ' . $json->encode($got) . "\n"
                                . 'expected ' . $json->encode($want));
            return;
        }
    }

    wrong($seed, $text, 'too few answers') if @addrs;
}


sub wrong
{
    my ($seed, $text, $what) = @_;

    $wrong++;
    diag("seed $seed\n$what\n" . Encode::decode('latin-1', $text));
}


# a file, and addresses to ask for

my (@text, %addr, $files_known, $origins, $at, $mess, $odd);

sub make
{
    @text = ("MODULE Linux x86_64 0123456789ABCDEF0123456789ABCDEF1 m");
    %addr = ();
    $files_known = int rand 5;
    $origins = int rand 6;
    $at = rand() < 0.1 ? 0 : 0x1000;
    $mess = rand() < 0.5 ? 0 : rand 0.6;        # how far from good order
    $odd = rand() < 0.5 ? 0 : rand 0.2;         # malformed records

    push @text, 'INFO CODE_ID 1' if rand() < 0.3;

    push @text, "FILE $_ " . pick('a.c', './b.c', 'c/../d.h', '/e//f.c',
                                  'C:\\g\\..\\h.c', "k\xc3\xa9.c", '',
                                  '../../i/./j.c', 'x/<stdin>')
        for 0 .. $files_known - 1;
    push @text, "INLINE_ORIGIN $_ " . pick(map { "in$_" } 0 .. 9)
        for 0 .. $origins - 1;

    public() if rand() < 0.3;

    for (1 .. 1 + rand 5) {
        function();
        public() if rand() < 0.3;
        push @text, 'INLINE_ORIGIN ' . int(rand 6) . ' later'
            if rand() < 0.1;
        push @text, pick('', 'FOO', 'FILE 9 late', '1000 4 1 0')
            if rand() < 0.1 && $odd;
    }

    push @text, 'STACK CFI INIT 1000 10 .cfa: 1', 'FUNC 1 ff 0 behind'
        if rand() < 0.3;

    my $text = join '', map { $_ . (rand() < $odd ? "\r\n" : "\n") } @text;
    chop $text if rand() < 0.2;

    my @addrs = map { sprintf '%x', $_ }
                sort { $a <=> $b } grep { $_ >= 0 } keys %addr;

    return ($text, @addrs);
}


sub function
{
    my $size = 1 + int rand 0x40;

    $at += int rand 0x10 if rand() < 0.5;
    $at -= int rand 0x40 if rand() < $mess;
    $at = 0 if $at < 0;
    $size = pick(0, 0x1000, 0xffffffff, 0xffffffffffffffff)
        if rand() < $mess / 6;

    my $start = rand() < $mess / 10 ? $at + pick(0xffffe000, 0x100000000)
                                    : $at;

    asked($start, $start + $size);

    push @text, broken('FUNC ' . (rand() < 0.1 ? 'm ' : '')
                       . sprintf('%x %x 0', $start, $size)
                       . (rand() < 0.9 ? ' f' . @text : ''));

    my $room = $size > 0x200 ? 0x80 : $size;

    calls(0, $start, $start + $room) if rand() < 0.7;
    lines($start, $start + $room);

    $at += $size if $size < 0x2000;
}


sub calls
{
    my ($depth, $start, $end) = @_;

    my $p = $start;

    while ($p < $end && $depth < 5) {
        $p += int rand 8 if rand() < 0.5;

        my @ranges;
        my $q = $p;

        do {
            my $size = 1 + int rand 0x10;

            $q -= int rand 8 if rand() < $mess / 3;
            $size = int rand 0x30 if rand() < $mess / 3;
            $size = $end - $q if $q + $size > $end && rand() > $mess;
            push @ranges, sprintf '%x %x', $q, $size
                if $size > 0 && $q >= 0 && ($q < $end || rand() < $mess);
            asked($q, $q + $size);
            $q += $size + (rand() < 0.5 ? int rand 8 : 0);
        } while (rand() < 0.4);

        if (@ranges) {
            my $line = sprintf 'INLINE %d %d %d %d %s', $depth,
                int(rand 100), int(rand 6), int(rand 7), "@ranges";

            my @before = @text;

            calls($depth + 1, $p, $q > $end ? $end : $q) if rand() < 0.5;

            # parents are not always first

            if (rand() < $mess / 2) {
                push @text, broken($line);

            } else {
                splice @text, scalar @before, 0, broken($line);
            }
        }

        $p = $q > $p ? $q : $p + 1;
        last if rand() < 0.3;
    }
}


sub lines
{
    my ($start, $end) = @_;

    my $p = $start;
    my @lines;

    $p -= 4 if rand() < $mess && $p > 4;

    while ($p < $end) {
        my $size = 1 + int rand 0x10;

        $p += int rand 6 if rand() < 0.2;
        $p -= int rand 10 if rand() < $mess / 3;
        $size = pick(0, 0x40, 0xffffffff, 0xffffffffffffffff)
            if rand() < $mess / 6;
        $p = 0 if $p < 0;

        push @lines, sprintf '%x %x %s %d', $p, $size,
            rand() < 0.03 ? '-1' : int rand 50, int rand 6;
        asked($p, $p + ($size < 0x1000 ? $size : 1));
        $p += $size < 0x40 && $size ? $size : 1;

        last if rand() < 0.05;
    }

    @lines = sort { rand() <=> 0.5 } @lines if rand() < $mess / 4;

    push @text, map { broken($_) } @lines;
}


sub public
{
    my $p = $at - int(rand 0x30) + int rand 0x20;

    $p = 0 if $p < 0;
    $p += 0x100000000 if rand() < 0.05;
    asked($p & 0xffffffff, $p);

    push @text, broken(sprintf('PUBLIC %s%x 0', rand() < 0.1 ? 'm ' : '', $p)
                       . (rand() < 0.9 ? ' p' . @text : ''));
}


# a record, now and then not as it should be

sub broken
{
    my ($line) = @_;

    return $line if rand() >= $odd;

    my $i = int rand length $line;

    return pick($line . '  ', $line . "\t\xc2\xa0", " $line", "$line\xff",
                "$line x", uc $line, '', '   ',
                substr($line, 0, $i), $line =~ s/ /  /r, $line =~ s/ /\t/r,
                $line =~ s/ (\S+)\z/ 0000000000000000000000$1/r,
                $line =~ s/ ([0-9a-f]+) / fffffffffffffffff$1 /r,
                $line =~ s/\d+\z/99999999999999999999/r);
}


sub asked
{
    $addr{$_}++, $addr{$_ - 1}++, $addr{$_ + 1}++
        for grep { $_ < 0x200000000 } @_;
}


sub pick
{
    return $_[rand @_];
}
