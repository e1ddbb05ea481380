# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Our implementation of the part of Test::Nginx::Socket that our suites use:
# same section names, same semantics, so that a .t file runs unchanged under
# the upstream module too. Found with prove -It/lib; a .t file says no use lib.
#
# Beyond upstream, and by environment only:
#   TEST_NGINX_STRICT_LOG=1  [alert] and [emerg] lines, workers killed by a
#                            signal and a QUIT that is ignored fail the block,
#                            unless its error_log expects the line
#   TEST_NGINX_LOG_WAIT=s    how long an expected log line may take (10)
# How nginx ends always counts: a signal, an exit status, a valgrind error or a
# sanitizer report fails the block that ran last.

package Test::Nginx::Socket;

use strict;
use warnings;

use Carp qw(carp cluck confess croak);
use File::Path ();
use List::Util qw(shuffle);
use Test::More ();

use Test::Nginx::Block ();
use Test::Nginx::Check qw(check_response);
use Test::Nginx::Client qw(send_request);
use Test::Nginx::Conf qw(setup_server_root write_user_files
                         write_config_file);
use Test::Nginx::Log qw(log_new_file log_rewind check_error_log
                        check_access_log check_shutdown_log check_strict);
use Test::Nginx::Mock qw(start_mocks finish_mocks stop_mocks);
use Test::Nginx::Process qw(nginx_start nginx_stop nginx_reload nginx_running
                            nginx_launched stop_stale_nginx log_complaints);
use Test::Nginx::Request qw(build_requests);
use Test::Nginx::Response ();
use Test::Nginx::Skip qw(skip_tests todo_tests skip_spec todo_spec);
use Test::Nginx::Util qw(
    $UseHup $UseValgrind $NoClean $StrictLog $Randomize
    $ServerAddr $ServerName $ServerPort $ServerPortForClient
    $Workers $WorkerConnections $MasterProcessEnabled $LogLevel $Timeout
    $RepeatEach $NoShuffle $NoLongString $NoRootLocation $NoNginxManager
    $ForceRestartOnTest $CheckAccumErrLog $ConfigPreamble $InSubprocess
    @EnvToNginx @BlockPreprocessors @CleanupHandlers @ResponseBodyChecks
    $ServRoot $HtmlDir
    bail_out is_str say_verbose expand_env probe_nginx_version eval_perl
    patterns
);

# what upstream hands on from Test::More, and no more
my @MORE = qw(ok is isnt like unlike is_deeply cmp_ok skip todo_skip pass fail
              eq_array eq_hash eq_set plan can_ok isa_ok diag use_ok);

my @OURS = qw(
    blocks run_tests run_test repeat_each env_to_nginx is_str bail_out
    config_preamble worker_connections workers log_level timeout
    master_on master_off master_process_enabled use_hup no_nginx_manager
    no_shuffle no_long_string no_root_location check_accum_error_log
    server_name server_addr server_root server_port server_port_for_client
    html_dir add_block_preprocessor add_cleanup_handler
    add_response_body_check
    carp cluck confess croak
);

# upstream sections that would pass unnoticed here
my @UNSUPPORTED = qw(curl http2 http3 stap stap_out stap_out_like
                     stap_out_unlike reload_fails http09 request_eval
                     response_body_eval charset skip_nginx2 skip_openssl
                     skip_slave check_leak);

my %KNOWN = map { $_ => 1 } qw(
    ONLY SKIP LAST config http_config main_config post_main_config server_name
    error_log_file log_level user_files init post_setup_server_root
    request pipelined_requests raw_request raw_request_middle_delay
    more_headers timeout abort shutdown server_addr_for_client
    ignore_response wait error_code error_code_like
    response_body response_body_like response_body_unlike
    response_body_filters response_headers response_headers_like
    raw_response_headers_like raw_response_headers_unlike
    error_log no_error_log grep_error_log grep_error_log_out
    access_log no_access_log shutdown_error_log no_shutdown_error_log
    must_die skip_nginx skip_eval todo todo_nginx no_check_leak
    tcp_listen tcp_reply tcp_reply_delay tcp_query tcp_query_len tcp_shutdown
    tcp_shutdown_delay tcp_no_close
    udp_listen udp_reply udp_reply_delay udp_query
);

