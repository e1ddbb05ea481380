# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# What valid requests are answered: frames of real symbols, to the letter as
# Eliot prints them; "debug"; small and large requests and answers.

use strict;
use warnings;

use IO::Socket::INET ();
use JSON::PP qw(decode_json);
use Test::More;

use SymbolicateTest;
use TeckenTest qw(:none);
use TeckenTest::HTTP ();
use TeckenTest::Process qw(slurp temp_dir wait_until write_file);


# of the symbolic library, as Eliot prints them
my $known = decode_json(slurp('t/data/symbolicate/libc.json'));
my @known = @{ $known->{answers} };

my $nginx = server(http => <<'END');
log_format tecken '$tecken_symbolicate_version $tecken_symbolicate_jobs '
                  '$tecken_symbolicate_stacks $tecken_symbolicate_frames '
                  '$tecken_symbolicate_modules_found '
                  '$tecken_symbolicate_modules_missing '
                  '$tecken_symbolicate_time';
access_log %%PREFIX%%/symbolicate.log tecken;
END

my $libc = '"libc.so.6", "EC61AC938E5A39B16F9FBD350E3169A50"';
my $pe = '"ShowSSEConfig.pdb", "D57F52D4A2FD56244C4C44205044422E1"';


sub stack { return '[' . join(', ', map { "[0, $_]" } @_) . ']' }


subtest 'a whole answer, cold and warm' => sub {
    my $request = '{"jobs": [' . job('[[[0, 831332], [0, 1096094]], '
        . '[[1, 255], [-1, 3], [0, -1], [3, 4096], [2, 1], [5, 1]]]',
        "[$libc]", '["no.pdb", "AbC1"]', '["", "12"]', "[$pe]",
        '["unused.pdb", "99"]', '["x.pdb", ""]', "[$libc]")
        . ', ' . job('[[[0, 1096094]]]', "[$libc]") . ']}';

    my $expected = '{"results": [{"stacks": [['
        . '{"frame": 0, "module": "libc.so.6", "module_offset": "0xcaf64", '
        . '"function": "__strftime_internal", "function_offset": "0x8b4", '
        . '"file": "time/strftime_l.c", "line": 1418}, '
        . '{"frame": 1, "module": "libc.so.6", "module_offset": "0x10b99e", '
        . '"function": "write_gmon", "function_offset": "0x2be", '
        . '"file": "gmon/gmon.c", "line": 427, "inlines": '
        . '[{"function": "write_bb_counts", "file": "gmon/gmon.c", '
        . '"line": 340}]}], '
        . '[{"frame": 0, "module": "no.pdb", "module_offset": "0xff"}, '
        . '{"frame": 1, "module": "<unknown>", "module_offset": "0x3"}, '
        . '{"frame": 2, "module": "libc.so.6", "module_offset": "-0x1"}, '
        . '{"frame": 3, "module": "ShowSSEConfig.exe", '
        . '"module_offset": "0x1000", "function": '
        . '"wmain()", "function_offset": "0x0", "file": '
        . '"git:github.com/mozilla-firefox/firefox:mozglue/tests/'
        . 'ShowSSEConfig.cpp:46e9f12a8f9b9b746a71e1b02464fcae95f8da64", '
        . '"line": 13}, '
        . '{"frame": 4, "module": "<unknown>", "module_offset": "0x1"}, '
        . '{"frame": 5, "module": "x.pdb", "module_offset": "0x1"}]], '
        . '"found_modules": '
        . '{"libc.so.6/EC61AC938E5A39B16F9FBD350E3169A50": true, '
        . '"no.pdb/AbC1": false, "/12": null, '
        . '"ShowSSEConfig.pdb/D57F52D4A2FD56244C4C44205044422E1": true, '
        . '"unused.pdb/99": null, "x.pdb/": null}}, '
        . '{"stacks": [[{"frame": 0, "module": "libc.so.6", '
        . '"module_offset": "0x10b99e", '
        . '"function": "write_gmon", "function_offset": "0x2be", '
        . '"file": "gmon/gmon.c", "line": 427, "inlines": '
        . '[{"function": "write_bb_counts", "file": "gmon/gmon.c", '
        . '"line": 340}]}]], "found_modules": '
        . '{"libc.so.6/EC61AC938E5A39B16F9FBD350E3169A50": true}}]}';

    for my $state (qw(cold warm)) {
        my $answer = post($nginx, 'v5', $request);

        is $answer->{status}, 200, $state;
        is $answer->{headers}{'content-type'}, 'application/json', 'its type';
        is $answer->{headers}{'content-length'}, length $answer->{body},
           'its length';

        is $answer->{body}, $expected, 'to the letter';
    }
};


