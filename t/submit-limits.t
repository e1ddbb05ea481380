# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Limits: each has an answer of its own, and one byte less is accepted.  Slow
# clients, clients that vanish, memory.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);

use SubmitTest qw(
    chunked collector connection form gzip kept post raw_post read_answer
    spooled
);
use TeckenTest::Nginx;
use TeckenTest::Process qw(wait_until);

my $spool = SubmitTest::spool_dir();
my $nginx = collector(
    workers => 1, spool => $spool,
    server => "
        location = /small { antenna_submit; client_max_body_size 20k; }
        location = /inflated { antenna_submit;
                               antenna_max_inflated_size 100k; }
        location = /annotation { antenna_submit;
                                 antenna_max_annotation_size 100; }
        location = /annotations { antenna_submit;
                                  antenna_max_annotations_size 64k; }
        location = /names { antenna_submit; antenna_max_annotations 3; }
        location = /alias { antenna_submit; antenna_max_annotations 3;
                            antenna_annotation_alias a z; }
        location = /parts { antenna_submit; antenna_max_parts 3; }
        location = /headers { antenna_submit; antenna_max_part_headers 2; }
        location = /header { antenna_submit;
                             antenna_max_part_headers_size 200; }
        location = /depth { antenna_submit; antenna_max_json_depth 3; }
        location = /dumps { antenna_submit; antenna_max_dumps 2; }
        location = /timeout { antenna_submit; antenna_body_timeout 300ms; }
        location = /read { antenna_submit; client_body_timeout 300ms; }
        location = /metrics { tecken_metrics; }
    ",
);

my $Large = 'Discarded=malformed_too_large';
my $Type = 'multipart/form-data; boundary=X';


sub dump_of
{
    my ($name, $data) = @_;

    return { name => $name, filename => 'x', data => $data,
             type => 'application/octet-stream' };
}


