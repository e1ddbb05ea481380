# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# How each figure of /submit is measured.

package TeckenBench::Submit;

use strict;
use warnings;

use IO::Socket::INET;
use Time::HiRes qw(sleep time);

use TeckenBench::Client qw(connect_to mean p99 post send_post);
use TeckenBench::Nginx;
use TeckenBench::Spool;
use TeckenBench::Wrk;
use TeckenTest::Process qw(
    fork_child remove_tree slurp temp_dir wait_until write_file
);
use TeckenTest::Radosgw;

use constant {
    LARGE => 400 * 1024,
    SMALL => 10 * 1024,
    THREADS => 16,
    MOVERS => 8,
    SLOW => 500,                     # clients
    SLOW_SIZE => 1_500_000,
    SLOW_RATE => 10_000,             # bytes/s of each
    SLOW_PIECES => 5,                # a second
    PACE => 25,                      # posts/s: 1,500 a minute
    IDLE_POSTS => 300,
};

my $boundary = '------------------------0123456789abcdef';
my @post = ('/submit', "multipart/form-data; boundary=$boundary");

# as a desktop's crash reporter sends them
my @annotations = (
    BuildID => '20261116090407',
    CrashTime => '1795274701',
    InstallTime => '1795001122',
    ProductID => '{ec8030f7-c20a-464f-9b0e-13a3a9e97384}',
    ProductName => 'Firefox',
    ReleaseChannel => 'release',
    ServerURL => 'https://crash-reports.mozilla.com/submit?id='
                 . '{ec8030f7-c20a-464f-9b0e-13a3a9e97384}&version=145.0',
    StartupTime => '1795270000',
    TelemetryEnvironment => '{"build":{"applicationName":"Firefox",'
                            . '"architecture":"x86-64"},"settings":{'
                            . '"locale":"en-US","e10sEnabled":true}}' x 10,
    ThreadIdNameMapping => '4211:"MainThread",4215:"IPC I/O Parent"',
    Throttleable => '1',
    UptimeTS => '4701.5',
    Vendor => 'Mozilla',
    Version => '145.0',
);


# name, unit, digits, operator, target, text: see TeckenBench::Report
sub figures
{
    return (
        [ 'submit_400k_vs_bare_spool', 'ratio', 2, '>=', 0.6,
          'crashes/s of 400 KiB that are durable and acknowledged, 16 '
          . 'connections, 2 workers, against a C program that writes, syncs '
          . 'and renames the same with ' . THREADS . ' threads' ],
        [ 'submit_400k_cpu_ms', 'ms', 2, '<=', 1.2,
          'CPU of workers and their threads for such a crash' ],
        [ 'submit_10k_vs_discard', 'ratio', 2, '>=', 0.2,
          'crashes/s of 10 KiB, the same, 64 connections, against nginx that '
          . 'reads the same body and answers by `return 200`' ],
        [ 'submit_slow_clients_rss_mib', 'MiB', 1, '<=', 64,
          'most memory of a worker above idle, while ' . SLOW . ' clients '
          . 'send 1.5 MB each at 10 KB/s' ],
        [ 'submit_drain_vs_plain_put', 'ratio', 2, '>=', 0.8,
          'rate at which the mover brings 2,000 crashes of 400 KiB to '
          . 'radosgw, against a plain libcurl program that PUTs the same '
          . 'objects, ' . MOVERS . ' at once' ],
        [ 'submit_p99_while_draining_ratio', 'ratio', 2, '<=', 2,
          'p99 of a post of 400 KiB, ' . PACE . ' a second, while 2,000 '
          . 'crashes are moved, against before' ],

        [ 'submit_400k_rps', 'crashes/s', 0, undef, undef,
          'those of submit_400k_vs_bare_spool' ],
        [ 'submit_bare_spool_rps', 'files/s', 0, undef, undef,
          'the C program\'s' ],
        [ 'submit_bare_spool_cpu_ms', 'ms', 2, undef, undef,
          'CPU of the C program for a file: of submit_400k_cpu_ms, what is '
          . 'the kernel\'s' ],
        [ 'submit_10k_rps', 'crashes/s', 0, undef, undef,
          'those of submit_10k_vs_discard' ],
        [ 'submit_10k_cpu_us', 'us', 0, undef, undef,
          'CPU of workers and their threads for such a crash' ],
        [ 'submit_10k_sync_ms', 'ms', 1, undef, undef,
          'from the first sync of such a crash\'s file to the last' ],
        [ 'submit_discard_rps', 'requests/s', 0, undef, undef,
          'nginx\'s with `return 200`' ],
        [ 'submit_drain_rps', 'crashes/s', 0, undef, undef,
          'the mover\'s' ],
        [ 'submit_plain_put_rps', 'crashes/s', 0, undef, undef,
          'the libcurl program\'s' ],
        [ 'submit_p99_idle_ms', 'ms', 1, undef, undef,
          'p99 of a post when nothing is moved' ],
        [ 'submit_p99_while_draining_ms', 'ms', 1, undef, undef,
          'the same while crashes are moved' ],
    );
}


