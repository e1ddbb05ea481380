# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Transfers that are cut: a get goes on where it was, with the same object; a
# put begins again; no answer is ever made of two.

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use Test::More;

use StoreTest;
use TeckenTest qw(:s3 :proxy);
use TeckenTest::Peer;

my $dir = unique('cuts');
my $peer = TeckenTest::Peer->start;
my $proxied = url_of(proxy->port, 'private') . " prefix=$dir " . keys_of();

# for a slow machine
my $patience = 'deadline=20s timeout=5s';

my $nginx = store_nginx(storages => {
    s => "$proxied $patience",
    hasty => "$proxied timeout=600ms deadline=20s retries=1",
    once => "$proxied $patience retries=0",
    peer => url_of($peer->port, 'b') . " $patience " . keys_of(),
}, http => 'client_body_buffer_size 16k;');

my $body = pattern(1_000_000);
s3->put('private', "$dir/o", $body, { content_type => 'text/x' });


sub get { return op($nginx, 'GET', $_[0], $_[1] // 'o') }


subtest 'cut in the middle' => sub {
    my $middle = length($body) / 2;
    for my $mode ('cut_after', 'reset_after') {
        for my $at (0, 1, 1000, $middle, length($body) - 1) {
            proxy->mode($mode, body => $at, first => 1);
            my $answer = get_ok($nginx, 's', 'o', $body, "$mode $at");

            cmp_ok $answer->{headers}{'x-attempts'}, '<=', 3, 'attempts';
            is $answer->{headers}{'x-object-size'}, length $body, 'size';
            is $answer->{headers}{'x-object-type'}, 'text/x', 'type';
        }
    }

    proxy->mode('cut_after', body => 300_000, first => 1);
    proxy->add('cut_after', body => 300_000, first => 1);
    attempts_ok(get_ok($nginx, 's', 'o', $body, 'twice'), 200, 3, 'twice');

    proxy->mode('cut_after', body => 300_000);
    is get('once')->{status}, 502, 'retries=0';

    proxy->mode('cut_after', body => 300_000, first => 1);
    get_ok($nginx, 's', 'o', $body, 'with pauses', query => {
        slow => 50_000 });

    # the rest begins with a failure
    proxy->mode('cut_after', body => 300_000, first => 1);
    proxy->add('status', status => 503, first => 1);
    get_ok($nginx, 's', 'o', $body, 'then 503');
};

subtest 'what asks for the rest' => sub {
    my $etag = '"' . md5_hex('0123456789') . '"';
    my %first = (status => 200, body => '0123456789', cut => 4,
                 headers => { ETag => $etag });

    $peer->answers(\%first, {
        status => 206, body => '456789',
        headers => { ETag => $etag, 'Content-Range' => 'bytes 4-9/10' },
    });
    get_ok($nginx, 'peer', 'k', '0123456789', 'in two parts');

    my (undef, $second) = $peer->requests;
    is $second->{headers}{range}, 'bytes=4-', 'Range';
    is $second->{headers}{'if-match'}, $etag, 'If-Match';

    my @signed = signed_well($second, 'the rest', region => 'us-east-1',
        access_key => $ENV{TEST_NGINX_S3_ACCESS_KEY},
        secret_key => $ENV{TEST_NGINX_S3_SECRET_KEY});
    is "@signed", 'host if-match range x-amz-content-sha256 x-amz-date',
       'all is signed';

    my %rest = (
        'the whole' => { status => 200, body => '0123456789' },
        'another object' => { status => 206, body => 'abcdef', headers => {
            ETag => '"other"', 'Content-Range' => 'bytes 4-9/10' } },
        'from elsewhere' => { status => 206, body => '56789', headers => {
            ETag => $etag, 'Content-Range' => 'bytes 5-9/10' } },
        'from nowhere' => { status => 206, body => '456789',
                            headers => { ETag => $etag } },
        'less' => { status => 206, body => '45', headers => {
            ETag => $etag, 'Content-Range' => 'bytes 4-5/10' } },
        'more' => { status => 206, body => '456789abc', headers => {
            ETag => $etag, 'Content-Range' => 'bytes 4-12/13' } },
        'changed' => { status => 412 },
        'gone' => { status => 404 },
    );

    for my $name (sort keys %rest) {
        $peer->answers(\%first, $rest{$name});
        my $answer = get('peer', 'k');

        isnt $answer->{status}, 200, $name;
        is $peer->requests, 2, 'asked once';
    }

    # to the end of the connection, which comes too soon or not
    $peer->answers({ status => 200, body => '012345', close => 1,
                     headers => { 'Content-Length' => undef } });
    is get('peer', 'k')->{status}, 502, 'no length';

    $peer->answers({ status => 200, close => 1, body => "3\r\nabc\r\n",
        headers => { 'Content-Length' => undef,
                     'Transfer-Encoding' => 'chunked' } });
    is get('peer', 'k')->{status}, 502, 'chunks that do not end';

    $peer->answers({ status => 200, body => "3\r\nabc\r\n0\r\n\r\n",
        headers => { 'Content-Length' => undef,
                     'Transfer-Encoding' => 'chunked' } });
    get_ok($nginx, 'peer', 'k', 'abc', 'chunks');

    $peer->answers({ %first, headers => {} }, $rest{'the whole'});
    isnt get('peer', 'k')->{status}, 200, 'no ETag, no rest';
    is $peer->requests, 1, 'not asked';
};

subtest 'changed in between' => sub {
    for my $at (100_000, 600_000) {
        s3->put('private', "$dir/changes", $body);
        proxy->mode('stall_after', body => $at, first => 1);
        proxy->call('clear');

        my $pid = fork // die;
        if (!$pid) {
            proxy->wait_for(1, 5);
            s3->put('private', "$dir/changes", 'y' x length $body);
            POSIX::_exit(0);
        }

        my $answer = op($nginx, 'GET', 'hasty', 'changes');
        waitpid $pid, 0;

        ok $answer->{status} == 502 || $answer->{body} eq $body
           || $answer->{body} eq 'y' x length $body, 'nothing mixed';
        is $answer->{status}, 502, 'an error';
    }

    proxy->mode('pass');
};

subtest 'a put comes again from its beginning' => sub {
    my $new = pattern(700_000);

    for my $mode ('reset', 'close', 'stall', 'half_head_close') {
        proxy->mode($mode, first => 1);
        my $answer = op($nginx, 'PUT', 'hasty', "put-$mode", body => $new);

        attempts_ok($answer, 200, 2, $mode) if $mode ne 'reset';
        ok s3->get('private', "$dir/put-$mode")->{body} eq $new,
           "$mode: stored right";
    }

    # the server has it, its answer is lost
    proxy->mode('cut_after', after => 0, first => 1);
    attempts_ok(op($nginx, 'PUT', 's', 'lost', body => $new), 200, 2, 'lost');
    ok s3->get('private', "$dir/lost")->{body} eq $new, 'stored right';

    proxy->mode('status', status => 503, first => 1);
    my $answer = op($nginx, 'PUT', 's', 'norewind', body => $new,
                    query => { once => 1 });
    attempts_ok($answer, 502, 1, 'no rewind, no retry');
    is s3->get('private', "$dir/norewind")->{status}, 404, 'nothing stored';

    proxy->mode('pass');
    attempts_ok(op($nginx, 'PUT', 's', 'empty', body => ''), 200, 1, 'empty');
};

subtest 'an answer before the body' => sub {
    my $large = pattern(8_000_000);

    for my $status (503, 500) {
        proxy->mode('status', status => $status, first => 1, early => 1);
        my $answer = op($nginx, 'PUT', 's', 'early', body => $large);

        is $answer->{status}, 200, "$status, then 200";
        ok s3->get('private', "$dir/early")->{body} eq $large, 'stored right';
    }

    proxy->mode('status', status => 503, early => 1);
    my $answer = op($nginx, 'PUT', 's', 'early2', body => $large);
    attempts_ok($answer, 502, 3, 'always');

    for my $status (400, 403) {
        $peer->answers({ status => $status, early => 1,
                         body => '<Error><Code>No</Code></Error>' });

        my $took = seconds(sub {
            $answer = op($nginx, 'PUT', 'peer', 'k', body => $large);
        });
        attempts_ok($answer, 502, 1, $status);
        is $answer->{headers}{'x-status'}, $status, 'heard';
        cmp_ok $took, '<', 15, "in $took s";
    }

    # a source that waits is told, too
    $peer->answers({ status => 403, early => 1 });
    my $took = seconds(sub {
        $answer = op($nginx, 'PUT', 'peer', 'k', body => 'x' x 1000,
                     query => { slow => 100, pause => 15_000 });
    });
    attempts_ok($answer, 502, 1, 'while it pauses');
    cmp_ok $took, '<', 12, "in $took s";

    proxy->mode('pass');
};

subtest 'all of it at once' => sub {
    my @modes = (
        [ 'cut_after', body => 200_000 ], [ 'reset_after', body => 5 ],
        [ 'status', status => 500 ], [ 'close' ], [ 'slow', bytes => 300_000,
                                                    ms => 20 ],
    );

    proxy->mode(@{ $modes[0] }, first => 4);
    proxy->add(@$_, first => 4) for @modes[1 .. $#modes];

    my @pids;

    for my $n (1 .. 30) {
        my $pid = fork // die;

        if (!$pid) {
            my $answer = op($nginx, 'GET', 's', 'o');
            POSIX::_exit($answer->{status} == 502
                         || $answer->{body} eq $body ? 0 : 1);
        }

        push @pids, $pid;
    }

    my $wrong = grep { waitpid $_, 0; $? } @pids;
    is $wrong, 0, 'whole or not at all';

    proxy->mode('pass');
    get_ok($nginx, 's', 'o', $body, 'afterwards');
};

s3->empty('private', $dir);
is $nginx->stop, 0, 'ends well';
unlike $nginx->error_log, qr/\[(?:alert|crit|emerg)\]/, 'no alerts';

done_testing;
