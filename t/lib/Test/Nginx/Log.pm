# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# What a block expects of error.log and access.log.

package Test::Nginx::Log;

use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(any);
use Test::More ();
use Time::HiRes qw(sleep time);

use Test::Nginx::Process qw(nginx_running);
use Test::Nginx::Util qw($ErrLogFile $AccLogFile $CheckAccumErrLog $StrictLog
                         $UseValgrind bail_out is_str expand_env patterns
                         shorten);

our @EXPORT_OK = qw(log_new_file log_rewind check_error_log check_access_log
                    check_shutdown_log check_strict);

use constant POLL => 0.002;

# nginx may log a little after it has closed the connection: a log is taken as
# complete when it has been quiet for so long, and an expected line may take
# until the deadline
use constant QUIET => 0.015;
use constant DEADLINE => $ENV{TEST_NGINX_LOG_WAIT} || 10;

my $ErrPos = 0;              # what error_log checks have read
my $StrictPos = 0;           # what check_strict() has read


sub log_new_file {
    $ErrPos = $StrictPos = 0;
}


sub log_rewind {
    $ErrPos = 0;
}


# The complete lines after *$pos, which moves.

sub _read_lines {
    my ($file, $pos) = @_;

    open my $in, '<:raw', $file or return;
    $$pos = 0 if -s $in < $$pos;
    seek $in, $$pos, 0;

    my @lines;

    while (my $line = <$in>) {
        last if $line !~ /\n\z/ && nginx_running();
        push @lines, $line;
        $$pos += length $line;
    }

    return @lines;
}


# All lines after *$pos, once $enough->(\@lines) holds and nothing more comes,
# or time is up.

sub _settled_lines {
    my ($file, $pos, $enough) = @_;

    my $start = time;
    my $last = $start;
    my $deadline = $start + DEADLINE * ($UseValgrind ? 5 : 1);
    my @lines;

    while (1) {
        my $alive = nginx_running();
        my @new = _read_lines($file, $pos);

        $last = time if @new;
        push @lines, @new;

        last if !$alive || time > $deadline;
        last if time - $last >= QUIET && $enough->(\@lines);

        sleep POLL;
    }

    return \@lines;
}


sub _matches {
    my ($line, $pattern) = @_;

    return ref $pattern ? $line =~ $pattern : index($line, $pattern) >= 0;
}


sub _all_found {
    my ($lines, @patterns) = @_;

    for my $pattern (@patterns) {
        return 0 if !any { _matches($_, $pattern) } @$lines;
    }

    return 1;
}


sub check_error_log {
    my ($block, $repeat, $ports) = @_;

    my @wanted = patterns($block->error_log);
    my $grep = _grep_spec($block, $repeat, $ports);
    my $lines;

    if (@wanted || $grep || defined $block->no_error_log) {
        my $from = $CheckAccumErrLog ? 0 : $ErrPos;

        $lines = _settled_lines($ErrLogFile, \$from, sub {
            return _all_found($_[0], @wanted)
                   && (!$grep || _grep_ok($grep, $_[0]));
        });
        $ErrPos = $from if !$CheckAccumErrLog;

    } else {
        my $from = $CheckAccumErrLog ? 0 : $ErrPos;
        $lines = [_read_lines($ErrLogFile, \$from)];
        $ErrPos = $from if !$CheckAccumErrLog;
    }

    _check_grep($block, $grep, $lines, $repeat) if $grep;
    _check_found($block, 'error.log', $lines, $repeat, @wanted);
    _check_absent($block, 'error.log', $lines, $repeat,
                  patterns($block->no_error_log));
    _check_implicit($block, $lines);
    check_strict($block);
}


sub _grep_spec {
    my ($block, $repeat, $ports) = @_;

    my $pattern = $block->grep_error_log;
    my $out = $block->grep_error_log_out;

    if (defined $pattern != defined $out) {
        bail_out($block->name,
                 ' - grep_error_log and grep_error_log_out go together');
    }

    return if !defined $pattern;

    $pattern = $pattern->[$repeat] if ref $pattern eq 'ARRAY';
    $out = $out->[$repeat] if ref $out eq 'ARRAY';
    return if !defined $pattern;

    return {
        pattern => ref $pattern ? $pattern : qr/\Q$pattern\E/,
        out => expand_env($out, $block->name, $ports) // '',
    };
}


# The first match of each line; one that takes in the line's end is left out,
# as it is upstream.