# tools, spools, runs, seconds, crashes, slow, report
sub new
{
    my ($class, %options) = @_;

    my $self = bless { %options, dir => temp_dir('tecken-bench'),
                       owner => $$ }, $class;

    $self->{spools} //= $self->{tools};
    $self->{disk} = TeckenBench::Spool::disk($self->{spools});

    for ([ large => LARGE ], [ small => SMALL ]) {
        my ($name, $size) = @$_;

        $self->{$name} = _form($size);
        $self->{"${name}_file"} = "$self->{dir}/$name";
        write_file($self->{"${name}_file"}, $self->{$name});
    }

    return $self;
}


sub DESTROY
{
    my ($self) = @_;

    local ($?, $@);
    remove_tree($self->{dir}) if $self->{owner} == $$;
}


# What the table is followed by.
sub disk
{
    my ($self) = @_;

    return "The spools were on $self->{disk}.\n\n";
}


sub measure_large
{
    my ($self) = @_;

    my $spool = TeckenBench::Spool->new($self->{spools});
    my $nginx = $self->_start($spool);
    my (@ratio, @submit, @bare);

    $spool->take_away;

    for (1 .. $self->{runs}) {
        my %result = $self->_turns(
            submit => sub { $self->_wrk($nginx, '/submit', 'large', 16) },
            bare => sub { $self->_bare($spool) });

        push @submit, $result{submit};
        push @bare, $result{bare};
        push @ratio, $result{submit}{rps} / $result{bare}{rps};
    }

    my $report = $self->{report};

    $report->add('submit_400k_vs_bare_spool', @ratio);
    $report->add('submit_400k_cpu_ms', map { $_->{cpu_usec} / 1000 } @submit);
    $report->add('submit_400k_rps', map { $_->{rps} } @submit);
    $report->add('submit_bare_spool_rps', map { $_->{rps} } @bare);
    $report->add('submit_bare_spool_cpu_ms',
                 map { $_->{cpu_usec} / 1000 } @bare);

    $nginx->stop;
}


sub measure_small
{
    my ($self) = @_;

    my $spool = TeckenBench::Spool->new($self->{spools});
    my $nginx = $self->_start($spool);
    my (@ratio, @submit, @discard);

    $spool->take_away;

    for (1 .. $self->{runs}) {
        my %result = $self->_turns(
            submit => sub { $self->_wrk($nginx, '/submit', 'small', 64) },
            discard => sub { $self->_wrk($nginx, '/discard', 'small', 64) });

        push @submit, $result{submit};
        push @discard, $result{discard};
        push @ratio, $result{submit}{rps} / $result{discard}{rps};
    }

    my $report = $self->{report};

    $report->add('submit_10k_vs_discard', @ratio);
    $report->add('submit_10k_rps', map { $_->{rps} } @submit);
    $report->add('submit_10k_cpu_us', map { $_->{cpu_usec} } @submit);
    $report->add('submit_10k_sync_ms', map { $_->{sync_msec} } @submit);
    $report->add('submit_discard_rps', map { $_->{rps} } @discard);

    $nginx->stop;
}


# All runs at once, each with an nginx of its own: it takes minutes, and
# memory is not shared.
sub measure_slow
{
    my ($self) = @_;

    my $body = _form(SLOW_SIZE);
    my (@run, @mib);

    for (1 .. $self->{runs}) {
        my $spool = TeckenBench::Spool->new($self->{spools});
        my $nginx = $self->_start($spool, workers => 1);

        push @run, { spool => $spool, nginx => $nginx,
                     idle => $nginx->rss_kib };
    }

    for my $run (@run) {
        $run->{log} = "$self->{dir}/slow-" . $run->{nginx}->port;
        $run->{pid} = fork_child(
            sub { $self->_send_slowly($run->{nginx}, $body) }, $run->{log});
    }

    for my $run (@run) {
        waitpid $run->{pid}, 0;
        die 'slow clients: ' . slurp($run->{log}) if $?;

        push @mib, ($run->{nginx}->peak_kib - $run->{idle}) / 1024;
        $run->{nginx}->stop;
    }

    $self->{report}->add('submit_slow_clients_rss_mib', @mib);
}


