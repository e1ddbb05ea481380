# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# How each figure of /symbolicate/v5 is measured.

package TeckenBench::Symbolicate;

use strict;
use warnings;

use File::Copy qw(copy);
use File::Path qw(make_path);
use JSON::PP;
use Time::HiRes qw(time);

use TeckenBench::Client qw(connect_to mean p99 post receive send_post);
use TeckenBench::Nginx;
use TeckenBench::Wrk;
use TeckenTest::FaultProxy;
use TeckenTest::Process qw(fork_child reap slurp write_file);
use TeckenTest::Radosgw;

use constant {
    FRAMES => 25,
    HERD => 200,
    QUIET => 5000,                   # requests when nothing is built
};

my @post = ('/symbolicate/v5', 'application/json');

my @small = (
    [ 'libc.so.6', 'EC61AC938E5A39B16F9FBD350E3169A50', 'libc.so.6.sym' ],
    [ 'ssltunnel', '8A07C88A3DA44E20A3490D88791183060', 'ssltunnel.sym' ],
    [ 'c++filt', 'B2E65520F14FB5332E38A5A5189839AD0', 'c++filt.sym' ],
);


# name, unit, digits, operator, target, text: see TeckenBench::Report
sub figures
{
    return (
        [ 'symbolicate_cpu_ratio', 'ratio', 2, '<=', 8,
          'worker CPU of POST /symbolicate/v5, ' . FRAMES . ' frames, 3 warm '
          . 'modules, against `return 200` to the same POST with a body of '
          . 'the same size' ],
        [ 'symbolicate_p99_during_build_ratio', 'ratio', 2, '<=', 4,
          'p99 of such requests while a module of 570 MB is built, against '
          . 'those before and after' ],
        [ 'symbolicate_herd_builds', 'builds', 0, '==', 1,
          HERD . ' clients at once for one cold module, 2 workers: builds' ],
        [ 'symbolicate_herd_downloads', 'downloads', 0, '==', 1,
          'the same: GETs that the source gets' ],

        [ 'symbolicate_cpu_us', 'us', 1, undef, undef,
          'worker CPU of the same request' ],
        [ 'symbolicate_rps', 'requests/s', 0, undef, undef,
          'the same by the clock, one worker' ],
        [ 'symbolicate_p99_us', 'us', 0, undef, undef,
          'p99 of one client, one request after another, nothing built' ],
        [ 'symbolicate_p99_during_build_us', 'us', 0, undef, undef,
          'the same while a module of 570 MB is built' ],
    );
}


sub has_module
{
    return ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ /symbolicate_module/;
}


# runs, seconds, report, files: a TeckenBench::Symcache
sub new
{
    my ($class, %options) = @_;

    return bless { %options }, $class;
}


# Three modules are warm: one is the large one, with most of the frames.
sub measure_cpu
{
    my ($self) = @_;

    my @module = ($self->_large, @small[0, 1]);
    my $body = $self->_request([ 15, 5, 5 ], @module);
    my $length = length $self->_expect($body, @module);

    # a parameter may have 4 KB at most
    my $piece = 'x' x 2000;
    my $plain = '${piece}' x ($length / 2000) . 'x' x ($length % 2000);

    my $nginx = $self->_start(<<"END");
    server {
        listen 127.0.0.1:%PORT%;
        server_name plain;

        location / {
            default_type application/json;
            set \$piece "$piece";
            return 200 "$plain";
        }
    }
END

    $self->_install($nginx, @module);
    _warm($nginx, $body);

    my $file = "$self->{files}{dir}/request.json";
    write_file($file, $body);

    my (@ratio, @cpu, @rps);

    for (1 .. $self->{runs}) {
        my %cpu;
        my $rps = 0;

        # ABBA
        for my $host (('symbolicate', 'plain', 'plain', 'symbolicate')
                      x ($self->{seconds} / 4 || 1))
        {
            my $r = TeckenBench::Wrk::run(
                $nginx, path => '/symbolicate/v5', host => $host,
                seconds => 1, script => 'post', args => [ $file, $post[1] ]);

            push @{ $cpu{$host} }, $r->{cpu_usec};
            $rps = $r->{rps} if $host eq 'symbolicate';
        }

        push @ratio, mean(@{ $cpu{symbolicate} }) / mean(@{ $cpu{plain} });
        push @cpu, mean(@{ $cpu{symbolicate} });
        push @rps, $rps;
    }

    my $report = $self->{report};

    $report->add('symbolicate_cpu_ratio', @ratio);
    $report->add('symbolicate_cpu_us', @cpu);
    $report->add('symbolicate_rps', @rps);

    $nginx->stop;
}


