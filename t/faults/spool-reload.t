# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Reloads, a new binary and the way back from it, while clients go on: no
# request fails, nothing is lost, one worker moves at any time.
#
# SPOOL_RELOADS (6)

use strict;
use warnings;

use POSIX ();
use Test::More;

use MoverTest qw(
    acked clients drained files finish get_all missing mover owner spool
    tree_storage
);
use TeckenTest qw(:none);
use TeckenTest::Process qw(
    alive fork_child give_away remove_tree slurp temp_dir wait_until write_file
);

my $reloads = $ENV{SPOOL_RELOADS} || 6;

my $root = temp_dir('reload');
END { local $?; remove_tree($root) if $root }

give_away($root);

my $spool = spool();
my $nginx = mover(spool => $spool, storage => tree_storage($root),
                  http => 'access_log off;', upgradable => 1,
                  main => 'env ASAN_OPTIONS; env LSAN_OPTIONS;
                           env UBSAN_OPTIONS;');

wait_until('an owner', 10, sub { owner($spool) });

# who looks at the lock's owner, always
my $watch = temp_dir('watch');
END { local $?; remove_tree($watch) if $watch }

my $watcher = fork_child(sub {
    my ($parent) = @_;

    $| = 1;

    while (!-e "$watch/stop" && getppid() == $parent) {

        # a table that changes while it is read may show two once
        my %before = map { $_ => 1 } owner($spool);
        my @owners = grep { $before{$_} } owner($spool);
        print scalar(@owners), "\n";
        select undef, undef, undef, 0.01;
    }
}, "$watch/log");

my $clients = clients($nginx, 4);


# under load, not between two bursts of it
sub more
{
    my ($n) = @_;

    my ($before) = acked($clients);
    wait_until("$n more", 120, sub {
        my ($now) = acked($clients);
        return @$now >= @$before + $n;
    });
}


for (1 .. $reloads) {
    $nginx->reload;
    more(20);
}

ok 1, "$reloads reloads";

$nginx->upgrade;
more(40);
wait_until('an owner of the new binary', 30, sub {
    my $owner = owner($spool);
    return $owner && grep { $_ == $owner } $nginx->workers;
});
ok 1, 'a new binary';


# Both serve, the new one is not liked: HUP gives the old one its workers
# back, QUIT ends the new one.
my $old = $nginx->master;
my $pid_file = $nginx->prefix . '/nginx.pid';

kill 'USR2', $old;
my $new = wait_until('a new master', 30, sub {
    my $pid = (slurp($pid_file) || 0) + 0;
    return $pid != $old && alive($pid) && $pid;
});
$nginx->{master} = $new;
wait_until('its workers', 30, sub { $nginx->workers == 2 });
more(20);

$nginx->{master} = $old;
kill 'WINCH', $old;
wait_until('the old workers to end', 60, sub { !$nginx->all_workers });
more(20);

kill 'HUP', $old;
wait_until('the old ones again', 30, sub { $nginx->workers == 2 });
kill 'QUIT', $new;
wait_until('the new ones to end', 60, sub {
    waitpid $new, POSIX::WNOHANG();
    return !alive($new);
});
more(20);
wait_until('an owner of the old binary', 30, sub {
    my $owner = owner($spool);
    return $owner && grep { $_ == $owner } $nginx->workers;
});
ok 1, 'and back';

my ($crashes, $others) = finish($clients);
drained($spool, 120);

write_file("$watch/stop", '');
waitpid $watcher, 0;

my $all = get_all($root);
my @lost = map { missing($all, 'tree', $_) } @$crashes;
my @seen = split /\n/, slurp("$watch/log");

diag 'acked=' . @$crashes . ' lost=' . @lost . " reloads=$reloads samples="
     . @seen;

is_deeply $others, [], 'no request failed';
is_deeply \@lost, [], 'all are stored';
is_deeply [ grep { $_ > 1 } @seen ], [], 'one owner at any time';
is_deeply [ files("$spool/failed"), files("$spool/corrupt") ], [],
          'none is put aside';

is $nginx->stop, 0, 'a clean end';

done_testing;
