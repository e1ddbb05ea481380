# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Requests as they are on the wire, and their signatures: the S3 server here
# does not mind a wrong region, nor a header that is not signed; S3 does.

use strict;
use warnings;

use Digest::MD5 qw(md5 md5_hex);
use Digest::SHA qw(sha256_hex);
use MIME::Base64 qw(encode_base64);
use Test::More;

use StoreTest;
use TeckenTest qw(:none);
use TeckenTest::Dns;
use TeckenTest::Peer;
use TeckenTest::Process qw(write_file);

my ($access_key, $secret_key) = ('AKIAEXAMPLE', 'sEcReT/+key=of-the-peer');
my $keys = "access_key=$access_key secret_key=$secret_key";
my %signer = (access_key => $access_key, secret_key => $secret_key,
              region => 'us-east-1');

my $empty = sha256_hex('');
my $token = 'FwoGZXIvYXdzE/+=' x 20;
my $long_token = 'LongToken/+=' x 330;

my $peer = TeckenTest::Peer->start;
my $port = $peer->port;
my $six = eval { TeckenTest::Peer->start(host => '::1') };

# of loopback, any address; port 80 may be had by few
my $address = sprintf '127.%d.%d.%d', map { 1 + int rand 250 } 1 .. 3;
my $eighty = eval { TeckenTest::Peer->start(host => $address, port => 80) };

my @hosts = qw(s3-us-west-2.amazonaws.com s3.eu-central-1.amazonaws.com
               s3.dualstack.ap-south-1.amazonaws.com s3.amazonaws.com
               b.s3.sa-east-1.amazonaws.com b.s3.x.s3.eu-west-3.amazonaws.com
               s3-fips.us-gov-west-1.amazonaws.com
               s3.cn-north-1.amazonaws.com.cn s3.us-west-2.example.com);
my $dns = TeckenTest::Dns->start(table => { map { $_ => '127.0.0.1' } @hosts });

my %regions;
@regions{@hosts} = qw(us-west-2 eu-central-1 ap-south-1 us-east-1 sa-east-1
                      eu-west-3 us-gov-west-1 cn-north-1 us-east-1);

