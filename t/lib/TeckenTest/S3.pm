# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# A small S3 client.  It signs by itself (AWS Signature Version 4), so that
# the tests do not judge the modules' signatures by the modules' own code.

package TeckenTest::S3;

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256 hmac_sha256_hex sha256_hex);
use JSON::PP ();
use POSIX ();

use TeckenTest::HTTP qw(exchange uri_escape);


# port, access_key, secret_key; host, region, timeout (seconds) are optional.
# Without an access key all requests are anonymous.
sub new
{
    my ($class, %options) = @_;

    return bless {
        host => '127.0.0.1', region => 'us-east-1', timeout => 60, %options,
    }, $class;
}


# All calls return { status, headers => { lower-case names }, body }.

# options: content_type, content_encoding, meta => { name => value },
# headers => { any => other }
sub put
{
    my ($self, $bucket, $key, $body, $options) = @_;

    my %headers = %{ $options->{headers} // {} };
    my $meta = $options->{meta} // {};

    $headers{'content-type'} = $options->{content_type}
        // 'application/octet-stream';
    $headers{'content-encoding'} = $options->{content_encoding}
        if defined $options->{content_encoding};
    $headers{"x-amz-meta-$_"} = $meta->{$_} for keys %$meta;

    return $self->request('PUT', $bucket, $key, {
        body => $body, headers => \%headers,
    });
}


sub get    { return $_[0]->request('GET', @_[1, 2], $_[3]) }
sub head   { return $_[0]->request('HEAD', @_[1, 2], $_[3]) }
sub delete { return $_[0]->request('DELETE', @_[1, 2], $_[3]) }


sub create_bucket
{
    my ($self, $bucket) = @_;

    return $self->request('PUT', $bucket, '');
}


sub delete_bucket
{
    my ($self, $bucket) = @_;

    return $self->request('DELETE', $bucket, '');
}


# $policy: a Perl structure or JSON text
sub policy
{
    my ($self, $bucket, $policy) = @_;

    $policy = JSON::PP->new->canonical->encode($policy) if ref $policy;

    return $self->request('PUT', $bucket, '', {
        query => { policy => '' }, body => $policy,
    });
}


# All keys below a prefix, sorted; dies when the list cannot be had.
sub list
{
    my ($self, $bucket, $prefix) = @_;

    my (@keys, $token);

    do {
        my %query = (
            'list-type' => 2, 'encoding-type' => 'url',
            prefix => $prefix // '',
        );
        $query{'continuation-token'} = $token if defined $token;

        my $answer = $self->request('GET', $bucket, '', { query => \%query });
        die "list $bucket: $answer->{status} $answer->{body}\n"
            if $answer->{status} != 200;

        push @keys, map { _unescape(_unescape_xml($_)) }
                    $answer->{body} =~ m{<Key>([^<]*)</Key>}g;
        ($token) = $answer->{body}
                   =~ m{<NextContinuationToken>([^<]*)</NextContinuationToken>};
        $token = _unescape_xml($token) if defined $token;
    } while (defined $token);

    @keys = sort @keys;

    return @keys;
}


# Removes all objects of a bucket below a prefix; returns their number.
sub empty
{
    my ($self, $bucket, $prefix) = @_;

    my @keys = $self->list($bucket, $prefix);
    $self->delete($bucket, $_) for @keys;

    return scalar @keys;
}


# options: body, headers, query => { }, anonymous, time (epoch)
sub request
{
    my ($self, $method, $bucket, $key, $options) = @_;

    my $request = $self->_build($method, $bucket, $key, $options // {});

    return exchange($self->{port}, $method, $request, $self->{timeout});
}


# Whoever has this URL may do $method to the object for $seconds.
sub presigned_url
{
    my ($self, $method, $bucket, $key, $seconds, $time) = @_;

    my $authority = $self->_authority;
    my $path = _path($bucket, $key);
    my ($date, $day) = _dates($time);
    my $scope = $self->_scope($day);

    my $query = _query({
        'X-Amz-Algorithm' => 'AWS4-HMAC-SHA256',
        'X-Amz-Credential' => "$self->{access_key}/$scope",
        'X-Amz-Date' => $date,
        'X-Amz-Expires' => $seconds,
        'X-Amz-SignedHeaders' => 'host',
    });

    my $canonical = join "\n", $method, $path, $query, "host:$authority", '',
                         'host', 'UNSIGNED-PAYLOAD';

    my $signature = $self->_signature($date, $day, $canonical);

    return "http://$authority$path?$query&X-Amz-Signature=$signature";
}


sub _build
{
    my ($self, $method, $bucket, $key, $options) = @_;

    my $body = $options->{body} // '';
    die "the body has wide characters\n" if $body =~ /[^\x00-\xff]/;

    my $path = _path($bucket, $key);
    my $query = _query($options->{query} // {});

    my %headers = map { lc $_ => $options->{headers}{$_} }
                  keys %{ $options->{headers} // {} };
    $headers{host} //= $self->_authority;

    $self->_sign($method, $path, $query, \%headers, $body, $options->{time})
        if defined $self->{access_key} && !$options->{anonymous};

    $headers{'content-length'} //= length $body
        if $method =~ /\AP/ || $body ne '';
    $headers{connection} = 'close';

    my $target = $query eq '' ? $path : "$path?$query";

    return join "\r\n", "$method $target HTTP/1.1",
                (map { "$_: $headers{$_}" } sort keys %headers), '', $body;
}


# Adds x-amz-date, x-amz-content-sha256 and authorization.
sub _sign
{
    my ($self, $method, $path, $query, $headers, $body, $time) = @_;

    my ($date, $day) = _dates($time);
    my $hash = $headers->{'x-amz-content-sha256'} // sha256_hex($body);

    $headers->{'x-amz-date'} = $date;
    $headers->{'x-amz-content-sha256'} = $hash;

    my @names = sort grep { /\A(?:host|content-type|x-amz-.*)\z/ }
                keys %$headers;
    my $signed = join ';', @names;

    my $canonical = join "\n", $method, $path, $query,
                         (map { "$_:" . _squeeze($headers->{$_}) } @names), '',
                         $signed, $hash;

    my $scope = $self->_scope($day);
    my $signature = $self->_signature($date, $day, $canonical);

    $headers->{authorization} =
        "AWS4-HMAC-SHA256 Credential=$self->{access_key}/$scope,"
        . "SignedHeaders=$signed,Signature=$signature";
}


sub _signature
{
    my ($self, $date, $day, $canonical) = @_;

    my $text = join "\n", 'AWS4-HMAC-SHA256', $date, $self->_scope($day),
                    sha256_hex($canonical);

    my $key = "AWS4$self->{secret_key}";
    $key = hmac_sha256($_, $key) for $day, $self->{region}, 's3',
                                     'aws4_request';

    return hmac_sha256_hex($text, $key);
}


sub _scope
{
    my ($self, $day) = @_;

    return "$day/$self->{region}/s3/aws4_request";
}


sub _authority
{
    my ($self) = @_;

    return "$self->{host}:$self->{port}";
}


sub _dates
{
    my ($time) = @_;

    my @utc = gmtime($time // time);

    return (POSIX::strftime('%Y%m%dT%H%M%SZ', @utc),
            POSIX::strftime('%Y%m%d', @utc));
}


sub _path
{
    my ($bucket, $key) = @_;

    return '/' if $bucket eq '';

    my $path = "/$bucket";
    $path .= '/' . uri_escape($key, '/') if defined $key && $key ne '';

    return $path;
}


# Sorted by encoded name, as the signature wants it.
sub _query
{
    my ($query) = @_;

    my %escaped = map { uri_escape($_) => uri_escape($query->{$_}) }
                  keys %$query;

    return join '&', map { "$_=$escaped{$_}" } sort keys %escaped;
}


sub _squeeze
{
    my ($value) = @_;

    $value =~ s/\A\s+|\s+\z//g;
    $value =~ s/ +/ /g;

    return $value;
}


sub _unescape
{
    my ($text) = @_;

    $text =~ tr/+/ /;
    $text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;

    return $text;
}


sub _unescape_xml
{
    my ($text) = @_;

    $text =~ s/&quot;/"/g;
    $text =~ s/&apos;/'/g;
    $text =~ s/&lt;/</g;
    $text =~ s/&gt;/>/g;
    $text =~ s/&amp;/&/g;

    return $text;
}


1;
