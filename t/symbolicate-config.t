# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# What "nginx -t" says of mistakes in a location for symbolication: what is
# wrong, in which file and on which line.

use strict;
use warnings;

use Test::More;

use TeckenTest::Process qw(slurp temp_dir write_file);

my $nginx = $ENV{TEST_NGINX_BINARY} || 'nginx';
my $dir = temp_dir('symbolicate-config');

mkdir "$dir/symbols";

my $path = "tecken_symcache_path $dir/symcache max_size=1m;";
my $whole = "tecken_symbolicate; tecken_sources local; $path";


# status and text of "nginx -t"; the location's text begins on line 1
sub check
{
    my ($location, $server) = @_;

    my $modules = join '', map { "load_module $_;\n" }
                  split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // '';
    my $temp = join '', map { "${_}_temp_path $dir/$_;\n" }
               qw(client_body proxy fastcgi uwsgi scgi);

    write_file("$dir/location.conf", $location);
    write_file("$dir/nginx.conf", <<"END");
$modules
pid $dir/nginx.pid;
events { }
http {
    access_log off;
    $temp
    tecken_zone tecken:4m;
    tecken_storage local file://$dir/symbols;
    server {
        listen 127.0.0.1:1;
        @{[ $server // '' ]}
        location / { include $dir/location.conf; }
    }
}
END

    # "nginx -t" frees nothing at its end
    local $ENV{ASAN_OPTIONS} =
        join ':', $ENV{ASAN_OPTIONS} // (), 'detect_leaks=0';

    my $status = system "$nginx -t -e stderr -p $dir -c $dir/nginx.conf "
                        . "> $dir/out 2>&1";

    return ($status, slurp("$dir/out"));
}


sub good
{
    my ($name, @text) = @_;

    my ($status, $out) = check(@text);
    is $status, 0, $name or diag $out;
}


sub bad
{
    my ($name, $text, $error, $line) = @_;

    my ($status, $out) = check($text);

    isnt $status, 0, $name;
    ok index($out, "$error in $dir/location.conf:$line") >= 0, "$error: $line"
        or diag $out;
}


good('the smallest', $whole);
good('sources and a folder from above', 'tecken_symbolicate v5;',
     "tecken_sources local; $path");
good('all directives', "$whole\n" . <<'END');
tecken_symbolicate_jobs           1;
tecken_symbolicate_stacks         1000000;
tecken_symbolicate_modules        1;
tecken_symbolicate_frames         1;
tecken_symbolicate_depth          512;
tecken_symbolicate_body_size      1024m;
tecken_symbolicate_timeout        1ms;
tecken_symbolicate_source_errors  missing;
END
good('an "if" and a location within', "$whole\nif (\$arg_x) { return 403; }\n"
     . 'location /symbolicate/ { tecken_symbolicate; }');

bad('no sources', "\ntecken_symbolicate; $path",
    '"tecken_symbolicate" needs "tecken_sources"', 2);
bad('no folder', "\n\ntecken_symbolicate; tecken_sources local;",
    '"tecken_symbolicate" needs "tecken_symcache_path"', 3);
bad('twice', "$whole\ntecken_symbolicate;",
    '"tecken_symbolicate" directive is duplicate', 2);
bad('beside another', "$whole\ntecken_metrics;",
    '"tecken_metrics" directive conflicts with another handler of the location',
    2);
bad('an unknown version', 'tecken_symbolicate v3;',
    'invalid version "v3", it is to be "v4" or "v5"', 1);
bad('no jobs', "$whole\ntecken_symbolicate_jobs 0;",
    'value must be between 1 and 1000000', 2);
bad('too many frames', "$whole\ntecken_symbolicate_frames 1000001;",
    'value must be between 1 and 1000000', 2);
bad('too flat', "$whole\ntecken_symbolicate_depth 5;",
    'value must be between 6 and 512', 2);
bad('too deep', "$whole\ntecken_symbolicate_depth 513;",
    'value must be between 6 and 512', 2);
bad('bodies without end', "$whole\ntecken_symbolicate_body_size 0;",
    '"tecken_symbolicate_body_size" directive must be from 1 to 1024m', 2);
bad('bodies that are too large', "$whole\ntecken_symbolicate_body_size 1025m;",
    '"tecken_symbolicate_body_size" directive must be from 1 to 1024m', 2);
bad('no time', "$whole\ntecken_symbolicate_timeout 0;",
    '"tecken_symbolicate_timeout" directive must not be 0', 2);
bad('another answer', "$whole\ntecken_symbolicate_source_errors 404;",
    'invalid value "404"', 2);
bad('one value twice', "$whole\ntecken_symbolicate_jobs 1;\n"
    . 'tecken_symbolicate_jobs 1;',
    '"tecken_symbolicate_jobs" directive is duplicate', 3);

done_testing;
