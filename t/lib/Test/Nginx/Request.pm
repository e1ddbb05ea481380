# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# From the request sections of a block to the bytes to send.

package Test::Nginx::Request;

use strict;
use warnings;

use Exporter qw(import);

use Test::Nginx::Util qw($ServerName bail_out expand_env);

our @EXPORT_OK = qw(build_requests);


# Returns a list of connections to make, each { packets => [{ value,
# delay_before }], methods => [one for each response expected] }.

sub build_requests {
    my ($block, $ports) = @_;

    return _raw($block->raw_request) if defined $block->raw_request;

    return _pipelined($block, $ports) if defined $block->pipelined_requests;

    my $request = $block->request;
    bail_out($block->name, ' - no request section') if !defined $request;

    if (!ref $request) {
        $request =~ s/\A(?:\s*#[^\n]+\n|\s+)+//;
        return _one($block, $request, 0);
    }

    if (ref $request ne 'ARRAY') {
        bail_out($block->name, ' - request: neither text nor an array');
    }

    return map { _one($block, $request->[$_], $_) } 0 .. $#$request;
}


sub _raw {
    my ($raw) = @_;

    my @packets = map { { value => _bytes($_) } }
                  ref $raw eq 'ARRAY' ? @$raw : $raw;

    return {
        packets => \@packets,
        methods => [_method(join '', map { $_->{value} } @packets)],
    };
}


sub _pipelined {
    my ($block, $ports) = @_;

    my $requests = $block->pipelined_requests;

    if (ref $requests ne 'ARRAY') {
        bail_out($block->name, ' - pipelined_requests: not an array');
    }

    my (@bytes, @methods);

    for my $i (0 .. $#$requests) {
        my $text = expand_env($requests->[$i], $block->name, $ports);
        my $connection = $i == $#$requests ? 'close' : 'keep-alive';

        push @bytes, _build($block, [$text], $i, $connection);
        push @methods, _method($bytes[-1]);
    }

    return {
        packets => [{ value => join '', @bytes }],
        methods => \@methods,
    };
}


sub _one {
    my ($block, $request, $index) = @_;

    my @packets = ref $request eq 'ARRAY' ? @$request : $request;
    @packets = map { ref $_ ? { %$_ } : { value => $_ } } @packets;

    my @built = _build($block, [map { $_->{value} } @packets], $index,
                       'close');

    $packets[$_]{value} = $built[$_] for 0 .. $#packets;

    return { packets => \@packets, methods => [_method(join '', @built)] };
}


sub _method {
    my ($bytes) = @_;

    return $bytes =~ /\A\s*(\S+)/ ? $1 : '';
}


# Completes a request written by hand, cut into packets: adds what is missing
# and keeps each cut at the byte of the author's text where it was.

sub _build {
    my ($block, $packets, $index, $connection) = @_;

    my @packets = map { _bytes($_) } @$packets;
    my @pieces = _pieces($block, join('', @packets), $index, $connection);
    my $all = join '', map { $_->{new} } @pieces;

    my @out;
    my ($cut, $done) = (0, 0);

    for my $i (0 .. $#packets) {
        $cut += length $packets[$i];

        my $end = $i == $#packets ? length $all : _new_offset($cut, @pieces);
        push @out, substr $all, $done, $end - $done;
        $done = $end;
    }

    return @out;
}


# The text as consecutive pieces: how long each was, and what it becomes.

sub _pieces {
    my ($block, $text, $index, $connection) = @_;

    my ($lead, $method, $gap1, $uri, $gap2, $version, $eol, $body) =
        $text =~ /\A(\s*)(\S+)([ ]*)(?:(\S+)([ ]*)(?:(\S+)(?=\s|\z))?)?
                  ([^\S\n]*(?:\n|\z))(.*)\z/xs
        or bail_out($block->name,
                    ' - bad request line, not "METHOD [URI [HTTP/x]]": ',
                    $text =~ s/\n.*//sr);

    my ($head, $new_body) = _head($block, $index, $connection, $body);

    return _piece($lead, ''),
           _piece($method, "$method "),
           _piece($gap1, ''),
           _piece($uri, ($uri // '/') . ' '),
           _piece($gap2, ''),
           _piece($version, ($version // 'HTTP/1.1') . "\r\n"),
           _piece($eol, ''),
           _piece('', $head),
           _piece($body, $new_body);
}


sub _piece {
    my ($old, $new) = @_;

    return { old => length($old // ''), new => $new };
}


# Where byte $cut of the author's text is in the built request.

sub _new_offset {
    my ($cut, @pieces) = @_;

    my ($old, $new) = (0, 0);

    for my $piece (@pieces) {
        if ($cut < $old + $piece->{old}) {
            my $part = $cut - $old;
            my $max = length $piece->{new};

            return $new + ($part < $max ? $part : $max);
        }

        $old += $piece->{old};
        $new += length $piece->{new};
    }

    return $new;
}


# The header section, and the body that fits it: only a body whose length we
# announce is trimmed.

sub _head {
    my ($block, $index, $connection, $body) = @_;

    my ($more, $chunked) = _more_headers($block, $index);
    my $head = '';

    $head .= "Host: $ServerName\r\n" if $more !~ /^Host:/mi;
    $head .= "Connection: $connection\r\n" if $more !~ /^Connection/mi;
    $head .= $more;

    if (!$chunked && $body ne '' && $more !~ /^Content-Length:/mi) {
        $body =~ s/\A\s+|\s+\z//g;
        $head .= 'Content-Length: ' . length($body) . "\r\n";
    }

    return ("$head\r\n", $body);
}


sub _more_headers {
    my ($block, $index) = @_;

    my $text = $block->more_headers // '';

    if (ref $text eq 'ARRAY') {
        $text = $text->[$index]
            // bail_out($block->name, " - more_headers: none for request ",
                        $index + 1);
    }

    my ($out, $chunked) = ('', 0);

    for my $line (split /\n+/, _bytes($text)) {
        next if $line =~ /^\s*#/ || $line eq '';

        my ($name, $value) = split /:\s*/, $line, 2;
        $value //= '';
        $value =~ s/\r\z//;
        $chunked = 1 if lc $name eq 'transfer-encoding'
                        && $value eq 'chunked';
        $out .= "$name: $value\r\n";
    }

    return ($out, $chunked);
}


sub _bytes {
    my ($text) = @_;

    $text //= '';
    utf8::encode($text) if utf8::is_utf8($text) && !utf8::downgrade($text, 1);

    return $text;
}


1;
