# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# The life of nginx: must_die, crashes, exit status, valgrind, sanitizers,
# reload, and that nothing is left behind.

use strict;
use warnings;

use Test::More;

use HarnessTest;
use Test::Nginx::Process qw(valgrind_command);

check_cases([
    ['dies', "--- config\nnosuch;\n--- must_die", 1],
    ['dies, lives', "--- config\n--- must_die", 0, qr/die as expected/],
    ['dies, code', "--- config\nnosuch;\n--- must_die: 1", 1],
    ['dies, code, wrong', "--- config\nnosuch;\n--- must_die: 2", 0,
     qr/die with the expected exit code/],
    ['dies, code, lives', "--- config\n--- must_die: 1", 0,
     qr/die with the expected exit code/],
    ['dies, log', "--- config\nnosuch;\n--- must_die\n--- error_log\n"
                  . "unknown directive \"nosuch\"\n--- no_error_log\n[alert]",
     3],
    ['dies, log, wrong', "--- config\nnosuch;\n--- must_die\n--- error_log\n"
                         . 'unknown directive "other"', 1, qr/should match/],
    ['lives on', "--- config\nlocation /t { return 200; }", 1],
], env => { TEST_NGINX_LOG_WAIT => 0.1, TEST_NGINX_STRICT_LOG => 1 });

my $two = <<'E';
use Test::Nginx::Socket 'no_plan';
SETUP
run_tests();
__DATA__
=== one
--- config
location /t { return 200; }
EXTRA
--- request
GET /t
=== two
--- config
location /t { return 200; }
--- request
GET /t
E

$two =~ s/SETUP//;

# a crash is seen even when every check of the block passed
my $kill = 'my $pid = Test::Nginx::Process::nginx_launched();';
my $run = run_t($two =~ s/EXTRA/--- init\n$kill kill 'STOP', \$pid;
if (!fork) { \$Test::Nginx::Util::InSubprocess = 1;
    select undef, undef, undef, 0.1; kill 'CONT', \$pid;
    select undef, undef, undef, 0.05; kill 'SEGV', \$pid;
    require POSIX; POSIX::_exit(0) }
--- wait: 0.3/r);
fails_only($run, [qr/one - nginx exited on signal 11/], 'a crash');

