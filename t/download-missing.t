# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# A GET that misses is counted and logged, with code_file and code_id; what
# else misses is not, and nobody writes lines of his own into the log.

use Test::Nginx::Socket 'no_plan';

use DownloadTest;

our $Http = <<'END';
tecken_zone     tecken:4m;
tecken_storage  regular file://$TEST_NGINX_SERVER_ROOT/html/regular;
END

our $Config = <<'END';
location / {
    tecken_download;
    tecken_sources     regular;
    tecken_try_source  regular;
}
location = /metrics { tecken_metrics; }
END

our $Files = <<'END';
>>> regular/foo.pdb/AB12/foo.sym
regular
END

our $Missing = 'Symbol Not Found';


# The four fields of each line, as the log has them.
sub missing
{
    my @lines = error_lines(qr/missing symbol/);

    return map {
        /\[notice\].*\smissing\ symbol:\ debug_file\ "([^"]*)",
         \ debug_id\ "([^"]*)",\ code_file\ "([^"]*)",\ code_id\ "([^"]*)",
         \ client:\ /x ? join '|', $1, $2, $3, $4 : "strange: $_"
    } @lines;
}


# What the log has of requests made one after the other.
sub logged
{
    my (@requests) = @_;

    my @before = missing();
    ask(ref $_ ? @$_ : ('GET', $_)) for @requests;
    my @after = missing();

    return join ' ', @after[@before .. $#after];
}


sub counted
{
    return metric('tecken_download_missing_symbols_total');
}


add_block_preprocessor(sub {
    my ($block) = @_;

    $block->set_value(http_config => $Http) if !defined $block->http_config;
    $block->set_value(config => $Config) if !defined $block->config;
    $block->set_value(user_files => $Files) if !defined $block->user_files;

    if (!defined $block->request) {
        $block->set_value(request => 'OPTIONS /');
        $block->set_value(error_code => 204);
    }
});

no_root_location();
no_long_string();
log_level('notice');
run_tests();

__DATA__

=== TEST 1: debug file, debug id as requested, code file, code id
--- request
GET /firefox/xul.pdb/aB12/xul.sym?code_file=xul.dll&code_id=5F3E&x=y
--- error_code: 404
--- response_body eval: $main::Missing
--- grep_error_log eval: qr/missing symbol:.*?, client/
--- grep_error_log_out
missing symbol: debug_file "xul.pdb", debug_id "aB12", code_file "xul.dll", code_id "5F3E", client



=== TEST 2: the line names the request too
--- request
GET /xul.pdb/AB12/xul.sym?code_file=xul.dll
--- error_code: 404
--- error_log eval
[ 'client: 127.0.0.1',
  'request: "GET /xul.pdb/AB12/xul.sym?code_file=xul.dll ' ]



=== TEST 3: each is counted, and no more than these
--- init
my $before = main::counted();
main::ask('GET', "/xul.pdb/AB12/$_.sym") for 1 .. 3;
main::same(main::counted() - $before, 3, 'three');
main::ask('GET', '/xul.pdb/AB12/1.sym') for 1 .. 2;
main::same(main::counted() - $before, 5, 'the same again');
main::ask('GET', '/foo.pdb/AB12/foo.sym');
main::ask('HEAD', '/xul.pdb/AB12/1.sym');
main::same(main::counted() - $before, 5, 'nothing else');
main::same(scalar(main::missing()), 5, 'a line each');



=== TEST 4: what is no missing symbol
--- init
main::same(main::logged(
    '/foo.pdb/AB12/foo.sym',
    [ 'HEAD', '/none.pdb/AB12/none.sym?code_file=a' ],
    [ 'POST', '/none.pdb/AB12/none.sym' ],
    [ 'OPTIONS', '/none.pdb/AB12/none.sym' ],
    '/none.pdb/AB12/none.exe', '/none.pdb/AB12/file.ptr', '/index2.txt',
    '/none.pdb/' . '0' x 33 . '/none.sym', '/a%22/AB12/a.sym',
    '/none.pdb/XY/none.sym', '/x/none.pdb/AB12/none.sym', '/none',
    '/none.pdb/AB12/none.sym?code_file=%00',
    '/none.pdb/AB12/none.sym?code_id=%00'), '', 'no line');
main::same(main::counted(), 0, 'not counted');



=== TEST 5: NUL in code_file or code_id, code_file first
--- request eval
[ map { "GET /none.pdb/AB12/none.sym?$_" }
  'code_file=a%00b', 'code_id=a%00b', 'code_id=%00&code_file=%00',
  'code_file=%00', 'code_file=ok&code_id=x%00' ]
--- error_code eval: [ (400) x 5 ]
--- response_body eval
my ($file, $id) = map { "$_: Null characters are not allowed." }
                      qw(code_file code_id);
[ $file, $id, $file, $file, $id ]
--- response_headers eval
[ ("Content-Type: text/html; charset=utf-8\nAccess-Control-Allow-Origin: *\n"
   . '! Debug-Time') x 5 ]



=== TEST 6: they are looked at where it matters only
--- request eval
[ 'HEAD /none.pdb/AB12/none.sym?code_file=%00', # no GET
  'GET /foo.pdb/AB12/foo.sym?code_file=%00',    # found
  'GET /none.pdb/AB12/none.exe?code_file=%00',  # ignored
  'GET /a%22/AB12/none.sym?code_file=%00',      # invalid
  'GET /none.pdb/AB12/none.sym?code%00file=x',
  'GET /none.pdb/AB12/none.sym?code_file=x&a=%00',
  'GET /none.pdb/AB12/none.sym?code_file=%2500' ]
--- error_code eval: [ 404, 200, 404, 400, 404, 404, 404 ]
--- response_body eval
[ '', "regular\n", "$main::Missing (and ignored)",
  'Symbol name lookup contains invalid characters and will never be found.',
  ($main::Missing) x 3 ]



=== TEST 7: a NUL with Debug: the lookup has been made
--- request
GET /none.pdb/AB12/none.sym?code_file=%00
--- more_headers
Debug: 1
--- error_code: 400
--- response_headers_like
Debug-Time: \d+\.\d*[1-9]\d*



=== TEST 8: values are decoded and stripped, as Django does
--- init
my %want = (
    'code_file=a%20b+c' => 'a b c|', 'code_file=%2B' => '+|',
    'code_file=+a+' => 'a|', 'code_file=%20%09%0A%0D%0B%0Ca%20' => 'a|',
    'code_file=+&code_id=%20' => '|', 'code_file' => '|', '' => '|',
    'code_file=&code_id=' => '|', 'code_id=a%26b%3Dc' => '|a&b=c',
    'code%5Ffile=a' => 'a|', 'CODE_FILE=a' => '|', 'code_file=a=b' => 'a=b|',
    'code_file=%E4%B8%AD' => "\xe4\xb8\xad|", 'code_file=%zz' => '%zz|',
    'xcode_file=a&code_idx=b' => '|',
);
main::same(main::logged("/none.pdb/AB12/none.sym?$_"),
           "none.pdb|AB12|$want{$_}", "?$_") for sort keys %want;



=== TEST 9: 150 characters are recorded, 151 are not
--- init
my @case = (
    # the path, the query, what is too long with one more
    sub { ('x' x $_[0] . '/AB12/none.sym', 'debug file') },
    sub { ('none.pdb/' . 'a' x $_[0] . '/none.sym', 'debug id') },
    sub { ('none.pdb/AB12/' . 'x' x ($_[0] - 4) . '.sym', 'file') },
    sub { ('none.pdb/AB12/none.sym?code_file=' . 'x' x $_[0], 'code_file') },
    sub { ('none.pdb/AB12/none.sym?code_id=' . 'x' x $_[0], 'code_id') },
    sub { ('none.pdb/AB12/none.sym?code_file=' . '%E4%B8%AD' x $_[0],
           'characters, not bytes') },
    sub { ('none.pdb/AB12/none.sym?code_file=+' . '%41' x $_[0] . '+',
           'decoded and stripped') },
);
for my $case (@case) {
    for my $n (150, 151) {
        my ($path, $what) = $case->($n);
        my $before = main::counted();
        my $line = main::logged("/$path");
        main::same(($line ne '' ? 1 : 0) . (main::counted() - $before),
                   $n == 150 ? '11' : '00', "$what: $n");
    }
}



=== TEST 10: a long one is answered as any other
--- request eval
[ 'GET /none.pdb/AB12/none.sym?code_file=' . 'x' x 151,
  'GET /none.pdb/AB12/none.sym?code_file=' . 'x' x 3000,
  'GET /none.pdb/AB12/none.sym?code_file=' . 'x' x 200 . '%00' ]
--- error_code eval: [ 404, 404, 400 ]
--- response_body eval
[ ($main::Missing) x 2, 'code_file: Null characters are not allowed.' ]



=== TEST 11: nobody writes lines of his own
--- init
my %want = (
    '%0A2026/01/01%20[error]%20x' => '\x0A2026/01/01 [error] x',
    'a%0D%0Ab' => 'a\x0D\x0Ab', '%1B[31m' => '\x1B[31m', 'a%22b' => 'a\x22b',
    'a%5Cb' => 'a\x5Cb', 'a%5Cx22' => 'a\x5Cx22', '%7F' => '\x7F',
    '%C2%85' => '\xC2\x85', '%E2%80%A8' => '\xE2\x80\xA8',
    '%E2%80%AE' => '\xE2\x80\xAE', '%FF%FE' => '\xFF\xFE',
    '%C0%80' => '\xC0\x80', 'a%C3' => 'a\xC3',
    '%22,%20code_id%20%22x' => '\x22, code_id \x22x',
);
for my $value (sort keys %want) {
    my $lines = main::error_lines(qr/./);
    main::same(main::logged("/n.pdb/AB12/n.sym?code_file=a$value"
                            . "&code_id=b$value"),
               "n.pdb|AB12|a$want{$value}|b$want{$value}", $value);
    main::same(main::error_lines(qr/./) - $lines, 1, 'one line');
}



=== TEST 12: 150 of the longest characters fit on a line
--- init
my $line = main::logged('/n.pdb/AB12/n.sym?code_file=a' . '%0A' x 148 . 'z');
main::same($line, 'n.pdb|AB12|a' . '\x0A' x 148 . 'z|', 'control characters');
$line = main::logged('/n.pdb/AB12/n.sym?code_id=' . '%E4%B8%AD' x 150);
main::same($line, 'n.pdb|AB12||' . "\xe4\xb8\xad" x 150, 'CJK');



=== TEST 13: misses of a try request too
--- init
main::same(main::logged('/try/none.pdb/ab12/none.sym',
                        '/none.pdb/ab12/none.sym?try&code_id=1'),
           'none.pdb|ab12|| none.pdb|ab12||1', 'both');



=== TEST 14: a failed lookup is no miss
--- http_config
tecken_zone     tecken:4m;
tecken_storage  down http://127.0.0.1:9/b access=public retries=0;
--- config
location / { tecken_download; tecken_sources down; }
location = /metrics { tecken_metrics; }
--- init
main::same(main::ask_status('GET', '/n.pdb/AB12/n.sym'), 503, 'failed');
main::same(main::ask_status('GET', '/n.pdb/AB12/n.sym?code_file=%00'), 503,
           'whatever the arguments');
main::same(scalar(main::missing()), 0, 'no line');
main::same(main::counted(), 0, 'not counted');



=== TEST 15: without the lines the count goes on
--- log_level: error
--- init
main::ask('GET', '/none.pdb/AB12/none.sym');
main::same(scalar(main::missing()), 0, 'no line');
main::same(main::counted(), 1, 'counted');
