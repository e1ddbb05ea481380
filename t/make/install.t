# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# "make install", and what nginx says about the order of load_module.

use strict;
use warnings;

use File::Temp qw(tempdir);
use Test::More;

use TeckenTest::Process qw(slurp write_file);

my $nginx = $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx';
my $dest = tempdir('install-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $modules = "$dest/usr/lib/nginx/modules";
my $docs = "$dest/usr/share/doc/ngx-tecken";

my ($common, @features) = map { "$modules/$_.so" }
                          slurp('config') =~ /^ngx_module_name=(ngx_\w+)$/mg;

my $out = qx(make install DESTDIR=$dest 2>&1);
is($?, 0, 'make install') or diag($out);

like($common, qr/ngx_tecken_common_module/, 'the first module');
ok(scalar @features, 'others');

for my $file ($common, @features) {
    ok(-f $file && !-l $file, "$file is a file");
    is((stat $file)[2] & 0777, 0644, "$file may be read by all");
}

my $tool = "$dest/usr/bin/tecken-symcache";
is((stat $tool)[2] & 07777, 0755, 'the tool may be run by all');
like(qx($tool --help), qr/^usage: tecken-symcache/, 'and runs');

is_deeply([ grep { /probe/ } glob "$modules/*" ], [], 'no probes');
ok(-s "$docs/$_", "$_ is there") for qw(README.md nginx.conf.example);
ok(-s "$dest/etc/nginx/antenna/throttle-$_.conf", "rules of $_")
    for qw(2018 2026);

my @links = grep { !/^https?:/ } slurp("$docs/README.md") =~ /\]\(([^)#]+)/g;
cmp_ok(scalar @links, '>', 5, 'links of the README');
is_deeply([ grep { !-s "$docs/$_" } @links ], [], 'they lead somewhere');

my ($status, $said) = check($common, @features);
is($status, 0, 'nginx loads what is installed') or diag($said);

for my $feature (@features) {
    ($status, $said) = check($common, $feature);
    is($status, 0, "$feature needs no other") or diag($said);

    ($status, $said) = check($feature, $common);
    isnt($status, 0, 'not in the wrong order');
    like($said, qr/\Q$feature\E" failed \(.*undefined symbol: (?:ngx_tecken|tk)_/,
         'it says which module lacks what');

    ($status, $said) = check($feature);
    isnt($status, 0, 'not without the common module');
}

($status, $said) = check($common, @features, $common);
isnt($status, 0, 'not twice');
like($said, qr/module "ngx_tecken_common_module" is already loaded/,
     'it says which');

done_testing();


# nginx -t with these modules: its status and what it says
sub check
{
    my (@modules) = @_;

    mkdir "$dest/nginx";
    mkdir "$dest/nginx/logs";
    write_file("$dest/nginx/nginx.conf",
               join '', (map { "load_module $_;\n" } @modules), <<'END');
error_log stderr;
pid logs/nginx.pid;
events { }
http {
    access_log off;
    client_body_temp_path temp;
    proxy_temp_path temp;
    fastcgi_temp_path temp;
    uwsgi_temp_path temp;
    scgi_temp_path temp;
    tecken_zone tecken:8m;
}
END

    my $text = qx($nginx -e stderr -p $dest/nginx/ -c nginx.conf -t 2>&1);

    return ($?, $text);
}
