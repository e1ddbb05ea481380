# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Many clients that ask for one thing at once.

package TeckenBench::Herd;

use strict;
use warnings;

use IO::Socket::INET;


# All connect, then all ask, then all read.  Every one must get $status, and
# every worker must have had some of them.
sub run
{
    my ($nginx, $path, $n, $status) = @_;

    my @client = map {
        IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                              PeerPort => $nginx->port)
            // die "connect: $!\n"
    } 1 .. $n;

    # accepted before they ask: by the workers in turn, as they come

    syswrite $_, "GET $path HTTP/1.1\r\nHost: herd\r\n"
                 . "Connection: close\r\n\r\n" for @client;

    my %worker;

    for my $client (@client) {
        my $text = do { local $/; <$client> } // '';

        die "a client of the herd got: $text\n"
            if $text !~ m{^HTTP/1\.1 $status };

        $worker{$1}++ if $text =~ /^X-Worker: (\d+)/m;
    }

    die "only @{[ scalar keys %worker ]} workers had clients\n"
        if keys %worker != $nginx->workers;
}


1;
