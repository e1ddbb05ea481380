# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# "make run": what a newcomer types and sees.

use strict;
use warnings;

use File::Temp qw(tempdir);
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

use TeckenTest::Process qw(free_port slurp wait_until);

my $dir = tempdir('run-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $port = free_port();
my @make = ('make', 'run', "PORT=$port", "RUN_DIR=$dir/run");
my $group;

# whatever happens, nothing of ours stays
END { my $status = $?; kill 'KILL', -$group if $group; $? = $status; }

start(@make);
wait_until('lines of curl', 120, \&curl_lines);
my @curl = curl_lines();
is(@curl, 5, 'five lines to try');

my $symbol = qx($curl[0]);
like($symbol, qr/\AMODULE Linux x86_64 \w{33} libc\.so\.6\nINFO CODE_ID /,
     'the first shows how a symbol file begins');
is($symbol =~ tr/\n//, 5, 'five lines of it');

my $head = qx($curl[1]);
my ($path) = $curl[1] =~ m{http://[^/]+(/\S+)};
my $size = -s "t/data/symbols$path";
like($head, qr{\AHTTP/1\.1 200 OK\r\n}, 'the second finds a symbol');
like($head, qr/^Content-Length: $size\r$/mi, 'of the right size');

my $miss = qx($curl[2]);
like($miss, qr{\AHTTP/1\.1 404 Not Found\r\n}, 'the third finds none');
like($miss, qr/\r\n\r\nSymbol Not Found\z/, 'and says so');

like(qx($curl[3]), qr/"function": "write_gmon", .*"line": 427, "inlines": \[/,
     'the fourth symbolicates');
like(qx($curl[4]), qr/\ACrashID=bp-[0-9a-f-]{36}\n\z/, 'the fifth is a crash');

for my $case ([ "PORT=$port", 'already serves' ],
              [ "RUN_DIR=$dir/other", "listens on 127.0.0.1:$port" ]) {
    my ($argument, $complaint) = @$case;

    my $said = qx(@make $argument 2>&1);
    isnt($?, 0, "a second with $argument does not start");
    like($said, qr/\Q$complaint\E/, 'and says why');
}

# a terminal sends it to all
kill 'INT', -$group;
my $status = wait_status(10);
ok($status == POSIX::SIGINT || $status >> 8 == 130, 'a Ctrl-C ends it')
    or diag("status $status");
nothing_left();

my $begin = time;
start(@make);
wait_until('a second start', 120, \&curl_lines);
cmp_ok(time - $begin, '<', 20, 'the second start takes a moment');
kill 'TERM', -$group;
wait_status(10);
nothing_left();

my ($nginx, $build) = ($ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx',
                       $ENV{TECKEN_BUILD} || 'build');
start('bin/run', '--nginx', $nginx, '--build', $build, '--port', $port,
      '--dir', "$dir/run");
wait_until('a start without make', 30, \&curl_lines);
kill 'TERM', $group;
is(wait_status(10), 0, 'TERM is a good end');
nothing_left();

done_testing();


sub start
{
    my (@command) = @_;

    # what the one before has said is not this one's
    unlink "$dir/out";

    $group = fork // die "fork: $!\n";

    if ($group == 0) {
        setpgrp;

        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$dir/out";
        open STDERR, '>&', \*STDOUT;

        # bash ignores what it was born to ignore
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);

        exec @command or POSIX::_exit(127);
    }
}


sub curl_lines
{
    my $out = slurp("$dir/out");

    die "it has ended:\n$out" if waitpid($group, POSIX::WNOHANG) > 0;

    my @lines = $out =~ /^\s+(curl .*)\n/mg;

    return @lines == 5 ? @lines : ();
}


sub wait_status
{
    my ($seconds) = @_;

    my $status;

    wait_until('it to end', $seconds, sub {
        return 0 if waitpid($group, POSIX::WNOHANG) != $group;
        $status = $?;
        return 1;
    });

    return $status;
}


sub nothing_left
{
    ok(!kill(0, -$group), 'no process is left');
    ok(!IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port),
       'nobody listens');
}