sub measure_drain
{
    my ($self) = @_;

    my $radosgw = TeckenTest::Radosgw->start;
    my $crashes = $self->_crashes($radosgw);
    my $list = "$self->{dir}/list";
    my (@ratio, @drain, @plain);

    write_file($list, $crashes->list('crashes'));

    for my $run (1 .. $self->{runs}) {
        my @side = (
            sub { push @drain, $self->_drain($radosgw, $crashes) },
            sub { push @plain, $self->_plain_put($radosgw, $list) });

        $_->() for $run % 2 ? @side : reverse @side;

        push @ratio, $drain[-1] / $plain[-1];
    }

    my $report = $self->{report};

    $report->add('submit_drain_vs_plain_put', @ratio);
    $report->add('submit_drain_rps', @drain);
    $report->add('submit_plain_put_rps', @plain);

    $radosgw->stop;
}


sub measure_p99
{
    my ($self) = @_;

    my $radosgw = TeckenTest::Radosgw->start;
    my $crashes = $self->_crashes($radosgw);
    my (@ratio, @idle, @busy);

    for (1 .. $self->{runs}) {
        my $spool = TeckenBench::Spool->new($self->{spools});
        my $nginx = $self->_start($spool, radosgw => $radosgw);
        my $socket = connect_to($nginx);
        my $left = IDLE_POSTS;

        push @idle, 1000 * p99($self->_paced($socket, sub { !$left-- }));

        $spool->fill($crashes);
        $spool->let_go;

        push @busy, 1000 * p99($self->_paced($socket, sub {
            my $n = $spool->files;
            return $n < MOVERS;
        }));

        push @ratio, $busy[-1] / $idle[-1];
        $nginx->stop;
    }

    my $report = $self->{report};

    $report->add('submit_p99_while_draining_ratio', @ratio);
    $report->add('submit_p99_idle_ms', @idle);
    $report->add('submit_p99_while_draining_ms', @busy);

    $radosgw->stop;
}


# An nginx whose crashes go to this spool.
sub _start
{
    my ($self, $spool, %options) = @_;

    my $path = $spool->path;
    my $storage = $options{radosgw} ? $self->_storage($options{radosgw}) : '';
    my $store_to = $storage ? 'crashes' : 'off';

    return TeckenBench::Nginx->start(
        workers => $options{workers} // 2,
        main => 'thread_pool spool threads=' . THREADS . ';',
        http => <<"END");
    $storage
    tecken_io_thread_pool spool;
    antenna_spool $path;
    antenna_store_to $store_to;
    antenna_crashmovers @{[ MOVERS ]};

    server {
        listen 127.0.0.1:%PORT% reuseport;
        client_max_body_size 25m;

        location = /submit { antenna_submit; }
        location = /discard { return 200 "CrashID=bp-0123456789abcdef\\n"; }
        location = /metrics { tecken_metrics; }
    }
END
}


sub _storage
{
    my ($self, $radosgw) = @_;

    my %s3 = $radosgw->environment;

    return 'tecken_storage crashes http://127.0.0.1:' . $radosgw->port
           . '/private prefix=crashes region=us-east-1 '
           . "access_key=$s3{TEST_NGINX_S3_ACCESS_KEY} "
           . "secret_key=$s3{TEST_NGINX_S3_SECRET_KEY};";
}


# The mean results of two sides that take turns, ABBA: what else the machine
# does meets both.
sub _turns
{
    my ($self, %side) = @_;

    my @order = sort keys %side;
    my %results;

    for my $name (@order, reverse @order) {
        push @{ $results{$name} }, $side{$name}->();
    }

    my %mean;

    for my $name (@order) {
        my @r = @{ $results{$name} };
        $mean{$name} = { map { my $key = $_;
                               $key => mean(map { $_->{$key} } @r) }
                         keys %{ $r[0] } };
    }

    return %mean;
}


# Each acknowledged crash has to be in the spool.
sub _wrk
{
    my ($self, $nginx, $path, $body, $connections) = @_;

    my @name = map { "antenna_spool_sync_seconds_$_" } qw(count sum);
    my @before = map { $nginx->metric($_) } @name;

    my $result = TeckenBench::Wrk::run(
        $nginx, path => $path, host => 'localhost', script => 'post',
        connections => $connections, seconds => $self->{seconds},
        args => [ $self->{"${body}_file"}, $post[1] ]);

    return $result if $path ne '/submit';

    my ($synced, $seconds) =
        map { $nginx->metric($name[$_]) - $before[$_] } 0, 1;

    die "$synced crashes were synced, $result->{requests} acknowledged\n"
        if $synced < $result->{requests};

    return { %$result, sync_msec => 1000 * $seconds / $synced };
}


