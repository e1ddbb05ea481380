# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Where the S3 server is: names, at the start and by nginx's resolver, buckets
# in host names, and TLS.

use strict;
use warnings;

use Test::More;

use StoreTest;
use TeckenTest qw(:none);
use TeckenTest::Dns;
use TeckenTest::Peer;
use TeckenTest::Process qw(remove_tree run_child temp_dir);
use TeckenTest::Radosgw;

my $dir = temp_dir('tecken-tls');

END { remove_tree($dir) if defined $dir }


# A self-signed certificate with its key; returns the path of both.
sub certificate
{
    my ($name, $names) = @_;

    run_child({ log => "$dir/$name.log" }, 'openssl', 'req', '-x509',
              '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1',
              '-nodes', '-days', 2, '-subj', "/CN=$name",
              '-addext', "subjectAltName=$names",
              '-keyout', "$dir/$name.key", '-out', "$dir/$name.crt");
    run_child({}, 'sh', '-c',
              "cat $dir/$name.key $dir/$name.crt > $dir/$name.pem");
    chmod 0644, glob "$dir/*";

    return "$dir/$name.pem";
}


my $pem = certificate('server',
    'IP:127.0.0.1,DNS:s3.localhost,DNS:*.s3.localhost');
certificate('other', 'IP:127.0.0.1');

# one of our own: it needs the certificate
my $radosgw = TeckenTest::Radosgw->start(tls => $pem);
my %radosgw = $radosgw->environment;
my ($port, $tls) = ($radosgw->port, $radosgw->tls_port);
my $keys = "access_key=$radosgw{TEST_NGINX_S3_ACCESS_KEY}"
           . " secret_key=$radosgw{TEST_NGINX_S3_SECRET_KEY}";
my $s3 = $radosgw->client;

# radosgw takes a name that is not its own for a bucket's
my $peer = TeckenTest::Peer->start;
my $peered = $peer->port . "/b $keys";
$peer->answers({ status => 200, body => 'peer' });

my $dns = TeckenTest::Dns->start(table => {
    's3.localhost' => '127.0.0.1', 'private.s3.localhost' => '127.0.0.1',
    'two.test' => [ '127.0.0.1', '127.0.0.2' ],
});
my $resolver = 'resolver 127.0.0.1:' . $dns->port . ' ipv6=off valid=1s;'
               . ' tecken_resolver_timeout 500ms;';
my $patience = 'deadline=20s timeout=5s';
my $body = pattern(300_000);

$s3->put('private', 'o', $body);


