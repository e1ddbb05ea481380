#!/usr/bin/perl

# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# What "nginx -t" says of mistakes in a configuration for downloads: what is
# wrong, in which file and on which line, and never a secret.

use strict;
use warnings;

use Test::More;

use TeckenTest::Process qw(remove_tree slurp temp_dir write_file);

my $nginx = $ENV{TEST_NGINX_BINARY} || 'nginx';
my @modules = split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // '';
my $dir = temp_dir('download-config');

my $zone = 'tecken_zone tecken:4m;';
my $local = "tecken_storage local file://$dir/symbols;";
my $s3 = 'tecken_storage s3 http://127.0.0.1:9/bucket';
my $keys = 'access_key=AK secret_key=TOPSECRET';
my $download = 'tecken_download; tecken_sources local;';

mkdir "$dir/symbols";
write_file("$dir/file", 'x');
write_file("$dir/aws", "[default]\naws_access_key_id = AK\n"
                       . "aws_secret_access_key = TOPSECRET\n");
write_file("$dir/aws-other", "[other]\naws_access_key_id = AK\n"
                             . "aws_secret_access_key = TOPSECRET\n");
write_file("$dir/aws-half", "[default]\naws_access_key_id = AK\n");
write_file("$dir/aws-bad", "[default]\naws_secret_access_key TOPSECRET\n");
write_file("$dir/aws-large", "# x\n" x 5000);

good('the smallest', "$zone\n$local", $download);
good('a storage that comes after its use', $zone, $download,
     after => $local);
good('no directive of ours', '', '');
good('storages and a zone that nobody uses', "$zone\n$local", '');
good('all directives of downloads', "$zone\n$local\n$s3 $keys;", <<'END');
tecken_download;
tecken_sources          local s3;
tecken_try_source       s3;
tecken_legacy_products  a b;
tecken_file_extensions  .sym;
tecken_ignore           file.ptr debug_id=00;
tecken_download_mode    redirect;
tecken_presign_expires  7d;
tecken_cache_valid      found=0 missing=1d;
tecken_cache_control    "max-age=$arg_x";
END
good('proxy without a private storage', "$zone\n$local",
     "$download tecken_download_mode proxy;");
good('proxy with its location', "$zone\n$s3 $keys;",
     'tecken_download; tecken_sources s3; tecken_download_mode proxy;',
     server => 'location @tecken { proxy_pass $tecken_url; }');
good('proxy with a location of another name, inherited',
     "$zone\n$s3 $keys;\ntecken_sources s3; tecken_download_mode proxy \@a;",
     'tecken_download;',
     server => 'location @a { proxy_pass $tecken_url; }');
good('a private storage of public URLs needs no proxy',
     "$zone\n$s3 $keys public_url=http://cdn/x;",
     'tecken_download; tecken_sources s3; tecken_download_mode proxy;');
good('nested locations', "$zone\n$local",
     "tecken_sources local; location /a/ { tecken_download; }");
good('credentials in a file', "$zone\n$s3 credentials=file:$dir/aws;", '');
good('credentials of a profile',
     "$zone\n$s3 credentials=file:$dir/aws-other profile=other;", '');

# tecken_download

bad_location('no sources', 'tecken_download;',
     [ '"tecken_download" needs "tecken_sources"', 1 ]);
bad_location('no sources, a try source alone',
     "\n\ntecken_download;\ntecken_try_source local;",
     [ '"tecken_download" needs "tecken_sources"', 3 ]);
bad_location('twice', "tecken_download;\n$download",
     [ '"tecken_download" directive is duplicate', 2 ]);
bad_location('an argument', "tecken_download on;",
     [ 'invalid number of arguments in "tecken_download" directive', 1 ]);
bad_http('in http', "$zone\n$local\ntecken_download;",
     [ '"tecken_download" directive is not allowed here', 3 ]);

# tecken_zone

for my $use ($download, 'tecken_metrics;', 'tecken_dockerflow heartbeat;') {
    bad("no zone: $use", $local, $use,
        '"tecken_zone" is needed in http {}, for example: '
        . 'tecken_zone tecken:64m;');
}

bad('no zone, a storage alone', $local, '', '"tecken_zone" is needed');
bad_http('a zone without size', 'tecken_zone tecken;',
     [ 'invalid zone "tecken", it is to be "name:size"', 1 ]);
bad_http('a zone without name', 'tecken_zone :4m;',
     [ 'invalid zone ":4m", it is to be "name:size"', 1 ]);
