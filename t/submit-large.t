# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Large annotations: what comes of them, and that the event loop has no more
# of them at a time than of a dump.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use IO::Socket qw(SO_LINGER);
use Test::More;

use SubmitTest qw(
    collector connection form gzip post read_answer spool_dir
);
use TeckenTest::Process qw(
    give_away remove_tree run_child slurp temp_dir wait_until write_file
);

my $M = 1 << 20;

my $dir = temp_dir('submit-large');
END { local $?; remove_tree($dir) if $dir }

run_child({ log => "$dir/cc.log" }, split(/ /, $ENV{CC} // 'cc'), '-shared',
          '-fPIC', '-O1', '-o', "$dir/loop.so", 't/faults/loop.c', '-ldl');
write_file("$dir/turns", "\0" x 16);
give_away($dir, "$dir/turns");

my $spool = spool_dir();
my $nginx = collector(
    workers => 1, spool => $spool,
    main => 'thread_pool default threads=2;
             env LD_PRELOAD; env TECKEN_LOOP; env ASAN_OPTIONS;',
    env => { LD_PRELOAD => join(' ', grep { $_ } $ENV{LD_PRELOAD},
                                "$dir/loop.so"),
             TECKEN_LOOP => "$dir/turns" },
    http => <<'END',
        log_format annotation '$antenna_annotation_a';
        antenna_throttle_rules paths {
            rule one    reject  if A:b.c = 1;
            rule other  defer   if A:b.text ~ "^z+$" and not A:b.no exists;
            rule last   accept;
        }
        antenna_throttle_rules regexes {
            rule end    reject  if A ~ "end$";
            rule slow   reject  if A ~ "(a+)+[bc]$";
            rule place  defer   if A ~ "x.*[yz]";
            rule last   accept;
        }
        antenna_throttle_rules both {
            rule both   reject  if A ~ "^a*$" and B ~ "^b*$";
            rule either defer   if A ~ "^b*$" or $antenna_annotation_b ~ "^b*$";
            rule last   accept;
        }
END
    server => <<'END',
        location = /metrics { tecken_metrics; }
        location = /paths { antenna_submit; antenna_throttle paths; }
        location = /regexes { antenna_submit; antenna_throttle regexes; }
        location = /large_regexes {
            antenna_submit;
            antenna_throttle regexes;
            antenna_max_match_size 1m;
        }
        location = /both { antenna_submit; antenna_throttle both; }
        location = /alias { antenna_submit; antenna_annotation_alias a b; }
        location = /2018 { antenna_submit; antenna_dialect 2018; }
        location = /logged {
            antenna_submit;
            antenna_variable_size 20;
            access_log %%PREFIX%%/annotations.log annotation;
        }
END
);


# The longest turn of the event loop and all of them, in ms of its CPU time,
# since the last call.
sub turns
{
    open my $file, '+<', "$dir/turns" or die "$dir/turns: $!\n";
    sysread $file, my $data, 16;
    sysseek $file, 0, 0;
    syswrite $file, "\0" x 16;

    return map { $_ / 1e6 } unpack 'QQ', $data;
}


sub dump_of
{
    return { name => 'd', filename => 'x', data => $_[0],
             type => 'application/octet-stream' };
}


# of an answer: 0 for accepted, 1 for deferred, or its body
sub verdict
{
    my ($answer) = @_;

    return $answer->{body} =~ /\ACrashID=bp-[0-9a-f-]{29}(\d)\d{6}\n\z/
           ? $1 : $answer->{body};
}


sub json { return { name => 'e', type => 'application/json',
                    data => $_[0] } }


sub clean { unlink glob "$spool/new/*" }


# A dump of this size is parsed, hashed and handed to the disk in turns of
# 64 KB: nothing else may take much longer.
my $Turn = 0;
for (1 .. 3) {
    turns();
    post($nginx, [ [ a => 1 ], dump_of('x' x (20 * $M)) ]);
    my ($longest) = turns();
    $Turn = $longest if $longest > $Turn;
    clean();
}
note sprintf 'a dump: %.2f ms at most', $Turn;

my $Most = 4 * ($Turn > 0.3 ? $Turn : 0.3);


sub posted
{
    my ($what, $parts, %options) = @_;

    turns();
    my $answer = post($nginx, $parts, timeout => 120, %options);
    my ($longest, $all) = turns();

    note sprintf '%s: %.2f ms at most, %.1f in all', $what, $longest, $all;

    # a machine that is short of memory takes its time once, not each time
    for (1 .. 3) {
        last if $longest < $Most;

        clean();
        turns();
        $answer = post($nginx, $parts, timeout => 120, %options);
        ($longest) = turns();
    }

    cmp_ok $longest, '<', $Most, "$what: no turn is longer than of a dump";

    return $answer;
}


# The bytes of the only file of the spool, in which these are to be.  (The
# reader of JSON here takes a minute for such.)
sub stored
{
    my ($what, $parts, $expected, %options) = @_;

    my $answer = posted($what, $parts, %options);
    is $answer->{status}, 200, "$what: is taken";

    my @files = glob "$spool/new/*";
    is scalar @files, 1, 'one file';

    my $data = slurp($files[0]);
    ok index($data, $_) > 0, 'has ' . substr($_, 0, 30) =~ s/\n.*//sr
        for @$expected;
    clean();

    return $data;
}


my $text = 'x' x (20 * $M - 1) . 'y';
stored('text', [ [ a => $text ] ], [ qq("a": "$text") ]);

stored('what JSON escapes', [ [ a => "\xc3\xa9" x (10 * $M) ] ],
       [ '"a": "' . '\u00e9' x (10 * $M) . '"' ]);

my $data = stored('text that is none', [ [ a => 'x' x (20 * $M - 1) . "\xff" ],
                                         [ b => 'good' ] ],
                  [ '"b": "good"', '{"collector_notes": ["extract payload text '
                                   . 'part exception: invalid text or charset' ]);
ok index($data, '"a":') < 0, 'it is not kept';

stored('latin1', [ { name => 'a', data => "\xe9" x (7 * $M),
                     type => 'text/plain; charset=latin1' } ],
       [ '"a": "' . '\u00e9' x (7 * $M) . '"' ]);

stored('dialect 2018', [ [ a => "\xff\0" x (2 * $M) ] ],
       [ '"a": "' . '\ufffd' x (2 * $M) . '"' ], path => '/2018');

$text = 'x' x (15 * $M);
stored('an alias', [ [ a => $text ] ], [ qq("a": "$text"), qq("b": "$text") ],
       path => '/alias');

my @names = map { sprintf 'name%04d', $_ } 0 .. 8999;
$text = 'v' x 1000;
stored('9,000 names in JSON',
       [ json('{' . join(',', map { qq("$_":"$text") } reverse @names) . '}') ],
       [ join(', ', map { qq("$_": "$text") } @names) ]);

$text = 'x' x (2 * $M);
stored('deep JSON', [ json('{"a":' . '{"k":' x 29 . qq("$text")
                           . '}' x 29 . '}') ],
       [ '"a": ' . '{"k": ' x 29 . qq("$text") . '}' x 29 ]);

is posted('bad JSON', [ json('{"a":["' . '1","' x (2 * $M) . ']}') ])
       ->{body}, 'Discarded=malformed_invalid_json', 'is refused';
is posted('JSON that is no object', [ json('[' . '1,' x (4 * $M) . '1]') ])
       ->{body}, 'Discarded=malformed_invalid_json_value',
   'is refused';
is posted('JSON of too many names',
          [ json('{' . join(',', map { qq("n$_":"") } 1 .. 100_000) . '}') ])
       ->{body}, 'Discarded=malformed_too_large', 'is refused';

# between other parts, and several of them; the form goes on behind each
my %dump = (one => "one\r\n" x 50_000, two => 'two');
stored('several large ones',
       [ [ first => 1 ], dump_of($dump{one}), [ a => 'A' x $M ],
         [ small => 2 ], [ b => 'B' x $M ],
         { %{ dump_of($dump{two}) }, name => 'e' }, [ c => 'C' x $M ],
         [ last => 3 ] ],
       [ (map { '"' . lc($_) . '": "' . $_ x $M . '"' } qw(A B C)),
         '"first": "1"', '"last": "3"', '"small": "2"',
         '"dump_checksums": {"d": "' . sha256_hex($dump{one}) . '", "e": "'
         . sha256_hex($dump{two}) . '"}', $dump{one} ]);

paths();
regexes();
both();
variable();
gone();
reloaded();
full();

clean();
unlike $nginx->error_log, qr/\[(?:alert|crit|emerg)\]/, 'no complaint';

$nginx->stop;

done_testing;


sub paths
{
    my $wide = '[' . '1,' x (9 * $M) . '1]';

    is posted('a member of large JSON',
              [ [ A => qq({"w":$wide,"b":{"c":2,"c":1}}) ] ],
              path => '/paths')->{body},
       'Discarded=rule_one', 'the last of its name counts';

    # the member itself is long, and the same condition has more to look at
    for ([ z => 1 ], [ y => 0 ]) {
        my ($letter, $result) = @$_;

        is verdict(posted("a long member, $letter",
               [ [ A => qq({"w":[1],"b":{"text":") . 'z' x 30_000
                        . qq($letter"},"x":") . 'x' x $M . '"}' ] ],
               path => '/paths')), $result, 'accepted or deferred';
    }

    for my $json ('{"b":' . '{"b":' x 100_000, "{\"b\":{\"c\":1}",
                  '{"w":' . $wide . '}')
    {
        is verdict(posted('no such member', [ [ A => $json . ' ' x 20_000 ] ],
                          path => '/paths')), 0,
           'the conditions do not hold';
    }
    clean();
}


# Rules see the whole text, up to antenna_max_match_size; an expression that
# backtracks without end holds up nobody.
sub regexes
{
    is posted('a regular expression', [ [ A => 'x' x 60_000 . 'end' ] ],
              path => '/regexes')->{body},
       'Discarded=rule_end', 'looks at the end';

    for my $n (30, 3000) {
        is verdict(posted("(a+)+ of $n", [ [ A => 'a' x $n ] ],
                          path => '/regexes')), 0, 'holds not';
    }

    is verdict(posted('x.*y of 60,000', [ [ A => 'x' x 60_000 ] ],
                      path => '/regexes')), 0, 'holds not';
    like $nginx->error_log, qr/takes too long on an annotation/, 'it says so';

    is verdict(posted('too large a text', [ [ A => 'x' x 70_000 . 'end' ] ],
                      path => '/regexes')), 0, 'holds not';
    like $nginx->error_log,
         qr/70003 bytes are too many .* antenna_max_match_size/, 'it says so';

    is posted('a larger limit', [ [ A => 'x' x 70_000 . 'end' ] ],
              path => '/large_regexes')->{body},
       'Discarded=rule_end', 'holds';
    clean();
}


sub both
{
    my ($a, $b) = ('a' x 5000, 'b' x 5000);

    for ([ $a, $b, 'Discarded=rule_both' ], [ $a, 'c', '0' ],
         [ 'c', $b, '1' ], [ $b, 'c', '1' ], [ 'c', 'c', '0' ],
         [ "${a}c", $b, '1' ])
    {
        my ($one, $two, $expected) = @$_;
        is verdict(post($nginx, [ [ A => $one ], [ B => $two ] ],
                        path => '/both')),
           $expected, 'and, or: ' . substr($one, 0, 1) . substr($one, -1)
                      . ', ' . substr($two, 0, 1);
    }
    clean();
}


sub variable
{
    post($nginx, [ [ a => join '', 'a' .. 'z' ] ], path => '/logged');
    wait_until('a line of the log', 10, sub {
        -s $nginx->prefix . '/annotations.log'
    });
    is slurp($nginx->prefix . '/annotations.log'), "abcdefghijklmnopqrst\n",
       'antenna_variable_size';
    clean();
}


sub zipped
{
    my (@parts) = @_;

    my $body = gzip(form('X', @parts));

    return ("POST /submit HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n"
            . "Content-Type: multipart/form-data; boundary=X\r\n"
            . 'Content-Length: ' . length($body) . "\r\n\r\n", $body);
}


# A client goes while threads look at its crash: what was whole is kept.
sub gone
{
    my ($head, $body) = zipped([ a => 'x' x (10 * $M) ],
                               json('{"b":[' . '1,' x (2 * $M) . '1]}'),
                               [ c => 'y' x (5 * $M) ]);

    # by FIN, by RST, and amid its body
    for my $how ('fin', 'rst', 'cut') {
        my $socket = connection($nginx);

        print $socket $head
                      . substr($body, 0, length($body) - 10 * ($how eq 'cut'));

        is $nginx->get('/nothing')->{status}, 404, 'the worker has read it';
        $socket->sockopt(SO_LINGER, pack 'II', 1, 0) if $how ne 'fin';
        close $socket;
    }

    wait_until('the whole ones to be kept', 60, sub {
        2 == (() = glob "$spool/new/*")
    });
    wait_until('the other one to be gone', 60, sub {
        $nginx->get('/metrics')->{body}
            =~ /^antenna_incomplete_total 1$/m
    });
    is scalar(grep { index(slurp($_), '"c": "' . 'y' x (5 * $M) . '"') > 0 }
                   glob "$spool/new/*"),
       2, 'of those that left, two had sent a crash';
    clean();
}


# The worker that has it ends when it has answered.
sub reloaded
{
    my ($head, $body) = zipped([ a => 'x' x (10 * $M) ],
                               json('{"b":[' . '1,' x (2 * $M) . '1]}'));
    my @workers = $nginx->workers;
    my $socket = connection($nginx);

    print $socket $head . $body;
    is $nginx->get('/nothing')->{status}, 404, 'the worker has read it';
    $nginx->reload;

    is read_answer($socket, 60)->{status}, 200, 'answered amid a reload';
    is scalar(() = glob "$spool/new/*"), 1, 'and kept';
    isnt join(' ', $nginx->workers), "@workers", 'by an old worker';
    clean();
}


# No thread is to be had: 503, and the next one is as ever.
sub full
{
    my $other = collector(
        workers => 1,
        main => 'thread_pool default threads=1 max_queue=1;
                 thread_pool io threads=2;',
        http => 'tecken_io_thread_pool io;',
    );

    my ($head, $body) = zipped(map { json('{"a":[' . '1,' x (2 * $M) . '1]}') }
                                   1 .. 3);
    my @sockets = map { connection($other) } 1 .. 6;
    print $_ $head . $body for @sockets;
    my @answers = map { read_answer($_, 120) } @sockets;

    my %count;
    $count{ $_->{status} }++ for @answers;

    is join(' and ', sort keys %count), '200 and 503',
       'a thread and a queue of one do not suffice';
    is scalar(grep { $_->{status} == 503
                     && !$_->{headers}{'retry-after'} } @answers),
       0, 'each 503 has a Retry-After';
    is scalar(() = glob "$other->{spool}/new/*"), $count{200},
       'what was acknowledged is there';
    like $other->error_log, qr/no thread for a large crash/, 'it says so';

    is post($other, [ [ a => 'x' x $M ] ])->{status}, 200,
       'the next one is taken';

    $other->stop;
}
