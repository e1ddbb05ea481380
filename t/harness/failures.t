# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# A run of the suites that fails ends with what the failed tests have said.

use strict;
use warnings;

use Test::More;

use TeckenTest::Process qw(remove_tree slurp temp_dir write_file);

my $dir = temp_dir('failures');


# [ exit status, output ]
sub run
{
    my (%tests) = @_;

    write_file("$dir/$_", $tests{$_}) for keys %tests;
    chmod 0755, map { "$dir/$_" } keys %tests;

    # mk/prove starts no servers where they are started already
    local $ENV{TEST_NGINX_S3_DIR} = $dir;
    local $ENV{PERL5OPT};

    my @files = map { "$dir/$_" } sort keys %tests;
    my $output = `mk/prove $dir/log @files 2>&1`;

    return ($? >> 8, $output);
}


my $good = "use Test::More; ok 1; diag 'all is well'; done_testing;\n";

my ($status, $output) = run('a.t' => $good);
is $status, 0, 'a success';
unlike $output, qr/What failed/, 'has no failures';

($status, $output) = run('none.t' => "use Test::More skip_all => 'no';\n",
                         'a.t' => $good);
is $status, 0, 'one of two is skipped';

($status, $output) = run(
    'a.t' => $good,
    'b.t' => "use Test::More; is 1, 2, 'one'; ok 1; done_testing;\n",
    'c.t' => $good,
    'd.t' => "use Test::More; ok 1; die qq(no answer\\n);\n",
    'e.t' => "#!/bin/sh\necho 1..2; echo ok 1; echo gone >&2; kill -9 \$\$\n",
    'f.t' => "use Test::More; diag qq(line \$_) for 1 .. 900; ok 0, 'last';"
             . " done_testing;\n",
    'g.t' => $good,
);

my ($before, $end) = split /^What failed, from .*:\n/m, $output;

isnt $status, 0, 'a failure';
like $before, qr/^Test Summary Report\n.*^\Q$dir\E\/d\.t \(Wstat: /ms,
     'the summary is there';
like $before, qr/Result: FAIL\n\s*\z/, "and prove's last line";

my %said = map { /\A$dir\/(\w)\.t:\n(.*)\z/s } split /\n(?=$dir)/, $end;

is join('', sort keys %said), 'bdef', 'those that failed, no others';
like $said{b}, qr/Failed test 'one'\n.*got: '1'\n.*expected: '2'\n/s,
     'what was expected';
like $said{d}, qr/\Ano answer\n/, 'why it died';
like $said{e}, qr/\Agone\n/, 'its last words';
like $said{f}, qr/\A# line 1\n.*\[\d+ lines\]\n.*Failed test 'last'\n/s,
     'the first and the last lines';
cmp_ok scalar($said{f} =~ tr/\n//), '<', 70, 'not all of them';

($status, $output) = run(map { ("$_.t" => "use Test::More; diag 'x' for"
                               . " 1 .. 50; ok 0; done_testing;\n") }
                         'a' .. 'g');
isnt $status, 0, 'seven failures';
($before, $end) = split /^(?=What failed, from )/m, $output;
cmp_ok scalar($end =~ tr/\n//), '<=', 200, 'no more than 200 lines';

remove_tree($dir);
done_testing;
