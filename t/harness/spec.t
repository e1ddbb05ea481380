# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# The spec language: blocks, sections, filters, and which blocks run.

use strict;
use warnings;

use Test::More;

use HarnessTest;
use Test::Nginx::Block;

our $Value = 'from main';

sub shout { return map { uc } @_ }

my ($block, $second) = parse(<<'E');
this text before the first block is ignored

=== TEST 1: a name
Some description.

--- config

    line one
    line two


--- request
GET /t
--- response_body:   one line  
--- empty
--- nothing:
--- error_code chomp
404
--- chopped chop
ab
--- list eval
["a\n", "b\r\n"]
--- regex eval
qr/x+/
--- main eval
$main::Value
--- b64 base64_decode
aGVsbG8K
--- raw -trim

kept


--- one lines
a
b
--- own shout
abc
--- chain eval chomp
"x" x 3 . "\n"
--- spaces chomp
  lead and trail  
=== second
--- config
other
E

is($block->name, 'TEST 1: a name', 'the name is the rest of the line');
is($block->description, 'Some description.', 'the description');
is($block->config, "    line one\n    line two\n", 'trim: one newline at end');
is($block->request, "GET /t\n", 'a section ends at the next one');
is($block->response_body, 'one line', 'section: value');
is($block->empty, '', 'present but empty');
is($block->nothing, '', 'section: without a value');
is($block->error_code, '404', 'chomp');
is($block->chopped, 'ab', 'chop');
is_deeply($block->list, ["a\n", "b\r\n"], 'eval: an array, left as it is');
like('xx', $block->regex, 'eval: a regex');
is(ref $block->regex, 'Regexp', 'eval: really a regex');
is($block->main, 'from main', 'eval: $main::name');
is($block->b64, "hello\n", 'base64_decode');
is($block->raw, "\nkept\n\n\n", '-trim');
is_deeply([$block->one], ["a\n", "b\n"], 'lines, in a list');
is(scalar $block->one, "a\n", 'lines, the first');
is($block->own, "ABC\n", 'a function of the script');
is($block->chain, 'xxx', 'filters run in order');
is($block->spaces, '  lead and trail  ', 'chomp keeps blanks');
is($block->absent, undef, 'absent section');
is_deeply([f($block->absent, 2)], [undef, 2], 'absent section in a list');
is($second->config, "other\n", 'the next block');

($block) = parse("=== crlf\r\n--- a\r\none\r\ntwo\r\n--- b -norm\r\nx\r\n");
is($block->a, "one\ntwo\n", 'norm');
is($block->b, "x\r\n", '-norm');

is(eval { parse("=== x\n--- a: v\nmore\n"); 1 }, undef,
   'more lines after section: value');
like($@, qr/Extra lines not allowed in 'a'/, 'and it is said');
is(eval { parse("=== x\n--- a nosuch\nv\n"); 1 }, undef, 'unknown filter');
like($@, qr/'nosuch' filter/, 'and it is said');

is(names("=== a\n--- SKIP\n=== b\n=== c\n"), 'b c', 'SKIP');
is(names("=== a\n=== b\n--- LAST\n=== c\n"), 'a b', 'LAST');
{
    local $SIG{__WARN__} = sub { };
    is(names("=== a\n=== b\n--- ONLY\n=== c\n"), 'b', 'ONLY');
}

my $spec = <<'E';
use Test::Nginx::Socket;
plan tests => 1 * blocks();
run_tests();
__DATA__
=== a
--- config
location /t { return 200; }
--- request
GET /t
=== b
--- config
location /t { return 200; }
--- request
GET /t
--- META
=== c
--- config
location /t { return 500; }
--- request
GET /t
E

my $run = run_t($spec);
fails_only($run, [qr/ c - status code ok/], 'all blocks');
is(scalar @{ $run->{tests} }, 3, 'three blocks ran');

$run = run_t($spec =~ s/META/ONLY/r);
passes($run, 1, 'ONLY');
like($run->{tests}[0]{name}, qr/ b - /, 'ONLY: that block');
like($run->{err}, qr/I found ONLY/, 'ONLY: is warned about');

passes(run_t($spec =~ s/META/LAST/r), 2, 'LAST');
fails_only(run_t($spec =~ s/META/SKIP/r), [qr/ c - /], 'SKIP');

$run = run_t($spec =~ s/META/respones_body/r);
like($run->{err}, qr/unknown section respones_body/, 'a typo is warned about');

$run = run_t($spec =~ s/META/stap/r);
like($run->{out}, qr/Bail out!.*section stap is not supported/,
     'what we lack is not passed over');

$run = run_t("use Test::Nginx::Socket 'no_plan';\n\$undeclared = 1;\n");
isnt($run->{exit}, 0, 'scripts are strict');

done_testing();


sub parse {
    my @blocks = Test::Nginx::Block::parse_spec($_[0]);
    $_->run_filters for @blocks;
    return @blocks;
}

sub names {
    return join ' ', map { $_->name } parse($_[0]);
}

sub f {
    return @_;
}
