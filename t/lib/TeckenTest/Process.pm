# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Processes, ports, temp folders and deadlines for the test parts.

package TeckenTest::Process;

use strict;
use warnings;

use Exporter 'import';
use File::Path ();
use File::Temp ();
use IO::Socket::INET;
use POSIX ();
use Scalar::Util ();
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(
    alive become_subreaper become_unprivileged fork_child free_port free_ports
    give_away kill_pid lifeline reap remove_tree run_child slurp spawn temp_dir
    unprivileged_ids wait_until write_file
);

my %lifelines;                       # the parent's ends, weak

# Below Linux' ephemeral ports, so that no outgoing connection can take a
# port between our choice and the server's bind().
use constant { PORT_MIN => 15000, PORT_MAX => 31999 };

# Deadlines are for a machine that has nothing else to do.
use constant PATIENCE => 4;


# Polls until $check returns true; returns that value, or dies at the deadline.
sub wait_until
{
    my ($what, $seconds, $check) = @_;

    $seconds *= PATIENCE;

    my $end = time + $seconds;
    my $pause = 0.001;

    while (1) {
        my $value = $check->();
        return $value if $value;

        die "timed out after ${seconds}s waiting for $what\n" if time > $end;

        sleep $pause;
        $pause *= 1.5 if $pause < 0.02;
    }
}


sub free_port
{
    return (free_ports(1))[0];
}


# Held open together while they are chosen, so that they differ.
sub free_ports
{
    my ($n) = @_;

    my @held;

    for (1 .. 2000) {
        my $port = PORT_MIN + int rand(PORT_MAX - PORT_MIN);

        my $socket = IO::Socket::INET->new(
            LocalAddr => '127.0.0.1', LocalPort => $port, Proto => 'tcp',
            Listen => 1,
        ) or next;

        push @held, $socket;
        return map { $_->sockport } @held if @held == $n;
    }

    die "no free port\n";
}


# A folder which an unprivileged server can enter; short, because the paths
# of unix sockets below it must stay under 107 bytes.
sub temp_dir
{
    my ($name) = @_;

    my $dir = File::Temp::tempdir("$name-XXXXXX", DIR => '/tmp');
    chmod 0755, $dir;

    return $dir;
}


sub remove_tree
{
    my ($dir) = @_;

    File::Path::remove_tree($dir, { error => \my $ignored }) if -e $dir;
}


sub slurp
{
    my ($path) = @_;

    open my $fh, '<:raw', $path or return '';
    local $/;

    return scalar(<$fh>) // '';
}


sub write_file
{
    my ($path, $text) = @_;

    open my $fh, '>:raw', $path or die "open $path: $!\n";
    print {$fh} $text;
    close $fh or die "write $path: $!\n";
}


# nobody's ids when we are root, undef otherwise.
sub unprivileged_ids
{
    return if $> != 0;

    my (undef, undef, $uid, $gid) = getpwnam 'nobody'
        or die "no user \"nobody\"\n";

    return ($uid, $gid);
}


sub become_unprivileged
{
    my ($uid, $gid) = unprivileged_ids() or return;

    $( = $gid;
    $) = "$gid $gid";
    POSIX::setuid($uid) or die "setuid: $!\n";
}


sub give_away
{
    my ($uid, $gid) = unprivileged_ids() or return;

    chown $uid, $gid, @_;
}


# Is the process there and more than a zombie?  (An orphan stays a zombie for
# ever where process 1 does not reap.)  The first thread may be one while
# others still hold the sockets.
sub alive
{
    my ($pid) = @_;

    my $stat = slurp("/proc/$pid/stat");
    return 0 if $stat eq '';

    return 1 if $stat !~ /\) [ZX] /;

    my @threads = glob "/proc/$pid/task/*";

    return @threads > 1;
}


sub reap
{
    my ($pid) = @_;

    return waitpid($pid, POSIX::WNOHANG()) == $pid;
}


# Signals a process and waits until it is gone; KILL when it does not go.
sub kill_pid
{
    my ($pid, $signal, $seconds) = @_;

    $signal //= 'KILL';
    $seconds //= 10;

    kill $signal, $pid or return;

    my $gone = sub { reap($pid); !alive($pid) };
    return if eval { wait_until("process $pid to exit", $seconds, $gone) };

    kill 'KILL', $pid;
    wait_until("process $pid to die", 5, $gone);
}


# Makes orphans below us our children, so that daemons can be waited for.
# (The system call's number is all that Perl lacks.)
sub become_subreaper
{
    my $prctl = { x86_64 => 157, aarch64 => 167 }->{ (POSIX::uname())[4] };

    syscall $prctl, 36, 1, 0, 0, 0 if defined $prctl;
}


# A child which runs Perl code and never comes back.  It must not keep the
# harness' pipe (prove would wait for it), nor run the test's END blocks.
sub fork_child
{
    my ($code, $log) = @_;

    $log //= '/dev/null';
    my $parent = $$;

    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;

    # a forked copy of the parent's seed would choose the same ports
    srand;

    # these must end with the parent, not with us
    close $_ for grep { defined } values %lifelines;

    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP CHLD __DIE__ __WARN__);
    $SIG{PIPE} = 'IGNORE';

    open STDIN, '<', '/dev/null';
    open STDOUT, '>>', $log;
    open STDERR, '>&', \*STDOUT;
    select((select(STDERR), $| = 1)[0]);

    my $ok = eval { $code->($parent); 1 };
    print STDERR $@ unless $ok;

    POSIX::_exit($ok ? 0 : 1);
}


# Starts a program; options: cwd, log, unprivileged, env.  Returns its pid.
sub spawn
{
    my ($options, @command) = @_;

    return fork_child(sub {
        chdir $options->{cwd} or die "chdir: $!\n" if $options->{cwd};
        become_unprivileged() if $options->{unprivileged};

        my $env = $options->{env} // {};
        $ENV{$_} = $env->{$_} for keys %$env;

        exec { $command[0] } @command or die "exec $command[0]: $!\n";
    }, $options->{log});
}


# Runs a program to its end; dies with the log's text when it fails.
sub run_child
{
    my ($options, @command) = @_;

    my $pid = spawn($options, @command);
    my $seconds = $options->{timeout} // 60;

    if (!eval { wait_until($command[0], $seconds, sub { reap($pid) }) }) {
        kill_pid($pid);
        die "@command: $@" . slurp($options->{log} // '');
    }

    die "@command: exit status $?\n" . slurp($options->{log} // '')
        if $? != 0;
}


# Runs $cleanup in a process of its own when the calling process ends in
# whatever way, kill -9 included.
sub lifeline
{
    my ($cleanup) = @_;

    pipe my $reader, my $writer or die "pipe: $!\n";

    fork_child(sub {
        close $writer;
        POSIX::setsid();

        # EOF: the last holder of the other end is gone
        1 while sysread $reader, my $byte, 1;

        $cleanup->();
    });

    close $reader;

    Scalar::Util::weaken($lifelines{ fileno $writer } = $writer);

    return $writer;
}


1;
