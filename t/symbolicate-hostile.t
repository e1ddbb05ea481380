# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Requests on which some parser broke once: t/data/json, each with the status
# that is right; and some that are too large to keep.  None may make an error
# of the server's own, keep a worker busy for long, or wrap a number.

use strict;
use warnings;

use IO::Uncompress::Gunzip ();
use JSON::PP qw(decode_json);
use Test::More;

use SymbolicateTest;
use TeckenTest qw(:none);
use TeckenTest::Process qw(slurp);


# what the manifest leaves open, and where our limits say otherwise
my %ours = (
    'deep_unknown_key.json'       => 400,   # depth counts in any key
    'enc_bom.json'                => 200,
    'enc_lone_surrogate_esc.json' => 400,
    'enc_utf16.json'              => 400,   # UTF-8 only
    'enc_utf32.json'              => 400,
    'frames_200k.json'            => 400,
    'jobs_0.json'                 => 200,   # no results, as Eliot has it
    'mod_dotdot.json'             => 200,   # no source can have it
    'mod_lf.json'                 => 400,   # Python's "$" lets it pass
    'num_off_5000_digits.json'    => 400,   # more than Python reads
    'stacks_100k.json'            => 400,
);

my $nginx = server();
my ($worker) = $nginx->workers;


sub text_of
{
    my ($name, $case) = @_;

    my $data = slurp("t/data/json/" . ($case->{packed} // $name));
    return $data if !$case->{packed};

    IO::Uncompress::Gunzip::gunzip(\$data => \my $text) or die "$name\n";
    return $text;
}


my $cases = decode_json(slurp('t/data/json/MANIFEST.json'));

for my $name (sort keys %$cases) {
    my $case = $cases->{$name};
    my $text = text_of($name, $case);
    die "$name: not $case->{size} bytes\n" if length $text != $case->{size};

    my $version = $name =~ /v4/ ? 'v4' : 'v5';
    my $answer = post($nginx, $version, $text);
    my $status = $ours{$name} // $case->{status} // die "$name: no verdict\n";

    is $answer->{status}, $status, "$name: $case->{why}";
    ok eval { decode_json($answer->{body}) }, 'the answer is JSON';
}


subtest 'large ones' => sub {
    my $module = '["xul.pdb", "44E4EC8C2F41492B9369D6B9A059577C2"]';

    my %large = (
        'a name of 100,000' =>
            [ 200, job('[[[0, 1]]]', '["' . 'a' x 100000 . '", "AB"]') ],
        'an id of 100,000' =>
            [ 200, job('[[[0, 1]]]', '["a", "' . 'A' x 100000 . '"]') ],
        '20,000 modules' =>
            [ 400, job('[[]]', map { qq(["m$_", "A"]) } 1 .. 20000) ],
        '100,000 copies of one module' =>
            [ 200, job('[[[99999, 1]]]', ($module) x 100000) ],
        '100,000 keys' =>
            [ 400, '{' . join(',', map { qq("k$_":1) } 1 .. 100000) . '}' ],
        '100,000 equal keys' =>
            [ 400, '{' . join(',', ('"jobs":[1]') x 100000) . '}' ],
        'stacks within stacks' =>
            [ 400, job('[' x 50000 . ']' x 50000) ],
        '10 MB of numbers of 4,300 digits' =>
            [ 200, job('[[' . join(',', ('[0,' . '9' x 4300 . ']') x 2400)
                       . ']]', $module) ],
        '10 MB of nothing' =>
            [ 400, '[' . join(',', ('[]') x 3400000) . ']' ],
    );

    for my $what (sort keys %large) {
        my ($status, $text) = @{ $large{$what} };
        my $before = $nginx->cpu;
        my $answer = post($nginx, 'v5', $text);

        is $answer->{status}, $status, $what;
        cmp_ok $nginx->cpu - $before, '<', 5, 'in a moment';
    }
};


subtest 'numbers' => sub {
    my @numbers = map { '9' x $_ } 18 .. 24, 38 .. 40, 77, 100, 1000, 4300;
    my $answer = v5($nginx, job('[[' . join(',', map { "[-1,$_]" } @numbers)
                                . ']]'));
    my @got = map { $_->{module_offset} }
              @{ $answer->{results}[0]{stacks}[0] };

    require Math::BigInt;
    is_deeply \@got, [ map { Math::BigInt->new($_)->as_hex } @numbers ],
       'as Python has them';
};


is_deeply [ $nginx->workers ], [ $worker ], 'the worker lived';
is_deeply [ grep { /\[(?:warn|error|crit|alert|emerg)\]/
                   && !/is buffered to a temporary file/ }
            split /^/, $nginx->error_log ], [], 'and had nothing to say';

done_testing;
