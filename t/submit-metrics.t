# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# What statsd gets of crashes: the keys of Antenna, in both dialects; crashes on
# their way through the spool into a folder.

use strict;
use warnings;

use Test::More;

use SubmitTest qw(gzip post);
use TeckenTest qw(:statsd);
use TeckenTest::Nginx;
use TeckenTest::Process qw(slurp wait_until);

my $Firefox = [ ProductName => 'Firefox' ];

for my $dialect (2026, 2018) {
    my $mover = $dialect == 2026 ? 'crashmover' : 'breakpad_resource';
    my $statsd = TeckenTest::statsd();
    $statsd->clear;

    my $nginx = TeckenTest::Nginx->start(
        workers => 1,
        http => "tecken_zone tecken:4m;
                 tecken_statsd 127.0.0.1:" . $statsd->port . "
                     namespace=socorro.collector;
                 antenna_log %%PREFIX%%/antenna.log;
                 antenna_spool_min_free 0;
                 antenna_throttle_rules some {
                     rule no reject if ProductName = No;
                     rule yes accept;
                 }
                 tecken_storage crashes file://%%PREFIX%%/spool;",
        server => "location = /submit {
                       antenna_submit; antenna_dialect $dialect;
                       antenna_spool %%PREFIX%%/temp/antenna;
                       antenna_store_to crashes; antenna_throttle some;
                   }",
    );

    my $answer = post($nginx, [ $Firefox, {
        name => 'upload_file_minidump', filename => 'x', data => 'dump',
        type => 'application/octet-stream' } ]);
    my ($id) = $answer->{body} =~ /\ACrashID=bp-(\S+)\n\z/;
    ok defined $id, "$dialect: a crash";

    post($nginx, [ [ ProductName => 'No' ] ]);
    post($nginx, [ $Firefox ], encode => \&gzip,
         headers => { 'Content-Encoding' => 'gzip' });
    post($nginx, [ $Firefox ], headers => { 'Content-Encoding' => 'gzip' });

    my %want = (
        'breakpad_resource.incoming_crash' => [ 'c', 3, '' ],
        'breakpad_resource.gzipped_crash' => [ 'c', 2, '' ],
        'breakpad_resource.crash_size' =>
            [ 'h', 3, 'payload:compressed payload:uncompressed' ],
        'breakpad_resource.malformed' => [ 'c', 1, 'reason:bad_gzip' ],
        'breakpad_resource.throttle' =>
            [ 'c', 3, 'result:accept result:reject' ],
        'breakpad_resource.throttle_rule' => [ 'c', 3, 'rule:no rule:yes' ],
        'breakpad_resource.on_post.time' => [ 'ms', 4, '' ],
        "$mover.crash_handling.time" => [ 'ms', 2, '' ],
        "$mover.crash_save.time" => [ 'ms', 2, '' ],
        "$mover.save_crash.count" => [ 'c', 2, '' ],
    );

    for my $name (sort keys %want) {
        my ($type, $n, $tags) = @{ $want{$name} };
        my @metrics = $statsd->wait_for("socorro.collector.$name", $n);
        my %tags = map { map { $_ => 1 } @{ $_->{tags} } } @metrics;

        is scalar @metrics, $n, "$dialect: $name: how many";
        is join(' ', sort keys %tags), $tags, "$dialect: $name: tags";
        is join(' ', map { $_->{type} } @metrics), join(' ', ($type) x $n),
           "$dialect: $name: type";
    }

    is_deeply [ $statsd->errors ], [], "$dialect: grammar";

    # a folder has the tree of FSCrashStorage
    my $day = '20' . substr $id, -6;
    my $root = $nginx->prefix . "/spool/$day";
    is slurp("$root/upload_file_minidump/$id"), 'dump', "$dialect: the dump";
    is slurp("$root/dump_names/$id.json"), '["upload_file_minidump"]',
       "$dialect: its name";
    like slurp("$root/raw_crash/$id.json"), qr/"ProductName": "Firefox"/,
         "$dialect: the raw crash";
    wait_until('an empty spool', 10,
               sub { !glob $nginx->prefix . '/temp/antenna/new/*' });

    my $type = $dialect == 2026 ? 'crashmover' : 'breakpad_resource';
    like slurp($nginx->prefix . '/antenna.log'),
         qr/"Type": "antenna\.$type", .*"msg": "\Q$id\E saved"/,
         "$dialect: the log";

    $nginx->stop;
}

done_testing;
