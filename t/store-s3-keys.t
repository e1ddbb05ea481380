# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Keys of any bytes: what we write is where an independent client looks for
# it, and the other way round.

use strict;
use warnings;

use Test::More;

use StoreTest;
use TeckenTest;

my $dir = unique('keys');

my $nginx = store_nginx(storages => {
    s => url_of(radosgw->port, 'private') . " prefix=$dir " . keys_of(),
    strange => url_of(radosgw->port, 'private')
               . qq( "prefix=$dir/a b+c%41&=\xc3\xa9" ) . keys_of(),
    bare => url_of(radosgw->port, 'private') . ' ' . keys_of(),
});

my %keys = (
    'a symbol' => 'xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2/xul.sym',
    'C++' => 'libstdc++.so.6/0123ABC0/libstdc++.so.6.sym',
    'a space' => 'a b/ c/d ',
    'percent' => '100%/%41%zz%%/%2F',
    'signs' => q(!"#$&'()*+,-.:;<=>?@[\\]^_`{|}~),
    'two slashes' => 'a//b///c',
    'a slash first' => '/a',
    'a slash last' => 'a/b/',
    'dots' => 'a/./b',
    'more dots' => 'a/../b',
    'only dots' => '..',
    'dots first' => '../../x',
    'UTF-8' => "\xc3\xa9t\xc3\xa9/\xe2\x82\xac/\xf0\x9f\xa6\x8a.sym",
    'controls' => join('', map { chr } 1 .. 31) . "\x7f",
    'a question' => 'a?b=c&d#e',
    'a plus' => 'a+b',
    'an equals sign' => 'a=b/c==',
    'looks like a bucket' => '?list-type=2',
    'one byte' => 'x',
    '512 slashes' => 'a/' x 300,
);

for my $name (sort keys %keys) {
    my $key = $keys{$name};
    my $body = unique($name);

    subtest $name => sub {
        put_ok($nginx, 's', $key, $body, 'ours');

        my $theirs = s3->get('private', "$dir/$key");
        is $theirs->{status}, 200, 'their get';
        is $theirs->{body}, $body, 'their body';

        my $h = op($nginx, 'HEAD', 's', $key)->{headers};
        is $h->{'x-object-size'}, length $body, 'our head';

        s3->put('private', "$dir/$key", "$body again");
        get_ok($nginx, 's', $key, "$body again", 'ours');

        s3->delete('private', "$dir/$key");
        is op($nginx, 'GET', 's', $key)->{status}, 404, 'gone';
        is op($nginx, 'HEAD', 's', $key)->{status}, 404, 'head: gone';
    };
}

subtest 'no two keys are one object' => sub {
    my @pairs = (
        [ 'a b', 'a+b' ], [ 'a%20b', 'a b' ], [ 'a%2Fb', 'a/b' ],
        [ 'a//b', 'a/b' ], [ 'a/./b', 'a/b' ], [ 'c/../b', 'b' ],
        [ 'A', 'a' ], [ 'd/', 'd' ], [ "\xc3\xa9", "e\xcc\x81" ],
    );

    for my $pair (@pairs) {
        my ($one, $other) = @$pair;

        put_ok($nginx, 's', $one, 'one', $one);
        is op($nginx, 'HEAD', 's', $other)->{status}, 404, "not $other"
            if s3->head('private', "$dir/$other")->{status} == 404;
        put_ok($nginx, 's', $other, 'other', $other);
        get_ok($nginx, 's', $one, 'one', $one);
        s3->delete('private', "$dir/$_") for @$pair;
    }
};

subtest 'a strange prefix' => sub {
    my $there = "$dir/a b+c%41&=\xc3\xa9/x y";

    put_ok($nginx, 'strange', 'x y', 'strange', 'ours');
    is s3->get('private', $there)->{body}, 'strange', 'theirs';
    is_deeply [ listed(op($nginx, 'GET', 'strange', undef,
                          query => { list => 'x' })) ], [ 'x y' ], 'listed';
};

subtest '1,024 bytes and no more' => sub {
    my %longest = (s => 1024 - length("$dir/"), bare => 1024);

    for my $storage (sort keys %longest) {
        for my $byte ('k', '%') {
            my $key = $byte x $longest{$storage};
            $key =~ s/^.{0,40}/unique('long') . '-'/e if $storage eq 'bare';
            $key = substr $key . $byte x 100, 0, $longest{$storage};

            put_ok($nginx, $storage, $key, 'long', "$storage $byte");
            get_ok($nginx, $storage, $key, 'long', "$storage $byte");

            my $there = $storage eq 's' ? "$dir/$key" : $key;
            is s3->get('private', $there)->{body}, 'long', 'theirs';
            s3->delete('private', $there);

            for my $method ('PUT', 'GET', 'HEAD') {
                my $long = op($nginx, $method, $storage, "$key.",
                              $method eq 'PUT' ? (body => 'x') : ());
                is $long->{status}, $method eq 'PUT' ? 502 : 404,
                   "$storage: $method of one more";
                like $long->{body}, qr/1024/, 'says why'
                    if $method eq 'PUT';
            }
        }
    }

    is op($nginx, 'GET', 's', '')->{status}, 502, 'no key';
};

subtest 'an error of a long key has its reason' => sub {
    my $answer = op($nginx, 'PUT', 's', '%' x 900, body => 'x',
                    headers => { 'X-MD5' => '0' x 32 });

    is $answer->{status}, 502, 'fails';
    like $answer->{body}, qr/: status 400/, 'says why';
};

s3->empty('private', $dir);
is $nginx->stop, 0, 'ends well';

done_testing;
