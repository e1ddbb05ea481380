# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Checks of the logs, and what bad lines nobody asked about do.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(time);

use HarnessTest;

# nginx logs a missing file at [error], and notes every URI at [debug]
my $config = <<'E';
location /t { return 200 "x"; }
location /miss { root html; }
E

my $miss = "--- request\nGET /miss\n--- error_code: 404\n";

check_cases([
    ['found', "--- error_log\nhttp uri: \"/t\"", 2],
    ['not found', "--- error_log\nno such line", 1,
     qr/"no such line" should match a line in error.log/],
    ['one test a line', "--- error_log\nhttp uri\nnope\nhttp args", 3,
     qr/"nope" should match/],
    ['regex', "--- error_log eval\nqr/uri: \"\\/t\"\$/", 2],
    ['regex, wrong', "--- error_log eval\nqr/uri: \"\\/\"\$/", 1,
     qr/should match/],
    ['text is no regex', "--- error_log\nhttp .ri", 1, qr/should match/],
    ['array', "--- error_log eval\n['http uri', qr/http args?/]", 3],
    ['array, wrong', "--- error_log eval\n['http uri', qr/^http args?/]", 2,
     qr/should match/],

    ['absent', "--- no_error_log\n[error]\n[nosuch]", 3],
    ['not absent', "$miss--- no_error_log\n[error]\n[alert]", 2,
     qr/"\[error\]" should not match any line .*open\(\)/],
    ['both', "$miss--- error_log\nNo such file\n--- no_error_log\n[warn]", 3],
    ['quiet level', "--- log_level: warn\n--- no_error_log\nhttp uri", 2],
    ['quiet level, wrong', "--- log_level: info\n--- error_log\nhttp uri", 1,
     qr/should match/],

    ['since the last check', "--- request eval\n['GET /t', 'GET /miss']\n"
                             . "--- error_code eval\n[200, 404]\n"
                             . "--- error_log\nhttp uri: \"/t\"", 3,
     qr/should match/],
    ['each request', "--- request eval\n['GET /t', 'GET /t']\n"
                     . "--- error_log\nhttp uri: \"/t\"", 4],

    ['grep', "--- grep_error_log: http uri\n"
             . "--- grep_error_log_out\nhttp uri", 2],
    ['grep regex', "--- grep_error_log eval\nqr/http (?:uri|args): \\S+/\n"
                   . "--- grep_error_log_out\nhttp uri: \"/t\"\n"
                   . 'http args: ""', 2],
    ['grep, wrong', "--- grep_error_log eval\nqr/http (?:uri|args)/\n"
                    . "--- grep_error_log_out\nhttp uri", 1,
     qr/grep_error_log_out/],
    ['grep, none', "--- grep_error_log: nope\n--- grep_error_log_out", 2],
    ['grep out regex', "--- grep_error_log: http uri\n"
                       . "--- grep_error_log_out eval\nqr/^http uri\$/m", 2],

    ['access', "--- request\nGET /t?abc\n--- access_log\nGET /t?abc HTTP", 2],
    ['access, wrong', "--- request\nGET /t?abc\n--- access_log\nGET /t HTTP",
     1, qr/should match a line in access.log/],
    ['no access', "--- no_access_log\nPOST", 2],
    ['no access, wrong', "--- no_access_log eval\nqr/GET/", 1,
     qr/should not match any line in access.log/],
    ['ignored', "--- access_log\nnope\n--- error_log\nnope\n"
                . '--- ignore_response', 0, qr/error.log/],
    ['shutdown', "--- shutdown_error_log\nexit\n"
                 . "--- no_shutdown_error_log\n[alert]", 3],
    ['shutdown, wrong', "--- shutdown_error_log\nnope\n"
                        . "--- no_shutdown_error_log\nexit", 1,
     qr/"nope" should match/, qr/"exit" should not match/],
    ['last', '', 1],
], config => $config, env => { TEST_NGINX_LOG_WAIT => 0.1 });


# A line that comes late is waited for, but not for ever.