my $quit = "$kill kill 'QUIT', \$pid; waitpid \$pid, 0;";
$run = run_t($two =~ s/EXTRA/--- init\n$quit/r);
fails_only($run, [qr/one - Can't connect/, qr/one - status/],
           'nginx gone, exit status 0');

# a worker's crash is in the log alone, and the master starts another
my $worker = $two =~ s/^E.*//mr =~ s/SETUP//r;
$worker =~ s/return 200/add_header P \$pid; return 200/;
$worker =~ s/^run_tests/add_response_body_check(sub {
    my (\$children) = map { Test::Nginx::Util::slurp(\$_) }
        map { "\/proc\/\$_\/task\/\$_\/children" }
        Test::Nginx::Process::nginx_launched();
    kill 'SEGV', split ' ', \$children if \$_[0]->name =~ m{one};
    select undef, undef, undef, 0.1;
});
run_tests/m;

passes(run_t($worker, env => { TEST_NGINX_MASTER_PROCESS => 'on' }), 2,
       'a crashed worker only warns');
$run = run_t($worker, env => { TEST_NGINX_MASTER_PROCESS => 'on',
                               TEST_NGINX_STRICT_LOG => 1 });
fails_only($run, [qr/one - strict log: .*exited on signal 11/],
           'a crashed worker, strict');

# wrappers that end badly, in the place of nginx or of valgrind
my $dir = work_dir();
wrapper("$dir/bad-exit", 'exit 7');
wrapper("$dir/valgrind", 'print STDERR "==1== Invalid read\n"; exit 99');
wrapper("$dir/asan", 'open my $r, ">", "' . $dir . '/report.$$";'
                     . 'print $r "==1==ERROR: AddressSanitizer: x\n";');
wrapper("$dir/ubsan", 'open my $r, ">>", $ARGV[1];'
                      . 'print $r "a.c:1:2: runtime error: shift\n";');
wrapper("$dir/stubborn", '', 1);
$two =~ s/EXTRA\n//;

passes(run_t($two), 2, 'nothing wrong');
fails_only(run_t($two, env => { TEST_NGINX_BINARY => "$dir/bad-exit" }),
           [qr/one - nginx exited with code 7/, qr/two - nginx exited with/],
           'a bad exit status');

$run = run_t($two, env => {
    TEST_NGINX_BINARY => "$dir/asan",
    ASAN_OPTIONS => "detect_leaks=0:log_path=$dir/report",
});
fails_only($run, [(qr/(?:one|two) - sanitizer report .*AddressSanitizer/) x 2],
           'a sanitizer report');

$run = run_t($two, env => { TEST_NGINX_BINARY => "$dir/ubsan" });
fails_only($run, [(qr/- error.log: a.c:1:2: runtime error: shift/) x 2],
           'a sanitizer line in error.log');

$run = run_t($two, env => { TEST_NGINX_USE_VALGRIND => 1,
                            PATH => "$dir:$ENV{PATH}" });
is(scalar @{ $run->{bad} }, 4, 'valgrind errors fail');
like($run->{bad}[0]{name}, qr/one - nginx exited with code 99/,
     'by the exit status');
like($run->{bad}[1]{name}, qr/stderr: ==1== Invalid read/, 'and are shown');

$run = run_t($two, env => { TEST_NGINX_BINARY => "$dir/stubborn",
                            TEST_NGINX_TIMEOUT => 0.2 });
passes($run, 2, 'nginx ignores QUIT');
like($run->{err}, qr/nginx ignored QUIT/, 'which is warned about');

$run = run_t($two, env => { TEST_NGINX_BINARY => "$dir/stubborn",
                            TEST_NGINX_TIMEOUT => 0.2,
                            TEST_NGINX_STRICT_LOG => 1 });
fails_only($run, [(qr/nginx ignored QUIT/) x 2], 'and fails, strict');

{
    no warnings 'once';
    $Test::Nginx::Util::UseValgrind = '1';
    my @cmd = valgrind_command();
    is($cmd[0], 'valgrind', 'TEST_NGINX_USE_VALGRIND=1');
    ok((grep { $_ eq '--tool=memcheck' } @cmd), 'memcheck');
    ok((grep { $_ eq '--error-exitcode=99' } @cmd), 'errors are exit status');

    $Test::Nginx::Util::UseValgrind = '--tool=none "--log-file=a b"';
    is_deeply([valgrind_command()],
              ['valgrind', '-q', '--tool=none', '--log-file=a b',
               '--error-exitcode=99'], 'options of one\'s own');

    $Test::Nginx::Util::UseValgrind = '--error-exitcode=3';
    is_deeply([valgrind_command()], [qw(valgrind -q --error-exitcode=3)],
              'an exit status of one\'s own');

    $Test::Nginx::Util::UseValgrind = undef;
    is_deeply([valgrind_command()], [], 'no valgrind');
}

# the real one: nginx alone is clean
SKIP: {
    skip 'no valgrind', 4 if !grep { -x "$_/valgrind" } split /:/, $ENV{PATH};

    my $one = $two =~ s/^=== two.*//msr;

    for my $mode (qw(on off)) {
        passes(run_t($one, env => { TEST_NGINX_USE_VALGRIND => 1,
                                    TEST_NGINX_MASTER_PROCESS => $mode }), 1,
               "nginx under valgrind, master process $mode");
    }
}

# master and workers, reload
my $pids = <<'E';
use Test::Nginx::Socket 'no_plan';
MODE
run_tests();
__DATA__
=== one
--- config
location /t { add_header P $pid; return 200 "one\n"; }
--- request
GET /t
--- response_body
one
--- user_files
>>> gone
x
=== two
--- config
location /t { add_header P $pid; return 200 "two\n"; }
location /gone { root html; }
--- init
open my $out, '>>', 'master';
print $out Test::Nginx::Process::nginx_launched(), "\n";
--- request eval
['GET /t', 'GET /gone']
--- error_code eval
[200, 404]
--- response_body_like eval
['^two$', '404']
--- error_log
http uri
--- shutdown_error_log
nope
E

my $hup = { TEST_NGINX_USE_HUP => 1, TEST_NGINX_LOG_WAIT => 0.1 };
$run = run_t($pids =~ s/MODE//r, env => $hup);
fails_only($run, [qr/two - pattern "nope" should match/],
           'TEST_NGINX_USE_HUP');
my $log = slurp_file("$run->{dir}/servroot/logs/error.log");
like(slurp_file("$run->{dir}/servroot/conf/nginx.conf"),
     qr/^master_process on;/m, 'USE_HUP has a master');
like($log, qr/gracefully shutting down|signal 1 \(SIGHUP\)/, 'and reloads');
ok(!-e "$run->{dir}/servroot/logs/nginx.pid", 'no pid file is left');

$run = run_t($pids =~ s/MODE/master_on(); workers(2); log_level('info');/r
             =~ s/^nope/exit/mr =~ s/^http uri/start worker process/mr
             =~ s/'GET \/t', 'GET \/gone'/'GET \/t'/r
             =~ s/\[200, 404\]/200/r =~ s/\['\^two\$', '404'\]/'^two\$'/r);
passes($run, 6, 'master_on, workers');
my ($master) = slurp_file("$run->{dir}/master") =~ /(\d+)/;
ok($master && !alive($master), 'nginx is gone with the script');

# a script that dies takes nginx with it
$run = run_t($pids =~ s/MODE//r
             =~ s/^print .out.*/$& close \$out; exit 9;/mr);
($master) = slurp_file("$run->{dir}/master") =~ /(\d+)/;
ok($master && !alive($master), 'a script that exits early stops nginx');

# TEST_NGINX_NO_CLEAN leaves it; the next run on the server root ends it
my $nc = work_dir();
my $port = free_tcp_port();
my %env = (TEST_NGINX_PORT => $port);
run_t($two, dir => $nc, env => { %env, TEST_NGINX_NO_CLEAN => 1 });
my ($pid) = slurp_file("$nc/servroot/logs/nginx.pid") =~ /(\d+)/;
ok($pid && alive($pid), 'TEST_NGINX_NO_CLEAN');
passes(run_t($two, dir => $nc, env => \%env), 2, 'a stale nginx');
ok($pid && !alive($pid), 'is stopped first');

$run = run_t($two =~ s/location/nosuch/r);
like($run->{out}, qr/Bail out!.*Cannot start nginx/, 'a bad configuration');
like($run->{err}, qr/unknown directive "nosuch"/, 'and its reason');

$run = run_t($two, env => { TEST_NGINX_BINARY => '/nonexistent/nginx' });
like($run->{out}, qr/Bail out!/, 'no nginx');

done_testing();


# A zombie that nobody has reaped yet is not alive.

sub alive {
    return slurp_file("/proc/$_[0]/cmdline") ne '';
}


# Runs nginx as a child that gets its signals, then does what is said.

sub wrapper {
    my ($path, $then, $deaf) = @_;

    my $quit = $deaf ? '' : 'kill "QUIT", $pid';

    open my $out, '>', $path or die "$path: $!";
    print $out <<"E";
#!$^X
shift while \@ARGV && (\$ARGV[0] =~ /^--/ || \$ARGV[0] =~ /nginx\\z/
                       || \$ARGV[0] eq '-q');
if (\$ARGV[0] eq '-V') { exec '/usr/sbin/nginx', '-V' }
my \$pid = fork;
if (!\$pid) { exec '/usr/sbin/nginx', \@ARGV }
\$SIG{QUIT} = sub { $quit };
\$SIG{TERM} = sub { kill 'TERM', \$pid };
1 while waitpid(\$pid, 0) == -1 && \$!{EINTR};
$then;
E
    close $out;
    chmod 0755, $path;
}
