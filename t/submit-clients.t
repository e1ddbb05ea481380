# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# What the clients of Antenna send, byte by byte as their sources and captures
# have it, and what each of them takes for success.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Test::More;

use SubmitTest qw(
    chunked collector connection gzip kept read_answer spooled
);
use TeckenTest::Process qw(run_child slurp write_file);

# ends with what looks like a line end, a delimiter's start, a header
my $Dump = join('', map { chr(($_ * 7919 >> 3) & 255) } 1 .. 150_000)
           . "\r\n--\r\n----";

my $nginx = collector(
    location => 'antenna_annotation_alias prod ProductName;
                 antenna_annotation_alias ver Version;',
);


# the bytes of a request with its head; the crash it became
sub send_as
{
    my ($what, $head, $body) = @_;

    my @head = split /\n/, $head;
    push @head, 'Content-Length: ' . length $body
        if !grep { /^Transfer-Encoding: chunked/ } @head;

    my $socket = connection($nginx);
    print {$socket} join "\r\n", @head, '', $body;

    my $answer = read_answer($socket);

    is $answer->{status}, 200, "$what: exactly 200";
    is $answer->{headers}{'content-length'}, length $answer->{body},
       "$what: Content-Length";
    my ($line) = grep { /=/ } split /\n/, $answer->{body};
    like $line, qr/^CrashID=bp-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
         "$what: as CrashSubmit looks for it";
    is scalar(() = $line =~ /=/g), 1, "$what: one =";

    return kept($nginx, $answer);
}