my $nginx = store_nginx(storages => {
    s => url_of($port, 'b') . " prefix=v1 $keys",
    region => url_of($port, 'b') . " region=eu-north-7 $keys",
    token => url_of($port, 'b') . " $keys session_token=$token",
    long => url_of($port, 'b') . " $keys session_token=$long_token",
    public => url_of($port, 'b') . ' access=public',
    bare => "http://127.0.0.1:$port $keys",
    deep => "http://127.0.0.1:$port/b/c+d/e/ $keys",
    upper => "HTTP://S3-US-west-2.AmazonAWS.com:$port/b $keys",
    ($six ? (six => 'http://[::1]:' . $six->port . "/b $keys") : ()),
    ($eighty ? (eighty => "http://$address/b $keys",
                eighty2 => "http://$address:80/b $keys") : ()),
    map({ ("h$_" => "http://$hosts[$_]:$port/b $keys") } 0 .. $#hosts),
}, http => "resolver 127.0.0.1:" . $dns->port . ' ipv6=off;',
   log_level => 'debug');


# The request that an operation sends.
sub sent
{
    my ($method, $storage, %options) = @_;

    my $to = delete $options{peer} // $peer;
    my $key = delete $options{key} // 'a/b.sym';

    $to->answers({ status => 200 });
    my $answer = op($nginx, $method, $storage, $key, %options);

    my @requests = $to->requests;
    is @requests, 1, "$method $storage: one request"
        or diag "$answer->{status} $answer->{body}";

    return $requests[0];
}


subtest 'head and get' => sub {
    for my $method ('HEAD', 'GET') {
        my $request = sent($method, 's');

        is $request->{method}, $method, 'method';
        is $request->{target}, '/b/v1/a/b.sym', 'target';

        my $h = $request->{headers};
        is $h->{host}, "127.0.0.1:$port", 'Host';
        is $h->{'x-amz-content-sha256'}, $empty, 'hash';
        like $h->{'x-amz-date'}, qr/\A\d{8}T\d{6}Z\z/, 'date';
        is $h->{'x-amz-security-token'}, undef, 'no token';
        is $request->{size}, 0, 'no body';

        # what an object is, nobody is to decide but its reader
        is $h->{'accept-encoding'}, undef, 'no Accept-Encoding';

        my @signed = signed_well($request, $method, %signer);
        is "@signed", 'host x-amz-content-sha256 x-amz-date', 'signed';
    }
};

subtest 'put' => sub {
    my $body = 'symbols';

    my $request = sent('PUT', 's', body => $body, headers => {
        'Content-Type' => 'text/plain;  charset=utf-8',
        'Content-Encoding' => 'gzip', 'X-Original-Size' => 99,
        'X-Original-MD5' => md5_hex('x'), 'X-MD5' => md5_hex($body),
    });

    my $h = $request->{headers};
    is $request->{body}, $body, 'body';
    is $h->{'content-length'}, length $body, 'length';
    is $h->{'transfer-encoding'}, undef, 'no chunks';
    is $h->{expect}, undef, 'no Expect';
    is $h->{'x-amz-content-sha256'}, 'UNSIGNED-PAYLOAD', 'hash';
    is $h->{'content-type'}, 'text/plain;  charset=utf-8', 'type';
    is $h->{'content-encoding'}, 'gzip', 'encoding';
    is $h->{'content-md5'}, encode_base64(md5($body), ''), 'MD5';
    is $h->{'x-amz-meta-original_size'}, 99, 'size before';
    is $h->{'x-amz-meta-original_md5_hash'}, md5_hex('x'), 'MD5 before';

    my @signed = signed_well($request, 'put', %signer);
    is "@signed", 'content-encoding content-md5 content-type host '
                  . 'x-amz-content-sha256 x-amz-date '
                  . 'x-amz-meta-original_md5_hash x-amz-meta-original_size',
       'signed';

    $request = sent('PUT', 's', body => '',
                    headers => { 'X-SHA256' => $empty });
    $h = $request->{headers};
    is $h->{'content-length'}, 0, 'empty: length';
    is $h->{'x-amz-content-sha256'}, $empty, 'empty: hash';
    is $h->{'content-type'}, undef, 'no type, none sent';

    @signed = signed_well($request, 'empty', %signer);
    is "@signed", 'host x-amz-content-sha256 x-amz-date', 'signed';
};

subtest 'keys' => sub {
    my %targets = (
        'a b+c/%41/=&?#' => 'a%20b%2Bc/%2541/%3D%26%3F%23',
        "\xc3\xa9" => '%C3%A9', '../x' => '../x', 'a//b' => 'a//b',
        'a/./b' => 'a/./b', '~-._' => '~-._', "!*'()" => '%21%2A%27%28%29',
    );

    for my $key (sort keys %targets) {
        my $request = sent('GET', 's', key => $key);

        is $request->{target}, "/b/v1/$targets{$key}", $key;
        signed_well($request, $key, %signer);
    }
};

subtest 'tokens' => sub {
    my %tokens = (token => $token, long => $long_token);

    for my $storage (sort keys %tokens) {
        my $request = sent('GET', $storage);
        is $request->{headers}{'x-amz-security-token'}, $tokens{$storage},
           'sent';

        my @signed = signed_well($request, $storage, %signer);
        is "@signed", 'host x-amz-content-sha256 x-amz-date '
                      . 'x-amz-security-token', 'signed';
    }
};

subtest 'a public storage' => sub {
    my $h = sent('GET', 'public')->{headers};

    is_deeply [ grep { /\A(?:x-amz-|authorization)/ } keys %$h ], [],
              'nothing signed';
};

subtest 'regions' => sub {
    signed_well(sent('GET', 'region'), 'region=', %signer,
                region => 'eu-north-7');

    for my $i (0 .. $#hosts) {
        my $request = sent('GET', "h$i");

        is $request->{headers}{host}, "$hosts[$i]:$port", 'Host';
        signed_well($request, $hosts[$i], %signer,
                    region => $regions{ $hosts[$i] });
    }
};

subtest 'hosts' => sub {
    signed_well(sent('GET', 'upper'), 'upper case', %signer,
                region => 'us-west-2');

    is sent('GET', 'bare')->{target}, '/a/b.sym', 'no bucket';

    my $request = sent('GET', 'deep');
    is $request->{target}, '/b/c%2Bd/e/a/b.sym', 'more than a bucket';
    signed_well($request, 'more', %signer);

    SKIP: {
        skip 'no IPv6', 1 if !$six;

        $request = sent('GET', 'six', peer => $six);
        is $request->{headers}{host}, '[::1]:' . $six->port, 'IPv6: Host';
        signed_well($request, 'IPv6', %signer);
    }

    SKIP: {
        skip 'no port 80', 1 if !$eighty;

        for my $storage ('eighty', 'eighty2') {
            $request = sent('GET', $storage, peer => $eighty);
            is $request->{headers}{host}, $address, 'port 80: Host';
            signed_well($request, $storage, %signer);
        }
    }
};

subtest 'the clock' => sub {
    my $now = time;

    # within some minutes nothing is wrong with it
    for my $off (-200, 0, 200) {
        $peer->answers({ status => 403, headers => {
            Date => http_date($now + $off) } });
        op($nginx, 'GET', 's', 'k');
        is $peer->requests, 1, "403, $off s";
    }

    for my $off (3600, -7200, 0) {
        $peer->answers({ status => 403, headers => {
            Date => http_date($now + $off) } }, { status => 200 });

        my $put = op($nginx, 'PUT', 's', 'k', body => 'x' x 5000);
        is $put->{status}, 200, "$off s: put";

        my @requests = $peer->requests;
        is @requests, 2, 'asked twice';
        is $requests[1]{body}, 'x' x 5000, 'the whole body';
        cmp_ok abs(amz_time($requests[1]) - $now - $off), '<', 100, 'time';
        signed_well($requests[1], 'again', %signer);

        $peer->answers({ status => 200 });
        is op($nginx, 'GET', 's', 'k')->{status}, 200, 'and then';
        cmp_ok abs(amz_time($peer->requests) - $now - $off), '<', 100,
               'known';
    }

    # a server whose time is no help
    $peer->answers({ status => 403, headers => { Date => 'never' } });
    op($nginx, 'GET', 's', 'k');
    is $peer->requests, 1, 'no date';

    # one that always says so
    $peer->answers({ status => 403, headers => {
        Date => http_date($now + 9999) } });
    my $answer = op($nginx, 'GET', 's', 'k');
    is $answer->{status}, 502, 'always 403';
    is $peer->requests, 2, 'tried once more';
};


sub http_date
{
    my ($time) = @_;

    return POSIX::strftime('%a, %d %b %Y %H:%M:%S GMT', gmtime $time);
}


sub amz_time
{
    my ($request) = @_;

    my ($y, $m, $d, $H, $M, $S) = $request->{headers}{'x-amz-date'}
        =~ /\A(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z\z/;
    require Time::Local;

    return Time::Local::timegm($S, $M, $H, $d, $m - 1, $y);
}


is $nginx->stop, 0, 'ends well';

# at debug level
ok index($nginx->error_log, $_) < 0, 'no secret in logs'
    for $secret_key, $token, $long_token;

done_testing;