# One client asks for small modules that are warm; another for the large one.
sub measure_during
{
    my ($self) = @_;

    my $large = $self->_large;
    my $body = $self->_request([ 15, 5, 5 ], @small);
    my $cold = $self->_request([ 1 ], $large);

    my (@ratio, @before, @during);

    for (1 .. $self->{runs}) {
        my $nginx = $self->_start('', threads => 1);

        $self->_install($nginx, @small, $large);
        _warm($nginx, $body);

        my $socket = connect_to($nginx);
        my @quiet = map { _timed($socket, $body) } 1 .. QUIET / 2;

        my $pid = fork_child(sub {
            my $answer = _post(connect_to($nginx), $cold);
            die "no large module: $answer\n" if $answer !~ /"function"/;
        });

        my @busy;
        push @busy, _timed($socket, $body) while !_ended($pid);

        die "only " . @busy . " requests during a build\n" if @busy < 100;

        push @quiet, map { _timed($socket, $body) } 1 .. QUIET / 2;

        push @before, p99(@quiet) * 1e6;
        push @during, p99(@busy) * 1e6;
        push @ratio, $during[-1] / $before[-1];

        $nginx->stop;
    }

    my $report = $self->{report};

    $report->add('symbolicate_p99_during_build_ratio', @ratio);
    $report->add('symbolicate_p99_us', @before);
    $report->add('symbolicate_p99_during_build_us', @during);
}


# The worst of some times counts.
sub measure_herd
{
    my ($self) = @_;

    my $radosgw = TeckenTest::Radosgw->start;
    my $proxy = TeckenTest::FaultProxy->start(upstream => $radosgw->port);

    # all clients have asked before the first answer comes
    $proxy->mode('latency', ms => 200);

    my ($name, $id, $file) = @{ $small[0] };
    my $body = $self->_request([ FRAMES ], $small[0]);
    my ($builds, $gets) = (1, 1);

    _put($radosgw, "v1/$name/$id/$file",
         slurp("t/data/symbols/$name/$id/$file"));

    for (1 .. $self->{runs}) {
        my $nginx = $self->_start('', workers => 2, storage =>
            'tecken_storage local http://127.0.0.1:' . $proxy->port
            . '/public prefix=v1 region=us-east-1 access=public');

        $proxy->reset;
        $proxy->mode('latency', ms => 200);

        my @client = map { connect_to($nginx) } 1 .. HERD;

        send_post($_, @post, $body) for @client;

        for my $client (@client) {
            my $answer = receive($client);
            die "a client of the herd got: $answer\n"
                if $answer !~ /"function"/;
        }

        my $b = $nginx->metric('tecken_symcache_fetches_total',
                               'result="built"');
        my $g = $proxy->count('GET');

        $builds = $b if abs($b - 1) > abs($builds - 1);
        $gets = $g if abs($g - 1) > abs($gets - 1);

        $nginx->stop;
    }

    $self->{report}->add('symbolicate_herd_builds', $builds);
    $self->{report}->add('symbolicate_herd_downloads', $gets);

    $proxy->stop;
    $radosgw->stop;
}


