#!/usr/bin/perl

# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# The documents against the sources and against a running server: directives,
# options, variables, defaults, metrics, messages, and the examples.

use strict;
use warnings;

use FindBin;
use Test::More;

use TeckenTest::Nginx;
use TeckenTest::Process qw(give_away remove_tree slurp temp_dir write_file);

my $Root = "$FindBin::Bin/..";

my @Sources = glob "$Root/common/*.c $Root/common/*/*.c $Root/ngx_*/*.c";

# "common", "download" and so on
my %Module = map { m,/ngx_[a-z]+_([a-z]+)_module\.c$, ? ($1 => $_) : () }
                 @Sources;

my %Document = map { $_ => slurp("$Root/$_") }
               qw(README.md nginx.conf.example), map { s,^\Q$Root/,,r }
               glob "$Root/docs/*.md";

my $Directives = $Document{'docs/directives.md'};


directives();
defaults();
options();
variables();
messages();
links();
example();
metrics();
console();

done_testing;


# name, contexts and number of arguments: command tables and "Syntax:" blocks

sub directives
{
    my (%coded, %written);

    for my $file (values %Module) {
        my ($table) = slurp($file) =~ /^static ngx_command_t .*?\{(.*?)^\};/ms
            or next;

        while ($table =~ /\{ ngx_string\("(\w+)"\),\s+([\w|]+),/g) {
            $coded{$1} = join ' ', contexts($2), arity($2);
        }
    }

    cmp_ok scalar keys %coded, '>', 10, 'command tables';

    while ($Directives =~ /^### (\w+)\n\n```\n(.*?)^```/msg) {
        my ($name, $block) = ($1, $2);
        my ($syntax, $context) =
            $block =~ /^Syntax: +(.*?)^Default: .*^Context: +([^\n]+)\n\z/ms;

        my @forms = map { s/^\s+|;\s*$//gr } split /\n/, $syntax // '';
        my @wrong = grep { !/^\Q$name\E\b/ } @forms;
        is "@wrong", '', "$name: Syntax is of $name";

        my @arity = map { [ form($_) ] } @forms;
        my ($min) = sort { $a <=> $b } map { $_->[0] } @arity;
        my ($max) = sort { $b <=> $a } map { $_->[1] } @arity;

        $written{$name} = join ' ', $context, $min, $max;
    }

    is_deeply \%written, \%coded,
              'directives.md: names, contexts, numbers of arguments';

    my %shown = map { $_ => 1 }
                $Document{'nginx.conf.example'}
                =~ /^[^#\n]*?(?<![\$\w])((?:tecken|antenna)_\w+)/mg;
    delete $shown{tecken_io};

    # for tests
    $shown{antenna_throttle_seed} = 1;

    is_deeply [ grep { !$shown{$_} } sort keys %coded ], [],
              'nginx.conf.example shows each directive';
    is_deeply [ grep { !$coded{$_} } sort keys %shown ], [],
              'nginx.conf.example has no others';
}


sub contexts
{
    my ($flags) = @_;

    return join ', ', grep { defined } (
        $flags =~ /HTTP_MAIN_CONF/ ? 'http' : undef,
        $flags =~ /HTTP_SRV_CONF/ ? 'server' : undef,
        $flags =~ /HTTP_LOC_CONF/ ? 'location' : undef,
    );
}


sub arity
{
    my ($flags) = @_;

    return (0, $flags =~ /CONF_TAKE(\d)/ ? $1 : 0)
        if $flags =~ /CONF_NOARGS/;
    return (1, 1) if $flags =~ /CONF_FLAG/;
    return ($1, 'inf') if $flags =~ /CONF_(\d)MORE/;
    return (substr($1, 0, 1), substr $1, -1) if $flags =~ /CONF_TAKE(\d+)/;

    return ('?', '?');
}


# "name a b | c [d] [e ...]": how many arguments

sub form
{
    my ($text) = @_;

    my ($min, $max) = (0, 0);

    $text =~ s/^\w+//;
    $text =~ s/ \{ \.\.\. \}$//;
    $text =~ s/\s*\|\s*/|/g;

    while ($text =~ /\G\s*(\[.*?\]|\S+)/g) {
        my $part = $1;

        if ($part =~ /\.\.\./) {
            $max = 'inf';
            next;
        }

        $max++ if $max ne 'inf';
        $min++ if $part !~ /^\[/;
    }

    return ($min, $max);
}


# what a directive or an option is without being given

sub defaults
{
    my $text = slurp($Module{download});

    my $list = sub {
        my ($name, $prefix) = @_;
        my ($words) = $text =~ /_default_$name\[\] = \{(.*?)NULL/s;

        return join ' ', map { ($prefix // '') . $_ } $words =~ /"(.*?)"/g;
    };

    my $common = slurp($Module{common});
    my ($resolver) = $common =~ /resolver_timeout, (\d+)\)/;
    my ($connections) = $common =~ /->connections, (\d+)\)/;
    my ($maps) = $common =~ /symcache_maps, (\d+)\)/;
    my ($found) = $common =~ /prev->valid_found, (\d+)\)/;
    my ($missing) = $common =~ /prev->valid_missing, (\d+)\)/;
    my ($symcache) = $common =~ /prev->module\.valid_missing, (\d+)\)/;
    my ($builds) = $common =~ /->symcache_builds, (\d+)\)/;
    my ($strict) = $common =~ /prev->module\.strict, (\d)\)/;
    my ($symbols) = $common =~ /prev->module\.max_symbols,\s+
                                \(off_t\)\ (\d+)\ \*\ 1024\ \*\ 1024\ \*\ 1024\)/x;
    my ($presign) = $text =~ /prev->presign_expires,\s+(\d+)\)/;

    my %coded = (
        tecken_resolver_timeout => $resolver / 1000 . 's',
        tecken_connections => $connections,
        tecken_symcache_maps => $maps,
        tecken_cache_valid =>
            sprintf('found=%dh missing=%dh symcache_missing=%ds',
                    $found / 3600, $missing / 3600, $symcache),
        tecken_symcache_builds => $builds,
        tecken_symcache_strict => $strict ? 'on' : 'off',
        tecken_symbolicate_max_symbols => "${symbols}g",
        tecken_presign_expires => $presign / 3600 . 'h',
        tecken_legacy_products => $list->('products'),
        tecken_file_extensions => $list->('extensions'),
        tecken_ignore => $list->('ignore') . ' '
                         . $list->('ignore_ids', 'debug_id='),
    );

    my %written = $Directives =~ /^Default: +(\w+) (.*);$/mg;

    for my $name (sort keys %coded) {
        is $written{$name}, $coded{$name}, "$name: default";
    }

    my $s3 = slurp("$Root/common/store/ngx_tecken_store_s3_conf.c");
    my %define = $s3 =~ /#define NGX_TECKEN_S3_(\w+) +"?([\w-]+)"?$/mg;

    %written = map { /^`(\w+)=`.*?Default:\s+`(.*?)`/s ? ($1 => $2) : () }
               split /^- /m, $Directives;

    is $written{connect_timeout}, $define{CONNECT_TIMEOUT} / 1000 . 's',
       'connect_timeout= default';
    is $written{timeout}, $define{TIMEOUT} / 1000 . 's', 'timeout= default';
    is $written{deadline}, $define{DEADLINE} / 1000 . 's', 'deadline= default';
    is $written{retries}, $define{RETRIES}, 'retries= default';
    like $Directives, qr/^- `region=`.*?else\s+`$define{REGION}`/ms,
         'region= default';
}


