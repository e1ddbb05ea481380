# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# For t/store-s3*.t: an nginx whose locations are the operations of storages,
# by the probe, and a second opinion on the requests that it signs.

package StoreTest;

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Exporter qw(import);
use Test::More;
use Time::HiRes qw(time);

use TeckenTest::HTTP qw(uri_escape);
use TeckenTest::Nginx;
use TeckenTest::S3;

our @EXPORT = qw(store_nginx store_conf keys_of url_of op put_ok get_ok listed
                 sanitized signed_well unique pattern attempts_ok
                 seconds);

my $serial = 0;


# A name that no other test has used: the S3 server may be shared.
sub unique
{
    my ($name) = @_;

    return sprintf '%s-%d-%d', $name // 'k', $$, ++$serial;
}


# Bytes without a period shorter than their length.
sub pattern
{
    my ($size) = @_;

    my $text = join '', map { pack 'NN', $_, $_ ^ 0x5a5a5a5a }
                        0 .. $size / 8;

    return substr $text, 0, $size;
}


# Status of an operation, and how often it was tried.
sub attempts_ok
{
    my ($answer, $status, $attempts, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is $answer->{status}, $status, "$what: status"
        or diag $answer->{body};
    is $answer->{headers}{'x-attempts'}, $attempts, "$what: attempts";
}


# How long it takes.
sub seconds
{
    my ($code) = @_;

    my $start = time;
    $code->();

    return time - $start;
}


# An nginx with AddressSanitizer keeps freed memory and wants to be the first
# of all libraries.
sub sanitized
{
    return TeckenTest::Process::slurp(TeckenTest::Nginx::_binary())
           =~ /__asan_init/;
}


# Options of tecken_storage that sign as the owner of the buckets.
sub keys_of
{
    my ($name) = @_;

    $name = $name ? "_$name" : '';

    return join ' ', map {
        lc . '=' . $ENV{"TEST_NGINX_S3${name}_$_"}
    } qw(ACCESS_KEY SECRET_KEY);
}


sub url_of
{
    my ($port, $path) = @_;

    return "http://127.0.0.1:$port/$path";
}


# Storages as text: name => "URL options".
sub store_conf
{
    my (%storages) = @_;

    return join '', "tecken_zone tecken:4m;\n",
                map { "tecken_storage $_ $storages{$_};\n" }
                sort keys %storages;
}


# An nginx with one location of the probe for each storage.  Of the options,
# "storages" is ours, the others are TeckenTest::Nginx's.
sub store_nginx
{
    my (%options) = @_;

    my $storages = delete $options{storages};
    my $http = delete $options{http} // '';

    return TeckenTest::Nginx->start(
        workers => 1, %options,
        http => store_conf(%$storages) . "client_max_body_size 0;\n$http",
        server => join '', map {
            "location /$_/ { tecken_probe_store $_; }\n"
        } keys %$storages,
    );
}


# One operation: op($nginx, 'GET', 'storage', $key, query => { }, headers =>
# { }, body =>...).  Any byte may be in a key.
sub op
{
    my ($nginx, $method, $storage, $key, %options) = @_;

    my %query = %{ delete $options{query} // {} };
    $query{key} = $key if defined $key;

    my $query = join '&', map { "$_=" . uri_escape($query{$_}) }
                          sort keys %query;

    return $nginx->request($method, "/$storage/?$query", timeout => 60,
                           %options);
}


sub put_ok
{
    my ($nginx, $storage, $key, $body, $what, %options) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $answer = op($nginx, 'PUT', $storage, $key, body => $body, %options);

    is $answer->{status}, 200, "$what: put" or diag $answer->{body};

    return $answer;
}


sub get_ok
{
    my ($nginx, $storage, $key, $body, $what, %options) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $answer = op($nginx, 'GET', $storage, $key, %options);

    ok $answer->{status} == 200 && $answer->{body} eq $body, "$what: get"
        or diag $answer->{status}, ' ', length $answer->{body}, ' bytes: ',
                substr $answer->{body}, 0, 200;

    return $answer;
}


# The keys of a list, in order, and its sizes by key.
sub listed
{
    my ($answer) = @_;

    my @lines = map { [ split ' ', $_, 2 ] } split /\n/, $answer->{body};
    my @names = map { TeckenTest::S3::_unescape($_->[1] =~ s/\+/%2B/gr) }
                @lines;

    return wantarray ? @names
                     : { map { $names[$_] => $lines[$_][0] } 0 .. $#names };
}


# A request's signature, computed again from its bytes; returns the names of
# the signed headers.  expected: access_key, secret_key, region.
sub signed_well
{
    my ($request, $what, %expected) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $h = $request->{headers};
    my ($access_key, $day, $region, $service, $signed, $signature) =
        ($h->{authorization} // '') =~ m{\AAWS4-HMAC-SHA256
            \ Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request,\ ?
            SignedHeaders=([a-z0-9;_-]+),\ ?Signature=([0-9a-f]{64})\z}x
        or return fail("$what: Authorization is " . ($h->{authorization}
                                                     // 'missing'));

    is "$access_key $region $service",
       "$expected{access_key} $expected{region} s3", "$what: scope";

    my ($path, $query) = split /\?/, $request->{target}, 2;
    my @names = split /;/, $signed;
    my @arguments = sort map { /=/ ? $_ : "$_=" } split /&/, $query // '';

    my $canonical = join "\n", $request->{method}, $path,
                         join('&', @arguments),
                         (map { "$_:" . _squeezed($h->{$_}) } @names), '',
                         $signed, $h->{'x-amz-content-sha256'};

    my $signer = TeckenTest::S3->new(port => 0, %expected);

    is $signature,
       $signer->_signature($h->{'x-amz-date'}, $day, $canonical),
       "$what: signature";

    return @names;
}


sub _squeezed
{
    my ($value) = @_;

    return ($value // '') =~ s/ +/ /gr;
}


1;