subtest 'v4' => sub {
    is post($nginx, 'v4', job('[[[0, 831332], [0, 1096094], [1, 255]], '
        . '[[-1, 5], [0, -1], [2, 9]]]', "[$libc]", '["no.pdb", "A"]',
        '["", "B"]', '["unused.pdb", "C"]', "[$libc]"))->{body},
       '{"symbolicatedStacks": [["__strftime_internal (in libc.so.6)", '
       . '"write_gmon (in libc.so.6)", "0xff (in no.pdb)"], '
       . '["0x5 (in <unknown>)", "-0x1 (in libc.so.6)", '
       . '"0x9 (in <unknown>)"]], '
       . '"knownModules": [true, false, null, null, true]}', 'to the letter';
};


subtest 'as the symbolic library has it' => sub {
    my $answer = v5($nginx, job('[' . stack(map { hex $_->{module_offset} }
                                            @known) . ']'));
    my @got = @{ $answer->{results}[0]{stacks}[0] };
    my $same = 0;

    for my $i (0 .. $#known) {
        my %expected = (%{ $known[$i] }, frame => $i, module => 'libc.so.6');

        $same += is_deeply($got[$i], \%expected, $known[$i]{module_offset});
    }

    diag "$same of " . @known . ' answers are the same';
};


subtest 'the id in any case, an offset beyond all' => sub {
    my $answer = v5($nginx, job('[[[0, 831332], [0, 18446744073709551616], '
        . '[0, 18446744073710382948], [0, 4295798628]]]',
        lc qq(["libc.so.6", "EC61AC938E5A39B16F9FBD350E3169A50"])));
    my $stack = $answer->{results}[0]{stacks}[0];

    is $stack->[0]{function}, '__strftime_internal', 'found';
    ok !exists $stack->[$_]{function}, "$stack->[$_]{module_offset} is not"
        for 1 .. 3;
    is_deeply $answer->{results}[0]{found_modules},
       { 'libc.so.6/ec61ac938e5a39b16f9fbd350e3169a50' => JSON::PP::true },
       'under the id as it came';
};


subtest 'what log_format can tell' => sub {
    post($nginx, 'v5', job('[[[0, 1]], [[0, 2], [1, 3]]]', "[$libc]",
                           '["no.pdb", "A"]'));
    post($nginx, 'v4', '{}');
    $nginx->get('/symbolicate/v5');

    my @lines;
    wait_until('three lines', 5, sub {
        @lines = split /\n/,
                 slurp($nginx->prefix . '/symbolicate.log') // '';
        return @lines >= 3 && $lines[-1] =~ /^v5 - /;
    });

    like $lines[-3], qr/\Av5 1 2 3 1 1 0\.\d{6}\z/, 'an answer';
    like $lines[-2], qr/\Av4 - - - - - 0\.\d{6}\z/, 'an error';
    is $lines[-1], 'v5 - - - - - -', 'another method';
};


