# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# kill -9 of workers, of the mover's, of the master, of everything, at random
# moments while clients go on: what was acknowledged is stored, whole.
#
# SPOOL_ROUNDS (12) rounds of a kill each, SPOOL_CRASHES (600) acknowledged
# crashes.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

use MoverTest qw(
    drained files keys_of_crash mover owner spool submit tree_storage
);
use StoreTest qw(pattern);
use TeckenTest qw(:none);
use TeckenTest::Process qw(
    alive fork_child give_away remove_tree slurp temp_dir wait_until write_file
);

my $rounds = $ENV{SPOOL_ROUNDS} // 12;
my $crashes = $ENV{SPOOL_CRASHES} // 600;

my $root = temp_dir('kill');
my $log = "$root.log";
my $stop = "$root.stop";
my $spool = spool();
END { local $?; remove_tree($root); unlink $log, $stop }

give_away($root);

my $nginx = mover(spool => $spool, storage => tree_storage($root),
                  http => 'access_log off;', log_level => 'notice');
my $bytes = pattern(200_000);


# a client knows what the dump of its n-th crash is
sub dump_of
{
    my ($note) = @_;

    my ($n) = $note =~ /-(\d+)\z/;
    my $size = $n % 19 == 0 ? 150_000 + $n % 50_000 : 500 + $n % 3000;

    return substr($bytes, 0, $size) . " $note";
}


# who gets no answer goes on with the next crash
my @children = map { my $client = $_; fork_child(sub {
    $| = 1;

    for (my $n = 1; !-e $stop; $n++) {
        my $note = "$client-$n";
        my $crash = submit($nginx, note => $note,
                           dumps => { d => dump_of($note) });

        if ($crash->{status} == 200) {
            print "$crash->{id} $note\n";

        } elsif ($crash->{status}) {
            print "status $crash->{status}\n";

        } else {
            eval { wait_until('a server', 60, sub {
                -e $stop || IO::Socket::INET->new(
                    PeerAddr => '127.0.0.1', PeerPort => $nginx->port) }) };
        }
    }
}, $log) } 1 .. 6;


# how many were acknowledged until now
my ($fh, $acked);

sub acked
{
    open $fh, '<', $log or die "$log: $!" if !$fh;
    seek $fh, 0, 1;
    $acked += grep { /^\S{36} .*\n/ } <$fh>;

    return $acked;
}


sub wait_acked
{
    my ($goal) = @_;

    wait_until("$goal crashes", 120 + $goal, sub { acked() >= $goal });
}


sub kill_workers
{
    my (@pids) = @_;

    $nginx->{killed}{$_} = 1 for @pids;
    kill 'KILL', @pids;

    wait_until('new workers', 20, sub {
        return 2 == grep { my $w = $_; !grep { $_ == $w } @pids }
                    $nginx->all_workers });
}


# its workers go on until somebody ends them
sub kill_master
{
    my @workers = $nginx->all_workers;
    my $master = $nginx->master;

    $nginx->{killed}{$_} = 1 for $master, @workers;
    kill 'KILL', $master;
    wait_until('no master', 10, sub {
        waitpid $master, POSIX::WNOHANG();
        return !alive($master);
    });

    wait_acked(acked() + 10);

    kill $_ & 1 ? 'KILL' : 'TERM', $_ for @workers;
    wait_until('no workers', 20, sub { !grep { alive($_) } @workers });

    $nginx->{stopped} = 1;
    $nginx->restart;
}


my %kills = map { $_ => 0 } qw(worker mover workers master all);
my @kinds = (qw(worker worker mover mover workers), 'all', 'master');

for my $round (1 .. $rounds) {
    my $left = $crashes - acked();

    # a moment that nobody knows
    wait_acked(acked() + rand 2 * ($left > 0 ? $left : 1)
                                / ($rounds - $round + 1));

    my $kind = $kinds[rand @kinds];
    my @workers = $nginx->all_workers;

    if ($kind eq 'all') {
        $nginx->crash;
        $nginx->restart;

    } elsif ($kind eq 'master') {
        kill_master();

    } elsif ($kind eq 'mover') {
        kill_workers(wait_until('an owner', 10, sub { owner($spool) }));

    } else {
        kill_workers($kind eq 'workers' ? @workers : $workers[rand @workers]);
    }

    $kills{$kind}++;
}

wait_acked($crashes);

write_file($stop, '');
waitpid $_, 0 for @children;

my $start = time;
drained($spool, 120 + $crashes / 20);
ok 1, sprintf 'the spool is empty after %.1f s', time - $start;


# every crash that is stored is whole, acknowledged or not
my (%stored, $wrong, $half);

($wrong, $half) = (0, 0);

for my $raw (glob "$root/*/raw_crash/*.json") {
    my ($id) = $raw =~ m{([^/]+)\.json\z};
    my $crash = eval { JSON::PP->new->decode(slurp($raw)) } // {};
    my $note = $crash->{Note} // '?-0';
    my ($names, $dump) = map { "$root/$_" } keys_of_crash('tree', $id, 'd');

    $stored{$id} = $note;

    if (!-e $names || !-e $dump) {
        $half++;
        next;
    }

    my $sums = $crash->{dump_checksums} // $crash->{metadata}{dump_checksums};
    my $sha256 = sha256_hex(slurp($dump));

    $wrong++ if $sha256 ne sha256_hex(dump_of($note))
                || $sha256 ne ($sums->{d} // '')
                || slurp($names) ne '["d"]' || ($crash->{uuid} // '') ne $id;
}

my %acked = slurp($log) =~ /^(\S{36}) (\S+)$/mg;
my @others = grep { !/^\S{36} / } split /\n/, slurp($log);
my $lost = grep { ($stored{$_} // '') ne $acked{$_} } keys %acked;

diag 'acked=' . keys(%acked) . ' stored=' . keys(%stored) . " lost=$lost"
     . " wrong=$wrong half=$half rounds=$rounds "
     . join ' ', map { "$_=$kills{$_}" } sort keys %kills;

is_deeply \@others, [], 'no other answers than 200';
is $lost, 0, 'none is lost';
is $wrong, 0, 'each has its own bytes';
is $half, 0, 'none is half there';
cmp_ok scalar(keys %acked), '>=', $crashes, 'enough of them';
is_deeply [ files("$spool/failed"), files("$spool/corrupt") ], [],
          'none is put aside';

$nginx->restart;
wait_until('no garbage', 10, sub { my @left = files("$spool/tmp"); !@left });
ok 1, 'no temporary file after a restart';

is $nginx->stop, 0, 'a clean end';

done_testing;
