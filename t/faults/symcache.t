# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# A directory of symcaches when things break: load, kill -9 before and after
# each step and at random, damaged files, a directory that goes away, a full
# disk, two instances.

use strict;
use warnings;

use Errno qw(EIO);
use Test::More;
use Time::HiRes qw(time);

use SymcacheTest;
use TeckenTest qw(:none);
use TeckenTest::Process qw(
    give_away remove_tree run_child slurp temp_dir unprivileged_ids wait_until
    write_file
);

my $tools = temp_dir('symcache-faults');
my $fault = "$tools/fault";
my $full = "$tools/full";
my $free = "$tools/free";
my $id = 0;

give_away($tools);

run_child({ log => "$tools/cc.log" }, split(/ /, $ENV{CC} // 'cc'), '-shared',
          '-fPIC', '-o', "$tools/calls.so", 't/faults/calls.c', '-ldl');


# calls of the workers can be made to fail
sub start_faulty
{
    my ($dir, %options) = @_;

    return start($dir, %options,
        main => 'env LD_PRELOAD; env TECKEN_FAULT; env TECKEN_FULL;
                 env TECKEN_FREE;',
        env => { LD_PRELOAD => "$tools/calls.so", TECKEN_FAULT => $fault,
                 TECKEN_FULL => $full, TECKEN_FREE => $free });
}


sub arm
{
    my ($n, $errno) = @_;

    $id++;
    write_file("$fault.new", "$n $errno $id\n");
    give_away("$fault.new");
    rename "$fault.new", $fault;
}


# "miss", what is there, or undef when nginx goes away meanwhile
sub try_ask
{
    my ($nginx, $args) = @_;

    my $answer = eval { ask($nginx, $args) };
    return $answer && $answer =~ /\A\d/ ? undef : $answer;
}


# waits for the workers that have died to be replaced
sub recover
{
    my ($nginx, @before) = @_;

    my %before = map { $_ => 1 } @before;
    $nginx->{killed}{$_} = 1 for @before;

    wait_until('a new worker', 10, sub {
        my @now = $nginx->workers;
        return @now == $nginx->{workers} && grep { !$before{$_} } @now;
    });
}


# the manager has cleaned up what the dead have left
sub settled
{
    my ($nginx, $dir) = @_;

    wait_until('the manager', 45, sub {
        return !leftovers($dir)
               && status($nginx)->{files} == keys %{ files($dir) };
    });

    is ask($nginx, 'op=check'), 'ok', 'the index is whole';
    is_deeply [ leftovers($dir) ], [], 'no temp file is left';
}


sub stopped
{
    my ($pid) = @_;

    return slurp("/proc/$pid/stat") =~ /\) T /;
}


# at one moment
sub used_now
{
    my ($nginx, $dir) = @_;

    my @workers = $nginx->all_workers;

    kill 'STOP', @workers;
    wait_until('all to stop', 5, sub { !grep { !stopped($_) } @workers });

    my $used = used($dir);
    kill 'CONT', @workers;

    return $used;
}


# a copy, which no process has mapped
sub damage
{
    my ($path, $change) = @_;

    my $bytes = $change->(slurp($path));
    write_file("$path.new", $bytes);
    give_away("$path.new");
    rename "$path.new", $path;
}


subtest 'max_size under load of two workers' => sub {
    my $dir = new_dir();
    my $max = 4 << 20;

    my $nginx = start($dir, params => 'max_size=4m');
    my ($a, $b) = both($nginx);

    ask($a, 'op=build&file=f0&name=n0&size=300000');
    my $one = used($dir);

    my @clients = map { client($nginx) } 1 .. 8;
    my $n = 0;
    my ($most, $wrong) = (0, 0);

    my $next = sub {
        my ($client) = @_;
        my $file = $n++ % 70;
        $client->{name} = "n$file";
        put($client, "op=build&file=f$file&name=n$file&size=300000");
    };

    $next->($_) for @clients;

    while ($n < 400) {
        for my $client (@clients) {
            my $answer = take($client);
            $wrong++ if $answer ne $client->{name};
            $next->($client);

            my $used = used_now($nginx, $dir);
            $most = $used if $used > $most;
        }
    }

    take($_) for @clients;

    is $wrong, 0, 'who builds one has it';
    cmp_ok $most, '<=', $max + $one, 'within max_size and one file';
    cmp_ok $most, '>', $max - 2 * $one, 'and it is used';
    is status($a)->{resets}, 0, 'no reset';

    for my $file (0 .. 69) {
        my $answer = ask($b, "op=open&file=f$file");
        $wrong++ if $answer ne 'miss' && $answer ne "n$file";
    }

    is $wrong, 0, 'right answers';

    settled($nginx, $dir);
    done($nginx);
};


