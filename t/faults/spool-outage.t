# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Clients go on while the storage is away, in every way that it can be, and
# while disks are full: no other answer than 200 until the spool has its
# limit, and everything is stored afterwards.
#
# SPOOL_OUTAGE: so many acknowledged crashes in each way; without it 30, in a
# few ways by chance.

use strict;
use warnings;

use List::Util qw(shuffle);
use Test::More;

use MoverTest qw(
    acked clients drained files finish get_all hold let_go missing mover
    new_files s3_storage spool submit tree_storage
);
use StoreTest qw(pattern unique);
use SubmitTest qw(spooled);
use TeckenTest qw(:s3 :proxy);
use TeckenTest::Process qw(give_away remove_tree temp_dir wait_until);

my $each = $ENV{SPOOL_OUTAGE} || 30;
my $hasty = 'timeout=1s connect_timeout=1s deadline=1500ms retries=0';

my $dir = temp_dir('outage');
END {
    local $?;
    if ($dir) {
        system("umount -l $_ 2>/dev/null") for glob "$dir/disk-*";
        remove_tree($dir);
    }
}


sub lost
{
    my ($where, $layout, $crashes) = @_;

    my $all = get_all($where);

    return map { missing($all, $layout, $_) } @$crashes;
}


subtest 'a storage that is away' => sub {
    my $spool = spool();
    my $prefix = unique('outage');
    my $nginx = mover(spool => $spool, http => 'access_log off;',
                      storage => s3_storage(proxy->port, $prefix, $hasty));

    proxy->reset;
    my $clients = clients($nginx, 4);

    my @modes = shuffle(
        [ 'refuse' ], [ 'reset' ], [ 'stall' ], [ 'noread' ], [ 'close' ],
        [ 'half_head' ], [ 'garbage' ],
        [ 'status', status => 503, code => 'SlowDown' ],
        [ 'status', status => 403, code => 'AccessDenied' ],
        [ 'status', status => 500, code => 'InternalError' ],
        [ 'latency', ms => 300 ], [ 'slow', bytes => 20, ms => 40 ],
        [ 'reset_after', after => 5 ]);
    splice @modes, 4 if !$ENV{SPOOL_OUTAGE};

    for my $mode (@modes, [ 'pass' ]) {
        my $what = join ' ', $mode->[0], $mode->[2] // ();
        my ($crashes) = acked($clients);
        my $requests = proxy->count;

        proxy->mode(@$mode);

        wait_until("$what: crashes", 60 + $each, sub {
            my ($now) = acked($clients);
            return @$now >= @$crashes + $each;
        });

        # one at a time asks
        wait_until("$what: a request", 30, sub {
            proxy->count > $requests }) if $mode->[0] !~ /^(?:refuse|reset|noread)$/;
        ok 1, $what;
    }

    my ($crashes, $others) = finish($clients);
    drained($spool, 60 + @$crashes / 10);

    my @lost = lost([ 'private', $prefix ], '2018', $crashes);
    my (%seen, @early);

    for (proxy->requests('PUT')) {
        my ($kind, $id) = $_->{path} =~ m{/v\d/(\w+)/(?:.*/)?([^/?]{36})}
            or next;

        push @early, $id if $kind eq 'raw_crash'
                            && keys %{ $seen{$id} // {} } < 2;
        $seen{$id}{$kind} = 1 if $kind ne 'raw_crash';
    }

    diag 'acked=' . @$crashes . ' lost=' . @lost . ' refused=' . @$others;

    is_deeply $others, [], 'no other answer than 200';
    is_deeply \@lost, [], 'all are stored';
    is_deeply \@early, [], 'no raw crash before its dumps';
    is_deeply [ files("$spool/failed"), files("$spool/corrupt") ], [],
              'none is put aside';
    is $nginx->stop, 0, 'a clean end';
};


# posts until there is a 503; returns what was taken
sub fill
{
    my ($nginx, $size) = @_;

    my (@crashes, $crash);

    for (1 .. 2000) {
        $crash = submit($nginx, dumps => { d => pattern($size) });
        last if $crash->{status} != 200;
        push @crashes, $crash;
    }

    is $crash->{status}, 503, @crashes . " crashes of $size, then 503";
    like $crash->{answer}{headers}{'retry-after'}, qr/^\d+$/, 'Retry-After';

    return @crashes;
}


subtest 'a storage that is away for too long' => sub {
    my $spool = spool();
    my $prefix = unique('long');
    my $nginx = mover(spool => $spool,
                      storage => s3_storage(proxy->port, $prefix, $hasty),
                      location => 'antenna_spool_max_size 300k;');

    proxy->mode('refuse');
    my @crashes = (fill($nginx, 40_000), fill($nginx, 1000));
    cmp_ok scalar(@crashes), '>', 5, 'some';

    proxy->mode('pass');
    drained($spool, 30);
    push @crashes, submit($nginx, dumps => { d => pattern(40_000) });
    is $crashes[-1]{status}, 200, 'there is room again';
    drained($spool);

    is_deeply [ lost([ 'private', $prefix ], '2018', \@crashes) ], [],
              'all that were taken are stored';
    $nginx->stop;
};


# [ what, command to mount it; DIR is where, IMAGE a file ]
for my $disk ([ 'no room', 'mount -t tmpfs -o size=1m,mode=777 none DIR' ],
              [ 'no inodes', 'mount -t tmpfs -o size=8m,nr_inodes=40,mode=777'
                             . ' none DIR' ],
              [ 'ext4', 'truncate -s 8M IMAGE && mkfs.ext4 -q IMAGE'
                        . ' && mount -o loop IMAGE DIR' ],
              [ 'ext4, no inodes', 'truncate -s 8M IMAGE'
                                   . ' && mkfs.ext4 -q -N 48 IMAGE'
                                   . ' && mount -o loop IMAGE DIR' ])
{
    my ($what, $command) = @$disk;

    subtest "a full disk: $what" => sub {
        my $name = $what =~ s/\W+/-/gr;
        my ($spool, $root) = ("$dir/disk-$name", "$dir/root-$name");

        $command =~ s/DIR/$spool/g;
        $command =~ s/IMAGE/$dir\/image-$name/g;

        mkdir $_ for $spool, $root;
        plan skip_all => 'needs root and such a file system'
            if $> != 0 || system("($command) > /dev/null 2>&1") != 0;
        give_away($spool, $root);
        hold($spool);

        my $nginx = mover(spool => $spool, storage => tree_storage($root));
        my @crashes = map { fill($nginx, $_) } 100_000, 9000, 100;

        is_deeply [ sort map { $_->{crash_id} } spooled($spool) ],
                  [ sort map { $_->{id} } @crashes ], 'those are there, whole';
        is_deeply [ files("$spool/tmp") ], [], 'nothing half';

        let_go($spool);
        drained($spool, 30);
        is_deeply [ lost($root, 'tree', \@crashes) ], [], 'all are stored';

        is submit($nginx, dumps => { d => pattern(100_000) })->{status}, 200,
           'there is room again';
        drained($spool);
        is_deeply [ files("$spool/failed"), files("$spool/corrupt"),
                    new_files($spool) ], [], 'nothing is left';

        $nginx->stop;
        is system("umount $spool"), 0, 'no file is open';
    };
}


done_testing;
