# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Every allocation and every system call of a crash on its way fails, one
# after the other: no worker dies, what is acknowledged is stored, what is not
# leaves nothing.
#
# SPOOL_EACH=1: each of them, half an hour; otherwise a few of each
# kind, by chance.

use strict;
use warnings;

use Errno qw(
    EADDRNOTAVAIL ECONNABORTED ECONNREFUSED ECONNRESET EINTR EIO EMFILE ENOMEM
    ENOSPC EPIPE
);
use Test::More;

use MoverTest qw(
    drained files get_all hold let_go missing mover new_files new_id
    s3_storage tree_storage
);
use StoreTest qw(pattern sanitized unique);
use SubmitTest qw(chunked gzip post spooled);
use TeckenTest qw(:s3 :proxy);
use TeckenTest::Process qw(
    give_away remove_tree run_child slurp temp_dir wait_until write_file
);

plan skip_all => 'a sanitizer wants to be the first library' if sanitized();

my $whole = $ENV{SPOOL_EACH};

my $dir = temp_dir('each');
my ($spool, $tree, $each) = ("$dir/w/spool", "$dir/w/tree", "$dir/each");
END { local $?; remove_tree($dir) if $dir }

mkdir $_ for "$dir/w", $spool, $tree;

run_child({ log => "$dir/cc.log" }, split(/ /, $ENV{CC} // 'cc'), '-shared',
          '-fPIC', '-o', "$dir/each.so", 't/faults/each.c', '-ldl');

my $Control = 'l7 Z228';
write_file($each, pack $Control, (0) x 7, '');
give_away($dir, glob("$dir/*"), $spool, $tree);
open my $control, '+<', $each or die "$each: $!";

my $prefix = unique('each');
my $where = $tree;
my %options = (
    spool => $spool, workers => 1,
    main => 'thread_pool io threads=2; env LD_PRELOAD; env TECKEN_EACH;',
    http => 'tecken_io_thread_pool io; access_log off;
             client_body_timeout 5s;',
    log_level => 'error', retry_max => '100ms',
    env => { LD_PRELOAD => "$dir/each.so", TECKEN_EACH => $each });

hold($spool);

my $nginx = mover(%options, storage => tree_storage($tree));
my ($worker) = $nginx->workers;

# the numbers are those of t/faults/each.c; "all": once it fails it goes on
my @kinds = map { my ($name, $number, $what, @errnos) = @$_;
                  { name => $name, number => $number, all => $what eq 'all',
                    text => $what eq 'socket' ? 'socket:' : "$dir/w/",
                    errnos => \@errnos } } (
    [ memory   => 0,  'all', ENOMEM ],
    [ open     => 1,  'all', EIO, EMFILE, ENOSPC ],
    [ read     => 2,  '', EIO, EINTR ],
    [ write    => 3,  'all', EIO, ENOSPC, 0 ],
    [ fsync    => 4,  'all', EIO, ENOSPC ],
    [ stat     => 5,  '', EIO ],
    [ rename   => 6,  'all', EIO, ENOSPC ],
    [ unlink   => 7,  '', EIO ],
    [ mkdir    => 8,  '', EIO, ENOSPC ],
    [ truncate => 9,  '', EIO ],
    [ flock    => 10, '', EIO ],
    [ close    => 11, '', EIO ],
    [ recv     => 12, 'socket', ECONNRESET, EINTR ],
    [ send     => 13, 'socket', EPIPE, EIO ],
    [ accept   => 14, 'socket', ECONNABORTED, EMFILE ],
    [ connect  => 15, 'socket', ECONNREFUSED, EADDRNOTAVAIL ],
);

my $Serial = 0;
my (@acked, @lost, %there);
my ($acked, $faults) = (0, 0);
my $big = pattern(90_000);

# what comes, and how
my %forms = (
    'a small crash' => sub { {} },
    'dumps' => sub { { dumps => { upload_file_minidump => $big . $_[0],
                                  second => $big, empty => '' } } },
    'gzip' => sub { { dumps => { d => $big . $_[0] },
                      headers => { 'Content-Encoding' => 'gzip' },
                      encode => \&gzip } },
    'chunks' => sub { { dumps => { d => "d $_[0]" },
                        headers => { 'Transfer-Encoding' => 'chunked' },
                        encode => sub { chunked($_[0], 300) } } },
    'an own id' => sub { { id => new_id() } },
    'json' => sub { { json => 1 } },
);


sub arm
{
    my ($kind, $nth, $all, $errno) = @_;

    sysseek $control, 0, 0;
    syswrite $control, pack $Control, 0, $kind->{number}, $nth, $all, $errno,
                       0, 0, $kind->{text};
    sysseek $control, 0, 0;
    syswrite $control, pack 'l', $worker;
}


# how often the call was made, and how often it has failed
sub seen
{
    sysseek $control, 0, 0;
    sysread $control, my $bytes, 28;

    return (unpack 'l7', $bytes)[5, 6];
}


sub disarm
{
    sysseek $control, 0, 0;
    syswrite $control, pack 'l', 0;

    return seen();
}


# like MoverTest::submit()
sub send_crash
{
    my ($form) = @_;

    my $note = 'n' . ++$Serial;
    my $options = $forms{$form}->($note);
    my $dumps = $options->{dumps} // { upload_file_minidump => "MDMP $note" };
    my @annotations = ([ ProductName => 'Firefox' ], [ Version => '1.0' ],
                       [ Note => $note ],
                       map { [ uuid => $_ ] } $options->{id} // ());

    @annotations = { name => 'extra', type => 'application/json',
                     data => '{' . join(', ', map { qq("$_->[0]": "$_->[1]") }
                                              @annotations) . '}' }
        if $options->{json};

    my $answer = eval {
        post($nginx, [ @annotations, map { {
            name => $_, filename => 'x', data => $dumps->{$_},
            type => 'application/octet-stream' } } sort keys %$dumps ],
            timeout => 8, headers => $options->{headers},
            encode => $options->{encode}) };
    my ($id) = ($answer->{body} // '') =~ /\ACrashID=bp-(\S{36})\n\z/;

    return { status => $answer->{status} || 0, id => $id, note => $note,
             dumps => $dumps };
}


# Runs $try with calls of a kind failing: each of them, or $n by chance, with
# the errors in turn, and from there on, too.
sub each_call
{
    my ($kind, $n, $try) = @_;

    my @errnos = @{ $kind->{errnos} };
    my ($calls) = $try->("$kind->{name}, all well", $kind, 0, 0, 0);
    my $failed = 0;

    return 0, 0 if !$calls;

    # one more than there were: some come by the clock
    my @nths = $whole ? 1 .. $calls + 1 : map { 1 + int rand $calls } 1 .. $n;

    for my $nth (@nths) {
        my $errno = $errnos[ $whole ? $nth % @errnos : rand @errnos ];

        for my $all ($whole ? (0, 1) : $kind->{all} ? int rand 2 : 0) {
            next if $all && (!$kind->{all} || !$errno);

            # they come in no order that is quite the same
            for (1 .. 3) {
                my (undef, $hits) = $try->(
                    "$kind->{name} $nth" . ($all ? ' and on' : '')
                    . ", $errno", $kind, $nth, $all, $errno);
                next if !$hits;

                $failed++;
                last;
            }
        }
    }

    $faults += $failed;

    return $calls, $failed;
}


sub still_there
{
    my ($what, $wrong) = @_;

    my ($now) = $nginx->workers;
    return if $now && $now == $worker;

    push @$wrong, "$what: the worker is dead";
    $worker = wait_until('a worker', 10, sub { ($nginx->workers)[0] });
}


my $fds = wait_until('the mover', 10, sub { $nginx->fds });

for my $form (sort keys %forms) {
    subtest "taken: $form" => sub {
        for my $kind (@kinds) {
            my (@wrong, %answers);

            my ($calls, $failed) = each_call($kind, 3, sub {
                my ($what, @fault) = @_;

                arm(@fault);
                my $crash = send_crash($form);
                my @seen = disarm();

                # what nobody waits for may end later
                my $left = eval { wait_until('an empty tmp/', 5, sub {
                    return !files("$spool/tmp") }) };
                push @wrong, "$what: something is left" if !$left;

                my @new = grep { !$there{$_}++ } new_files($spool);
                my $status = $crash->{status};
                $answers{$status}++;

                push @wrong, "$what: $status"
                    if !grep { $_ == $status } 0, 200, 500, 503;

                if ($status == 200) {
                    push @wrong, "$what: " . @new . ' files' if @new != 1;
                    push @acked, $crash;

                # its answer may have been what was lost
                } elsif (@new && ($status || @new > 1)) {
                    push @wrong, "$what: $status, but @new";
                }

                still_there($what, \@wrong);

                return @seen;
            });

            is_deeply \@wrong, [], "$kind->{name}: $failed of $calls failed; "
                . join ', ', map { "$_: $answers{$_}" } sort keys %answers;
            $nginx->check;
        }

        my $crash = send_crash($form);
        is $crash->{status}, 200, 'the next one';
        push @acked, $crash;
        $there{$_} = 1 for new_files($spool);
    };
}

my %in_spool = map { $_->{crash_id} => $_ } spooled($spool);
is scalar(grep { !$in_spool{ $_->{id} } } @acked), 0,
   @acked . ' acknowledged, all are in the spool';

let_go($spool);
stored(60 + @acked / 20);


# All that was acknowledged is: then it may go, so that the next ones find no
# directories.
sub stored
{
    my ($seconds) = @_;

    drained($spool, $seconds);

    my $all = get_all($where);
    push @lost, map { missing($all, ref $where ? '2018' : 'tree', $_) } @acked;
    $acked += @acked;
    @acked = ();

    remove_tree($_) for glob "$tree/*";
    s3->empty('private', $prefix) if ref $where;
}


# each call that comes after the 200
sub each_stored
{
    my ($form, @faults) = @_;

    for my $kind (@faults) {
        my @wrong;

        my ($calls, $failed) = each_call($kind, 1, sub {
            my ($what, @fault) = @_;

            my $crash = send_crash($form);
            arm(@fault);

            # once it has failed for good it can only wait
            eval { wait_until('the end', 20, sub {
                return !new_files($spool) || ($fault[2] && (seen())[1]);
            }) };

            my @seen = disarm();
            push @acked, $crash;
            stored(60);

            still_there($what, \@wrong);
            push @wrong, "$what: put aside"
                if files("$spool/failed") || files("$spool/corrupt");

            return @seen;
        });

        is_deeply \@wrong, [], "$kind->{name}: $failed of $calls failed";
        $nginx->check;
    }
}


for my $form ($whole ? 'a small crash' : (), 'dumps', 'an own id') {
    subtest "stored: $form" => sub {
        each_stored($form, grep { $_->{text} ne 'socket:' } @kinds);
    };
}

# those of clients and of the mover's lock come and go
my $left = eval { wait_until('files to be closed', 5, sub {
    $nginx->fds <= $fds + 2 }) };
ok $left, 'no file is left open' or diag $nginx->fds . " files, not $fds";

is $nginx->stop, 0, 'a clean end';


$where = [ 'private', $prefix ];
$nginx = mover(%options, storage => s3_storage(proxy->port, $prefix,
    'timeout=2s connect_timeout=2s deadline=3s retries=1'));
($worker) = $nginx->workers;

# Not memory: libcurl 7.88 divides by zero (singlesocket() in lib/multi.c, with
# a hash that it has destroyed) after one of its allocations has failed.
for my $form ('dumps', 'an own id') {
    subtest "stored in S3: $form" => sub {
        each_stored($form, grep { $_->{name} =~ /^(?:recv|send|connect)$/ }
                           @kinds);
    };
}

diag "faults=$faults acked=$acked lost=" . @lost;
is_deeply \@lost, [], 'each one is stored, whole';

is $nginx->stop, 0, 'a clean end';

done_testing;