subtest 'kill -9 before and after each step of a commit' => sub {
    my @all;

    # each needs an eviction and a new folder: unlink, rename, rename
    for my $case ([1, 0], [1, -1], [3, 0], [3, -1]) {
        my ($n, $how) = @$case;
        my $when = ($how ? 'after' : 'before')
                   . ($n == 1 ? ' the unlink' : ' the rename');

        my $dir = new_dir();
        my $nginx = start_faulty($dir, params => 'max_size=500k');
        push @all, [$nginx, $dir];

        ask($nginx, 'op=build&file=old&name=old&size=300000');

        # it would finish what the dead have begun
        my $manager = $nginx->manager;
        kill 'STOP', $manager;

        my @workers = $nginx->workers;
        arm($n, $how);
        is try_ask($nginx, 'op=build&file=x&name=x&size=300000'), undef,
           "$when: killed";
        recover($nginx, @workers);

        my $old = $n == 1 && $how == 0 ? 'old' : 'miss';
        my $new = $n == 3 && $how == -1 ? 'x' : 'miss';

        for my $client (both($nginx)) {
            is ask($client, 'op=open&file=old'), $old, "$when: the old one";
            is ask($client, 'op=open&file=x'), $new, "$when: the new one";
        }

        is ask($nginx, 'op=build&file=y&name=y&size=300000'), 'y',
           "$when: the next one";
        is ask($nginx, 'op=open&file=y'), 'y', "$when: is kept";
        cmp_ok used($dir), '<', 600_000, "$when: within max_size and one file";

        kill 'CONT', $manager;
    }

    for my $case (@all) {
        my ($nginx, $dir) = @$case;
        settled($nginx, $dir);
        is ask($nginx, 'op=open&file=y'), 'y', 'it is still there';
        done($nginx);
    }
};


subtest 'a deletion amid a commit' => sub {
    my $dir = new_dir();
    my $nginx = start_faulty($dir, maps => 1);
    my ($a, $b) = both($nginx);

    # the folder is there
    ask($a, 'op=build&file=x&set=2&name=two');
    my ($x) = map { /-([^-]*)\z/ } keys %{ files($dir) };

    arm(1, -2);
    put($a, 'op=build&file=x&name=old');
    wait_until('the rename', 10, sub { !-e $fault && stopped($a->{pid}) });

    is ask($b, 'op=delete&file=x'), 'ok', 'deleted before the rename';
    wait_until('the files to go', 10, sub { status($b)->{pending} == 0 });
    is keys %{ files($dir) }, 0, 'all of them';

    kill 'CONT', $a->{pid};
    wait_until('the file to be in place', 10, sub {
        keys %{ files($dir) } == 1 && stopped($a->{pid}) });
    is ask($b, 'op=open&file=x'), 'miss', 'one from before is not used';

    kill 'CONT', $a->{pid};
    is take($a), 'old', 'but by who waited for the build';
    is ask($b, 'op=open&file=x'), 'miss', 'it is not kept';
    is keys %{ files($dir) }, 0, 'nor left behind';

    is ask($b, 'op=build&file=x&name=new'), 'new', 'the next one';
    is ask($a, 'op=open&file=x'), 'new', 'is';

    # so late that it replaces the file of the next one
    for my $how (qw(CONT KILL)) {
        ($b, $a) = both($nginx);

        arm(1, -2);
        put($a, 'op=build&file=x&name=old');
        wait_until('the rename', 10,
                   sub { !-e $fault && stopped($a->{pid}) });

        ask($b, 'op=delete&file=x');
        is ask($b, 'op=build&file=x&name=next'), 'next', "$how: the next one";
        is ask($b, 'op=build&file=y&name=y'), 'y', "$how: closes its map";

        my ($path) = map { $_->{path} } grep { $_->{path} =~ /$x/ }
                     values %{ files($dir) };
        my $inode = (stat $path)[1];

        kill 'CONT', $a->{pid};
        wait_until('the file to be replaced', 10, sub {
            stopped($a->{pid}) && (stat $path)[1] != $inode });
        is ask($b, 'op=open&file=x'), 'miss', "$how: that is not used";

        $nginx->{killed}{ $a->{pid} } = 1 if $how eq 'KILL';
        kill $how, $a->{pid};
        is take($a), $how eq 'KILL' ? undef : 'old', "$how: goes on or ends";

        wait_until('the file to go', 30, sub { !-e $path });
        is ask($b, 'op=open&file=x'), 'miss', "$how: nor later";
    }

    settled($nginx, $dir);
    done($nginx);
};