sub dump_is
{
    my ($what, $crash, $name, $bytes) = @_;

    my $got = $crash->{dumps}{ $name // 'upload_file_minidump' } // '';

    is sha256_hex($got), sha256_hex($bytes // $Dump), "$what: the dump";
}


breakpad_linux();
breakpad_windows();
breakpad_mac();
crashpad();
firefox_curl();
crash_submit();
fennec();
fenix();
stage_submitter();
electron();

$nginx->stop;

done_testing;


# libcurl's curl_formadd()
sub breakpad_linux
{
    my $b = '------------------------5e8b0c9f1a2d3c4b';
    my $body = join '',
        (map { "--$b\r\nContent-Disposition: form-data; name=\"$_->[0]\"\r\n"
               . "\r\n$_->[1]\r\n" }
         [ BuildID => '20181010101010' ], [ ProductName => 'Firefox' ],
         [ Version => '63.0' ], [ Comments => "two\nlines \xe2\x82\xac" ]),
        "--$b\r\nContent-Disposition: form-data; name=\"upload_file_minidump\""
        . "; filename=\"6a3b.dmp\"\r\nContent-Type: application/octet-stream"
        . "\r\n\r\n$Dump\r\n--$b--\r\n";

    my $crash = send_as('Breakpad, Linux', <<"END", $body);
POST /submit HTTP/1.1
Host: crash-reports.example
User-Agent: Breakpad/1.0 (Linux)
Accept: */*
Content-Type: multipart/form-data; boundary=$b
END

    dump_is('Breakpad, Linux', $crash);
    is $crash->{raw}{Comments}, "two\nlines \x{20ac}", 'an annotation';
    is_deeply $crash->{raw}{metadata}{collector_notes}, [], 'no note';

    # minidump_upload: three parts
    $body = join '', map { "--$b\r\n$_" }
        "Content-Disposition: form-data; name=\"prod\"\r\n\r\nMy\r\n",
        "Content-Disposition: form-data; name=\"ver\"\r\n\r\n1.2\r\n",
        "Content-Disposition: form-data; name=\"upload_file_minidump\"; "
        . "filename=\"a.dmp\"\r\nContent-Type: application/octet-stream"
        . "\r\n\r\n$Dump\r\n--$b--\r\n";

    $crash = send_as('minidump_upload', <<"END", $body);
POST /submit HTTP/1.1
Host: crash-reports.example
User-Agent: Breakpad/1.0 (Linux)
Content-Type: multipart/form-data; boundary=$b
END

    is_deeply [ @{ $crash->{raw} }{ qw(ProductName Version) } ],
              [ 'My', '1.2' ], 'minidump_upload: aliases';
}


# no line end after a file since 2022; the full path as filename
sub breakpad_windows
{
    my $b = '-' x 27 . '0123456789ABCDEF';

    for my $newer (0, 1) {
        my $what = 'Breakpad, Windows' . ($newer ? ' since 2022' : '');
        my $body = "--$b\r\nContent-Disposition: form-data; name=\"ProductName"
            . "\"\r\n\r\nFirefox\r\n"
            . "--$b\r\nContent-Disposition: form-data; name=\"upload_file_"
            . "minidump\"; filename=\"C:\\Users\\J\xc3\xbcrgen\\a\"b.dmp\"\r\n"
            . "Content-Type: application/octet-stream\r\n\r\n"
            . $Dump . ($newer ? '' : "\r\n") . "--$b--\r\n";

        my $crash = send_as($what, <<"END", $body);
POST /submit HTTP/1.1
Host: crash-reports.example
User-Agent: Breakpad/1.0 (Windows)
Content-Type: multipart/form-data; boundary=$b
Cache-Control: no-cache
END

        dump_is($what, $crash);
        is_deeply $crash->{raw}{metadata}{collector_notes},
                  $newer ? [ 'form has no line end before a delimiter' ] : [],
                  "$what: notes";
    }
}


sub breakpad_mac
{
    my $b = '-' x 27 . '89abcdef01234567';
    my $body = join '',
        (map { "--$b\r\nContent-Disposition: form-data; name=\"$_->[0]\"\r\n"
               . "\r\n$_->[1]\r\n" }
         [ prod => 'Camino' ], [ ver => '2' ], [ guid => 'abc' ],
         [ 'a%20b' => 'c' ]),
        "--$b\r\nContent-Disposition: form-data; name=\"upload_file_minidump\""
        . "; filename=\"minidump.dmp\"\r\nContent-Type: application/octet-"
        . "stream\r\n\r\n$Dump\r\n--$b--\r\n";

    my $crash = send_as('Breakpad, macOS', <<"END", $body);
POST /submit?product=Camino&version=2&guid=abc HTTP/1.1
Host: crash-reports.example
User-Agent: Breakpad/1.0 (Macintosh)
Content-Type: multipart/form-data; boundary=$b
END

    dump_is('Breakpad, macOS', $crash);
    is $crash->{raw}{'a%20b'}, 'c', 'names are not decoded';
    ok !exists $crash->{raw}{product}, 'the query is none of it';
}


# always chunked, gzip by default, tries once
sub crashpad
{
    my $b = '---MultipartBoundary-abcdefghijklmnopqrstuvwxyz012345---';

    for my $gzip (1, 0) {
        my $what = 'Crashpad' . ($gzip ? ', gzip' : '');
        my $body = join '',
            (map { "--$b\r\nContent-Disposition: form-data; name=\"$_->[0]\""
                   . "\r\n\r\n$_->[1]\r\n" }
             [ guid => '8a6d' ], [ prod => 'Chrome' ], [ ver => '9' ],
             [ 'odd%22name%0D%0A' => 'x' ]),
            "--$b\r\nContent-Disposition: form-data; name=\"upload_file_mini"
            . "dump\"; filename=\"8a6d.dmp\"\r\nContent-Type: application/oct"
            . "et-stream\r\n\r\n$Dump\r\n"
            . "--$b\r\nContent-Disposition: form-data; name=\"log.txt\"; "
            . "filename=\"log.txt\"\r\nContent-Type: application/octet-stream"
            . "\r\n\r\nline\r\n--$b--\r\n";

        my $crash = send_as($what, <<"END" . ($gzip ? <<'END' : ''),
POST /submit?product=Chrome&version=9&guid=8a6d HTTP/1.1
Host: crash-reports.example
User-Agent: Crashpad/0.8.0 libcurl/7.88.1 Linux/6.1 (x86_64)
Accept: */*
Accept-Encoding: deflate, gzip, br, zstd
Content-Type: multipart/form-data; boundary=$b
Transfer-Encoding: chunked
END
Content-Encoding: gzip
END
            chunked($gzip ? gzip($body) : $body, 65536));

        dump_is($what, $crash);
        is $crash->{dumps}{logtxt}, 'line', "$what: an attachment";
        is $crash->{raw}{ProductName}, 'Chrome', "$what: alias";
    }
}


