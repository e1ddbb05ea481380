# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Where keys come from: directive, environment, a file that changes while
# nginx runs; and a clock that is wrong.

use strict;
use warnings;

use Test::More;

use StoreTest;
use TeckenTest;
use TeckenTest::Peer;
use TeckenTest::Process qw(give_away remove_tree slurp temp_dir write_file);

my $dir = temp_dir('tecken-keys');
my $file = "$dir/credentials";
my $peer = TeckenTest::Peer->start;
my $bucket = url_of(radosgw->port, 'private');
my $prefix = unique('credentials');

my ($access_key, $secret_key) = map { $ENV{"TEST_NGINX_S3_$_"} }
                                qw(ACCESS_KEY SECRET_KEY);
my @secrets = $secret_key;

END { remove_tree($dir) if defined $dir }


# A key that radosgw knows: [ access key, secret key ].
sub new_key
{
    my $name = unique('K');
    my $key = [ $name, sprintf 'secret+/=%s', $name ];

    radosgw->add_key(@$key);
    push @secrets, $key->[1];

    return $key;
}


sub profile
{
    my ($name, $key, $token) = @_;

    push @secrets, $token if $token;

    return "[$name]\naws_access_key_id = $key->[0]\n"
           . "aws_secret_access_key = $key->[1]\n"
           . ($token ? "aws_session_token = $token\n" : '') . "\n";
}


# As an editor does, and as careful programs do.
sub overwrite
{
    write_file($file, $_[0]);
}


sub replace
{
    my ($text) = @_;

    write_file("$file.new", $text);
    rename "$file.new", $file or die "rename: $!\n";
}


