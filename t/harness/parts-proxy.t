#!/usr/bin/perl

# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Each mode of the fault proxy does to a client what its name says.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);

use TeckenTest qw(:proxy);
use TeckenTest::Process qw(wait_until);
use TeckenTest::S3;

my $body = join '', map { sprintf "%07d\n", $_ } 1 .. 5000;
s3->put('public', 'file', $body);
s3->put('public', 'big', 'x' x 8_000_000);

subtest 'pass' => sub {
    my $kept = connect_proxy();

    is ask($kept, 'GET', '/public/file')->{body}, $body, 'GET';
    is ask($kept, 'HEAD', '/public/file')->{status}, 200, 'HEAD';
    is ask($kept, 'GET', '/public/absent')->{status}, 404, 'absent';
    is ask($kept, 'GET', '/public/file')->{body}, $body, 'kept alive';

    my $client = TeckenTest::S3->new(
        port => proxy->port,
        access_key => $ENV{TEST_NGINX_S3_ACCESS_KEY},
        secret_key => $ENV{TEST_NGINX_S3_SECRET_KEY});
    my $large = join '', map { chr rand 256 } 1 .. 3_000_000;

    is $client->put('private', 'large', $large)->{status}, 200,
       'signatures pass, large PUT';
    ok $client->get('private', 'large')->{body} eq $large, 'large GET';

    is curl('-T', $0, '-H', 'Expect: 100-continue', '/public/x'), '403 0',
       '100-continue';

    is proxy->count('HEAD'), 1, 'one HEAD';
    is proxy->count('GET', qr{^/public/}), 3, 'three GETs there';
    my $stats = proxy->stats;
    is $stats->{paths}{'/public/file'}, 3, 'by path';
    is $stats->{methods}{PUT}, 2, 'by method';
    is $stats->{connections}, 4, 'connections';

    proxy->reset;
    is proxy->count, 0, 'reset';
};

subtest 'hundreds of connections' => sub {
    my @clients = map { connect_proxy() } 1 .. 400;
    print {$_} request('GET', '/public/file') for @clients;

    my %seen;
    $seen{ answer($_, 'GET')->{status} }++ for @clients;

    is_deeply \%seen, { 200 => 400 }, 'all answered';
    is proxy->stats->{open}, 400, 'all open';
};

subtest 'refuse' => sub {
    my $kept = connect_proxy();
    ask($kept, 'GET', '/public/file');

    proxy->mode('refuse');
    is curl('/public/file'), '000 7', 'a new connection';
    is fate($kept), 'reset', 'an open one';

    proxy->mode('pass');
    is curl('/public/file'), '200 0', 'and back';
};

subtest 'reset' => sub {
    my $kept = connect_proxy();
    ask($kept, 'GET', '/public/file');

    proxy->reset;
    proxy->mode('reset');
    # curl may see it before or after it takes itself for connected
    like curl('/public/file'), qr/\A000 (?:56|7)\z/, 'a new connection';
    is proxy->stats->{connections}, 1, 'which was accepted';
    is fate($kept), 'reset', 'an open one';
};

subtest 'close' => sub {
    proxy->mode('close');
    is curl('/public/file'), '000 52', 'an empty reply';
    proxy->mode('pass');
};

subtest 'noread' => sub {
    my $kept = connect_proxy();
    ask($kept, 'GET', '/public/file');

    proxy->reset;
    proxy->mode('noread');
    my $new = connect_proxy();
    is say_nothing($_, 'GET'), 'silence', 'no answer' for $kept, $new;
    is proxy->count, 0, 'no request was read';

    proxy->mode('pass');
    is fate($new), 'reset', 'ended by the next mode';
};

subtest 'stall' => sub {
    my $kept = connect_proxy();
    ask($kept, 'GET', '/public/file');

    proxy->reset;
    proxy->mode('stall');
    my $new = connect_proxy();
    is say_nothing($_, 'HEAD'), 'silence', 'no answer' for $kept, $new;
    is proxy->count('HEAD'), 2, 'both were read';

    close $new;
    wait_until('the end', 5, sub { proxy->stats->{aborted} == 1 });
    pass 'a client that gives up is counted';
};

