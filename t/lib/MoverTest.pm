# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# For tests of the mover: spools that are held or not, crashes whose bytes are
# known, what a storage has of them.

package MoverTest;

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Exporter 'import';
use Fcntl qw(:flock);
use File::Find ();
use JSON::PP ();
use List::Util qw(uniq);
use POSIX ();
use Time::HiRes qw(sleep time);

use StoreTest qw(keys_of pattern);
use SubmitTest qw(collector part post);
use TeckenTest;
use TeckenTest::Process qw(
    fork_child give_away kill_pid remove_tree run_child slurp temp_dir
    wait_until write_file
);

our @EXPORT_OK = qw(
    acked arm clients disarm drained fault_env files finish get_all hold
    keys_of_crash let_go missing mover new_files new_id owner s3_storage spool
    submit tree_storage
);

my ($Serial, $Fault_id, %Held, @Dirs) = (0, 0);

$Serial = int rand 1 << 24;


sub spool
{
    my $dir = temp_dir('spool');

    give_away($dir);
    push @Dirs, [ $$, $dir ];

    return $dir;
}


END
{
    local $?;
    remove_tree($_->[1]) for grep { $_->[0] == $$ } @Dirs;
}


# Nothing is moved until it is let go.  The lock is a child's: what this
# process has open, others have, too.
sub hold
{
    my ($dir) = @_;

    write_file("$dir/lock", '') if !-e "$dir/lock";
    give_away("$dir/lock");

    $Held{$dir} = fork_child(sub {
        my ($parent) = @_;

        open my $lock, '+<', "$dir/lock" or die "$dir/lock: $!\n";
        flock $lock, LOCK_EX or die "flock: $!\n";
        sleep 1 while getppid() == $parent;
    });

    wait_until('the lock', 10, sub {
        ($Held{$dir} == (owner($dir) // 0)) });

    return $dir;
}


sub let_go { kill_pid(delete $Held{ $_[0] }) }


# The pid of whoever holds the lock, undef if nobody does.  An entry that has
# been read comes again at the end of the table when others come before it.
sub owner
{
    my ($dir) = @_;

    my $inode = (stat "$dir/lock")[1] // return;
    my @owners = uniq slurp('/proc/locks') =~
                 /^\d+: FLOCK +ADVISORY +WRITE (\d+) \S+:$inode /mg;

    return wantarray ? @owners : $owners[0];
}


sub s3_storage
{
    my ($port, $prefix, $options) = @_;

    return "http://127.0.0.1:$port/private prefix=$prefix " . keys_of()
           . ' ' . ($options // 'timeout=10s deadline=20s');
}


sub tree_storage { return "file://$_[0]" }


# An nginx that stores: spool, storage (its URL and options), layout,
# retry_max, and what SubmitTest::collector takes.
sub mover
{
    my (%options) = @_;

    my $storage = delete $options{storage};
    my $http = delete $options{http} // '';
    my $location = delete $options{location} // '';

    $location .= ' antenna_store_to crashes;';
    $location .= ' antenna_retry_max ' . (delete $options{retry_max} // '1s')
                 . ';';
    $location .= " antenna_layout $options{layout};" if $options{layout};
    delete $options{layout};

    return collector(
        http => "tecken_storage crashes $storage; $http",
        location => $location, %options);
}


# A valid id that nobody has used.
sub new_id
{
    my ($letter) = @_;

    my $serial = ++$Serial;

    return sprintf '%08x-%04x-4%03x-8%03x-%05x0%06d', $serial, $$ & 0xffff,
                   $$ >> 16, rand 4096, rand 1 << 20,
                   (POSIX::strftime('%y%m%d', gmtime));
}


# A crash: { id, dumps => { name => bytes }, note }, undef when not taken.
sub submit
{
    my ($nginx, %options) = @_;

    my $note = $options{note} // 'n' . ++$Serial;
    my $dumps = $options{dumps}
                // { upload_file_minidump => dump_of($note) };

    my @parts = ([ ProductName => 'Firefox' ], [ Version => '1.0' ],
                 [ Note => $note ]);
    push @parts, [ uuid => $options{id} ] if $options{id};
    push @parts, map { { name => $_, filename => 'x.dmp',
                         type => 'application/octet-stream',
                         data => $dumps->{$_} } } sort keys %$dumps;

    my $answer = eval { post($nginx, \@parts, timeout => 60) };

    return { status => $answer ? $answer->{status} : 0, answer => $answer }
        if !$answer || $answer->{status} != 200;

    my ($id) = $answer->{body} =~ /\ACrashID=bp-(\S{36})\n\z/
        or die "no crash id: $answer->{body}\n";

    return { status => 200, id => $id, dumps => $dumps, note => $note };
}


# So many clients that post crash after crash until finish(), while $room says
# that there is some.
sub clients
{
    my ($nginx, $n, $room) = @_;

    my $self = { log => temp_dir('clients') };
    push @Dirs, [ $$, $self->{log} ];

    $self->{stop} = "$self->{log}/stop";
    $self->{log} .= '/log';
    write_file($self->{log}, '');

    $self->{pids} = [ map { my $client = $_; fork_child(sub {
        my ($parent) = @_;

        $| = 1;

        for (my $i = 1; !-e $self->{stop} && getppid() == $parent; $i++) {
            sleep 0.02, next if $room && !$room->();

            my $note = "$$-$client-$i";
            my $crash = submit($nginx, note => $note);

            print +($crash->{id} // "status $crash->{status}") . " $note\n";
        }
    }, $self->{log}) } 1 .. $n ];

    return $self;
}


# What they were told until now: crashes like those of submit(), and the
# lines of those that got no id.
sub acked
{
    my ($clients) = @_;

    my (@crashes, @others);

    for (slurp($clients->{log}) =~ /^(.*)\n/mg) {
        my ($id, $note) = /^(\S{36}) (\S+)\z/;

        if (!$note) {
            push @others, $_;
            next;
        }

        push @crashes, { id => $id, note => $note, dumps => {
            upload_file_minidump => dump_of($note) } };
    }

    return (\@crashes, \@others);
}


sub finish
{
    my ($clients) = @_;

    write_file($clients->{stop}, '');
    waitpid $_, 0 for @{ $clients->{pids} };

    return acked($clients);
}


sub dump_of { return 'MDMP' . pattern(1000) . $_[0] }


# [ dump names, the dumps in the order of their parts, raw crash ]
sub keys_of_crash
{
    my ($layout, $id, @names) = @_;

    my ($y, $m, $d) = $id =~ /(\d\d)(\d\d)(\d\d)\z/;
    my $date = "20$y$m$d";
    my $short = substr $id, 0, 3;

    return ("$date/dump_names/$id.json", (map { "$date/$_/$id" } @names),
            "$date/raw_crash/$id.json")
        if $layout eq 'tree';

    return ("v1/dump_names/$id",
            (map { 'v1/' . ($_ eq 'upload_file_minidump' ? 'dump' : $_)
                   . "/$id" } @names),
            $layout eq '2018' ? "v2/raw_crash/$short/$date/$id"
                              : "v1/raw_crash/$date/$id");
}


# What a storage has, key => bytes: a folder, or [ bucket, prefix ].
sub get_all
{
    my ($where) = @_;

    my %all;

    if (ref $where) {
        my ($bucket, $prefix) = @$where;

        for my $key (TeckenTest::s3()->list($bucket, "$prefix/")) {
            $all{ substr $key, 1 + length $prefix } =
                TeckenTest::s3()->get($bucket, $key)->{body};
        }

        return \%all;
    }

    File::Find::find({ no_chdir => 1, wanted => sub {
        return if !-f || m{/\.tecken\.[^/]*\z};
        $all{ substr $_, 1 + length $where } = slurp($_);
    } }, $where);

    return \%all;
}


# What is not stored, or wrong, of a crash that submit() has returned.
sub missing
{
    my ($all, $layout, $crash) = @_;

    my @names = sort keys %{ $crash->{dumps} };
    my @keys = keys_of_crash($layout, $crash->{id}, @names);
    my @wrong = grep { !defined $all->{$_} } @keys;

    return map { "$_ is missing" } @wrong if @wrong;

    for my $i (0 .. $#names) {
        push @wrong, "$keys[$i + 1] has other bytes"
            if $all->{ $keys[$i + 1] } ne $crash->{dumps}{ $names[$i] };
    }

    my $names = JSON::PP->new->decode($all->{ $keys[0] });
    push @wrong, "$keys[0]: @$names" if "@{[ sort @$names ]}" ne "@names";

    my $raw = JSON::PP->new->decode($all->{ $keys[-1] });
    my $note = $raw->{Note};
    push @wrong, "$keys[-1]: $note" if $note ne $crash->{note};
    push @wrong, "$keys[-1]: $raw->{uuid}" if $raw->{uuid} ne $crash->{id};

    return @wrong;
}


sub files
{
    my ($dir) = @_;

    opendir my $dh, $dir or return;
    my @names = sort grep { !/^\.\.?$/ } readdir $dh;

    return @names;
}


sub new_files { return files("$_[0]/new") }


# A slow disk may take its time for many files, but not without end for one.
sub drained
{
    my ($spool, $seconds) = @_;

    my ($left, $end) = (-1, 0);
    $seconds = 2 * ($seconds // 30);

    wait_until("an empty spool, or one file less in $seconds s", 600, sub {
        my $now = new_files($spool);

        ($left, $end) = ($now, time + $seconds) if $now != $left;
        die "no file has left the spool in $seconds s, $now are there\n"
            if time > $end;

        return !$now;
    });
}


# Calls that fail: see t/faults/spool.c.
sub fault_env
{
    my ($dir) = @_;

    run_child({ log => "$dir/cc.log" }, split(/ /, $ENV{CC} // 'cc'),
              '-shared', '-fPIC', '-o', "$dir/fault.so", 't/faults/spool.c',
              '-ldl');
    give_away($dir);

    return { LD_PRELOAD => "$dir/fault.so", TECKEN_FAULT => "$dir/fault" };
}


sub arm
{
    my ($dir, $call, $text, $n, $errno) = @_;

    $Fault_id++;
    write_file("$dir/fault.new", "$call $text $n $errno $Fault_id\n");
    give_away("$dir/fault.new");
    rename "$dir/fault.new", "$dir/fault";
}


# true: the fault has not happened
sub disarm { return unlink "$_[0]/fault" }


1;
