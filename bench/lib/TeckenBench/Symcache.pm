# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# How each figure of the symbol engine is measured: with tecken-symcache, and
# symbench for what is shorter than a process.

package TeckenBench::Symcache;

use strict;
use warnings;

use File::Path qw(make_path);

use TeckenBench::Report qw(median);

use constant {
    ADDRESSES => 100_000,
    COLD => 20,
};


# name, unit, digits, operator, target, text: see TeckenBench::Report
sub figures
{
    return (
        [ 'symcache_build_vs_md5sum', 'ratio', 2, '<=', 0.75,
          'CPU of `tecken-symcache build` from plain text, one thread, '
          . 'against `md5sum` of the same file' ],
        [ 'symcache_e2e_vs_inflate', 'ratio', 2, '<=', 1.25,
          'wall of `tecken-symcache build` from .sym.gz on two cores, '
          . 'against inflating alone in one thread' ],
        [ 'symcache_build_rss_mib', 'MiB', 0, '<=', 200,
          'most memory of a build; the output is written, not mapped' ],
        [ 'symcache_size_ratio', 'ratio', 3, '<=', 0.22,
          'size of the symcache against the text' ],
        [ 'symcache_lookup_ns', 'ns', 0, '<=', 400,
          'CPU of a lookup, all frames with name, file and line, '
          . ADDRESSES . ' random addresses, warm, not sorted, 32 at a time, '
          . 'as for an answer: their waits for memory overlap' ],
        [ 'symcache_cold_lookup_us', 'us', 0, '<=', 3000,
          'open, check and look up one address in a file of which nothing '
          . 'is in memory, the median of ' . COLD ],
        [ 'symcache_cold_pages', 'pages', 0, '<=', 64,
          'of these, 4 KiB read, the most of ' . COLD ],

        [ 'symcache_build_mb_s', 'MB/s', 0, undef, undef,
          'the same build: text by CPU time' ],
        [ 'symcache_build_cpu_s', 's', 2, undef, undef,
          'the same build: CPU time' ],
        [ 'symcache_build_wall_s', 's', 2, undef, undef,
          'the same build by the clock' ],
        [ 'symcache_e2e_wall_s', 's', 2, undef, undef,
          'from .sym.gz by the clock' ],
        [ 'symcache_e2e_cpu_s', 's', 2, undef, undef,
          'the same, CPU of both threads' ],
        [ 'symcache_lookup_single_ns', 'ns', 0, undef, undef,
          'the same one address after the other: with every wait for '
          . 'memory' ],
        [ 'symcache_lookup_sorted_ns', 'ns', 0, undef, undef,
          'the same 32 at a time, of a thousand that were sorted; sorting '
          . 'included' ],
        [ 'inflate_default_mb_s', 'MB/s', 0, undef, undef,
          'the library in use, behind our header and trailer, output in '
          . '256 KiB, by CPU time' ],
        [ 'inflate_zlib_mb_s', 'MB/s', 0, undef, undef,
          'zlib, its own reader of gzip, likewise' ],
        [ 'inflate_libdeflate_mb_s', 'MB/s', 0, undef, undef,
          'libdeflate, all of the output in memory at once, touched for the '
          . 'first time: it has no streaming' ],
    );
}


# tools, runs, scale, symbols, report
sub new
{
    my ($class, %options) = @_;

    my $self = bless { %options }, $class;

    $self->{dir} = "$options{tools}/xul";
    make_path($self->{dir});

    return $self;
}


# The file, made when it is not there.
sub symbols
{
    my ($self) = @_;

    return $self->{symbols} if $self->{symbols};

    my $name = "$self->{dir}/libxul-$self->{scale}.so.sym";
    my $maker = "$self->{tools}/symgen";

    if (!-e $name || -M $name > -M $maker) {
        print "making $name\n";
        _system("$maker xul $self->{scale} > $name.tmp");
        rename "$name.tmp", $name or die "$name: $!\n";
    }

    return $name;
}


sub gzipped
{
    my ($self) = @_;

    my $plain = $self->symbols;
    my $name = "$plain.gz";

    if (!-e $name || -M $name > -M $plain) {
        print "compressing $name\n";
        _system("gzip -6 -c $plain > $name.tmp");
        rename "$name.tmp", $name or die "$name: $!\n";
    }

    return $name;
}


sub symcache
{
    my ($self) = @_;

    my $name = "$self->{dir}/libxul.so.symcache";
    my $maker = "$self->{tools}/tecken-symcache";
    my $plain = $self->symbols;

    $self->_build($plain) if !-e $name || -M $name > -M $plain
                             || -M $name > -M $maker;

    return $name;
}


sub measure_inflate
{
    my ($self) = @_;

    my $gz = $self->gzipped;
    my @library = qw(default zlib);
    my $none = `$self->{tools}/symbench inflate libdeflate /dev/null 2>&1`;

    push @library, 'libdeflate' if $none !~ /no library/;

    my %rate;

    for (1 .. $self->{runs}) {
        for my $library (@library) {
            my $r = $self->_bench('inflate', $library, $gz);
            push @{ $rate{$library} }, $r->{bytes} / $r->{cpu};
        }
    }

    $self->{report}->add("inflate_${_}_mb_s", @{ $rate{$_} }) for @library;
}


