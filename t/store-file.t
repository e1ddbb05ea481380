# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# A storage in files: keys as paths, metadata beside objects, what is refused.
#
# Under valgrind too.

use strict;
use warnings;

use File::Path qw(make_path remove_tree);
use Test::Nginx::Socket 'no_plan';
use TeckenTest qw(:none);
use TeckenTest::Process qw(temp_dir write_file);

our $root = temp_dir('store-file');
our $http = <<"E";
    tecken_zone tecken:8m;
    tecken_io_thread_pool io;
    tecken_storage files file://$root/ prefix=v1;
E

our $gzip = "\x1f\x8b\x08\x00the rest";
our $object = "$root/v1/m/i";
our $all = join '', map { chr } 1 .. 255;

sub fresh
{
    remove_tree($root, { keep_root => 1 });
    make_path($object);
}


sub aged
{
    my ($path, $seconds) = @_;

    write_file($path, 'x');
    utime time - $seconds, time - $seconds, $path;
}


# Names below a folder, sorted; temporary files without their numbers.
sub names
{
    my ($dir) = @_;

    opendir my $dh, $dir or return "no $dir";
    my @names = sort grep { !/^\.\.?$/ } readdir $dh;
    s/~.*/~/ for @names;

    return "@names";
}

add_block_preprocessor(sub {
    my ($block) = @_;

    $block->set_value(main_config => 'thread_pool io threads=4;');
    $block->set_value(http_config => $main::http)
        if !defined $block->http_config;
    $block->set_value(config => 'location /s/ { tecken_probe_store files; }')
        if !defined $block->config;
});

END { remove_tree($root) if defined $root }

no_long_string();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: an object and all of its metadata
--- init: main::fresh()
--- request eval
["PUT /s/m/i/x.sym\nhello", 'GET /s/m/i/x.sym', 'HEAD /s/m/i/x.sym',
 'GET /s/m/i/x.sym?find']
