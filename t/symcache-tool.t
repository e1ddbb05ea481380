# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# tecken-symcache, the command-line tool.

use strict;
use warnings;

use Compress::Zlib qw(memGzip);
use File::Temp qw(tempdir);
use IO::Handle;
use JSON::PP;
use POSIX qw(mkfifo);
use Test::More;

use TeckenTest::Process qw(slurp wait_until write_file);

my $tool = ($ENV{TECKEN_BUILD} || 'build') . '/tecken-symcache';

plan skip_all => "no $tool: make tool" if !-x $tool;

my $dir = tempdir('symcache-tool-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $id = '0123456789ABCDEF0123456789ABCDEF1';

my $text = <<"END";
MODULE Linux x86_64 $id a "quoted" name.so
INFO CODE_ID 67452301
FILE 0 src/main.c
FILE 1 src/./in/../inline.h
INLINE_ORIGIN 0 inlined(int)
FUNC 1000 40 0 main
INLINE 0 12 0 0 1010 10
1000 10 10 0
1010 8 100 1
1018 8 101 1
1020 20 13 0
FUNC 1100 10 0 caf\xc3\xa9
1100 10 7 0
PUBLIC 2000 0 exported
STACK CFI INIT 1000 40 .cfa: \$rsp 8 +
END

write_file("$dir/a.sym", $text);
write_file("$dir/a.sym.gz", memGzip($text));


# build

my ($status, $out, $err) = run('build', "$dir/a.sym");
is($status, 0, 'build') or diag($err);
like($out, qr{^\Q$dir\E/a\.symcache: 0\.0 MB from 0\.0 MB, 2 functions, 1 public symbols, 5 lines, 1 inlines\n\z},
     'says what it made');
is($err, '', 'and nothing else');
is((stat "$dir/a.symcache")[2] & 0777, 0666 & ~umask, 'may be read by all');

($status, $out) = run('-q', 'build', "$dir/a.sym.gz", "$dir/b.symcache");
is($status, 0, 'from gzip');
is($out, '', 'quiet');
ok(slurp("$dir/a.symcache") eq slurp("$dir/b.symcache"),
   'is the same, byte for byte');

($status) = run('-q', 'build', "$dir/a.sym.gz");
is($status, 0, 'over one that is there');
is_deeply([ files() ], [ qw(a.sym a.sym.gz a.symcache b.symcache) ],
          'and nothing is left');

write_file("$dir/two.gz", memGzip(substr $text, 0, 100)
                          . memGzip(substr $text, 100));
($status) = run('-q', 'build', "$dir/two.gz");
is($status, 0, 'two members of gzip');
ok(slurp("$dir/two.symcache") eq slurp("$dir/a.symcache"), 'are one text');

($status) = run_with("$dir/a.sym.gz", '-q', 'build', '-', "$dir/c.symcache");
is($status, 0, 'from stdin');
ok(slurp("$dir/c.symcache") eq slurp("$dir/a.symcache"), 'the same');

unlink map { "$dir/$_" } qw(two.gz two.symcache b.symcache c.symcache);


# lookup: written by hand, from the text above

my $name = 'a \"quoted\" name.so';

my %want = (
    'fff' => '"module_offset": "0xfff"',
    '1000' => '"module_offset": "0x1000", "function": "main", '
              . '"function_offset": "0x0", "file": "src/main.c", "line": 10',
    '0x1019' => '"module_offset": "0x1019", "function": "main", '
                . '"function_offset": "0x19", "file": "src/main.c", '
                . '"line": 12, "inlines": [{"function": "inlined(int)", '
                . '"file": "src/inline.h", "line": 101}]',
    '103f' => '"module_offset": "0x103f", "function": "main", '
              . '"function_offset": "0x3f", "file": "src/main.c", "line": 13',
    '1040' => '"module_offset": "0x1040"',
    '110F' => '"module_offset": "0x110f", "function": "caf\u00e9", '
              . '"function_offset": "0xf", "file": "src/main.c", "line": 7',
    '2345' => '"module_offset": "0x2345", "function": "exported", '
              . '"function_offset": "0x345"',
    'ffffffffffffffff' => '"module_offset": "0xffffffffffffffff"',
);

my @address = sort keys %want;
my $expected = join '', map { "{\"module\": \"$name\", $want{$_}}\n" }
                        @address;

($status, $out, $err) = run('lookup', "$dir/a.symcache", @address);
is($status, 0, 'lookup') or diag($err);
is($out, $expected, 'all frames');
ok(eval { decode_json($_) }, 'is JSON') for split /\n/, $out;

write_file("$dir/list", join '', map { "$_\r\n\n" } @address);
($status, $out) = run_with("$dir/list", 'lookup', "$dir/a.symcache", '-');
is($out, $expected, 'addresses from stdin');

for my $in (qw(a.sym a.sym.gz)) {
    ($status, $out) = run('lookup', "$dir/$in", @address);
    is($out, $expected, "$in needs no symcache");
}

for my $bad ('', 'x', '12g', '-1', '+1', ' 12', '0x', '10000000000000000') {
    ($status, $out, $err) = run('lookup', "$dir/a.symcache", '1000', '--',
                                $bad);
    is($status, 2, "\"$bad\" is no address");
    like($err, qr/^tecken-symcache: "\Q$bad\E" is no hexadecimal address$/m,
         'says so');
}


# info

($status, $out) = run('info', "$dir/a.symcache");
is($status, 0, 'info');
like($out, qr/^$_$/m, "has $_")
    for "debug id +$id", 'processor +x86_64', 'system +Linux',
        'functions +2', 'public +1', 'inlines +1', 'dropped +0', 'strict +no';


# what is malformed costs itself, or all

write_file("$dir/bad.sym", $text =~ s/^1018 /x1018 /mr);

($status, $out) = run('build', "$dir/bad.sym");
is($status, 0, 'a malformed record');
like($out, qr/, 1 malformed records left out$/m, 'is counted');

($status, $out) = run('info', "$dir/bad.symcache");
like($out, qr/^dropped +1$/m, 'and known later');

unlink "$dir/bad.symcache";

($status, $out, $err) = run('--strict', 'build', "$dir/bad.sym");
is($status, 1, 'an error when strict');
like($err, qr/^tecken-symcache: \Q$dir\E\/bad\.sym: line 10: /, 'says where');
ok(!-e "$dir/bad.symcache", 'makes nothing');

($status, $out, $err) = run('-i', 'F' x 33, 'build', "$dir/a.sym");
is($status, 1, 'another debug id');
isnt($err, '', 'says so');

($status) = run('-i', lc $id, 'build', "$dir/a.sym");
is($status, 0, 'that one');

write_file("$dir/no.sym", "nothing of the kind\n");
($status, $out, $err) = run('build', "$dir/no.sym");
is($status, 1, 'no symbol file');
like($err, qr/no\.sym: /, 'is named');


# gzip that is not whole: what was there stays

my $before = slurp("$dir/a.symcache");
my $gz = memGzip($text);

for (
    [ 'cut', substr($gz, 0, -9), 'gzip data ends too early' ],
    [ 'cut in the trailer', substr($gz, 0, -1), 'gzip data ends too early' ],
    [ 'a wrong CRC32', substr($gz, 0, -8) . "\0" . substr($gz, -7),
      'wrong CRC32 of a gzip member' ],
    [ 'a wrong length', substr($gz, 0, -1) . "\1",
      'wrong length of a gzip member' ],
    [ 'bytes that are no deflate', substr($gz, 0, 20) . "\xff" x 40
      . substr($gz, 60), '' ],
    [ 'only a magic', "\x1f\x8b", 'gzip data ends too early' ],
) {
    my ($what, $bytes, $why) = @$_;

    write_file("$dir/cut.sym.gz", $bytes);
    ($status, $out, $err) = run('build', "$dir/cut.sym.gz",
                                "$dir/a.symcache");

    is($status, 1, $what);
    like($err, qr/^tecken-symcache: \Q$dir\E\/cut\.sym\.gz: .*\Q$why\E/,
         'says why');
    ok(slurp("$dir/a.symcache") eq $before, 'leaves the old one');
}

unlink glob "$dir/{bad,no,cut}.*";


# a large one, in more pieces than buffers

my $large = "MODULE Linux x86_64 $id large.so\nFILE 0 a.c\n";
my $n = 60000;

for my $i (1 .. $n) {
    $large .= sprintf "FUNC %x 20 0 function_%d_%s\n%x 20 %d 0\n", $i * 64,
        $i, 'x' x ($i % 90), $i * 64, $i;
}

write_file("$dir/large.sym", $large);
write_file("$dir/large.sym.gz", memGzip($large));

cmp_ok(length $large, '>', 5 * 1024 * 1024, 'more than the buffers hold');

($status) = run('-q', 'build', "$dir/large.sym");
($status) = run('-q', 'build', "$dir/large.sym.gz", "$dir/large2.symcache");
is($status, 0, 'a large one');
ok(slurp("$dir/large.symcache") eq slurp("$dir/large2.symcache"),
   'from gzip too');

($status, $out) = run('lookup', "$dir/large2.symcache",
                      sprintf '%x', $n * 64 + 7);
is($out, sprintf("{\"module\": \"large.so\", \"module_offset\": \"0x%x\", "
                 . "\"function\": \"function_%d_%s\", "
                 . "\"function_offset\": \"0x7\", \"file\": \"a.c\", "
                 . "\"line\": %d}\n", $n * 64 + 7, $n, 'x' x ($n % 90), $n),
   'its last function');

# the builder gives up while the other thread has much to do
write_file("$dir/soon.sym.gz", memGzip("MODULE nonsense\n$large"));
($status) = run('build', "$dir/soon.sym.gz");
is($status, 1, 'ends at once when the text is wrong');


# verify

($status, $out) = run('verify', "$dir/a.symcache", "$dir/large.symcache");
is($status, 0, 'verify');
is($out, "$dir/a.symcache: right\n$dir/large.symcache: right\n", 'both');

my $missed = 0;
srand 1;

for (1 .. 150) {
    my $bytes = $before;
    my $at = int rand length $before;

    substr($bytes, $at, 1) = chr(ord(substr $bytes, $at, 1) ^ 0x20);
    write_file("$dir/flip.symcache", $bytes);

    # padding may be anything; a look-up must not crash in any case
    ($status) = run('lookup', "$dir/flip.symcache", '1019');
    $missed++ if $status > 1;

    ($status) = run('verify', "$dir/flip.symcache");

    if ($status > 1 || ($status == 0 && substr($before, $at, 1) ne "\0")) {
        diag("byte $at: $status");
        $missed++;
    }
}

is($missed, 0, 'a byte that differs is found');

for my $len (0, 1, 64, 4095, length($before) - 1) {
    write_file("$dir/cut.symcache", substr $before, 0, $len);
    ($status, $out, $err) = run('verify', "$dir/cut.symcache");
    is($status, 1, "cut to $len bytes");
    like($err, qr/cut\.symcache/, 'is named');
}

($status) = run('verify', "$dir/a.symcache", "$dir/cut.symcache");
is($status, 1, 'one of two is wrong');


# the system says no

($status, $out, $err) = run('build', "$dir/none.sym");
is($status, 2, 'no such file');
like($err, qr/cannot open \Q$dir\E\/none\.sym: No such file/, 'says so');

($status, $out, $err) = run('build', "$dir/a.sym", "$dir/none/a.symcache");
is($status, 2, 'no such folder');
like($err, qr{cannot create \Q$dir\E/none/a\.symcache}, 'says so');

($status) = run('lookup', $dir, '1000');
is($status, 2, 'a folder');

$err = qx(sh -c 'trap "" XFSZ; ulimit -f 64; exec $tool build $dir/large.sym $dir/full.symcache' 2>&1);
is($? >> 8, 2, 'no room for the output');
like($err, qr/cannot write the symcache: File too large/, 'says so');
is_deeply([ grep { /full/ } files() ], [], 'leaves nothing');

for my $args ([], [ 'build' ], [ 'lookup', 'x' ], [ 'fly', 'x' ],
              [ '--fly', 'info', 'x' ], [ 'info', 'x', 'y' ],
              [ 'build', '-' ])
{
    ($status, $out, $err) = run(@$args);
    is($status, 2, "wrong arguments: @$args");
    like($err, qr/usage|missing/, 'says how');
}

($status, $out) = run('--help');
is($status, 0, 'help');
like($out, qr/^usage: tecken-symcache/, 'is on stdout');


# a signal

mkfifo("$dir/fifo", 0600) or die "mkfifo: $!\n";

my $pid = fork // die "fork: $!\n";

if ($pid == 0) {
    exec $tool, '-q', 'build', "$dir/fifo", "$dir/term.symcache";
    exit 127;
}

open my $fifo, '>', "$dir/fifo" or die "fifo: $!\n";
$fifo->autoflush(1);
print {$fifo} $text =~ s/^STACK.*//msr;

wait_until('a temporary file', 60, sub { grep { /^term\./ } files() });
kill 'TERM', $pid;
waitpid $pid, 0;
is($? & 127, 15, 'ended by a signal');
is_deeply([ grep { /^term\./ } files() ], [], 'leaves nothing');
close $fifo;


# a terminal

SKIP: {
    skip 'script is not installed', 2 if !grep { -x "$_/script" }
                                          split /:/, $ENV{PATH};

    $pid = open my $screen, '-|', 'script', '-qefc',
        "$tool build $dir/fifo $dir/screen.symcache", '/dev/null'
        or die "script: $!\n";

    open $fifo, '>', "$dir/fifo" or die "fifo: $!\n";
    $fifo->autoflush(1);
    print {$fifo} "MODULE Linux x86_64 $id screen.so\n";

    my $seen = '';

    wait_until('a line of progress', 60, sub {
        print {$fifo} "PUBLIC 1000 0 more\n" x 100;

        my $bits = '';
        vec($bits, fileno $screen, 1) = 1;

        while (select(my $ready = $bits, undef, undef, 0.01) > 0) {
            sysread($screen, $seen, 4096, length $seen) or last;
            return 1 if $seen =~ m{MB/s};
        }

        return 0;
    });

    like($seen, qr{\r\Q$dir\E/fifo: \d+ MB, \d+ MB/s}, 'shows progress');

    close $fifo;

    my $rest = do { local $/; <$screen> } // '';
    close $screen;
    like($rest, qr{screen\.symcache: 0\.0 MB from }, 'and what it made');
}

done_testing();


sub files
{
    opendir my $dh, $dir or die "$dir: $!\n";

    return sort grep { !/^\.|^std/ } readdir $dh;
}


# status, stdout and stderr
sub run
{
    return run_with('/dev/null', @_);
}


sub run_with
{
    my ($in, @args) = @_;

    my $child = fork // die "fork: $!\n";

    if ($child == 0) {
        open STDIN, '<', $in;
        open STDOUT, '>', "$dir/stdout";
        open STDERR, '>', "$dir/stderr";
        exec $tool, @args;
        exit 127;
    }

    waitpid $child, 0;

    return ($? & 127 ? 1000 + $? : $? >> 8, slurp("$dir/stdout"),
            slurp("$dir/stderr"));
}
