# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Bytes from the server as a response: head, header fields and body.

package Test::Nginx::Response;

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(parse_response);


# Returns the response and the bytes after it. On a malformed body the response
# is undef and {error} says why; something merely odd is in {warning}.

sub parse_response {
    my ($raw, $method, $pipelined) = @_;

    my $self = bless { head => '', fields => [], body => '' }, __PACKAGE__;

    if ($raw =~ /\A(.*?\r\n)\r\n/s) {
        $self->{head} = $1;
        $self->_parse_head;
        $self->{body} = substr $raw, length($1) + 2;

    } else {
        $self->{head} = $raw =~ /\r\n/ ? $raw : '';
        $self->_parse_head;
        $self->{body} = $self->{head} eq '' ? $raw : '';
    }

    my $left = $self->_cut_body($method, $pipelined);

    return ($self, $left);
}


sub _parse_head {
    my ($self) = @_;

    my ($status, @lines) = split /\r?\n/, $self->{head};

    return if !defined $status;

    $self->{code} = $1 if $status =~ m{\A\S+\s+(\d+)(?:\s|\z)};

    for my $line (@lines) {
        if ($line =~ /\A([^\s:]+)[ \t]*: ?(.*)\z/) {
            push @{ $self->{fields} }, [lc $1, $2];

        } elsif ($line =~ /\A[ \t]/ && @{ $self->{fields} }) {
            $self->{fields}[-1][1] .= "\n$line";
        }
    }
}


# What follows a head without a body belongs to the next response, if there is
# one; otherwise it is shown as the body, so that a test can notice it.

sub _cut_body {
    my ($self, $method, $pipelined) = @_;

    my $code = $self->{code} // 0;

    if ($method eq 'HEAD' || $code == 204 || $code == 304 || $code < 200) {
        return '' if !$pipelined || ($code && $code < 200);

        my $left = $self->{body};
        $self->{body} = '';
        return $left;
    }

    my $encoding = $self->header('Transfer-Encoding') // '';
    return $self->_dechunk if $encoding eq 'chunked';

    my $length = $self->header('Content-Length') // '';
    return '' if $length !~ /^\d+$/;

    my $got = length $self->{body};

    if ($got < $length) {
        $self->{warning} = "response body truncated: $length expected, "
                           . "but got $got";
        return '';
    }

    return substr $self->{body}, $length, $got, '';
}


sub _dechunk {
    my ($self) = @_;

    my $raw = $self->{body};
    my $body = '';
    pos($raw) = 0;

    while ($raw !~ /\G0+[ \t]*\r\n\r\n/gc) {
        if ($raw !~ /\G[ \t]*([0-9A-Fa-f]+)[ \t]*\r\n/gc) {
            $raw =~ /\G(.*)/gcs;
            $self->{error} = $1 eq '' ? 'no last chunk found'
                             : 'invalid chunked body received: '
                               . substr $1, 0, 80;
            return '';
        }

        my $size = hex $1;
        my $from = pos $raw;

        if (length($raw) - $from < $size) {
            $self->{error} = 'invalid chunked data received (not enough octets'
                             . ' for the data section)';
            return '';
        }

        $body .= substr $raw, $from, $size;
        pos($raw) = $from + $size;

        if ($raw !~ /\G\r\n/gc) {
            $self->{error} = 'invalid chunked data received (expected CRLF)';
            return '';
        }
    }

    $self->{body} = $body;

    return substr $raw, pos $raw;
}


# All fields of that name, joined; undef when there is none.

sub header {
    my ($self, $name) = @_;

    my @values = map { $_->[1] } grep { $_->[0] eq lc $name }
                 @{ $self->{fields} };

    return @values ? join ', ', @values : undef;
}


sub code { return $_[0]{code} // '' }
sub head { return $_[0]{head} }
sub error { return $_[0]{error} }
sub warning { return $_[0]{warning} }

sub content {
    my ($self, @new) = @_;

    $self->{body} = $new[0] if @new;

    return $self->{body};
}


1;
