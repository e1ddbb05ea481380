# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# An nginx for scenarios that the block language cannot tell: reload, upgrade,
# kill -9, drain, herds.  It is our child, with a master and workers, below a
# temp folder; whatever it does wrong (a signal, a sanitizer's report, a bad
# exit status) makes the test die.

package TeckenTest::Nginx;

use strict;
use warnings;

use Errno ();
use IO::Socket::INET;
use POSIX ();

use TeckenTest::HTTP ();
use TeckenTest::Load;
use TeckenTest::Process qw(
    alive become_subreaper free_port give_away kill_pid lifeline remove_tree
    slurp spawn temp_dir unprivileged_ids wait_until write_file
);


# Options:
#
#   server, http, main, events   text for these blocks of nginx.conf
#   config       or the whole file (without "daemon" and "pid")
#   workers      (2)
#   connections  per worker (1024); more than that raises the file limit too
#   user         of the workers, when root starts nginx (nobody)
#   log_level    (info)
#   env          { NAME => value } for nginx
#   upgradable   as a daemon (still waited for), for upgrade()
#
# In the text, %%PORT%%, %%PORT_1%%... are free ports, %%PREFIX%% is the
# folder, and $TEST_NGINX_... come from the environment.
sub start
{
    my ($class, %options) = @_;

    my $self = bless {
        workers => 2, connections => 1024, log_level => 'info', %options,
        prefix => temp_dir('tecken-nginx'), owner => $$, ports => {},
        killed => {}, seen => 0,
    }, $class;

    mkdir "$self->{prefix}/$_" for qw(html temp spool);
    give_away($self->{prefix}, glob "$self->{prefix}/*");

    my ($prefix, $pid_file) = ($self->{prefix}, "$self->{prefix}/nginx.pid");
    $self->{lifeline} = lifeline(sub {
        kill 'KILL', _family(slurp($pid_file)) if slurp($pid_file);
        remove_tree($prefix);
    });

    $self->_write_config;
    $self->_start;

    return $self;
}


# The text of "nginx -t" for a configuration that must be refused.
sub refuses
{
    my ($class, %options) = @_;

    my $self = bless {
        workers => 1, connections => 64, log_level => 'info', %options,
        prefix => temp_dir('tecken-nginx'), owner => $$, ports => {},
    }, $class;

    $self->_write_config;
    my $pid = $self->_spawn('-t');
    waitpid $pid, 0;

    my ($status, $text) = ($?, slurp("$self->{prefix}/stderr"));
    remove_tree($self->{prefix});
    $self->{stopped} = 1;

    die "nginx accepts the configuration\n" if $status == 0;

    return $text;
}


sub prefix { return $_[0]{prefix} }
sub master { return $_[0]{master} }


