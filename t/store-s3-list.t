# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Lists of objects: of a real S3 server, and of servers that make mistakes.
#
# Under valgrind too.

use strict;
use warnings;

use Test::More;

use StoreTest;
use TeckenTest;
use TeckenTest::Peer;
use TeckenTest::Process qw(slurp);
use TeckenTest::S3;

my $dir = unique('list');
my $peer = TeckenTest::Peer->start;
my $options = 'retries=1 timeout=2s deadline=4s ' . keys_of();

my $nginx = store_nginx(storages => {
    s => url_of(radosgw->port, 'private') . " prefix=$dir $options",
    none => url_of(radosgw->port, 'no-such-bucket') . " $options",
    denied => url_of(radosgw->port, 'denied') . " $options",
    nolist => url_of(radosgw->port, 'public-nolist') . ' access=public',
    peer => url_of($peer->port, 'b') . " prefix=v1 $options",
    once => url_of($peer->port, 'b') . ' retries=0 timeout=30s ' . keys_of(),
});


sub list
{
    my ($storage, $prefix, %query) = @_;

    return op($nginx, 'GET', $storage, undef,
              query => { list => $prefix, %query });
}


sub page
{
    my ($inside, %options) = @_;

    return {
        status => 200, headers => { 'Content-Type' => 'application/xml' },
        body => '<?xml version="1.0" encoding="UTF-8"?>'
                . '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-'
                . "03-01/\">$inside</ListBucketResult>",
        %options,
    };
}


sub contents
{
    my ($key, $size) = @_;

    return "<Contents><Key>$key</Key><LastModified>2026-11-21T09:30:05.000Z"
           . "</LastModified><ETag>&quot;x&quot;</ETag><Size>$size</Size>"
           . '<StorageClass>STANDARD</StorageClass></Contents>';
}


# The most memory that the worker has had so far, in KiB.
sub peak
{
    my ($pid) = $nginx->workers;

    my ($kb) = slurp("/proc/$pid/status") =~ /^VmHWM:\s+(\d+)/m
        or die "no worker\n";

    return $kb;
}


subtest 'prefixes' => sub {
    my %objects = ('a/1' => 1, 'a/2' => 22, 'ab' => 333, 'b/a/1' => 4444);
    s3->put('private', "$dir/$_", 'x' x $objects{$_}) for keys %objects;
    s3->put('private', "$dir-other", 'x');

    my %expected = (
        '' => [ sort keys %objects ], 'a' => [ 'a/1', 'a/2', 'ab' ],
        'a/' => [ 'a/1', 'a/2' ], 'b' => [ 'b/a/1' ], 'a/1' => [ 'a/1' ],
        'c' => [],
    );

    for my $prefix (sort keys %expected) {
        my $answer = list('s', $prefix);
        is $answer->{status}, $prefix eq 'c' ? 404 : 200, "\"$prefix\"";
        is_deeply [ listed($answer) ], $expected{$prefix}, 'keys';
    }

    is_deeply scalar(listed(list('s', ''))), \%objects, 'sizes';

    my $mtime = list('s', 'a/1')->{headers}{'x-object-mtime'};
    cmp_ok abs($mtime - time), '<', 60, 'time';

    is_deeply [ listed(list('s', '', max => 2)) ], [ 'a/1', 'a/2' ],
              'stopped by the caller';
    is list('s', 'a', fail => 0)->{status}, 200, 'no bytes, no failure';
};

subtest 'keys of any bytes' => sub {
    my @keys = ('a b', 'a+b', 'a%20b', 'a%41', '<&>"\'', '&amp;', '&#65;',
                'a//b', 'x/../y', "\xc3\xa9\xe2\x82\xac", "tab\tcr\rlf\n",
                "\x01\x1f\x7f", ']]>', '?list-type=2&x=y#z', 'k' x 900);

    s3->put('private', "$dir/any/$_", 'x') for @keys;

    is_deeply [ map { s{^any/}{}r } listed(list('s', 'any/')) ],
              [ sort @keys ], 'all of them';

    # radosgw repeats the prefix as it is, where it may be no XML
    for my $key (grep { !/[\x01-\x08]/ } @keys) {
        is_deeply [ listed(list('s', "any/$key")) ],
                  [ sort grep { index($_, "any/$key") == 0 }
                         map { "any/$_" } @keys ],
                  'by itself';
    }
};

subtest 'pages' => sub {
    my @keys = map { sprintf 'p/%05d', $_ } 1 .. 1205;

    # one connection for each would be slow
    for my $key (@keys) {
        s3->put('private', "$dir/$key", '');
    }

    my $answer = list('s', 'p/');
    is_deeply [ listed($answer) ], \@keys, 'in order, each once';
    is $answer->{headers}{'x-calls'}, 1205, 'calls';

    is_deeply [ listed(list('s', 'p/', max => 1001)) ],
              [ @keys[0 .. 1000] ], 'stopped in the second page';
};

subtest 'refused' => sub {
    my $none = list('none', '');
    is $none->{status}, 502, 'no bucket';
    like $none->{body}, qr/no such bucket/, 'says so';

    my $denied = list('denied', '');
    is $denied->{status}, 502, 'denied';
    like $denied->{body}, qr/status 403/, 'says so';
    is $denied->{headers}{'x-attempts'}, 1, 'asked once';

    # a 403 says of a key that there is none, of a list it does not
    my $nolist = list('nolist', '');
    is $nolist->{status}, 502, 'list=off';
    like $nolist->{body}, qr/status 403/, 'says so';
};