# those of tecken_storage

sub options
{
    my %coded;

    for my $file ('store', 'store_s3_conf') {
        my $text = slurp("$Root/common/store/ngx_tecken_$file.c");

        $coded{$_} = 1
            for $text =~ /ngx_strncmp\(option->data, "(\w+)=", \d+\) == 0/g,
                $text =~ /\{ ngx_string\("(\w+)="\), ngx_tecken_s3_option/g;
    }

    cmp_ok scalar keys %coded, '>', 10, 'options in the sources';

    is_deeply [ sort $Directives =~ /^- `(\w+)=`/mg ], [ sort keys %coded ],
              'directives.md: options of tecken_storage';
}


sub variables
{
    my @tables = map {
        slurp($_) =~ /^static ngx_http_variable_t .*?\{(.*?)^\};/msg
    } @Sources;
    my @coded = map { "\$$_" }
                map { /\{ ngx_string\("(\w+)"\), NULL/g } @tables;

    cmp_ok scalar @coded, '>', 5, 'variables in the sources';

    is_deeply [ sort $Directives =~ /^- `(\$\w+)`:/mg ], [ sort @coded ],
              'directives.md: variables';
}


# Every message of the log is in operations.md, in a row that begins with it,
# values being "...", and every row is a message.

sub messages
{
    my %coded;

    for my $file (@Sources) {
        my $text = slurp($file);

        while ($text =~ /\bngx_(?:conf_)?log_error\( [^,]+, [^,]+, [^"]*?
                         ((?:\w+\s+)? "(?:\\.|[^"\\])*"
                          (?:\s*(?:\w+\s+)?"(?:\\.|[^"\\])*")*)/xg)
        {
            my $message = message($1);
            $coded{$message} = 1 if $message ne '...';
        }
    }

    cmp_ok scalar keys %coded, '>', 40, 'messages in the sources';

    my ($guide) = $Document{'docs/operations.md'}
                  =~ /^## Error log\n(.*?)^## /ms;
    $guide =~ s/^### Reasons\n.*?(?=^### )//ms;

    my %written = map { s/\\\|/|/gr => 1 } $guide =~ /^\| `(.*?)` \|/mg;

    is_deeply [ grep { !$written{$_} } sort keys %coded ], [],
              'operations.md has each message';
    is_deeply [ grep { !$coded{$_} } sort keys %written ], [],
              'operations.md has no others';
}


# the strings of a format joined, macros and conversions as "..."

sub message
{
    my ($code) = @_;

    my $text = '';

    while ($code =~ /\G\s*(?:"((?:\\.|[^"\\])*)"|\w+)/g) {
        $text .= $1 // '...';
    }

    $text =~ s/\\"/"/g;
    $text =~ s/%\*?[A-Z]?[a-z]+[A-Z]?|%[VTMO]/.../g;
    $text =~ s/(?:\.\.\. *){2,}/... /g;

    return $text =~ s/\s+$//r;
}


# what one document says of another is there

sub links
{
    my %anchors;

    for my $name (grep { /\.md$/ } keys %Document) {
        $anchors{$name} = { map { anchor($_) => 1 }
                            $Document{$name} =~ /^#+ +(.*)$/mg };
    }

    my @broken;

    for my $name (grep { /\.md$/ } sort keys %Document) {
        for my $link ($Document{$name} =~ /\]\(([^)\s]+)\)/g) {
            next if $link =~ /^https?:/;

            my ($file, $anchor) = $link =~ /^([^#]*)(?:#(.*))?$/;
            my $path = $file eq '' ? $name
                       : $name =~ m,^docs/, && $file !~ s,^\.\./,,
                         ? "docs/$file" : $file;

            push @broken, "$name: $link"
                if !-e "$Root/$path"
                   || defined $anchor && !$anchors{$path}{$anchor};
        }
    }

    is_deeply \@broken, [], 'links';
}


sub anchor
{
    my ($title) = @_;

    $title = lc $title;
    $title =~ s/[^\w\- ]//g;

    return $title =~ tr/ /-/r;
}


# nginx.conf.example as it is, but for paths and ports

sub example
{
    my $dir = temp_dir('tecken-docs');
    my $text = $Document{'nginx.conf.example'};

    mkdir "$dir/symbols";
    write_file("$dir/ca.pem", certificate());
    write_file("$dir/version.json", "{}\n");
    write_file("$dir/aws", "[symbols]\naws_access_key_id = a\n"
                           . "aws_secret_access_key = b\n");
    write_file("$dir/tokens", "token\n");
    chmod 0644, "$dir/aws";
    give_away($dir, glob "$dir/*");

    $text =~ s,^user .*\n|^pid .*\n,,mg;
    $text =~ s,/var/lib/tecken/symbols,$dir/symbols,g;
    $text =~ s,/var/cache/tecken,$dir/symcaches,g;
    $text =~ s,/etc/tecken/,$dir/,g;
    $text =~ s,/var/spool/antenna,$dir/antenna,;
    $text =~ s,include +antenna/,include $Root/conf/antenna/,;
    $text =~ s,/etc/ssl/certs/ca-certificates\.crt,$dir/ca.pem,;
    $text =~ s,127\.0\.0\.1:8125,127.0.0.1:%%PORT_2%%,;
    $text =~ s,127\.0\.0\.1:8001,127.0.0.1:%%PORT_1%%,;
    $text =~ s,\bdefault_type,temp_paths() . ' default_type',e;
    $text = placed($text =~ s,(listen +)8000,${1}127.0.0.1:%%PORT%%,r);

    my $nginx = eval {
        TeckenTest::Nginx->start(
            config => $text, workers => workers(),
            env => { map { $_ => 'x' } qw(AWS_ACCESS_KEY_ID
                         AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN) });
    };
    is $@, '', 'nginx.conf.example starts';

    if ($nginx) {
        my $answer = $nginx->get('/index2.txt');

        is $answer->{status}, 404, 'its answer';
        is $answer->{body}, 'Symbol Not Found (and ignored)', 'its text';
        is $nginx->get('/submit')->{status}, 405, 'where crashes go';

        $answer = $nginx->get('/symbolicate/v5');

        is $answer->{status}, 405, 'its answer to a GET of symbolication';
        is $answer->{body}, '{"title": "405 Method Not Allowed"}', 'its title';

        $nginx->stop;
    }

    remove_tree($dir);
}


# names, types and labels of a live /metrics, keys of statsd

sub metrics
{
    my $nginx = TeckenTest::Nginx->start(http => <<'HTTP', server => <<'SERVER');
        tecken_zone     tecken:2m;
        tecken_statsd   127.0.0.1:%%PORT_1%%;
        tecken_storage  local file://%%PREFIX%%/spool;
        tecken_storage  public http://127.0.0.1:9/b access=public;
        tecken_symcache_path %%PREFIX%%/symcaches max_size=1g;
        antenna_spool   %%PREFIX%%/spool/crashes;
        antenna_store_to off;
HTTP
        location = /submit  { antenna_submit; }
        location /          { tecken_download; tecken_sources local public; }
        location = /metrics { tecken_metrics; }
SERVER

    my $text = $nginx->get('/metrics')->{body};
    $nginx->stop;

    my %served = $text =~ /^# TYPE (\w+) (\w+)$/mg;

    for my $name (keys %served) {
        my %label;
        for my $labels ($text =~ /^$name(?:_bucket)?\{(.*)\}/mg) {
            $label{$_} = 1 for $labels =~ /(\w+)="/g;
        }
        delete $label{le};
        $served{$name} .= ': ' . join ', ', map { "`$_`" } sort keys %label;
    }

    my %written;
    while ($Document{'docs/metrics.md'}
           =~ /^\| `((?:tecken|antenna)_\w+)` \| (\w+) \| (.*?) ?\|/mg)
    {
        $written{$1} = "$2: " . join ', ', sort split /, /, $3;
    }

    is_deeply \%written, \%served, 'metrics.md: series, types and labels';

    my $code = join '', map { slurp($_) }
               glob("$Root/ngx_tecken_*/*_metrics.c"),
               "$Root/common/fetch/ngx_tecken_fetch_metrics.c";
    my %key = map { $_ => 1 }
              $code =~ /"((?:download|symboldownloader)_\w+|pageview
                          |(?:downloader|symbolicate)\.[\w.]+)"/xg;

    $code = slurp("$Root/ngx_antenna_submit/ngx_antenna_submit_metrics.c");
    $key{$_} = 1
        for $code =~ /"((?:breakpad_resource|crashmover)\.[\w.]+)"/g;

    is_deeply [ sort $Document{'docs/metrics.md'}
                     =~ /^\| `((?!tecken_|antenna_)[\w.]+)` \|/mg ],
              [ sort keys %key ], 'metrics.md: keys of statsd';
}


# Each command of a "console" block prints what is shown, with the server
# of "make run".  A line "..." stands for any lines.

sub console
{
    my $dir = temp_dir('tecken-docs');

    system('cp', '-r', "$Root/t/data/symbols", $dir) == 0 or die "cp: $?\n";
    write_file("$dir/version.json", version());
    mkdir "$dir/crashes";
    give_away("$dir/crashes");
    chmod 0755, $dir;
    system('chmod', '-R', 'a+rX', $dir) == 0 or die "chmod: $?\n";

    my $text = slurp("$Root/conf/run.conf.in");

    $text =~ s,\@MODULES\@,modules,g;
    $text =~ s,\@CRASHES\@,file://\@DIR\@/crashes,;
    $text =~ s,\@DIR\@,$dir,g;
    $text =~ s,\@PORT\@,%%PORT%%,;
    $text =~ s,\@USER\@,,;
    $text =~ s,^pid .*\n,,m;
    $text =~ s,logs/,%%PREFIX%%/,g;

    my $nginx = TeckenTest::Nginx->start(config => placed($text),
                                         workers => workers());

    for my $name (grep { /\.md$/ } sort keys %Document) {
        for my $block ($Document{$name} =~ /^```console\n(.*?)^```/msg) {

            while ($block =~ /\G\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)/g) {
                my ($command, $output) = ($1, $2);

                my $run = $command =~ s/127\.0\.0\.1:8000/"127.0.0.1:"
                                                          . $nginx->port/ger;

                like plain(scalar `$run 2>&1`, $nginx->port), pattern($output),
                     "$name: $command";
            }
        }
    }

    $nginx->stop;
    remove_tree($dir);
}


