# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# What nobody asks for in earnest: no way out of a storage's root, no header
# of the client's making, no redirect to elsewhere, no way around the checks.

use Test::Nginx::Socket 'no_plan';

use DownloadTest;
use IO::Socket::INET ();
use TeckenTest;

our $Http = <<'END';
tecken_zone     tecken:4m;
tecken_storage  local file://$TEST_NGINX_SERVER_ROOT/html/root/local
                prefix=v1;
tecken_storage  public http://127.0.0.1:$TEST_NGINX_S3_PORT/public
                prefix=hostile access=public list=on;
tecken_storage  private http://127.0.0.1:$TEST_NGINX_S3_PORT/private
                prefix=hostile access_key=$TEST_NGINX_S3_ACCESS_KEY
                secret_key=$TEST_NGINX_S3_SECRET_KEY;
END

our $Config = <<'END';
location / {
    tecken_download;
    tecken_sources          local public;
    tecken_try_source       private;
    tecken_file_extensions  off;
    tecken_ignore           off;
}
END

our $Secret = 'nobody may read this';

# the same beside the root, beside the prefix and in the folders above them
our $Files = [
    [ 'root/local/v1/ok.pdb/AB12/ok.sym', 'ok' ],
    [ 'root/local/v1/ok.pdb/AB12/..sym', 'two dots' ],
    map { ([ "$_/secret.sym", $Secret ], [ "$_/AB12/secret.sym", $Secret ],
           [ "$_/x/AB12/secret.sym", $Secret ]) }
    '.', 'root', 'root/local', 'root/v1',
];

our $S3 = "http://127.0.0.1:$ENV{TEST_NGINX_S3_PORT}";

s3->put('public', $_, 'x') for (
    'hostile/there.pdb/AB12/1.sym', 'hostile/@evil.example/AB12/1.sym',
    'hostile/evil.example:80/AB12/1.sym', 'hostile/../AB12/dots.sym',
    'hostile/..;a=b/AB12/1.sym', 'AB12/1.sym');
s3->put('private', 'hostile/there.pdb/AB12/1.sym', 'x');


# All bytes of the answer to these bytes.
sub exchange
{
    my ($bytes) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => server_port(), Timeout => 20)
        or die "connect: $!\n";
    my $got = '';

    local $SIG{PIPE} = 'IGNORE';
    local $SIG{ALRM} = sub { die "no answer\n" };

    alarm 60;
    syswrite $socket, $bytes;
    1 while sysread $socket, $got, 1 << 16, length $got;
    alarm 0;

    return $got;
}


