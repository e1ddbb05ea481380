# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# What a block expects of the response: status, header and body.

package Test::Nginx::Check;

use strict;
use warnings;

use Exporter qw(import);
use Test::More ();

use Test::Nginx::Util qw($ServerPort $ServerPortForClient @ResponseBodyChecks
                         bail_out is_str expand_env shorten);

our @EXPORT_OK = qw(check_response);


# $at: { req => index, repeat => index, many => several requests, ports }.

sub check_response {
    my ($block, $res, $at) = @_;

    my $name = $block->name;
    Test::More::fail("$name - " . $res->error) if defined $res->error;
    warn "# WARNING: $name - ", $res->warning, "\n" if defined $res->warning;

    # a body that cannot be decoded is no response at all
    $res = undef if defined $res->error;

    _status($block, $res, $at);
    _raw_headers($block, $res, $at);
    _headers($block, $res, $at);
    _filter_body($block, $res, $at) if $res;
    _body($block, $res, $at);
}


# The expectation for this request: an array's element when there are several.

sub _expected {
    my ($block, $section, $at) = @_;

    my $value = $block->$section;
    return $value->[$at->{req}] if ref $value eq 'ARRAY';

    bail_out($block->name, " - $section: an array is needed, one element per"
             . ' request') if $at->{many};

    return $value;
}


sub _status {
    my ($block, $res, $at) = @_;

    my $code = $res ? $res->code : '';
    my $name = $block->name . ' - status code ok';

    if (defined $block->error_code_like) {
        my $pattern = _expected($block, 'error_code_like', $at);
        Test::More::like($code, qr/$pattern/sm, $name);
        return;
    }

    my $expected = defined $block->error_code
                   ? _expected($block, 'error_code', $at) : 200;
    Test::More::is($code, $expected, $name);
}


sub _raw_headers {
    my ($block, $res, $at) = @_;

    my $head = $res ? $res->head : undef;
    my $name = $block->name;

    if (defined $block->raw_response_headers_like) {
        my $pattern = _expected($block, 'raw_response_headers_like', $at);
        Test::More::like($head, qr/$pattern/s, "$name - raw resp headers like");
    }

    if (defined $block->raw_response_headers_unlike) {
        my $pattern = _expected($block, 'raw_response_headers_unlike', $at);
        Test::More::unlike($head, qr/$pattern/s,
                           "$name - raw resp headers unlike");
    }
}


sub _headers {
    my ($block, $res, $at) = @_;

    if (defined $block->response_headers) {
        for my $field (_fields(_expected($block, 'response_headers', $at))) {
            _header($block, $res, @$field);
        }

    } elsif (defined $block->response_headers_like) {
        my $lines = _expected($block, 'response_headers_like', $at);

        for my $field (_fields($lines)) {
            my ($key, $pattern) = @$field;
            my $got = $res ? $res->header($key) // '' : '';
            $pattern //= '';
            Test::More::like($got, qr/^$pattern$/,
                             $block->name . " - header $key like ok");
        }
    }
}


sub _header {
    my ($block, $res, $key, $expected) = @_;

    my $name = $block->name . " - header $key";

    if (!defined $expected) {
        Test::More::unlike($res ? $res->head : undef, qr/^\s*\Q$key\E\s*:/mi,
                           "$name not present in the raw headers");
        return;
    }

    my $got = $res ? $res->header($key) : undef;
    Test::More::is($got // '', _ports($expected), "$name ok");
}


# "K: v" and "! K" lines as [K, v] and [K]; of equal keys the last one counts.

sub _fields {
    my ($lines) = @_;

    my (@order, %value);

    for my $line (split /\n/, $lines // '') {
        $line =~ s/\A\s+|\s+\z//g;
        next if $line eq '';

        my $absent = $line =~ s/\A!\s*//;
        my ($key, $value) = $absent ? $line : split /\s*:\s*/, $line, 2;

        push @order, $key if !exists $value{$key};
        $value{$key} = $value;
    }

    return map { [$_, $value{$_}] } @order;
}


sub _ports {
    my ($text) = @_;

    return $text if !defined $text || ref $text;

    $text =~ s/\$ServerPort\b/$ServerPort/g;
    $text =~ s/\$ServerPortForClient\b/$ServerPortForClient/g;

    return $text;
}


my %BODY_FILTER = (
    md5_hex => sub { require Digest::MD5; Digest::MD5::md5_hex($_[0]) },
    sha1_hex => sub { require Digest::SHA; Digest::SHA::sha1_hex($_[0]) },
    uc => sub { uc $_[0] },
    lc => sub { lc $_[0] },
    ucfirst => sub { ucfirst $_[0] },
    lcfirst => sub { lcfirst $_[0] },
    length => sub { length $_[0] },
);


sub _filter_body {
    my ($block, $res, $at) = @_;

    my $filters = $block->response_body_filters // return;

    $filters = [split ' ', $filters] if !ref $filters;
    $filters = [$filters] if ref $filters ne 'ARRAY';
    $filters = $filters->[$at->{req}] if ref $filters->[0] eq 'ARRAY';

    for my $filter (@$filters) {
        my $code = ref $filter eq 'CODE' ? $filter : $BODY_FILTER{$filter};
        bail_out($block->name, " - unknown response_body_filters: $filter")
            if !$code;
        $res->content($code->($res->content));
    }
}


sub _body {
    my ($block, $res, $at) = @_;

    my $body = $res ? $res->content : undef;
    my $name = $block->name;

    if (defined $block->response_body) {
        _body_is($block, $body, $at);

    } elsif (defined $block->response_body_like) {
        my $pattern = _ports(_expected($block, 'response_body_like', $at));
        Test::More::like($body, qr/$pattern/s,
                         "$name - response_body_like - response is expected ("
                         . shorten($body) . ")");

    } elsif (defined $block->response_body_unlike) {
        my $pattern = _ports(_expected($block, 'response_body_unlike', $at));
        Test::More::unlike($body, qr/$pattern/s,
                           "$name - response_body_unlike - response is"
                           . ' expected (' . shorten($body) . ')');
    }

    $_->($block, $body, $at->{req}, $at->{repeat}, 0) for @ResponseBodyChecks;
}


sub _body_is {
    my ($block, $body, $at) = @_;

    my $expected = _expected($block, 'response_body', $at);
    my $name = $block->name . ' - response_body - response is expected'
               . " (repeated req $at->{repeat}, req $at->{req})";

    $expected = _ports(expand_env($expected, $block->name, $at->{ports}));

    if (ref $expected) {
        Test::More::like($body, $expected, $name);

    } else {
        is_str($body, $expected, $name);
    }
}


1;
