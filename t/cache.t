# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# The table of known keys and its flights in one worker; what takes more of
# them is in cache-workers.t.
#
# Under valgrind too.

use Test::Nginx::Socket 'no_plan';

no_shuffle();

add_block_preprocessor(sub {
    my ($block) = @_;

    $block->set_value(http_config => 'tecken_zone tecken:1m;')
        if !defined $block->http_config;

    $block->set_value(config => '
        location = /probe { tecken_probe_cache; }
        location /page { ssi on; types { text/html html; } }
    ') if !defined $block->config;
});

run_tests();

__DATA__

=== TEST 1: a value, its end, and the bounds of 16 bits
--- request eval
["GET /probe?op=get&key=a",
 "GET /probe?op=set&key=a&value=65535&ttl=60",
 "GET /probe?op=get&key=a",
 "GET /probe?op=set&key=a&value=0&ttl=60",
 "GET /probe?op=get&key=a",
 "GET /probe?op=get&key=A",
 "GET /probe?op=set&key=a&value=5&ttl=0",
 "GET /probe?op=get&key=a",
 "GET /probe?op=delete&key=a"]
--- response_body eval
["miss\n", "ok\n", "hit 65535\n", "ok\n", "hit 0\n", "miss\n", "ok\n",
 "miss\n", "ok\n"]



=== TEST 2: a long lifetime is a long one
--- request eval
["GET /probe?op=set&key=a&value=1&ttl=31536000",
 "GET /probe?op=set&key=b&value=2&ttl=4294967296",
 "GET /probe?op=get&key=a",
 "GET /probe?op=get&key=b"]
--- response_body eval
["ok\n", "ok\n", "hit 1\n", "hit 2\n"]



=== TEST 3: the owner lands
--- user_files
>>> page.html
<!--# include virtual="/probe?op=join&key=a&hold=40&value=7" -->
<!--# include virtual="/probe?op=join&key=a&hold=40&value=8" -->
<!--# include virtual="/probe?op=join&key=b&hold=40&value=9" -->
<!--# include virtual="/probe?op=join&key=a&hold=40&value=8" -->
--- request eval
["GET /page.html", "GET /probe?op=join&key=a", "GET /probe?op=get&key=b"]
--- response_body eval
["owner landed 7\n\nwaited ok 7\n\nowner landed 9\n\nwaited ok 7\n\n",
 "hit 7\n", "hit 9\n"]



=== TEST 4: a result that is told but not stored
--- user_files
>>> page.html
<!--# include virtual="/probe?op=join&key=a&hold=40&value=7&ttl=0" -->
<!--# include virtual="/probe?op=join&key=a&hold=40&value=8" -->
--- request eval
["GET /page.html", "GET /probe?op=get&key=a"]
--- response_body eval
["owner landed 7\n\nwaited ok 7\n\n", "miss\n"]



=== TEST 5: the owner fails, nothing is remembered
--- user_files
>>> page.html
<!--# include virtual="/probe?op=join&key=a&hold=40&result=fail" -->
<!--# include virtual="/probe?op=join&key=a&hold=40&value=8" -->
<!--# include virtual="/probe?op=join&key=a&hold=40&value=8" -->
--- request eval
["GET /page.html", "GET /probe?op=join&key=a&value=3"]
--- response_body eval
["owner failed\n\nwaited error\n\nwaited error\n\n", "owner landed 3\n"]



=== TEST 6: the owner leaves, who waited longest follows
--- user_files
>>> page.html
<!--# include virtual="/probe?op=join&key=a&hold=40&result=leave" -->
<!--# include virtual="/probe?op=join&key=a&hold=40&result=leave" -->
<!--# include virtual="/probe?op=join&key=a&hold=40&value=8" -->
<!--# include virtual="/probe?op=join&key=a&hold=40&value=9" -->
--- request eval
["GET /page.html", "GET /probe?op=get&key=a"]
--- response_body eval
["owner left\n\nwaited then owner left\n\n"
 . "waited then owner landed 8\n\nwaited ok 8\n\n", "hit 8\n"]



=== TEST 7: an owner over its time is followed, its late result is not lost
--- user_files
>>> page.html
<!--# include virtual="/probe?op=join&key=a&hold=120&timeout=20&value=7" -->
<!--# include virtual="/probe?op=join&key=a&hold=2000&value=8" -->
<!--# include virtual="/probe?op=join&key=a&hold=2000&value=9" -->
--- request eval
["GET /page.html", "GET /probe?op=get&key=a"]
--- response_body eval
["owner landed 7\n\nwaited then owner landed 8\n\nwaited ok 7\n\n",
 "hit 7\n"]



=== TEST 8: refresh asks anew, shares the lookup, keeps the value if it fails
--- user_files
>>> page.html
<!--# include virtual="/probe?op=set&key=a&value=5" -->
<!--# include virtual="/probe?op=join&key=a&refresh=1&hold=40&result=fail" -->
<!--# include virtual="/probe?op=join&key=a&refresh=1&hold=40&value=6" -->
<!--# include virtual="/probe?op=join&key=a" -->
<!--# include virtual="/probe?op=get&key=a" -->
--- request eval
["GET /page.html", "GET /probe?op=get&key=a",
 "GET /probe?op=join&key=a&refresh=1&value=6", "GET /probe?op=get&key=a",
 "GET /probe?op=join&key=a&refresh=1&value=7&ttl=0",
 "GET /probe?op=get&key=a"]
--- response_body eval
["ok\n\nowner failed\n\nwaited error\n\nhit 5\n\nhit 5\n\n", "hit 5\n",
 "owner landed 6\n", "hit 6\n", "owner landed 7\n", "miss\n"]



=== TEST 9: a value set meanwhile ends the flight and is not overwritten
--- user_files
>>> page.html
<!--# include virtual="/probe?op=join&key=a&hold=60&value=7" -->
<!--# include virtual="/probe?op=join&key=a" -->
<!--# include virtual="/probe?op=set&key=a&value=9" -->
<!--# include virtual="/probe?op=get&key=a" -->
--- request eval
["GET /page.html", "GET /probe?op=get&key=a"]
--- response_body eval
["owner landed 7\n\nwaited ok 9\n\nok\n\nhit 9\n\n", "hit 9\n"]



=== TEST 10: a key deleted meanwhile: the lookup may have come too early
--- user_files
>>> page.html
<!--# include virtual="/probe?op=join&key=a&hold=60&value=7" -->
<!--# include virtual="/probe?op=join&key=a" -->
<!--# include virtual="/probe?op=delete&key=a" -->
<!--# include virtual="/probe?op=join&key=a&hold=20&value=3" -->
--- request eval
["GET /page.html", "GET /probe?op=get&key=a"]
--- response_body eval
["owner landed 7\n\nwaited ok 7\n\nok\n\nowner landed 3\n\n", "hit 3\n"]



=== TEST 11: a handler joins the same key again
--- user_files
>>> page.html
<!--# include virtual="/probe?op=join&key=a&hold=40&result=fail" -->
<!--# include virtual="/probe?op=join&key=a&again=1&hold=40&value=8" -->
<!--# include virtual="/probe?op=join&key=a&again=1&hold=40&value=9" -->
--- request eval
["GET /page.html"]
--- response_body eval
["owner failed\n\nwaited then owner landed 8\n\nwaited ok 8\n\n"]



=== TEST 12: status counts keys and flights
--- user_files
>>> page.html
<!--# include virtual="/probe?op=set&key=a" -->
<!--# include virtual="/probe?op=set&key=b" -->
<!--# include virtual="/probe?op=join&key=c&hold=40" -->
<!--# include virtual="/probe?op=join&key=c" -->
<!--# include virtual="/probe?op=status" -->
--- request eval
["GET /page.html", "GET /probe?op=status"]
--- response_body_like eval
[qr/^keys 3\nflights 1\nevictions 0\nresets 0$/m,
 qr/^keys 3\nflights 0\nevictions 0\nresets 0$/m]



=== TEST 13: a key takes less than 64 bytes
--- http_config
tecken_zone tecken:2m;
--- request
GET /probe?op=bench&n=10000
--- response_body_like eval
qr/^hits 10000\nevictions 0\nkeys 10000\nbytes_per_key [1-5]\d\./m



=== TEST 14: a full zone forgets some keys and nothing else
--- request
GET /probe?op=bench&n=40000
--- response_body_like eval
qr/^hits (\d+)\nevictions (\d+)\nkeys \1\n(?(?{ $1 + $2 != 40000 })(?!))/m



=== TEST 15: more flights than the zone has room for
--- user_files eval
">>> page.html\n" . join '', map {
    qq(<!--# include virtual="/probe?op=join&key=k$_&hold=99&value=$_" -->)
} 1 .. 1500
--- request eval
["GET /page.html", "GET /probe?op=get&key=k1", "GET /probe?op=get&key=k1500",
 "GET /probe?op=status"]
--- response_body_like eval
[qr/\A@{[ join '', map { "owner landed $_\n" } 1 .. 1500 ]}\n?\z/,
 qr/\Ahit 1\n/, qr/\Amiss\n/, qr/^flights 0$/m]