# %%PORT%%, or %%PORT_n%%
sub port
{
    my ($self, $n) = @_;

    return $self->{ports}{ $n // 0 } //= free_port();
}


# The workers that serve (not those that finish after a reload).
sub workers
{
    my ($self) = @_;

    return grep { !_shutting_down($_) } $self->all_workers;
}


sub all_workers
{
    my ($self) = @_;

    my @workers = sort { $a <=> $b }
                  grep { slurp("/proc/$_/cmdline") =~ /\Anginx: worker proc/ }
                  _children($self->{master});

    return @workers;
}


# the cache manager, once it runs
sub manager
{
    my ($self) = @_;

    return wait_until('the cache manager', 10, sub {
        my ($pid) = grep {
            slurp("/proc/$_/cmdline") =~ /\Anginx: cache manager/
        } _children($self->{master});
        return $pid;
    });
}


# HUP.  Returns when new workers serve and old ones take no more connections;
# "drained": when the old ones are gone too, which may take "seconds" (30).
# server, http... replace the configuration's text.
sub reload
{
    my ($self, %options) = @_;

    my $drained = delete $options{drained};
    my $seconds = delete $options{seconds} // 30;

    @$self{ keys %options } = values %options;
    $self->_write_config;

    my %old = map { $_ => 1 } $self->all_workers;
    my $mark = length $self->error_log;

    kill 'HUP', $self->{master};

    wait_until('new workers', $seconds, sub {
        $self->_check_master;

        my $news = substr $self->error_log, $mark;
        die "reload failed:\n$news" if $news =~ /\[emerg\]/;

        my @serving = $self->workers;
        return @serving == $self->{workers} && !grep { $old{$_} } @serving;
    });

    wait_until('old workers to end', $seconds, sub {
        return !grep { $old{$_} } $self->all_workers;
    }) if $drained;

    $self->check;

    return $self->workers;
}


# A new binary (the same one) takes over, the old one quits.
sub upgrade
{
    my ($self, %options) = @_;

    my $seconds = $options{seconds} // 30;
    my $old = $self->{master};
    my $pid_file = "$self->{prefix}/nginx.pid";

    die "nginx was not started as \"upgradable\"\n" if !$self->{upgradable};

    kill 'USR2', $old;

    my $new = wait_until('a new master', $seconds, sub {
        $self->_check_master;
        my $pid = (slurp($pid_file) || 0) + 0;
        return $pid != $old && alive($pid) && $pid;
    });

    $self->{master} = $new;
    wait_until('its workers', $seconds,
               sub { $self->workers == $self->{workers} });

    kill 'QUIT', $old;
    $self->_wait_exit($old, $seconds);

    $self->check;

    return $self->workers;
}


# Signals one worker (the first one, KILL) and waits until there is another.
# Returns the new workers' pids.
sub kill_worker
{
    my ($self, $pid, $signal) = @_;

    $pid //= ($self->workers)[0];

    $self->{killed}{$pid} = 1;
    kill $signal // 'KILL', $pid or die "no worker $pid\n";

    wait_until('a new worker', 10, sub {
        $self->_check_master;
        return $self->workers == $self->{workers}
               && !grep { $_ == $pid } $self->all_workers;
    });

    return $self->workers;
}


# kill -9 of the master and all workers at once, as a power cut would; start
# it again with restart().
sub crash
{
    my ($self) = @_;

    my @family = _family($self->{master});

    $self->{killed}{$_} = 1 for @family;
    kill 'KILL', @family;
    wait_until('the end', 10, sub {
        waitpid $self->{master}, POSIX::WNOHANG();
        return !grep { alive($_) } @family;
    });

    $self->{stopped} = 1;
}


sub restart
{
    my ($self, %options) = @_;

    @$self{ keys %options } = values %options;

    $self->stop if !$self->{stopped};
    $self->_write_config;
    $self->_start;
}


# QUIT (or another signal), waits, checks; returns the exit status, which is
# 0.  The folder stays until the object goes.
sub stop
{
    my ($self, $signal, $seconds) = @_;

    return 0 if $self->{stopped};

    $self->_check_master;
    kill $signal // 'QUIT', $self->{master};
    my $status = $self->_wait_exit($self->{master}, $seconds // 30);

    $self->{stopped} = 1;
    $self->check;
    die "nginx: exit status $status\n" . $self->_tail if $status;

    return $status;
}


# Dies if nginx has done anything that it must never do.
sub check
{
    my ($self) = @_;

    my $log = $self->error_log . slurp("$self->{prefix}/stderr")
              . join '', map { slurp($_) } glob "$self->{prefix}/sanitizer.*";

    die "sanitizer:\n$1\n"
        if $log =~ /((?:ERROR: \w+Sanitizer|runtime error:).{0,4000})/s;

    while ($log =~ /(process\ (\d+)\ exited
                     \ (?:on\ signal|with\ (?:fatal\ )?code\ [1-9]).*)/gx)
    {
        die "nginx: $1\n" . $self->_tail if !$self->{killed}{$2};
    }
}


sub error_log
{
    my ($self) = @_;

    return slurp("$self->{prefix}/error.log");
}


sub access_log
{
    my ($self) = @_;

    return split /\n/, slurp("$self->{prefix}/access.log");
}


# Waits for a line in the error log.
sub wait_log
{
    my ($self, $pattern, $seconds) = @_;

    return wait_until("\"$pattern\" in the error log", $seconds // 5,
                      sub { $self->error_log =~ $pattern });
}


# Of one process, or of all workers together: bytes, seconds, descriptors.
sub rss
{
    my ($self, @pids) = @_;

    return _sum(sub {
        return 1024 * (slurp("/proc/$_[0]/status") =~ /^VmRSS:\s+(\d+)/m
                       ? $1 : 0);
    }, @pids ? @pids : $self->all_workers);
}


sub cpu
{
    my ($self, @pids) = @_;

    my $tick = POSIX::sysconf(POSIX::_SC_CLK_TCK());

    return _sum(sub {
        my (undef, $rest) = split /\) /, slurp("/proc/$_[0]/stat"), 2;
        my @fields = split ' ', $rest // '';
        return @fields ? ($fields[11] + $fields[12]) / $tick : 0;
    }, @pids ? @pids : $self->all_workers);
}


sub fds
{
    my ($self, @pids) = @_;

    return _sum(sub { scalar(() = glob "/proc/$_[0]/fd/*") },
                @pids ? @pids : $self->all_workers);
}


# One request: { status, headers, body }.
sub request
{
    my ($self, $method, $target, %options) = @_;

    my %headers = (Host => 'localhost', %{ $options{headers} // {} });
    $headers{'Content-Length'} //= length $options{body}
        if defined $options{body};
    $headers{Connection} = 'close';

    my $text = join "\r\n", "$method $target HTTP/1.1",
                    (map { "$_: $headers{$_}" } sort keys %headers), '',
                    $options{body} // '';

    return TeckenTest::HTTP::exchange($options{port} // $self->port, $method,
                                      $text, $options{timeout} // 60);
}


sub get  { return $_[0]->request('GET', @_[1 .. $#_]) }
sub head { return $_[0]->request('HEAD', @_[1 .. $#_]) }


# See TeckenTest::Load: in the background, and to the end.
sub load_start
{
    my ($self, %options) = @_;

    return TeckenTest::Load->start(port => $self->port, %options);
}


sub load
{
    my ($self, %options) = @_;

    return TeckenTest::Load->run(port => $self->port, %options);
}


sub DESTROY
{
    my ($self) = @_;

    return if $self->{owner} != $$;

    local ($?, $@, $!);

    if (!$self->{stopped} && $self->{master}) {
        kill 'KILL', _family($self->{master});
        kill_pid($self->{master});
    }

    remove_tree($self->{prefix});
}


sub _write_config
{
    my ($self) = @_;

    my $text = $self->{config} // $self->_default_config;

    $text =~ s/%%PORT(?:_(\d+))?%%/$self->port($1)/ge;
    $text =~ s/%%PREFIX%%/$self->{prefix}/g;
    $text =~ s/\$(TEST_NGINX_[A-Z0-9_]+)/$ENV{$1} \/\/ die "no $1\n"/ge;

    write_file("$self->{prefix}/nginx.conf", $text);
}


sub _default_config
{
    my ($self) = @_;

    my $part = sub { return $self->{ $_[0] } // '' };
    my $modules = join '', map { "load_module $_;\n" }
                  split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // '';

    my $limit = $self->{connections} > 1000
                ? 'worker_rlimit_nofile ' . ($self->{connections} + 64) . ';'
                : '';
    my $user = unprivileged_ids()
               ? 'user ' . ($self->{user} // 'nobody nogroup') . ';' : '';

    my $temp = join '', map { "    ${_}_temp_path %%PREFIX%%/temp/$_;\n" }
               qw(client_body proxy fastcgi uwsgi scgi);

    return <<"CONF";
$modules
$user
worker_processes $self->{workers};
$limit
error_log %%PREFIX%%/error.log $self->{log_level};
@{[ $part->('main') ]}

events {
    worker_connections $self->{connections};
    @{[ $part->('events') ]}
}

http {
    access_log %%PREFIX%%/access.log;
$temp
    default_type text/plain;
    @{[ $part->('http') ]}

    server {
        listen 127.0.0.1:%%PORT%% backlog=4096;
        server_name localhost;
        root %%PREFIX%%/html;
        @{[ $part->('server') ]}
    }
}
CONF
}


sub _spawn
{
    my ($self, @arguments) = @_;

    my $prefix = $self->{prefix};

    # an absolute path: an upgrade executes it again
    return spawn({
        log => "$prefix/stderr", cwd => $prefix,
        env => {
            ASAN_OPTIONS => "log_path=$prefix/sanitizer:detect_odr_violation=0"
                            . ':' . ($ENV{ASAN_OPTIONS} // ''),
            %{ $self->{env} // {} },
        },
    }, _binary(), '-p', "$prefix/", '-c', "$prefix/nginx.conf",
       '-e', "$prefix/error.log", @arguments);
}


sub _start
{
    my ($self) = @_;

    my $daemon = $self->{upgradable} ? 'on' : 'off';
    my $pid_file = "$self->{prefix}/nginx.pid";

    # nginx takes no USR2 as long as its first parent lives
    become_subreaper() if $self->{upgradable};

    $self->{master} = $self->_spawn('-g', "daemon $daemon; pid $pid_file;");

    if ($self->{upgradable}) {
        waitpid $self->{master}, 0;
        die "nginx does not start:\n" . $self->_tail if $?;

        $self->{master} = wait_until('the pid file', 10,
                                     sub { (slurp($pid_file) || 0) + 0 });
    }

    $self->{stopped} = 0;

    eval {
        wait_until('nginx to serve', 30, sub {
            $self->_check_master;
            return $self->workers == $self->{workers} && $self->_listens;
        });
        1;
    } or die "nginx does not start: $@" . $self->_tail;
}


sub _listens
{
    my ($self) = @_;

    return 1 if !exists $self->{ports}{0};

    return IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $self->port, Proto => 'tcp',
        Timeout => 10);
}


# Without stderr's noise a dead master would only look like a time-out.
sub _check_master
{
    my ($self) = @_;

    return if alive($self->{master});

    my $reaped = waitpid $self->{master}, POSIX::WNOHANG();
    my $status = $reaped > 0 ? " (status $?)" : '';

    $self->{stopped} = 1;
    $self->check;
    die "nginx has exited$status\n" . $self->_tail;
}


# The exit status; 0 where it cannot be known.
sub _wait_exit
{
    my ($self, $pid, $seconds) = @_;

    my $status = 0;

    my $gone = eval {
        wait_until("nginx $pid to exit", $seconds, sub {
            my $reaped = waitpid $pid, POSIX::WNOHANG();
            $status = $? if $reaped == $pid;
            return $reaped == $pid || !alive($pid);
        });
    };

    if (!$gone) {
        my $error = $@ . $self->_tail;
        kill 'KILL', _family($pid);
        kill_pid($pid);
        $self->{stopped} = 1;
        die $error;
    }

    return $status;
}


sub _tail
{
    my ($self) = @_;

    my @lines = grep { !/\[debug\]/ }
                split /\n/, slurp("$self->{prefix}/stderr") . $self->error_log;

    splice @lines, 0, -20 if @lines > 20;

    return join '', map { "    $_\n" } @lines;
}


sub _binary
{
    my $binary = $ENV{TEST_NGINX_BINARY} // 'nginx';
    return $binary if $binary =~ m{\A/};

    for my $dir (split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/local/sbin') {
        return "$dir/$binary" if -x "$dir/$binary";
    }

    return POSIX::getcwd() . "/$binary";
}


sub _shutting_down
{
    my ($pid) = @_;

    return slurp("/proc/$pid/cmdline") =~ /shutting down/;
}


sub _children
{
    my ($parent) = @_;

    my @children;

    for my $stat (glob '/proc/[0-9]*/stat') {
        my ($pid, $ppid) = slurp($stat) =~ /\A(\d+) \(.*\) [^ZX] (\d+) /s
            or next;
        push @children, $pid if $ppid == $parent;
    }

    return @children;
}


# The master first: it would replace its workers.
sub _family
{
    my ($master) = @_;

    return ($master + 0, _children($master + 0));
}


sub _sum
{
    my ($measure, @pids) = @_;

    my $sum = 0;
    $sum += $measure->($_) for @pids;

    return $sum;
}


1;