# The access key that a storage of the peer signs with, and the token.
sub used
{
    my ($nginx, $storage) = @_;

    $peer->answers({ status => 200 });
    op($nginx, 'GET', $storage, 'k');

    my ($request) = $peer->requests;
    my ($key) = ($request->{headers}{authorization} // '')
                =~ m{Credential=([^/]*)/};

    return join ' ', $key // 'none',
                     $request->{headers}{'x-amz-security-token'} // ();
}


sub comes_to_use
{
    my ($nginx, $key, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok eval { wait_until($what, 5, sub {
        used($nginx, 'peer') eq $key->[0];
    }) }, "$what: in use" or diag $@;
    is op($nginx, 'HEAD', 's', 'o')->{status}, 200, "$what: good";
}


sub refused
{
    my ($storage, $environment) = @_;

    return TeckenTest::Nginx->refuses(
        http => store_conf(s => $storage), env => $environment // {});
}


s3->put('private', "$prefix/o", 'x');

subtest 'environment' => sub {
    my %environment = (
        AWS_ACCESS_KEY_ID => $access_key, AWS_SECRET_ACCESS_KEY => $secret_key,
    );

    my $nginx = store_nginx(storages => {
        s => "$bucket prefix=$prefix credentials=env",
        peer => url_of($peer->port, 'b') . ' credentials=env',
    }, env => \%environment);

    is op($nginx, 'HEAD', 's', 'o')->{status}, 200, 'at the start';
    $nginx->reload(drained => 1);
    is op($nginx, 'HEAD', 's', 'o')->{status}, 200, 'after a reload';
    is used($nginx, 'peer'), $access_key, 'no token';
    is slurp('/proc/' . ($nginx->workers)[0] . '/environ')
       =~ /\Q$secret_key/, '', 'not in the workers';

    $nginx->stop;
    unlike $nginx->error_log, qr/\Q$secret_key/, 'nor in the log';

    $nginx->restart(env => { %environment, AWS_SESSION_TOKEN => 'a/t+o=' });
    is used($nginx, 'peer'), "$access_key a/t+o=", 'a token';
    $nginx->stop;

    like refused("$bucket credentials=env"),
         qr/AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.*nginx\.conf:\d+/,
         'nothing there';
    like refused("$bucket credentials=env",
                 { AWS_ACCESS_KEY_ID => 'A', AWS_SECRET_ACCESS_KEY => '' }),
         qr/needs AWS_ACCESS_KEY_ID/, 'an empty secret';
    like refused("$bucket credentials=env",
                 { %environment, AWS_SECRET_ACCESS_KEY => "NoKeYofmine\n" }),
         qr/storage "s" have a control character/, 'a line end';
    like refused("$bucket credentials=env",
                 { %environment, AWS_SESSION_TOKEN => 'x' x 9000 }),
         qr/AWS_SESSION_TOKEN is too long/, 'a token too long';
};

subtest 'a configuration that cannot work' => sub {
    my $url = 'http://127.0.0.1:1/b';

    my %wrong = (
        "$url" => qr/needs "credentials", or "access=public"/,
        "$url credentials=none" => qr/needs "credentials"/,
        "$url access_key=A" => qr/needs both/,
        "$url secret_key=NoKeYofmine" => qr/needs both/,
        "$url session_token=NoKeYofmine" => qr/needs both/,
        "$url access=public access_key=A secret_key=NoKeYofmine" =>
            qr/"access=public" and credentials/,
        "$url credentials=file:$file access_key=A secret_key=NoKeYofmine" =>
            qr/mutually exclusive/,
        "$url credentials=env access_key=A secret_key=NoKeYofmine" =>
            qr/mutually exclusive/,
        "$url access_key=A secret_key=NoKeYofmine credentials=none" =>
            qr/mutually exclusive/,
        "$url credentials=file:$file session_token=NoKeYofmine" =>
            qr/mutually exclusive/,
        "$url access_key=A secret_key=NoKeYofmine profile=p" =>
            qr/"profile" needs "credentials=file:PATH"/,
        "$url access_key=A 'secret_key=NoKeYofmine '" =>
            qr/control character in them, or a blank/,
        "$url credentials=vault" => qr/invalid parameter "credentials"/,
        "$url access_key=A access_key=B secret_key=NoKeYofmine" =>
            qr/duplicate parameter "access_key"/,
        "$url access_key=A secret_key=NoKeYofmine secret_key=NoKeYofmine" =>
            qr/duplicate parameter "secret_key"/,
        "$url secret_key=" => qr/empty parameter "secret_key="/,
        "$url secretkey=NoKeYofmine" => qr/invalid parameter "secretkey"/,
        'http://A:NoKeYofmine@127.0.0.1/b access=public' =>
            qr/invalid URL of storage "s", credentials are given by/,
        "$url access=public retries=11" => qr/invalid parameter "retries"/,
        "$url access=public timeout=0" => qr/invalid parameter "timeout"/,
        "$url access=public deadline=x" => qr/invalid parameter "deadline"/,
        "$url access=public ca=/no/such/ca.pem" =>
            qr/"ca" file .* can not be read .*No such file/,
        "$url access=public addressing=virtual" => qr/needs a host name/,
        'http://127.0.0.1:99999/b access=public' => qr/invalid storage URL/,
        'http://127.0.0.1:/b access=public' => qr/invalid storage URL/,
        'http:///b access=public' => qr/invalid storage URL/,
        'http://[::1/b access=public' => qr/invalid storage URL/,
        'http://[::g]/b access=public' => qr/invalid storage URL/,
        'http://a,b/c access=public' => qr/invalid storage URL/,
        '"http://a b/c" access=public' => qr/invalid storage URL/,
        'http://s3.test/b,c access=public addressing=virtual' =>
            qr/invalid storage URL/,
        'http://127.0.0.1//b access=public' => qr/invalid storage URL/,
        'http://127.0.0.1/b?x access=public' => qr/invalid storage URL/,
        'http://no-such-host.invalid/b access=public' =>
            qr/host not found in "no-such-host.invalid" of storage "s"/,
    );

    overwrite(profile('default', [ 'A', 'B' ]));

    for my $storage (sort keys %wrong) {
        my $text = refused($storage);

        like $text, $wrong{$storage}, $storage =~ s/NoKeYofmine/.../gr;
        like $text, qr/nginx\.conf:\d+/, 'file and line';
        unlike $text, qr/NoKeYofmine/, 'no secret';
    }
};

subtest 'a file that cannot be used from the start' => sub {
    my $secret = 'NoKeYofmine';
    my $good = "aws_access_key_id = A\naws_secret_access_key = $secret\n";

    my %wrong = (
        'empty' => [ '', qr/no .*profile/ ],
        'another profile' => [ "[other]\n$good", qr/profile "default"/ ],
        'no secret' => [ "#\n[default]\naws_access_key_id = A\n",
                         qr/line 2, profile "default"/ ],
        'no key' => [ "[default]\naws_secret_access_key = $secret\n",
                      qr/line 1, profile "default"/ ],
        'no equals sign' => [ "[default]\n\naws_access_key_id A $secret\n",
                              qr/line 3/ ],
        'no profile at all' => [ $good, qr/profile/ ],
        'large' => [ "[default]\n$good" . '#' x 20000, qr/larger than \d+/ ],
        'binary' => [ join('', map { chr } 0 .. 255), qr/credentials: / ],
    );

    for my $name (sort keys %wrong) {
        my ($text, $expected) = @{ $wrong{$name} };

        overwrite($text);
        my $said = refused("$bucket credentials=file:$file");

        like $said, $expected, $name;
        like $said, qr/\Q$file/, 'which file';
        like $said, qr/nginx\.conf:\d+/, 'and where it is named';
        unlike $said, qr/$secret/, 'no secret';
    }

    unlink $file;
    like refused("$bucket credentials=file:$file"),
         qr/\Q$file\E" failed \(2: No such file/, 'no file';
    like refused("$bucket credentials=file:$dir"), qr/\Q$dir/, 'a folder';
};

subtest 'a file that changes' => sub {
    my ($one, $two, $three) = map { new_key() } 1 .. 3;

    overwrite(profile('other', [ 'no', 'no' ]) . profile('default', $one));

    my $nginx = store_nginx(storages => {
        s => "$bucket prefix=$prefix credentials=file:$file",
        peer => url_of($peer->port, 'b') . " credentials=file:$file",
    }, log_level => 'debug');

    is used($nginx, 'peer'), $one->[0], 'the default profile';
    is op($nginx, 'HEAD', 's', 'o')->{status}, 200, 'good';

    overwrite(profile('default', $two));
    comes_to_use($nginx, $two, 'written over');

    radosgw->remove_key($one->[0]);
    is op($nginx, 'HEAD', 's', 'o')->{status}, 200, 'the old key is gone';

    # same size and time, another file
    my $time = time - 1000;
    utime $time, $time, $file;
    replace(profile('default', $three));
    utime $time, $time, $file;
    comes_to_use($nginx, $three, 'replaced');

    # twice within a second, of the same size
    overwrite(profile('default', $two));
    used($nginx, 'peer');
    overwrite(profile('default', $three));
    used($nginx, 'peer');
    overwrite(profile('default', $two));
    comes_to_use($nginx, $two, 'at once');

    replace(profile('default', $three, 'token+1'));
    wait_until('the token', 5, sub {
        used($nginx, 'peer') eq "$three->[0] token+1" });
    pass 'a token';

    replace(profile('default', $three));
    wait_until('no token', 5, sub { used($nginx, 'peer') eq $three->[0] });
    pass 'and none';

    my %bad = (
        'no profile' => sub { replace(profile('what', $two)) },
        'half a file' => sub { overwrite("[default]\naws_access") },
        'empty' => sub { overwrite('') },
        'not readable' => sub {
            replace(profile('default', $two));
            chmod 0, $file;
        },
        'gone' => sub { unlink $file },
        'a folder' => sub { unlink $file; mkdir $file },
    );

    for my $name ('no profile', 'half a file', 'empty', 'not readable', 'gone',
                  'a folder')
    {
        my $mark = length $nginx->error_log;
        $bad{$name}->();

        wait_until("a line about $name", 5, sub {
            used($nginx, 'peer');
            return substr($nginx->error_log, $mark) =~ /credentials: .*\Q$file/;
        });

        is used($nginx, 'peer'), $three->[0], "$name: the key before";
        is op($nginx, 'HEAD', 's', 'o')->{status}, 200, "$name: good";
    }

    rmdir $file;
    overwrite(profile('default', $two));
    comes_to_use($nginx, $two, 'whole again');

    $nginx->reload(drained => 1);
    is used($nginx, 'peer'), $two->[0], 'after a reload';

    is $nginx->stop, 0, 'ends well';
    my $log = $nginx->error_log;
    ok index($log, $_) < 0, 'no secret in logs' for @secrets;

    radosgw->remove_key($_->[0]) for $two, $three;
};

subtest 'profiles' => sub {
    overwrite("# a comment\n" . profile('default', [ 'D', 'd' ])
              . profile('two', [ 'T', 't' ], 'tok')
              . profile('profile three', [ 'P', 'p' ]));

    my $peered = url_of($peer->port, 'b') . " credentials=file:$file";
    my $nginx = store_nginx(storages => {
        one => $peered, two => "$peered profile=two",
        three => "profile=three $peered" =~ s/^(\S+) (.*)/$2 $1/r,
    });

    is used($nginx, 'one'), 'D', 'default';
    is used($nginx, 'two'), 'T tok', 'profile=';
    is used($nginx, 'three'), 'P', '"profile NAME"';

    like refused("$peered profile=four"), qr/profile "four"/, 'none';
    $nginx->stop;
};

subtest 'an hour off' => sub {
    my ($library) = glob '/usr/lib/*/faketime/libfaketime.so.1';

    plan skip_all => 'libfaketime is not installed' if !$library;
    plan skip_all => 'a sanitizer wants to be first'
        if sanitized();

    for my $off ('-1h', '+1h') {
        my $nginx = store_nginx(storages => {
            s => "$bucket prefix=$prefix " . keys_of(),
        }, env => {
            LD_PRELOAD => $library, FAKETIME => $off,
            FAKETIME_DONT_FAKE_MONOTONIC => 1, DONT_FAKE_MONOTONIC => 1,
        });

        my $body = pattern(400_000);
        my $put = op($nginx, 'PUT', 's', "off$off", body => $body);
        is $put->{status}, 200, "$off: put";
        is $put->{headers}{'x-attempts'}, 2, 'again, once';
        ok s3->get('private', "$prefix/off$off")->{body} eq $body, 'whole';

        for my $method ('HEAD', 'GET') {
            my $answer = op($nginx, $method, 's', "off$off");
            is $answer->{status}, 200, "$method, then";
            is $answer->{headers}{'x-attempts'}, 1, 'at once';
        }

        my $log = $nginx->error_log;
        my $lines = () = $log =~ /its clock is -?\d+ s ahead/g;
        is $lines, 1, 'told once';
        $nginx->stop;
    }
};

s3->empty('private', $prefix);

done_testing;
