#!/usr/bin/perl

# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# The S3 server and its client: who may read what, that signatures are really
# checked, any key bytes, and the server's outages.

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use Test::More;

use TeckenTest;
use TeckenTest::Process qw(alive wait_until);
use TeckenTest::S3;

my $denied = other->put('denied', 'a', 'theirs');
is $denied->{status}, 200, 'the second user owns "denied"';

for my $case (
    # bucket         owner: there, absent   anonymous: there, absent
    [ 'public',        200, 404,              200, 404 ],
    [ 'public-nolist', 200, 404,              200, 403 ],
    [ 'private',       200, 404,              403, 403 ],
    [ 'denied',        403, 403,              403, 403 ],
) {
    my ($bucket, @want) = @$case;
    s3->put($bucket, 'a', 'x') if $bucket ne 'denied';

    my @got = map { ($_->get($bucket, 'a')->{status},
                     $_->head($bucket, 'absent')->{status}) } s3, anonymous;
    is "@got", "@want", "$bucket: rights";
}

my $bytes = join '', map { chr } 0 .. 255;
my $key = "a b+c/../d//e%41?&=#\xc3\xa4\"'<>\\|~*";

my $put = s3->put('private', $key, $bytes, {
    content_type => 'text/x', content_encoding => 'gzip',
    meta => { original_size => 77, x => 'y  z' },
});
is $put->{status}, 200, 'put of a strange key';
is $put->{headers}{etag}, '"' . md5_hex($bytes) . '"', 'etag';

my $got = s3->get('private', $key);
is $got->{body}, $bytes, 'every byte came back';
is $got->{headers}{'content-type'}, 'text/x', 'content type';
is $got->{headers}{'content-encoding'}, 'gzip', 'content encoding';
is $got->{headers}{'x-amz-meta-original_size'}
   // $got->{headers}{'x-amz-meta-original-size'}, 77, 'metadata';

is_deeply [ s3->list('private', 'a b') ], [ $key ], 'list';
is s3->delete('private', $key)->{status}, 204, 'delete';
is s3->get('private', $key)->{status}, 404, 'gone';

my $wrong = TeckenTest::S3->new(
    port => $ENV{TEST_NGINX_S3_PORT}, secret_key => 'wrong',
    access_key => $ENV{TEST_NGINX_S3_ACCESS_KEY});
my $refused = $wrong->get('public', 'a');
is $refused->{status}, 403, 'a wrong secret';
like $refused->{body}, qr/SignatureDoesNotMatch/, 'by its signature';

is s3->request('GET', 'private', 'a', { time => time - 3600 })->{status}, 403,
   'a clock that is an hour late';

my $url = s3->presigned_url('GET', 'private', 'a', 60);
is `curl -s '$url'`, 'x', 'a presigned URL';
is `curl -s -o /dev/null -w '%{http_code}' '${url}0'`, 403, 'tampered with';

s3->put('private', sprintf('many/%04d', $_), '') for 1 .. 20;
is s3->empty('private', 'many/'), 20, 'empty a folder';

my $mark = radosgw->access_log_mark;
s3->head('public', 'logged');
wait_until('the access log', 5, sub { radosgw->access_log($mark) });
my ($line) = radosgw->access_log($mark);
is "$line->{method} $line->{target} $line->{status}",
   'HEAD /public/logged 404', 'access log';

my $hasty = TeckenTest::S3->new(port => radosgw->port, timeout => 1);
radosgw->pause;
ok !eval { $hasty->get('public', 'a') }, 'paused: no answer';
like $@, qr/in time/, 'but a connection';
radosgw->resume;
is anonymous->get('public', 'a')->{status}, 200, 'resumed';

radosgw->kill;
ok !eval { $hasty->get('public', 'a') }, 'killed';
like $@, qr/refused/, 'connections are refused';
radosgw->restart;
is s3->get('private', 'a')->{body}, 'x', 'started again, the data are there';

my ($dir, @pids) = split ' ', orphaned_server();
ok -d $dir, 'a test that is killed leaves a server';
wait_until('the servers to end', 5, sub { !-d $dir });
is scalar(grep { alive($_) } @pids), 0, 'which ends by itself';

done_testing;


sub orphaned_server
{
    open my $child, '-|', $^X, (map { "-I$_" } @INC), '-e', <<'CHILD' or die;
        use TeckenTest::Radosgw;
        my $server = TeckenTest::Radosgw->start;
        $| = 1;
        print join ' ', $server->dir, map { $server->pid($_) } qw(rgw osd mon);
        kill 9, $$;
CHILD

    return <$child>;
}
