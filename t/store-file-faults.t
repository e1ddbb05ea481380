# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# A storage in files when things break: kill -9 before each step of a put and
# at random, failed calls, a full disk, no permission, puts of one key at once.

use strict;
use warnings;

use Fcntl qw(:flock);
use Test::More;

use TeckenTest qw(:none);
use TeckenTest::Process qw(
    fork_child give_away remove_tree run_child slurp temp_dir wait_until
    write_file
);

my $dir = temp_dir('store-faults');
my $fault = "$dir/fault";
my $root = "$dir/root";
my $id = 0;

mkdir $root;
give_away($dir, $root);

run_child({ log => "$dir/cc.log" }, split(/ /, $ENV{CC} // 'cc'), '-shared',
          '-fPIC', '-o', "$dir/calls.so", 't/faults/calls.c', '-ldl');

my $nginx = nginx(
    main => 'thread_pool io threads=8; env LD_PRELOAD; env TECKEN_FAULT;',
    http => "tecken_zone tecken:8m; tecken_io_thread_pool io;
             client_body_buffer_size 1m;
             tecken_storage files file://$root;",
    server => 'location /s/ { tecken_probe_store files; }',
    env => { LD_PRELOAD => "$dir/calls.so", TECKEN_FAULT => $fault },
);


# undef when nginx goes away meanwhile
sub ask
{
    my ($method, $key, %options) = @_;

    my $answer = eval {
        $nginx->request($method, "/s/$key", timeout => 60, %options) };

    return $answer && $answer->{status} ? $answer : undef;
}


# an object whose body and metadata tell the same
sub put
{
    my ($key, $name, $times) = @_;

    my $answer = ask('PUT', $key, body => "$name " x ($times // 1), headers => {
        'Content-Type' => "type/$name", 'X-Original-MD5' => $name,
    });

    return $answer ? $answer->{status} : 0;
}


# the name of what is there, or what is wrong with it
sub got
{
    my ($key) = @_;

    my $answer = ask('GET', $key) // return 'no answer';
    return $answer->{status} if $answer->{status} != 200;

    my ($name) = $answer->{body} =~ /\A(\S+) (?:\1 )*\z/
        or return 'a body of two objects';

    my $type = $answer->{headers}{'x-object-type'} // '';
    my $md5 = $answer->{headers}{'x-original-md5'} // '';

    return $name if $type eq "type/$name" && $md5 eq $name;
    return "$name, type $type, MD5 $md5";
}


sub arm
{
    my ($n, $errno) = @_;

    $id++;
    write_file("$fault.new", "$n $errno $id\n");
    give_away("$fault.new");
    rename "$fault.new", $fault;
}


# by what it is: an nginx with another root has other names for it
sub same_file
{
    my ($one, $other) = map { join ' ', (stat)[0, 1] } @_;

    return $one eq $other;
}


# waits for the workers that have died to be replaced
sub recover
{
    my (%before) = map { $_ => 1 } @_;

    $nginx->{killed}{$_} = 1 for keys %before;

    wait_until('a new worker', 10, sub {
        my @now = $nginx->workers;
        return @now == 2 && grep { !$before{$_} } @now;
    });
}


sub names
{
    my ($path) = @_;

    opendir my $dh, $path or return ();
    return sort grep { !/^\.\.?$/ } readdir $dh;
}


# [name, is there an object before, calls of a put, the one that replaces]
for my $case (['new', 0, 6, 5], ['over', 1, 8, 5]) {
    my ($name, $before, $calls, $rename) = @$case;

    subtest "kill -9 before each step: $name" => sub {
        my $old = $before ? 'old' : '404';

        mkdir "$root/$name$_" for 1 .. $calls + 1;
        give_away(glob "$root/$name*");

        for my $n (1 .. $calls) {
            my $key = "$name$n/k";

            is put($key, 'old'), 200, "$n: an object" if $before;

            my @workers = $nginx->workers;
            arm($n, 0);
            is put($key, 'new', 7), 0, "$n: killed";
            recover(@workers);

            is got($key), $n > $rename ? 'new' : $old, "$n: what is there";
            is put($key, 'third', 3), 200, "$n: the next put";
            is got($key), 'third', "$n: its object";
        }

        my $key = "$name" . ($calls + 1) . '/k';

        put($key, 'old') if $before;
        arm($calls + 1, 0);
        is put($key, 'new'), 200, "there are $calls steps";
        ok unlink($fault), 'no more than that';
    };

    subtest "each step fails: $name" => sub {
        my $old = $before ? 'old' : '404';

        mkdir "$root/fail$name$_" for 1 .. $calls;
        give_away(glob "$root/fail$name*");

        for my $n (1 .. $calls) {
            my $key = "fail$name$n/k";

            put($key, 'old') if $before;

            arm($n, 5);
            my $answer = ask('PUT', $key, body => 'new ', headers => {
                'Content-Type' => 'type/new', 'X-Original-MD5' => 'new' });

            is $answer->{status}, 502, "$n: fails";
            like $answer->{body}, qr/\(5: Input\/output error\)\z/,
                 "$n: says why";

            is got($key), $n > $rename ? 'new' : $old, "$n: what is there";
            is_deeply [ grep { /~/ } names("$root/fail$name$n") ], [],
                      "$n: nothing is left behind";

            is put($key, 'third'), 200, "$n: the next put";
            is got($key), 'third', "$n: its object";
        }
    };
}


subtest 'a directory that cannot be synced' => sub {
    arm(1, 5);
    my $answer = ask('PUT', 'made/k', body => 'x');

    is $answer->{status}, 502, 'fails';
    like $answer->{body}, qr/fsync\(\) "\Q$root\E\/" failed \(5:/, 'says why';
    ok !-e "$root/made", 'and is not left: the next put would trust in it';
    is put('made/k', 'x'), 200, 'the next one';

    arm(1, 22);
    is put('made2/k', 'x'), 200, 'a file system without syncs of directories';
};


subtest 'waits for another process that holds the directory' => sub {
    is put('locked/k', 'old'), 200, 'an object';

    open my $lock, '<', "$root/locked" or die "open: $!";
    flock $lock, LOCK_EX or die "flock: $!";

    my $pid = fork_child(sub { put('locked/k', 'new') == 200 or die });

    # its files are there, so it is about to lock
    wait_until('the temporary files', 5,
               sub { 2 == grep { /~/ } names("$root/locked") });
    is got('locked/k'), 'old', 'readers do not wait';

    flock $lock, LOCK_UN;
    waitpid $pid, 0;
    is $?, 0, 'goes on';
    is got('locked/k'), 'new', 'with the new object';
};


subtest 'no permission' => sub {
    plan skip_all => 'root may everything' if $> == 0 && !getpwnam 'nobody';

    mkdir "$root/closed", 0700;
    chmod 0, "$root/closed";
    write_file("$root/unreadable", 'x');
    chmod 0, "$root/unreadable";
    plan skip_all => 'cannot take it away' if $> != 0 && -r "$root/unreadable";

    my $answer = ask('GET', 'closed/k');
    is $answer->{status}, 502, 'get';
    like $answer->{body}, qr/closed\/k" failed \(13: Permission denied\)/,
         'why';

    is ask('HEAD', 'closed/k')->{status}, 502, 'head';
    is ask('GET', 'closed/k?find')->{status}, 502, 'find';
    $nginx->wait_log(qr/\[error\].*stat\(\) "\S+closed\/k" failed \(13:/);
    is ask('GET', 'unreadable')->{status}, 502, 'a file';
    is put('closed/k', 'x'), 502, 'put';

    $answer = ask('GET', '?list=closed/');
    is $answer->{status}, 502, 'list';
    like $answer->{body}, qr/opendir\(\) ".*closed" failed \(13:/, 'why';

    rmdir "$root/closed";
    unlink "$root/unreadable";
};


subtest 'a full disk' => sub {
    mkdir "$root/small";

    plan skip_all => 'needs root and a tmpfs'
        if $> != 0 || system("mount -t tmpfs -o size=400k,mode=777 none "
                             . "$root/small 2>/dev/null") != 0;

    is put('small/k', 'old', 25000), 200, 'an object of 100,000 bytes';
    my $answer = ask('PUT', 'small/k', body => 'x' x 1000000);
    is $answer->{status}, 502, 'one of a million';
    like $answer->{body},
         qr/write\(\) of ".*small\/k" failed \(28: No space left on device\)/,
         'says why';
    is got('small/k'), 'old', 'the old one is untouched';
    is_deeply [ names("$root/small") ], [ '.tecken.k', 'k' ],
              'the space is free again';
    is put('small/k', 'new', 40000), 200, 'one that fits';
    is got('small/k'), 'new', 'is there';

    is system("umount $root/small"), 0, 'no file is open';
};


# Each writer has a key of its own, and all have two; each put is counted when
# it begins and when it is answered.
sub writer
{
    my ($w) = @_;

    open my $log, '>>', "$dir/log$w" or die;
    $log->autoflush;

    for (my $i = 1; !-e "$dir/stop"; $i++) {
        for my $key ("own$w/k", 'all/k', "x/all$w") {
            print {$log} "$key $w-$i\n";
            my $status = put($key, "$w-$i", 1 + int rand 3000);
            print {$log} "$key $w-$i acked\n" if $status == 200;
            die "$key: $status\n" if $status != 200 && $status != 0;
        }
    }
}


sub reader
{
    my $reads = 0;

    while (!-e "$dir/stop") {
        for my $key ('all/k', 'own1/k') {
            my $got = got($key);
            $reads++ if $got =~ /^\d+-\d+$/;
            die "$key: $got\n" if $got !~ /^(?:\d+-\d+|404|no answer)$/;
        }
    }

    die "no reads\n" if !$reads;
}


subtest 'kill -9 at random, puts of one key at once' => sub {
    my @writers = (1 .. 5);

    my @children = map { my $w = $_; fork_child(sub { writer($w) },
                                                "$dir/errors") } @writers;
    push @children, fork_child(\&reader, "$dir/errors");

    my $puts = sub { scalar map { slurp("$dir/log$_") =~ /acked$/mg }
                     @writers };

    # each after some puts, so that a slow disk has them, too
    for (1 .. 25) {
        my $goal = $puts->() + 2 + rand 12;

        wait_until('some puts', 60, sub {
            $puts->() >= $goal || slurp("$dir/errors") });

        my @workers = $nginx->workers;
        $nginx->kill_worker($workers[rand @workers]);
    }

    write_file("$dir/stop", '');
    waitpid $_, 0 for @children;
    is slurp("$dir/errors"), '', 'no errors of writers and readers';

    my (%begun, %acked, $acked);

    for my $w (@writers) {
        for (split /\n/, slurp("$dir/log$w")) {
            my ($key, $name, $ack) = split / /;
            $begun{$key}{$name} = 1;
            next if !$ack;
            $acked++;
            $acked{$key}{$w} = $name =~ /-(\d+)/ && $1;
        }
    }

    my ($stored, $lost, $wrong) = (0, 0, 0);

    for my $key (sort keys %begun) {
        my $got = got($key);
        my ($w, $i) = split /-/, $got;

        $stored++ if $begun{$key}{$got};

        # an older one than this writer was told to be there
        $lost++ if defined $i && $i < ($acked{$key}{$w} // 0);
        $wrong++ if $acked{$key} && !$begun{$key}{$got};
    }

    diag "kills=25 acked=$acked keys=" . keys(%begun)
         . " stored=$stored lost=$lost";

    cmp_ok $acked, '>=', 50, 'puts';
    is $lost, 0, 'none is lost';
    is $wrong, 0, 'no object but those that were put';
    is $stored, 11, 'all keys';

    my $list = ask('GET', '?list=x/')->{body};
    is scalar(() = $list =~ /^\d+ x\/all\d$/mg), 5, 'a list of just these';
};


# What is not synced is dropped, as without current: ext4 on a loop device,
# shut down without a flush of its journal.
subtest 'power cuts' => sub {
    my $image = "$dir/image";
    my $disk = "$root/disk";
    my ($acked, $lost, $wrong) = (0, 0, 0);

    mkdir $disk;

    plan skip_all => 'needs root, ext4 and a loop device'
        if $> != 0 || system("truncate -s 64M $image && mkfs.ext4 -q $image"
                             . " && mount -o loop $image $disk"
                             . ' && chmod 777 ' . $disk
                             . " && sync -f $disk") != 0;

    for my $cut (1 .. 5) {
        my %last;

        my $pid = fork_child(sub {
            for my $i (1 .. 10000) {
                my ($k, $times) = (int rand 4, 1 + int rand 9000);
                my $status = put("disk/d$k/k", "$cut-$i", $times);
                last if $status != 200;
                print "$k $cut-$i\n";
            }
        }, "$dir/cut$cut");

        wait_until('some puts', 10, sub {
            return 5 + rand(30) < (() = slurp("$dir/cut$cut") =~ /\n/g);
        });

        open my $fh, '<', $disk or die "open: $!";
        my $flags = pack 'L', 2;
        ioctl $fh, 0x8004587d, $flags or die "EXT4_IOC_SHUTDOWN: $!";
        close $fh;
        waitpid $pid, 0;

        wait_until('the disk to be free', 10,
                   sub { system("umount $disk 2>/dev/null") == 0 });
        is system("mount -o loop $image $disk"), 0, "cut $cut";

        for (split /\n/, slurp("$dir/cut$cut")) {
            my ($k, $name) = split / /;
            $last{$k} = $name;
            $acked++;
        }

        for my $k (keys %last) {
            my $got = got("disk/d$k/k");
            my ($c, $i) = $got =~ /^(\d+)-(\d+)$/;
            $wrong++ if !defined $i;
            $lost++ if !defined $i || "$c" ne $cut
                       || $i < ($last{$k} =~ /-(\d+)/)[0];
        }
    }

    diag "cuts=5 acked=$acked lost=$lost wrong=$wrong";

    is $lost, 0, 'none is lost';
    is $wrong, 0, 'each is whole and has its metadata';
    is system("umount $disk"), 0, 'no file is open';
};


subtest 'a quitting worker ends its put' => sub {
    my $pid = fork_child(sub {
        my $answer = ask('PUT', 'quit/k?slow=1000&pause=20',
                         body => 'new ' x 5000, headers => {
            'Content-Type' => 'type/new', 'X-Original-MD5' => 'new' });
        die if $answer->{status} != 200;
    });

    wait_until('it to begin', 5, sub { grep { /~/ } names("$root/quit") });
    $nginx->reload;
    waitpid $pid, 0;
    is $?, 0, 'answered';
    is got('quit/k'), 'new', 'is there';
};


# One thread, which waits for a lock, and a queue of one, which is taken.
subtest 'no room in the queue for what has begun' => sub {
    my $busy = "$dir/busy";

    mkdir $_ for $busy, "$busy/locked";
    give_away($busy, "$busy/locked");
    write_file("$busy/k", 'x' x 400_000);

    my $one = nginx(
        workers => 1, main => 'thread_pool io threads=1 max_queue=1;',
        http => "tecken_zone tecken:8m; tecken_io_thread_pool io;
                 tecken_storage files file://$busy;",
        server => 'location /s/ { tecken_probe_store files; }',
    );

    my $child = sub {
        my ($log, @request) = @_;

        return fork_child(sub {
            my $answer = $one->request(@request, timeout => 60);
            print "$answer->{status} $answer->{body}\n";
        }, "$dir/$log");
    };

    # it pauses between its two reads
    my @children = $child->('get', 'GET', '/s/k?slow=1&pause=6000');
    my ($worker) = $one->workers;

    wait_until('the first read', 5, sub {
        return grep { same_file($_, "$busy/k") } glob "/proc/$worker/fd/*";
    });

    open my $lock, '<', "$busy/locked" or die "open: $!";
    flock $lock, LOCK_EX or die "flock: $!";

    push @children, $child->('put', 'PUT', '/s/locked/k', body => 'x');
    wait_until('the put', 2,
               sub { 2 == grep { /~/ } names("$busy/locked") });

    push @children, map { $child->('check', 'GET', '/s/?check') } 1, 2;
    wait_until('a full queue', 2, sub { slurp("$dir/check") =~ /./ });

    like slurp("$dir/check"), qr/\A503 .*queue.* is full\n\z/, 'not begun: busy';

    waitpid shift @children, 0;
    like slurp("$dir/get"), qr/\A502 .*queue.* is full\n\z/, 'begun: failed';

    flock $lock, LOCK_UN;
    waitpid $_, 0 for @children;
    like slurp("$dir/put"), qr/\A200 /, 'the put';
    like slurp("$dir/check"), qr/^200 /m, 'what was queued';

    is $one->stop, 0, 'a clean end';
};


is $nginx->stop, 0, 'a clean end';
unlike $nginx->error_log,
       qr/\[alert\](?!.*(?:exited on signal 9|unlinkat.*\(5: ))/, 'no alerts';

done_testing;


END {
    if (defined $dir) {
        local $?;
        system "umount -l $root/$_ 2>/dev/null" for qw(small disk);
        remove_tree($dir);
    }
}
