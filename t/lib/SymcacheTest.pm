# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# A directory of symcaches under the probe, seen from each worker and from the
# file system.

package SymcacheTest;

use strict;
use warnings;

use Exporter qw(import);
use File::Find ();

use TeckenTest qw(:none);
use TeckenTest::Probe qw(ask client clients put status take);
use TeckenTest::Process qw(give_away temp_dir wait_until);

our @EXPORT = qw(
    ask beside both client done files leftovers metric new_dir put start status
    take used
);


sub new_dir
{
    my $dir = temp_dir('symcache');
    give_away($dir);

    return $dir;
}


# dir, and the rest of the directive (max_size=1g); the rest is nginx's
sub start
{
    my ($dir, %options) = @_;

    my $params = delete $options{params} // 'max_size=1g';
    my $maps = delete $options{maps};
    my $server = delete $options{server} // '';
    my $main = delete $options{main} // '';

    return nginx(
        main => "thread_pool io threads=4; $main",
        http => 'tecken_zone tecken:1m; tecken_io_thread_pool io;
                 keepalive_requests 1000000; keepalive_timeout 600s;'
                . ($maps ? " tecken_symcache_maps $maps;" : ''),
        server => "location = /probe {
                       tecken_probe_symcache;
                       tecken_symcache_path $dir/c $params;
                   }
                   location = /metrics { tecken_metrics; }
                   $server",
        %options);
}


# one of each of the two workers
sub both
{
    my ($nginx) = @_;

    return map { $_->[0] } @{ clients($nginx, 1) };
}


# another one of the same worker
sub beside
{
    my ($nginx, $self) = @_;

    return wait_until('a client of the same worker', 20, sub {
        my $client = client($nginx);
        return $client->{pid} == $self->{pid} && $client;
    });
}


sub metric
{
    my ($nginx, $name) = @_;

    my ($value) = $nginx->get('/metrics')->{body}
                  =~ /^\Q$name\E\{path="[^"]*"\} (\d+)$/m;
    return $value;
}


# names of symcaches, without their folders, and their sizes
sub files
{
    my ($dir) = @_;

    my %files;

    File::Find::find({ no_chdir => 1, wanted => sub {
        my @stat = lstat $_ or return;
        $files{$1} = { path => $_, size => $stat[7] }
            if -f _ && m{/(\d\d-[^/]*)\z} && !m{/temp/};
    } }, "$dir/c") if -d "$dir/c";

    return \%files;
}


sub used
{
    my ($dir) = @_;

    my $sum = 0;
    $sum += $_->{size} for values %{ files($dir) };

    return $sum;
}


sub leftovers
{
    my ($dir) = @_;

    opendir my $dh, "$dir/c/temp" or return ();
    my @names = sort grep { !/^\.\.?$/ } readdir $dh;

    return @names;
}


# nothing was broken on the way
sub done
{
    my ($nginx) = @_;

    my $wrong = ask($nginx, 'op=check');
    die "index: $wrong\n" if $wrong ne 'ok';

    return $nginx->stop;
}


1;