sub pattern
{
    my ($text) = @_;

    my $pattern = join '', map { $_ eq '...' ? '(?:.*\n)*' : quotemeta . '\n' }
                           split /\n/, plain($text);

    return qr/\A$pattern\z/;
}


# without what is another at each time

sub plain
{
    my ($text, $port) = @_;

    $text =~ s/\r//g;
    $text =~ s/127\.0\.0\.1:$port/127.0.0.1:8000/g if $port;
    $text =~ s/^(Date|Last-Modified|ETag): .*/$1: */mg;
    $text =~ s/^(Debug-Time): (?!0\.0$)0\.\d+$/$1: */mg;
    $text =~ s/^(Content-Length): .*/$1: */mg
        if $text =~ s/"latency_ms": \d+/"latency_ms": */g;
    $text =~ s/^(tecken_zone_created_seconds) \d+$/$1 */mg;
    $text =~ s/(CrashID=bp)-[0-9a-f-]{36}/$1-*/g;
    $text =~ s,"spool:[^"]*/spool","spool:spool",g;
    $text =~ s/\n*\z/\n/;

    return $text;
}


sub version
{
    return <<'JSON';
{
    "source": "https://example.com/tecken",
    "version": "1.0",
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "build": ""
}
JSON
}


# load_module with the modules that are tested, other paths below the prefix

