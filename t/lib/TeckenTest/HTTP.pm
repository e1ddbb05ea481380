# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# HTTP/1.1 heads and the framing of bodies (RFC 9112), for the S3 client,
# the fault proxy and the load client.

package TeckenTest::HTTP;

use strict;
use warnings;

use Errno ();
use Exporter 'import';
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_RCVTIMEO SO_SNDTIMEO);

our @EXPORT_OK = qw(
    exchange parse_request parse_response take_head uri_escape
);


# Sends a request (one that says "Connection: close") to a port of loopback;
# returns { status, headers, body } or dies.
sub exchange
{
    my ($port, $method, $request, $timeout) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $port, Proto => 'tcp',
        Timeout => $timeout,
    ) or die "connect to 127.0.0.1:$port: $!\n";

    my $wait = pack 'l!l!', $timeout, 0;
    setsockopt $socket, SOL_SOCKET, $_, $wait for SO_RCVTIMEO, SO_SNDTIMEO;

    local $SIG{PIPE} = 'IGNORE';

    my $answer = eval { _converse($socket, $method, $request) };
    die "$method to 127.0.0.1:$port: $@" if !$answer;

    return $answer;
}


sub _converse
{
    my ($socket, $method, $request) = @_;

    my $sent = 0;
    while ($sent < length $request) {
        my $n = syswrite $socket, $request, 1 << 20, $sent;

        # the server may have answered and closed: read what it said
        last if !defined $n;
        $sent += $n;
    }

    my ($buffer, $n) = ('');
    1 while $n = sysread $socket, $buffer, 1 << 20, length $buffer;
    die "no answer in time\n" if !defined $n && $!{EAGAIN};

    return _answer($method, $buffer);
}


sub _answer
{
    my ($method, $buffer) = @_;

    while (1) {
        my $head = take_head(\$buffer) // die "no response head\n";
        my $answer = parse_response($head) // die "bad response head\n";

        # 100 Continue
        next if $answer->{status} < 200;

        my $body = TeckenTest::HTTP::Body->for_response(
            $method, $answer->{status}, $answer->{headers});

        $answer->{body} = '';
        $body->take(\$buffer, \$answer->{body});
        die "the response is cut\n" if !$body->done && !$body->until_close;

        return $answer;
    }
}


# Cuts a complete head off the front of $$buffer; undef while it is not there.
sub take_head
{
    my ($buffer) = @_;

    my $end = index $$buffer, "\r\n\r\n";
    return if $end < 0;

    return substr $$buffer, 0, $end + 4, '';
}


# { method, target, headers } or undef.
sub parse_request
{
    my ($head) = @_;

    my ($method, $target) = $head =~ m{\A(\S+) (\S+) HTTP/1\.[01]\r\n}
        or return;

    return {
        method => $method, target => $target, headers => _headers($head),
    };
}


# { status, headers, keep_alive } or undef.
sub parse_response
{
    my ($head) = @_;

    my ($minor, $status) = $head =~ m{\AHTTP/1\.([01]) (\d{3})} or return;

    my $headers = _headers($head);
    my $connection = lc($headers->{connection} // '');

    return {
        status => $status, headers => $headers,
        keep_alive => $minor ? $connection ne 'close'
                             : $connection eq 'keep-alive',
    };
}


# Lower-case names; repeated headers are joined.
sub _headers
{
    my ($head) = @_;

    my %headers;

    while ($head =~ /\r\n([^\s:]+):[ \t]*([^\r\n]*)/g) {
        my ($name, $value) = (lc $1, $2);
        $value =~ s/\s+\z//;

        $headers{$name} = defined $headers{$name}
                          ? "$headers{$name}, $value" : $value;
    }

    return \%headers;
}


# RFC 3986 unreserved stay; $keep adds to them.
sub uri_escape
{
    my ($bytes, $keep) = @_;

    $keep //= '';
    $bytes =~ s/([^A-Za-z0-9\-._~\Q$keep\E])/sprintf '%%%02X', ord $1/ge;

    return $bytes;
}


package TeckenTest::HTTP::Body;

# Finds where a message body ends, in bytes as they arrive.


# kinds: "none", "length" with $length, "chunked", "close" (until EOF)
sub new
{
    my ($class, $kind, $length) = @_;

    return bless {
        kind => $kind, left => $length // 0, state => 'size', line => '',
        done => $kind eq 'none' || ($kind eq 'length' && !$length),
    }, $class;
}


sub for_request
{
    my ($class, $headers) = @_;

    return $class->new('chunked')
        if lc($headers->{'transfer-encoding'} // '') =~ /chunked\z/;

    return $class->new('length', $headers->{'content-length'} // 0);
}


sub for_response
{
    my ($class, $method, $status, $headers) = @_;

    return $class->new('none')
        if $method eq 'HEAD' || $status < 200 || $status == 204
           || $status == 304;

    return $class->new('chunked')
        if lc($headers->{'transfer-encoding'} // '') =~ /chunked\z/;

    return $class->new('length', $headers->{'content-length'})
        if defined $headers->{'content-length'};

    return $class->new('close');
}


sub done
{
    return $_[0]{done};
}


# Only EOF ends such a body.
sub until_close
{
    return $_[0]{kind} eq 'close';
}


# Takes this body's raw bytes off the front of $$buffer and returns them.
# With $content, the decoded bytes are appended to $$content too.
sub take
{
    my ($self, $buffer, $content) = @_;

    return '' if $self->{done};
    return $self->_take_chunked($buffer, $content)
        if $self->{kind} eq 'chunked';

    my $n = length $$buffer;

    if ($self->{kind} eq 'length') {
        $n = $self->{left} if $n > $self->{left};
        $self->{left} -= $n;
        $self->{done} = 1 if $self->{left} == 0;
    }

    my $bytes = substr $$buffer, 0, $n, '';
    $$content .= $bytes if $content;

    return $bytes;
}


sub _take_chunked
{
    my ($self, $buffer, $content) = @_;

    my $taken = '';

    while (length $$buffer && !$self->{done}) {

        if ($self->{state} eq 'data') {
            my $bytes = substr $$buffer, 0, $self->{left}, '';
            $self->{left} -= length $bytes;
            $taken .= $bytes;
            $$content .= $bytes if $content;
            $self->{state} = 'end' if $self->{left} == 0;
            next;
        }

        my $eol = index $$buffer, "\n";
        my $part = substr $$buffer, 0, $eol < 0 ? length $$buffer : $eol + 1,
                          '';
        $taken .= $part;
        $self->{line} .= $part;

        $self->_chunk_line if $eol >= 0;
    }

    return $taken;
}


sub _chunk_line
{
    my ($self) = @_;

    my $line = $self->{line};
    $self->{line} = '';

    if ($self->{state} eq 'end') {
        $self->{state} = 'size';

    } elsif ($self->{state} eq 'size') {
        $self->{left} = hex(($line =~ /\A([0-9a-fA-F]+)/)[0] // 0);
        $self->{state} = $self->{left} ? 'data' : 'trailer';

    } elsif ($line =~ /\A\r?\n\z/) {
        $self->{done} = 1;
    }
}


1;
