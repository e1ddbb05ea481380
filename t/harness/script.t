# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# What a script and the environment say: plans, repeats, order, hooks, skips,
# user files, expansion, and the configuration that is written.

use strict;
use warnings;

use Test::More;

use HarnessTest;

my $plan = <<'E';
use Test::Nginx::Socket;
repeat_each(2);
plan tests => repeat_each() * 2 * blocks();
run_tests();
__DATA__
=== one
--- config
location /t { root html; }
--- request
GET /t
--- response_body
content
--- user_files
>>> t 202001020304.05
content
=== two
--- request
GET /t
--- response_body
content
E

passes(run_t($plan), 8, 'plan, repeat_each, a block without config');
fails_only(run_t($plan =~ s/2 \* blocks/3 * blocks/r), [],
           'a plan that is not met');
fails_only(run_t($plan =~ s/content\z/other/r =~ s/\ncontent\n\z/\nother\n/r),
           [(qr/two - response_body/) x 2], 'each repeat is checked');
fails_only(run_t("use Test::Nginx::Socket tests => 3;\n"
                 . $plan =~ s/^use .*\n|^plan.*\n//gmr), [],
           'tests => n at import');

my $run = run_t("use Test::Nginx::Socket skip_all => 'not now';\n"
                . $plan =~ s/^use .*\n|^plan.*\n//gmr);
like($run->{out}, qr/^1\.\.0 # SKIP not now/, 'skip_all');

$run = run_t(<<'E');
use Test::Nginx::Socket 'no_plan';
run_tests();
__DATA__
=== first
--- request
GET /t
E
like($run->{out}, qr/Bail out!.*no config section/, 'no config at all');

# order
my $many = "use Test::Nginx::Socket 'no_plan';\nrun_tests();\n__DATA__\n"
           . join '', map { "=== $_.\n--- config\n--- request\nGET /\n" }
                      1 .. 12;
is(order(run_t($many)), join(' ', 1 .. 12), 'TEST_NGINX_NO_SHUFFLE');
isnt(order(run_t($many, env => { TEST_NGINX_NO_SHUFFLE => 0 })),
     join(' ', 1 .. 12), 'random order');

# user files are written again for each repeat; a reply's date is the file's
check_cases([
    ['date', "--- user_files\n>>> a/b 202001020304.05\nx\n>>> c\ny\n"
             . "--- request\nGET /a/b\n--- response_headers\n"
             . "Last-Modified: Thu, 02 Jan 2020 03:04:05 GMT\n"
             . "--- response_body\nx", 3],
    ['date, wrong', "--- user_files\n>>> a/b 202001020304.06\nx\n"
             . "--- request\nGET /a/b\n--- response_headers\n"
             . "Last-Modified: Thu, 02 Jan 2020 03:04:05 GMT", 1,
     qr/header Last-Modified/],
    ['gone', "--- request\nGET /c", 0, qr/status code/],
    ['array', "--- user_files eval\n[['d', \"1\\n\"], ['e' => '2']]\n"
              . "--- request\nGET /e\n--- response_body: 2", 2],
    ['expanded', "--- user_files\n>>> f\n\$TEST_NGINX_OWN \$OTHER\n"
                 . "--- request\nGET /f\n--- response_body\nown \$OTHER", 2],
    ['init', "--- init\nopen my \$out, '>', \"\$Test::Nginx::Util::HtmlDir/g\";"
             . " print \$out 'G'; close \$out;\n--- request\nGET /g\n"
             . '--- response_body: G', 2],
    ['post setup', "--- post_setup_server_root\nmkdir "
                   . "\"\$Test::Nginx::Util::HtmlDir/h\" or die;\n"
                   . "--- request\nGET /h\n--- error_code: 301", 1],
    ['index', "--- request\nGET /\n--- response_body_like: It works!", 2],

    ['skip_eval', '--- skip_eval: 2: 1 + 1 == 2', 2],
    ['skip_eval, not', "--- skip_eval: 2: 1 > 2\n--- error_code: 500", 0,
     qr/status code/],
    ['skip_nginx', '--- skip_nginx: 3: >= 1.0.0: too new', 3],
    ['skip_nginx, not', "--- skip_nginx: 3: < 1.0.0\n--- error_code: 500", 0,
     qr/status code/],
    ['config skipped', "--- config\nnosuch;\n--- skip_nginx: 1: > 0.1.0", 1],
    ['todo_nginx, not', '--- todo_nginx: < 1.0.0', 1],
], config => "location /t { return 200; }\n",
   env => { TEST_NGINX_OWN => 'own' });

$run = run_t("use Test::Nginx::Socket 'no_plan';\nrun_tests();\n__DATA__\n"
             . "=== x\n--- config\n--- request\nGET /no\n--- todo: 2: later\n");
passes($run, 2, 'todo');
is($run->{tests}[0]{directive}, 'todo', 'is a todo');

# hooks and settings
$run = run_t(<<'E', env => { TEST_NGINX_OWN => 'own', FOO => 'bar' });
use Test::Nginx::Socket 'no_plan';

add_block_preprocessor(sub {
    my $block = shift;
    $block->set_value('config', "location /t { return 200 '"
                                . $block->name . "'; }")
        if !defined $block->config;
    $block->set_value('request', 'GET /t') if !defined $block->request;
});
add_cleanup_handler(sub { print "# cleaned up\n" });
add_response_body_check(sub {
    my ($block, $body, $req, $repeat) = @_;
    is(length $body, 4, "body check $req $repeat");
});

workers(2);
worker_connections(99);
log_level('notice');
no_root_location();
env_to_nginx('FOO', 'A=b c');
config_preamble('set $preamble 1;');
no_long_string();

is(server_port(), $ENV{TEST_NGINX_PORT}, 'server_port');
is(html_dir, server_root . '/html', 'html_dir');
is(server_root, $ENV{TEST_NGINX_SERVROOT}, 'server_root');
is_str('a', 'a', 'is_str');
is_str('a', qr/a/, 'is_str, regex');
is(blocks(), 1, 'blocks');

run_tests();
__DATA__
=== name
--- http_config
map $TEST_NGINX_RAND_PORT_1 $p { default $TEST_NGINX_RAND_PORT_1; }
--- main_config
working_directory $TEST_NGINX_SERVROOT;
--- post_main_config
worker_shutdown_timeout 1s;
--- response_body: name
E
passes($run, 9, 'hooks and settings');
like($run->{out}, qr/^# cleaned up$/m, 'add_cleanup_handler');

my $conf = slurp_file("$run->{dir}/servroot/conf/nginx.conf");
my @order = ('worker_processes  2;', 'daemon off;', 'master_process off;',
             'error_log \S+ notice;', 'pid ', 'env FOO;', "env 'A=b c';",
             "working_directory $run->{dir}/servroot;", 'http \{', 'access_log',
             'scgi_temp_path', 'default_type text/plain;',
             'keepalive_timeout  68000ms;', 'map (\d+) \$p \{ default \1; \}',
             'server \{', "listen\\s+\\d+;", "server_name\\s+'localhost';",
             'client_max_body_size 30M;', 'set \$preamble 1;',
             'location /t', 'worker_shutdown_timeout 1s;', 'events \{',
             'accept_mutex off;', 'worker_connections  99;');
like($conf, qr/@{[join '.*?', @order]}/s, 'nginx.conf, in order');
unlike($conf, qr{location / }, 'no_root_location');

# the environment
my $simple = "use Test::Nginx::Socket 'no_plan';\nrun_tests();\n__DATA__\n"
             . "=== x\n--- config\nlocation /t { return 200 '\$TEST_NGINX_X'; }"
             . "\n--- request\nGET /t\n--- response_body chomp\nab\n";

passes(run_t($simple, env => { TEST_NGINX_X => 'ab' }), 2, 'expansion');
fails_only(run_t($simple, env => { TEST_NGINX_X => 'abc' }),
           [qr/response_body/], 'expansion, wrong');
$run = run_t($simple);
like($run->{out}, qr/Bail out!.*No environment TEST_NGINX_X/,
     'an unknown variable');

my $port = free_tcp_port();
$run = run_t($simple, env => {
    TEST_NGINX_X => 'ab', TEST_NGINX_SERVER_PORT => $port,
    TEST_NGINX_EVENT_TYPE => 'epoll', TEST_NGINX_MASTER_PROCESS => 'on',
    TEST_NGINX_LOG_LEVEL => 'info', TEST_NGINX_VERBOSE => 1,
    TEST_NGINX_LOAD_MODULES => '',
});
passes($run, 2, 'settings in the environment');
$conf = slurp_file("$run->{dir}/servroot/conf/nginx.conf");
like($conf, qr/listen +$port;/, 'TEST_NGINX_SERVER_PORT');
like($conf, qr/use epoll;/, 'TEST_NGINX_EVENT_TYPE');
like($conf, qr/master_process on;/, 'TEST_NGINX_MASTER_PROCESS');
like($conf, qr/error_log \S+ info;/, 'TEST_NGINX_LOG_LEVEL');
like($run->{err}, qr/# starting .*nginx/, 'TEST_NGINX_VERBOSE');

$run = run_t($simple, env => { TEST_NGINX_LOAD_MODULES => '/nosuch1.so /b.so',
                               TEST_NGINX_X => 'ab' });
like($run->{err}, qr/nosuch1\.so/, 'TEST_NGINX_LOAD_MODULES');
$conf = slurp_file("$run->{dir}/servroot/conf/nginx.conf");
like($conf, qr{load_module /nosuch1.so;\nload_module /b.so;}, 'each module');

$run = run_t($simple, env => { TEST_NGINX_RANDOMIZE => 1,
                               TEST_NGINX_X => 'ab' });
passes($run, 2, 'TEST_NGINX_RANDOMIZE');
ok(!-e "$run->{dir}/servroot", 'a server root of its own');
is(() = glob("$run->{dir}/t/servroot_*"), 0, 'which is removed');

# a server root with somebody's files in it is left alone
my $mine = 'mkdir server_root; mkdir server_root . "/mine";';
$run = run_t($simple =~ s/run_tests/$mine run_tests/r,
             env => { TEST_NGINX_X => 'ab' });
like($run->{out}, qr/Bail out!.*not empty/, 'a foreign server root');
ok(-d "$run->{dir}/servroot/mine", 'is left alone');

done_testing();


sub order {
    return join ' ', map { $_->{name} =~ /(\d+)\./ } @{ $_[0]{tests} };
}