# the Rust client runs curl
sub firefox_curl
{
    my $dir = $nginx->prefix . '/curl';
    mkdir $dir;
    write_file("$dir/dump", $Dump);
    write_file("$dir/memory", "\x1f\x8b memory");
    write_file("$dir/extra", '{"ProductName":"Firefox","Version":"140.0",'
               . '"ThreadIdNameMapping":"1:\"a\"","StackTraces":{"a":[1]}}');

    run_child({ log => "$dir/out" }, 'sh', '-c',
        "curl -sS --user-agent crashreporter/1.0.0"
        . " --form 'extra=\@-;filename=extra.json;type=application/json'"
        . " --form 'upload_file_minidump=\@\"$dir/dump\"'"
        . " --form 'memory_report=\@\"$dir/memory\"'"
        . " http://127.0.0.1:" . $nginx->port . "/submit < $dir/extra");

    my $crash = kept($nginx, { status => 200, body => slurp("$dir/out") });

    dump_is('Firefox, curl', $crash);
    is $crash->{raw}{metadata}{payload}, 'json', 'Firefox: JSON';
    is $crash->{raw}{metadata}{user_agent}, 'crashreporter/1.0.0',
       'Firefox: user agent';
    like $crash->{raw_crash},
         qr/"StackTraces": \{"a": \[1\]\}, "ThreadIdNameMapping": "1:\\"a\\""/,
         'Firefox: objects stay objects';
    is $crash->{dumps}{memory_report}, "\x1f\x8b memory",
       'Firefox: memory report';

    # above 1 MiB it asks first
    write_file("$dir/dump", $Dump x 10);
    run_child({ log => "$dir/second" }, 'sh', '-c',
        "curl -sS -H 'Expect: 100-continue'"
        . " --form 'extra=\@-;filename=extra.json;type=application/json'"
        . " --form 'upload_file_minidump=\@\"$dir/dump\"'"
        . " http://127.0.0.1:" . $nginx->port . "/submit < $dir/extra");

    dump_is('Firefox, Expect: 100-continue',
            kept($nginx, { status => 200, body => slurp("$dir/second") }),
            undef, $Dump x 10);
}


