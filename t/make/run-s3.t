# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# The README's way to have crashes in S3: its "make run", its line of curl,
# and a real S3 server that has three objects then.

use strict;
use warnings;

use POSIX ();
use Test::More;

use StoreTest qw(url_of);
use TeckenTest qw(:s3);
use TeckenTest::Process qw(
    free_port give_away remove_tree slurp temp_dir wait_until write_file
);

my $dir = temp_dir('run-s3');
my $port = free_port();
my ($group, $out) = (undef, "$dir/out");

# whatever happens, nothing of ours stays
END
{
    local $?;
    kill 'KILL', -$group if $group;
    remove_tree($dir) if $dir;
}

my $readme = slurp('README.md');
my ($start) = $readme =~ /^(make run CRASHES=.*)\n/m
    or BAIL_OUT('README.md has no "make run CRASHES="');
my ($curl) = $readme =~ m{^\$ (curl .*/submit)\n}m
    or BAIL_OUT('README.md has no curl line for /submit');

my $keys = join "\n", '[default]',
                "aws_access_key_id = $ENV{TEST_NGINX_S3_ACCESS_KEY}",
                "aws_secret_access_key = $ENV{TEST_NGINX_S3_SECRET_KEY}", '';
write_file("$dir/keys", $keys);
give_away("$dir/keys");

my $url = url_of(radosgw->port, 'private');
$start =~ s{https://HOST/BUCKET}{$url};
$start =~ s{\bFILE\b}{$dir/keys};
$start .= " PORT=$port RUN_DIR=$dir/run";
$curl =~ s/127\.0\.0\.1:8000/127.0.0.1:$port/;

# the bucket is others', too
my %before = map { $_ => 1 } TeckenTest::s3()->list('private', 'v');

$group = fork // die "fork: $!\n";

if ($group == 0) {
    setpgrp;

    open STDIN, '<', '/dev/null';
    open STDOUT, '>', $out;
    open STDERR, '>&', \*STDOUT;

    exec 'sh', '-c', "exec $start" or POSIX::_exit(127);
}

wait_until('it to serve', 300, sub {
    die "it has ended:\n" . slurp($out)
        if waitpid($group, POSIX::WNOHANG) > 0;

    return slurp($out) =~ /^serving /m;
});
like slurp($out), qr/\(crashes go to \Q$url\E /, 'it says where crashes go';

my ($id) = qx($curl) =~ /\ACrashID=bp-([0-9a-f-]{36})\n\z/;
ok $id, 'the crash is accepted';

my @new;
wait_until('three objects', 30, sub {
    @new = grep { !$before{$_} && /\Q$id\E/ }
           TeckenTest::s3()->list('private', 'v');
    return @new >= 3;
});

my ($day) = $id =~ /(\d{6})\z/;
is_deeply [ sort @new ],
          [ sort "v1/dump/$id", "v1/dump_names/$id",
            'v2/raw_crash/' . substr($id, 0, 3) . "/20$day/$id" ],
          'in the bucket';
is TeckenTest::s3()->get('private', "v1/dump/$id")->{body}, $readme,
   'the dump is what was sent';

kill 'TERM', -$group;
wait_until('its end', 30, sub { waitpid($group, POSIX::WNOHANG) == $group });
undef $group;

done_testing;
