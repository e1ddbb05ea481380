# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# The spool: what is in it after a 200, and what is not after anything else:
# failed calls one by one, a full disk, kill -9 before each step, reloads.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Errno qw(EDQUOT EINTR EIO EMFILE ENOSPC EROFS);
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);

use SubmitTest qw(
    collector connection form kept post read_answer spool_dir spooled
);
use TeckenTest::Process qw(
    give_away remove_tree run_child slurp temp_dir wait_until write_file
);

my $dir = temp_dir('spool-faults');
END { local $?; remove_tree($dir) if $dir }
my $fault = "$dir/fault";

run_child({ log => "$dir/cc.log" }, split(/ /, $ENV{CC} // 'cc'), '-shared',
          '-fPIC', '-o', "$dir/calls.so", 't/faults/spool_calls.c', '-ldl',
          '-lpthread');
give_away($dir);

my $spool = spool_dir();
my $nginx = collector(
    workers => 1, spool => $spool,
    main => 'thread_pool default threads=4;
             env LD_PRELOAD; env TECKEN_FAULT;',
    env => { LD_PRELOAD => "$dir/calls.so", TECKEN_FAULT => $fault },
    server => "location = /metrics { tecken_metrics; }",
);

my $Type = 'multipart/form-data; boundary=X';
my %Form = (
    small => [ [ a => 'b' ], dump_of('d', "small\n") ],
    large => [ [ a => 'b' ], dump_of('d', 'x' x 300_000) ],
);


sub dump_of
{
    my ($name, $data) = @_;

    return { name => $name, filename => 'x', data => $data,
             type => 'application/octet-stream' };
}


sub arm
{
    my ($call, $errno, $n) = @_;

    write_file("$fault.new", "$call $errno " . ($n // 1) . "\n");
    give_away("$fault.new");
    rename "$fault.new", $fault;
}


sub files { return map { glob "$spool/$_/*" } 'tmp', 'new' }


sub metric
{
    my ($name) = @_;

    return $nginx->get('/metrics')->{body} =~ /^\Q$name\E (\S+)$/m ? $1 : -1;
}


layout();
record();
together();
fails();
killed();
max_size();
min_free();
full();
reloads();
sick_reload();
modes();
heartbeat();

$nginx->stop;

done_testing;


sub layout
{
    for my $name ('', qw(tmp new failed corrupt)) {
        my @stat = stat "$spool/$name";
        is sprintf('%o', $stat[2] & 07777), '700',
           "$name/: for the workers only"
            if $name ne '';
        is $stat[4], $> ? $> : (getpwnam 'nobody')[2], "$name/: theirs";
    }
}


sub record
{
    my $big = join '', map { chr(($_ * 31 >> 2) & 255) } 1 .. 700_000;
    my $crash = kept($nginx, post($nginx, [
        [ ProductName => 'Firefox' ], dump_of('upload_file_minidump', $big),
        dump_of('empty', ''), dump_of('third', "\n\n"),
    ]));

    is_deeply [ map { sha256_hex($_) } @{ $crash->{dumps} }
                { qw(upload_file_minidump empty third) } ],
              [ map { sha256_hex($_) } $big, '', "\n\n" ], 'three dumps';
    is_deeply [ map { $_->{name} // '' } @{ $crash->{index}{objects} } ],
              [ '', 'upload_file_minidump', 'empty', 'third', '' ],
              'in the order of the form';
    is_deeply [ sort keys %{ $crash->{index} } ],
              [ qw(chosen crash_id objects received) ], 'the index';

    # sizes around those of buffers
    for my $size (65_000 .. 65_003, 65_535, 65_536, 65_537, 131_072 - 16,
                  131_072, 196_608)
    {
        my $data = chr($size & 255) x $size;
        my $got = kept($nginx, post($nginx, [ [ a => 1 ],
                                              dump_of('d', $data) ]));
        is sha256_hex($got->{dumps}{d}), sha256_hex($data),
           "a dump of $size bytes";
    }

    # printed in a thread from 64 KiB on, beside dumps being written
    for my $n (10, 20_000, 70_000, 1_000_000) {
        my $text = "\x{e9}\n" x $n;
        utf8::encode($text);

        $crash = kept($nginx, post($nginx, [
            [ long => $text ], dump_of('d', 'x' x 200_000) ]));
        ok $crash->{raw}{long} eq "\x{e9}\n" x $n,
           "an annotation of $n times two characters";
        is length $crash->{dumps}{d}, 200_000, 'its dump';
        is "@{ $crash->{order} }", 'dump_names dump raw_crash', 'in order';
    }

    arm('writev', ENOSPC);
    is post($nginx, [ [ long => "\1" x 3_000_000 ] ])->{status}, 503,
       'a long annotation, and the disk is full';
    is join(' ', glob "$spool/tmp/*"), '', 'nothing is left';
}


# while the disk is busy with the first crashes the others wait, and share
sub together
{
    my $before = () = files();
    my $crashes = () = spooled($nginx);
    my $n = 60;
    my $body = form('X', @{ $Form{small} });

    # two of each worker at a time
    arm('fsync', -1500, 2);

    my @sockets = map { connection($nginx) } 1 .. $n;
    print {$_} "POST /submit HTTP/1.1\r\nHost: x\r\nContent-Type: $Type\r\n"
               . "Content-Length: " . length($body) . "\r\n\r\n$body"
        for @sockets;

    my %ids = map { read_answer($_)->{body} => 1 } @sockets;
    is scalar keys %ids, $n, "$n crashes, as many ids";
    is scalar(() = spooled($nginx)) - $crashes, $n, 'all are there';

    my $files = () = files();
    cmp_ok $files - $before, '<', 20, 'in few files: ' . ($files - $before);
    unlink $fault;
}


sub fails
{
    for my $size (qw(small large)) {
        for my $case ([ open => EIO ], [ open => EMFILE ], [ open => EROFS ],
                      [ writev => EIO ], [ writev => ENOSPC ],
                      [ writev => EDQUOT ], [ fsync => EIO ],
                      [ fsync => ENOSPC ], [ rename => EIO ],
                      [ rename => ENOSPC ], [ opendir => EMFILE ],
                      [ syncdir => EIO ], [ pread => EIO ], [ close => EIO ])
        {
            my ($call, $errno) = @$case;
            my $what = "$size: $call fails with $errno";
            my $before = join ' ', files();

            arm($call, $errno);
            my $answer = post($nginx, $Form{$size});

            ok !-e $fault, "$what: it did";
            is $answer->{status}, 503, "$what: 503";
            is $answer->{headers}{'retry-after'}, 30, "$what: Retry-After";
            unlike $answer->{body}, qr/CrashID/, "$what: no crash id";
            is join(' ', files()), $before, "$what: nothing is left";
            is post($nginx, $Form{$size})->{status}, 200, "$what: the next";
        }

        arm('short', 5, 2);
        is post($nginx, $Form{$size})->{status}, 200, "$size: short writes";
        arm('writev', EINTR);
        is post($nginx, $Form{$size})->{status}, 200, "$size: a signal";
    }

    is metric('antenna_spool_failures_total'), 29, 'counted';
    is metric(qq(antenna_spool_crashes{spool="$spool"})),
       scalar(() = spooled($nginx)), 'the gauge knows what there is';

    $nginx->wait_log(qr/\[crit\].*spool: fsync\(\) "\S+\/tmp\/\S+" failed, the crash is not taken \(5:/);
}


# whatever the step, what is in new/ is whole, and the rest was not promised
sub killed
{
    for my $size (qw(small large)) {
        for my $call (qw(open writev fsync rename opendir syncdir pread
                         close))
        {
            my $before = () = spooled($nginx);
            my @workers = $nginx->workers;

            arm($call, 0);
            my $answer = eval { post($nginx, $Form{$size}) };
            is $answer, undef, "$size: kill -9 at $call: no answer";

            $nginx->{killed}{$_} = 1 for @workers;
            wait_until('a new worker', 10, sub {
                my @now = $nginx->workers;
                return @now == 1 && $now[0] != $workers[0];
            });

            my $after = () = spooled($nginx);
            is $after - $before, $call =~ /dir$|^pread$|^close$/ ? 1 : 0,
               "$size: $call: what is there is whole";
            is post($nginx, $Form{$size})->{status}, 200, "$size: the next";
        }
    }

    unlink glob "$spool/tmp/*";
}


sub max_size
{
    my $server = collector(
        workers => 1, location => 'antenna_spool_max_size 500k;',
        server => 'location = /metrics { tecken_metrics; }');

    my $taken = 0;
    my $answer;

    for (1 .. 5) {
        $answer = post($server, $Form{large});
        last if $answer->{status} != 200;
        $taken++;
    }

    is $taken, 1, 'antenna_spool_max_size: one crash of 300 KB';
    is $answer->{status}, 503, 'the second';
    is $answer->{headers}{'retry-after'}, 30, 'Retry-After';
    is post($server, $Form{small})->{status}, 200, 'a small one fits';

    wait_until('tmp/', 10, sub { !glob "$server->{spool}/tmp/*" });
    is scalar(() = spooled($server)), 2, 'two are there';

    # room again: what is removed by hand is noticed by the mover only
    $server->wait_log(qr/\[crit\].*is full: \d+ bytes are more than antenna_spool_max_size, is the storage down\?/);
    $server->stop;
}


sub min_free
{
    my $server = collector(workers => 1, spool => spool_dir(),
                           location => 'antenna_spool_min_free 900g;');

    for my $size (qw(small large)) {
        is post($server, $Form{$size})->{status}, 503,
           "antenna_spool_min_free: $size";
    }

    wait_until('tmp/', 10, sub { !glob "$server->{spool}/tmp/*" });
    is scalar(() = glob "$server->{spool}/new/*"), 0, 'nothing is there';
    $server->wait_log(qr/\[crit\].*is full: less than antenna_spool_min_free is free/);
    $server->stop;
}


sub full
{
    SKIP: {
        my $small = spool_dir();
        mkdir "$small/disk";

        skip 'needs root and a tmpfs', 4
            if $> != 0 || system("mount -t tmpfs -o size=400k,mode=777 none "
                                 . "$small/disk 2>/dev/null") != 0;

        my $server = collector(workers => 1, spool => "$small/disk");

        is post($server, [ [ a => 1 ], dump_of('d', 'x' x 2_000_000) ])
           ->{status}, 503, 'a full disk';
        wait_until('tmp/', 10, sub { !glob "$small/disk/tmp/*" });
        is scalar(() = glob "$small/disk/new/*"), 0, 'nothing half is kept';
        is post($server, $Form{small})->{status}, 200, 'what fits is taken';

        $server->stop;
        is system("umount $small/disk"), 0, 'no file is open';
    }

    # what is free when a crash begins is not free when it ends
    SKIP: {
        my $small = spool_dir();
        mkdir "$small/disk";

        skip 'needs root and a tmpfs', 4
            if $> != 0 || system("mount -t tmpfs -o size=4m,mode=777 none "
                                 . "$small/disk 2>/dev/null") != 0;

        my $server = collector(workers => 1, spool => "$small/disk",
                               location => 'antenna_spool_min_free 2m;');

        is post($server, [ [ a => 1 ], dump_of('d', 'x' x 3_000_000) ])
           ->{status}, 503, 'antenna_spool_min_free: amid a crash';
        wait_until('tmp/', 10, sub { !glob "$small/disk/tmp/*" });
        is post($server, $Form{small})->{status}, 200, 'what fits is taken';
        $server->wait_log(qr/\[crit\].*is full: less than antenna_spool_min_free is free/);
        pass 'which is logged';

        $server->stop;
        is system("umount $small/disk"), 0, 'no file is open';
    }
}


# a crash half sent when the configuration is read again is taken by the old
# worker
sub reloads
{
    my $body = form('X', @{ $Form{large} });
    my $counted = metric(qq(antenna_spool_crashes{spool="$spool"}));
    my $socket = connection($nginx);

    print {$socket} "POST /submit HTTP/1.1\r\nHost: x\r\nContent-Type: $Type"
                    . "\r\nContent-Length: " . length($body) . "\r\n\r\n"
                    . substr $body, 0, 200_000;
    wait_until('a file', 10, sub { glob "$spool/tmp/*" });

    $nginx->reload;

    print {$socket} substr $body, 200_000;
    my $answer = read_answer($socket);
    is $answer->{status}, 200, 'over a reload';
    is length kept($nginx, $answer)->{dumps}{d}, 300_000, 'whole';

    wait_until('the old worker to end', 10,
               sub { $nginx->all_workers == 1 });
    is post($nginx, $Form{small})->{status}, 200, 'the new worker';
    is metric(qq(antenna_spool_crashes{spool="$spool"})), $counted + 2,
       'counted on';
}


# the master goes on with what it has when the spool cannot be made durable
sub sick_reload
{
    my @workers = $nginx->workers;

    arm('syncdir', EIO);
    kill 'HUP', $nginx->master;
    wait_until('the sync to fail', 10, sub { !-e $fault });
    $nginx->wait_log(qr/\[emerg\].*fsync\(\) "\S+" failed, it is to hold the spool/);

    is post($nginx, $Form{small})->{status}, 200, 'a sick disk at a reload';
    is_deeply [ $nginx->workers ], \@workers, 'the same worker';

    $nginx->reload;
    is post($nginx, $Form{small})->{status}, 200, 'the next reload';
}


# the other ways to sync keep the same files
sub modes
{
    for my $sync (qw(fast off)) {
        my $server = collector(workers => 1,
                               location => "antenna_spool_sync $sync;");

        for my $size (qw(small large)) {
            my $crash = kept($server, post($server, $Form{$size}));
            is $crash->{dumps}{d}, $Form{$size}[1]{data}, "$sync: $size";
        }

        $server->stop;
    }
}


sub heartbeat
{
    my $server = collector(
        workers => 1,
        location => 'antenna_spool_max_size 200k;',
        server => 'location = /hb { tecken_dockerflow heartbeat; }');
    my $name = "spool:$server->{spool}";

    my $ask = sub {
        my $answer = $server->get('/hb');
        return ($answer->{status}, JSON::PP->new->decode($answer->{body})
                                   ->{checks}{$name});
    };

    my ($status, $check) = $ask->();
    is "$status $check->{status}", '200 ok', 'heartbeat: a spool';
    is scalar(() = glob "$server->{spool}/tmp/*"), 0, 'leaves nothing';

    rename "$server->{spool}/tmp", "$server->{spool}/away";

    # it is remembered for a second
    wait_until('a bad heartbeat', 5, sub {
        ($status, $check) = $ask->();
        return $check->{status} ne 'ok';
    });
    is "$status $check->{error}",
       '500 open() failed (2: No such file or directory)', 'no tmp/';

    is post($server, $Form{small})->{status}, 503, 'crashes cannot be taken';
    rename "$server->{spool}/away", "$server->{spool}/tmp";
    is post($server, $Form{small})->{status}, 200, 'and can again';

    $server->stop;
}