my $Owner = $$;
my ($Blocks, $PrevBlock, $PrevConfig);


sub import {
    my (undef, @args) = @_;

    my $caller = caller;
    @args = grep { !/^-/ } @args;

    strict->import;
    warnings->import;

    if (@args) {
        Test::More::plan(@args == 1 ? $args[0] : (@args));
    }

    no strict 'refs';
    *{"${caller}::$_"} = \&{"Test::More::$_"} for @MORE;
    *{"${caller}::$_"} = \&{$_} for @OURS;
    *{"${caller}::TODO"} = \${"${caller}::TODO"};
}


# What a script says before run_tests().

sub repeat_each (@) { $RepeatEach = shift if @_; return $RepeatEach }
sub worker_connections (@) { return _setting(\$WorkerConnections, @_) }
sub workers (@) { return _setting(\$Workers, @_) }
sub log_level (@) { return _setting(\$LogLevel, @_) }
sub timeout (@) { return _setting(\$Timeout, @_) }
sub server_name (@) { return _setting(\$ServerName, @_) }
sub server_addr (@) { return _setting(\$ServerAddr, @_) }
sub server_port (@) { return _setting(\$ServerPort, @_) }
sub server_port_for_client (@) { return _setting(\$ServerPortForClient, @_) }
sub config_preamble ($) { $ConfigPreamble = shift }
sub master_on () { $MasterProcessEnabled = 'on' }
sub master_off () { $MasterProcessEnabled = 'off' }
sub use_hup () { $UseHup = 1 }
sub no_nginx_manager () { $NoNginxManager = 1 }
sub no_shuffle () { $NoShuffle = 1 }
sub no_long_string () { $NoLongString = 1 }
sub no_root_location () { $NoRootLocation = 1 }
sub check_accum_error_log () { $CheckAccumErrLog = 1 }
sub server_root () { return $ServRoot }
sub html_dir () { return $HtmlDir }
sub add_block_preprocessor (&) { unshift @BlockPreprocessors, shift }
sub add_cleanup_handler ($) { unshift @CleanupHandlers, shift }
sub add_response_body_check ($) { push @ResponseBodyChecks, shift }


sub _setting {
    my ($ref, @new) = @_;

    $$ref = $new[0] if @new;

    return $$ref;
}


sub master_process_enabled (@) {
    return $MasterProcessEnabled if !@_;

    $MasterProcessEnabled = $_[0] ? 'on' : 'off';
}


sub env_to_nginx (@) {
    croak 'env_to_nginx: no arguments specified' if !@_;

    for my $var (@_) {
        croak "env_to_nginx: bad argument value: $var"
            if $var !~ /^[A-Za-z_]/ || $var =~ /\n/;
        push @EnvToNginx, $var;
    }
}


# The number of blocks, or the blocks themselves, filtered.