subtest 'requests, page by page' => sub {
    my $token = '1+/=&<>"%41 x';
    (my $xml = $token) =~ s/&/&amp;/g;
    $xml =~ s/</&lt;/g;

    $peer->answers(
        page(contents('v1/a', 1) . '<IsTruncated>true</IsTruncated>'
             . "<NextContinuationToken>$xml</NextContinuationToken>"),
        page(contents('v1/b', 2) . '<IsTruncated>false</IsTruncated>'),
    );

    is_deeply scalar(listed(list('peer', 'a b+/'))), { a => 1, b => 2 },
              'both pages';

    my ($first, $second) = $peer->requests;

    is $first->{target}, '/b/?encoding-type=url&list-type=2&prefix='
                         . 'v1%2Fa%20b%2B%2F', 'the first';
    is $second->{target}, '/b/?continuation-token='
                          . TeckenTest::HTTP::uri_escape($token)
                          . '&encoding-type=url&list-type=2&prefix='
                          . 'v1%2Fa%20b%2B%2F', 'the second';

    signed_well($_, 'page', access_key => $ENV{TEST_NGINX_S3_ACCESS_KEY},
                secret_key => $ENV{TEST_NGINX_S3_SECRET_KEY},
                region => 'us-east-1') for $first, $second;
};

subtest 'what is encoded, and what is not' => sub {
    my $plain = contents('v1/a%2Bb+c &amp; d', 1);
    my $encoded = contents('v1/a%2Bb+c%20%26%20d', 1);
    my $type = '<EncodingType>url</EncodingType>';

    $peer->answers(page($plain));
    is_deeply [ listed(list('peer', '')) ], [ 'a%2Bb+c & d' ], 'plain';

    $peer->answers(page($type . $encoded));
    is_deeply [ listed(list('peer', '')) ], [ 'a+b c & d' ], 'encoded';

    $peer->answers(page($encoded . $type));
    is_deeply [ listed(list('peer', '')) ], [ 'a+b c & d' ], 'said later';
};

subtest 'malformed' => sub {
    my $good = contents('v1/a', 1);
    my $text = page($good)->{body};

    my %bad = (
        'cut' => page('', body => substr $text, 0, length($text) - 5),
        'cut in a key' => page('', body => $text =~ s{/a<.*}{}sr),
        'empty' => page('', body => ''),
        'no XML' => page('', body => 'so sorry'),
        'an error with 200' => page('', body => '<?xml version="1.0"?>'
            . '<Error><Code>InternalError</Code></Error>'),
        'a login page' => page('', body =>
            "<html><body>$text</body></html>" =~ s/<\?.*?\?>//r),
        'nested wrong' => page('<Contents><Key>v1/a</Contents></Key>'),
        'a NUL' => page(contents("v1/a\0b", 1)),
        'an unknown entity' => page(contents('v1/&what;', 1)),
        'not asked for' => page(contents('v2/a', 1)),
        'the prefix itself' => page(contents('v1', 1)),
        'a long key' => page(contents('v1/' . 'k' x 5000, 1)),
        'more than 1000' => page(contents('v1/a', 1) x 1001),
        'too deep' => page('<x>' x 20 . '</x>' x 20),
        'more without a token' => page(
            "$good<IsTruncated>true</IsTruncated>"),
        'entities of entities' => page('', body =>
            '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "aaaaaaaaaa">'
            . join('', map { my $i = $_ - 1; "<!ENTITY a$_ \"" . "&a$i;" x 10
                             . '">' } 1 .. 9)
            . ']><ListBucketResult><Contents><Key>v1/&a9;</Key></Contents>'
            . '</ListBucketResult>'),
        'half of it, then FIN' => page($good, cut => 100),
    );

    for my $name (sort keys %bad) {
        $peer->answers($bad{$name});

        my $answer = list('peer', '');
        is $answer->{status}, 502, $name;
        isnt $answer->{body}, '', 'says why';
    }

    $peer->answers(page('', body => 'so sorry'));
    like list('peer', '')->{body}, qr/invalid list of objects/, 'XML: says so';

    $peer->answers($bad{'cut'});
    like list('peer', '')->{body}, qr/cut off/, 'cut: says so';
};

subtest 'a page without an end' => sub {
    my $before = peak();

    # open elements, one token, one object's keys
    for my $inside ('<x>' x 1_500_000, '<' . 'x' x 9_000_000,
                    '<Contents>' . '<Key>k</Key>' x 750_000)
    {
        $peer->answers(page($inside));
        is list('once', '')->{status}, 502, substr $inside, 0, 20;
    }

    cmp_ok peak() - $before, '<', 60_000, 'memory, KiB';
};

subtest 'a page that fails comes again, and once' => sub {
    my $half = page(contents('v1/a', 1) . contents('v1/b', 1), cut => 300);
    my $whole = page(contents('v1/a', 1) . contents('v1/b', 1));

    $peer->answers($half, $whole);
    my $answer = list('peer', '');

    is_deeply [ listed($answer) ], [ 'a', 'b' ], 'each key once';
    is $answer->{headers}{'x-attempts'}, 2, 'two attempts';

    $peer->answers({ status => 503 }, $whole);
    is_deeply [ listed(list('peer', '')) ], [ 'a', 'b' ], 'after 503';
};

s3->empty('private', $dir);
is $nginx->stop, 0, 'ends well';

done_testing;
