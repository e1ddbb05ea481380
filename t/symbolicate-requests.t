# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Which requests are valid: paths, methods, CORS, every check of Eliot's in
# its order and with its text, and limits.

use Test::Nginx::Socket 'no_plan';

our $Http = <<'END';
tecken_zone     tecken:4m;
tecken_storage  regular file://$TEST_NGINX_SERVER_ROOT/html/regular;
END

our $Config = <<'END';
location / {
    tecken_symbolicate;
    tecken_sources        regular;
    tecken_symcache_path  $TEST_NGINX_SERVER_ROOT/sym_cache max_size=1m;
}
END

our $Module = '["xul.pdb", "44E4EC8C2F41492B9369D6B9A059577C2"]';
our $Module2 = '["", ""]';

# a job, its parts as JSON
sub job
{
    my ($stacks, $modules) = @_;

    return qq({"stacks": $stacks, "memoryMap": ) . ($modules // "[$Module]")
        . '}';
}

# a request per text
sub posts
{
    my ($version, @texts) = @_;

    return [ map { "POST /symbolicate/$version\n$_" } @texts ];
}

# { title: ... } of each
sub titles
{
    return [ map { qq({"title": "$_"}) } @_ ];
}

add_block_preprocessor(sub {
    my ($block) = @_;

    $block->set_value(http_config => $Http) if !defined $block->http_config;
    $block->set_value(config => $Config) if !defined $block->config;
    $block->set_value(user_files => ">>> regular/x\n");
});

no_root_location();
no_long_string();
log_level('notice');
run_tests();

__DATA__

=== TEST 1: two paths, no other
--- request eval
[ map { "POST $_\n{}" } qw(/symbolicate/v4 /symbolicate/v5 /symbolicate/v5?x=1
  / /symbolicate/ /symbolicate/v3 /symbolicate/v6 /symbolicate/v55
  /symbolicate/v5/ /symbolicate/V5 /x/symbolicate/v5 /symbolicate/v5x) ]
--- error_code eval: [ (400) x 3, (404) x 9 ]
--- response_body eval
[ ('{"title": "job 0 is invalid: no stacks specified"}') x 3,
  ('{"title": "404 Not Found"}') x 9 ]
--- no_error_log
[error]



=== TEST 2: an error's headers
--- request
POST /symbolicate/v5
{}
--- error_code: 400
--- response_headers
Content-Type: application/json
Vary: Accept
!Access-Control-Allow-Origin
!Access-Control-Expose-Headers



=== TEST 3: other methods
--- request eval
[ map { "$_ /symbolicate/v5" } qw(GET PUT DELETE PATCH) ]
--- error_code eval: [ (405) x 4 ]
--- response_body eval
[ ('{"title": "405 Method Not Allowed"}') x 4 ]
--- response_headers eval
[ ("Allow: POST, OPTIONS\nContent-Type: application/json\nVary: Accept\n") x 4 ]



=== TEST 4: HEAD has no body
--- request
HEAD /symbolicate/v4
--- error_code: 405
--- response_body chomp
--- response_headers
Allow: POST, OPTIONS
Content-Length: 35



=== TEST 5: OPTIONS
--- request
OPTIONS /symbolicate/v5
--- error_code: 200
--- response_body chomp
--- response_headers
Allow: POST
Content-Length: 0
!Access-Control-Allow-Origin
!Access-Control-Allow-Methods



=== TEST 6: a preflight
--- request
OPTIONS /symbolicate/v5
--- more_headers
Origin: https://profiler.firefox.com
Access-Control-Request-Method: POST
Access-Control-Request-Headers: content-type,x-odd
--- error_code: 200
--- response_headers
!Allow
Access-Control-Allow-Origin: *
Access-Control-Expose-Headers: accept, accept-encoding, authorization, content-type, dnt, origin, user-agent, x-csrftoken, x-requested-with
Access-Control-Allow-Methods: POST
Access-Control-Allow-Headers: content-type,x-odd
Access-Control-Max-Age: 86400



=== TEST 7: a preflight that asks for no headers
--- request
OPTIONS /symbolicate/v4
--- more_headers
Origin: null
Access-Control-Request-Method: PUT
--- response_headers
!Allow
Access-Control-Allow-Methods: POST
Access-Control-Allow-Headers: *



=== TEST 8: from elsewhere, but no preflight
--- request
OPTIONS /symbolicate/v5
--- more_headers
Origin: https://profiler.firefox.com
--- response_headers
Allow: POST
Access-Control-Allow-Origin: *
!Access-Control-Allow-Methods
!Access-Control-Max-Age



=== TEST 9: CORS headers of answers
--- request eval
[ "POST /symbolicate/v5\n{\"jobs\": []}", "POST /symbolicate/v5\n",
  "GET /symbolicate/v5", "POST /x\n{}", "OPTIONS /x" ]
--- more_headers
Origin: http://localhost
Access-Control-Request-Method: POST
--- error_code eval: [ 200, 400, 405, 404, 404 ]
--- response_headers eval
[ (<<'END') x 5 ]
Access-Control-Allow-Origin: *
Access-Control-Expose-Headers: accept, accept-encoding, authorization, content-type, dnt, origin, user-agent, x-csrftoken, x-requested-with
!Access-Control-Allow-Methods
END



=== TEST 10: what is no JSON
--- request eval
::posts('v5', '', ' ', '{', '{}x', '{} {}', '{"jobs": []', "{'jobs': []}",
    '{"jobs": [],}', '[1,]', '{"jobs": [01]}', '{"jobs": [+1]}',
    '{"jobs": [0x1]}', '{"jobs": [1.]}', '{"jobs": [.5]}', '{"jobs": [1e]}',
    '{"jobs": tru}', '{"jobs": nan}', "{\"jobs\": \"a\tb\"}", '{"a": "\x"}',
    '{"a": "\u12g4"}', '{"a" 1}', '{1: 2}', '/* */ {}', "{}\0",
    "{\"a\": \"\xff\"}", "{\"a\": \"\xc0\xaf\"}", "{\"a\": \"\xed\xa0\x80\"}",
    "{\"a\": \"\xe2\x82", "\xff\xfe{\0}\0", 'jobs')
--- error_code eval: [ (400) x 30 ]
--- response_body eval
::titles(('Payload is not valid JSON') x 30)



=== TEST 11: jobs
--- request eval
::posts('v5', '{"jobs": null}', '{"jobs": 1}', '{"jobs": true}',
    '{"jobs": 1.5}', '{"jobs": NaN}', '{"jobs": "abc"}', '{"jobs": {"a": 1}}',
    '{"jobs": [1]}', '{"jobs": [null]}', '{"jobs": [[]]}', '{"jobs": [{}]}',
    '[]', '"a"', '1', 'true', 'null', '["jobs"]', '{"jobs": "\ud800"}')
--- error_code eval: [ (400) x 18 ]
--- response_body eval
::titles(('jobs must be a list') x 5, ('job 0 is invalid') x 5,
    'job 0 is invalid: no stacks specified', ('job 0 is invalid') x 7)



=== TEST 12: no jobs
--- request eval
::posts('v5', '{"jobs": []}', '{"jobs": ""}', '{"jobs": {}}')
--- error_code eval: [ 200, 400, 400 ]
--- response_body eval
[ '{"results": []}', ('{"title": "jobs must be a list"}') x 2 ]



=== TEST 13: too many jobs, before anything else of them
--- request eval
::posts('v5', '{"jobs": [' . join(',', (1) x 11) . ']}',
    '{"jobs": [' . join(',', ('{}') x 100) . ']}',
    '{"jobs": [' . join(',', (1) x 10) . ']}',
    '{"jobs": "abcdefghijk"}', '{"jobs": "abcdefghij"}',
    '{"jobs": "' . "\xc3\xa9" x 10 . '"}', '{"jobs": "' . '\ud83d\ude00' x 11
    . '"}', '{"jobs": {' . join(',', map { "\"$_\": 1" } 1 .. 11) . '}}')
--- error_code eval: [ (400) x 8 ]
--- response_body eval
my $many = 'please limit number of jobs in a single request to <= 10';
::titles($many, $many, 'job 0 is invalid', $many, ('job 0 is invalid') x 2,
    $many, $many)



=== TEST 14: keys of a job
--- request eval
::posts('v5', '{"jobs": [{"memoryMap": []}]}', '{"jobs": [{"stacks": []}]}',
    '{"Stacks": [], "MemoryMap": []}', '{"stacks": 1, "memorymap": []}',
    '{"jobs": [' . ::job('[[[0, 1]]]') . ', {}]}')
--- error_code eval: [ (400) x 5 ]
--- response_body eval
::titles('job 0 is invalid: no stacks specified',
    'job 0 is invalid: no memoryMap specified',
    'job 0 is invalid: no stacks specified',
    'job 0 is invalid: no memoryMap specified',
    'job 1 is invalid: no stacks specified')



=== TEST 15: modules
--- request eval
::posts('v5', map { ::job('1', $_) }
    'null', '{}', '"a"', '1', '[1]', '[["a"]]', '[["a", "b", "c"]]', '[[]]',
    "[$::Module, {}]", "[$::Module, \"ab\"]", '[[1, "A"]]', '[[null, "A"]]',
    '[[[], "A"]]', '[["a/b", "A"]]', '[["a\\\\b", "A"]]', '[["a\n", "A"]]',
    '[["a\u0000", "A"]]', '[["\u00e9", "A"]]', "[[\"\xc3\xa9\", \"A\"]]",
    '[["a", 1]]', '[["a", "XYZ"]]', '[["a", "A\n"]]', '[["a", "A B"]]',
    "[$::Module, $::Module, [\"a\", \"-\"]]", '[["a,b", ""]]',
    '[["a", {"b": []}]]')
--- error_code eval: [ (400) x 26 ]
--- response_body eval
my $none = 'does not have a debug_filename and debug_id';
my $name = 'module index 0 has an invalid debug_filename';
my $id = 'module index 0 has an invalid debug_id';
::titles(map { "job 0 has invalid modules: $_" }
    ('modules must be a list') x 4, ("module index 0 $none") x 4,
    ("module index 1 $none") x 2, ($name) x 9, ($id) x 4,
    'module index 2 has an invalid debug_id', $name, $id)



=== TEST 16: stacks, after modules
--- request eval
::posts('v5', ::job('1', '1'), map { ::job($_) }
    'null', '{}', '"a"', '[]', '[1]', '[[], {}]', '[[1]]', '[[[]]]',
    '[[[0]]]', '[[[0, 1, 2]]]', '[[{"a": 1}]]', '[[], [[0, 1], [0]]]')
--- error_code eval: [ (400) x 13 ]
--- response_body eval
::titles('job 0 has invalid modules: modules must be a list',
    map { "job 0 has invalid stacks: $_" }
    ('stacks must be a list of lists') x 3, 'no stacks specified',
    'stack 0 is not a list', 'stack 1 is not a list',
    ('stack 0 frame 0 is not a list of two items') x 5,
    'stack 1 frame 1 is not a list of two items')



=== TEST 17: frames: the index goes first
--- request eval
::posts('v5', map { ::job("[[$_]]") }
    '[null, null]', '["0", 1]', '[0.0, 1]', '[1e0, 1]', '[-2, 1]', '[[], 1]',
    '[NaN, 1]', '[-99999999999999999999, 1]', '[1, 1]', '[true, 1]',
    '[99999999999999999999, "x"]', '[0, null]', '[0, "1"]', '[0, 1.0]',
    '[0, 1e2]', '[0, -2]', '[0, NaN]', '[0, Infinity]', '[0, -Infinity]',
    '[0, {}]', '[-1, -99999999999999999999]', '[0, ' . '9' x 4301 . ']')
--- error_code eval: [ (400) x 22 ]
--- response_body eval
::titles(map { "job 0 has invalid stacks: stack 0 frame 0 has $_" }
    ('an invalid module_index') x 8,
    (q(a module_index that isn't in modules)) x 3,
    ('an invalid module_offset') x 11)



=== TEST 18: the first job that is wrong is told
--- request eval
::posts('v5', '{"jobs": [' . ::job('[[]]') . ', ' . ::job('[]') . ', 1]}')
--- error_code eval: [ 400 ]
--- response_body eval
::titles('job 1 has invalid stacks: no stacks specified')



=== TEST 19: v4 has one job, jobs mean nothing
--- request eval
::posts('v4', '[]', 'null', '{"jobs": []}', '{"stacks": []}',
    ::job('[[[0, 1]]]', '[]'), '{"version": 5, "jobs": [], "stacks": [[]], '
    . '"memoryMap": []}')
--- error_code eval: [ (400) x 5, 200 ]
--- response_body eval
[ @{ ::titles(('job 0 is invalid') x 2,
    'job 0 is invalid: no stacks specified',
    'job 0 is invalid: no memoryMap specified',
    q(job 0 has invalid stacks: stack 0 frame 0 has a module_index that )
    . q(isn't in modules)) },
  '{"symbolicatedStacks": [[]], "knownModules": []}' ]



=== TEST 20: limits
--- config eval
$::Config =~ s{tecken_symbolicate;}{tecken_symbolicate;
    tecken_symbolicate_jobs    2;
    tecken_symbolicate_stacks  3;
    tecken_symbolicate_modules 4;
    tecken_symbolicate_frames  5;
    tecken_symbolicate_depth   7;
}r
--- request eval
my @modules = map { qq(["m$_", "A"]) } 1 .. 5;
my $all = '[' . join(',', @modules) . ']';
my $four = '[' . join(',', @modules[0 .. 3], $modules[1], $modules[3]) . ']';
::posts('v5', '{"jobs": [{}, {}, {}]}', ::job('[[], [], []]', $four),
    ::job('[[], [], [], []]', '[]'), ::job('[[]]', $all),
    ::job('[[' . join(',', ('[-1, 0]') x 5) . ']]', '[]'),
    ::job('[[' . join(',', ('[-1, 0]') x 6) . ']]', '[]'),
    '{"jobs": [' . join(',', (::job('[[[-1, 0], [-1, 0], [-1, 0]]]', '[]'))
    x 2) . ']}', '[[[[[[[]]]]]]]', '[[[[[[[{}]]]]]]]')
--- error_code eval: [ 400, 200, 400, 400, 200, (400) x 4 ]
--- response_body_like eval
[ 'please limit number of jobs in a single request to <= 2"}$',
  '"results": ',
  'job 0 has invalid stacks: please limit number of stacks in a job to <= 3"',
  'job 0 has invalid modules: please limit number of modules in a job to <= 4',
  '"results": ',
  '"please limit number of frames in a single request to <= 5"}$',
  '"please limit number of frames in a single request to <= 5"}$',
  '"job 0 is invalid"', '"please limit nesting in the payload to <= 7"}$' ]



=== TEST 21: a body that is too large
--- config eval
$::Config =~ s{tecken_symbolicate;}{tecken_symbolicate;
    tecken_symbolicate_body_size 100;
}r
--- request eval
::posts('v5', '{' . ' ' x 98 . '}', '{' . ' ' x 99 . '}')
--- more_headers
Origin: http://localhost
--- error_code eval: [ 400, 413 ]
--- response_body eval
[ '{"title": "job 0 is invalid: no stacks specified"}',
  '{"title": "413 Content Too Large", "description": '
  . '"please limit the size of the request to <= 100 bytes"}' ]
--- response_headers eval
[ ("Content-Type: application/json\nAccess-Control-Allow-Origin: *\n"
   . "Vary: Accept\n") x 2 ]



=== TEST 22: its size is not known before
--- config eval
$::Config =~ s{tecken_symbolicate;}{tecken_symbolicate;
    tecken_symbolicate_body_size 100;
}r
--- raw_request eval
"POST /symbolicate/v5 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
. "Transfer-Encoding: chunked\r\n\r\n65\r\n" . ' ' x 101 . "\r\n0\r\n\r\n"
--- error_code: 413
--- response_body chomp
{"title": "413 Content Too Large", "description": "please limit the size of the request to <= 100 bytes"}
--- error_log
client intended to send too large chunked body



=== TEST 23: up to 10 MB by default, larger than nginx's own limit
--- request eval
::posts('v5', map { '{"a": "' . 'x' x $_ . '"}' } 10485751, 10485752)
--- error_code eval: [ 400, 413 ]
--- response_body_like eval
[ 'no stacks specified', '"413 Content Too Large"' ]



=== TEST 24: errors of nginx's own in Eliot's form, unless they are configured
--- http_config eval: $::Http . "limit_req_zone \$uri zone=one:1m rate=1r/m;\n"
--- config
location /symbolicate/ {
    tecken_symbolicate;
    tecken_sources        regular;
    tecken_symcache_path  $TEST_NGINX_SERVER_ROOT/sym_cache max_size=1m;
    limit_req             zone=one;
    limit_req_status      429;

    if ($arg_no) {
        return 403;
    }
}
--- request eval
[ "POST /symbolicate/v5?no=1\n{}", "POST /symbolicate/v5\n{}",
  "POST /symbolicate/v5\n{}" ]
--- error_code eval: [ 403, 400, 429 ]
--- response_body eval
::titles('403 Forbidden', 'job 0 is invalid: no stacks specified',
    '429 Too Many Requests')



=== TEST 25: one version in a location of its own
--- config
location = / {
    tecken_symbolicate    v4;
    tecken_sources        regular;
    tecken_symcache_path  $TEST_NGINX_SERVER_ROOT/sym_cache max_size=1m;
}
location = /five {
    tecken_symbolicate    v5;
    tecken_sources        regular;
    tecken_symcache_path  $TEST_NGINX_SERVER_ROOT/sym_cache max_size=1m;
}
--- request eval
[ "POST /\n" . ::job('[[]]', '[]'), "POST /five\n" . ::job('[[]]', '[]'),
  'GET /' ]
--- error_code eval: [ 200, 200, 405 ]
--- response_body eval
[ '{"symbolicatedStacks": [[]], "knownModules": []}',
  '{"results": [{"stacks": [[]], "found_modules": {}}]}',
  '{"title": "405 Method Not Allowed"}' ]



=== TEST 26: where it is served
--- config
location /api/ {
    tecken_symbolicate;
    tecken_sources        regular;
    tecken_symcache_path  $TEST_NGINX_SERVER_ROOT/sym_cache max_size=1m;
}
location /other/symbolicate/ {
    tecken_symbolicate;
    tecken_sources        regular;
    tecken_symcache_path  $TEST_NGINX_SERVER_ROOT/sym_cache max_size=1m;
}
location ~ ^/x\d/ {
    tecken_symbolicate;
    tecken_sources        regular;
    tecken_symcache_path  $TEST_NGINX_SERVER_ROOT/sym_cache max_size=1m;
}
--- request eval
[ map { "POST $_\n{\"jobs\": []}" } qw(/api/symbolicate/v5 /api/v5
  /api/symbolicate/symbolicate/v5 /other/symbolicate/v5
  /other/symbolicate/symbolicate/v5 /x1/symbolicate/v5
  /x2/y/symbolicate/v5 /x1/v5) ]
--- error_code eval: [ 200, 404, 404, 200, 404, 200, 200, 404 ]



=== TEST 27: encodings: a byte order mark is left out, escapes are read
--- request eval
::posts('v5', "\xef\xbb\xbf{\"jobs\": []}", ' {"j\u006fbs"' . "\t\r\n:[]}\n",
    '{"sta\u0063ks": [[[0, 1]]], "memoryMap": [["x\u0075l", "\u0041b"]]}')
--- response_body eval
[ '{"results": []}', '{"results": []}',
  '{"results": [{"stacks": [[{"frame": 0, "module": "xul", "module_offset": '
  . '"0x1"}]], "found_modules": {"xul/Ab": false}}]}' ]



=== TEST 28: the last of equal keys wins
--- request eval
::posts('v5', '{"jobs": null, "jobs": []}', '{"jobs": [], "jobs": [{}]}',
    '{"stacks": 1, "stacks": [[]], "memoryMap": 1, "memoryMap": []}',
    '{"jobs": [{"stacks": [[]], "memoryMap": [], "stacks": 1}]}')
--- error_code eval: [ 200, 400, 200, 400 ]
--- response_body eval
[ '{"results": []}', '{"title": "job 0 is invalid: no stacks specified"}',
  '{"results": [{"stacks": [[]], "found_modules": {}}]}',
  '{"title": "job 0 has invalid stacks: stacks must be a list of lists"}' ]



=== TEST 29: offsets of any size, booleans are numbers
--- request eval
::posts('v5', ::job('[[[0, 18446744073709551615], [0, 18446744073709551616], '
    . '[0, 9223372036854775809], [-1, -1], [false, true], [0, -0], '
    . '[0, 1000000000000000000000000000000000000000]]]'))
--- response_body_like eval
[ join '.*', map { "\"module_offset\": \"$_\"" } qw(0xffffffffffffffff
  0x10000000000000000 0x8000000000000001 -0x1 0x1 0x0
  0x2f050fe938943acc45f65568000000000) ]



=== TEST 30: what a 400 tells the log and the counters
--- config eval: $::Config . "location = /metrics { tecken_metrics; }\n"
--- request eval
[ "POST /symbolicate/v5\n[", "POST /symbolicate/v5\n{}",
  "POST /symbolicate/v5\n" . ::job('1', '1'),
  "POST /symbolicate/v4\n" . ::job('1'),
  "POST /symbolicate/v5\n{\"jobs\": [1,1,1,1,1,1,1,1,1,1,1]}",
  'GET /metrics' ]
--- error_code eval: [ (400) x 5, 200 ]
--- response_body_like eval
[ ('title') x 5, join '[^$]*', map { quotemeta }
  'tecken_symbolicate_requests_total{version="v4",result="invalid"} 1',
  'tecken_symbolicate_requests_total{version="v5",result="invalid"} 4',
  'tecken_symbolicate_request_errors_total{reason="bad_json"} 1',
  'tecken_symbolicate_request_errors_total{reason="invalid_jobs"} 1',
  'tecken_symbolicate_request_errors_total{reason="too_many_jobs"} 1',
  'tecken_symbolicate_request_errors_total{reason="invalid_modules"} 1',
  'tecken_symbolicate_request_errors_total{reason="invalid_stacks"} 1' ]