sub _grep {
    my ($grep, $lines) = @_;

    return join '', map { "$_\n" } grep { !/\n/ }
                    map { /$grep->{pattern}/ ? substr($_, $-[0], $+[0] - $-[0])
                                             : () } @$lines;
}


sub _grep_ok {
    my ($grep, $lines) = @_;

    my $got = _grep($grep, $lines);

    return ref $grep->{out} ? $got =~ $grep->{out} : $got eq $grep->{out};
}


sub _check_grep {
    my ($block, $grep, $lines, $repeat) = @_;

    is_str(_grep($grep, $lines), $grep->{out},
           $block->name . " - grep_error_log_out (req $repeat)");
}


sub _check_found {
    my ($block, $log, $lines, $repeat, @patterns) = @_;

    for my $pattern (@patterns) {
        my $found = any { _matches($_, $pattern) } @$lines;
        my $verb = $found ? 'matches' : 'should match';

        Test::More::ok($found, $block->name . " - pattern \"$pattern\" $verb"
                               . " a line in $log (req $repeat)");
    }
}


sub _check_absent {
    my ($block, $log, $lines, $repeat, @patterns) = @_;

    for my $pattern (@patterns) {
        my ($line) = grep { _matches($_, $pattern) } @$lines;
        my $name = $block->name . " - pattern \"$pattern\" ";

        if (defined $line) {
            Test::More::fail($name . "should not match any line in $log but"
                             . ' matches line "' . shorten($line)
                             . "\" (req $repeat)");
            Test::More::diag($line);

        } else {
            Test::More::pass($name . "does not match a line in $log"
                             . " (req $repeat)");
        }
    }
}


# Bad lines nobody asked about: a warning, or a failure for an assertion.

sub _check_implicit {
    my ($block, $lines) = @_;

    my @named = map { patterns($_) } $block->error_log, $block->no_error_log;
    my @levels = grep { my $level = $_;
                        !any { index($_, "[$level") >= 0
                               || index($_, "\\[$level") >= 0 } @named }
                 qw(alert crit emerg);

    for my $line (@$lines) {
        if (any { index($line, "[$_]") >= 0 } @levels) {
            warn '# WARNING: ', $block->name, ' - ', $line;
        }

        if ($line =~ /\bAssertion .*?failed\b/) {
            Test::More::fail($block->name . " - $line" =~ s/\s+\z//r);
        }
    }
}


# TEST_NGINX_STRICT_LOG: alerts, emergencies and killed workers fail, unless
# the block says that it expects the line. A configuration that must die, dies
# with [emerg].

sub check_strict {
    my ($block) = @_;

    return if !$StrictLog;

    my @expected = map { patterns($_) } $block->error_log,
                                        $block->shutdown_error_log;

    for my $line (_read_lines($ErrLogFile, \$StrictPos)) {
        next if $line !~ /\[(?:alert|emerg)\]
                          |worker[ ]process[ ]\d+[ ]exited[ ]on[ ]signal/x;
        next if $line =~ /\[emerg\]/ && defined $block->must_die;
        next if any { _matches($line, $_) } @expected;

        Test::More::fail($block->name . " - strict log: $line" =~ s/\s+\z//r);
    }
}


# The access log is looked at as a whole each time, as it is upstream.

sub check_access_log {
    my ($block, $repeat) = @_;

    my @wanted = patterns($block->access_log);
    my @unwanted = patterns($block->no_access_log);
    return if !@wanted && !@unwanted;

    my $pos = 0;
    my $lines = _settled_lines($AccLogFile, \$pos,
                               sub { _all_found($_[0], @wanted) });

    _check_found($block, 'access.log', $lines, $repeat, @wanted);
    _check_absent($block, 'access.log', $lines, $repeat, @unwanted);
}


# After nginx has exited, so what is there is all.

sub check_shutdown_log {
    my ($block) = @_;

    my @wanted = patterns($block->shutdown_error_log);
    my @unwanted = patterns($block->no_shutdown_error_log);
    my @lines = _read_lines($ErrLogFile, \$ErrPos);

    _check_found($block, 'error.log', \@lines, 'shutdown', @wanted);
    _check_absent($block, 'error.log', \@lines, 'shutdown', @unwanted);

    for my $line (grep { /\bAssertion .*?failed\b/ } @lines) {
        Test::More::fail($block->name . " - $line" =~ s/\s+\z//r);
    }
}


1;
