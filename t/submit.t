# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# The conversation about a crash: checks, answers, crash ids, what becomes of
# the parts of a form, in the dialects of 2026 and 2018.  What the answers are
# to be was seen of Antenna itself.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use JSON::PP ();
use POSIX qw(strftime);
use Test::More;

use SubmitTest qw(
    chunked collector connection form gzip kept post raw_post read_answer
    spooled
);
use TeckenTest::Process qw(slurp temp_dir remove_tree wait_until write_file);

my $tokens = temp_dir('tokens');
write_file("$tokens/tokens", "# stage submitter\n\n  sesame \r\nsecond\n");
END { local $?; remove_tree($tokens) if $tokens }

# not every nginx has it
my $binary = $ENV{TEST_NGINX_BINARY} || 'nginx';
my $has_http2 = qx($binary -V 2>&1) =~ /with-http_v2_module/;
my $http2 = $has_http2 ? 'http2' : '';

my $nginx = collector(
    workers => 1,
    http => "
        antenna_log %%PREFIX%%/antenna.log;
        log_format crash '\$status \$antenna_result \$antenna_rule '
                         '\$antenna_malformed \$antenna_crash_id '
                         '\$antenna_annotation_productname '
                         '\$antenna_annotation_add_ons';
        antenna_throttle_rules some {
            rule no_thanks reject if ProductName = Rejected;
            rule pretend fakeaccept if ProductName = Faked;
            rule later defer if ProductName = Deferred;
            rule all_others accept;
        }
        antenna_throttle some;
        server {
            listen 127.0.0.1:%%PORT_1%% $http2;
            client_max_body_size 25m;
            location = /submit { antenna_submit; }
        }",
    location => 'access_log %%PREFIX%%/crash.log crash;',
    server => "
        location = /2018 { antenna_submit; antenna_dialect 2018; }
        location = /2022 { antenna_submit; antenna_layout 2018; antenna_strict on; }
        location = /bearer { antenna_submit;
                             antenna_client_crash_id bearer=$tokens/tokens; }
        location = /ignore { antenna_submit; antenna_client_crash_id ignore; }
        location = /alias { antenna_submit;
                            antenna_annotation_alias prod ProductName;
                            antenna_annotation_alias ver Version; }
        location = /keep { antenna_submit; antenna_remove_annotations off; }
        location = /remove { antenna_submit;
                             antenna_remove_annotations URL Comments; }
        location = /cors { antenna_submit; antenna_allow_origin \$http_origin; }
        location /prefix { antenna_submit; if (\$arg_x) { set \$x 1; } }
        location = /exact { antenna_submit; if (\$arg_x) { set \$x 1; } }
        location = /limited { antenna_submit;
                              limit_except POST { allow 127.0.0.1; deny all; }
        }
        location /old { antenna_submit; antenna_dialect 2018; }
        location /root/ { rewrite ^/root(/.*) \$1 last; }
        location / { antenna_submit; }
        location = /metrics { tecken_metrics; }
    ",
);

my $Firefox = [ ProductName => 'Firefox' ];
my $Minidump = { name => 'upload_file_minidump', filename => 'x.dmp',
                 type => 'application/octet-stream', data => "MDMP\0\xff\r\n" };


sub notes { return $_[0]{raw}{metadata}{collector_notes} }


sub answers
{
    my ($answer, $status, $body, $what) = @_;

    is "$answer->{status} $answer->{body}", "$status $body", $what;
    is $answer->{headers}{'content-length'}, length $body,
       "$what: Content-Length";
}


accepted();
checks();
duplicates();
parts();
notes_of_parts();
crash_ids();
bearer();
verdicts();
removed();
aliases();
compressed();
lengths();
methods();
dialect_2018();
keep_alive();
http2();
defects();
logs();
metrics();

my @left = glob "$nginx->{spool}/tmp/*";
is "@left", '', 'nothing is left in tmp/';

# of the bad chunk nginx itself complains
my @complaints = grep { /\[(?:alert|crit|emerg|error)\]/
                        && !/invalid chunked body/ }
                 split /\n/, $nginx->error_log;
is "@complaints", '', 'nothing to complain about';

$nginx->stop;

done_testing;