subtest 'kill -9 amid a change of the index' => sub {
    my $dir = new_dir();
    my $nginx = start($dir);
    my $survivor;

    ask($nginx, "op=build&file=f$_&name=n$_") for 1 .. 5;
    my $size = status($nginx)->{size};

    my ($a, $b) = both($nginx);
    is ask($b, 'op=open&file=f1'), 'n1', 'the other worker has a map';

    $nginx->{killed}{ $a->{pid} } = 1;
    is ask($a, 'op=kill&step=change'), undef, 'killed';

    is ask($b, 'op=open&file=f1'), 'n1', 'the other worker goes on';
    is ask($b, "op=open&file=f$_"), "n$_", "$_ is known" for 2 .. 5;

    my $status = status($b);
    is $status->{resets}, 1, 'a repair';
    is $status->{files}, 5, 'all are there';
    is $status->{size}, $size, 'with their sizes';
    is ask($b, 'op=check'), 'ok', 'the index is whole';

    # a deletion that was written down, no more
    ask($nginx, "op=build&file=h&set=$_&name=h$_") for 1 .. 2;
    ($a, $b) = both($nginx);
    is ask($b, "op=open&file=h&set=$_"), "h$_", "$_ of one symbol is mapped"
        for 1 .. 2;

    $nginx->{killed}{ $a->{pid} } = 1;
    is ask($a, 'op=kill&step=half&file=h'), undef, 'killed amid a deletion';
    is ask($b, "op=open&file=h&set=$_"), 'miss', "$_ is gone nevertheless"
        for 1 .. 2;
    is ask($b, "op=open&file=f$_"), "n$_", "f$_ is not" for 1 .. 5;
    is ask($b, 'op=check'), 'ok', 'the index is whole';

    # nodes without an owner
    for my $step (qw(reserved doomed deleted)) {
        my %file = (reserved => 'r', doomed => 'f2', deleted => 'f3');
        my $file = $file{$step};
        my ($one, $other) = both($nginx);
        $nginx->{killed}{ $one->{pid} } = 1;
        is ask($one, "op=kill&step=$step&file=$file"), undef, "killed: $step";
        is ask($other, "op=open&file=$file"), 'miss', "$step: a miss at once"
            if $step ne 'doomed';
    }

    settled($nginx, $dir);

    is ask($nginx, 'op=open&file=f3'), 'miss', 'what was deleted stays so';
    is ask($nginx, 'op=open&file=f1'), 'n1', 'what was not as well';
    is status($nginx)->{files}, keys %{ files($dir) }, 'nothing is lost';

    # a folder that cannot be written to: the file stays, unused
    my $before = files($dir);
    ask($nginx, 'op=build&file=q&name=q');
    my $after = files($dir);
    my ($path) = map { $after->{$_}{path} } grep { !$before->{$_} }
                 keys %$after;
    my $folder = $path =~ s{/[^/]*\z}{}r;
    chmod 0500, $folder;
    ask($nginx, 'op=delete&file=q');
    $nginx->wait_log(qr/unlinkat\(\) ".*" in "\Q$folder\E" failed/);
    is ask($nginx, 'op=open&file=q'), 'miss', 'a file that is not removed';
    chmod 0700, $folder;
    wait_until('the next attempt', 20, sub { !-e $path });

    for my $file (qw(r f2 f3 q)) {
        is ask($nginx, "op=build&file=$file&name=new"), 'new', "$file anew";
        is ask($nginx, "op=open&file=$file"), 'new', "$file is kept";
    }

    done($nginx);
};


