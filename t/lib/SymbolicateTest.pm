# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# For t/symbolicate-*.t: an nginx that symbolicates on the symbols of t/data.

package SymbolicateTest;

use strict;
use warnings;

use Cwd ();
use Exporter 'import';
use JSON::PP ();

use TeckenTest::Nginx;

our @EXPORT = qw(job post server title v5);

our $Libc = '["libc.so.6", "EC61AC938E5A39B16F9FBD350E3169A50"]';


# Options: of TeckenTest::Nginx, and storage (a URL and its options),
# location (more directives), source (another storage to ask, by its name).
sub server
{
    my (%options) = @_;

    my $symbols = Cwd::getcwd() . '/t/data/symbols';
    my $storage = delete $options{storage} // "file://$symbols";
    my $location = delete $options{location} // '';

    return TeckenTest::Nginx->start(
        workers => 1, %options,
        http => <<"END" . ($options{http} // ''),
tecken_zone     tecken:8m;
tecken_storage  symbols $storage;
END
        server => <<"END" . ($options{server} // ''),
location / {
    tecken_symbolicate;
    tecken_sources        symbols;
    tecken_symcache_path  %%PREFIX%%/symcache levels=1:2 max_size=100m;
    $location
}
location = /metrics { tecken_metrics; }
END
    );
}


# A request of one job, of JSON parts.
sub job
{
    my ($stacks, @modules) = @_;

    return qq({"stacks": $stacks, "memoryMap": [)
           . join(', ', @modules ? @modules : $Libc) . ']}';
}


# { status, headers, body }
sub post
{
    my ($nginx, $version, $body, %headers) = @_;

    return $nginx->request('POST', "/symbolicate/$version", body => $body,
                           headers => \%headers, timeout => 60);
}


# The decoded answer of a request that is right.
sub v5
{
    my ($nginx, $body, %headers) = @_;

    my $answer = post($nginx, 'v5', $body, %headers);
    die "$answer->{status}: $answer->{body}\n" if $answer->{status} != 200;

    return JSON::PP::decode_json($answer->{body});
}


# The title of an error.
sub title { return JSON::PP::decode_json($_[0]{body})->{title} }


1;