sub placed
{
    my ($text) = @_;

    my %path = map { m,([^/]+)$, ? ($1 => $_) : () }
               split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // '';

    $text =~ s,^(load_module +)\S*/(\w+\.so);,
               $1 . ($path{$2} // die "no $2\n") . ';',mge;
    $text =~ s,/var/log/nginx/,%%PREFIX%%/,g;
    $text =~ s,(?<![/\w])temp/,%%PREFIX%%/temp/,g;
    $text =~ s/^(worker_processes +)auto;/$1 . workers() . ';'/me;

    return $text;
}


sub workers { return 2 }


sub temp_paths
{
    return join ' ', map { "${_}_temp_path %%PREFIX%%/temp/$_;" }
                     qw(client_body proxy fastcgi uwsgi scgi);
}


sub certificate
{
    return <<'PEM';
-----BEGIN CERTIFICATE-----
MIIBezCCASGgAwIBAgIUH0t+S2J4CVh209CqF5MGMZBZHaYwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHZXhhbXBsZTAgFw0yNjExMjExMjA4NDVaGA8yMTI2MTAyODEy
MDg0NVowEjEQMA4GA1UEAwwHZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABJBrOeYtv6MUJwKjDI/EBrNHl/UTYm+6gNHi6ob/AysN5SkNDvUpgmzElxrx
CjumGg1jLbeyipp1m6qUKrgWTmSjUzBRMB0GA1UdDgQWBBQ5r5gEjjFL/eVG1mQF
mxiYbQP/zjAfBgNVHSMEGDAWgBQ5r5gEjjFL/eVG1mQFmxiYbQP/zjAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIA4NfwDSzDrjLQpTjB+zSCPFrn6m
U8A9+SLB4l3Ifr7PAiEAxq8WG/pgG+5oUOILE/5E+UeAZC6SpkO6ISay9gKi5Fo=
-----END CERTIFICATE-----

PEM
}
