# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# For t/harness: runs scripts in the Test::Nginx language as child processes
# and looks at which of their checks failed.

package HarnessTest;

use strict;
use warnings;

use Cwd qw(abs_path cwd);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IO::Socket::INET ();
use Test::More;

our @EXPORT = qw(run_t check_cases passes fails_only slurp_file work_dir
                 free_tcp_port canned_server);

my $Lib = dirname(abs_path($INC{'HarnessTest.pm'}));
my $Owner = $$;
my @Servers;
my $Seq = 0;


# Runs a script in a directory of its own; options: env, dir, file. Variables
# of the caller that steer a test run do not leak in.

sub run_t {
    my ($script, %opt) = @_;

    my $dir = $opt{dir} // work_dir();
    my $file = $opt{file} // 'case.t';
    _write("$dir/$file", $script);

    my @keep = grep { !/^(?:TEST_NGINX_|HARNESS_|[A-Z]+SAN_)/ } keys %ENV;

    local %ENV = (
        (map { $_ => $ENV{$_} } @keep),
        TEST_NGINX_BINARY => '/usr/sbin/nginx',
        TEST_NGINX_PORT => free_tcp_port(),
        TEST_NGINX_SERVROOT => "$dir/servroot",
        TEST_NGINX_NO_SHUFFLE => 1,
        %{ $opt{env} // {} },
    );

    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        chdir $dir;
        open STDOUT, '>', "$dir/out";
        open STDERR, '>', "$dir/err";
        exec $^X, "-I$Lib", $file or _exit(127);
    }

    waitpid $pid, 0;

    return _result($dir, $?);
}


sub _result {
    my ($dir, $status) = @_;

    my @tests;

    for my $line (split /\n/, slurp_file("$dir/out")) {
        next if $line !~ /^(not )?ok \d+(?: - )?(.*)/;

        my ($bad, $name) = ($1, $2);
        my $directive = '';

        # a skipped test has no name but its reason
        if ($name =~ s/\s*# (skip|todo)\b ?(.*)//i) {
            $directive = lc $1;
            $name = $2 if $name eq '';
        }

        push @tests, { ok => !$bad, name => $name, directive => $directive };
    }

    return {
        dir => $dir,
        out => slurp_file("$dir/out"),
        err => slurp_file("$dir/err"),
        exit => $status,
        tests => \@tests,
        ok => [grep { $_->{ok} } @tests],
        bad => [grep { !$_->{ok} && $_->{directive} ne 'todo' } @tests],
    };
}


# All checks of the run passed, and there were as many as said.

sub passes {
    my ($run, $count, $what) = @_;

    my $good = is($run->{exit}, 0, "$what: passes")
               & is(scalar @{ $run->{tests} }, $count, "$what: $count checks");

    diag($run->{out}, $run->{err}) if !$good;
}


# Exactly these checks failed, in this order.

sub fails_only {
    my ($run, $patterns, $what) = @_;

    my @bad = @{ $run->{bad} };
    my $good = isnt($run->{exit}, 0, "$what: fails")
               & is(scalar @bad, scalar @$patterns,
                    "$what: number of failures");

    for my $i (0 .. $#$patterns) {
        $good &= like($bad[$i] ? $bad[$i]{name} : '', $patterns->[$i],
                      "$what: failure " . ($i + 1));
    }

    diag($run->{out}, $run->{err}) if !$good;
}


# A table of blocks run in one script: [name, block text, passes, failures].
# Each must have exactly that number of passed checks and those failures.

sub check_cases {
    my ($cases, %opt) = @_;

    my $script = "use Test::Nginx::Socket 'no_plan';\n" . ($opt{head} // '')
                 . "no_long_string(); no_shuffle(); run_tests();\n__DATA__\n\n";

    for my $case (@$cases) {
        my ($name, $text) = @$case;
        my $config = $text =~ /^--- config/m ? '' : "--- config\n"
                     . ($opt{config} // "location /t { return 200 'x'; }\n");
        my $request = $text =~ /^--- (?:raw_|pipelined_)?request|^--- must_die/m
                      ? '' : "--- request\nGET /t\n";
        $script .= "=== <$name>\n$config$request$text\n\n";
    }

    my $run = run_t($script, %opt);

    _check_case($run, @$_) for @$cases;

    is(scalar(grep { $_->{name} !~ /<.*>/ } @{ $run->{tests} }), 0,
       'no check outside of the cases') or diag($run->{out});

    return $run;
}


sub _check_case {
    my ($run, $name, $text, $ok, @bad) = @_;

    my @mine = grep { index($_->{name}, "<$name>") >= 0 } @{ $run->{tests} };
    my @failed = grep { !$_->{ok} } @mine;

    my $good = is(scalar(@mine) - scalar(@failed), $ok, "$name: passed checks")
               & is(scalar @failed, scalar @bad, "$name: failed checks");

    for my $i (0 .. $#bad) {
        $good &= like($failed[$i] ? $failed[$i]{name} : '', $bad[$i],
                      "$name: fails for the right reason");
    }

    diag(join "\n", map { ($_->{ok} ? '' : 'not ') . "ok $_->{name}" } @mine)
        if !$good;
    diag($run->{err}) if !$good && !@mine;
}


sub work_dir {
    return tempdir('harness-XXXXXX', TMPDIR => 1, CLEANUP => 1);
}


sub slurp_file {
    my ($path) = @_;

    open my $in, '<:raw', $path or return '';
    local $/;

    return scalar <$in> // '';
}


sub _write {
    my ($path, $text) = @_;

    open my $out, '>:raw', $path or die "$path: $!";
    print $out $text;
    close $out or die "$path: $!";
}


sub free_tcp_port {
    my $sock = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0,
                                     Proto => 'tcp', Listen => 1)
        or die "no port: $@";

    return $sock->sockport;
}


# Answers each connection with what $answers{URI} says, byte for byte, and
# closes it. Returns the port.

sub canned_server {
    my (%answers) = @_;

    my $listener = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => 0, Proto => 'tcp', Listen => 8,
    ) or die "listen: $@";

    my $pid = fork // die "fork: $!";
    push @Servers, $pid if $pid;
    return $listener->sockport if $pid;

    while (my $client = $listener->accept) {
        my $head = '';

        while ($head !~ /\r\n\r\n/) {
            last if !sysread $client, $head, 4096, length $head;
        }

        my ($uri) = $head =~ /^\S+ (\S+)/;
        syswrite $client, $answers{$uri // ''} // '';
        close $client;
    }

    _exit(0);
}


sub _exit {
    require POSIX;
    POSIX::_exit(@_);
}


END {
    if ($$ == $Owner) {
        my $exit = $?;
        for my $pid (@Servers) {
            kill 'KILL', $pid;
            waitpid $pid, 0;
        }
        $? = $exit;
    }
}


1;
