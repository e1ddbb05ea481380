# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# kill -9 of workers, of the mover's, of everything, at random moments while
# clients go on: what was acknowledged is stored, whole.
#
# SPOOL_ROUNDS (12) kills, at least; SPOOL_CRASHES (0) acknowledged crashes,
# at least.

use strict;
use warnings;

use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);

use MoverTest qw(
    drained files hold keys_of_crash mover owner spool submit tree_storage
);
use StoreTest qw(pattern);
use TeckenTest qw(:none);
use TeckenTest::Process qw(
    fork_child give_away remove_tree slurp temp_dir wait_until write_file
);

my $rounds = $ENV{SPOOL_ROUNDS} // 12;
my $crashes = $ENV{SPOOL_CRASHES} // 0;

my $root = temp_dir('kill');
my $log = "$root.log";
my $stop = "$root.stop";
my $spool = spool();
END { local $?; remove_tree($root); unlink $log, $stop }

give_away($root);

my $nginx = mover(spool => $spool, storage => tree_storage($root),
                  http => 'access_log off;');

# a client knows what the dump of its n-th crash is
sub dump_of
{
    my ($client, $n) = @_;

    my $size = $n % 7 == 0 ? 150_000 + $n % 50_000 : 500 + $n % 3000;

    return substr(pattern($size + 8), 0, $size) . " $client-$n";
}


my @children = map { my $client = $_; fork_child(sub {
    $| = 1;

    for (my $n = 1; !-e $stop; $n++) {
        my $crash = submit($nginx, note => "$client-$n",
                           dumps => { d => dump_of($client, $n) });

        if ($crash->{status} == 200) {
            print "$crash->{id} $client $n\n";
        } elsif ($crash->{status} == 0) {
            sleep 0.05;
        } else {
            print "status $crash->{status}\n";
        }
    }
}, $log) } 1 .. 6;

my %kills = (worker => 0, mover => 0, workers => 0, all => 0);
my @kinds = (qw(worker mover workers), ('all') x 2);
my $kills = 0;

sub acked
{
    my $n = () = slurp($log) =~ /^\S{36} /mg;
    return $n;
}


while ($kills < $rounds || acked() < $crashes) {
    sleep 0.1 + rand 0.9;

    my $kind = $kinds[rand @kinds];
    my @workers = $nginx->all_workers or next;

    if ($kind eq 'all') {
        $nginx->crash;
        $nginx->restart;

    } else {
        my @pids = $kind eq 'workers' ? @workers
                   : $kind eq 'mover' ? owner($spool) // next
                   : $workers[rand @workers];

        $nginx->{killed}{$_} = 1 for @pids;
        kill 'KILL', @pids;
        wait_until('new workers', 10, sub {
            return 2 == grep { my $w = $_; !grep { $_ == $w } @pids }
                        $nginx->all_workers });
    }

    $kills{$kind}++;
    $kills++;
}

write_file($stop, '');
waitpid $_, 0 for @children;

drained($spool, 60 + $rounds);
ok 1, 'the spool is empty in the end';

my @acked = slurp($log) =~ /^(\S{36} \d+ \d+)$/mg;
my @others = grep { !/^\S{36} / } split /\n/, slurp($log);
my ($lost, $wrong) = (0, 0);

for (@acked) {
    my ($id, $client, $n) = split / /;
    my ($names, $dump, $raw) = map { "$root/$_" }
                               keys_of_crash('tree', $id, 'd');

    if (!-e $names || !-e $dump || !-e $raw) {
        $lost++;
        next;
    }

    my $note = eval { JSON::PP->new->decode(slurp($raw))->{Note} } // '';

    $wrong++ if slurp($dump) ne dump_of($client, $n)
                || slurp($names) ne '["d"]' || $note ne "$client-$n";
}

# what nobody was told of is whole or not there
my ($stored, $half) = (0, 0);

for my $raw (glob "$root/*/raw_crash/*.json") {
    my ($id) = $raw =~ m{([^/]+)\.json\z};

    $stored++;
    $half++ if grep { !-e "$root/$_" } keys_of_crash('tree', $id, 'd');
}

diag 'kills=' . join(' ', map { "$kills{$_}($_)" } sort keys %kills)
     . ' acked=' . @acked . " stored=$stored lost=$lost wrong=$wrong";

is_deeply \@others, [], 'no other answers than 200';
is $lost, 0, 'none is lost';
is $wrong, 0, 'each has its own bytes';
is $half, 0, 'none is half there';
cmp_ok $stored, '>=', @acked, 'all are counted';
is_deeply [ files("$spool/failed"), files("$spool/corrupt") ], [],
          'none is put aside';

$nginx->restart;
wait_until('no garbage', 10, sub { my @left = files("$spool/tmp"); !@left });
ok 1, 'no temporary file after a restart';

is $nginx->stop, 0, 'a clean end';

done_testing;
