# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# nginx under test: one configuration, its workers and what they cost.

package TeckenBench::Nginx;

use strict;
use warnings;

use IO::Socket::INET;
use POSIX ();

use TeckenTest::Process qw(
    free_port kill_pid remove_tree slurp spawn temp_dir wait_until write_file
);

# of /proc/PID/stat
use constant TICK_USEC => 1_000_000 / POSIX::sysconf(POSIX::_SC_CLK_TCK());


# http: the text of http {}, where %PORT% and %DIR% are replaced; main: what
# is outside of it; workers; files: { name => text } below %DIR%; threads: they
# may use all processors, and so may a single worker.
sub start
{
    my ($class, %options) = @_;

    my $self = bless {
        dir => temp_dir('tecken-bench'), port => free_port(),
        owner => $$, workers => $options{workers} // 1,
        zone => $options{zone} // '16m', threads => $options{threads},
        main => $options{main} // '',
    }, $class;

    my $files = $options{files} // {};
    $self->_write($_, $files->{$_}) for keys %$files;

    mkdir "$self->{dir}/logs";
    mkdir "$self->{dir}/temp";
    write_file($self->conf_file, $self->_conf($options{http}));

    $self->{pid} = spawn({ log => "$self->{dir}/stderr" },
                         binary(), '-p', "$self->{dir}/", '-c',
                         $self->conf_file);

    wait_until('nginx to start', 10, sub { $self->_started });

    return $self;
}


sub binary { return $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx' }


sub version
{
    my ($version) = `@{[ binary() ]} -v 2>&1` =~ m{nginx/(\S+)};

    return $version // 'unknown';
}


# Has the only worker a processor of its own?
sub bound
{
    my ($self) = @_;

    return $self->{workers} == 1 && cpus() > 1 && !$self->{threads};
}


sub conf_file { return "$_[0]{dir}/nginx.conf" }
sub dir       { return $_[0]{dir} }
sub port      { return $_[0]{port} }

sub url
{
    my ($self, $path) = @_;

    return "http://127.0.0.1:$self->{port}$path";
}


sub stop
{
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;

    kill_pid($pid, 'TERM');
    remove_tree($self->{dir});
}


sub DESTROY
{
    my ($self) = @_;

    # a forked child has a copy
    return if $self->{owner} != $$;

    local ($?, $@);
    $self->stop;
}


# Processor time of all workers since they began, in microseconds.
sub cpu_usec
{
    my ($self) = @_;

    my $ticks = 0;

    for my $pid ($self->workers) {
        # fields after the name, which may hold spaces: utime and stime
        my ($rest) = slurp("/proc/$pid/stat") =~ /\) (.*)/s;
        my @field = split ' ', $rest;
        $ticks += $field[11] + $field[12];
    }

    return $ticks * TICK_USEC;
}


# Resident memory of all workers, shared memory included; peak: the most that
# it has been.
sub rss_kib  { return $_[0]->_memory('VmRSS') }
sub peak_kib { return $_[0]->_memory('VmHWM') }


sub _memory
{
    my ($self, $field) = @_;

    my $kib = 0;

    for my $pid ($self->workers) {
        my ($n) = slurp("/proc/$pid/status") =~ /^$field:\s+(\d+) kB/m;
        $kib += $n;
    }

    return $kib;
}


# Of the children: others manage caches.
sub workers
{
    my ($self) = @_;

    return grep { _title($_) =~ /^nginx: worker process/ }
           split ' ', slurp("/proc/$self->{pid}/task/$self->{pid}/children");
}


# { status, headers, body } of one request on a connection of its own.
sub get
{
    my ($self, $path, $host) = @_;

    $host //= 'localhost';

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $self->{port}, Timeout => 10,
    ) or die "connect to nginx: $!\n";

    print {$socket} "GET $path HTTP/1.1\r\n"
        . "Host: $host\r\nConnection: close\r\n\r\n";

    my $text = do { local $/; <$socket> } // '';
    my ($head, $body) = split /\r\n\r\n/, $text, 2;
    my ($line, @headers) = split /\r\n/, $head // '';
    my ($status) = ($line // '') =~ m{^HTTP/1\.1 (\d+)};

    return {
        status => $status // 0, body => $body // '',
        headers => { map { /^([^:]+):\s*(.*)/ ? (lc $1 => $2) : () }
                     @headers },
    };
}


# The value of a series: ("name", 'source="public"', ...); all its labels
# that match are added up.
sub metric
{
    my ($self, $name, @labels) = @_;

    my $sum = 0;

    LINE: for (split /\n/, $self->get('/metrics')->{body}) {
        my ($labels, $value) = /^\Q$name\E(?:\{(.*)\})? (\S+)/ or next;

        for my $label (@labels) {
            next LINE if index($labels // '', $label) < 0;
        }

        $sum += $value;
    }

    return $sum;
}


sub _started
{
    my ($self) = @_;

    die "nginx did not start:\n" . slurp("$self->{dir}/stderr")
        if waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid};

    return $self->workers == $self->{workers}
           && IO::Socket::INET->new("127.0.0.1:$self->{port}");
}


# Empty if it has ended meanwhile.
sub _title
{
    my ($pid) = @_;

    open my $in, '<', "/proc/$pid/cmdline" or return '';

    return <$in> // '';
}


sub _write
{
    my ($self, $name, $text) = @_;

    my $path = $self->{dir};
    my @folders = split m{/}, $name;
    my $file = pop @folders;

    for (@folders) {
        $path .= "/$_";
        mkdir $path;
    }

    write_file("$path/$file", $text);
    chmod 0644, "$path/$file";
}


# One worker has a processor for itself, what asks it has the others.  Its
# threads would be bound to the same one.
sub _conf
{
    my ($self, $http) = @_;

    my $modules = join '', map { "load_module $_;\n" }
                  split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // '';
    my $affinity = $self->bound ? 'worker_cpu_affinity 01;' : '';

    my $conf = <<"END";
$modules
daemon off;
pid logs/nginx.pid;
error_log logs/error.log error;
worker_processes $self->{workers};
$affinity
worker_rlimit_nofile 8192;
$self->{main}

events { worker_connections 4096; }

http {
    access_log off;
    server_tokens off;
    keepalive_requests 100000000;
    client_body_temp_path temp/body;
    proxy_temp_path temp/proxy;
    fastcgi_temp_path temp/fastcgi;
    uwsgi_temp_path temp/uwsgi;
    scgi_temp_path temp/scgi;

    tecken_zone tecken:$self->{zone};
$http
}
END

    $conf =~ s/%PORT%/$self->{port}/g;
    $conf =~ s/%DIR%/$self->{dir}/g;

    return $conf;
}


# Moves other processes, all their threads, off the only worker's processor.
sub leave_to_worker
{
    my (@pids) = @_;

    return if cpus() < 2;

    for my $pid (@pids) {
        chomp $pid;
        system("taskset -acp 1-@{[ cpus() - 1 ]} $pid >/dev/null") == 0
            or die "taskset: status $?\n";
    }
}


sub cpus
{
    my $n = () = slurp('/proc/cpuinfo') =~ /^processor\s*:/mg;

    return $n;
}


1;