subtest 'kill -9 at random under load' => sub {
    my $dir = new_dir();
    my $max = 3 << 20;
    my $nginx = start($dir, params => 'max_size=3m');

    ask($nginx, 'op=build&file=f0&name=n0&size=200000');
    my $one = used($dir);

    my $load = $nginx->load_start(
        connections => 8,
        targets => [ map { ("/probe?op=build&file=f$_&name=n$_&size=200000",
                            "/probe?op=open&file=f$_",
                            "/probe?op=delete&file=f" . ($_ * 7 % 40)) }
                     1 .. 40 ]);
    $load->wait_connected;

    my $most = 0;

    for my $n (1 .. 8) {
        my $end = time + 0.05 + rand 0.2;

        while (time < $end) {
            my $used = used_now($nginx, $dir);
            $most = $used if $used > $most;
        }

        $nginx->kill_worker(($nginx->workers)[ $n & 1 ]);
    }

    my $result = $load->finish;

    is $result->{failures}{timeout}, undef, 'nobody hangs';
    is_deeply [ grep { $_ != 200 } keys %{ $result->{status} } ], [],
              'no error';
    cmp_ok $most, '<=', $max + $one, 'within max_size and one file';

    settled($nginx, $dir);

    my $wrong = 0;

    for my $file (0 .. 40) {
        my $answer = ask($nginx, "op=open&file=f$file");
        $wrong++ if $answer ne 'miss' && $answer ne "n$file";
    }

    is $wrong, 0, 'what is there is right';

    done($nginx);
};


subtest 'files of builds that were killed' => sub {
    my $dir = new_dir();
    my $nginx = start($dir);
    my $other = start($dir, workers => 1);
    my ($a, $b) = both($nginx);

    put($a, 'op=build&file=x&name=x&at=temp&hold=60000');
    put(my $slow = client($other),
        'op=build&file=y&name=y&at=temp&hold=20000');
    wait_until('two builds', 10, sub { leftovers($dir) == 2 });

    $nginx->kill_worker($a->{pid});

    wait_until('the file of the dead to go', 30,
               sub { leftovers($dir) == 1 });

    # a start looks at once
    my $third = start($dir, workers => 1);
    wait_until('the folders to be seen', 10,
               sub { !status($third)->{cold} });
    is scalar(leftovers($dir)), 1, 'that of the living stays';

    $other->stop('TERM');
    wait_until('the file of who is told to end to go', 30,
               sub { !leftovers($dir) });

    put(client($nginx), 'op=build&file=x&name=x&at=temp&hold=60000');
    wait_until('a build', 10, sub { leftovers($dir) == 1 });
    $nginx->crash;
    $nginx->restart;
    wait_until('that of a power cut to go', 10,
               sub { !leftovers($dir) });

    is ask($nginx, 'op=build&file=x&name=x'), 'x', 'built at last';

    done($_) for $nginx, $third;
};


subtest 'damaged files' => sub {
    my $dir = new_dir();
    my $nginx = start($dir, workers => 1);

    my %change = (
        empty => sub { '' },
        truncated => sub { substr $_[0], 0, length($_[0]) / 2 },
        'cut by a byte' => sub { substr $_[0], 0, -1 },
        longer => sub { "$_[0]x" },
        zeros => sub { "\0" x length $_[0] },
        other => sub { 'not a symcache ' x 1000 },
    );

    my $corrupt = 0;

    for my $name (sort keys %change) {
        (my $file = $name) =~ tr/ /_/;

        is ask($nginx, "op=build&file=$file&name=$file&size=100000"), $file,
           "$name: built";
        my ($path) = map { $_->{path} } values %{ files($dir) };

        # mapped by nobody
        $nginx->reload(drained => 1);
        damage($path, $change{$name});

        is ask($nginx, "op=open&file=$file"), 'miss', "$name: a miss";
        is status($nginx)->{corrupt}, ++$corrupt, "$name: counted";
        like $nginx->error_log, qr/symcache "\Q$path\E" is corrupt: .*deleted/,
             "$name: logged";
        ok !-e $path, "$name: deleted";
        is status($nginx)->{files}, 0, "$name: forgotten";
    }

    # from before a loss of power: a page that was never written
    is ask($nginx, 'op=build&file=torn&name=torn&size=100000'), 'torn',
       'one from before';
    my ($path) = map { $_->{path} } values %{ files($dir) };
    $nginx->stop;
    damage($path, sub { substr($_[0], 49152, 4096) = "\0" x 4096; $_[0] });
    utime 1000, 1000, $path;
    $nginx->{server} =~ s/max_size=1g/max_size=1g inactive=900000d/;
    $nginx->restart;
    is ask($nginx, 'op=open&file=torn'), 'miss', 'torn: a miss';
    ok !-e $path, 'torn: deleted';

    # what else may have the name
    for my $what (qw(link fifo folder)) {
        ask($nginx, "op=build&file=$what&name=$what");
        ($path) = map { $_->{path} } values %{ files($dir) };
        $nginx->reload(drained => 1);

        unlink $path;
        $what eq 'link' ? symlink('/etc/passwd', $path)
            : $what eq 'fifo' ? run_child({ log => "$tools/mkfifo.log" },
                                          'mkfifo', $path)
            : mkdir($path);

        is ask($nginx, "op=open&file=$what"), 'miss', "a $what is a miss";
        is ask($nginx, "op=build&file=$what&name=new"), 'new',
           "$what: built anew";
        is ask($nginx, "op=open&file=$what"),
           $what eq 'folder' ? 'miss' : 'new', "$what: and kept, if it can be";

        rmdir $path;
        ask($nginx, "op=delete&file=$what");
        wait_until('it to go', 10, sub { !-e $path });
    }

    # permissions are an operator's mistake, not a miss
    ask($nginx, 'op=build&file=p&name=p');
    ($path) = map { $_->{path} } values %{ files($dir) };
    $nginx->reload(drained => 1);
    chmod 0, $path;
    is ask($nginx, 'op=open&file=p'), 'error', 'one that cannot be read';
    like $nginx->error_log, qr/open\(\) "\Q$path\E" failed/, 'is logged';
    chmod 0600, $path;
    is ask($nginx, 'op=open&file=p'), 'p', 'until it can';

    done($nginx);
};