subtest 'hold' => sub {
    proxy->mode('hold');
    my @clients = map { connect_proxy() } 1 .. 5;
    print {$_} request('GET', '/public/file') for @clients;
    wait_until('five', 5, sub { proxy->stats->{held} == 5 });
    is proxy->release, 5, 'five held';
    is answer($_, 'GET')->{body}, $body, 'and answered' for @clients;

    print { $clients[0] } request('GET', '/public/file');
    wait_until('one', 5, sub { proxy->stats->{held} == 1 });
    proxy->mode('pass');
    is answer($clients[0], 'GET')->{status}, 200, 'the next mode releases';
};

subtest 'latency' => sub {
    proxy->mode('latency', ms => 200);
    my $start = time;
    is curl('/public/file'), '200 0', 'answered';
    cmp_ok time - $start, '>', 0.2, 'late';
};

subtest 'slow' => sub {
    proxy->mode('slow', bytes => 10_000, ms => 50);
    my $start = time;
    my $answer = ask(connect_proxy(), 'GET', '/public/file');
    is $answer->{body}, $body, 'complete';
    cmp_ok time - $start, '>', 0.19, 'but slow';
};

subtest 'after some bytes' => sub {
    my $kept = connect_proxy();

    proxy->mode('stall_after', after => 100);
    print {$kept} request('GET', '/public/file');
    my $got = collect($kept);
    is length $got->{bytes}, 100, 'stall_after: 100 bytes';
    is $got->{end}, 'silence', 'then nothing';

    for my $case ([ 'cut_after', 'fin' ], [ 'reset_after', 'reset' ]) {
        my ($mode, $end) = @$case;

        proxy->mode($mode, body => 20_000);
        my $socket = connect_proxy();
        print {$socket} request('GET', '/public/file');
        my $got = collect($socket);

        my ($part) = $got->{bytes} =~ /\r\n\r\n(.*)/s;
        is length $part, 20_000, "$mode: so much of the body";
        is $got->{end}, $end, "then $end";
    }

    proxy->mode('cut_after', body => length $body);
    is ask(connect_proxy(), 'GET', '/public/file')->{body}, $body,
       'a limit that is not reached';

    proxy->mode('corrupt_after', body => 3);
    my $wrong = ask(connect_proxy(), 'GET', '/public/file')->{body};
    is length $wrong, length $body, 'corrupt_after: the same length';
    is substr($wrong ^ $body, 0, 5), "\0\0\0\xff\0", 'one byte is wrong';
};

subtest 'statuses' => sub {
    my $kept = connect_proxy();

    for my $status (500, 503, 403, 429) {
        proxy->mode('status', status => $status);
        is ask($kept, 'GET', '/public/file')->{status}, $status,
           "$status for GET";
        is ask($kept, 'HEAD', '/public/file')->{status}, $status,
           "$status for HEAD";
    }

    proxy->mode('status', status => 503);
    like ask($kept, 'GET', '/a')->{body}, qr/<Code>SlowDown</, 'S3 error XML';

    proxy->mode('status', status => 200, body => 'hi',
                headers => { ETag => '"e"' });
    my $answer = ask($kept, 'GET', '/a');
    is "$answer->{body} $answer->{headers}{etag}", 'hi "e"', 'own body';

    proxy->mode('status', status => 503);
    print {$kept} "PUT /public/x HTTP/1.1\r\nHost: x\r\nContent-Length: 3"
                  . "\r\n\r\n";
    is collect($kept)->{bytes}, '', 'waits for the body';
    print {$kept} 'abc';
    is answer($kept, 'PUT')->{status}, 503, 'then answers';

    proxy->mode('status', status => 503, early => 1);
    print {$kept} "PUT /public/x HTTP/1.1\r\nHost: x\r\nContent-Length: 3"
                  . "\r\n\r\n";
    is answer($kept, 'PUT')->{status}, 503, 'early';

    is curl('-T', $0, '-H', 'Expect: 100-continue', '/public/x'), '503 0',
       '100-continue';

    proxy->mode('redirect', status => 307, location => 'http://127.0.0.1:1/');
    $answer = ask(connect_proxy(), 'GET', '/a');
    is "$answer->{status} $answer->{headers}{location}",
       '307 http://127.0.0.1:1/', 'redirect';
};

