# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# What the t/submit*.t share: an nginx that takes crashes, forms, and a reader
# of the spool that knows nothing but docs/spool.md.

package SubmitTest;

use strict;
use warnings;

use Compress::Zlib qw(memGzip);
use Digest::SHA qw(sha256_hex);
use Exporter 'import';
use Fcntl qw(:flock);
use IO::Socket::INET;
use JSON::PP ();
use Test::More;

use TeckenTest::HTTP ();
use TeckenTest::Nginx;
use TeckenTest::Process qw(
    give_away remove_tree slurp temp_dir wait_until write_file
);

our @EXPORT_OK = qw(
    chunked collector connection crash_of form gzip kept part post raw_post
    read_answer spool_dir spooled
);

my $Boundary = '------------------------0123456789abcdef';
my @Dirs;
my %Read;                            # files never change


# A spool that nothing is moved out of: the mover's lock is ours.
sub spool_dir
{
    my $dir = temp_dir('antenna');
    write_file("$dir/lock", '');
    give_away($dir, "$dir/lock");

    open my $lock, '+<', "$dir/lock" or die "$dir/lock: $!\n";
    flock $lock, LOCK_EX or die "flock: $!\n";

    push @Dirs, [ $$, $dir, $lock ];

    return $dir;
}


END
{
    local $?;
    remove_tree($_->[1]) for grep { $_->[0] == $$ } @Dirs;
}


# An nginx with /submit; options: spool (one of its own), location (text for
# /submit), http, server and those of TeckenTest::Nginx.
sub collector
{
    my (%options) = @_;

    my $spool = delete $options{spool} // spool_dir();
    my $location = delete $options{location} // '';
    my $server = delete $options{server} // '';
    my $http = delete $options{http} // '';

    my $nginx = TeckenTest::Nginx->start(
        http => "tecken_zone tecken:4m; antenna_spool_min_free 0;
                 antenna_spool $spool; antenna_store_to off; $http",
        server => "client_max_body_size 25m;
                   location = /submit { antenna_submit; $location }
                   $server",
        %options,
    );
    $nginx->{spool} = $spool;

    return $nginx;
}