subtest 'files of other versions' => sub {
    my $dir = new_dir();
    my $nginx = start($dir, workers => 1);

    ask($nginx, "op=build&file=f$_&name=n$_") for 1 .. 4;
    my @paths = map { $_->{path} } values %{ files($dir) };
    my ($version) = $paths[0] =~ m{/(..)-[^/]*\z};
    $nginx->crash;

    my $to = sub {
        my ($path, $by) = @_;
        my $name = $path =~ s{/..(-[^/]*)\z}{sprintf '/%02x%s',
                              hex($version) + $by, $1}er;
        rename $path, $name;
        return $name;
    };

    my $older = $to->($paths[0], -1);
    my $newer = $to->($paths[1], 1);
    my $stale = $to->($paths[2], 1);
    utime time - 800_000, time - 800_000, $stale;

    $nginx->restart;
    wait_until('the folders to be seen', 10,
               sub { !status($nginx)->{cold} });

    ok !-e $older, 'an older one is deleted';
    ok -e $newer, 'a newer one may be in use by a newer nginx';
    ok !-e $stale, 'unless that was long ago';
    is status($nginx)->{files}, 1, 'none of them is known';
    is scalar(grep { ask($nginx, "op=open&file=f$_") eq 'miss' } 1 .. 4), 3,
       'or used';

    done($nginx);
};