my $late = <<'E';
use Test::Nginx::Socket 'no_plan';
run_tests();
__DATA__
=== late
--- config
location /t { return 200; }
--- init
if (!fork) {
    $Test::Nginx::Util::InSubprocess = 1;
    select undef, undef, undef, 0.2;
    open my $log, '>>', $Test::Nginx::Util::ErrLogFile;
    print $log "LATE\n";
    close $log;
    require POSIX;
    POSIX::_exit(0);
}
--- request
GET /t
--- error_log
WHAT
E

my $start = time;
passes(run_t($late =~ s/WHAT/LATE/r), 2, 'a late line');
fails_only(run_t($late =~ s/WHAT/NEVER/r,
                 env => { TEST_NGINX_LOG_WAIT => 0.4 }),
           [qr/"NEVER" should match/], 'a line that never comes');
cmp_ok(time - $start, '<', 10, 'ends at the deadline');


# The three ways a bad line shows.

my $bad = <<'E';
use Test::Nginx::Socket 'no_plan';
run_tests();
__DATA__
=== bad
--- config
location /t { return 200; }
--- init
open my $log, '>>', $Test::Nginx::Util::ErrLogFile;
print $log "LINE\n";
close $log;
--- request
GET /t
E

my $alert = $bad =~ s/LINE/2026 [alert] 1#1: worse/r;
my $killed = 'worker process 7 exited on signal 11';
my $signal = $bad =~ s/LINE/2026 [alert] 1#1: $killed/r;
my $crit = $bad =~ s/LINE/2026 [crit] 1#1: bad/r;
my $assert = $bad =~ s/LINE/nginx: x.c:1: f: Assertion `0' failed./r;
my $strict = { TEST_NGINX_STRICT_LOG => 1 };

my $run = run_t($alert);
passes($run, 1, '[alert]');
like($run->{err}, qr/WARNING: .*bad - 2026 \[alert\] 1#1: worse/,
     '[alert] warns');

$run = run_t("$alert--- no_error_log\n[alert]\n");
fails_only($run, [qr/"\[alert\]" should not match/], 'no_error_log: [alert]');
unlike($run->{err}, qr/WARNING/, 'and no warning then');

$run = run_t("$alert--- error_log\n[alert]\n", env => $strict);
passes($run, 2, '[alert] expected, strict');
unlike($run->{err}, qr/WARNING/, 'and no warning then');

fails_only(run_t($alert, env => $strict), [qr/strict log: .*\[alert\]/],
           '[alert], strict');
fails_only(run_t($signal, env => $strict), [qr/strict log: .*on signal 11/],
           'a killed worker, strict');
passes(run_t($crit, env => $strict), 1, '[crit], strict');
fails_only(run_t($assert), [qr/Assertion `0' failed/], 'Assertion');

$run = run_t(<<'E', env => $strict);
use Test::Nginx::Socket 'no_plan';
add_cleanup_handler(sub {
    open my $log, '>>', $Test::Nginx::Util::ErrLogFile;
    print $log "x [alert] late\n";
    close $log;
});
run_tests();
__DATA__
=== on the way out
--- config
location /t { return 200; }
--- request
GET /t
E
fails_only($run, [qr/way out - strict log: x \[alert\] late/],
           '[alert] after the last check, strict');


# What a repeat sees, with and without check_accum_error_log().

my $repeat = <<'E';
use Test::Nginx::Socket 'no_plan';
repeat_each(2);
ACCUM
our $uri = qq{http uri: "/t"\n};
run_tests();
__DATA__
=== repeated
--- config
location /t { return 200; }
--- request
GET /t
--- grep_error_log: http uri: "/t"
--- grep_error_log_out eval
[$main::uri, $main::uri x SECOND]
E

passes(run_t($repeat =~ s/ACCUM//r =~ s/SECOND/1/r), 4,
       'each repeat sees its own lines');
fails_only(run_t($repeat =~ s/ACCUM//r =~ s/SECOND/2/r,
                 env => { TEST_NGINX_LOG_WAIT => 0.1 }),
           [qr/grep_error_log_out \(req 1\)/], 'and no others');
passes(run_t($repeat =~ s/ACCUM/check_accum_error_log();/r
             =~ s/SECOND/2/r), 4, 'check_accum_error_log');

done_testing();