# [ name => value ] is an annotation as curl writes it; a hash may have type,
# filename, disposition (the whole header's value), headers, data.
sub part
{
    my ($part) = @_;

    return $part if !ref $part;

    $part = { name => $part->[0], data => $part->[1] }
        if ref $part eq 'ARRAY';

    my $disposition = $part->{disposition}
                      // qq(form-data; name="$part->{name}")
                         . (defined $part->{filename}
                            ? qq(; filename="$part->{filename}") : '');

    return "Content-Disposition: $disposition\r\n"
           . (defined $part->{type} ? "Content-Type: $part->{type}\r\n" : '')
           . ($part->{headers} // '') . "\r\n" . $part->{data};
}


sub form
{
    my ($boundary, @parts) = @_;

    return join '', (map { "--$boundary\r\n" . part($_) . "\r\n" } @parts),
                    "--$boundary--\r\n";
}


sub gzip { return memGzip($_[0]) }


sub chunked
{
    my ($body, $size) = @_;

    $size //= 1000;
    my $text = '';

    for (my $i = 0; $i < length $body; $i += $size) {
        my $piece = substr $body, $i, $size;
        $text .= sprintf "%x\r\n%s\r\n", length $piece, $piece;
    }

    return $text . "0\r\n\r\n";
}


# A form of these parts; options: path, headers, encode (a sub on the body).
sub post
{
    my ($nginx, $parts, %options) = @_;

    my $body = form($Boundary, @$parts);
    $body = $options{encode}->($body) if $options{encode};

    return raw_post($nginx, $body, %options);
}


sub raw_post
{
    my ($nginx, $body, %options) = @_;

    my %headers = (
        'Content-Type' => "multipart/form-data; boundary=$Boundary",
        %{ $options{headers} // {} },
    );
    delete $headers{$_} for grep { !defined $headers{$_} } keys %headers;

    if ($headers{'Transfer-Encoding'}) {
        my $text = join "\r\n",
            'POST ' . ($options{path} // '/submit') . ' HTTP/1.1',
            'Host: localhost', 'Connection: close',
            (map { "$_: $headers{$_}" } sort keys %headers), '', $body;

        return TeckenTest::HTTP::exchange($nginx->port, 'POST', $text, 60);
    }

    return $nginx->request('POST', $options{path} // '/submit',
                           body => $body, headers => \%headers,
                           timeout => $options{timeout} // 60);
}


sub connection
{
    my ($nginx) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $nginx->port, Timeout => 60,
    ) or die "connect: $!\n";
    $socket->autoflush(1);

    return $socket;
}


# One answer of a connection that may stay open: [ status, headers, body ].
sub read_answer
{
    my ($socket, $seconds) = @_;

    my $buffer = '';

    local $SIG{ALRM} = sub { die "no answer in time\n" };
    alarm($seconds // 60);

    while ($buffer !~ /\r\n\r\n/) {
        my $n = sysread $socket, $buffer, 65536, length $buffer;
        last if !$n;
    }

    my ($head, $body) = split /\r\n\r\n/, $buffer, 2;
    my $answer = TeckenTest::HTTP::parse_response(($head // '') . "\r\n\r\n");

    if (!$answer) {
        alarm 0;
        return;
    }

    $answer->{body} = $body;

    while (length $answer->{body} < ($answer->{headers}{'content-length'}
                                     // 0))
    {
        my $n = sysread $socket, $answer->{body}, 65536,
                        length $answer->{body};
        last if !$n;
    }

    alarm 0;

    return $answer;
}


# Every crash of DIR/new: { crash_id, received, chosen, raw_crash (its bytes),
# dump_names, dumps => { name => bytes }, order => [ names ] }.  Dies of what
# is not as docs/spool.md says.
sub spooled
{
    my ($nginx) = @_;

    my $dir = ref $nginx ? $nginx->{spool} : $nginx;

    return map { @{ $Read{$_} //= [ read_file($_) ] } }
           sort glob "$dir/new/*";
}


sub read_file
{
    my ($name) = @_;

    my $data = slurp($name);
    my ($count) = $name =~ m{/\d{14}\.\d+\.\d+\.\d+\.(\d+)\z}
        or die "a file with a strange name: $name\n";
    my @crashes;

    while (length $data) {
        my $end = substr $data, -128;
        my ($length, $index, $sha256) =
            $end =~ /\Aantenna-end ([0-9a-f]{16}) ([0-9a-f]{16}) ([0-9a-f]{64}) *\n\z/
            or die "$name: no end line\n";

        $length = hex $length;
        $index = hex $index;
        die "$name: too long a record\n" if $length > length $data;

        my $record = substr $data, -$length;
        substr($data, -$length) = '';

        die "$name: no head\n"
            if substr($record, 0, 16) ne "antenna-spool 1\n";

        my $line = substr $record, $index, $length - 128 - $index;
        die "$name: the index is damaged\n" if sha256_hex($line) ne $sha256;

        unshift @crashes, crash_of(JSON::PP->new->decode($line), $record);
    }

    die "$name: " . @crashes . " crashes\n" if @crashes != $count;

    return @crashes;
}


sub crash_of
{
    my ($index, $record) = @_;

    my %crash = (crash_id => $index->{crash_id}, index => $index,
                 received => $index->{received}, dumps => {});

    for my $object (@{ $index->{objects} }) {
        my $bytes = substr $record, $object->{offset}, $object->{length};

        die "an object is damaged\n"
            if sha256_hex($bytes) ne $object->{sha256}
               || length $bytes != $object->{length};

        push @{ $crash{order} }, $object->{kind};

        if ($object->{kind} eq 'dump') {
            $crash{dumps}{ $object->{name} } = $bytes;
        } else {
            $crash{ $object->{kind} } = $bytes;
        }
    }

    $crash{raw} = JSON::PP->new->decode($crash{raw_crash});

    return \%crash;
}


# The crash of an answer's id, which must be there once.
sub kept
{
    my ($nginx, $answer) = @_;

    my ($id) = $answer->{body} =~
        /\ACrashID=bp-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\n\z/
        or die "no crash id: $answer->{status} $answer->{body}\n";

    my @found = grep { $_->{crash_id} eq $id } spooled($nginx);
    die "$id is there " . @found . " times\n" if @found != 1;

    return $found[0];
}


1;