sub blocks () {
    if (!$Blocks) {
        my $spec = do {
            no warnings 'once';
            local $/;
            defined fileno main::DATA ? scalar <main::DATA> : '';
        };
        $Blocks = [Test::Nginx::Block::parse_spec($spec // '')];
    }

    return scalar @$Blocks if !wantarray;

    $_->run_filters for @$Blocks;

    return @$Blocks;
}


sub run_tests () {
    probe_nginx_version();

    # a killed script must not leave its nginx behind: let END run
    local $SIG{INT} = sub { exit 130 };
    local $SIG{TERM} = sub { exit 143 };

    # an inherited "ignore" would lose the exit status of nginx
    $SIG{CHLD} = 'DEFAULT';

    $ENV{TEST_NGINX_SERVER_PORT} //= $ServerPort;
    stop_stale_nginx() if !$NoNginxManager;

    my @blocks = blocks();

    for my $block ($NoShuffle ? @blocks : shuffle @blocks) {
        $_->($block) for @BlockPreprocessors;
        $block->set_value(name => "$0 " . $block->name);
        _check_sections($block);
        run_test($block);
    }

    _cleanup();
}


sub _check_sections {
    my ($block) = @_;

    for my $section (@UNSUPPORTED) {
        bail_out($block->name, " - section $section is not supported here")
            if $block->has($section);
    }

    for my $section ($block->sections) {
        warn '# WARNING: ', $block->name, " - unknown section $section\n"
            if !$KNOWN{$section};
    }
}


sub run_test ($) {
    my ($block) = @_;

    my $name = $block->name;
    my $ports = {};
    my ($skip, $why) = skip_spec($block);

    if ($skip) {
        skip_tests($skip, "$name - $why") for 1 .. $RepeatEach;
        return;
    }

    say_verbose("running $name");

    # not "local": that would cut an imported variable off from the original
    my @saved = ($LogLevel, $UseHup, $UseValgrind);
    $LogLevel = $block->log_level || $LogLevel;

    if (defined $block->must_die) {
        ($UseHup, $UseValgrind) = ();
        _must_die($block, $ports);

    } else {
        _run_block($block, $ports);
    }

    ($LogLevel, $UseHup, $UseValgrind) = @saved;
}


sub _run_block {
    my ($block, $ports) = @_;

    my $name = $block->name;

    _prepare_nginx($block, $ports);
    log_rewind();
    eval_perl($block->init, "$name - init") if $block->init;

    my ($todo, $reason) = todo_spec($block);

    for my $repeat (0 .. $RepeatEach - 1) {
        if ($todo) {
            todo_tests($todo, "$name - $reason");
            next;
        }

        write_user_files($block, $ports) if $repeat;
        start_mocks($block, $ports);
        _converse($block, $ports, $repeat);
        finish_mocks($block);
    }
}


# Makes the right nginx run: a fresh one, a reloaded one or, without a config
# section, the one that runs already.

sub _prepare_nginx {
    my ($block, $ports) = @_;

    return if $NoNginxManager;

    my $name = $block->name;
    my $config = expand_env($block->config, $name, $ports);

    if (!defined $config) {
        bail_out("$name - no config section, and none before")
            if !defined $PrevConfig;
        return if nginx_launched();
        $config = $PrevConfig;

    } elsif (nginx_launched() && !$ForceRestartOnTest
             && $config eq ($PrevConfig // ''))
    {
        return;
    }

    if ($UseHup && nginx_running()) {
        _reload($block, $config, $ports);

    } else {
        _stop_nginx();
        _start($block, $config, $ports);
    }

    ($PrevConfig, $PrevBlock) = ($config, $block);
}


sub _write_root {
    my ($block, $config, $ports, %opt) = @_;

    setup_server_root(%opt);
    log_new_file();
    eval_perl($block->post_setup_server_root,
              $block->name . ' - post_setup_server_root')
        if $block->post_setup_server_root;
    write_user_files($block, $ports);
    write_config_file($block, $config, $ports, $opt{version});
}


sub _new_version {
    return $UseHup ? (version => sprintf '%d-%d-%d', $$, time, rand 1e9) : ();
}


sub _start {
    my ($block, $config, $ports) = @_;

    my $name = $block->name;

    _write_root($block, $config, $ports, _new_version());
    my $started = nginx_start();
    return if $started->{running};

    Test::More::diag($started->{output});
    bail_out("$name - Cannot start nginx (wait status $started->{status})");
}


sub _reload {
    my ($block, $config, $ports) = @_;

    my %version = _new_version();

    _fail_all($PrevBlock, log_complaints());
    _check_shutdown($PrevBlock, 'nginx was reloaded');
    _write_root($block, $config, $ports, keep_running => 1, %version);

    if (!nginx_reload($version{version})) {
        Test::More::fail($block->name . ' - failed to reload configuration');
    }
}


sub _must_die {
    my ($block, $ports) = @_;

    my $name = $block->name;
    my $config = expand_env($block->config, $name, $ports);

    _stop_nginx();

    for my $repeat (0 .. $RepeatEach - 1) {
        _write_root($block, $config, $ports);
        my $end = nginx_start(must_die => 1);
        my $status = $end->{running} ? 0 : $end->{status};

        _check_death($block, $status);
        check_error_log($block, $repeat, $ports);

        if ($end->{running}) {
            Test::More::diag("$name - nginx must die but it does not");
            nginx_stop();
        }
    }

    ($PrevConfig, $PrevBlock) = ($config, undef);
}


sub _check_death {
    my ($block, $status) = @_;

    my $name = $block->name;
    my $code = $block->must_die;

    if ($status & 127) {
        Test::More::fail("$name - nginx was killed by signal "
                         . ($status & 127));

    } elsif ($code =~ /^\d+$/) {
        Test::More::is($status >> 8, $code,
                       "$name - die with the expected exit code");

    } else {
        Test::More::isnt($status, 0, "$name - die as expected");
    }
}


# Stops nginx and holds what its end says against the block that ran last.

sub _stop_nginx {
    return if !nginx_launched();

    my @complaints = nginx_stop();

    # upstream only warns of a slow exit
    my $slow = qr/^nginx ignored QUIT/;
    my @slow = $StrictLog ? () : grep { /$slow/ } @complaints;
    @complaints = grep { $StrictLog || !/$slow/ } @complaints;

    warn '# WARNING: ', $PrevBlock->name, " - $_\n" for @slow;
    _fail_all($PrevBlock, @complaints) if grep { !/^stderr: / } @complaints;
    check_strict($PrevBlock);
    _check_shutdown($PrevBlock);
    $PrevBlock = undef;
}


sub _fail_all {
    my ($block, @complaints) = @_;

    for my $complaint (@complaints) {
        my ($line, @more) = split /\n/, $complaint;

        Test::More::fail(($block ? $block->name . ' - ' : '') . $line);
        Test::More::diag(join "\n", @more) if @more;
    }
}


sub _check_shutdown {
    my ($block, $skip) = @_;

    return if !$block || !(defined $block->shutdown_error_log
                           || defined $block->no_shutdown_error_log);

    if (!defined $skip) {
        check_shutdown_log($block);
        return;
    }

    my $count = map { patterns($_) } $block->shutdown_error_log,
                                     $block->no_shutdown_error_log;
    skip_tests($count, $block->name . " - shutdown_error_log - $skip");
}


# One round of the block: every request, and the checks of what came back.

sub _converse {
    my ($block, $ports, $repeat) = @_;

    my @requests = build_requests($block, $ports);
    my $total = 0;
    $total += @{ $_->{methods} } for @requests;

    my $at = { req => 0, repeat => $repeat, ports => $ports,
               many => @requests > 1 || defined $block->pipelined_requests };

    for my $request (@requests) {
        my $left = send_request($block, $request);

        for my $method (@{ $request->{methods} }) {
            $left = _check_one($block, $at, $left, $method,
                               @{ $request->{methods} } > 1)
                if !defined $block->ignore_response;

            _check_logs($block, $at);
            $at->{req}++;
        }
    }
}


sub _check_one {
    my ($block, $at, $raw, $method, $pipelined) = @_;

    my ($res, $left) = Test::Nginx::Response::parse_response($raw, $method,
                                                             $pipelined);

    check_response($block, $res, $at);

    if ($left ne '' && !$pipelined) {
        warn '# WARNING: ', $block->name, ' - unexpected extra bytes after',
             ' the response: "', Test::Nginx::Util::shorten($left), "\"\n";
    }

    return $left;
}


sub _check_logs {
    my ($block, $at) = @_;

    Time::HiRes::sleep($block->wait) if $block->wait;

    check_error_log($block, $at->{repeat}, $at->{ports});
    check_access_log($block, $at->{repeat})
        if !defined $block->ignore_response;
}


sub _cleanup {
    stop_mocks();

    $_->() for splice @CleanupHandlers;
}


END {
    if ($$ == $Owner && !$InSubprocess) {
        my $exit = $?;

        _cleanup();

        if (!$NoClean || $UseValgrind) {
            _stop_nginx();
            File::Path::remove_tree($ServRoot)
                if $Randomize && $ServRoot =~ m{/t/servroot_\d+\z};
        }

        $? = $exit;
    }
}


1;