sub head { return op($_[0], 'HEAD', $_[1], $_[2] // 'o') }


subtest 'a name at the start' => sub {
    my $nginx = store_nginx(storages => {
        s => "http://localhost:$peered $patience" });

    # nobody may listen at the other address
    get_ok($nginx, 's', 'o', 'peer', 'localhost') for 1 .. 3;

    my ($request) = $peer->requests;
    is $request->{headers}{host}, 'localhost:' . $peer->port, 'Host';
    $nginx->stop;
};

subtest 'a name by the resolver' => sub {
    my $nginx = store_nginx(storages => {
        s => "http://s3.localhost:$port/private $patience $keys",
        none => "http://none.test:$peered $patience",
        two => "http://two.test:$peered $patience retries=1",
    }, http => $resolver);

    get_ok($nginx, 's', 'o', $body, 'a name');
    get_ok($nginx, 's', 'o', $body, 'a name that is known');
    is head($nginx, 's', 'absent')->{status}, 404, 'absent';

    my $none = op($nginx, 'GET', 'none', 'o');
    is $none->{status}, 502, 'no such name';
    is $none->{headers}{'x-attempts'}, 1, 'asked once';
    like $none->{body}, qr/could not resolve "none.test".*not found/,
         'says so';

    # nobody listens at the other address
    is head($nginx, 'two')->{status}, 200, 'two addresses' for 1 .. 6;

    for my $mode ('servfail', 'silent') {
        $dns->mode($mode);
        $dns->set('none.test' => undef);

        my $answer = op($nginx, 'GET', 'none', 'o');
        is $answer->{status}, 502, $mode;
        is $answer->{headers}{'x-attempts'}, 3, 'tried again';
        like $answer->{body}, qr/could not resolve/, 'says so';
    }

    # it comes back while we try
    $dns->mode('silent');
    my $pid = fork // die;
    if (!$pid) {
        select undef, undef, undef, 0.3;
        $dns->set('none.test' => '127.0.0.1');
        $dns->mode('answer');
        POSIX::_exit(0);
    }

    is head($nginx, 'none')->{status}, 200, 'in time';
    waitpid $pid, 0;

    # cancelled while it is looked up
    $dns->mode('silent');
    is op($nginx, 'GET', 'two', 'o', query => { cancel => 0 })->{body},
       "cancelled\n", 'cancelled';
    $dns->mode('answer');

    is $nginx->stop, 0, 'ends well';
};

subtest 'a resolver without a timeout' => sub {
    my $nginx = store_nginx(storages => {
        none => "http://none.test:$peered timeout=1s deadline=1s retries=0",
    }, http => $resolver =~ s/resolver_timeout \d+ms/resolver_timeout 0/r);

    my $start = time;

    $dns->mode('silent');
    is head($nginx, 'none')->{status}, 502, 'ends all the same';
    cmp_ok time - $start, '<', 10, 'with the deadline';
    $dns->mode('answer');

    is $nginx->stop, 0, 'ends well';
};

subtest 'the bucket in the host name' => sub {
    my $nginx = store_nginx(storages => {
        v => "http://s3.localhost:$port/private addressing=virtual"
             . " prefix=vhost $keys",
        more => "http://s3.localhost:$port/private/vhost addressing=virtual"
                . " $keys",
    }, http => $resolver);

    for my $key ('a b+c/%', '../x', "\xc3\xa9") {
        put_ok($nginx, 'v', $key, 'vhost', $key);
        get_ok($nginx, 'v', $key, 'vhost', $key);
        get_ok($nginx, 'more', $key, 'vhost', "more: $key");
        is $s3->get('private', "vhost/$key")->{body}, 'vhost', 'theirs';
    }

    for my $storage ('v', 'more') {
        is_deeply [ listed(op($nginx, 'GET', $storage, undef,
                              query => { list => 'a' })) ], [ 'a b+c/%' ],
                  "$storage: listed";
        is op($nginx, 'GET', $storage, undef,
              query => { check => 1 })->{status}, 200, "$storage: check";
    }

    ok $dns->queries('private.s3.localhost'), 'that name';
    is $nginx->stop, 0, 'ends well';
};

subtest 'TLS' => sub {
    my $ca = "ca=$dir/server.crt";
    my $nginx = store_nginx(storages => {
        s => "https://127.0.0.1:$tls/private $ca $patience $keys",
        name => "https://s3.localhost:$tls/private $ca $patience $keys",
        virtual => "https://s3.localhost:$tls/private addressing=virtual"
                   . " $ca $patience $keys",
        system => "https://127.0.0.1:$tls/private retries=0 $keys",
        wrong => "https://127.0.0.1:$tls/private ca=$dir/other.crt retries=0 "
                 . $keys,
        misnamed => "https://two.test:$tls/private $ca retries=0 $keys",
        plain => "http://127.0.0.1:$tls/private retries=0 timeout=2s $keys",
        nottls => "https://127.0.0.1:$port/private $ca retries=0 timeout=2s "
                  . $keys,
    }, http => $resolver);

    for my $storage ('s', 'name', 'virtual') {
        my $large = pattern(3_000_000);

        put_ok($nginx, $storage, "tls-$storage", $large, $storage);
        get_ok($nginx, $storage, "tls-$storage", $large, $storage);
        get_ok($nginx, $storage, 'o', $body, "$storage, slowly",
               query => { slow => 20_000 });
        is head($nginx, $storage)->{status}, 200, "$storage: head";

        for my $at (0, 1, 100_000) {
            is op($nginx, 'GET', $storage, 'o',
                  query => { cancel => $at })->{body}, "cancelled\n",
               "cancelled at $at";
        }
    }

    my %errors = (
        system => qr/certificate/i, wrong => qr/certificate/i,
        misnamed => qr/subject|name/i, plain => qr/./, nottls => qr/SSL|TLS/i,
    );

    for my $storage (sort keys %errors) {
        my $answer = op($nginx, 'GET', $storage, 'o');

        is $answer->{status}, 502, $storage;
        like $answer->{body}, $errors{$storage}, 'says why';
        note $answer->{body};
    }

    # each has an authority of its own, on the same address
    for my $storage ('s', 'wrong', 's', 'system', 's') {
        is head($nginx, $storage)->{status}, $storage eq 's' ? 200 : 502,
           "$storage after another";
    }

    is $nginx->stop, 0, 'ends well';
    unlike $nginx->error_log, qr/\[(?:alert|crit|emerg)\]/, 'no alerts';
};

$radosgw->stop;

done_testing;
