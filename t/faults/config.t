# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Configurations that change, that are wrong, and modules that do not fit.

use strict;
use warnings;

use Test::More;

use TeckenTest qw(:s3 :proxy);
use TeckenTest::Faults;
use TeckenTest::Nginx;

my $options = 'connect_timeout=1s timeout=2s deadline=4s retries=1';
my $proxy = proxy();


# Modules as load_module names them.
sub modules
{
    my (@names) = @_;

    my @all = split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // '';

    return map { my $name = $_;
                 grep { m{(?:^|/)ngx_tecken_${name}_module\.so$} } @all }
           @names;
}


subtest 'the order of load_module' => sub {
    my ($common, $download) = modules('common', 'download');

    plan skip_all => 'modules are not loaded' if !$download;

    local $ENV{TEST_NGINX_LOAD_MODULES} = "$download $common";
    like(TeckenTest::Nginx->refuses,
         qr/ngx_tecken_download_module\.so" failed \(.*undefined symbol/,
         'common is not the first');

    $ENV{TEST_NGINX_LOAD_MODULES} = $download;
    like(TeckenTest::Nginx->refuses, qr/undefined symbol: ngx_tecken_/,
         'common is not there');

    $ENV{TEST_NGINX_LOAD_MODULES} = "$common $download $common";
    like(TeckenTest::Nginx->refuses,
         qr/module "ngx_tecken_common_module" is already loaded/, 'twice');

    $ENV{TEST_NGINX_LOAD_MODULES} = "$common $download $download";
    like(TeckenTest::Nginx->refuses,
         qr/module "ngx_tecken_download_module" is already loaded/,
         'download twice');

    # a module of another version names another symbol
    my $text = TeckenTest::Process::slurp($download);
    ok $text =~ s/(?<=ngx_tecken_abi_)\d+/x/a, 'the guard'
        or return;

    my $dir = TeckenTest::Process::temp_dir('tecken-abi');
    TeckenTest::Process::write_file("$dir/ngx_tecken_download_module.so",
                                    $text);
    $ENV{TEST_NGINX_LOAD_MODULES} =
        "$common $dir/ngx_tecken_download_module.so";
    like(TeckenTest::Nginx->refuses,
         qr/undefined symbol: ngx_tecken_abi_x/, 'another version');
    TeckenTest::Process::remove_tree($dir);
};


subtest 'a zone of another size' => sub {
    my $nginx = downloads(bad => $options);
    my @keys = map { store('bad') } 1 .. 3;
    my $before = $proxy->count;

    $nginx->get($_, port => $nginx->port(1)) for @keys;
    is $proxy->count, $before + 3, 'asked for once';

    $nginx->reload;
    $nginx->get($_, port => $nginx->port(1)) for @keys;
    is $proxy->count, $before + 3, 'a reload keeps the table';

    # a lookup is under way in the old zone
    $proxy->mode('latency', ms => 300);
    my @clients = map { begin($nginx->port(1), fresh()) } 1 .. 5;
    $proxy->wait_for($before + 8, 10);
    $nginx->reload(downloads(text => 1, bad => $options, zone => '8m'));
    $proxy->mode('pass');

    is scalar(grep { $_->{status} != 404 } answer(10, @clients)), 0,
       'those who wait are answered';

    my @answers = map { $nginx->get($_, port => $nginx->port(1)) } @keys;
    is scalar(grep { $_->{status} != 302 } @answers), 0, 'right answers';
    is $proxy->count, $before + 11, 'asked again';

    $nginx->reload(downloads(text => 1, bad => $options, zone => '1m'));
    is $nginx->get($keys[0])->{status}, 302, 'small';

    settled($nginx);
    quiet($nginx);
    is $nginx->stop, 0, 'a clean end';
};


subtest 'storages that come and go' => sub {
    my $nginx = downloads(bad => $options);
    my ($old, $new) = (store('bad'), store('worse'));
    is $nginx->get($old)->{status}, 302, 'before';
    is $nginx->get($new)->{status}, 404, 'before';

    # "bad" is still asked while the new configuration does not know it
    $proxy->mode('latency', ms => 300);
    my $count = $proxy->count;
    my @clients = map { begin($nginx->port(1), fresh()) } 1 .. 5;
    $proxy->wait_for($count + 5, 10);

    my %text = downloads(text => 1, bad => $options);
    s/\bbad\b/worse/g for @text{qw(http server)};
    $nginx->reload(%text);
    $proxy->mode('pass');

    is scalar(grep { $_->{status} != 404 } answer(10, @clients)), 0,
       'those who wait are answered';
    is $nginx->get($new)->{status}, 302, 'the new one';
    is $nginx->get($old)->{status}, 404, 'no longer the old one';

    $nginx->reload(downloads(text => 1, bad => $options));
    is $nginx->get($old)->{status}, 302, 'back';
    is $nginx->get($new)->{status}, 404, 'gone';

    settled($nginx);
    quiet($nginx);
    is $nginx->stop, 0, 'a clean end';
};


for my $case (
    ['an unknown directive', 'tecken_nonsense on;', qr/unknown directive/],
    ['an unknown storage',
     'server { listen 127.0.0.1:%%PORT_9%%; tecken_sources nobody; }',
     qr/unknown storage "nobody" in .*nginx\.conf:\d+/],
    ['a storage twice',
     'tecken_storage bad http://127.0.0.1:1/x access=public;',
     qr/duplicate storage "bad" in .*nginx\.conf:\d+/],
    ['a zone twice', 'tecken_zone other:1m;', qr/is duplicate in .*:\d+/],
    ['a certificate that is not there',
     'tecken_storage tls https://127.0.0.1:1/x access=public ca=/nowhere.pem;',
     qr/"ca" file ".*nowhere\.pem" can not be read/],
) {
    my ($name, $text, $message) = @$case;

    subtest "a reload with $name" => sub {
        my $nginx = downloads(bad => $options);
        my @workers = $nginx->workers;
        my $path = store('bad');

        eval { $nginx->reload(downloads(text => 1, bad => $options,
                                        http => $text)) };
        like $@, qr/reload failed/, 'fails';
        like $nginx->error_log, $message, 'says why, and where';

        is_deeply [ $nginx->workers ], \@workers, 'the workers stay';
        is $nginx->get($path)->{status}, 302, 'and serve';

        $nginx->reload(downloads(text => 1, bad => $options));
        is $nginx->get($path)->{status}, 302, 'a good one again';
        is $nginx->stop, 0, 'a clean end';
    };
}


done_testing();