subtest 'debug' => sub {
    my $request = '{"jobs": [' . job('[[[0, 1], [0, 2], [1, 3], [-1, 4]]]',
        "[$libc]", '["no.pdb", "A"]') . ', ' . job('[[[0, 5]]]', "[$pe]")
        . ']}';

    for my $value ('1', 'yes', 'true') {
        my $answer = post($nginx, 'v5', $request, Debug => $value);
        my $json = decode_json($answer->{body});
        my $debug = $json->{debug};

        is_deeply [ $answer->{body} =~ /\}\], "debug": (\{.*)/s ? $1 =~
                    /"(\w+)": \{/g : () ],
           [ qw(cache_lookups downloads size_per_module time_per_module
                fail_time_per_module parse_sym time_per_module
                fail_time_per_module dropped_per_module save_symcache
                time_per_module modules stacks_per_module) ],
           "$value: Eliot's order";
        is_deeply $debug->{modules}, {
            count => 3, stacks_per_module => {
                'libc.so.6/EC61AC938E5A39B16F9FBD350E3169A50' => 2,
                'no.pdb/A' => 1,
                'ShowSSEConfig.pdb/D57F52D4A2FD56244C4C44205044422E1' => 1,
            } }, 'modules';
        is $debug->{cache_lookups}{count}, 3, 'lookups';
        is $debug->{cache_lookups}{hits}, 3, 'all were known';
        is $debug->{downloads}{count}, 0, 'nothing was downloaded';
        cmp_ok $debug->{time}, '>', 0, 'time';

        my @jobs = map { $_->{debug} } @{ $json->{results} };

        is_deeply $jobs[0]{stacks}, { count => 4, real => 3 }, 'its stacks';
        is $jobs[0]{modules}{count}, 2, 'its modules';
        is_deeply $jobs[1]{modules}{stacks_per_module},
           { 'ShowSSEConfig.pdb/D57F52D4A2FD56244C4C44205044422E1' => 1 },
           'those of another job';
        is_deeply [ sort keys %{ $jobs[1] } ],
           [ qw(cache_lookups downloads modules stacks time) ],
           "Tecken's keys";
    }

    for my $value ('0', 'false', 'False', '') {
        my $answer = v5($nginx, $request, Debug => $value);
        ok !exists $answer->{debug}, "\"$value\": none";
        ok !exists $answer->{results}[0]{debug}, 'in a result either';
    }

    my $v4 = decode_json(post($nginx, 'v4', job('[[[0, 1]]]'),
                              Debug => 1)->{body});
    is_deeply $v4->{debug}{stacks}, { count => 1, real => 1 }, "v4: Tecken's";

    is_deeply v5($nginx, '{"jobs": []}', Debug => 1)->{debug}{modules},
       { count => 0, stacks_per_module => {} }, 'no jobs';
};


subtest 'what debug tells of a build' => sub {
    my $fresh = server();
    my $debug = v5($fresh, job('[[[0, 1], [1, 1]]]', "[$pe]",
                               '["no.pdb", "A"]'), Debug => 1)->{debug};
    my $name = 'ShowSSEConfig.pdb/D57F52D4A2FD56244C4C44205044422E1';

    is $debug->{cache_lookups}{hits}, 0, 'no hits';
    is $debug->{downloads}{size_per_module}{$name},
       -s 't/data/symbols/ShowSSEConfig.pdb/D57F52D4A2FD56244C4C44205044422E1'
          . '/ShowSSEConfig.sym', 'bytes';
    is_deeply [ keys %{ $debug->{downloads}{time_per_module} } ], [ $name ],
       'one was downloaded';
    is_deeply [ keys %{ $debug->{parse_sym}{time_per_module} } ], [ $name ],
       'and parsed';
    is_deeply [ keys %{ $debug->{save_symcache}{time_per_module} } ],
       [ $name ], 'and saved';
};


subtest 'requests of any size' => sub {
    my $frames = 100;

    # in memory, in a file, in a thread; by whom it is read must not matter
    for my $padding (0, 20_000, 100_000, 2_000_000) {
        my $request = job('[' . stack((831332) x $frames) . ']');
        my $space = ' ' x $padding;
        $request =~ s/\}\z/$space}/;

        my @got = @{ v5($nginx, $request)->{results}[0]{stacks}[0] };

        is scalar(@got), $frames, length($request) . ' bytes';
        is $got[-1]{function}, '__strftime_internal', 'the last frame';
    }
};