bad_http('a zone of no size', 'tecken_zone tecken:;',
     [ 'invalid zone size "tecken:"', 1 ]);
bad_http('a zone of a strange size', 'tecken_zone tecken:x;',
     [ 'invalid zone size "tecken:x"', 1 ]);
bad_http('a zone of a negative size', 'tecken_zone tecken:-1m;',
     [ 'invalid zone size "tecken:-1m"', 1 ]);
bad_http('a small zone', 'tecken_zone tecken:64k;',
     [ 'zone "tecken:64k" is too small', 1 ]);
bad_http('two zones', "$zone\ntecken_zone other:4m;",
     [ '"tecken_zone" directive is duplicate', 2 ]);
bad_http('a zone of somebody else',
     "limit_req_zone \$uri zone=tecken:4m rate=1r/s;\n$zone",
     [ 'the shared memory zone "tecken" is already declared for a '
       . 'different use', 2 ]);
bad_location('a zone in a location', $zone,
     [ '"tecken_zone" directive is not allowed here', 1 ]);

# tecken_storage

bad_http('a storage twice', "$zone\n$local\n\n$local",
     [ 'duplicate storage "local"', 4 ]);
bad_http('only a name', "$zone\ntecken_storage local;",
     [ 'invalid number of arguments in "tecken_storage" directive', 2 ]);

bad_http('a storage without a name',
     "$zone\ntecken_storage \"\" file://$dir/symbols;",
     [ 'empty storage name', 2 ]);

for my $name ('a b', 'a/b', 'a.b', 'a"b', "\xc3\xa4") {
    my $quoted = $name =~ s/"/\\"/r;
    bad_http("storage \"$name\"",
         "$zone\ntecken_storage \"$quoted\" file://$dir/symbols;",
         [ "invalid storage name \"$name\", it may have letters, digits, "
           . '"_" and "-"', 2 ]);
}