sub measure_build
{
    my ($self) = @_;

    my $plain = $self->symbols;
    my $bytes = -s $plain;
    my (@ratio, @rate, @cpu, @wall, @rss);

    for (1 .. $self->{runs}) {
        my $yard = $self->_bench('run', 'md5sum', $plain);
        my $build = $self->_build($plain);

        push @ratio, $build->{cpu} / $yard->{cpu};
        push @rate, $bytes / $build->{cpu};
        push @cpu, $build->{cpu} / 1e6;
        push @wall, $build->{wall} / 1e6;
        push @rss, $build->{rss_kib} / 1024;
    }

    my $report = $self->{report};

    $report->add('symcache_build_vs_md5sum', @ratio);
    $report->add('symcache_build_rss_mib', @rss);
    $report->add('symcache_size_ratio', (-s $self->symcache) / $bytes);
    $report->add('symcache_build_mb_s', @rate);
    $report->add('symcache_build_cpu_s', @cpu);
    $report->add('symcache_build_wall_s', @wall);
}


sub measure_e2e
{
    my ($self) = @_;

    my $gz = $self->gzipped;
    my (@ratio, @wall, @cpu);

    for (1 .. $self->{runs}) {
        my $yard = $self->_bench('inflate', 'default', $gz);
        my $build = $self->_build($gz);

        push @ratio, $build->{wall} / $yard->{wall};
        push @wall, $build->{wall} / 1e6;
        push @cpu, $build->{cpu} / 1e6;
    }

    my $report = $self->{report};

    $report->add('symcache_e2e_vs_inflate', @ratio);
    $report->add('symcache_e2e_wall_s', @wall);
    $report->add('symcache_e2e_cpu_s', @cpu);
}


sub measure_lookup
{
    my ($self) = @_;

    my $symcache = $self->symcache;
    my $list = $self->_addresses;
    my (@ns, @single, @sorted);

    for (1 .. $self->{runs}) {
        push @ns, $self->_bench('lookup', $symcache, $list)->{ns};
        push @single, $self->_bench('single', $symcache, $list)->{ns};
        push @sorted, $self->_bench('sorted', $symcache, $list)->{ns};
    }

    $self->{report}->add('symcache_lookup_ns', @ns);
    $self->{report}->add('symcache_lookup_single_ns', @single);
    $self->{report}->add('symcache_lookup_sorted_ns', @sorted);
}


sub measure_cold
{
    my ($self) = @_;

    my $symcache = $self->symcache;
    my $list = $self->_addresses;

    open my $in, '<', $list or die "$list: $!\n";
    my @address = map { scalar <$in> } 1 .. COLD;
    chomp @address;

    my (@wall, @pages);

    for (1 .. $self->{runs}) {
        my @run = map { $self->_bench('cold', $symcache, $_) } @address;

        push @wall, median(map { $_->{wall} } @run);
        push @pages, (sort { $b <=> $a } map { $_->{pages} } @run)[0];
    }

    $self->{report}->add('symcache_cold_lookup_us', @wall);
    $self->{report}->add('symcache_cold_pages', @pages);
}


# Engines that were measured on the same kind of machine, and ours.
sub peers
{
    my ($self) = @_;

    my $report = $self->{report};
    my $size = $report->value('symcache_size_ratio');

    my $text = <<'END';
The same work by other engines, as published for a file of 569.8 MB on a
machine of this kind; those rows were not measured in this run. Time (ours:
CPU) and memory are of the build from text, the lookup gives all frames with names and
paths.

| engine | build, s | MB/s | most memory, MB | cache, of the text | lookup, ns |
|---|---|---|---|---|---|
| symbolic 13.6.1 (Eliot) | 7.70 | 74 | 1,473 | 0.62 | 1,660 to 1,810 |
| samply's index | 0.223 | 2,558 | 570, the text | 0.02, and the text | 8,040 |
| rust-minidump | 2.12 | 269 | 1,574 | none: parsed each time | 10,200 |
| Breakpad, basic | 9.8 to 12.7 | 45 to 58 | 3,141 | none: parsed each time | 3,660 |
| Breakpad, fast | 22.5 | 25 | 6,124 | 1.72 | 3,320 |
| @indutny's, 1,000 frames | 1.72 a request | 331 | 156 | none: scanned each time | no inlines |
| Tecken of 2020 | 2.59 | 220 | 163 | none: names in Redis | 976, a name only |
END

    return $text if !defined $size;

    my $show = sub { return $report->value($_[0]) // '-' };

    return $text . sprintf "| **tecken-symcache, this run** | **%s** | **%s** "
                           . "| **%s** | **%s** | **%s** |\n\n",
        map { $show->($_) } qw(symcache_build_cpu_s symcache_build_mb_s
        symcache_build_rss_mib symcache_size_ratio symcache_lookup_ns);
}


sub _build
{
    my ($self, $in) = @_;

    return $self->_bench('run', "$self->{tools}/tecken-symcache", '-q',
                         'build', $in, "$self->{dir}/libxul.so.symcache");
}


sub _addresses
{
    my ($self) = @_;

    my $list = "$self->{dir}/addresses";

    _system("$self->{tools}/symbench addresses @{[ $self->symbols ]} "
            . ADDRESSES . " > $list");

    return $list;
}


# { name => value } of what symbench prints
sub _bench
{
    my ($self, @args) = @_;

    open my $pipe, '-|', "$self->{tools}/symbench", @args
        or die "symbench: $!\n";

    my $line = <$pipe> // '';
    local $/;
    <$pipe>;

    close $pipe or die "symbench @args failed\n";

    return { map { /^(\w+)=(.*)/ ? ($1 => $2) : () } split ' ', $line };
}


sub _system
{
    my ($command) = @_;

    system('sh', '-c', $command) == 0 or die "$command: status $?\n";
}


1;
