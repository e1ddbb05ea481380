# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# What a crash's client is told is what the disk has: syncs that are shared,
# large crashes, full and failing disks, ends at any step, power cuts.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);

use MoverTest qw(
    arm disarm drained fault_env files get_all hold keys_of_crash let_go
    missing mover new_files owner spool submit tree_storage
);
use StoreTest qw(pattern sanitized);
use SubmitTest qw(collector spooled);
use TeckenTest qw(:none);
use TeckenTest::Process qw(
    fork_child give_away remove_tree slurp temp_dir wait_until write_file
);

my $dir = temp_dir('spool-faults');
END {
    local $?;
    if ($dir) {
        system("umount -l $_ 2>/dev/null") for glob "$dir/disk-*";
        remove_tree($dir);
    }
}

my @preload = sanitized() ? ()
              : (main => 'thread_pool io threads=8; env LD_PRELOAD;
                          env TECKEN_FAULT;',
                 http => 'tecken_io_thread_pool io;', env => fault_env($dir));


# n clients at once, each posts count crashes; returns their ids.
sub many
{
    my ($nginx, $n, $count, %options) = @_;

    unlink "$dir/ids";

    my @children = map { fork_child(sub {
        $| = 1;
        for (1 .. $count) {
            my $crash = submit($nginx, %options);
            print $crash->{status} == 200 ? "$crash->{id}\n"
                                          : "status $crash->{status}\n";
        }
    }, "$dir/ids") } 1 .. $n;

    waitpid $_, 0 for @children;

    return split /\n/, slurp("$dir/ids");
}


SKIP: {
    skip 'a sanitizer wants to be the first library', 1 if !@preload;

    subtest 'crashes share a file and its syncs' => sub {
        my $spool = hold(spool());
        my $nginx = mover(spool => $spool, storage => tree_storage($dir),
                          workers => 1, @preload);

        arm($dir, 'fsync', '/tmp/20', 0, -400);
        my $start = time;
        my @ids = many($nginx, 16, 3);
        my $took = time - $start;
        disarm($dir);

        is scalar(grep { /^status/ } @ids), 0, 'all are taken';
        is scalar(@ids), 48, 'all of them';

        my @crashes = spooled($spool);
        is_deeply [ sort map { $_->{crash_id} } @crashes ], [ sort @ids ],
                  'just these are in the spool, whole';

        my @files = new_files($spool);
        cmp_ok scalar(@files), '<', 24, @files . ' files for 48 crashes';
        cmp_ok $took, '<', 48 * 0.4, sprintf 'in %.1f s, not 19', $took;
        is_deeply [ files("$spool/tmp") ], [], 'nothing is left';

        mkdir "$dir/tree";
        give_away("$dir/tree");
        $nginx->stop;
    };
}


subtest 'large and odd ones' => sub {
    my $spool = hold(spool());
    my $nginx = mover(spool => $spool, storage => tree_storage($dir));
    my @sizes = (0, 1, 65_000, 65_536, 65_537, 131_072, 200_000, 3_000_000,
                 20_000_000);
    my %by;

    for my $size (@sizes) {
        my $crash = submit($nginx, dumps => {
            upload_file_minidump => substr(pattern($size + 8), 0, $size),
            small => "x$size" });
        is $crash->{status}, 200, "$size bytes" or next;
        $by{ $crash->{id} } = $crash;
    }

    my $many = submit($nginx, dumps => { map { ("dump$_" => "d$_") } 1 .. 200 });
    $by{ $many->{id} } = $many;

    for my $kept (spooled($spool)) {
        my $crash = delete $by{ $kept->{crash_id} };
        ok $crash && keys(%{ $kept->{dumps} }) == keys(%{ $crash->{dumps} })
           && !grep({ $kept->{dumps}{$_} ne $crash->{dumps}{$_} }
                    keys %{ $crash->{dumps} }), "$kept->{crash_id}: the same";
    }

    is_deeply [ keys %by ], [], 'all of them';
    is_deeply [ files("$spool/tmp") ], [], 'nothing is left';
    $nginx->stop;
};


