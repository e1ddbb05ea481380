# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Symbolication amid what else nginx does: subrequests, limit_except, its own
# redirects, requests one behind the other.

# Under valgrind too.

use Cwd ();

use Test::Nginx::Socket 'no_plan';

our $Http = 'tecken_zone tecken:4m; tecken_storage regular file://'
            . Cwd::getcwd() . '/t/data/symbols;';

our $Config = <<'END';
location / {
    tecken_symbolicate;
    tecken_sources        regular;
    tecken_symcache_path  $TEST_NGINX_SERVER_ROOT/sym_cache max_size=1m;
}
END

our $Module = '["ShowSSEConfig.pdb", "D57F52D4A2FD56244C4C44205044422E1"]';

our $Answer = '{"results": [{"stacks": [[{"frame": 0, '
    . '"module": "ShowSSEConfig.exe", "module_offset": "0x1000", '
    . '"function": "wmain()", "function_offset": "0x0", "file": '
    . '"git:github.com/mozilla-firefox/firefox:mozglue/tests/'
    . 'ShowSSEConfig.cpp:46e9f12a8f9b9b746a71e1b02464fcae95f8da64", '
    . '"line": 13}]], "found_modules": {"ShowSSEConfig.pdb/'
    . 'D57F52D4A2FD56244C4C44205044422E1": true}}]}';

# a job, its parts as JSON
sub job
{
    my ($stacks, $modules) = @_;

    return qq({"stacks": $stacks, "memoryMap": ) . ($modules // "[$Module]")
        . '}';
}

add_block_preprocessor(sub {
    my ($block) = @_;

    $block->set_value(http_config => $Http) if !defined $block->http_config;
    $block->set_value(config => $Config) if !defined $block->config;
});

no_root_location();
no_long_string();
log_level('notice');
run_tests();

__DATA__

=== TEST 1: a subrequest that has no body
--- config eval
$::Config . <<'END';
location = /mirrored {
    mirror                /symbolicate/v5;
    mirror_request_body   off;
    tecken_symbolicate    v5;
    tecken_sources        regular;
    tecken_symcache_path  $TEST_NGINX_SERVER_ROOT/sym_cache max_size=1m;
}
END
--- request eval
[ ("POST /mirrored\n" . ::job('[[]]', '[]')) x 2 ]
--- error_code eval: [ 200, 200 ]
--- response_body eval
[ ('{"results": [{"stacks": [[]], "found_modules": {}}]}') x 2 ]
--- no_error_log
[alert]



=== TEST 2: one whose body nobody wants
--- config eval
$::Config . <<'END';
location = /checked {
    auth_request          /symbolicate/v5;
    tecken_symbolicate    v5;
    tecken_sources        regular;
    tecken_symcache_path  $TEST_NGINX_SERVER_ROOT/sym_cache max_size=1m;
}
END
--- request
POST /checked
{}
--- error_code: 500
--- response_body chomp
{"title": "500 Internal Server Error"}
--- error_log
auth request unexpected status: 405



=== TEST 3: methods that the configuration excepts
--- config
location / {
    tecken_symbolicate;
    tecken_sources        regular;
    tecken_symcache_path  $TEST_NGINX_SERVER_ROOT/sym_cache max_size=1m;

    limit_except OPTIONS {
        allow 127.0.0.1;
        deny  all;
    }
}
--- request eval
[ "POST /symbolicate/v5\n{\"jobs\": []}", 'OPTIONS /symbolicate/v5',
  'GET /symbolicate/v5' ]
--- error_code eval: [ 200, 200, 405 ]
--- response_body eval
[ '{"results": []}', '', '{"title": "405 Method Not Allowed"}' ]



=== TEST 4: a module is fetched, then known; read in here and in a thread
--- request eval
[ ("POST /symbolicate/v5\n" . ::job('[[[0, 4096]]]')) x 2,
  "POST /symbolicate/v5\n" . ' ' x 100000 . ::job('[[[0, 4096]]]'),
  "POST /symbolicate/v4\n" . ::job('[[[0, 4096]]]') ]
--- response_body eval
[ ($::Answer) x 3, '{"symbolicatedStacks": [["wmain() (in '
  . 'ShowSSEConfig.exe)"]], "knownModules": [true]}' ]



=== TEST 5: one request behind the other, after errors too
--- pipelined_requests eval
[ "POST /symbolicate/v5\n" . ::job('[[[0, 4096]]]'),
  "POST /symbolicate/v5\n[", 'GET /symbolicate/v5', 'OPTIONS /symbolicate/v5',
  "PUT /nowhere\n" . 'x' x 1000,
  "POST /symbolicate/v5\n" . ' ' x 100000 . ::job('[[[0, 4096]]]') ]
--- error_code eval: [ 200, 400, 405, 200, 404, 200 ]
--- response_body eval
[ $::Answer, '{"title": "Payload is not valid JSON"}',
  '{"title": "405 Method Not Allowed"}', '', '{"title": "404 Not Found"}',
  $::Answer ]



=== TEST 6: a location that another leads to
--- config
location = /moved {
    error_page  405 = @symbolicate;
    return      405;
}
location @symbolicate {
    tecken_symbolicate    v5;
    tecken_sources        regular;
    tecken_symcache_path  $TEST_NGINX_SERVER_ROOT/sym_cache max_size=1m;
}
location = /old/v5 {
    rewrite  ^  /symbolicate/v5  last;
}
location /symbolicate/ {
    tecken_symbolicate;
    tecken_sources        regular;
    tecken_symcache_path  $TEST_NGINX_SERVER_ROOT/sym_cache max_size=1m;
}
--- request eval
[ "POST /moved\n" . ::job('[[[0, 4096]]]'),
  "POST /old/v5\n" . ::job('[[[0, 4096]]]') ]
--- response_body eval: [ ($::Answer) x 2 ]



=== TEST 7: an error page of one's own
--- config
location /symbolicate/ {
    tecken_symbolicate;
    tecken_symbolicate_body_size 10;
    tecken_sources        regular;
    tecken_symcache_path  $TEST_NGINX_SERVER_ROOT/sym_cache max_size=1m;
    error_page            413 /large.txt;
}
--- user_files
>>> large.txt
too large
--- request eval
[ "POST /symbolicate/v5\n[" . ' ' x 9 . ']',
  "POST /symbolicate/v5\n[" . ' ' x 8 . ']' ]
--- error_code eval: [ 413, 400 ]
--- response_body eval
[ "too large\n", '{"title": "job 0 is invalid"}' ]
