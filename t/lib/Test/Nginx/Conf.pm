# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# The server root on disk: directories, user files and nginx.conf.

package Test::Nginx::Conf;

use strict;
use warnings;

use Exporter qw(import);
use File::Find ();
use File::Path qw(make_path remove_tree);
use Time::Local qw(timegm);

use Test::Nginx::Util qw(
    $UseHup $LoadModules $EventType $WorkerUser $PostponeOutput
    $ServerName $ServerPort $Workers $WorkerConnections
    $MasterProcessEnabled $LogLevel $NoRootLocation $ConfigPreamble
    @EnvToNginx $ServRoot $LogDir $HtmlDir $ConfDir
    $ErrLogFile $AccLogFile $ConfFile $PidFile
    bail_out spew expand_env
);

our @EXPORT_OK = qw(setup_server_root write_user_files write_config_file);

# nginx's own defaults are compiled in and may be unwritable
my @TEMP = qw(client_body proxy fastcgi uwsgi scgi);

my $INDEX = '<html><head><title>It works!</title></head>'
            . '<body>It works!</body></html>';


# Only what a run creates is removed: SERVROOT may be mistyped. A reload keeps
# what the running nginx holds by name.

sub setup_server_root {
    my (%opt) = @_;

    if (-d $ServRoot) {
        remove_tree($ConfDir, glob("$ServRoot/*_cache"));

        if ($opt{keep_running}) {
            _remove_files($ServRoot);

        } else {
            remove_tree(glob("$ServRoot/*_temp"), $HtmlDir, $LogDir);
            rmdir $ServRoot
                or bail_out("Can't remove $ServRoot (not empty?): $!");
        }
    }

    make_path($LogDir, $HtmlDir, $ConfDir);
    spew("$HtmlDir/index.html", $INDEX);
}


sub _remove_files {
    my ($root) = @_;

    my $wanted = sub {
        return if -d $_ || /(?:\bnginx\.pid|\.sock|\.crt|\.key)\z/;
        unlink $_ or warn "# cannot remove $_: $!\n";
    };

    File::Find::find({ no_chdir => 1, wanted => $wanted }, $root);
}


sub write_user_files {
    my ($block, $ports) = @_;

    my $files = $block->user_files;
    return if !defined $files || $files eq '';

    if (!ref $files) {
        $files = _parse_user_files($files);

    } elsif (ref $files ne 'ARRAY') {
        bail_out($block->name, ' - user_files: only text or an array');
    }

    for my $file (@$files) {
        my ($name, $body, $date) = @$file;
        my $path = $name =~ m{^/} ? $name : "$HtmlDir/$name";

        make_path($1) if $path =~ m{(.*)/};
        spew($path, expand_env($body // '', $block->name, $ports));
        _touch($path, $date, $block->name) if $date;
    }
}


sub _parse_user_files {
    my ($text) = @_;

    my @files;

    for my $line (split /^/, $text) {
        if ($line =~ /^>>> (\S+)(?:\s+(\S+))?/) {
            push @files, [$1, '', $2];

        } elsif (@files) {
            $files[-1][1] .= $line;
        }
    }

    return \@files;
}


# The touch(1) form [[CC]YY]MMDDhhmm[.SS], in GMT.

sub _touch {
    my ($path, $date, $name) = @_;

    my ($year, $mon, $day, $hour, $min, $sec) =
        $date =~ /^(\d{4}|\d{2})?(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d\d))?$/
        or bail_out("$name - bad date \"$date\" in user_files");

    $year //= (gmtime)[5] + 1900;
    $year += $year < 69 ? 2000 : 1900 if $year < 100;

    my $time = timegm($sec // 0, $min, $hour, $day, $mon - 1, $year);
    utime $time, $time, $path or bail_out("$name - utime $path: $!");
}


# The order of the parts is upstream's: some directives depend on it.

sub write_config_file {
    my ($block, $config, $ports, $version) = @_;

    my $expand = sub { expand_env($_[0] // '', $block->name, $ports) };

    spew($ConfFile, join "\n",
         _main_head($expand->($block->error_log_file) || $ErrLogFile),
         $expand->(_main_config($block)),
         _http($block, $config, $expand->($block->http_config), $version),
         $expand->($block->post_main_config),
         _events());
}


sub _main_head {
    my ($error_log) = @_;

    my $master = $UseHup ? 'on' : $MasterProcessEnabled;
    my @env = map { /\s/ ? "env '$_';" : "env $_;" }
              qw(LD_PRELOAD LD_LIBRARY_PATH ASAN_OPTIONS UBSAN_OPTIONS
                 LSAN_OPTIONS TSAN_OPTIONS), @EnvToNginx;

    # upstream says daemon on; a child of ours is waited for instead of polled
    return "worker_processes  $Workers;",
           "daemon off;",
           "master_process $master;",
           "error_log $error_log $LogLevel;",
           "pid       $PidFile;",
           @env;
}


sub _main_config {
    my ($block) = @_;

    my @modules = grep { length } split /\s+/, $LoadModules // '';

    return join "\n", (map { "load_module $_;" } @modules),
                      $block->main_config // '';
}


sub _http {
    my ($block, $config, $http_config, $version) = @_;

    my $name = ($block->server_name // $ServerName) =~ s/(['\\])/\\$1/gr;
    my @temp = map { "    ${_}_temp_path $ServRoot/${_}_temp;" } @TEMP;
    my @postpone;

    if (defined $PostponeOutput && $http_config !~ /\bpostpone_output\b/) {
        @postpone = "    postpone_output $PostponeOutput;";
    }

    return "http {",
           "    access_log $AccLogFile;",
           @temp,
           "    default_type text/plain;",
           "    keepalive_timeout  68000ms;",
           @postpone,
           $http_config,
           "    server {",
           "        listen          $ServerPort;",
           "        server_name     '$name';",
           "        client_max_body_size 30M;",
           $ConfigPreamble,
           $config // '',
           _root_location(),
           "    }",
           _version_server($version),
           "}";
}


sub _root_location {
    return if $NoRootLocation;

    return "        location / {",
           "            root $HtmlDir;",
           "            index index.html index.htm;",
           "        }";
}


# Tells a client whether a reload has reached the worker that answers.

sub _version_server {
    my ($version) = @_;

    return if !defined $version;

    return "    server {",
           "        listen          $ServerPort;",
           "        server_name     'Test-Nginx';",
           "        location = /ver { return 200 '$version'; }",
           "    }";
}


sub _events {
    my $user = $WorkerUser // ($> == 0 ? 'root' : undef);

    return "events {",
           "    accept_mutex off;",
           "    worker_connections  $WorkerConnections;",
           $EventType ? "    use $EventType;" : (),
           "}",
           defined $user ? "user $user;" : (),
           '';
}


1;