subtest 'broken responses' => sub {
    proxy->mode('garbage');
    is curl('--http0.9', '/a'), '000 0', 'garbage';
    is curl('/a'), '000 1', 'is not HTTP';

    proxy->mode('half_head_close');
    my $socket = connect_proxy();
    print {$socket} request('GET', '/a');
    my $got = collect($socket);
    like $got->{bytes}, qr/\AHTTP.*ETag: "abc\z/s, 'half a head';
    is $got->{end}, 'fin', 'then FIN';

    proxy->mode('half_head');
    $socket = connect_proxy();
    print {$socket} request('GET', '/a');
    is collect($socket)->{end}, 'silence', 'or nothing';

    proxy->mode('huge_headers');
    $socket = connect_proxy();
    print {$socket} request('GET', '/a');
    $got = collect($socket);
    cmp_ok length $got->{bytes}, '>', 1 << 20, 'huge headers';
    like $got->{bytes}, qr/\r\n\r\n\z/, 'complete';

    for my $framing (qw(chunked length close)) {
        proxy->mode('endless', framing => $framing);
        is curl('--max-time', '2', '/a'), '200 28', "endless, $framing";
    }
};

subtest 'rules' => sub {
    proxy->mode('status', status => 500, first => 2);
    is join(' ', map { curl('/public/file') } 1 .. 3), '500 0 500 0 200 0',
       'the first two only';

    proxy->mode('status', status => 403, method => '^HEAD$', path => 'file');
    proxy->add('status', status => 429, path => qr/FILE/i);
    is curl('-I', '/public/file'), '403 0', 'by method and path';
    is curl('-I', '/public/big'), '200 0', 'not other paths';
    is curl('/public/file'), '429 0', 'nor methods: the next rule';

    proxy->mode('reset', path => 'file');
    my $kept = connect_proxy();
    is ask($kept, 'HEAD', '/public/big')->{status}, 200, 'other requests pass';
    print {$kept} request('GET', '/public/file');
    is fate($kept), 'reset', 'this one does not';

    ok !eval { proxy->mode('nonsense'); 1 }, 'an unknown mode';
    like $@, qr/no mode nonsense/, 'is refused';
    proxy->mode('pass');
};

subtest 'ends of connections' => sub {
    my $other = TeckenTest::FaultProxy->start(upstream => 1);
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => $other->port);
    print {$socket} request('GET', '/');
    is fate($socket), 'reset', 'no upstream';
    $other->stop;

    is curl('--max-time', '2', '--limit-rate', '1000', '/public/big'),
       '200 28', 'a slow client that gives up';
    is curl('/public/big'), '200 0', 'another one';
};

done_testing;


sub connect_proxy
{
    return IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => proxy->port, Proto => 'tcp',
        Blocking => 1) // die "connect: $!";
}


sub request
{
    my ($method, $target) = @_;

    return "$method $target HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
}


sub ask
{
    my ($socket, $method, $target) = @_;

    print {$socket} request($method, $target);

    return answer($socket, $method);
}


sub answer
{
    my ($socket, $method) = @_;

    my ($buffer, $content, $head, $body) = ('', '');
    my $select = IO::Select->new($socket);

    while (1) {
        $select->can_read(60) or die 'no answer';
        sysread $socket, $buffer, 65536, length $buffer or die 'cut';

        if (!$head) {
            my $text = TeckenTest::HTTP::take_head(\$buffer) // next;
            $head = TeckenTest::HTTP::parse_response($text) // die $text;
            $body = TeckenTest::HTTP::Body->for_response(
                $method, $head->{status}, $head->{headers});
        }

        $body->take(\$buffer, \$content);
        return { %$head, body => $content } if $body->done;
    }
}


# All bytes until "fin", "reset" or "silence".
sub collect
{
    my ($socket) = @_;

    my ($bytes, $select) = ('', IO::Select->new($socket));

    while ($select->can_read(1)) {
        my $n = sysread $socket, $bytes, 1 << 20, length $bytes;
        next if $n;

        return { bytes => $bytes, end => defined $n ? 'fin' : 'reset' };
    }

    return { bytes => $bytes, end => 'silence' };
}


sub fate
{
    return collect($_[0])->{end};
}


sub say_nothing
{
    my ($socket, $method) = @_;

    print {$socket} request($method, '/public/file');

    return fate($socket);
}


# "status exit-code"
sub curl
{
    my (@options) = @_;

    my $path = pop @options;
    my $url = 'http://127.0.0.1:' . proxy->port . $path;

    open my $pipe, '-|', 'curl', '-s', '-o', '/dev/null', '-w',
         '%{http_code} %{exitcode}', @options, $url or die "curl: $!";

    return scalar <$pipe>;
}
