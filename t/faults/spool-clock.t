# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# The wall clock is set while crashes come and go: hours ahead and back, into
# a leap day, to the end of a century.

use strict;
use warnings;

use POSIX ();
use Test::More;
use Time::Local qw(timegm);

use MoverTest qw(
    acked clients drained files finish get_all missing mover new_files
    s3_storage spool submit
);
use StoreTest qw(pattern sanitized unique);
use SubmitTest qw(connection form read_answer);
use TeckenTest qw(:s3 :proxy);
use TeckenTest::Process qw(
    give_away remove_tree run_child temp_dir wait_until write_file
);

plan skip_all => 'a sanitizer wants to be the first library' if sanitized();

my $dir = temp_dir('clock');
my $clock = "$dir/clock";
END { local $?; remove_tree($dir) if $dir }

run_child({ log => "$dir/cc.log" }, split(/ /, $ENV{CC} // 'cc'), '-shared',
          '-fPIC', '-o', "$dir/clock.so", 't/faults/clock.c');

write_file($clock, pack 'q', 0);
give_away($dir, $clock);
open my $file, '+<', $clock or die "$clock: $!";

my $Off = 0;


sub set_clock
{
    ($Off) = @_;

    sysseek $file, 0, 0;
    syswrite $file, pack 'q', $Off;
}


# what nginx takes for today
sub today { return POSIX::strftime('%y%m%d', gmtime(time + $Off)) }


my $spool = spool();
my $prefix = unique('clock');
my $nginx = mover(
    spool => $spool, storage => s3_storage(proxy->port, $prefix),
    http => 'access_log off;',
    server => 'location = /metrics { tecken_metrics; }',
    env => { LD_PRELOAD => "$dir/clock.so", TECKEN_CLOCK => $clock });

proxy->reset;

# each jump waits for a crash of its own: what is before it has to end
my $clients = clients($nginx, 3, sub { new_files($spool) < 100 });


# [ what, seconds off ]
for my $jump ([ 'as it is', 0 ], [ 'two hours ahead', 7200 ],
              [ 'two hours back', -7200 ], [ 'a second', 1 ],
              [ 'a leap day', timegm(58, 59, 23, 28, 1, 2028) - time ],
              [ 'years back', timegm(0, 0, 0, 1, 0, 2021) - time ],
              [ 'the last day of a century',
                timegm(0, 58, 23, 31, 11, 2099) - time ],
              [ 'back again', 0 ])
{
    my ($what, $off) = @$jump;

    set_clock($off);

    # midnight may come meanwhile
    my %days = (today() => 1);

    my $crash = wait_until("$what: an id of that day", 20, sub {
        $days{ today() } = 1;
        my ($crashes) = acked($clients);
        my ($last) = grep { $days{ substr $_->{id}, -6 } } reverse @$crashes;
        return $last;
    });
    ok $crash, "$what: ids are of that day";

    wait_until("$what: stored", 60, sub {
        return proxy->count('PUT', qr/raw_crash.*\Q$crash->{id}\E/) });

    my ($oldest) = $nginx->get('/metrics')->{body} =~
                   /^antenna_spool_oldest_seconds\S* (\S+)$/m;
    cmp_ok $oldest, '>=', 0, "$what: the oldest crash has an age";
}

my ($crashes, $others) = finish($clients);
drained($spool, 60);

my $all = get_all([ 'private', $prefix ]);
my @lost = map { missing($all, '2018', $_) } @$crashes;

diag 'acked=' . @$crashes . ' lost=' . @lost;
is_deeply $others, [], 'no other answer than 200';
is_deeply \@lost, [], 'all are stored';
is_deeply [ files("$spool/failed"), files("$spool/corrupt") ], [],
          'none is put aside';


# What a clock that is set makes old is not garbage.
subtest 'a crash that is half sent' => sub {
    my $body = form('X', [ a => 'b' ], {
        name => 'd', filename => 'x', data => pattern(300_000),
        type => 'application/octet-stream' });
    my $socket = connection($nginx);

    print {$socket} "POST /submit HTTP/1.1\r\nHost: x\r\n"
                    . "Content-Type: multipart/form-data; boundary=X\r\n"
                    . 'Content-Length: ' . length($body) . "\r\n\r\n"
                    . substr $body, 0, 200_000;
    wait_until('a file', 10, sub { files("$spool/tmp") });

    set_clock(7200);

    # of a process that is no more: it goes when somebody looks
    my $dead = fork // die;
    POSIX::_exit(0) if !$dead;
    waitpid $dead, 0;

    write_file("$spool/tmp/20260101000000.$dead.1.1.1", 'x');
    wait_until('a look', 30, sub { !-e "$spool/tmp/20260101000000.$dead.1.1.1" });

    print {$socket} substr $body, 200_000;
    is read_answer($socket)->{status}, 200, 'is taken';
    drained($spool);
};

is $nginx->stop, 0, 'a clean end';

done_testing;