for my $url (qw(ftp://host/x s3://bucket symbols //host/x :// http:/x)) {
    bad_http("URL $url", "$zone\ntecken_storage a $url access=public;",
         [ "invalid storage URL \"$url\", it must begin with \"file://\", "
           . '"https://" or "http://"', 2 ]);
}

for my $url (qw(http:///bucket http://:80/b http://h:0/b http://h:65536/b
                http://h:x/b http://h:/b http://h/b?x=y
                http://h/b%20 http://[::1/b http://[::1]x/b), 'http://h/b#x')
{
    bad_http("URL $url", "$zone\ntecken_storage a \"$url\" access=public;",
         [ "invalid storage URL \"$url\", it is to be "
           . '"http[s]://host[:port]/bucket"', 2 ]);
}

bad_http('a URL with a secret',
     "$zone\ntecken_storage a http://AK:TOPSECRET\@h/b access=public;",
     [ 'invalid URL of storage "a", credentials are given by "credentials" or '
       . '"access_key" and "secret_key"', 2 ]);
bad_http('a file URL with a host', "$zone\ntecken_storage a file://h/x;",
     [ 'invalid URL "file://h/x" of storage "a", it must be "file://" and an '
       . 'absolute path', 2 ]);
bad_http('a file URL of nothing', "$zone\ntecken_storage a file://;",
     [ 'invalid URL "file://" of storage "a"', 2 ]);
bad_http('a root that is not there',
     "$zone\ntecken_storage a file://$dir/nowhere;",
     [ "stat() \"$dir/nowhere\" of storage \"a\" failed (2: No such file or "
       . 'directory)', 2 ]);
bad_http('a root that is a file', "$zone\ntecken_storage a file://$dir/file;",
     [ "\"$dir/file\" of storage \"a\" is not a directory", 2 ]);
for my $prefix ('p' x 256, 'p/' x 1000) {
    bad_http('a prefix that is no path',
         "$zone\ntecken_storage a file://$dir/symbols prefix=a/$prefix;",
         [ 'the prefix of storage "a" is too long for the path of a file', 2 ]);
}

bad_http('an option of S3 for a file storage',
     "$zone\ntecken_storage a file://$dir/symbols region=x;",
     [ 'invalid parameter "region=x" of a file storage', 2 ]);
bad_http('an option of no storage', "$zone\n$s3 access=public foo=bar;",
     [ 'invalid parameter "foo"', 2 ]);
bad_http('an option without a value', "$zone\n$s3 access=public region=;",
     [ 'empty parameter "region="', 2 ]);
bad_http('no such access', "$zone\n$s3 access=world;",
     [ 'invalid parameter "access"', 2 ]);

for my $option (qw(prefix=a region=a timeout=1s list=on public_url=http://a/))
{
    my ($name) = $option =~ /(\w+)/;
    bad_http("$name twice", "$zone\n$s3 access=public $option $option;",
         [ "duplicate parameter \"$name\"", 2 ]);
}

for my $option (qw(timeout=0 timeout=x connect_timeout=-1 deadline=1y2x
                   retries=11 retries=-1 retries=x list=yes
                   addressing=subdomain credentials=nowhere))
{
    my ($name) = $option =~ /(\w+)/;
    bad_http($option, "$zone\n$s3 $option;",
         [ "invalid parameter \"$name\"", 2 ]);
}

for my $url (qw(cdn/x ftp://cdn/x //cdn javascript:alert https:// http:///x))
{
    bad_http("public_url=$url", "$zone\n$s3 access=public public_url=$url;",
         [ "invalid parameter \"public_url=$url\", a public URL begins with "
           . '"https://" or "http://"', 2 ]);
}

bad_http('virtual addressing of a number',
     "$zone\n$s3 access=public addressing=virtual;",
     [ '"addressing=virtual" needs a host name and a bucket in storage URL '
       . '"http://127.0.0.1:9/bucket"', 2 ]);
bad_http('virtual addressing without a bucket', "$zone\n"
     . 'tecken_storage a http://localhost access=public addressing=virtual;',
     [ '"addressing=virtual" needs a host name and a bucket in storage URL '
       . '"http://localhost"', 2 ]);
bad_http('a host that nobody knows', "$zone\n\ntecken_storage a "
     . 'http://nowhere.invalid/b access=public;',
     [ 'host not found in "nowhere.invalid" of storage "a"', 3 ]);

# credentials

bad_http('none', "$zone\n$s3;",
     [ 'storage "s3" needs "credentials", or "access=public"', 2 ]);
bad_http('public, with a key', "$zone\n$s3 access=public $keys;",
     [ 'storage "s3" has "access=public" and credentials, remove one of the two', 2 ]);
bad_http('half a key', "$zone\n$s3 access_key=AK;",
     [ 'storage "s3" needs both "access_key" and "secret_key"', 2 ]);
bad_http('the other half', "$zone\n$s3 secret_key=TOPSECRET;",
     [ 'storage "s3" needs both "access_key" and "secret_key"', 2 ]);
bad_http('a file and a key', "$zone\n$s3 credentials=file:$dir/aws $keys;",
     [ '"credentials" and "access_key" are mutually exclusive', 2 ]);
bad_http('a secret twice', "$zone\n$s3 $keys secret_key=TOPSECRET;",
     [ 'duplicate parameter "secret_key"', 2 ]);
bad_http('an environment without', "$zone\n$s3 credentials=env;",
     [ '"credentials=env" needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY '
       . "in nginx's environment", 2 ]);

my @files = (
    [ 'nowhere', qr/open\(\) "\Q$dir\E\/nowhere" failed \(2: No such file/ ],
    [ 'symbols', qr/read\(\) "\Q$dir\E\/symbols" failed \(21: Is a dir/ ],
    [ 'aws-large', qr/"\Q$dir\E\/aws-large" is larger than \d+ bytes/ ],
    [ 'aws-other', qr/ in "\Q$dir\E\/aws-other" .*profile "default"/ ],
    [ 'aws-half', qr/ in "\Q$dir\E\/aws-half" .*profile "default"/ ],
    [ 'aws-bad', qr/ in "\Q$dir\E\/aws-bad" line 2, profile "default"/ ],
);

if ($> != 0) {
    write_file("$dir/aws-closed", 'x');
    chmod 0, "$dir/aws-closed";
    push @files, [ 'aws-closed', qr/open\(\) .* failed \(13: Permission/ ];
}

for my $file (@files) {
    my ($name, $why) = @$file;
    my $output = bad_http("credentials in $name",
        "$zone\n\n$s3 credentials=file:$dir/$name;",
        [ 'storage "s3" has no credentials', 3 ]);
    like $output, qr/\[emerg\] credentials: .*$why/, "$name: the reason";
}

# tecken_sources, tecken_try_source

bad_location('an unknown source', "tecken_download;\ntecken_sources nobody;",
     [ 'unknown storage "nobody"', 2 ]);
bad_location('an unknown try source', "$download\ntecken_try_source nobody;",
     [ 'unknown storage "nobody"', 2 ]);
bad_location('a source twice', "\ntecken_download; tecken_sources local local;",
     [ 'duplicate storage "local" in "tecken_sources"', 2 ]);
bad_location('sources twice', "$download\ntecken_sources local;",
     [ '"tecken_sources" directive is duplicate', 2 ]);
bad_location('a try source twice',
     "$download\ntecken_try_source off;\ntecken_try_source local;",
     [ '"tecken_try_source" directive is duplicate', 3 ]);
bad_location('two try sources', "$download\ntecken_try_source local local;",
     [ 'invalid number of arguments in "tecken_try_source" directive', 2 ]);
bad_location('no source', "tecken_download; tecken_sources;",
     [ 'invalid number of arguments in "tecken_sources" directive', 1 ]);
bad_location('too many', 'tecken_sources ' . join(' ', 'a' .. 'q') . ';',
     [ '"tecken_sources" takes at most 16 storages', 1 ]);

# lists

for my $list (qw(tecken_legacy_products tecken_file_extensions tecken_ignore))
{
    bad_location("$list twice", "$download\n$list off;\n$list a;",
         [ "\"$list\" directive is duplicate", 3 ]);
    bad_location("$list of nothing", "$download $list;",
         [ "invalid number of arguments in \"$list\" directive", 1 ]);
    bad_location("$list of an empty word", "$download\n$list a \"\";",
         [ 'invalid parameter ""', 2 ]);
    bad_location("$list with a slash", "$download\n$list a b/c;",
         [ 'invalid parameter "b/c"', 2 ]);
    bad_location("$list off and more", "$download\n$list off a;",
         [ 'invalid parameter "off"', 2 ]);
}

bad_location('an empty id', "$download\ntecken_ignore debug_id=;",
     [ 'invalid parameter "debug_id="', 2 ]);
bad_location('an id that is none', "$download\ntecken_ignore debug_id=xyz;",
     [ 'invalid parameter "debug_id=xyz"', 2 ]);

# tecken_download_mode

bad_location('no such mode', "$download\ntecken_download_mode stream;",
     [ 'invalid parameter "stream", it is to be "redirect" or '
       . '"proxy [@location]"', 2 ]);
bad_location('a location to redirect in',
     "$download\ntecken_download_mode redirect \@a;",
     [ 'invalid parameter "@a", it is to be "redirect" or '
       . '"proxy [@location]"', 2 ]);
bad_location('a mode twice',
     "$download\ntecken_download_mode redirect;\ntecken_download_mode proxy;",
     [ '"tecken_download_mode" directive is duplicate', 3 ]);

for my $location ('tecken', '@', '/x', '""') {
    my $shown = $location eq '""' ? '' : $location;
    bad_location("a location called $location",
         "$download\ntecken_download_mode proxy $location;",
         [ "invalid named location \"$shown\"", 2 ]);
}

for my $case ([ 'tecken_sources s3;', 'a source' ],
              [ 'tecken_sources local; tecken_try_source s3;', 'try' ])
{
    my ($sources, $what) = @$case;

    bad_location("proxy without its location, $what",
         "tecken_download_mode proxy \@streams; $sources\n\ntecken_download;",
         [ '"tecken_download_mode proxy" needs a location "@streams" with '
           . '"proxy_pass $tecken_url;" for "tecken_download"', 3 ],
         "$s3 $keys;");
}

# others

for my $expires (qw(0 0s 604801 8d 1y)) {
    bad_location("expires in $expires",
         "$download\ntecken_presign_expires $expires;",
         [ '"tecken_presign_expires" is to be from 1s to 7d', 2 ]);
}

bad_location('expires at no time', "$download\ntecken_presign_expires soon;",
     [ '"tecken_presign_expires" directive invalid value', 2 ]);
bad_location('expires twice',
     "$download\ntecken_presign_expires 1h;\ntecken_presign_expires 1h;",
     [ '"tecken_presign_expires" directive is duplicate', 3 ]);
bad_location('Cache-Control twice',
     "$download\ntecken_cache_control a;\ntecken_cache_control b;",
     [ '"tecken_cache_control" directive is duplicate', 3 ]);
bad_location('Cache-Control of an unknown variable',
     "$download\ntecken_cache_control \$nobody;",
     [ 'unknown "nobody" variable', undef ]);

for my $valid (qw(found found= found=x missing=-1 6h any=1h FOUND=1h)) {
    bad_location("cached for $valid", "$download\ntecken_cache_valid $valid;",
         [ "invalid parameter \"$valid\"", 2 ]);
}

bad_location('a lifetime twice',
     "$download\ntecken_cache_valid found=1h found=2h;",
     [ '"tecken_cache_valid" directive is duplicate', 2 ]);
bad_location('a lifetime in two directives',
     "$download\ntecken_cache_valid found=1h;\n"
     . 'tecken_cache_valid missing=1h found=2h;',
     [ '"tecken_cache_valid" directive is duplicate', 3 ]);
bad_location('more lifetimes than there are',
     "$download\n"
     . 'tecken_cache_valid found=1 missing=1 symcache_missing=1 found=1;',
     [ 'invalid number of arguments in "tecken_cache_valid" directive', 2 ]);
good('a lifetime each', "$zone\n$local",
     "$download tecken_cache_valid found=1; tecken_cache_valid missing=1;");

# what of the modules

SKIP: {
    my ($common) = grep { /tecken_common/ } @modules;
    my ($own) = grep { /tecken_download/ } @modules;
    skip 'modules are not loaded by TEST_NGINX_LOAD_MODULES', 2 if !$own;

    @modules = ($own, $common);
    my ($status, $output) = check('', '');
    isnt $status, 0, 'modules in the wrong order: fails';
    like $output, qr/\[emerg\] dlopen\(\) "\Q$own\E" failed .* in \S+:1$/m,
         'and says which module';
}

remove_tree($dir);
done_testing;


sub good
{
    my ($name, @conf) = @_;

    my ($status, $output) = check(@conf);
    is $status, 0, $name or diag $output;
}


# $expected: the message, then " in FILE:LINE"
sub bad
{
    my ($name, $http, $location, $message, $where) = @_;

    my ($status, $output) = check($http, $location);
    my $pattern = "[emerg] $message";
    my $line = (grep { index($_, $pattern) >= 0 } split /\n/, $output)[0];

    ok $status == 256 && defined $line, "$name: the message"
        or diag "exit status $status, expected: $message\n$output";

    like $line, qr/ in \Q$where\E$/, "$name: the place" if defined $where;
    unlike $output, qr/TOPSECRET/, "$name: no secret";

    return $output;
}


sub bad_http
{
    my ($name, $http, $expected) = @_;

    my ($message, $line) = @$expected;

    return bad($name, $http, '', $message, "$dir/http.conf:$line");
}


sub bad_location
{
    my ($name, $location, $expected, $http) = @_;

    my ($message, $line) = @$expected;

    return bad($name, join("\n", $zone, $local, $http // ''), $location,
               $message, defined $line ? "$dir/location.conf:$line" : undef);
}


# Runs "nginx -t"; returns its status and all it says.
sub check
{
    my ($http, $location, %more) = @_;

    write_file("$dir/http.conf", "$http\n");
    write_file("$dir/location.conf", "$location\n");
    write_file("$dir/$_.conf", ($more{$_} // '') . "\n") for qw(server after);
    write_file("$dir/nginx.conf", join "\n",
        (map { "load_module $_;" } @modules), <<"END");
pid        $dir/nginx.pid;
error_log  $dir/error.log;
events { }
http {
    access_log             off;
    client_body_temp_path  $dir/body;
    proxy_temp_path        $dir/proxy;
    fastcgi_temp_path      $dir/fastcgi;
    uwsgi_temp_path        $dir/uwsgi;
    scgi_temp_path         $dir/scgi;
    include                $dir/http.conf;
    server {
        listen unix:$dir/nginx.sock;
        location / {
            include $dir/location.conf;
        }
        include $dir/server.conf;
    }
    include                $dir/after.conf;
}
END

    local %ENV = %ENV;
    delete $ENV{$_} for grep { /^AWS_/ } keys %ENV;

    # "nginx -t" frees nothing at its end
    $ENV{ASAN_OPTIONS} = join ':', $ENV{ASAN_OPTIONS} // (), 'detect_leaks=0';

    my $status = system "$nginx -t -e $dir/start.log -p $dir"
                        . " -c $dir/nginx.conf >$dir/output 2>&1";

    return ($status, slurp("$dir/output"));
}