subtest 'answers of any size' => sub {
    for my $n (1, 10, 99, 100, 300, 1000, 3000, 30_000) {
        my @offsets = map { hex $known[$_ % @known]{module_offset} } 1 .. $n;
        my @stacks;

        push @stacks, stack(splice @offsets, 0, 100) while @offsets;

        my $answer = v5($nginx, job('[' . join(',', @stacks) . ']'));
        my @frames = map { @$_ } @{ $answer->{results}[0]{stacks} };

        my $wrong = grep {
            ($frames[$_ - 1]{function} // '')
            ne ($known[$_ % @known]{function} // '')
            || @{ $frames[$_ - 1]{inlines} // [] }
               != @{ $known[$_ % @known]{inlines} // [] }
        } 1 .. $n;

        is scalar(@frames), $n, "$n frames";
        is $wrong, 0, 'each its own';
    }
};


subtest 'many modules, some of them there' => sub {
    my @names = map { qq(["m$_.pdb", "A"]) } 0 .. 199;

    @names[0, 33] = ("[$libc]", "[$pe]");

    my $request = job('[[' . join(',', map { "[$_, 4096]" } reverse 0 .. 199)
                      . ']]', @names);
    my $fresh = server();

    for my $state (qw(cold warm)) {
        my $result = v5($fresh, $request)->{results}[0];
        my @found = sort grep { $result->{found_modules}{$_} }
                    keys %{ $result->{found_modules} };

        is scalar(@{ $result->{stacks}[0] }), 200, "$state: all frames";
        is_deeply \@found, [ map { s/", "/\//r =~ tr/"//dr } sort $libc, $pe ],
           'those that are there';
        is grep({ !defined } values %{ $result->{found_modules} }), 0,
           'all were asked for';
        is $result->{stacks}[0][166]{function}, 'wmain()', 'a name';
    }
};


subtest 'names of any length' => sub {
    my $symbols = temp_dir('tecken-symbols');
    my $id = '44E4EC8C2F41492B9369D6B9A059577C2';
    my @names = ('a' x 300, 'b' x 16384, "\"c\x{e9}\"" x 20_000,
                 'd' x 900_000, 'e');

    mkdir "$symbols/$_" for 'long', "long/$id";
    utf8::encode(my $text = join '', "MODULE Linux x86_64 $id long\n",
        map { sprintf "FUNC %x 10 0 %s\n", 4096 * $_, $names[$_ - 1] }
        1 .. @names);
    write_file("$symbols/long/$id/long.sym", $text);

    my $long = server(storage => "file://$symbols");
    my @order = map { $_ % @names } 1 .. 23;

    # to a buffer's end, over it, many times it; alone and one after another
    for my $list ((map { [ $_ ] } 0 .. $#names), \@order) {
        my $answer = v5($long, job('[' . stack(map { 4096 * ($_ + 1) } @$list)
                                   . ']', qq(["long", "$id"])));
        my @got = map { $_->{function} } @{ $answer->{results}[0]{stacks}[0] };

        my $same = grep { $got[$_] eq $names[ $list->[$_] ] } 0 .. $#got;

        is $same, @$list,
           join(', ', map { length $names[$_] } @$list) . ' characters';
    }
};


subtest 'a client that does not read' => sub {
    my $request = job('[' . join(',', (stack((1096094) x 1000)) x 100) . ']');
    my @clients;

    post($nginx, 'v5', $request);
    my $before = $nginx->rss;

    for (1 .. 8) {
        my $client = IO::Socket::INET->new(
            PeerAddr => '127.0.0.1', PeerPort => $nginx->port, Timeout => 10,
        ) or die "connect: $!\n";

        print $client "POST /symbolicate/v5 HTTP/1.1\r\nHost: x\r\n"
                      . "Connection: close\r\nContent-Length: "
                      . length($request) . "\r\n\r\n$request";
        push @clients, $client;
    }

    is post($nginx, 'v5', job('[[]]'))->{status}, 200, 'keeps nobody waiting'
        for 1 .. 3;

    # each has 2 MB of a request and its frames, none 20 MB of an answer
    cmp_ok $nginx->rss - $before, '<', 80 << 20, 'memory is bounded';

    local $/;
    my $client = shift @clients;
    my $text = <$client>;
    my $head = TeckenTest::HTTP::take_head(\$text);
    my $whole = post($nginx, 'v5', $request)->{body};

    like $head, qr/^Transfer-Encoding: chunked\r$/m, 'in chunks';

    my $body = '';
    while ($text =~ s/\A([0-9a-f]+)\r\n//) {
        my $size = hex $1 or last;
        $body .= substr $text, 0, $size, '';
        $text =~ s/\A\r\n//;
    }

    ok $body eq $whole, 'one that reads late has it all';

    close $_ for @clients;

    is post($nginx, 'v5', job('[[]]'))->{status}, 200,
       'those that left are forgotten';
};


is_deeply [ grep { /\[(?:warn|error|crit|alert|emerg)\]/
                   && !/is buffered to a temporary file/ }
            split /^/, $nginx->error_log ], [], 'nothing in the log';

done_testing;
