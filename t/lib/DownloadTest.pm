# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# For t/download-*.t: what a download server says to a client of its own, and
# what it leaves in its logs.  The answers of blocks are checked by blocks;
# this is for what a block can not say.

package DownloadTest;

use strict;
use warnings;

use Exporter 'import';
use IO::Select ();
use IO::Socket::INET ();
use Test::More ();
use Time::HiRes qw(time);

use TeckenTest::FaultProxy;
use TeckenTest::HTTP qw(parse_response take_head);
use TeckenTest::Process qw(wait_until);

our @EXPORT = qw(
    answer answered ask ask_status error_lines fault_proxy metric read_log
    same send_request_to settled write_text
);

# generous: a sanitizer's nginx on a busy machine
use constant TIMEOUT => 60;

my $Owner = $$;
my @Proxies;


# Another fault proxy in front of a port; it ends with the test.
sub fault_proxy
{
    my ($upstream) = @_;

    my $proxy = TeckenTest::FaultProxy->start(upstream => $upstream);
    push @Proxies, $proxy;

    return $proxy;
}


# Sends a request and returns a handle for answer(); options: headers (a list
# of lines), body, version.
sub send_request_to
{
    my ($method, $target, %options) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => main::server_port(),
        Proto => 'tcp', Timeout => TIMEOUT,
    ) or die "connect to nginx: $!\n";

    my $body = $options{body} // '';
    my @lines = ("$method $target HTTP/" . ($options{version} // '1.1'),
                 'Host: localhost', 'Connection: close',
                 @{ $options{headers} // [] });

    push @lines, 'Content-Length: ' . length $body if $body ne '';

    my $client = {
        socket => $socket, method => $method, buffer => '', start => time,
    };

    local $SIG{PIPE} = 'IGNORE';
    syswrite $socket, join "\r\n", @lines, '', $body;

    return $client;
}


# Has it been answered, or does it become so within $seconds?
sub answered
{
    my ($client, $seconds) = @_;

    my $select = IO::Select->new($client->{socket});

    return length $client->{buffer} || $select->can_read($seconds // 0) || 0;
}


# { status, headers => { lower-case names }, head, body, seconds }
sub answer
{
    my ($client) = @_;

    my $select = IO::Select->new($client->{socket});
    my $end = time + TIMEOUT;

    while (1) {
        die "no answer to $client->{method}\n"
            if !$select->can_read($end - time);

        my $n = sysread $client->{socket}, $client->{buffer}, 1 << 18,
                        length $client->{buffer};
        last if !$n;
    }

    my $seconds = time - $client->{start};
    my $buffer = $client->{buffer};
    my $head = take_head(\$buffer) // die "no head: $buffer\n";
    my $answer = parse_response($head) // die "bad head: $head\n";
    my $framing = TeckenTest::HTTP::Body->for_response(
        $client->{method}, $answer->{status}, $answer->{headers});

    $answer->{body} = '';
    $framing->take(\$buffer, \$answer->{body});
    die "the body is cut\n" if !$framing->done && !$framing->until_close;
    die "bytes after the answer: $buffer\n" if $buffer ne '';

    return { %$answer, head => $head, seconds => $seconds };
}


sub ask { return answer(send_request_to(@_)) }

sub ask_status { return ask(@_)->{status} }


# Fails with the name of the block, so that a report says where.
sub same
{
    my ($got, $expected, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    Test::More::is($got, $expected, $name);
}


# A sample of /metrics, or undef.
sub metric
{
    my ($series) = @_;

    return ask('GET', '/metrics')->{body} =~ /^\Q$series\E (\S+)$/m ? $1
                                                                     : undef;
}


sub read_log
{
    my ($name) = @_;

    open my $file, '<:raw', main::server_root() . "/logs/$name" or return '';
    local $/;

    return scalar <$file> // '';
}


# Lines of the error log that match.
sub error_lines
{
    my ($pattern) = @_;

    return grep { $_ =~ $pattern } split /^/, read_log('error.log');
}


# Waits until $check holds: what nginx does after its answer.
sub settled
{
    my ($what, $check) = @_;

    return Test::More::ok(eval { wait_until($what, TIMEOUT, $check) }, $what);
}


sub write_text
{
    my ($path, $text) = @_;

    open my $file, '>:raw', $path or die "$path: $!\n";
    print $file $text;
    close $file or die "$path: $!\n";
}


END {
    if ($$ == $Owner) {
        local $?;
        $_->stop for splice @Proxies;
    }
}


1;