subtest 'the directory goes away' => sub {
    my $dir = new_dir();
    my $nginx = start($dir);
    my ($a, $b) = both($nginx);

    ask($a, "op=build&file=f$_&name=n$_") for 1 .. 2;
    put($b, 'op=build&file=g&name=g&at=temp&hold=1000');
    wait_until('a build', 10, sub { leftovers($dir) == 1 });

    remove_tree("$dir/c");

    is ask($a, 'op=open&file=f1'), 'n1', 'what is mapped is there';
    is take($b), 'g', 'who builds has it';
    is ask($b, 'op=open&file=f1'), 'miss', 'what is not mapped is a miss';

    is ask($b, 'op=build&file=f1&name=new'), 'new', 'built anew';
    is ask($a, 'op=open&file=f1'), 'new', 'for all';
    is ask($b, 'op=open&file=f2'), 'miss', 'and the next';
    is scalar(keys %{ files($dir) }), 1, 'the directory is back';

    remove_tree("$dir/c");

    SKIP: {
        skip 'needs root, whose directory it is to be', 6
            if !unprivileged_ids();

        chown 0, 0, $dir;
        chmod 0755, $dir;

        is ask($a, 'op=build&file=m&name=m'), 'm', 'built in memory';
        is ask($a, 'op=open&file=m'), 'miss', 'and not kept';
        like $nginx->error_log, qr/mkdir\(\) "$dir\/c" failed \(13:/,
             'logged';
        like $nginx->error_log, qr/is built in memory and not kept/,
             'with what comes of it';

        give_away($dir);
        is ask($a, 'op=build&file=m&name=m'), 'm', 'when it can be made';
        is ask($b, 'op=open&file=m'), 'm', 'it is kept';
    }

    done($nginx);
};


subtest 'a full disk' => sub {
    my $dir = new_dir();
    my $nginx = start_faulty($dir);

    ask($nginx, "op=build&file=f$_&name=n$_&size=300000") for 1 .. 4;

    write_file($full, '');
    like ask($nginx, 'op=build&file=g&name=g&size=300000'), qr/\Afailed: /,
         'a build fails';
    is_deeply [ leftovers($dir) ], [], 'and leaves nothing';
    cmp_ok status($nginx)->{files}, '<', 4, 'others make room';
    is ask($nginx, 'op=open&file=f4'), 'n4', 'the newest is there';

    unlink $full;
    is ask($nginx, 'op=build&file=g&name=g&size=300000'), 'g', 'the next';
    is ask($nginx, 'op=open&file=g'), 'g', 'is kept';

    arm(1, EIO);
    is ask($nginx, 'op=build&file=h&name=h'), 'h', 'a rename that fails';
    is ask($nginx, 'op=open&file=h'), 'miss', 'is not kept';
    like $nginx->error_log, qr/rename\(\) .* failed, the symcache is not kept/,
         'logged';

    settled($nginx, $dir);
    done($nginx);
};


subtest 'less space than min_free' => sub {
    my $dir = new_dir();

    write_file($free, 2 << 30);
    my $nginx = start_faulty($dir, params => 'max_size=1g min_free=1g');

    ask($nginx, "op=build&file=f$_&name=n$_&size=300000") for 1 .. 6;
    is status($nginx)->{evictions}, 0, 'space enough';

    # files that were unlinked but are mapped take as much as before
    write_file("$free.new", (1 << 30) - 400_000);
    rename "$free.new", $free;
    wait_until('the manager', 20, sub { status($nginx)->{evictions} });
    write_file("$free.new", 2 << 30);
    rename "$free.new", $free;

    is status($nginx)->{evictions}, 2, 'as many go as are missing';
    is ask($nginx, "op=open&file=f$_"), $_ > 2 ? "n$_" : 'miss',
       "f$_" for 1 .. 6;

    # a build makes room too, once
    write_file("$free.new", (1 << 30) - 1);
    rename "$free.new", $free;
    ask($nginx, "op=build&file=g$_&name=g$_") for 1 .. 3;
    cmp_ok status($nginx)->{evictions}, '<=', 4, 'not one for each';

    unlink $free;
    done($nginx);
};


subtest 'two instances' => sub {
    my $dir = new_dir();
    my $one = start($dir, params => 'max_size=2m');
    my $two = start($dir, params => 'max_size=2m');

    is ask($one, 'op=build&file=x&name=x'), 'x', 'one builds';
    is ask($two, 'op=open&file=x'), 'x', 'the other finds it';

    is ask($two, 'op=build&file=x&name=new'), 'new', 'and replaces it';
    like ask($one, 'op=open&file=x'), qr/\A(?:x|new)\z/,
         'which the one may not see';

    ask($one, 'op=build&file=y&name=y');
    ask($two, 'op=delete&file=y');
    wait_until('the file to go', 10, sub { keys %{ files($dir) } == 1 });
    is ask($two, 'op=open&file=y'), 'miss', 'one deletes the other\'s';

    my $load = sub {
        my ($nginx) = @_;
        return $nginx->load_start(connections => 4, targets => [ map {
            ("/probe?op=build&file=f$_&name=n$_&size=200000",
             "/probe?op=open&file=f$_") } 1 .. 30 ]);
    };

    my @loads = map { $load->($_) } $one, $two;
    $_->wait_connected for @loads;
    wait_until('evictions', 20, sub {
        !grep { status($_)->{evictions} < 50 } $one, $two });

    for my $result (map { $_->finish } @loads) {
        is $result->{failed}, 0, 'no failure';
        is_deeply [ keys %{ $result->{status} } ], [ 200 ], 'nor error';
    }

    my $wrong = 0;

    for my $file (1 .. 30) {
        for my $nginx ($one, $two) {
            my $answer = ask($nginx, "op=open&file=f$file");
            $wrong++ if $answer ne 'miss' && $answer ne "n$file";
        }
    }

    is $wrong, 0, 'right answers from both';
    is status($_)->{corrupt}, 0, 'none damaged' for $one, $two;
    is ask($_, 'op=check'), 'ok', 'the index is whole' for $one, $two;
    unlike $_->error_log, qr/\[crit\]/, 'no error' for $one, $two;

    $_->stop for $one, $two;
};


done_testing();