--- more_headers eval
["Content-Type: text/plain\nContent-Encoding: gzip\nX-Original-Size: 77
X-Original-MD5: 5d41402abc4b2a76b9719d911017c592", '', '', '']
--- error_code eval
[200, 200, 200, 200]
--- response_body eval
['', 'hello', '', "$::object/x.sym"]
--- response_headers eval
my $meta = "X-Object-Size: 5\nX-Object-Type: text/plain
X-Object-Encoding: gzip\nX-Original-Size: 77
X-Original-MD5: 5d41402abc4b2a76b9719d911017c592";
['X-Attempts: 1', $meta, $meta, $meta]



=== TEST 2: the etag is that of nginx's static files, the time is the file's
--- init
main::fresh();
TeckenTest::Process::write_file("$main::object/e", 'x' x 300);
utime 1700000000, 1700000000, "$main::object/e";
--- request
HEAD /s/m/i/e
--- response_headers
X-Object-ETag: "6553f100-12c"
X-Object-Mtime: 1700000000
X-Object-Size: 300



=== TEST 3: what does not exist, a directory, a path through a file
--- init
main::fresh();
TeckenTest::Process::write_file("$main::object/x", 'x');
--- request eval
['GET /s/m/i/y', 'HEAD /s/m/i/y', 'GET /s/n/i/y', 'GET /s/m/i', 'HEAD /s/m/i',
 'GET /s/m/i/x/y', 'GET /s/m/i/y?find', 'GET /s/m/i?find', 'GET /s/',
 'GET /s/m/i/']
--- error_code eval
[(404) x 10]
--- no_error_log
[error]



=== TEST 4: FIFOs and devices are no objects and do not block
--- init
main::fresh();
system 'mkfifo', "$main::object/f";
symlink '/dev/zero', "$main::object/z";
--- request eval
['GET /s/m/i/f', 'HEAD /s/m/i/f', 'GET /s/m/i/f?find', 'GET /s/m/i/z',
 'GET /s/?list=']
--- error_code eval
[(404) x 5]



=== TEST 5: another object with other metadata takes its place
--- init: main::fresh()
--- request eval
["PUT /s/m/i/x\nfirst", "PUT /s/m/i/x\nsecond one", 'GET /s/m/i/x',
 "PUT /s/m/i/x\nthird", 'GET /s/m/i/x']
--- more_headers eval
["Content-Type: text/plain\nContent-Encoding: gzip\nX-Original-Size: 1",
 "Content-Type: text/html\nX-Original-MD5: abc", '', '', '']
--- error_code eval
[(200) x 5]
--- response_body eval
['', '', 'second one', '', 'third']
--- response_headers eval
['', '', "X-Object-Type: text/html\nX-Original-Size: -1
X-Original-MD5: abc\nX-Object-Encoding:\nX-Object-Size: 10", '',
"X-Object-Type:\nX-Original-MD5:\nX-Object-Size: 5"]



=== TEST 6: keys and their files
--- init: main::fresh()
--- request eval
[(map { "PUT /s/?key=$_\n$_" } @::keys = ('a%20b%2Bc', 'p%25q', '%2541',
    'd//e', '/lead', 'trail/', '.', '../../../up', 'x/../y', 'x/./y',
    '%C3%A9/%FF', 'n%00u%0Al%7F', '.tecken.a', 't/.tecken~1.2.3')),
 map { "GET /s/?key=$_" } @::keys]
--- error_code eval
[(200) x 28]
--- response_body eval
[('') x 14, @::keys]



=== TEST 7: where these files are
--- request
GET /s/?list=
--- response_body eval
join '', map { length . " $_\n" }
    '%2541', '.', '../../../up', '.tecken.a', '/lead', 'a%20b%2Bc', 'd//e',
    'n%00u%0Al%7F', 'p%25q', 't/.tecken~1.2.3', 'trail/', 'x/../y', 'x/./y',
    '%C3%A9/%FF'



=== TEST 8: names on the disk
--- init
TeckenTest::Process::write_file("$main::root/v1/found", join "\n",
    map { -f "$main::root/v1/$_" ? 'file' : "no $_" }
    'a b+c', 'p%25q', '%2541', 'd/%/e', '%/lead', 'trail/%', '%2E',
    '%2E./%2E./%2E./up', 'x/%2E./y', 'x/%2E/y', "\xc3\xa9/\xff",
    'n%00u%0Al%7F', '%2Etecken.a', 't/%2Etecken~1.2.3');
--- request
GET /s/found
--- response_body eval
join "\n", ('file') x 14



=== TEST 9: nothing was made outside of the root
--- init
my $dir = $main::root;
TeckenTest::Process::write_file("$main::root/v1/found", join ' ',
    main::names($dir), grep { -e "$dir/../$_" } 'up', 'lead', 'y');
--- request
GET /s/found
--- response_body: v1



=== TEST 10: names of 247, 248, 255 and 256 bytes
--- init
main::fresh();
TeckenTest::Process::write_file("$main::object/" . 'b' x 255, 'x');
TeckenTest::Process::write_file("$main::object/" . 'b' x 248, 'y');
--- request eval
["PUT /s/" . 'a' x 247 . "\nx", "PUT /s/" . 'a' x 248 . "\nx",
 'GET /s/m/i/' . 'b' x 255, 'HEAD /s/m/i/' . 'b' x 256,
 'GET /s/m/i/' . 'b' x 248, "PUT /s/" . 'd' x 255 . "/x\nx",
 "PUT /s/" . 'd' x 256 . "/x\nx", 'GET /s/' . 'a' x 247,
 'GET /s/' . 'd' x 255 . '/x', 'GET /s/?list=' . 'd' x 256 . '/']
--- error_code eval
[200, 502, 200, 404, 200, 200, 502, 200, 200, 404]
--- response_body_like eval
['', qr/at most 255 between slashes, 247 after/, '^x$', '', '^y$', '',
 qr/cannot be the name of a file/, '^x$', '^x$', '']
--- no_error_log
[error]
[alert]



=== TEST 11: keys of 1,024 bytes, and one too long; none at all
--- init: main::fresh()
--- request eval
my $key = ('k' x 127 . '/') x 7 . 'k' x 128;
my $slashes = '/' x 1024;
["PUT /s/?key=$key\nlong", "GET /s/?key=$key", "PUT /s/?key=${key}k\nx",
 "HEAD /s/?key=${key}k", "PUT /s/?key=$slashes\nslashes",
 "GET /s/?key=$slashes", "PUT /s/\nx", "GET /s/?list=${key}k"]
--- error_code eval
[200, 200, 502, 404, 200, 200, 502, 404]
--- response_body_like eval
['', '^long$', 'needs 1 to 1024 bytes', '', '', '^slashes$', 'cannot be', '']
--- timeout: 120



=== TEST 12: and both are listed, the deep one too
--- request
GET /s/?list=
--- response_body eval
"7 " . '/' x 1024 . "\n4 " . ('k' x 127 . '/') x 7 . 'k' x 128 . "\n"



=== TEST 13: gzipped symbols without metadata, other files not
--- init
main::fresh();
TeckenTest::Process::write_file("$main::object/$_", $main::gzip)
    for 'a.sym', 'a.txt', '.sym';
TeckenTest::Process::write_file("$main::object/b.sym", "MODULE");
TeckenTest::Process::write_file("$main::object/c.sym", "\x1f");
TeckenTest::Process::write_file("$main::object/d.sym", "");
--- request eval
['HEAD /s/m/i/a.sym', 'GET /s/m/i/a.sym', 'GET /s/m/i/a.sym?find',
 'HEAD /s/m/i/a.txt', 'HEAD /s/m/i/.sym', 'HEAD /s/m/i/b.sym',
 'HEAD /s/m/i/c.sym', 'HEAD /s/m/i/d.sym', 'GET /s/m/i/d.sym']
--- error_code eval
[(200) x 9]
--- response_headers eval
[('X-Object-Encoding: gzip') x 3, 'X-Object-Encoding:',
 'X-Object-Encoding: gzip', ('X-Object-Encoding:') x 4]



=== TEST 14: metadata says that it is not encoded
--- init: main::fresh()
--- request eval
["PUT /s/m/i/a.sym\n$::gzip", 'HEAD /s/m/i/a.sym']
--- more_headers eval
['Content-Type: application/gzip', '']
--- error_code eval
[200, 200]
--- response_headers eval
['', "X-Object-Encoding:\nX-Object-Type: application/gzip"]



=== TEST 15: metadata that is garbage, cut, too long or a directory
--- init
main::fresh();
my %meta = (a => 'garbage', b => "tecken-object: 1\ncontent-type: x/y\n",
            c => "tecken-object: 1\n" . "x: y\n" x 1000 . "end\n", d => '');
for my $name (keys %meta) {
    TeckenTest::Process::write_file("$main::object/$name.sym", $main::gzip);
    TeckenTest::Process::write_file("$main::object/.tecken.$name.sym",
                                    $meta{$name});
}
TeckenTest::Process::write_file("$main::object/e.sym", $main::gzip);
mkdir "$main::object/.tecken.e.sym";
--- request eval
[map { "HEAD /s/m/i/$_.sym" } 'a' .. 'e']
--- error_code eval
[(200) x 5]
--- response_headers eval
[("X-Object-Type:\nX-Object-Encoding: gzip") x 5]
--- error_log eval
qr/\.tecken\.[a-e]\.sym" is no metadata of an object, ignored/



=== TEST 16: metadata written by hand
--- init
main::fresh();
TeckenTest::Process::write_file("$main::object/a", 'x');
TeckenTest::Process::write_file("$main::object/.tecken.a",
    "tecken-object: 1\ncontent-type: text/css\noriginal-size: 5\nend\n");
--- request
HEAD /s/m/i/a
--- response_headers
X-Object-Type: text/css
X-Original-Size: 5



=== TEST 17: a copy of a folder keeps its metadata, with and without the time
--- init: main::fresh()
--- request
PUT /s/m/i/x.sym
body
--- more_headers
Content-Type: text/plain



=== TEST 18: copied
--- init
system 'cp', '-r', "$main::root/v1/m", "$main::root/v1/n";
system 'cp', '-a', "$main::root/v1/m", "$main::root/v1/o";
--- request eval
['GET /s/n/i/x.sym', 'GET /s/o/i/x.sym']
--- error_code eval
[200, 200]
--- response_body eval
['body', 'body']
--- response_headers eval
['X-Object-Type: text/plain', 'X-Object-Type: text/plain']



=== TEST 19: a file that was replaced by hand has none of the old metadata
--- init
TeckenTest::Process::write_file("$main::object/x.sym", 'another one');
--- request
GET /s/m/i/x.sym
--- response_body: another one
--- response_headers
X-Object-Type:



=== TEST 20: a put that stopped before its last step, and one before the rename
--- init
main::fresh();
sub meta {
    my ($file, $type) = @_;
    my ($inode, $size) = (stat $file)[1, 7];
    my $time = `stat -c %.9Y $file`;
    chomp $time;
    return "tecken-object: 1\nsize: $size\nmtime: $time\ninode: $inode\n"
           . "content-type: $type\nend\n";
}
my $write = \&TeckenTest::Process::write_file;
$write->("$main::object/a", 'new');
$write->("$main::object/.tecken.a",
         "tecken-object: 1\nsize: 3\nmtime: 1.000000000\ninode: 1\n"
         . "content-type: old/type\nend\n");
$write->("$main::object/.tecken+a", meta("$main::object/a", 'new/type'));
$write->("$main::object/b", 'old');
$write->("$main::object/temp", 'new');
$write->("$main::object/.tecken.b", meta("$main::object/b", 'old/type'));
$write->("$main::object/.tecken+b", meta("$main::object/temp", 'new/type'));
rename "$main::object/temp", "$main::object/.tecken~1.2.3";
--- request eval
['HEAD /s/m/i/a', 'HEAD /s/m/i/b', 'GET /s/?list=',
 "PUT /s/m/i/a?fail=0\nthird", "PUT /s/m/i/b\nthird", 'HEAD /s/m/i/a',
 'HEAD /s/m/i/b']
--- more_headers eval
[('') x 4, 'Content-Type: third/type', '', '']
--- error_code eval
[200, 200, 200, 502, 200, 200, 200]
--- response_headers eval
['X-Object-Type: new/type', 'X-Object-Type: old/type', '', '', '',
 'X-Object-Type: new/type', 'X-Object-Type: third/type']
--- response_body eval
['', '', "3 m/i/a\n3 m/i/b\n", 'the sender of the object gave up', ('') x 3]



=== TEST 21: the next put of it
--- request eval
["PUT /s/m/i/a\nfourth", 'HEAD /s/m/i/a']
--- more_headers eval
['Content-Type: fourth/type', '']
--- error_code eval
[200, 200]
--- response_headers eval
['', 'X-Object-Type: fourth/type']



=== TEST 22: left one temporary file, which is not an hour old
--- init
TeckenTest::Process::write_file("$main::root/v1/found",
                                main::names($main::object));
--- request
GET /s/found
--- response_body: .tecken.a .tecken.b .tecken~ a b



=== TEST 23: temporary files of more than an hour are removed
--- init
main::fresh();
main::aged("$main::object/.tecken~7.8.9", 3700);
main::aged("$main::object/.tecken~7.8.10", 3500);
main::aged("$main::object/.tecken.old", 9999);
main::aged("$main::object/tecken~7.8.9", 9999);
--- request
PUT /s/m/i/x
x



=== TEST 24: and nothing else
--- init
TeckenTest::Process::write_file("$main::root/v1/found",
                                main::names($main::object));
--- request
GET /s/found
--- response_body: .tecken.old .tecken.x .tecken~ tecken~ x



=== TEST 25: sizes, with and without pauses of the source
--- init: main::fresh()
--- request eval
[(map { ("PUT /s/$_\n" . 'x' x $_, "GET /s/$_") }
    0, 1, 131071, 131072, 131073, 262144, 262145, 1000000),
 "PUT /s/slow?slow=10000\n" . $::all x 2000, 'GET /s/slow?slow=50000',
 "PUT /s/one?slow=1\n$::all", 'GET /s/one?slow=1']
--- error_code eval
[(200) x 20]
--- response_body eval
[(map { ('', 'x' x $_) }
    0, 1, 131071, 131072, 131073, 262144, 262145, 1000000),
 '', $::all x 2000, '', $::all]



=== TEST 26: a size that is not known, and one that is wrong
--- init: main::fresh()
--- request eval
[(map { "PUT /s/$_\n" . 'x' x $_ } 0, 1, 131072, 300000),
 "PUT /s/less\nabc", "PUT /s/more\nabc", "PUT /s/late\n" . 'x' x 300000,
 'GET /s/?list=']
--- more_headers eval
[('X-Size: -1') x 4, 'X-Size: 4', 'X-Size: 2', 'X-Size: 300001', '']
--- error_code eval
[(200) x 4, (502) x 3, 200]
--- response_body eval
[('') x 4, 'the object ended after 3 bytes, 4 were announced',
 'the object has more bytes than the 2 that were announced',
 'the object ended after 300000 bytes, 300001 were announced',
 join '', map { "$_ $_\n" } 0, 1, 131072, 300000]



=== TEST 27: digests
--- init: main::fresh()
--- request eval
[map { "PUT /s/m/i/$_\nabc" } 1 .. 7]
--- more_headers eval
my $md5 = '900150983cd24fb0d6963f7d28e17f72';
my $sha = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
["X-MD5: $md5", "X-SHA256: $sha", "X-MD5: $md5\nX-SHA256: " . uc $sha,
 'X-MD5: ' . $md5 =~ s/2$/3/r, "X-MD5: $md5\nX-SHA256: " . $sha =~ s/d$/c/r,
 'X-MD5: 90', 'X-SHA256: ' . $sha =~ s/d$/g/r]
--- error_code eval
[200, 200, 200, 502, 502, 502, 502]
--- response_body eval
['', '', '', 'the MD5 of the object is not the expected one',
 'the SHA-256 of the object is not the expected one',
 'an MD5 to check has 16 bytes', 'a SHA-256 to check has 64 hex digits']



=== TEST 28: objects that were refused are not there, nor anything of them
--- init
TeckenTest::Process::write_file("$main::root/v1/found",
                                main::names($main::object));
--- request
GET /s/found
--- response_body: .tecken.1 .tecken.2 .tecken.3 1 2 3



=== TEST 29: sources and sinks that fail, operations that are cancelled
--- init: main::fresh()
--- request eval
my $body = 'x' x 700000;
["PUT /s/m/i/old\nold", (map { "PUT /s/m/i/old?$_\n$body" }
    'fail=0', 'fail=1', 'fail=140000', 'fail=700000', 'cancel=0', 'cancel=1',
    'cancel=140000', 'cancel=700000', 'eager&fail=0', 'eager&fail=1',
    'eager&fail=140000', 'eager&fail=700000'),
 "PUT /s/m/i/big\n$body", (map { "GET /s/m/i/big?$_" }
    'fail=1', 'fail=700000', 'cancel=0', 'cancel=1', 'cancel=300000'),
 'GET /s/?list=&cancel=0', 'GET /s/?check&cancel=0', 'GET /s/m/i/old']
--- error_code eval
[200, (502) x 4, (200) x 4, (502) x 4, 200, (502) x 2, (200) x 3, (200) x 3]
--- response_body eval
['', ('the sender of the object gave up') x 4, ("cancelled\n") x 4,
 ('the sender of the object gave up') x 4, '',
 ('the receiver of the object gave up') x 2, ("cancelled\n") x 3,
 ("cancelled\n") x 2, 'old']
--- no_error_log
[alert]



=== TEST 30: leave nothing behind
--- init
TeckenTest::Process::wait_until('threads', 5, sub {
    main::names($main::object) !~ /~/ });
TeckenTest::Process::write_file("$main::root/v1/found",
                                main::names($main::object));
--- request
GET /s/found
--- response_body: .tecken.big .tecken.old big old



=== TEST 31: metadata that cannot be kept
--- init: main::fresh()
--- request eval
["PUT /s/a\nx", "PUT /s/b\nx", 'GET /s/?list=']
--- more_headers eval
['Content-Type: ' . 'x' x 1024, 'Content-Encoding: ' . 'x' x 1025, '']
--- error_code eval
[200, 502, 200]
--- response_body eval
['', 'the metadata of the object is too long or has control characters',
 "1 a\n"]



=== TEST 32: an object and keys below it cannot both be files
--- init: main::fresh()
--- request eval
["PUT /s/a/b\nx", "PUT /s/a\nx", "PUT /s/a/b/c\nx", 'GET /s/?list=']
--- error_code eval
[200, 502, 502, 200]
--- response_body_like eval
['', 'v1/a" is a directory: keys below it exist', 'Not a directory',
 "^1 a/b\n\\z"]



=== TEST 33: lists
--- init
main::fresh();
my $v1 = "$main::root/v1";
File::Path::make_path("$v1/a", "$v1/ab/c", "$v1/b", "$v1/empty");
my $n = 0;
TeckenTest::Process::write_file("$v1/$_", 'x' x ++$n)
    for 'a-', 'a.b', 'a/1', 'a/2', 'a0', 'ab/c/d', 'ab/x', 'ac', 'b/%', 'b/x';
TeckenTest::Process::write_file("$v1/$_", 'x')
    for '.tecken.a', '.tecken+a', '.tecken~1', '%zz', 'b/%2e';
--- request eval
[map { "GET /s/?list=$_" } '', 'a', 'a/', 'ab', 'ab/', 'ab/c/d', 'b/',
 'a.&max=1', 'a&max=3', 'z', 'ab/c/d/e', 'empty/', '../', '%2Etecken']
--- error_code eval
[(200) x 9, (404) x 5]
--- response_body eval
my @all = ("1 a-\n", "2 a.b\n", "3 a/1\n", "4 a/2\n", "5 a0\n", "6 ab/c/d\n",
           "7 ab/x\n", "8 ac\n", "9 b/\n", "10 b/x\n");
[join('', @all), join('', @all[0 .. 7]), join('', @all[2, 3]),
 join('', @all[5, 6]), join('', @all[5, 6]), $all[5], join('', @all[8, 9]),
 $all[1], join('', @all[0 .. 2]), ('') x 5]



=== TEST 34: a list longer than what is held at once
--- init
main::fresh();
for my $name (0 .. 9999) {
    TeckenTest::Process::write_file("$main::object/$name", '');
}
mkdir "$main::object/d$_" for 1 .. 20;
TeckenTest::Process::write_file("$main::object/d$_/$_", '') for 1 .. 20;
--- request
GET /s/?list=m/
--- response_body eval
join '', map { "0 m/i/$_\n" } sort 0 .. 9999, map { "d$_/$_" } 1 .. 20
--- timeout: 10



=== TEST 35: symbolic links are followed, in circles once
--- init
main::fresh();
my $outside = "$main::root/outside";
mkdir $outside;
TeckenTest::Process::write_file("$outside/o", 'outside');
symlink $outside, "$main::object/dir";
symlink "$outside/o", "$main::object/file";
symlink "$outside/none", "$main::object/dangling";
symlink "$main::root/v1", "$main::object/loop";
symlink 'self', "$main::object/self";
--- request eval
['GET /s/m/i/dir/o', 'GET /s/m/i/file', 'GET /s/m/i/dangling',
 'GET /s/m/i/loop/m/i/file', 'GET /s/?list=', 'HEAD /s/m/i/self']
--- error_code eval
[200, 200, 404, 200, 200, 502]
--- response_body eval
['outside', 'outside', '', 'outside', "7 m/i/dir/o\n7 m/i/file\n", '']



=== TEST 36: a put replaces the link, not what it leads to
--- request eval
["PUT /s/m/i/file\nnew", 'GET /s/m/i/file', 'GET /s/m/i/dir/o',
 "PUT /s/m/i/dangling\nnew", 'GET /s/m/i/dangling', "PUT /s/m/i/dir/p\nnew",
 'GET /s/m/i/dir/p']
--- error_code eval
[(200) x 7]
--- response_body eval
['', 'new', 'outside', '', 'new', '', 'new']



=== TEST 37: a root that has gone is not made anew
--- init
rename $main::root, "$main::root.away";
--- request eval
['GET /s/?check', 'GET /s/a', "PUT /s/a/b\nx"]
--- error_code eval
[502, 404, 502]
--- response_body_like eval
['stat\(\) ".*" failed \(2: No such file or directory\)', '',
 'mkdir\(\) ".*" failed \(2: No such file or directory\)']



=== TEST 38: and back again
--- post_setup_server_root
rename "$main::root.away", $main::root;
--- request
GET /s/?check



=== TEST 39: the configuration: a root that is not there
--- http_config
    tecken_zone tecken:8m;
    tecken_storage files file:///nonexistent/folder;
--- must_die
--- error_log eval
qr/"\/nonexistent\/folder" of storage "files" failed \(2: .*nginx.conf:\d+/



=== TEST 40: a root that is a file
--- http_config
    tecken_zone tecken:8m;
    tecken_storage files file:///etc/passwd/;
--- must_die
--- error_log eval
qr/"\/etc\/passwd" of storage "files" is not a directory in .*nginx.conf:\d+/



=== TEST 41: a relative path
--- http_config
    tecken_zone tecken:8m;
    tecken_storage files file://folder;
--- must_die
--- error_log
invalid URL "file://folder" of storage "files", it must be "file://" and an



=== TEST 42: only where there is nothing
--- init: main::fresh()
--- request eval
["PUT /s/m/i/x?absent\nfirst", "PUT /s/m/i/x?absent\nsecond", 'GET /s/m/i/x',
 "PUT /s/m/i/x\nthird", 'GET /s/m/i/x', 'GET /s/?list=']
--- more_headers eval
["Content-Type: text/plain", ("Content-Type: text/html") x 5]
--- error_code eval
[200, 404, 200, 200, 200, 200]
--- response_body eval
['', '', 'first', '', 'third', "5 m/i/x\n"]
--- response_headers eval
['', '', 'X-Object-Type: text/plain', '', 'X-Object-Type: text/html', '']
