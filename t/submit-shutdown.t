# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# worker_shutdown_timeout ends requests while threads are at work for them.

use strict;
use warnings;

use Test::More;

use SubmitTest qw(collector connection form post spool_dir);
use TeckenTest::Process qw(
    give_away remove_tree run_child temp_dir wait_until write_file
);

my $dir = temp_dir('submit-shutdown');
END { local $?; remove_tree($dir) if $dir }
my $fault = "$dir/fault";

run_child({ log => "$dir/cc.log" }, split(/ /, $ENV{CC} // 'cc'), '-shared',
          '-fPIC', '-o', "$dir/calls.so", 't/faults/spool_calls.c', '-ldl',
          '-lpthread');
give_away($dir);

# what is freed is overwritten
my $spool = spool_dir();
my $nginx = collector(
    workers => 1, spool => $spool,
    main => 'thread_pool default threads=1;
             worker_shutdown_timeout 1s;
             env LD_PRELOAD; env TECKEN_FAULT;',
    env => { LD_PRELOAD => "$dir/calls.so", TECKEN_FAULT => $fault,
             MALLOC_PERTURB_ => 165 },
);

sub begin
{
    my ($body) = @_;

    my $socket = connection($nginx);
    print $socket "POST /submit HTTP/1.1\r\nHost: x\r\n"
                  . "Content-Type: multipart/form-data; boundary=X\r\n"
                  . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
    return $socket;
}

# the only thread is held by a crash, behind which another one's annotations
# are to be printed

write_file("$fault.new", "fsync -4000 1\n");
give_away("$fault.new");
rename "$fault.new", $fault;

my @sockets = begin(form('X', [ a => 'b' ]));
wait_until('the thread to be held', 10, sub { !-e $fault });

push @sockets, begin(form('X', map { [ "a$_" => 'x' x 100_000 ] } 1 .. 5));
is $nginx->get('/nothing')->{status}, 404, 'the worker has read the second';

$nginx->reload(drained => 1);

unlike $nginx->error_log, qr/exited on signal/, 'no worker has crashed';
is post($nginx, [ [ a => 'b' ] ])->{status}, 200, 'the next one works';

close $_ for @sockets;
$nginx->stop;

done_testing;
