# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# The life of the nginx under test: a child that is started, reloaded and
# waited for, and what its death says.

package Test::Nginx::Process;

use strict;
use warnings;

use Exporter qw(import);
use File::Spec ();
use IO::Socket::INET ();
use POSIX qw(:sys_wait_h);
use Text::ParseWords qw(shellwords);
use Time::HiRes qw(sleep time);

use Test::Nginx::Util qw(
    $UseValgrind $FastShutdown $NginxBinary $NginxVersion $Timeout
    $ServerAddr $ServerPort $ServRoot $LogDir $ErrLogFile $ConfFile $PidFile
    bail_out say_verbose slurp
);

our @EXPORT_OK = qw(
    nginx_start nginx_stop nginx_reload nginx_running nginx_launched
    nginx_command valgrind_command stop_stale_nginx log_complaints
);

use constant POLL => 0.002;
use constant VALGRIND_EXIT => 99;

# leaks of nginx's own; a valgrind.suppress in the directory is added to them
my $Suppress = File::Spec->rel2abs(__FILE__) =~ s{[^/]*\z}{valgrind.suppress}r;

my @SanEnv = qw(ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS TSAN_OPTIONS);

my %Child;                   # pid, status once reaped
my %Seen;                    # sanitizer reports already blamed: path => size
my $LogScanned = 0;          # how far into error.log log_complaints() read


# Starts nginx and returns when it listens ("running") or is gone (its wait
# status). The pid file is the event: nginx writes it after it has bound its
# sockets, and a connection would leave lines in the log under test.

