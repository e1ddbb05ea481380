# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Settings, shared by all parts, and small helpers. The names of the variables
# are upstream's, since scripts may say $Test::Nginx::Util::ServRoot.

package Test::Nginx::Util;

use strict;
use warnings;

use Exporter qw(import);
use File::Spec ();
use IO::Socket::INET ();
use Test::More ();

our ($Verbose, $UseHup, $UseValgrind, $NoClean, $StrictLog, $Randomize);
our ($NginxBinary, $LoadModules, $EventType, $WorkerUser, $PostponeOutput);
our ($ServerAddr, $ServerName, $ServerPort, $ServerPortForClient);
our ($Workers, $WorkerConnections, $MasterProcessEnabled, $LogLevel);
our ($Timeout, $RepeatEach, $NoShuffle, $NoLongString, $NoRootLocation);
our ($NoNginxManager, $ForceRestartOnTest, $CheckAccumErrLog);
our ($ConfigPreamble, $FastShutdown, $InSubprocess);
our (@EnvToNginx, @BlockPreprocessors, @CleanupHandlers);
our (@ResponseBodyChecks);
our ($ServRoot, $LogDir, $HtmlDir, $ConfDir);
our ($ErrLogFile, $AccLogFile, $ConfFile, $PidFile);
our ($NginxVersion, $NginxRawVersion);

our @EXPORT_OK = qw(
    $Verbose $UseHup $UseValgrind $NoClean $StrictLog $Randomize
    $NginxBinary $LoadModules $EventType $WorkerUser $PostponeOutput
    $ServerAddr $ServerName $ServerPort $ServerPortForClient
    $Workers $WorkerConnections $MasterProcessEnabled $LogLevel
    $Timeout $RepeatEach $NoShuffle $NoLongString $NoRootLocation
    $NoNginxManager $ForceRestartOnTest $CheckAccumErrLog
    $ConfigPreamble $FastShutdown $InSubprocess
    @EnvToNginx @BlockPreprocessors @CleanupHandlers @ResponseBodyChecks
    $ServRoot $LogDir $HtmlDir $ConfDir
    $ErrLogFile $AccLogFile $ConfFile $PidFile
    $NginxVersion $NginxRawVersion
    bail_out is_str say_verbose parse_time slurp spew free_port expand_env
    canon_version probe_nginx_version eval_perl shorten patterns
);


sub _init_from_env {
    my %env = map { /^TEST_NGINX_(.+)/ ? ($1 => $ENV{$_}) : () } keys %ENV;

    $Verbose = $env{VERBOSE};
    $UseHup = $env{USE_HUP};
    $UseValgrind = $env{USE_VALGRIND};
    $NoClean = $env{NO_CLEAN};
    $StrictLog = $env{STRICT_LOG};
    $Randomize = $env{RANDOMIZE};
    $FastShutdown = $env{FAST_SHUTDOWN};

    $NginxBinary = $env{BINARY} || 'nginx';
    $LoadModules = $env{LOAD_MODULES};
    $EventType = $env{EVENT_TYPE};
    $WorkerUser = $env{WORKER_USER};
    $PostponeOutput = $env{POSTPONE_OUTPUT};

    $ServerAddr = '127.0.0.1';
    $ServerName = 'localhost';
    $ServerPort = $env{SERVER_PORT} || $env{PORT} || 1984;
    $ServerPort = free_port() if $Randomize;
    $ServerPortForClient = $Randomize ? $ServerPort
                                      : $env{CLIENT_PORT} || $ServerPort;

    $Workers = 1;
    $WorkerConnections = 64;
    $MasterProcessEnabled = $env{MASTER_PROCESS} || 'off';
    $LogLevel = $env{LOG_LEVEL} || 'debug';
    $Timeout = $env{TIMEOUT} || 20;
    $RepeatEach = 1;
    $NoShuffle = $env{NO_SHUFFLE} || 0;
    $NoNginxManager = $env{NO_NGINX_MANAGER} || 0;
    $ForceRestartOnTest = $env{FORCE_RESTART_ON_TEST} // 1;
    $CheckAccumErrLog = $env{CHECK_ACCUM_ERR_LOG};
    $ConfigPreamble = '';

    # "on" is what the file says; a bare 1 is what people type
    $MasterProcessEnabled = 'on' if $MasterProcessEnabled eq '1';

    _set_paths($Randomize ? "t/servroot_$ServerPort"
                          : $env{SERVROOT} || 't/servroot');
}