sub _start
{
    my ($self, $http, %options) = @_;

    my $storage = $options{storage}
        // 'tecken_storage local file://%DIR%/files';

    return TeckenBench::Nginx->start(
        workers => $options{workers} // 1, threads => $options{threads},
        zone => '64m', files => { 'files/x' => '' },
        http => <<"END");
    $storage;
    tecken_symcache_path %DIR%/symcaches levels=1:2 max_size=4g;

    server {
        listen 127.0.0.1:%PORT%;
        server_name symbolicate localhost;

        location /symbolicate/ {
            tecken_symbolicate;
            tecken_sources local;
            client_max_body_size 10m;
            client_body_buffer_size 64k;
        }

        location = /metrics { tecken_metrics; }
    }
$http
END
}


# [ name, id, file, path ] of the file of the other figures
sub _large
{
    my ($self) = @_;

    my $plain = $self->{files}->symbols;

    open my $in, '<', $plain or die "$plain: $!\n";
    my (undef, undef, undef, $id, $name) = split ' ', scalar <$in>;

    return [ $name, $id, "$name.sym", $self->{files}->gzipped ];
}


sub _install
{
    my ($self, $nginx, @modules) = @_;

    for (@modules) {
        my ($name, $id, $file, $path) = @$_;
        my $folder = $nginx->dir . "/files/$name/$id";

        $path //= "t/data/symbols/$name/$id/$file";

        make_path($folder);
        link $path, "$folder/$file" or copy($path, "$folder/$file")
            or die "$folder/$file: $!\n";
        chmod 0755, $nginx->dir . $_
            for '/files', "/files/$name", "/files/$name/$id";
    }
}


# frames of each module, at random addresses that have a function
sub _request
{
    my ($self, $frames, @modules) = @_;

    my @stack;

    for my $i (0 .. $#modules) {
        my ($name, $id, $file, $path) = @{ $modules[$i] };

        $path = $path ? $self->{files}->symbols
                      : "t/data/symbols/$name/$id/$file";

        my @address = map { hex } $self->_addresses($path, $frames->[$i]);

        push @stack, map { [ $i, $_ ] } @address;
    }

    return encode_json({ jobs => [ {
        memoryMap => [ map { [ @$_[0, 1] ] } @modules ],
        stacks => [ \@stack ],
    } ] });
}


sub _addresses
{
    my ($self, $path, $n) = @_;

    my $text = $path;

    # fixtures may be stored compressed
    open my $in, '<:raw', $path or die "$path: $!\n";
    read $in, my $magic, 2;
    close $in;

    if ($magic eq "\x1f\x8b") {
        $text = "$self->{files}{dir}/text.sym";
        system("gzip -dc $path > $text") == 0 or die "gzip: status $?\n";
    }

    my $symbench = "$self->{files}{tools}/symbench";
    my @address = split ' ', qx($symbench addresses $text $n);

    die "symbench: status $?\n" if $? || @address != $n;

    return @address;
}


# An answer to see how long it is.
sub _expect
{
    my ($self, $body, @modules) = @_;

    my $nginx = $self->_start('');

    $self->_install($nginx, @modules);

    my $answer = _warm($nginx, $body);

    $nginx->stop;

    return $answer;
}


# Until all modules are there; the answer.
sub _warm
{
    my ($nginx, $body) = @_;

    for (1 .. 10) {
        my $answer = _post(connect_to($nginx), $body);
        my ($found) = $answer =~ /"found_modules": \{(.*?)\}/;

        return $answer if $found && $found !~ /false|null/;
    }

    die "modules are not found\n";
}


sub _put
{
    my ($radosgw, $key, $data) = @_;

    my $r = $radosgw->client->put('public', $key, $data);
    die "PUT $key: $r->{status}\n" if $r->{status} != 200;
}


sub _post
{
    my ($socket, $body) = @_;

    return post($socket, @post, $body);
}


sub _timed
{
    my ($socket, $body) = @_;

    my $start = time;
    _post($socket, $body);

    return time - $start;
}


sub _ended
{
    my ($pid) = @_;

    my $ended = waitpid $pid, POSIX::WNOHANG();

    die "the client of the large module failed\n" if $ended == $pid && $?;

    return $ended == $pid;
}


1;
