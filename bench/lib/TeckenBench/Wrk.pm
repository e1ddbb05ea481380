# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# wrk: as many requests as it gets through in some time.

package TeckenBench::Wrk;

use strict;
use warnings;

use File::Basename qw(dirname);

use TeckenBench::Nginx;

my $scripts = dirname(__FILE__) . '/../../wrk';


# Runs wrk against nginx; options: path, host, seconds, connections, script
# and its args.
# Returns { requests, rps, cpu_usec }: the last is the workers' processor
# time for one request.
sub run
{
    my ($nginx, %options) = @_;

    my $script = $options{script} // 'plain';

    # not on the worker's processor, if that has one
    my @command = $nginx->bound
                  ? ('taskset', '-c', '1-' . (TeckenBench::Nginx::cpus() - 1))
                  : ();

    push @command, 'wrk', '-t1', '-c' . ($options{connections} // 64),
        "-d$options{seconds}s", '--timeout', '30s',
        '-H', "Host: $options{host}", '-s', "$scripts/$script.lua",
        $nginx->url($options{path}), '--', @{ $options{args} // [] };

    my $before = $nginx->cpu_usec;

    open my $pipe, '-|', @command or die "wrk: $!\n";
    my $text = do { local $/; <$pipe> } // '';
    close $pipe or die "wrk failed: $text\n";

    my $cpu = $nginx->cpu_usec - $before;

    my ($requests, $usec, $errors) =
        $text =~ /^requests=(\d+) usec=(\d+) errors=(\d+)$/m
        or die "no result of wrk: $text\n";

    die "wrk met $errors errors:\n$text\n" if $errors;
    die "wrk got no answer:\n$text\n" if !$requests;

    return {
        requests => $requests,
        rps => $requests / $usec * 1_000_000,
        cpu_usec => $cpu / $requests,
    };
}


1;