sub _set_paths {
    my ($root) = @_;

    $ServRoot = File::Spec->rel2abs($root);
    $LogDir = "$ServRoot/logs";
    $HtmlDir = "$ServRoot/html";
    $ConfDir = "$ServRoot/conf";
    $ErrLogFile = "$LogDir/error.log";
    $AccLogFile = "$LogDir/access.log";
    $PidFile = "$LogDir/nginx.pid";
    $ConfFile = "$ConfDir/nginx.conf";

    $ENV{TEST_NGINX_SERVER_ROOT} = $ServRoot;
}


sub bail_out {
    my (@message) = @_;

    $_->() for splice @CleanupHandlers;

    Test::More::BAIL_OUT(join '', @message);
}


sub say_verbose {
    warn '# ', @_, "\n" if $Verbose;
}


# Equal strings, or a match; long ones are shown around the first difference.

sub is_str (@) {
    my ($got, $expected, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    if (ref $expected eq 'Regexp') {
        return Test::More::like($got, $expected, $name);
    }

    if ($NoLongString || !defined $got || !defined $expected
        || $got eq $expected
        || length($got) + length($expected) < 160)
    {
        return Test::More::is($got, $expected, $name);
    }

    ($got ^ $expected) =~ /\A\0*/;
    my $at = $+[0];
    my $from = $at > 20 ? $at - 20 : 0;

    Test::More::fail($name);
    Test::More::diag(
        sprintf "     got: %d bytes: ...%s\nexpected: %d bytes: ...%s\n"
        . "  strings begin to differ at byte %d",
        length $got, shorten(substr $got, $from),
        length $expected, shorten(substr $expected, $from), $at);

    return 0;
}


sub shorten {
    my ($text) = @_;

    return '' if !defined $text;

    my $out = substr $text, 0, 80;
    $out =~ s/\n/\\n/g;
    $out =~ s/\r/\\r/g;
    $out =~ s/([^\x20-\x7e])/sprintf '\\x{%02x}', ord $1/ge;

    return length $text > 80 ? "$out..." : $out;
}


# "3", "3s" and "300ms", as seconds.

sub parse_time {
    my ($time) = @_;

    return $time if !defined $time;

    $time =~ s/\s+//g;
    return $1 / 1000 if $time =~ /^([\d.]+)ms$/;
    return $1 if $time =~ /^([\d.]+)s?$/;

    bail_out("bad time \"$time\"");
}


sub slurp {
    my ($path) = @_;

    open my $in, '<:raw', $path or return undef;
    local $/;

    return scalar <$in> // '';
}


sub spew {
    my ($path, $text) = @_;

    open my $out, '>:raw', $path or bail_out("cannot write $path: $!");
    print $out $text or bail_out("cannot write $path: $!");
    close $out or bail_out("cannot write $path: $!");
}


# The kernel picks: nobody listens there now, on TCP at least.

sub free_port {
    my $sock = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => 0, Proto => 'tcp', Listen => 1,
    ) or bail_out("no free port: $@");

    return $sock->sockport;
}


# $TEST_NGINX_X becomes the value of the environment's X; a RAND_PORT stays the
# same as long as the caller keeps %$ports, that is within one block.

sub expand_env {
    my ($text, $name, $ports) = @_;

    return $text if !defined $text || ref $text;

    $text =~ s/\$(TEST_NGINX_[_A-Z0-9]+)/_env_value($1, $name, $ports)/ge;

    return $text;
}


sub _env_value {
    my ($var, $name, $ports) = @_;

    if ($var =~ /^TEST_NGINX_RAND_PORT_\d+$/) {
        my %used = map { $_ => 1 } $ServerPort, values %$ports;

        while (!$ports->{$var}) {
            my $port = free_port();
            $ports->{$var} = $port if !$used{$port};
        }

        return $ports->{$var};
    }

    return $ENV{$var} // bail_out("$name - No environment $var defined.");
}


sub canon_version {
    return sprintf '%d.%03d%03d', @_;
}


sub probe_nginx_version {
    my $out = qx{$NginxBinary -V 2>&1} // '';

    if ($? != 0 || $out !~ m{\w/(\d+)\.(\d+)\.(\d+)}) {
        bail_out("cannot get the version of \"$NginxBinary\": $out");
    }

    $NginxRawVersion = "$1.$2.$3";
    $NginxVersion = canon_version($1, $2, $3);
}


# Perl of a section; in this package, as under upstream.

sub eval_perl {
    my ($code, $what) = @_;

    my $value = eval $code;
    bail_out("$what failed: $@") if $@;

    return $value;
}


# Lines of text, one regex, or an array of either, as a list of patterns.

sub patterns {
    my ($value) = @_;

    return () if !defined $value;
    return grep { defined } @$value if ref $value eq 'ARRAY';
    return $value if ref $value;

    return grep { length } split /\n+/, $value;
}


_init_from_env();

1;