sub limit
{
    my ($path, $good, $bad, %options) = @_;

    is post($nginx, $good, path => $path, %options)->{status}, 200,
       "$path: just within";

    my $answer = post($nginx, $bad, path => $path, %options);
    is "$answer->{status} $answer->{body}",
       ($options{status} // 413) . ' ' . ($options{answer} // $Large),
       "$path: too much";
}


sub json { return [ { name => 'e', type => 'application/json',
                      data => $_[0] } ] }

my @gzip = (encode => \&gzip, headers => { 'Content-Encoding' => 'gzip' });

limit('/inflated', [ [ a => 'x' x 102_000 ] ], [ [ a => 'x' x 102_400 ] ],
      @gzip);
limit('/annotation', [ [ a => 'x' x 100 ] ], [ [ a => 'x' x 101 ] ]);
limit('/annotations', [ map { [ $_ => 'x' x 1000 ] } 'a' .. 'z' ],
      [ map { [ $_ => 'x' x 3000 ] } 'a' .. 'z' ]);
limit('/names', [ map { [ $_ => 1 ] } qw(a b c a b) ],
      [ map { [ $_ => 1 ] } qw(a b c d) ]);
limit('/alias', [ map { [ $_ => 1 ] } qw(a b) ],
      [ map { [ $_ => 1 ] } qw(a b c) ]);
limit('/parts', [ map { [ $_ => 1 ] } qw(a b c) ],
      [ map { [ $_ => 1 ] } qw(a b a b) ]);
limit('/headers', [ { name => 'a', type => 'text/plain', data => 1 } ],
      [ { name => 'a', type => 'text/plain', headers => "X: y\r\n",
          data => 1 } ]);
limit('/header', [ [ 'a' x 100 => 1 ] ], [ [ 'a' x 200 => 1 ] ]);
limit('/dumps', [ [ a => 1 ], dump_of('x', 1), dump_of('y', 2) ],
      [ [ a => 1 ], map { dump_of($_, 1) } qw(x y z) ]);
limit('/depth', json('{"a": {"b": [1]}}'), json('{"a": {"b": [[1]]}}'),
      status => 400, answer => 'Discarded=malformed_invalid_json');

body_size();
bombs();
many();
slow();
vanishing();
memory();
refused_configurations();

wait_until('tmp/ to be empty', 10, sub { !glob "$spool/tmp/*" });
pass('nothing is left in tmp/');

unlike $nginx->error_log, qr/\[(?:alert|crit|emerg)\]/, 'no complaint';

$nginx->stop;

done_testing;


sub body_size
{
    my $body = form('X', [ a => 'x' x 30_000 ]);

    is raw_post($nginx, $body, path => '/small', headers => {
                    'Content-Type' => $Type })->{status}, 413,
       'client_max_body_size, by length';

    for my $size (100, 40_000) {
        my $answer = raw_post($nginx, chunked($body, $size), path => '/small',
            headers => { 'Content-Type' => $Type,
                         'Transfer-Encoding' => 'chunked' });
        is "$answer->{status} $answer->{body}", "413 $Large",
           "client_max_body_size, in chunks of $size";
    }
}


# 100 MiB out of 100 KiB, in a dump, in an annotation, between parts
sub bombs
{
    my $zeros = "\0" x (120 << 20);
    my $before = ($nginx->rss($nginx->workers))[0];

    for my $where ('dump', 'annotation', 'preamble') {
        my $body = $where eq 'dump' ? form('X', [ a => 1 ],
                                           dump_of('d', $zeros))
                   : $where eq 'annotation' ? form('X', [ a => $zeros ])
                   : $zeros . form('X', [ a => 1 ]);
        my $zip = gzip($body);
        undef $body;

        my $answer = raw_post($nginx, $zip, timeout => 60, headers => {
            'Content-Type' => $Type, 'Content-Encoding' => 'gzip' });
        is "$answer->{status} $answer->{body}", "413 $Large",
           "a bomb of gzip: $where";
    }

    my $grown = ($nginx->rss($nginx->workers))[0] - $before;
    cmp_ok $grown, '<', 40 << 20, 'and memory is as it was';
}


# parts without end cost little
sub many
{
    my $start = $nginx->cpu($nginx->workers);

    my $answer = post($nginx, [ map { [ "n$_" => '' ] } 1 .. 100_000 ]);
    is "$answer->{status} $answer->{body}", "413 $Large", '100,000 parts';

    my $open = '{"a":' x 100_000;
    $answer = post($nginx, json($open));
    is $answer->{status}, 400, 'deep JSON';

    $answer = post($nginx, [ [ a => "\r\n--X" x 400_000 ] ]);
    is $answer->{status}, 200, 'nearly delimiters';

    cmp_ok $nginx->cpu($nginx->workers) - $start, '<', 5,
           'seconds of CPU for all';
}


sub slow
{
    my $socket = connection($nginx);
    print {$socket} "POST /timeout HTTP/1.1\r\nHost: x\r\nContent-Type: $Type"
                    . "\r\nContent-Length: 100000\r\n\r\n--X\r\n";

    # it sends all the time, nginx's own timeout would never come
    my $writer = fork // die "fork: $!\n";
    if (!$writer) {
        local $SIG{PIPE} = 'IGNORE';
        for (1 .. 400) {
            syswrite($socket, 'x') // last;
            sleep 0.02;
        }
        require POSIX;
        POSIX::_exit(0);
    }

    my $answer = read_answer($socket);
    is $answer->{status}, 408, 'antenna_body_timeout';
    is $answer->{headers}{connection}, 'close', 'and the connection is closed';

    kill 'KILL', $writer;
    waitpid $writer, 0;

    $socket = connection($nginx);
    print {$socket} "POST /read HTTP/1.1\r\nHost: x\r\nContent-Type: $Type"
                    . "\r\nContent-Length: 100000\r\n\r\n--X\r\n";
    is read_answer($socket), undef, 'client_body_timeout closes';

    # byte by byte a crash is one as well
    $socket = connection($nginx);
    my $body = form('X', [ a => 'b' ], dump_of('d', 'data'));
    print {$socket} "POST /submit HTTP/1.1\r\nHost: x\r\nContent-Type: $Type"
                    . "\r\nContent-Length: " . length($body) . "\r\n\r\n";

    for my $ch (split //, $body) {
        syswrite $socket, $ch;
        sleep 0.001;
    }

    is kept($nginx, read_answer($socket))->{dumps}{d}, 'data',
       'byte by byte';
}


# cut at different places: in front of a dump, in one that is on the disk
# already, in front of the last byte
sub vanishing
{
    my $crashes = () = spooled($nginx);
    my $body = form('X', [ a => 'b' ], dump_of('d', 'x' x 1_000_000));

    for my $sent (0, 50, 200, 70_000, 500_000, length($body) - 1) {
        for my $reset (0, 1) {
            my $socket = connection($nginx);
            print {$socket} "POST /submit HTTP/1.1\r\nHost: x\r\n"
                            . "Content-Type: $Type\r\nContent-Length: "
                            . length($body) . "\r\n\r\n"
                            . substr $body, 0, $sent;

            if ($sent >= 500_000) {
                wait_until('a file in tmp/', 10,
                           sub { glob "$spool/tmp/*" });
            }

            setsockopt $socket, Socket::SOL_SOCKET(), Socket::SO_LINGER(),
                       pack('ii', 1, 0) if $reset;
            close $socket;

            wait_until('tmp/ to be empty', 10,
                       sub { !glob "$spool/tmp/*" });
        }
    }

    is scalar(() = spooled($nginx)), $crashes, 'clients that vanish';
}


# each client has sent some of a dump, and waits
sub memory
{
    my $before = ($nginx->rss($nginx->workers))[0];
    my $n = 200;
    my @sockets;

    for (1 .. $n) {
        my $socket = connection($nginx);
        my $body = "--X\r\n" . SubmitTest::part([ a => 1 ]) . "\r\n--X\r\n"
                   . SubmitTest::part(dump_of('d', 'x' x 130_000));

        print {$socket} "POST /submit HTTP/1.1\r\nHost: x\r\nContent-Type: "
                        . "$Type\r\nContent-Length: 1500000\r\n\r\n$body";
        push @sockets, $socket;
    }

    # two buffers of each are on the disk, the rest is in memory
    wait_until('files', 20, sub { (() = glob "$spool/tmp/*") == $n });

    my $each = (($nginx->rss($nginx->workers))[0] - $before) / $n / 1024;
    cmp_ok $each, '<', 128, sprintf '%.0f KiB for a slow client', $each;

    close $_ for @sockets;
}


sub refused_configurations
{
    my %wrong = (
        'antenna_max_parts 0;' => qr/antenna_max_parts|value must/,
        'antenna_max_dumps 5000;' => qr/value must/,
        'antenna_max_annotation_size 0;' => qr/must not be 0/,
        'antenna_dialect 2020;' => qr/invalid value "2020"/,
        'antenna_client_crash_id no;' => qr/invalid value "no"/,
        'antenna_client_crash_id bearer=/nonexistent;' => qr/nonexistent/,
        'antenna_client_crash_id bearer=/dev/null;' => qr/no token/,
        'antenna_client_crash_id bearer=/dev/zero;' => qr/too large/,
        'antenna_store_to nowhere;' => qr/no "tecken_storage" called/,
        'antenna_store_to "";' => qr/needs "antenna_store_to"/,
        'antenna_spool /;' => qr/must not be the root/,
        'antenna_spool a; antenna_spool b;' => qr/is duplicate/,
        'antenna_annotation_alias a b; antenna_annotation_alias a c;'
            => qr/is duplicate/,
        'antenna_crashmovers 0;' => qr/value must/,
        'antenna_max_part_headers_size 0;' => qr/must not be 0/,
        'antenna_max_part_headers_size 9k;' => qr/8192 bytes at most/,
        'antenna_spool "";' => qr/must not be empty/,
    );

    for my $line (sort keys %wrong) {
        my $text = eval { TeckenTest::Nginx->refuses(
            http => 'tecken_zone tecken:4m;',
            server => "location /s { antenna_submit; $line "
                      . ($line =~ /antenna_spool/ ? ''
                         : 'antenna_spool spool;')
                      . ($line =~ /store_to/ ? '' : 'antenna_store_to off;')
                      . '}') } // "accepted: $@";

        like $text, $wrong{$line}, "refused: $line";
        like $text, qr/in \S+nginx\.conf:\d+/, 'with file and line';
    }

    like(TeckenTest::Nginx->refuses(
        server => 'location /s { antenna_submit; antenna_spool spool;
                                 antenna_store_to off; }'),
        qr/needs "tecken_zone" in \S+nginx\.conf:\d+/, 'no zone');
    like(TeckenTest::Nginx->refuses(
        http => 'tecken_zone tecken:4m; antenna_store_to off;',
        server => 'location /s { antenna_submit; antenna_spool s;
                                 antenna_spool_sync fast; }
                   location /t { antenna_submit; antenna_spool s; }'),
        qr/has other settings/, 'two settings of a spool');
}