sub _bare
{
    my ($self, $spool) = @_;

    my $bare = $spool->bare;
    my $text = qx($self->{tools}/spoolbench $bare @{[ LARGE ]} @{[ THREADS ]} $self->{seconds});

    my ($files, $usec, $cpu) = $text =~ /^files=(\d+) usec=(\d+) cpu_usec=(\d+)$/
        or die "spoolbench: status $?, $text\n";

    return { rps => $files / $usec * 1e6, cpu_usec => $cpu / $files };
}


# 2,000 crashes, each in a file of its own, that nobody moves.
sub _crashes
{
    my ($self, $radosgw) = @_;

    return $self->{crashes_spool} if $self->{crashes_spool};

    my $spool = TeckenBench::Spool->new($self->{spools});
    my $nginx = $self->_start($spool, radosgw => $radosgw);
    my $socket = connect_to($nginx);

    post($socket, @post, $self->{large}) for 1 .. $self->{crashes};
    $nginx->stop;

    my $n = $spool->files;
    die "$n files for $self->{crashes} crashes\n" if $n != $self->{crashes};

    return $self->{crashes_spool} = $spool;
}


# Crashes/s, from when the mover may have them until all are stored.
sub _drain
{
    my ($self, $radosgw, $crashes) = @_;

    my $spool = TeckenBench::Spool->new($self->{spools});
    $spool->fill($crashes);

    my $nginx = $self->_start($spool, radosgw => $radosgw);

    $spool->let_go;

    my $start = time;
    wait_until('crashes to be stored', 600, sub { !$spool->files });
    my $seconds = time - $start;

    my $stored = $nginx->metric('antenna_stored_crashes_total');
    die "$stored of $self->{crashes} crashes are stored\n"
        if $stored != $self->{crashes};

    $nginx->stop;

    return $self->{crashes} / $seconds;
}


sub _plain_put
{
    my ($self, $radosgw, $list) = @_;

    my %s3 = $radosgw->environment;

    local $ENV{ACCESS_KEY} = $s3{TEST_NGINX_S3_ACCESS_KEY};
    local $ENV{SECRET_KEY} = $s3{TEST_NGINX_S3_SECRET_KEY};

    my $port = $radosgw->port;
    my $text = qx($self->{tools}/putbench $port private @{[ MOVERS ]} < $list);

    my ($crashes, $usec) = $text =~ /^crashes=(\d+) objects=\d+ usec=(\d+)$/m
        or die "putbench: status $?, $text\n";

    return $crashes / $usec * 1e6;
}


# How long each post took.
sub _paced
{
    my ($self, $socket, $ended) = @_;

    my @took;
    my $due = time;

    until ($ended->()) {
        sleep $due - time if $due > time;

        my $start = time;
        post($socket, @post, $self->{large});

        push @took, time - $start;
        $due = $start + 1 / PACE;
    }

    return @took;
}


# All clients send a piece, then the next one when it is time.
sub _send_slowly
{
    my ($self, $nginx, $body) = @_;

    my $piece = SLOW_RATE / SLOW_PIECES;
    my @client = map { connect_to($nginx) } 1 .. SLOW;
    my $pieces = $self->{slow} * SLOW_PIECES;
    my $start = time;

    send_post($_, @post, '', length $body) for @client;

    for my $i (0 .. $pieces - 1) {
        my $due = $start + $i / SLOW_PIECES;
        my $data = substr $body, $i * $piece, $piece;

        sleep $due - time if $due > time;
        last if $data eq '';

        for my $client (@client) {
            syswrite($client, $data) == length $data or die "write: $!\n";
        }
    }

    return if $pieces * $piece < length $body;

    for my $client (@client) {
        my $answer = TeckenBench::Client::receive($client);
        die "answer: $answer\n" if $answer !~ /^CrashID=/;
    }
}


# A form of so many bytes, most of which are the dump's.
sub _form
{
    my ($size) = @_;

    my @pairs = @annotations;
    my $form = '';

    while (my ($name, $value) = splice @pairs, 0, 2) {
        $form .= "--$boundary\r\nContent-Disposition: form-data; "
               . qq(name="$name"\r\n\r\n$value\r\n);
    }

    $form .= "--$boundary\r\nContent-Disposition: form-data; "
           . qq(name="upload_file_minidump"; filename="a.dmp"\r\n)
           . "Content-Type: application/octet-stream\r\n\r\n";

    my $end = "\r\n--$boundary--\r\n";
    my $left = $size - length($form) - length $end;

    # bytes of a dump are not all of a kind
    srand 1;
    $form .= pack 'C*', map { int rand 256 } 1 .. $left;

    return $form . $end;
}


1;