# the commands of docs/spool.md
subtest 'rescue by hand' => sub {
    my $spool = hold(spool());
    my $root = "$dir/rescue";
    mkdir $root;
    give_away($root);

    my $nginx = mover(spool => $spool, storage => tree_storage($root));
    my @crashes = map { submit($nginx, dumps => { d => pattern(500) . $_ }) }
                  1 .. 3;
    my @names = new_files($spool);
    my %by = map { my $name = $_;
                   (SubmitTest::read_file("$spool/new/$name"))[0]
                   ->{crash_id} => slurp("$spool/new/$name") } @names;

    my $file = "$spool/new/$names[0]";
    my $index = `tail -n 2 $file | grep -ao '{"crash_id".*'`;
    like $index, qr/^\{"crash_id": "[0-9a-f-]{36}", /, 'an index';

    my ($offset, $length, $sha256) = $index =~
        /"d", "offset": (\d+), "length": (\d+), "sha256": "(\w+)"/;
    my $cut = "offset=$offset; length=$length; tail -c +\$((offset + 1))"
              . " $file | head -c \$length | sha256sum";
    my $sum = `$cut`;
    is substr($sum, 0, 64), $sha256, 'an object';

    # three in a file, the second one's end is damaged
    my @records = map { $by{ $_->{id} } } @crashes;
    substr($records[1], -100, 1) = '?';
    unlink map { "$spool/new/$_" } @names;
    my $name = $names[0] =~ s/\.1\z/.3/r;
    write_file("$spool/$name", join '', @records);
    give_away("$spool/$name");
    rename "$spool/$name", "$spool/new/$name";

    let_go($spool);
    drained($spool);
    my $corrupt = "$spool/corrupt/$name";
    ok -e $corrupt, 'is damaged';
    is_deeply [ missing(get_all($root), 'tree', $crashes[2]) ], [],
              'the third is stored';

    my @begin = map { /^(\d+):/ } `grep -abo '^antenna-spool 1\$' $corrupt`;
    is scalar(@begin), 3, 'three records';
    push @begin, -s $corrupt;

    for my $i (0 .. 1) {
        system("begin=$begin[$i]; next=$begin[$i + 1]; "
               . "tail -c +\$((begin + 1)) $corrupt "
               . "| head -c \$((next - begin)) > $spool/piece");
        give_away("$spool/piece");
        rename "$spool/piece", "$spool/new/20260101000000.1.1.$i.1";
    }

    drained($spool, 30);
    is_deeply [ missing(get_all($root), 'tree', $crashes[0]) ], [],
              'so is the first';
    ok -e "$spool/corrupt/20260101000000.1.1.1.1", 'the second is damaged';
    $nginx->stop;
};


subtest 'a spool with a limit' => sub {
    my $spool = hold(spool());
    my $root = "$dir/limit";
    mkdir $root;
    give_away($root);

    my $nginx = mover(spool => $spool, storage => tree_storage($root),
                      location => 'antenna_spool_max_size 500k;');
    my $dump = { d => pattern(150_000) };

    my @crashes = map { submit($nginx, dumps => $dump) } 1 .. 5;
    is join(' ', map { $_->{status} } @crashes), '200 200 200 503 503',
       'as many as fit';
    my $answer = $crashes[3]{answer};
    like $answer->{headers}{'retry-after'} // '', qr/^\d+$/, 'Retry-After';
    is scalar(spooled($spool)), 3, 'those are there';
    is_deeply [ files("$spool/tmp") ], [], 'nothing of the others';
    $nginx->wait_log(qr/\[crit\].*is full: \d+ bytes are more than/);

    let_go($spool);
    drained($spool);
    is submit($nginx, dumps => $dump)->{status}, 200, 'there is room again';
    drained($spool);
    $nginx->stop;
};


subtest 'a disk that is nearly full' => sub {
    my $spool = hold(spool());
    my $nginx = mover(spool => $spool, storage => tree_storage($dir),
                      location => 'antenna_spool_min_free 900000g;');

    is submit($nginx)->{status}, 503, 'a small one';
    is submit($nginx, dumps => { d => pattern(400_000) })->{status}, 503,
       'a large one';
    is_deeply [ new_files($spool), files("$spool/tmp") ], [], 'nothing is left';
    $nginx->wait_log(qr/\[crit\].*is full: less than antenna_spool_min_free/);
    $nginx->stop;
};


subtest 'a full disk' => sub {
    my $spool = spool();

    plan skip_all => 'needs root and a tmpfs'
        if $> != 0 || system("mount -t tmpfs -o size=1m,mode=777 none "
                             . "$spool 2>/dev/null") != 0;
    hold($spool);

    my $root = "$dir/full";
    mkdir $root;
    give_away($root);

    my $nginx = mover(spool => $spool, storage => tree_storage($root));
    my ($ok, $busy, @crashes) = (0, 0);

    # until not even the smallest ones fit
    for my $size (300_000, 300_000, 300_000, 300_000, (40_000) x 20,
                  (1000) x 60)
    {
        my $crash = submit($nginx, dumps => { d => pattern($size) });

        push @crashes, $crash if $crash->{status} == 200;
        $busy++ if $crash->{status} == 503;
        $ok++ if $crash->{status} == 200 || $crash->{status} == 503;
    }

    is $ok, 84, 'no other answer than 200 and 503';
    cmp_ok $busy, '>', 10, "$busy of them are 503";
    is_deeply [ sort map { $_->{crash_id} } spooled($spool) ],
              [ sort map { $_->{id} } @crashes ], 'the others are there';
    is_deeply [ files("$spool/tmp") ], [], 'nothing half';

    let_go($spool);
    drained($spool);
    my $all = get_all($root);
    is_deeply [ map { missing($all, 'tree', $_) } @crashes ], [], 'stored';
    is submit($nginx, dumps => { d => pattern(300_000) })->{status}, 200,
       'there is room again';
    drained($spool);
    $nginx->stop;
    is system("umount $spool"), 0, 'no file is open';
};


# each call of a commit: [ name, call, on what ]
my @calls = ([ 'the file cannot be made', 'open', '/tmp/2' ],
             [ 'a write', 'writev', '/tmp/2' ],
             [ 'its sync', 'fsync', '/tmp/2' ],
             [ 'its place', 'rename', '/tmp/2' ],
             [ "the directory's sync", 'fsync', '/new' ]);

SKIP: {
    skip 'a sanitizer wants to be the first library', 2 if !@preload;

    subtest 'calls that fail' => sub {
        my $spool = hold(spool());
        my $nginx = mover(spool => $spool, storage => tree_storage($dir),
                          @preload);
        my @taken;

        for my $size (1000, 400_000) {
            for my $call (@calls) {
                my ($what, @where) = @$call;

                for my $errno (5, 28) {
                    arm($dir, @where, 1, $errno);
                    my $crash = submit($nginx, dumps => {
                        d => pattern($size) });
                    ok !disarm($dir), "$what, $errno, $size: happened";
                    is $crash->{status}, 503, 'not taken';
                    is_deeply [ files("$spool/tmp") ], [], 'nothing half';
                    is scalar(new_files($spool)), scalar(@taken),
                       'nothing else';

                    $crash = submit($nginx, dumps => { d => pattern($size) });
                    is $crash->{status}, 200, 'the next one';
                    push @taken, $crash->{id};
                }
            }
        }

        is_deeply [ sort map { $_->{crash_id} } spooled($spool) ],
                  [ sort @taken ], 'all that were taken';
        $nginx->stop;
    };

    subtest 'kill -9 before each call' => sub {
        my $root = "$dir/killed";
        mkdir $root;
        give_away($root);

        my $spool = spool();
        my $nginx = mover(spool => $spool, storage => tree_storage($root),
                          @preload);
        my @taken;

        for my $size (1000, 400_000) {
            for my $call (@calls) {
                my ($what, @where) = @$call;
                my %before = map { $_ => 1 } $nginx->workers;

                $nginx->{killed}{$_} = 1 for keys %before;
                arm($dir, @where, 1, 0);
                my $crash = submit($nginx, dumps => { d => pattern($size) });
                is $crash->{status}, 0, "$what, $size: no answer";

                wait_until('a new worker', 10, sub {
                    return 2 == grep({ 1 } $nginx->workers)
                           && grep({ !$before{$_} } $nginx->workers);
                });

                push @taken, submit($nginx);
                is $taken[-1]{status}, 200, 'the next one';
            }
        }

        drained($spool);
        my $all = get_all($root);
        is_deeply [ map { missing($all, 'tree', $_) } @taken ], [],
                  'all that were taken are stored';

        # what has no name in new/ is nobody's
        $nginx->restart;
        wait_until('no garbage', 10, sub { my @left = files("$spool/tmp");
                                           return !@left });
        ok 1, 'nothing is left in tmp/ after a restart';
        is_deeply [ files("$spool/corrupt"), files("$spool/failed") ], [],
                  'nothing is damaged';
        $nginx->stop;
    };
}


# [ file system, options of mkfs, MB ]; what is not synced is lost
my @disks = ([ 'ext4', 'mkfs.ext4 -q', 64 ], [ 'xfs', 'mkfs.xfs -q', 320 ]);

for my $disk (@disks) {
    my ($fs, $mkfs, $mb) = @$disk;

    for my $sync ('strict', 'fast', 'off') {
        subtest "power cuts, $fs, $sync" => sub {
            my $image = "$dir/image-$fs";
            my $spool = "$dir/disk-$fs-$sync";

            mkdir $spool;
            plan skip_all => "needs root, $fs and a loop device"
                if $> != 0 || system("rm -f $image; truncate -s ${mb}M $image"
                                     . " && $mkfs $image 2>/dev/null"
                                     . " && mount -o loop $image $spool"
                                     . ' 2>/dev/null') != 0;
            give_away($spool);

            my $rounds = $ENV{SPOOL_CUTS} // 3;
            my ($acked, $lost, $damaged) = (0, 0, 0);

            for my $cut (1 .. $rounds) {
                hold($spool);
                my $nginx = collector(spool => $spool,
                                      location => "antenna_spool_sync $sync;");
                unlink "$dir/cut";

                my @children = map { fork_child(sub {
                    $| = 1;
                    while (1) {
                        my $size = rand > 0.8 ? 150_000 : 1000;
                        my $crash = submit($nginx, dumps => {
                            d => substr(pattern($size), 0, rand $size) });
                        last if $crash->{status} != 200;
                        print "$crash->{id}\n";
                    }
                }, "$dir/cut") } 1 .. 4;

                wait_until('some crashes', 20, sub {
                    my $n = () = slurp("$dir/cut") =~ /\n/g;
                    return $n > 30 + rand 40;
                });

                # those that are answered while it goes down count, too
                cut_power($spool);
                waitpid $_, 0 for @children;
                my @acked = slurp("$dir/cut") =~ /^(\S{36})$/mg;
                $nginx->{killed}{$_} = 1 for $nginx->all_workers;
                $nginx->crash;
                let_go($spool);

                wait_until('the disk to be free', 20, sub {
                    system("umount $spool 2>/dev/null") == 0 });
                system("mount -o loop $image $spool") == 0 or die 'mount';

                my %there;

                for my $file (glob "$spool/new/*") {
                    my @crashes = eval { SubmitTest::read_file($file) };
                    $damaged++ if $@;
                    $there{ $_->{crash_id} } = 1 for @crashes;
                }

                $acked += @acked;
                $lost += grep { !$there{$_} } @acked;

                system("rm -rf $spool/new/* $spool/tmp/*");
            }

            diag "$fs $sync: cuts=$rounds acked=$acked lost=$lost "
                 . "damaged=$damaged";

            if ($sync eq 'off') {
                cmp_ok $lost, '>', 0, 'without syncs crashes are lost';

            } else {
                is $lost, 0, 'none is lost';
            }

            # what was acknowledged under "strict" never was half there
            is $damaged, 0, 'none is damaged' if $sync eq 'strict';
            cmp_ok $acked, '>', 30 * $rounds, 'some were acknowledged';
            is system("umount $spool"), 0, 'no file is open';
        };
    }
}


# XFS_IOC_GOINGDOWN and EXT4_IOC_SHUTDOWN, without a flush of the log
sub cut_power
{
    my ($path) = @_;

    open my $fh, '<', $path or die "open: $!";
    my $flags = pack 'L', 2;
    ioctl $fh, 0x8004587d, $flags or die "shutdown: $!";
    close $fh;
}


done_testing;
