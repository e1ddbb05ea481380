# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# What the fault proxy says by itself instead of asking the server.

package TeckenTest::FaultProxy::Answers;

use strict;
use warnings;

my %s3_code = (
    400 => 'InvalidRequest', 403 => 'AccessDenied', 404 => 'NoSuchKey',
    429 => 'TooManyRequests', 500 => 'InternalError', 503 => 'SlowDown',
);

# what follows the bytes: "keep" the connection, "close" it, "stall", or
# "repeat" => bytes for ever
my %answer = (
    status => \&_status,
    redirect => \&_redirect,
    garbage => sub { return ("\x16\x03\x01\0\xa5\r\n\r\nwhat?", 'close') },
    half_head => sub { return (_half_head(), 'stall') },
    half_head_close => sub { return (_half_head(), 'close') },
    huge_headers => \&_huge_headers,
    endless => \&_endless,
);


# (bytes, what follows, repeated bytes), or nothing for the other modes
sub for_rule
{
    my ($rule, $method) = @_;

    my $make = $answer{ $rule->{mode} } or return;

    return $make->($rule, $method);
}


sub _status
{
    my ($rule, $method) = @_;

    my $status = $rule->{status} // 500;
    my %headers = %{ $rule->{headers} // {} };
    my $body = $rule->{body};

    if (!defined $body && $status >= 400) {
        my $code = $rule->{code} // $s3_code{$status} // "Status$status";
        $headers{'Content-Type'} //= 'application/xml';
        $body = qq{<?xml version="1.0" encoding="UTF-8"?>\n}
                . "<Error><Code>$code</Code><Message>injected</Message>"
                . '<RequestId>fault</RequestId></Error>';
    }

    return (_message($status, $method, $body // '', %headers), 'keep');
}


sub _redirect
{
    my ($rule, $method) = @_;

    return (_message($rule->{status} // 301, $method, '',
                     Location => $rule->{location}), 'keep');
}


sub _half_head
{
    return "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nETag: \"abc";
}


sub _huge_headers
{
    my ($rule, $method) = @_;

    my $size = $rule->{size} // 1 << 20;
    my $line = 'X-Fill: ' . 'x' x 990 . "\r\n";
    my $fill = $line x (1 + $size / length $line);

    return ("HTTP/1.1 200 OK\r\n${fill}Content-Length: 0\r\n\r\n", 'keep');
}


sub _endless
{
    my ($rule, $method) = @_;

    my $framing = $rule->{framing} // 'chunked';
    my $data = 'endless ' x 2048;

    my $header = {
        chunked => "Transfer-Encoding: chunked\r\n",
        length => "Content-Length: 9000000000000000000\r\n",
        close => "Connection: close\r\n",
    }->{$framing} // die "no framing $framing\n";

    $data = sprintf "%x\r\n%s\r\n", length $data, $data
        if $framing eq 'chunked';

    return ("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n$header\r\n",
            'repeat', $data);
}


sub _message
{
    my ($status, $method, $body, %headers) = @_;

    $headers{'Content-Length'} //= length $body if $status != 204;
    $body = '' if $method eq 'HEAD';

    return join "\r\n", "HTTP/1.1 $status Injected",
                (map { "$_: $headers{$_}" } sort keys %headers), '', $body;
}


1;