sub accepted
{
    my $before = time;
    my $answer = post($nginx, [ $Firefox, [ Version => "1 \xc3\xa9" ],
                                $Minidump ],
                      headers => { 'User-Agent' => "agent \xe9" });

    is $answer->{status}, 200, 'accepted';
    is $answer->{headers}{'content-type'}, 'text/plain', 'text/plain';
    like $answer->{body}, qr/\ACrashID=bp-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{5}0\d{6}\n\z/,
         'a version 4 UUID, 0 for "accept", the day';

    my $crash = kept($nginx, $answer);
    my $sha256 = sha256_hex($Minidump->{data});
    my $raw = $crash->{raw};

    is substr($crash->{crash_id}, -6),
       strftime('%y%m%d', gmtime $raw->{timestamp}), 'the day, UTC';
    cmp_ok abs($crash->{received} - $before), '<', 60, 'received';
    is_deeply $crash->{dumps},
              { upload_file_minidump => $Minidump->{data} }, 'the dump';
    is $crash->{dump_names}, '["upload_file_minidump"]', 'its name';
    is "@{ $crash->{order} }", 'dump_names dump raw_crash',
       'the order of storing them';

    like delete $raw->{submitted_timestamp},
         qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?\+00:00\z/,
         'submitted_timestamp';
    cmp_ok abs(delete($raw->{timestamp}) - $before), '<', 60, 'timestamp';
    cmp_ok delete $raw->{metadata}{payload_size}, '>', 100, 'payload_size';

    is_deeply $raw, {
        ProductName => 'Firefox', Version => "1 \xe9",
        MinidumpSha256Hash => $sha256,
        dump_checksums => { upload_file_minidump => $sha256 },
        legacy_processing => 0, throttle_rate => 100, type_tag => 'bp',
        uuid => $crash->{crash_id}, version => 2,
        metadata => {
            collector_notes => [], payload => 'multipart',
            payload_compressed => '0', throttle_rule => 'all_others',
            user_agent => "agent \xe9",
            dump_checksums => { upload_file_minidump => $sha256 },
        },
    }, 'the raw crash';

    like $crash->{raw_crash},
         qr/\A\{"MinidumpSha256Hash": "$sha256", "ProductName": "Firefox", "Version": "1 \\u00e9", "dump_checksums": \{/,
         'in the bytes of json.dumps(sort_keys=True)';

    $crash = kept($nginx, post($nginx, [ $Firefox ]));
    is $crash->{dump_names}, '[]', 'without a dump: no names';
    is $crash->{raw}{MinidumpSha256Hash}, '', 'and no hash';
    is $crash->{raw}{metadata}{user_agent}, 'None', 'without a user agent';
}


# rows 1 to 11 of the original's checks
sub checks
{
    my $body = form('X', $Firefox);

    my $ask = sub {
        my ($type, $text) = @_;

        return raw_post($nginx, $text // $body,
                        headers => { 'Content-Type' => $type });
    };

    answers($ask->(undef), 400, 'Discarded=malformed_no_content_type',
            'no content type');
    answers($ask->(''), 400, 'Discarded=malformed_no_content_type',
            'an empty one');
    answers($ask->('text/plain; boundary=X'), 400,
            'Discarded=malformed_wrong_content_type', 'another type');
    answers($ask->('multipart/form-data'), 400,
            'Discarded=malformed_no_boundary', 'no boundary');
    answers($ask->('multipart/form-data; boundry=X'), 400,
            'Discarded=malformed_no_boundary', 'no boundary but the like');

    my $answer = $ask->('multipart/form-data; boundary=' . 'x' x 71);
    answers($answer, 400,
            '{"title": "Invalid header value", "description": "The value '
            . 'provided for the \\"Content-Type\\" header is invalid. The '
            . 'boundary parameter must consist of 1 to 70 characters"}',
            'a long boundary');
    is $answer->{headers}{'content-type'}, 'application/json', 'JSON';

    is $ask->('multipart/form-data; boundary="X"')->{status}, 200, 'quoted';
    is $ask->('multipart/mixed; boundary=X')->{status}, 200, 'mixed';
    is $ask->('Multipart/Form-Data; charset=utf-8; Boundary=X')->{status},
       200, 'letters in any case, another parameter first';

    for my $type ('Multipart/Form-Data; boundary=X',
                  'multipart/form-data; charset=utf-8; boundary=X')
    {
        isnt raw_post($nginx, $body, path => '/2022',
                      headers => { 'Content-Type' => $type })->{status}, 200,
             "strict: $type";
    }

    answers($ask->('multipart/form-data; boundary=X', ''), 400,
            'Discarded=malformed_no_content_length', 'an empty body');
    answers($ask->('multipart/form-data; boundary=Y'), 400,
            'Discarded=malformed_invalid_payload_structure',
            'another boundary');
    answers(post($nginx, [ $Minidump ]), 400,
            'Discarded=malformed_no_annotations', 'only a dump');
    answers(post($nginx, [ { name => 'extra', type => 'application/json',
                             data => '{}' } ]), 400,
            'Discarded=malformed_no_annotations', 'an empty object');
    answers(post($nginx, [ { name => 'extra', type => 'application/json',
                             data => '{"a": 1' } ]), 400,
            'Discarded=malformed_invalid_json', 'broken JSON');
    answers(post($nginx, [ { name => 'extra', type => 'application/json',
                             data => '[1]' } ]), 400,
            'Discarded=malformed_invalid_json_value', 'a list');

    for my $name (qw(raw_crash dump_names processed_crash)) {
        answers(post($nginx, [ $Firefox, { %$Minidump, name => $name } ]),
                400, 'Discarded=malformed_invalid_dump_name',
                "a dump $name");
    }

    # the first bad part decides
    answers(post($nginx, [ { name => 'e', type => 'application/json',
                             data => '[' },
                           { %$Minidump, name => 'raw_crash' } ]), 400,
            'Discarded=malformed_invalid_json', 'the first bad part');

    # lenient and strict
    (my $cut = form('X', $Firefox, [ Version => 1 ])) =~ s/--X--\r\n\z//;
    my $crash = kept($nginx, $ask->('multipart/form-data; boundary=X', $cut));
    is_deeply notes($crash), [ 'form has no final delimiter' ],
              'a form without its end';
    answers(raw_post($nginx, $cut, path => '/2022', headers => {
                'Content-Type' => 'multipart/form-data; boundary=X' }), 400,
            'Discarded=malformed_invalid_payload_structure', 'strict');
}


sub duplicates
{
    my $body = form('X', $Firefox);

    for my $twice ('Content-Type: multipart/form-data; boundary=X',
                   'Content-Encoding: identity', 'Authorization: Bearer x')
    {
        my $socket = connection($nginx);
        print {$socket} "POST /submit HTTP/1.1\r\nHost: x\r\n"
                        . "Connection: close\r\nContent-Length: "
                        . length($body) . "\r\n"
                        . ($twice =~ /Type/ ? '' : 'Content-Type: '
                           . "multipart/form-data; boundary=X\r\n")
                        . "$twice\r\n$twice\r\n\r\n$body";

        my $answer = read_answer($socket);
        is $answer->{status}, 400, "twice $twice";

        # nginx of later versions refuses some itself
        like $answer->{body},
             qr/\ADiscarded=malformed_duplicate_header\z|<html>/, 'refused';
    }
}


sub parts
{
    my $crash = kept($nginx, post($nginx, [
        $Firefox,
        { name => 'empty_file', filename => '', data => 'text' },
        { name => 'a', data => 'one' }, { name => 'a', data => 'two' },
        { name => '', data => 'nameless' },
        { name => 'Add-ons', data => 'a-b' },
        { name => 'plain', type => 'text/plain; charset=iso-8859-1',
          data => "\xe9" },
        { name => 'upload_file_minidump-browser!', filename => '../../etc',
          type => 'application/octet-stream', data => 'browser' },
        { name => 'x' x 40, filename => 'y',
          type => 'application/octet-stream', data => '' },
        { name => 'memory_report', filename => 'm.gz',
          type => 'application/gzip', data => "\x1f\x8b" },
        { name => 'named', filename => 'f', data => 'no type' },
    ]));

    is_deeply [ @{ $crash->{raw} }{ qw(empty_file a Add-ons plain) } ],
              [ 'text', 'two', 'a-b', "\xe9" ], 'annotations';
    ok !exists $crash->{raw}{''}, 'a part without a name is dropped';
    is_deeply $crash->{dumps}, {
        upload_file_minidumpbrowser => 'browser', 'x' x 30 => '',
        memory_report => "\x1f\x8b", named => 'no type',
    }, 'dumps, by their sanitized names';
    is $crash->{dump_names}, '["memory_report", "named", '
       . '"upload_file_minidumpbrowser", "' . 'x' x 30 . '"]',
       'dump_names, sorted';
    is_deeply notes($crash),
              [ 'unknown content type: memory_report application/gzip',
                'unknown content type: named text/plain' ], 'notes';
    is $crash->{raw}{dump_checksums}{memory_report},
       sha256_hex("\x1f\x8b"), 'checksum';

    $crash = kept($nginx, post($nginx, [
        [ before => 'lost' ],
        { name => 'extra', filename => 'extra.json',
          type => 'application/json',
          data => '{"ProductName": "Firefox", "n": 1, "t": true, "z": null, '
                  . '"o": {"b": [1, 2.50], "a": "\ud83d\ude00"}}' },
        $Minidump,
    ]));

    is $crash->{raw}{metadata}{payload}, 'json', 'payload: json';
    ok !exists $crash->{raw}{before}, 'what came before is replaced';
    is_deeply notes($crash),
              [ 'includes annotations in both json-encoded extra and '
                . 'formdata parts' ], 'mixed';
    like $crash->{raw_crash},
         qr/"n": 1, "o": \{"a": "\\ud83d\\ude00", "b": \[1, 2\.5\]\}, .*"t": true/,
         'types and order';

    # no part of a name reaches a path or a header
    for my $name ('../../x', "a\0b", '%2e%2e', 'q' x 3000, '/etc/passwd') {
        my $answer = post($nginx, [ $Firefox, {
            name => $name, filename => "../../../$name", data => 'd',
            type => 'application/octet-stream' } ]);

        my ($dump) = keys %{ kept($nginx, $answer)->{dumps} };
        like $dump, qr/\A\w{1,30}\z/, 'name of a dump';
    }
}


sub notes_of_parts
{
    my $crash = kept($nginx, post($nginx, [
        $Firefox, [ bad => "\xff\xfe" ],
    ]));

    ok !exists $crash->{raw}{bad}, 'text that is not UTF-8 is dropped';
    is_deeply notes($crash), [ 'extract payload text part exception: '
                               . 'invalid text or charset: utf-8' ], 'noted';

    $crash = kept($nginx, post($nginx, [
        $Firefox, { %$Minidump, data => 'a' }, { %$Minidump, data => 'b' },
    ]));

    is_deeply $crash->{dumps},
              { upload_file_minidump => 'a', upload_file_minidump_1 => 'b' },
              'two dumps of a name are both kept';

    # nothing that the form says overwrites what the collector says
    $crash = kept($nginx, post($nginx, [
        $Firefox, [ metadata => 'x' ], [ version => '7' ],
        [ submitted_timestamp => 'then' ], [ dump_checksums => 'none' ],
        [ crash_id => 'de1bb258-cbbf-4589-a673-34f800160918' ],
    ]));

    is ref $crash->{raw}{metadata}, 'HASH', 'metadata is ours';
    is $crash->{raw}{version}, 2, 'version';
    isnt $crash->{raw}{submitted_timestamp}, 'then', 'submitted_timestamp';
    is_deeply $crash->{raw}{dump_checksums}, {}, 'dump_checksums';
    is $crash->{raw}{crash_id}, 'de1bb258-cbbf-4589-a673-34f800160918',
       'crash_id is an annotation';
}


sub crash_ids
{
    my $id = 'de1bb258-cbbf-4589-a673-34f800160918';

    for my $given ($id, '00000000-0000-0000-0000-000000000000',
                   'de1bb258-cbbf-4589-a673-34f801160918')
    {
        my $answer = post($nginx, [ $Firefox, [ uuid => $given ] ]);
        answers($answer, 200, "CrashID=bp-$given\n", "uuid $given");

        my $crash = kept($nginx, $answer);
        is $crash->{raw}{uuid}, $given, 'in the raw crash';
        is $crash->{index}{chosen}, 1, 'and the record says who chose it';
    }

    for my $given ('', 'aaa', 'de1bb258cbbf4589a67334f800160918',
                   'DE1BB258-CBBF-4589-A673-34F800160918',
                   'de1bb258-cbbf-4589-a673-34f802160918', "$id\n",
                   'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa', "$id/../x")
    {
        my $crash = kept($nginx, post($nginx,
                                      [ $Firefox, [ uuid => $given ] ]));
        isnt $crash->{crash_id}, $given, 'an invalid id is not taken';
        is $crash->{raw}{uuid}, $crash->{crash_id}, 'nor stored';
        is $crash->{index}{chosen}, 0, 'ours';
    }

    my $answer = post($nginx, [ $Firefox, [ uuid => $id ] ],
                      path => '/ignore');
    isnt kept($nginx, $answer)->{crash_id}, $id, 'ignore';

    # JSON's null and numbers are no text
    for my $value ('null', '7', '["x"]') {
        is post($nginx, [ { name => 'e', type => 'application/json',
                            data => qq({"a": "b", "uuid": $value}) } ])
           ->{status}, 200, "uuid $value";
    }
}


sub bearer
{
    my $id = 'de1bb258-cbbf-4589-a673-34f800160917';

    my $ask = sub {
        my ($value, $token, $product) = @_;

        return post($nginx, [ [ ProductName => $product // 'x' ],
                              [ uuid => $value ] ], path => '/bearer',
                    headers => { Authorization => $token });
    };

    for my $token (undef, '', 'Bearer', 'Bearer ', 'Bearer sesam',
                   'Bearer sesame ', 'bearer sesame', 'Basic sesame',
                   'Bearer # stage submitter')
    {
        # nginx trims what follows a value
        next if defined $token && $token eq 'Bearer sesame ';

        answers($ask->($id, $token), 401, 'Discarded=unauthorized_uuid',
                'token ' . ($token // 'none'));
    }

    answers($ask->($id, 'Bearer sesame'), 200, "CrashID=bp-$id\n", 'a token');
    answers($ask->($id, 'Bearer second'), 200, "CrashID=bp-$id\n", 'another');
    answers($ask->('nonsense', 'Bearer sesame'), 400,
            'Discarded=malformed_invalid_uuid', 'an invalid id');
    answers($ask->("$id\n", 'Bearer sesame'), 400,
            'Discarded=malformed_invalid_uuid', 'one with a line end');

    # of a crash that is not kept the id does not matter
    answers($ask->($id, undef, 'Rejected'), 200, 'Discarded=rule_no_thanks',
            'rejected before anybody asks for a token');

    answers(post($nginx, [ { name => 'e', type => 'application/json',
                             data => '{"a": "b", "uuid": null}' } ],
                 path => '/bearer',
                 headers => { Authorization => 'Bearer sesame' }), 400,
            'Discarded=malformed_invalid_uuid', 'null');

    is post($nginx, [ $Firefox ], path => '/bearer')->{status}, 200,
       'without an id nobody needs a token';
}


sub verdicts
{
    my $before = () = spooled($nginx);

    answers(post($nginx, [ [ ProductName => 'Rejected' ], $Minidump ]), 200,
            'Discarded=rule_no_thanks', 'rejected');

    my $answer = post($nginx, [ [ ProductName => 'Faked' ], $Minidump ]);
    like $answer->{body}, qr/\ACrashID=bp-[0-9a-f-]{29}3\d{6}\n\z/,
         'fakeaccept: an id with a 3';

    is scalar(() = spooled($nginx)), $before, 'nothing of both is kept';

    my $crash = kept($nginx, post($nginx, [ [ ProductName => 'Deferred' ] ]));
    is substr($crash->{crash_id}, -7, 1), 1, 'defer: an id with a 1';
    is $crash->{raw}{legacy_processing}, 1, 'legacy_processing';
    is $crash->{raw}{metadata}{throttle_rule}, 'later', 'throttle_rule';
}


sub removed
{
    my @personal = map { [ $_ => "secret $_" ] }
        qw(TelemetrySessionId Email TelemetryClientId TelemetryServerURL);

    my $crash = kept($nginx, post($nginx, [ $Firefox, @personal ]));
    unlike $crash->{raw_crash}, qr/secret/, 'personal data is not stored';
    is_deeply notes($crash), [ map { "Removed $_ from raw crash." }
        qw(Email TelemetryClientId TelemetryServerURL TelemetrySessionId) ],
        'which is noted, in order';

    is post($nginx, [ [ Email => 'a@b' ] ])->{status}, 200,
       'they count as annotations';

    $crash = kept($nginx, post($nginx, [ $Firefox, @personal ],
                               path => '/keep'));
    is $crash->{raw}{Email}, 'secret Email', 'off';

    $crash = kept($nginx, post($nginx, [ $Firefox, [ Email => 'e' ],
                                         [ URL => 'u' ] ],
                               path => '/remove'));
    is $crash->{raw}{Email}, 'e', 'a list of its own';
    is_deeply notes($crash), [ 'Removed URL from raw crash.' ], 'notes';
}


sub aliases
{
    my $crash = kept($nginx, post($nginx, [ [ prod => 'Electron' ],
                                            [ ver => '1.2' ] ],
                                  path => '/alias'));
    is_deeply [ @{ $crash->{raw} }{ qw(ProductName Version prod ver) } ],
              [ 'Electron', '1.2', 'Electron', '1.2' ], 'aliases';

    $crash = kept($nginx, post($nginx, [ [ prod => 'Electron' ], $Firefox ],
                               path => '/alias'));
    is $crash->{raw}{ProductName}, 'Firefox', 'what is there stays';

    answers(post($nginx, [ [ prod => 'Rejected' ] ], path => '/alias'), 200,
            'Discarded=rule_no_thanks', 'rules see them');
}


sub compressed
{
    my $zip = sub {
        my ($encode, $coding) = @_;

        return post($nginx, [ $Firefox, $Minidump ], encode => $encode,
                    headers => { 'Content-Encoding' => $coding // 'gzip' });
    };

    for my $coding ('gzip', 'x-gzip', 'GZIP') {
        my $crash = kept($nginx, $zip->(\&gzip, $coding));
        is $crash->{dumps}{upload_file_minidump}, $Minidump->{data}, $coding;
        is $crash->{raw}{metadata}{payload_compressed}, '1', 'noted';
    }

    my $length;
    my $crash = kept($nginx, $zip->(sub {
        my $body = gzip($_[0]);
        $length = length $body;
        return $body;
    }));
    is $crash->{raw}{metadata}{payload_size}, $length,
       'payload_size is what came';

    my %bad = (
        'cut in the data' => sub { substr gzip($_[0]), 0, 60 },
        'cut in the trailer' => sub { substr gzip($_[0]), 0, -1 },
        'a wrong CRC' => sub { my $z = gzip($_[0]);
                               substr($z, -8, 1) ^= "\1"; $z },
        'not compressed' => sub { $_[0] },
        'nothing but a byte' => sub { "\x1f" },
    );

    for my $what (sort keys %bad) {
        answers($zip->($bad{$what}), 400, 'Discarded=malformed_bad_gzip',
                "gzip: $what");
    }

    is $zip->(sub { gzip($_[0]) . 'garbage' })->{status}, 200,
       'garbage behind it is ignored';
    is $zip->(sub { $_[0] }, 'identity')->{status}, 200, 'identity';
    answers($zip->(\&gzip, 'deflate'), 400,
            'Discarded=malformed_invalid_payload_structure',
            'other codings are none');
}


sub lengths
{
    my $body = form('------------------------0123456789abcdef', $Firefox,
                    { %$Minidump, data => 'x' x 200_000 });

    for my $size (1, 7, 100_000) {
        my $text = $size == 1 ? chunked(substr($body, 0, 300), 1) : undef;
        my $answer = raw_post($nginx, $text // chunked($body, $size),
                              headers => { 'Transfer-Encoding' => 'chunked' });
        my $crash = kept($nginx, $answer);

        is length $crash->{dumps}{upload_file_minidump}, 200_000,
           "chunks of $size" if $size > 1;
        is $crash->{raw}{metadata}{payload_size}, length $body,
           'payload_size without the framing' if $size > 1;
    }

    my $answer = raw_post($nginx, chunked(gzip($body), 100), headers => {
        'Transfer-Encoding' => 'chunked', 'Content-Encoding' => 'gzip' });
    is length kept($nginx, $answer)->{dumps}{upload_file_minidump}, 200_000,
       'chunked and gzip';

    answers(raw_post($nginx, "0\r\n\r\n",
                     headers => { 'Transfer-Encoding' => 'chunked' }), 400,
            'Discarded=malformed_no_content_length', 'no chunk');
    answers(raw_post($nginx, "5\r\nhellozz\r\n",
                     headers => { 'Transfer-Encoding' => 'chunked' }), 400,
            'Discarded=malformed_invalid_payload_structure', 'a bad chunk');

    my $socket = connection($nginx);
    print {$socket} "POST /submit HTTP/1.0\r\nContent-Type: "
                    . "multipart/form-data; boundary=X\r\n\r\n";
    is read_answer($socket)->{body}, 'Discarded=malformed_no_content_length',
       'no length at all';
}


sub methods
{
    for my $method (qw(GET PUT DELETE PATCH)) {
        my $answer = $nginx->request($method, '/submit');
        answers($answer, 405, '{"title": "405 Method Not Allowed"}', $method);
        is $answer->{headers}{allow}, 'POST, OPTIONS', 'Allow';
        is $answer->{headers}{'content-type'}, 'application/json', 'JSON';
    }

    is $nginx->head('/submit')->{status}, 405, 'HEAD';

    my $answer = $nginx->request('OPTIONS', '/submit');
    answers($answer, 200, '', 'OPTIONS');
    is $answer->{headers}{allow}, 'POST', 'Allow';
    ok !exists $answer->{headers}{'access-control-allow-origin'}, 'no CORS';

    for my $path ('/', '/foo', '/SUBMIT', '/submit/', '/prefix/x', '/prefixed',
                  '/prefix/x?x=1')
    {
        $answer = $nginx->get($path);
        answers($answer, 404, '{"title": "404 Not Found"}', "GET $path");
        is post($nginx, [ $Firefox ], path => $path)->{status}, 404,
           "POST $path";
    }

    for my $path ('/prefix', '/root/submit', '/submit?ProductName=Rejected',
                  '/prefix?x=1', '/exact?x=1')
    {
        my $crash = kept($nginx, post($nginx, [ [ a => 'b' ] ],
                                      path => $path));
        ok !exists $crash->{raw}{ProductName}, "POST $path";
    }

    answers($nginx->get('/limited'), 405,
            '{"title": "405 Method Not Allowed"}', 'limit_except');
    is $nginx->request('OPTIONS', '/limited')->{headers}{allow}, 'POST',
       'limit_except: OPTIONS';
    kept($nginx, post($nginx, [ $Firefox ], path => '/limited'));

    $answer = $nginx->request('OPTIONS', '/cors',
                              headers => { Origin => 'https://a.example' });
    is $answer->{headers}{'access-control-allow-origin'}, 'https://a.example',
       'CORS: origin';
    is $answer->{headers}{'access-control-allow-methods'}, 'POST, OPTIONS',
       'methods';

    $answer = post($nginx, [ $Firefox ], path => '/cors',
                   headers => { Origin => 'https://a.example' });
    is $answer->{headers}{'access-control-allow-origin'}, 'https://a.example',
       'CORS: of an answer';
}


sub dialect_2018
{
    my @old = (path => '/2018');

    answers(raw_post($nginx, 'x', @old, headers => { 'Content-Type' => undef }),
            200, 'Discarded=1', '2018: no content type');
    answers(raw_post($nginx, form('X', $Firefox), @old, headers => {
                'Content-Type' => 'multipart/mixed; boundary=X' }),
            200, 'Discarded=1', '2018: multipart/mixed');
    answers(raw_post($nginx, '', @old), 200, 'Discarded=1', '2018: no body');
    answers(post($nginx, [ $Firefox ], @old,
                 headers => { 'Content-Encoding' => 'gzip' }),
            200, 'Discarded=1', '2018: not gzip');
    answers(post($nginx, [ [ ProductName => 'Rejected' ] ], @old),
            200, 'Discarded=1', '2018: rejected');

    my $crash = kept($nginx, post($nginx, [
        $Firefox, [ text => "nul\0 \xff" ],
        { name => 'extra', filename => 'extra.json',
          type => 'application/json', data => '{}' },
    ], @old));

    is $crash->{raw}{text}, "nul \x{fffd}", '2018: NUL goes, U+FFFD comes';
    is_deeply $crash->{dumps}, { extra => '{}' }, '2018: JSON is a dump';
    ok !exists $crash->{raw}{metadata}, '2018: no metadata';
    ok !exists $crash->{raw}{version}, '2018: no version';
    is $crash->{raw}{type_tag}, 'bp', '2018: type_tag';

    my $answer = $nginx->get('/2018');
    answers($answer, 405, '', '2018: GET');
    is $answer->{headers}{allow}, 'POST, OPTIONS', '2018: Allow';
    is $answer->{headers}{'content-type'}, 'application/json; charset=UTF-8',
       '2018: type';

    is post($nginx, [ $Firefox ], path => '/old/')->{status}, 200,
       '2018: a slash at the end';
    answers($nginx->get('/old/x'), 404, '', '2018: 404');
}


# after an early answer the rest of a body is not taken for a request
sub keep_alive
{
    my $good = form('X', $Firefox);
    my $big = form('X', { %$Minidump, name => 'raw_crash',
                          data => 'GET / HTTP/1.1\r\n\r\n' x 20_000 });

    my $socket = connection($nginx);

    my $send = sub {
        my ($body, $type) = @_;

        print {$socket} "POST /submit HTTP/1.1\r\nHost: x\r\nContent-Length: "
                        . length($body) . "\r\nContent-Type: $type\r\n\r\n"
                        . $body;

        return read_answer($socket);
    };

    my $type = 'multipart/form-data; boundary=X';

    is $send->($good, $type)->{status}, 200, 'keep-alive: a crash';
    is $send->($big, 'text/plain')->{body},
       'Discarded=malformed_wrong_content_type', 'refused by its header';
    is $send->($good, $type)->{status}, 200, 'the same connection';
    is $send->($big, $type)->{body}, 'Discarded=malformed_invalid_dump_name',
       'refused within the body';
    is $send->($good, $type)->{status}, 200, 'the same connection';

    # what follows the form
    is $send->("$good trailing" . 'x' x 100_000, $type)->{status}, 200,
       'an epilogue';
    is $send->($good, $type)->{status}, 200, 'the same connection';
}


# without a length, with early verdicts
sub http2
{
    SKIP: {
        skip 'no HTTP/2', 1 if !$has_http2;
        over_http2();
    }
}


sub over_http2
{
    my $url = 'http://127.0.0.1:' . $nginx->port(1) . '/submit';
    my $file = $nginx->prefix . '/http2';
    write_file($file, 'x' x 3_000_000);

    my $curl = sub {
        my (@arguments) = @_;

        open my $out, '-|', 'curl', '-s', '--http2-prior-knowledge', '-w',
             ' %{http_code}', @arguments, $url or die "curl: $!\n";
        local $/;
        return <$out>;
    };

    my ($body) = $curl->('-F', 'a=b', '-F', "d=\@$file")
        =~ /\A(CrashID=.*\n) 200\z/ or fail('HTTP/2: a crash');
    is length kept($nginx, { body => $body, status => 200 })->{dumps}{d},
       3_000_000, 'HTTP/2: a crash';
    like $curl->('-F', 'a=b', '-F', "d=\@$file", '-H', 'Content-Length:'),
         qr/\ACrashID=.*\n 200\z/, 'HTTP/2: without a length';
    is $curl->('-F', 'a=b', '-F', "raw_crash=\@$file"),
       'Discarded=malformed_invalid_dump_name 400', 'HTTP/2: refused';
    is $curl->('-F', "d=\@$file", '-H', 'Content-Type: text/plain'),
       'Discarded=malformed_wrong_content_type 400',
       'HTTP/2: refused by its header';
    is $curl->('-X', 'POST', '-H', 'Content-Type: multipart/form-data; '
               . 'boundary=X'),
       'Discarded=malformed_no_content_length 400', 'HTTP/2: no body';
}


# what was a 500 of the original has an answer
sub defects
{
    my $structure = 'Discarded=malformed_invalid_payload_structure';

    answers(post($nginx, [ $Firefox, { name => "\xff", data => 'x' } ]),
            400, $structure, 'a name that is not UTF-8');
    answers(post($nginx, [ $Firefox, { name => 'x', type => "text/\xe9",
                                       data => 'x' } ]),
            400, $structure, 'a type that is not ASCII');
    is kept($nginx, post($nginx, [ { name => 'x', type => 'text/plainfoo',
                                     data => 'text' } ]))->{raw}{x},
       'text', 'text/plainfoo';

    for my $deep ('[' x 2000, '{"a":' x 2000) {
        answers(post($nginx, [ { name => 'e', type => 'application/json',
                                 data => "{\"a\": $deep" } ]),
                400, 'Discarded=malformed_invalid_json', 'deep JSON');
    }

    my $crash = kept($nginx, post($nginx, [
        $Firefox, { name => 'd', type => 'application/octet-stream',
                    data => 'no filename' } ], path => '/2018'));
    is $crash->{dumps}{d}, 'no filename', '2018: no filename';

    $crash = kept($nginx, post($nginx, [
        $Firefox, { name => 'n', type => 'multipart/mixed; boundary=Y',
                    filename => '', data => form('Y', [ a => 'b' ]) } ],
        path => '/2018'));
    is $crash->{dumps}{n}, form('Y', [ a => 'b' ]), '2018: a form in a form';

    is raw_post($nginx, form('X', $Firefox), path => '/2018', headers => {
           'Content-Type' => 'multipart/form-data; boundary=' })->{status},
       400, '2018: an empty boundary';
}


sub logs
{
    my @lines = map { JSON::PP->new->decode($_) }
                split /\n/, slurp($nginx->prefix . '/antenna.log');
    my $id = kept($nginx, post($nginx, [ [ ProductName => "F\n\x01 x" ],
                                         [ 'Add-ons' => '7' ] ]))
             ->{crash_id};

    my ($line) = grep { /$id/ } split /\n/,
                 slurp($nginx->prefix . '/antenna.log');

    like $line, qr/\A\{"Timestamp": \d{19}, "Type": "antenna\.breakpad_resource", "Logger": "antenna", "Hostname": "[^"]+", "EnvVersion": "2\.0", "Severity": 6, "Pid": \d+, "Fields": \{"host_id": "[^"]+", "processname": "antenna", "msg": "$id: matched by all_others; returned ACCEPT"\}\}\z/,
         'mozlog';
    ok((grep { ($_->{Fields}{msg} // '') =~ /: matched by no_thanks; returned REJECT\z/ } @lines), 'rejected');
    ok((grep { ($_->{Fields}{msg} // '') =~ /\Ade1bb258-\S+ has existing crash_id\z/ } @lines), 'existing');

    # written when the client has its answer already
    my $access;
    wait_until('a line of the access log', 10, sub {
        ($access) = grep { /$id/ }
                    split /\n/, slurp($nginx->prefix . '/crash.log');
        defined $access;
    });
    is $access, "200 accept all_others - $id F\\x0A\\x01 x 7", 'variables';

    my @bad = grep { / malformed - no_annotations - / }
              split /\n/, slurp($nginx->prefix . '/crash.log');
    ok scalar @bad, 'of a malformed one';
}


sub metrics
{
    my $text = $nginx->get('/metrics')->{body};

    my $value = sub { return $text =~ /^\Q$_[0]\E (\S+)$/m ? $1 : undef };

    cmp_ok $value->('antenna_incoming_crashes_total'), '>', 50, 'incoming';
    is $value->('antenna_throttle_total{result="defer"}'), 1, 'defer';
    is $value->('antenna_throttle_rule_total{rule="pretend"}'), 1, 'a rule';
    is $value->('antenna_malformed_total{reason="invalid_json_value"}'), 1,
       'malformed';
    cmp_ok $value->('antenna_unauthorized_uuid_total'), '>', 5, 'uuid';
    cmp_ok $value->('antenna_spool_crashes{spool="' . $nginx->{spool}
                    . '"}'), '==', scalar(() = spooled($nginx)),
           'as many in the spool as there are';
    cmp_ok $value->('antenna_spool_sync_seconds_count'), '>', 50, 'syncs';
    cmp_ok $value->('antenna_crash_size_bytes_bucket{payload="compressed"'
                    . ',le="+Inf"}'), '>', 5, 'sizes';
}