# about:crashes, XMLHttpRequest with FormData
sub crash_submit
{
    my $b = '----geckoformboundary2f8a1b9c4d5e6f708192a3b4c5d6e7f8';
    my $body = "--$b\r\nContent-Disposition: form-data; name=\"extra\"; "
        . "filename=\"blob\"\r\nContent-Type: application/json\r\n\r\n"
        . "{\"ProductName\":\"Firefox\",\"Throttleable\":\"0\"}\r\n"
        . "--$b\r\nContent-Disposition: form-data; name=\"upload_file_minidump"
        . "\"; filename=\"a.dmp\"\r\nContent-Type: application/octet-stream"
        . "\r\n\r\n$Dump\r\n"
        . "--$b\r\nContent-Disposition: form-data; name=\"memory_report\"; "
        . "filename=\"a.memory.json.gz\"\r\nContent-Type: application/gzip"
        . "\r\n\r\n\x1f\x8b\r\n"
        . "--$b\r\nContent-Disposition: form-data; name=\"upload_file_minidump"
        . "_browser\"; filename=\"b.dmp\"\r\nContent-Type: application/octet-"
        . "stream\r\n\r\nbrowser\r\n--$b--\r\n";

    my $crash = send_as('CrashSubmit', <<"END", $body);
POST /submit HTTP/1.1
Host: crash-reports.example
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0
Accept: */*
Content-Type: multipart/form-data; boundary=$b
END

    dump_is('CrashSubmit', $crash);
    is $crash->{dumps}{upload_file_minidump_browser}, 'browser',
       'CrashSubmit: another dump';
    is_deeply $crash->{raw}{metadata}{collector_notes},
              [ 'unknown content type: memory_report application/gzip' ],
              'CrashSubmit: notes';
}


sub fennec
{
    my $b = '-' x 27 . '00ff00ff00ff00ff';
    my $body = join '',
        (map { "--$b\r\nContent-Disposition: form-data; name=\"$_->[0]\"\r\n"
               . "\r\n$_->[1]\r\n" }
         [ ProductName => 'Fennec' ], [ Android_Model => 'X' ]),
        "--$b\r\nContent-Disposition: form-data; name=\"upload_file_minidump\""
        . "; filename=\"m.dmp\"\r\nContent-Type: application/octet-stream\r\n"
        . "\r\n$Dump\r\n--$b--\r\n";

    my $crash = send_as('Fennec', <<"END", gzip($body));
POST /submit?id=%7Bec8030f7%7D&version=63.0 HTTP/1.1
Host: crash-reports.example
Content-Type: multipart/form-data; boundary=$b
Content-Encoding: gzip
END

    dump_is('Fennec', $crash);
}


# names without quotes, an empty line before the end
sub fenix
{
    my $b = 'abcdef0123456789';
    my $body = "--$b\r\nContent-Disposition: form-data; name=\"upload_file_"
        . "minidump\"; filename=\"m.dmp\"\r\nContent-Type: application/octet-"
        . "stream\r\n\r\n$Dump\r\n"
        . join('', map { "--$b\r\nContent-Disposition: form-data; "
                         . "name=$_->[0]\r\n\r\n$_->[1]\r\n" }
               [ ProductName => 'Fenix' ], [ Version => '140' ],
               [ Android_CPU_ABI => 'arm64-v8a' ])
        . "\r\n--$b--\r\n";

    my $crash = send_as('Fenix', <<"END", gzip($body));
POST /submit?id=%7Baa3c%7D&version=140&android_component_version=140 HTTP/1.1
Host: crash-reports.example
User-Agent: Dalvik/2.1.0
Content-Type: multipart/form-data; boundary=$b
Content-Encoding: gzip
END

    dump_is('Fenix', $crash);
    is_deeply [ @{ $crash->{raw} }{ qw(ProductName Version Android_CPU_ABI) } ],
              [ qw(Fenix 140 arm64-v8a) ],
              'Fenix: unquoted names, no line end of the last one';
}


# what was stored is sent on, with its id
sub stage_submitter
{
    my $b = '01659896d5dc42cabd7f3d8a3dcdd3bb';
    my $id = 'de1bb258-cbbf-4589-a673-34f800160918';
    my $body = "--$b\r\nContent-Disposition: form-data; name=\"extra\"; "
        . "filename=\"extra.json\"\r\nContent-Type: application/json\r\n\r\n"
        . "{\"ProductName\": \"Firefox\", \"uuid\": \"$id\"}\r\n"
        . "--$b\r\nContent-Disposition: form-data; name=\"upload_file_minidump"
        . "\"; filename=\"file.dump\"\r\nContent-Type: application/octet-"
        . "stream\r\n\r\n$Dump\r\n--$b--\r\n";

    my $crash = send_as('stage submitter', <<"END", $body);
POST /submit HTTP/1.1
Host: crash-reports.example
User-Agent: crashreporter/1.0.0
Authorization: Bearer token
Content-Type: multipart/form-data; boundary=$b
END

    is $crash->{crash_id}, $id, 'stage submitter: its id';
    dump_is('stage submitter', $crash);
}


sub electron
{
    my $b = '----------------------------9c2f8b7e1d3a';
    my $body = join '',
        (map { "--$b\r\nContent-Disposition: form-data; name=\"$_->[0]\"\r\n"
               . "\r\n$_->[1]\r\n" }
         [ prod => 'Electron' ], [ ver => '5.0' ], [ ptype => 'renderer' ],
         [ guid => 'f' ]),
        "--$b\r\nContent-Disposition: form-data; name=\"upload_file_minidump\""
        . "; filename=\"dump\"\r\nContent-Type: application/octet-stream\r\n"
        . "\r\n$Dump\r\n--$b--";

    my $crash = send_as('Electron', <<"END", $body);
POST /submit HTTP/1.1
Host: crash-reports.example
User-Agent: Breakpad/1.0 (Linux)
Content-Type: multipart/form-data; boundary=$b
END

    dump_is('Electron', $crash);
    is $crash->{raw}{ProductName}, 'Electron', 'Electron: alias';
}
