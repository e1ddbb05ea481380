# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# An S3 server that fails: what is tried again, how often and for how long.

use strict;
use warnings;

use POSIX ();
use Test::More;
use Time::HiRes qw(time);

use StoreTest;
use TeckenTest qw(:s3 :proxy);

my $dir = unique('faults');
my $proxied = url_of(proxy->port, 'private') . " prefix=$dir " . keys_of();

# patience: where a retry is expected, for a slow machine
my $patience = 'deadline=20s timeout=5s';

my $nginx = store_nginx(storages => {
    s => "$proxied $patience",
    hasty => "$proxied timeout=600ms deadline=20s retries=1",
    once => "$proxied $patience retries=0",
    many => "$proxied timeout=5s deadline=1s retries=10",
    quick => "$proxied timeout=200ms connect_timeout=200ms deadline=500ms"
             . ' retries=10',
    refused => url_of(free_port(), 'b') . ' deadline=20s ' . keys_of(),
    slow_connect => url_of(full_port(), 'b')
                    . ' connect_timeout=200ms retries=1 deadline=10s '
                    . keys_of(),
}, http => 'client_body_buffer_size 16k;');

my $body = pattern(1_000_000);
s3->put('private', "$dir/o", $body, { content_type => 'text/x' });


sub free_port { return TeckenTest::Process::free_port() }


# A port whose backlog is full: connects are not answered.
my @full;

sub full_port
{
    my $listen = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', Listen => 1, Proto => 'tcp') or die;
    listen $listen, 0;
    push @full, $listen;

    for (1 .. 4) {
        push @full, IO::Socket::INET->new(
            PeerAddr => '127.0.0.1', PeerPort => $listen->sockport,
            Proto => 'tcp', Blocking => 0);
    }

    return $listen->sockport;
}