# The request target as it is, whatever its bytes.
sub raw
{
    my ($target, $headers) = @_;

    return exchange("GET $target HTTP/1.1\r\nHost: localhost\r\n"
                    . ($headers // '') . "Connection: close\r\n\r\n");
}


sub status { return $_[0] =~ m{\AHTTP/1\.1 (\d{3}) } ? $1 : 'none' }


# Every line of a head is one that we or nginx make.
sub strange_lines
{
    my ($answer) = @_;

    my ($head) = $answer =~ /\A(.*?)\r\n\r\n/s or return 'no head';

    my $known = qr/^(?:
        HTTP\/1\.1\ \d{3}\ [\w ()-]+ |
        (?:Server|Date|Content-Type|Content-Length|Connection|Location|Allow
           |ETag|Last-Modified|Accept-Ranges|Content-Encoding
           |Access-Control-Allow-(?:Origin|Methods|Headers)):\ [\x20-\x7e]*
    )$/x;

    return join '', grep { $_ !~ $known } split /\r\n/, $head;
}


add_block_preprocessor(sub {
    my ($block) = @_;

    $block->set_value(http_config => $Http);
    $block->set_value(config => $Config) if !defined $block->config;
    $block->set_value(user_files => $Files);

    if (!defined $block->request) {
        $block->set_value(request => 'HEAD /ok.pdb/AB12/ok.sym');
    }
});

timeout(20);
no_root_location();
no_long_string();
log_level('notice');
run_tests();

__DATA__

=== TEST 1: no way out of the root
--- init
my @up = ('..', '%2e%2e', '%2E%2e', '.%2e', '%2e.', '..%2f..', '..%2F',
          '%2e%2e%2f', '..%2f..%2f..', '%2e%2e%2f%2e%2e', '..%5c..', '..\\..',
          '..%255c', '%252e%252e',
          '%252e%252e%252f', '..%c0%af..', '%c0%ae%c0%ae', '%c0%ae%c0%ae%c0%af',
          '%e0%80%ae%e0%80%ae', '..%00', '%00..', '..%0a', '...', '....', '..;',
          '..;a=b', '.%00.', '..%20', '%20..', '..%09', "..\t", '%uff0e%uff0e',
          '%ef%bc%8e%ef%bc%8e', '..%ef%bc%8f..', '.', '%2e', './..', '../.',
          '..//', '//..', '~', '~root', '-', '$HOME', '%24HOME', '*', '?',
          '%3f');
my @path;
for my $up (@up) {
    push @path, "/$up/AB12/secret.sym", "/try/$up/AB12/secret.sym",
        "/b2g/$up/AB12/secret.sym", "/$up/$up/AB12/secret.sym",
        "/$up/$up/$up/AB12/secret.sym", "/x/$up/AB12/secret.sym",
        "/ok.pdb/$up/secret.sym", "/ok.pdb/AB12/$up/secret.sym",
        "/ok.pdb/AB12/$up%2fsecret.sym", "/ok.pdb/AB12/$up",
        "/ok.pdb/AB12/$up/../../../secret.sym", "//$up/AB12/secret.sym",
        "/$up/secret.sym", "/$up%2fx/AB12/secret.sym",
        "/ok.pdb%2f$up/AB12/secret.sym", "/v1/$up/AB12/secret.sym";
}
my (%seen, @leak, @odd);
for my $path (@path) {
    my $answer = main::raw($path);
    my $status = main::status($answer);
    $seen{$status}++;
    push @leak, $path if index($answer, $main::Secret) >= 0;
    push @odd, "$path: $status" if $status !~ /^40[04]$/;
    push @odd, "$path: " . main::strange_lines($answer)
        if main::strange_lines($answer) ne '';
}
main::same("@leak", '', 'nobody read the secret');
main::same("@odd", '', 'refused or not found, nothing else');
main::cmp_ok($seen{404}, '>', 200, 'most are not found');
--- no_error_log
[alert]



=== TEST 2: what is beside is there, so that it could have been read
--- init
my @found = grep { -s main::server_root() . "/html/$_/AB12/secret.sym" }
            '.', 'root', 'root/local', 'root/v1';
main::same(scalar @found, 4, 'in four places');
main::same(main::ask('GET', '/ok.pdb/ab12/ok.sym')->{body}, 'ok', 'the root');
main::same(main::ask('GET', '/ok.pdb/ab12/..sym')->{body}, 'two dots',
           'dots are just dots');
main::same(main::ask_status('GET', '/ok.pdb/AB12/'), 404, 'no listing');



=== TEST 3: names of every length
--- init
my %seen;
for my $n (1, 100, 254, 255, 256, 500, 1000, 1020, 1024, 1025, 2000, 4000,
           4090, 4096, 5000, 7000, 7900) {
    my $x = 'x' x $n;
    for my $path ("/$x/AB12/a.sym", "/ok.pdb/AB12/$x.sym",
                  '/ok.pdb/' . 'A' x $n . '/a.sym', "/$x", "/try/$x/AB12/$x",
                  "/ok.pdb/AB12/ok.sym?$x", "/$x/$x/$x/$x",
                  '/' . '%41' x ($n / 3) . '/AB12/a.sym') {
        my $answer = main::raw($path);
        my $status = main::status($answer);
        my $at = "$n: " . substr $path, 0, 30;
        main::like($status, $path =~ /ok\.sym\?/ ? qr/^(?:200|414)$/
                                                : qr/^(?:404|414)$/, $at);
        main::same(main::strange_lines($answer), '', 'its head');
    }
}
--- no_error_log
[alert]



=== TEST 4: CR and LF make no header
--- init
my @evil = ('%0d%0aX-Evil:%20yes', '%0aX-Evil:%20yes', '%0d%0a%0d%0a<html>',
            '%E5%98%8A%E5%98%8DX-Evil:yes', '%0dX-Evil:yes',
            '%E2%80%A8X-Evil:yes', '%0b%0cX-Evil:yes',
            '%250d%250aX-Evil:yes', '%C0%8D%C0%8AX-Evil:yes');
for my $evil (@evil) {
    for my $path ("/there.pdb$evil/AB12/1.sym", "/there.pdb/AB12/1.sym$evil",
                  "/there.pdb/AB12$evil/1.sym", "/$evil",
                  "/try$evil/a/AB/1.sym",
                  "/there.pdb/AB12/1.sym?code_file=$evil", "/a/b/c/d/$evil",
                  "/there.pdb/AB12/1.sym?try$evil&_refresh=$evil") {
        for my $method (qw(GET HEAD PUT OPTIONS)) {
            my $answer = main::exchange("$method $path HTTP/1.1\r\nHost: a\r\n"
                                        . "Connection: close\r\n\r\n");
            my ($head) = $answer =~ /\A(.*?)\r\n\r\n/s;
            main::unlike($head, qr/^X-Evil|<html>/m, "$method $path");
            main::same(main::strange_lines($answer), '', 'known lines only');
        }
    }
}
my @lines = main::error_lines(qr/^(?!\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[)/);
main::same("@lines", '', 'the error log has lines of nginx only');



=== TEST 5: a redirect goes to the storage, nowhere else
--- init
my @case = (
    # target, Host, expected Location
    [ '/there.pdb/AB12/1.sym', 'evil.example', 'there.pdb/AB12/1.sym' ],
    [ 'http://evil.example/there.pdb/AB12/1.sym', 'evil.example',
      'there.pdb/AB12/1.sym' ],
    [ 'HTTP://evil.example:99/there.pdb/AB12/1.sym', 'localhost',
      'there.pdb/AB12/1.sym' ],
    [ '/%40evil.example/AB12/1.sym', 'a', '%40evil.example/AB12/1.sym' ],
    [ '/@evil.example/AB12/1.sym', 'a', '%40evil.example/AB12/1.sym' ],
    [ '/evil.example:80/AB12/1.sym', 'a', 'evil.example%3A80/AB12/1.sym' ],
    [ '/there.pdb/AB12/1.sym#@evil.example', 'a', 'there.pdb/AB12/1.sym' ],
    [ '/there.pdb/AB12/1.sym?//evil.example', 'a', 'there.pdb/AB12/1.sym' ],
    [ '/..;a=b/AB12/1.sym', 'a', '..%3Ba%3Db/AB12/1.sym' ],
);
for my $case (@case) {
    my ($target, $host, $path) = @$case;
    my $answer = main::exchange("GET $target HTTP/1.1\r\nHost: $host\r\n"
        . "X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: gopher\r\n"
        . "Forwarded: host=evil.example\r\nX-Original-URL: //evil.example/\r\n"
        . "X-Rewrite-URL: //evil.example/\r\nConnection: close\r\n\r\n");
    my ($location) = $answer =~ /^Location: (.*?)\r$/m;
    main::same($location, "$main::S3/public/hostile/$path", $target);
}



=== TEST 6: what looks like another host is no route
--- init
for my $target (qw(//evil.example/there.pdb/AB12/1.sym
    ///evil.example/AB12/1.sym /%2Fevil.example/AB12/1.sym
    /%2F%2Fevil.example/AB12/1.sym /%5Cevil.example/AB12/1.sym
    /\\\\evil.example/AB12/1.sym /%09//evil.example/AB12/1.sym
    //evil.example/AB12/1.sym //evil.example//AB12/1.sym
    /https:%2F%2Fevil.example/AB12/1.sym /https://evil.example/AB12/1.sym
    /evil.example%0d%0a/AB12/1.sym http://evil.example http://evil.example/
    http://evil.example//there.pdb/AB12/1.sym /.evil.example/AB12/1.sym
    /javascript:alert(1)/AB12/1.sym)) {
    my $answer = main::raw($target);
    main::like(main::status($answer), qr/^40[04]$/, $target);
    main::unlike($answer, qr/^Location:/m, 'no Location');
    main::unlike(($answer =~ /\A(.*?)\r\n\r\n/s)[0], qr/evil/, 'not in a head');
}



=== TEST 7: an id that a client can not give
--- request eval
[ map { "GET /there.pdb/$_/1.sym" } 'AB12%00', 'AB12%0a', '%41%42%31%32%20',
  '%20AB12', "\xef\xbc\xa1", '%EF%BC%A1%EF%BC%A2', 'AB12?', 'AB12#', '-1',
  '+1' ]
--- error_code_like eval: [ ('^40[04]$') x 10 ]



=== TEST 8: a name of dots: S3 is asked for just that, the client is sent there
--- config
location / { tecken_download; tecken_sources public; }
--- init
# nginx resolves the dots for its locations only
my $answer = main::raw('/try/../AB12/dots.sym');
my ($location) = $answer =~ /^Location: (.*?)\r$/m;
main::same($location, "$main::S3/public/hostile/../AB12/dots.sym", 'as stored');
$answer = main::raw('/try/../AB12/1.sym');
main::same(main::status($answer), 404, 'what is above the prefix is not found');
--- request
GET /there.pdb/AB12/1.sym
--- error_code: 302



=== TEST 9: arguments that are none
--- init
for my $args ('', '&', '&&&', '=', '=&=', '%', '%%%', '%00', '%0d%0a', '?',
              '??', 'try' . '&' x 2000, 'a=' x 2000, '&' x 7000, 'x' x 7000,
              "\xff\xfe", '%FF=%FE', 'code_file=%', 'code_file=%4',
              'code_id=%u0041', ';try;',
              'code_file[]=a', 'code_file[a]=b', '+', 'try+', "a'b\"c<d>") {
    my $answer = main::raw("/none.pdb/AB12/none.sym?$args");
    main::same(main::status($answer), 404, 'missing?' . substr $args, 0, 20);
    main::same(main::strange_lines($answer), '', 'its head');
    $answer = main::raw("/ok.pdb/AB12/ok.sym?$args");
    main::same(main::status($answer), 200, 'there');
}



=== TEST 10: the same in many headers
--- init
my $many = join '', map { "X-$_: y\r\n" } 1 .. 200;
main::same(main::status(main::raw('/ok.pdb/AB12/ok.sym', $many)), 200, 'many');
main::same(main::status(main::raw('/ok.pdb/AB12/ok.sym',
    "${many}Debug: 1\r\nDebug: 0\r\n")), 200, 'Debug twice');
main::same(main::status(main::raw('/ok.pdb/AB12/ok.sym',
    'Debug: ' . 'x' x 5000 . "\r\n")), 200, 'a long Debug');
main::same(main::status(main::raw('/ok.pdb/AB12/ok.sym',
    "Range: bytes=" . '0-0,' x 1500 . "1-1\r\n")), 200, 'many ranges');
main::same(main::status(main::raw('/ok.pdb/AB12/ok.sym',
    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")), 400, 'smuggling');



=== TEST 11: methods of any shape
--- init
my @case = ([ 'get', 400 ], [ 'G T', 400 ], [ "GE\0T", 400 ],
            [ 'X' x 100, 405 ], [ 'PRI', 405 ],
            [ 'CONNECT', qr/^40[05]$/ ], [ 'GET,HEAD', 400 ],
            [ 'M-SEARCH', 405 ], [ '', 400 ], [ 'HEADX', 405 ]);
for my $case (@case) {
    my ($method, $status) = @$case;
    my $answer = main::exchange("$method /ok.pdb/AB12/ok.sym HTTP/1.1\r\n"
                                . "Host: a\r\nConnection: close\r\n\r\n");
    main::like(main::status($answer), ref $status ? $status : qr/^$status$/,
               substr "method $method", 0, 20);
    main::unlike($answer, qr/\r\n\r\nok/, 'no symbol');
}



=== TEST 12: every byte, where it can stand
--- init
my (@strange, @leak);
for my $byte (0 .. 255) {
    for my $form (sprintf('%%%02X', $byte), chr $byte) {
        for my $path ("/a${form}b/AB12/a.sym", "/a/AB${form}12/a.sym",
                      "/a/AB12/a${form}b.sym", "/$form",
                      "/a/AB12/a.sym?$form") {
            my $answer = main::raw($path);

            # "GET /a" and a line feed is HTTP/0.9: a body, no status
            next if $form eq "\n" && main::status($answer) eq 'none';

            push @strange, sprintf('%02x %s', $byte, $path)
                if main::status($answer) !~ /^40[04]$/;
            push @strange, sprintf('%02x: %s', $byte,
                                   main::strange_lines($answer))
                if main::strange_lines($answer) ne '';
        }
    }
}
main::same("@strange", '', 'refused or not found');
--- no_error_log
[alert]