sub nginx_start {
    my (%opt) = @_;

    my $deadline = time + 10;
    my $result;

    while (1) {
        $result = _start_once();

        # an earlier nginx, or a test's own server, may still be letting go
        last if $opt{must_die} || $result->{running};
        last if $result->{output} !~ /bind\(\) .* failed \(\d+: Address alr/;
        last if time > $deadline;
    }

    return $result;
}


sub _start_once {
    unlink $PidFile;
    $LogScanned = 0;

    my @command = nginx_command();
    say_verbose("starting @command");

    my $pid = fork // bail_out("fork: $!");
    _exec_nginx(@command) if $pid == 0;

    %Child = (pid => $pid);
    my $deadline = time + ($UseValgrind ? 120 : 30);

    while (time < $deadline) {
        if (!nginx_running()) {
            my $status = $Child{status};
            %Child = ();
            return { status => $status, output => _captured() };
        }

        return { running => 1 } if (slurp($PidFile) // '') =~ /^\d+\n/;
        sleep POLL;
    }

    _signal('KILL');
    waitpid $pid, 0;
    %Child = ();

    return { status => 9, output => _captured() . "nginx did not get ready" };
}


sub _captured {
    return slurp("$LogDir/stderr.log") // '';
}


# A process group of its own: a Ctrl-C is ours to handle, and workers that
# outlive their master can be killed.

sub _exec_nginx {
    my (@command) = @_;

    setpgrp;
    open STDIN, '<', '/dev/null';
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', "$LogDir/stderr.log";

    exec { $command[0] } @command or print STDERR "exec @command: $!\n";
    POSIX::_exit(127);
}


sub nginx_command {
    my @binary = -e $NginxBinary ? $NginxBinary : shellwords($NginxBinary);
    my @errlog = $NginxVersion >= 1.019005 ? ('-e', $ErrLogFile) : ();

    return (valgrind_command(), @binary, @errlog,
            '-p', "$ServRoot/", '-c', $ConfFile);
}


# TEST_NGINX_USE_VALGRIND is a number for memcheck as we like it, or options.
# Errors are never only printed: they become the exit status.

sub valgrind_command {
    return if !$UseValgrind;

    my @options;

    if ($UseValgrind =~ /^\d+$/) {
        @options = qw(--num-callers=100 -q --tool=memcheck --leak-check=full
                      --show-possibly-lost=no --errors-for-leak-kinds=definite
                      --gen-suppressions=all);
        push @options, map { "--suppressions=$_" }
                       grep { -f } $Suppress, 'valgrind.suppress';

    } else {
        @options = ('-q', shellwords($UseValgrind));
    }

    if (!grep { /^--error-exitcode=/ } @options) {
        push @options, '--error-exitcode=' . VALGRIND_EXIT;
    }

    return ('valgrind', @options);
}


sub nginx_launched {
    return $Child{pid};
}


sub nginx_running {
    my $pid = $Child{pid};

    return 0 if !$pid || defined $Child{status};

    my $got = waitpid $pid, WNOHANG;
    return 1 if $got == 0;

    # -1: somebody else's wait took it
    $Child{status} = $got == $pid ? $? : 0;

    return 0;
}


# QUIT, then TERM, then KILL, and returns what is wrong with how nginx ended.

sub nginx_stop {
    my $pid = $Child{pid} // return;

    my $grace = $UseValgrind ? 10 * $Timeout : $Timeout;
    my @complaints;

    for my $signal ($FastShutdown ? () : 'QUIT', 'TERM', 'KILL') {
        last if _signal_until_gone($signal, $grace);
        push @complaints, "nginx ignored $signal for $grace s";
    }

    push @complaints, _status_complaints($Child{status});
    push @complaints, log_complaints(), _sanitizer_reports();

    if (@complaints) {
        my $output = _captured();
        push @complaints, "stderr: $output" if $output ne '';
    }

    kill 'KILL', -$pid;          # workers whose master crashed
    unlink $PidFile;
    %Child = ();

    return @complaints;
}


# Repeats the signal: one that comes just before nginx goes to sleep in its
# event loop is noticed only at the next event.

sub _signal_until_gone {
    my ($signal, $grace) = @_;

    my $deadline = time + $grace;
    my $next = 0;

    while (nginx_running()) {
        return 0 if time > $deadline;

        if (time >= $next) {
            _signal($signal);
            $next = time + 0.2;
        }

        sleep POLL;
    }

    return 1;
}


sub _signal {
    my ($signal) = @_;

    say_verbose("sending $signal to $Child{pid}");
    kill $signal, $signal eq 'KILL' ? -$Child{pid} : $Child{pid};
}


sub _status_complaints {
    my ($status) = @_;

    return 'nginx exited on signal ' . ($status & 127) if $status & 127;
    return 'nginx exited with code ' . ($status >> 8) if $status;
    return;
}


# Once started, nginx points its stderr at error.log: sanitizers write there,
# and a master says there how its workers ended.

sub log_complaints {
    open my $in, '<:raw', $ErrLogFile or return;

    $LogScanned = 0 if -s $in < $LogScanned;
    seek $in, $LogScanned, 0;

    my @found;

    while (my $line = <$in>) {
        chomp $line;

        push @found, "error.log: $line"
            if $line =~ /==\d+==\s*ERROR: \w+Sanitizer/
               || $line =~ /^\S+:\d+:\d+: runtime error: /
               || $line =~ /^SUMMARY: \w+Sanitizer/
               || _worker_failed($line);
    }

    $LogScanned = tell $in;

    return @found;
}


# Under a checker, a worker's exit status is its verdict.

sub _worker_failed {
    my ($line) = @_;

    my ($code) = $line =~ /worker process \d+ exited with code (\d+)/;

    return $code
           && ($UseValgrind || grep { length($ENV{$_} // '') } @SanEnv);
}


sub _report_files {
    my @prefix;

    for my $var (@SanEnv) {
        my ($path) = ($ENV{$var} // '')
                     =~ /(?:^|[:\s,])log_path=("[^"]*"|'[^']*'|[^:\s,]+)/;
        push @prefix, $path =~ s/^["']|["']$//gr if defined $path;
    }

    return map { my $p = $_; $p =~ s/([\s*?\[\]{}~\\])/\\$1/g; glob("$p.*") }
           @prefix;
}


# New or grown reports since the last look.

sub _sanitizer_reports {
    my @found;

    for my $file (_report_files()) {
        my $size = -s $file || 0;
        next if $size <= ($Seen{$file} // 0);

        $Seen{$file} = $size;
        push @found, "sanitizer report $file: "
                     . substr(slurp($file) // '', 0, 4000);
    }

    return @found;
}


# An nginx of this server root, left by a run that was killed.

sub stop_stale_nginx {
    my ($pid) = (slurp($PidFile) // '') =~ /^(\d+)/ or return;

    for my $signal ('QUIT', 'TERM', 'TERM', 'KILL') {
        my $deadline = time + 2;

        kill $signal, $pid if _is_ours($pid);

        while (_is_ours($pid)) {
            last if time > $deadline;
            sleep POLL;
        }
    }
}


# A pid alone may be anybody's by now.

sub _is_ours {
    my ($pid) = @_;

    my $cmdline = slurp("/proc/$pid/cmdline") // '';

    return $cmdline =~ /nginx/ && index($cmdline, "$ServRoot/") >= 0;
}


# Reloads the running nginx, and returns true once only workers that know
# $version answer.

sub nginx_reload {
    my ($version) = @_;

    $LogScanned = 0;
    _signal('USR1');
    _signal('HUP');

    my $deadline = time + 30;
    my $good = 0;

    # an old worker may take some connections before it closes its socket
    while ($good < 20) {
        return 0 if time > $deadline || !nginx_running();

        if (_ask_version() eq $version) {
            $good++;

        } else {
            $good = 0;
            sleep POLL;
        }
    }

    return 1;
}


sub _ask_version {
    my $sock = IO::Socket::INET->new(
        PeerAddr => $ServerAddr, PeerPort => $ServerPort, Timeout => 2,
    ) or return '';

    local $SIG{PIPE} = 'IGNORE';
    print $sock "GET /ver HTTP/1.0\r\nHost: Test-Nginx\r\n\r\n";

    local $/;
    my $reply = <$sock> // '';

    return $reply =~ m{\AHTTP/1\.. 200 .*?\r\n\r\n(.*)\z}s ? $1 : '';
}


$Seen{$_} = -s $_ for _report_files();

1;