sub get { return op($nginx, 'GET', $_[0], $_[1] // 'o') }


subtest 'a status that passes' => sub {
    for my $status (429, 500, 502, 503, 504) {
        for my $method ('HEAD', 'GET', 'PUT') {
            proxy->mode('status', status => $status, first => 2);

            my $answer = op($nginx, $method, 's', 'o',
                            $method eq 'PUT' ? (body => $body) : ());
            attempts_ok($answer, 200, 3, "$method $status");
            ok $answer->{body} eq $body, 'body' if $method eq 'GET';
        }
    }

    ok s3->get('private', "$dir/o")->{body} eq $body, 'stored right';
};

subtest 'a status that stays' => sub {
    for my $status (429, 500, 502, 503, 504) {
        proxy->mode('status', status => $status);
        my $answer = get('s');

        attempts_ok($answer, 502, 3, $status);
        is $answer->{headers}{'x-status'}, $status, 'known';
        like $answer->{body}, qr/status $status/, 'told';
    }

    attempts_ok(get('once'), 502, 1, 'retries=0');

    proxy->mode('status', status => 503, code => 'SlowDown');
    like get('once')->{body}, qr/: status 503 SlowDown\z/, 'in words';

    for my $text ('<Error><Code>', '<Code></Code>', "<code>\n\0</code>",
                  '<Code>' . 'x' x 2000)
    {
        proxy->mode('status', status => 500, body => $text);
        like get('once')->{body}, qr/: status 500 ?x*\z/, 'strange words';
    }
};

subtest 'a status that is final' => sub {
    for my $status (400, 403, 405, 409, 412, 416, 501, 505) {
        for my $method ('HEAD', 'GET', 'PUT') {
            proxy->mode('status', status => $status);
            proxy->call('clear');

            my $answer = op($nginx, $method, 's', 'x',
                            $method eq 'PUT' ? (body => 'x') : ());
            attempts_ok($answer, 502, 1, "$method $status");
            is proxy->count, 1, 'one request';
        }
    }

    proxy->mode('status', status => 404);
    attempts_ok(get('s'), 404, 1, '404');
    attempts_ok(op($nginx, 'PUT', 's', 'x', body => 'x'), 502, 1, 'PUT 404');
};

subtest 'redirects are not followed' => sub {
    for my $status (301, 302, 307, 308) {
        for my $method ('HEAD', 'GET', 'PUT') {
            proxy->mode('redirect', status => $status,
                        location => url_of(radosgw->port, "private/$dir/o"));

            my $answer = op($nginx, $method, 's', 'o',
                            $method eq 'PUT' ? (body => 'x') : ());
            attempts_ok($answer, 502, 1, "$method $status");
            like $answer->{body}, qr/$status.*redirect.*region/, 'says why'
                if $method ne 'HEAD';
        }
    }

    proxy->mode('pass');
};

subtest 'connections that fail' => sub {
    my $refused = op($nginx, 'GET', 'refused', 'x');
    attempts_ok($refused, 502, 3, 'refused');
    like $refused->{body}, qr/connect/i, 'says so';

    my $slow;
    my $took = seconds(sub { $slow = op($nginx, 'GET', 'slow_connect', 'x') });
    attempts_ok($slow, 502, 2, 'not answered');
    cmp_ok $took, '<', 9, "after $took s";

    for my $mode ('reset', 'close', 'garbage', 'half_head_close') {
        for my $method ('HEAD', 'GET', 'PUT') {
            my @what = ($method, 's', 'o',
                        $method eq 'PUT' ? (body => $body) : ());

            proxy->mode($mode, first => 1);
            my $answer = op($nginx, @what);
            is $answer->{status}, 200, "$method after $mode";
            cmp_ok $answer->{headers}{'x-attempts'}, '<=', 2, 'attempts';

            proxy->mode($mode);
            attempts_ok(op($nginx, @what), 502, 3, "$method, always $mode");
        }
    }

    proxy->mode('huge_headers');
    my $huge = get('s');
    attempts_ok($huge, 502, 3, 'a head of 1 MB');
    like $huge->{body}, qr/too large response header/, 'says so';

    proxy->mode('pass');
    get_ok($nginx, 's', 'o', $body, 'and now');
};

# One that failed is not used again, by nobody; the one of the retry is.
subtest 'the connection after one that failed' => sub {
    my %failure = (
        map({ $_ => [] } 'reset', 'close', 'garbage', 'half_head_close'),
        stall => [ storage => 'hasty' ], cut_after => [ body => 1000 ],
    );

    for my $mode (sort keys %failure) {
        my %options = @{ $failure{$mode} };
        my $storage = delete $options{storage} // 's';

        for my $method ('HEAD', 'GET', 'PUT') {
            next if $mode eq 'cut_after' && $method ne 'GET';

            my @what = ($method, $storage, 'o',
                        $method eq 'PUT' ? (body => $body) : ());

            # not one that the answer before has closed
            proxy->mode('pass');
            op($nginx, @what);

            proxy->mode($mode, first => 1, %options);
            proxy->call('clear');
            my $again = op($nginx, @what);
            is $again->{status}, 200, "$method after $mode";

            attempts_ok(op($nginx, @what), 200, 1, 'then') for 1 .. 3;

            my @passed = grep { $_->{mode} eq 'pass' } proxy->requests;
            my %used = map { $_->{connection} => 1 } @passed;
            is @passed, 4, 'four requests';
            is keys %used, 1, 'one connection';
        }
    }

    # those that have idled as long may be as dead
    proxy->mode('hold');
    proxy->call('clear');

    my @children = map {
        my $pid = fork // die;
        if (!$pid) {
            op($nginx, 'GET', 's', 'o');
            POSIX::_exit(0);
        }
        $pid;
    } 1 .. 3;

    proxy->wait_for(3, 5, 'GET');
    my %idle = map { $_->{connection} => 1 } proxy->requests('GET');
    proxy->mode('stall', first => 1);
    waitpid $_, 0 for @children;

    proxy->call('clear');
    attempts_ok(get('hasty'), 200, 2, 'after one of three');
    my ($dead, $other) = map { $_->{connection} } proxy->requests;
    ok $idle{$dead} && !$idle{$other}, 'on a new connection';

    # an answer costs no connection
    for my $method ('HEAD', 'GET', 'PUT') {
        my @what = ($method, 's', 'o',
                    $method eq 'PUT' ? (body => $body) : ());

        proxy->mode('pass');
        op($nginx, @what);

        proxy->mode('status', status => 503, first => 1);
        proxy->call('clear');
        attempts_ok(op($nginx, @what), 200, 2, "$method after 503");
        is proxy->stats->{connections}, 0, 'no other connection';
    }
};

# libcurl asks again by itself when a connection that it has kept is dead, five
# times with one handle
subtest 'a dead connection, time after time' => sub {
    for my $method ('HEAD', 'GET') {
        for my $time (1 .. 8) {
            proxy->mode('pass');
            op($nginx, $method, 'once', 'o');

            proxy->mode('close', first => 1);
            proxy->call('clear');

            my $answer = op($nginx, $method, 'once', 'o');
            is $answer->{status}, 200, "$method, $time";
            is scalar(proxy->requests($method)), 2, 'asked again';
        }
    }

    proxy->mode('pass');
};

subtest 'silence' => sub {
    for my $mode ('stall', 'noread', 'half_head') {
        for my $method ('HEAD', 'GET', 'PUT') {
            my @what = ($method, 'hasty', 'o',
                        $method eq 'PUT' ? (body => $body) : ());
            my $answer;

            proxy->mode($mode);
            my $took = seconds(sub { $answer = op($nginx, @what) });

            attempts_ok($answer, 502, 2, "$method, $mode");
            cmp_ok $took, '>=', 0.5, 'not at once';
            cmp_ok $took, '<', 15, "ended in $took s";
            like $answer->{body}, qr/timed out/, 'says so'
                if $method ne 'HEAD';
            proxy->mode('pass');
        }
    }

    proxy->mode('stall', first => 1);
    attempts_ok(get('hasty'), 200, 2, 'once');

    # less than 64 KiB in all attempts was not worth their while
    proxy->mode('stall_after', body => 20_000);
    attempts_ok(get('hasty'), 502, 2, 'in the middle');

    proxy->mode('stall_after', body => 100_000);
    my $answer = get_ok($nginx, 'hasty', 'o', $body, 'again and again');
    cmp_ok $answer->{headers}{'x-attempts'}, '>', 2, 'as it goes on';
    proxy->mode('pass');
};

subtest 'the deadline' => sub {
    proxy->mode('status', status => 503);

    my $answer;
    my $took = seconds(sub { $answer = get('many') });
    is $answer->{status}, 502, 'given up';
    cmp_ok $answer->{headers}{'x-attempts'}, '>', 1, 'after retries';
    cmp_ok $answer->{headers}{'x-attempts'}, '<', 10, 'but not all of them';
    cmp_ok $took, '<', 6, "in $took s";

    for my $mode ('refuse', 'stall', 'noread') {
        proxy->mode($mode);

        for my $method ('HEAD', 'GET') {
            $took = seconds(sub {
                $answer = op($nginx, $method, 'quick', 'o') });
            cmp_ok $answer->{headers}{'x-attempts'}, '<', 10,
                   "$method, $mode: not all of them";
            cmp_ok $took, '<', 10, "in $took s";
        }
    }

    proxy->mode('pass');
};

subtest 'slow is not silent' => sub {
    proxy->mode('slow', bytes => 250_000, ms => 200);
    attempts_ok(get('hasty'), 200, 1, 'longer than the timeout in all');
    proxy->mode('pass');
};

subtest 'neither is a wait for a place' => sub {
    my $crowded = store_nginx(storages => {
        s => "$proxied timeout=2s retries=0",
    }, http => 'tecken_connections 1;');

    proxy->reset;
    proxy->mode('stall', first => 1);
    proxy->add('latency', ms => 1200);

    my $pid = fork // die;

    if (!$pid) {
        op($crowded, 'GET', 's', 'o');
        POSIX::_exit(0);
    }

    proxy->wait_for(1, 5, 'GET');
    my $answer = op($crowded, 'GET', 's', 'o');
    waitpid $pid, 0;

    is $answer->{status}, 200, 'the next has all of its time'
        or diag $answer->{body};
    is $crowded->stop, 0, 'ends well';
    proxy->mode('pass');
};

s3->empty('private', $dir);
is $nginx->stop, 0, 'ends well';
unlike $nginx->error_log, qr/\[(?:alert|crit|emerg)\]/, 'no alerts';

done_testing;
