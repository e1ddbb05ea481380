# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# A module's symcache: who is asked for its .sym, in which order and how often;
# what is built of it, and what is remembered.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(time);

use DownloadTest qw(fault_proxy);
use StoreTest qw(keys_of unique url_of);
use SymbolTest;
use TeckenTest qw(:s3 :proxy);
use TeckenTest::Process qw(slurp wait_until);

my $dir = unique('fetch');

# in front of the same S3 server: the first source, and the second
my $one = proxy();
my $two = fault_proxy(radosgw()->port);

my $patience = 'retries=1 timeout=2s deadline=10s';
my $first = url_of($one->port, 'private') . " prefix=$dir/1 " . keys_of();
my $second = url_of($two->port, 'private') . " prefix=$dir/2 " . keys_of();

my $nginx = module_nginx(
    storages => [ first => "$first $patience", second => "$second $patience" ],
    location => 'tecken_symbolicate_max_symbols 24m;
                 tecken_cache_valid symcache_missing=10m;');


# put(1, $symbol, $text, %options) into the first source
sub put
{
    my ($source, $symbol, $text, %options) = @_;

    s3->put('private', "$dir/$source/" . object_key($symbol), $text, \%options);
}


sub sym_of
{
    my ($symbol, $name, @more) = @_;

    return sym($symbol =~ s{.*/}{}r, $name, @more);
}


sub fresh
{
    $_->reset for $one, $two;

    return symbol(@_);
}


sub gets { return $_[0]->count('GET', qr/\.sym\z/) }


subtest 'cold and warm' => sub {
    my $symbol = fresh('cold');
    put(1, $symbol, sym_of($symbol, 'cold'));

    my $answer = found($nginx, $symbol, 'cold', 'cold');

    is_deeply [ @$answer{qw(hit source downloaded found parsed)} ],
              [ 0, 'first', 1, 1, 1 ], 'what it took';
    is $answer->{size}, length sym_of($symbol, 'cold'), 'size';

    my %hits = map {
        my $answer = found($nginx, $symbol, 'cold', 'warm');
        is "$answer->{hit} $answer->{downloaded}", '1 0', 'nothing was done';
        ($answer->{worker} => 1);
    } 1 .. 8;

    is gets($one), 1, 'one download';
    is gets($two), 0, 'none from the second source';
    is scalar(files($nginx)), 1, 'one file';
    is scalar(temp_files($nginx)), 0, 'none that is not finished';

    is module($nginx, lc($symbol))->{hit}, 1, 'an id in lower case';
};

subtest 'the name of the file' => sub {
    for my $file (qw(libxul.so XUL firefox.PDB .pdb a.pdb.pdb), 'a b+c') {
        my $symbol = fresh() =~ s/\Aa\.pdb/$file/r;
        my $key = object_key($symbol);
        $key = "$symbol/.pdb.sym" if $file eq '.pdb';
        s3->put('private', "$dir/1/$key", sym_of($symbol, 'name'));

        found($nginx, $symbol =~ s/ /%20/gr =~ s/\+/%2B/gr, 'name', $file);
    }
};

subtest 'names that no source is asked for' => sub {
    my $symbol = fresh();
    my ($id) = $symbol =~ m{/(.*)};

    for my $name ("a%2Fb.pdb/$id", 'a.pdb/', "a.pdb/${id}G",
                  "a%0Ab.pdb/$id", "a%22.pdb/$id", 'x' x 600 . "/$id")
    {
        missing($nginx, $name, $name);
    }

    is $one->count, 0, 'not asked';
};

subtest 'gzip by its bytes, whatever the header says' => sub {
    for my $encoding (undef, 'gzip', 'br') {
        for my $zip (0, 1) {
            my $symbol = fresh();
            my $text = sym_of($symbol, 'zipped');

            put(1, $symbol, $zip ? gzip($text) : $text,
                $encoding ? (content_encoding => $encoding) : ());

            found($nginx, $symbol, 'zipped',
                  ($encoding // 'no header') . ($zip ? ', gzip' : ', text'));
        }
    }
};

subtest 'gzip in pieces and members' => sub {
    my $symbol = fresh();
    my $text = large_sym($symbol =~ s{.*/}{}r, 'pieces', 3_000_000);

    put(1, $symbol, join '', map { gzip(substr $text, $_ * 1_000_000, 1_000_000) }
                             0 .. 3);

    found($nginx, $symbol, 'pieces', 'four members');
};

subtest 'the order of the sources' => sub {
    my $symbol = fresh();
    put(1, $symbol, sym_of($symbol, 'one'));
    put(2, $symbol, sym_of($symbol, 'two'));

    is found($nginx, $symbol, 'one', 'both')->{source}, 'first', 'the first';

    $symbol = fresh();
    put(2, $symbol, sym_of($symbol, 'two'));

    is found($nginx, $symbol, 'two', 'only the second')->{source}, 'second',
       'its name';
    is gets($one), 1, 'the first was asked';

    for my $status (500, 403, 302) {
        $symbol = fresh();
        put(2, $symbol, sym_of($symbol, 'two'));
        $one->mode('status', status => $status);

        is found($nginx, $symbol, 'two', "$status of the first")->{source},
           'second', 'does not hide the second';
    }

    $symbol = fresh();
    put(1, $symbol, sym_of($symbol, 'one'));
    $two->mode('stall');

    found($nginx, $symbol, 'one', 'the second is not asked');
    is $two->count, 0, 'at all';
};

subtest 'missing' => sub {
    my $symbol = fresh();

    my $answer = missing($nginx, $symbol, 'nobody has it');
    is "$answer->{hit} $answer->{found}", '0 0', 'was looked for';

    my ($asked) = map { gets($one) + gets($two) } 1;
    is $asked, 2, 'both were asked';

    is missing($nginx, $symbol, 'again')->{hit}, 1, 'remembered' for 1 .. 6;
    is gets($one) + gets($two), $asked, 'in each worker';
};

subtest 'a source fails and no other has it' => sub {
    my $symbol = fresh();
    $two->mode('status', status => 500);

    my $answer = module($nginx, $symbol);
    is "$answer->{status} $answer->{source}", '503 second', 'not missing';
    like $nginx->error_log,
         qr/module\ "\Q$symbol\E":\ source\ "second"\ failed\ after\ 2
            \ attempts:.*status\ 500.*client:\ 127/x, 'in the log';

    $two->reset;
    put(2, $symbol, sym_of($symbol, 'later'));
    found($nginx, $symbol, 'later', 'was not remembered');
};

subtest 'how long missing is remembered' => sub {
    my $quick = module_nginx(storages => [ first => "$first $patience" ],
        location => 'tecken_cache_valid symcache_missing=1s;');
    my $none = module_nginx(storages => [ first => "$first $patience" ],
        location => 'tecken_cache_valid symcache_missing=0;');
    my $symbol = fresh();

    missing($quick, $symbol, 'missing');
    missing($none, $symbol, 'missing');
    put(1, $symbol, sym_of($symbol, 'late'));

    found($none, $symbol, 'late', 'symcache_missing=0: at once');

    ok wait_until('found', 10, sub { module($quick, $symbol)->{status} == 200 }),
       'symcache_missing=1s: then';
};

subtest 'bad files' => sub {
    my $zip = sub { gzip(large_sym($_[0], 'zip', 300_000)) };

    my %bad = (
        'another id' => [ qr/has another debug id/, sub { sym(debug_id(), 'x') } ],
        'no MODULE' => [ qr/is no symbol file/, sub { "FUNC 1000 1 0 x\n" } ],
        'HTML' => [ qr/is no symbol file/, sub { '<html></html>' } ],
        'nothing' => [ qr/is no symbol file/, sub { '' } ],
        'a byte' => [ qr/is no symbol file/, sub { 'M' } ],
        'gzip of nothing' => [ qr/is no symbol file/, sub { gzip('') } ],
        'gzip cut short' =>
            [ qr/is no symbol file: the gzip stream is cut short/,
              sub { substr $zip->($_[0]), 0, 50_000 } ],
        'gzip, two bytes of it' =>
            [ qr/is no symbol file/, sub { "\x1f\x8b" } ],
        'gzip with a wrong byte' => [ qr/is no symbol file/, sub {
            my $text = $zip->($_[0]);
            substr($text, 40_000, 1) ^= "\xff";
            return $text;
        } ],
        'too large' => [ qr/exceeds a limit, see "tecken_symbolicate_max_symbols/,
            sub { sym($_[0], 'x', more => "PUBLIC 1 0 x\n" x 2_000_000) } ],
        'a bomb' => [ qr/exceeds a limit, see "tecken_symbolicate_max_symbols/,
            sub { gzip(sym($_[0], 'x', more => "PUBLIC 1 0 x\n" x 2_000_000)) } ],
    );

    for my $name (sort keys %bad) {
        my $symbol = fresh('bad');
        my ($message, $text) = @{ $bad{$name} };

        put(1, $symbol, $text->($symbol =~ s{.*/}{}r));

        is missing($nginx, $symbol, $name)->{source}, 'first', 'whose it is';
        like $nginx->error_log, qr/\[warn\].*module "\Q$symbol\E":.*$message/,
             'why';
        is missing($nginx, $symbol, 'again')->{hit}, 1, 'is remembered';
        is gets($one), 1, 'asked once';
        no_temp_files($nginx);
    }

    my $symbol = fresh('bad');
    put(1, $symbol, '<html></html>');
    put(2, $symbol, sym_of($symbol, 'good'));
    found($nginx, $symbol, 'good', 'a bad file does not hide a good one');
};

subtest 'stack records are not read' => sub {
    my $symbol = fresh();
    my $text = sym_of($symbol, 'stack')
               . "STACK CFI 1000 .cfa: \$rsp 8 + \$rbx: .cfa -16 + ^\n" x 400_000;
    put(1, $symbol, $text);

    my $answer = found($nginx, $symbol, 'stack', 'found');
    is $answer->{size}, length $text, 'size of the object';

    my ($in) = $nginx->error_log
        =~ /module "\Q$symbol\E": built from "first" in \d+ ms: (\d+) bytes/;
    cmp_ok $in, '<', 3_000_000, 'of which little was read';

    # one that is larger than the limit but for them
    $symbol = fresh();
    $text = gzip(sym_of($symbol, 'rest') . 'STACK WIN 4 ' x 3_000_000);
    put(1, $symbol, $text);
    found($nginx, $symbol, 'rest', 'nor does their size count');
};

subtest 'the body is cut' => sub {
    my $symbol = fresh();
    my $text = large_sym($symbol =~ s{.*/}{}r, 'cut', 8_000_000);
    put(1, $symbol, $text);

    # more often than retries=1 allows where nothing comes
    $one->mode('reset_after', body => 1_500_000, first => 3);
    found($nginx, $symbol, 'cut', 'cut three times');
    is gets($one), 4, 'and asked for the rest';

    $symbol = fresh();
    put(1, $symbol, large_sym($symbol =~ s{.*/}{}r, 'cut', 3_000_000));
    $one->mode('cut_after', body => 1000);

    my $answer = module($nginx, $symbol);
    is "$answer->{status} $answer->{source}", '503 first', 'cut for ever';
    no_temp_files($nginx);

    put(2, $symbol, sym_of($symbol, 'whole'));
    found($nginx, $symbol, 'whole', 'another source has it');
};

subtest 'the body stalls' => sub {
    my $symbol = fresh();
    put(1, $symbol, large_sym($symbol =~ s{.*/}{}r, 'stall', 3_000_000));
    put(2, $symbol, sym_of($symbol, 'other'));
    $one->mode('stall_after', body => 1000);

    my $start = time;
    found($nginx, $symbol, 'other', 'for ever: the second source has it');
    cmp_ok time - $start, '<', 20, 'in time';

    $symbol = fresh();
    put(1, $symbol, large_sym($symbol =~ s{.*/}{}r, 'stall', 3_000_000));
    $one->mode('stall_after', body => 1_000_000, first => 1);

    found($nginx, $symbol, 'stall', 'once: the rest is asked for');
};

subtest 'the body trickles' => sub {
    my $hasty = module_nginx(
        storages => [ first => "$first retries=1 timeout=1s deadline=1s",
                      second => "$second $patience" ]);
    my $slow = fresh();
    put(1, $slow, large_sym($slow =~ s{.*/}{}r, 'slow', 600_000));
    put(2, $slow, sym_of($slow, 'other'));

    # never silent for long: 8 KB a second
    $one->mode('slow', bytes => 800, ms => 100);

    my $start = time;
    is found($hasty, $slow, 'other', 'the second source has it')->{source},
       'second', 'its name';
    my $seconds = time - $start;

    cmp_ok $seconds, '>=', 6, 'not before six deadlines are over';
    cmp_ok $seconds, '<', 20, 'in time';
    like $hasty->error_log,
         qr/module\ "\Q$slow\E":\ source\ "first"\ failed\ after\ 1
            \ attempts:\ too\ slow,\ \d{4,5}\ bytes\ in\ 6\ s/x, 'in the log';

    # 40 KB a second: slow, but that is no failure
    my $symbol = fresh();
    put(1, $symbol, large_sym($symbol =~ s{.*/}{}r, 'steady', 400_000));
    $one->mode('slow', bytes => 4000, ms => 100);

    is found($hasty, $symbol, 'steady', 'a slow one is waited for')->{source},
       'first', 'its name';
};

subtest 'a part that was not asked for' => sub {
    for my $status (206, 203) {
        my $symbol = fresh();
        my $part = sym_of($symbol, 'part');
        $one->mode('status', status => $status, body => $part,
                   headers => { 'Content-Range' => 'bytes 0-9/1000000' });

        is module($nginx, $symbol)->{status}, 503, "$status is no symbol file";
        like $nginx->error_log, qr/"\Q$symbol\E":.*status $status is no answer/,
             'in the log';

        # one without a byte
        $symbol = fresh();
        $one->mode('status', status => $status, body => '');
        is module($nginx, $symbol)->{status}, 503, "$status, empty";
    }
};

subtest 'a slow source and a slow parser are waited for' => sub {
    my $symbol = fresh();
    put(1, $symbol, gzip(large_sym($symbol =~ s{.*/}{}r, 'slow', 600_000)));
    $one->mode('slow', bytes => 20_000, ms => 40);

    found($nginx, $symbol, 'slow', 'found');
};

subtest 'a herd' => sub {
    my $symbol = fresh();
    put(1, $symbol, gzip(large_sym($symbol =~ s{.*/}{}r, 'herd', 1_000_000)));
    $one->mode('hold');

    my $built = metric($nginx, 'tecken_symcache_fetches_total{result="built"}');

    my @clients = map { open_request($nginx, $symbol, 'lookup=1024') } 1 .. 200;
    $one->wait_for(1, 20);

    is metric($nginx, 'tecken_symcache_builds_running'), 1, 'one is under way';

    $one->release;
    $one->mode('pass');

    my @answers = collect(@clients);
    my %workers = map { $_->{worker} => 1 } @answers;

    is scalar(grep { "$_->{status} $_->{body}" eq '200 herd src/herd.c:8' }
              @answers), 200, 'all have it';
    is scalar(keys %workers), 2, 'of both workers';
    is $one->count, 1, 'one request to the source';
    is metric($nginx, 'tecken_symcache_fetches_total{result="built"}') - $built,
       1, 'one build';
};

subtest 'clients leave' => sub {
    my $symbol = fresh();
    put(1, $symbol, large_sym($symbol =~ s{.*/}{}r, 'left', 500_000));
    $one->mode('hold');

    my @clients = map { open_request($nginx, $symbol) } 1 .. 10;
    $one->wait_for(1, 20);
    is module($nginx, $symbol, wait => 100)->{status}, 504, 'a time limit';
    close $_ for @clients;

    wait_until('clients gone', 10, sub {
        $nginx->error_log =~ /client.*(?:prematurely )?closed connection/
    });

    $one->release;
    $one->mode('pass');

    wait_until('the build', 20,
               sub { $nginx->error_log =~ /module "\Q$symbol\E": built/ });

    is found($nginx, $symbol, 'left', 'it is there')->{hit}, 1,
       'the build went on without them';
    is gets($one), 1, 'one download';
};

subtest 'invalidation' => sub {
    my $symbol = fresh();
    put(1, $symbol, sym_of($symbol, 'old'));

    found($nginx, $symbol, 'old', 'before') for 1 .. 6;
    put(1, $symbol, sym_of($symbol, 'new'));
    found($nginx, $symbol, 'old', 'known') for 1 .. 6;

    is module($nginx, $symbol, invalidate => 1)->{status}, 204, 'invalidated';
    found($nginx, $symbol, 'new', 'in every worker') for 1 .. 12;
    is gets($one), 2, 'built once more';

    $symbol = fresh();
    missing($nginx, $symbol, 'missing') for 1 .. 6;
    put(2, $symbol, sym_of($symbol, 'there'));
    missing($nginx, $symbol, 'remembered') for 1 .. 6;
    module($nginx, $symbol, invalidate => 1);
    found($nginx, $symbol, 'there', 'no more') for 1 .. 6;
};

subtest 'invalidation of a build under way' => sub {
    my $symbol = fresh();
    put(1, $symbol, sym_of($symbol, 'old'));
    $one->mode('hold');

    my @old = map { open_request($nginx, $symbol, 'lookup=1024') } 1 .. 8;
    $one->wait_for(1, 20);

    module($nginx, $symbol, invalidate => 1);

    my @new = map { open_request($nginx, $symbol, 'lookup=1024') } 1 .. 8;
    $one->wait_for(2, 20);
    is $one->count, 2, 'who asks now starts another';

    # the first one's answer is on its way, the second one's is of the new file
    $one->mode('pass');
    collect(@old);
    collect(@new);

    put(1, $symbol, sym_of($symbol, 'new'));
    module($nginx, $symbol, invalidate => 1);
    found($nginx, $symbol, 'new', 'nothing of the old one is left') for 1 .. 6;
};

subtest 'turns' => sub {
    my $turns = module_nginx(storages => [ first => "$first $patience",
                                           second => "$second $patience" ],
                             http => 'tecken_symcache_builds 1;');
    my @symbols = map { fresh() } 1 .. 6;
    put(1, $_, sym_of($_, 'turn')) for @symbols;

    $one->mode('hold', method => 'GET');

    my @clients = (open_request($turns, $symbols[0], 'lookup=1024'));
    $one->wait_for(1, 20, 'GET');

    push @clients, map { open_request($turns, $_, 'lookup=1024') }
                       @symbols[1 .. 5];

    wait_until('builds that wait', 20,
               sub { metric($turns, 'tecken_symcache_builds_waiting') == 5 });
    is metric($turns, 'tecken_symcache_builds_running'), 1, 'one has its turn';
    is gets($one), 1, 'one download';

    missing($turns, fresh_symbol(), 'what nobody has waits for no turn');

    $one->release;
    $one->mode('pass');

    is scalar(grep { $_->{body} eq 'turn src/turn.c:8' } collect(@clients)), 6,
       'all are built';
    is metric($turns, 'tecken_symcache_builds_waiting'), 0, 'none waits';
    is metric($turns, 'tecken_symcache_builds_running'), 0, 'none runs';
};


subtest 'a slow source has turns of its own' => sub {
    my $turns = module_nginx(storages => [ first => "$first $patience",
                                           second => "$second $patience" ],
                             http => 'tecken_symcache_builds 1;');
    my ($slow, $next, $other) = map { fresh() } 1 .. 3;
    put(1, $_, large_sym(s{.*/}{}r, 'slow', 600_000)) for $slow, $next;
    put(2, $other, sym_of($other, 'other'));

    # 32 KB a second
    $one->mode('slow', bytes => 3200, ms => 100);

    my @clients = (open_request($turns, $slow, 'lookup=1024'));
    $one->wait_for(1, 20, 'GET');
    push @clients, open_request($turns, $next, 'lookup=1024');
    wait_until('one that waits', 20,
               sub { metric($turns, 'tecken_symcache_builds_waiting') == 1 });

    found($turns, $other, 'other', 'another source is not kept waiting');
    unlike $turns->error_log, qr/module "\Q$slow\E": built/,
           'by what goes on';
    is metric($turns, 'tecken_symcache_builds_waiting'), 1,
       'the slow one is, by its own';
    is metric($turns, 'tecken_symcache_builds_running'), 1, 'and it runs';

    $one->mode('pass');
    is scalar(grep { $_->{body} eq 'slow src/slow.c:8' } collect(@clients)), 2,
       'all are built';
    is metric($turns, 'tecken_symcache_builds_running'), 0, 'none runs';
};


sub fresh_symbol { return symbol('other') }


subtest 'the turn of a worker that was killed' => sub {
    my $turns = module_nginx(storages => [ first => "$first $patience" ],
                             http => 'tecken_symcache_builds 1;');
    my @symbols = map { fresh() } 1 .. 2;
    put(1, $_, sym_of($_, 'killed')) for @symbols;

    $one->mode('hold');
    my $client = open_request($turns, $symbols[0], 'lookup=1024');
    $one->wait_for(1, 20);

    $one->mode('pass');
    $turns->kill_worker($_) for $turns->workers;

    found($turns, $symbols[1], 'killed', 'is free');
    found($turns, $symbols[0], 'killed', 'and so is the module');
};

subtest 'the directory is deleted' => sub {
    my $symbol = fresh();
    put(1, $symbol, sym_of($symbol, 'gone'));
    found($nginx, $symbol, 'gone', 'before');

    my $path = $nginx->prefix . '/temp/symcache';
    system 'rm', '-rf', $path;

    for my $n (1 .. 6) {
        my $other = fresh();
        put(1, $other, sym_of($other, 'other'));
        found($nginx, $other, 'other', 'after') for 1 .. 2;
    }

    found($nginx, $symbol, 'gone', 'the old one') for 1 .. 4;
};

subtest 'a full disk' => sub {
    my $disk = TeckenTest::Process::temp_dir('tecken-full');

  SKIP: {
        skip 'needs root and a tmpfs', 1
            if $> != 0 || system("mount -t tmpfs -o size=300k,mode=777 none "
                                 . "$disk 2>/dev/null");

        my $full = module_nginx(storages => [ first => "$first $patience" ],
                                dir => "$disk/c", path => 'max_size=1g');
        my $symbol = fresh();
        put(1, $symbol, large_sym($symbol =~ s{.*/}{}r, 'full', 8_000_000));

        my $answer = module($full, $symbol);
        is $answer->{status}, 500, 'an error';
        like $full->error_log,
             qr/module\ "\Q$symbol\E":\ could\ not\ build\ a\ symcache\ from
                \ "first":.*28:\ No\ space\ left/x, 'says so';
        no_temp_files($full, "$disk/c");

        my $small = fresh();
        put(1, $small, sym_of($small, 'small'));
        found($full, $small, 'small', 'a small one has room');

        $full->stop;
        system 'umount', $disk;
    }

    TeckenTest::Process::remove_tree($disk);
};

subtest 'a folder as source' => sub {
    my $store = TeckenTest::Process::temp_dir('tecken-folder');
    TeckenTest::Process::give_away($store);
    my $folder = module_nginx(storages => [ local => "file://$store" ]);
    my ($symbol, $zipped) = (symbol(), symbol());

    for my $entry ([ $symbol, large_sym($symbol =~ s{.*/}{}r, 'f', 3_000_000) ],
                   [ $zipped, gzip(large_sym($zipped =~ s{.*/}{}r, 'z',
                                             3_000_000)) ])
    {
        my $path = "$store/" . object_key($entry->[0]);
        system 'mkdir', '-p', $path =~ s{/[^/]+\z}{}r;
        TeckenTest::Process::write_file($path, $entry->[1]);
        system 'chmod', '-R', 'a+rX', $store;
    }

    found($folder, $symbol, 'f', 'text');
    found($folder, $zipped, 'z', 'gzip');
    missing($folder, symbol(), 'missing');

    $folder->stop;
    TeckenTest::Process::remove_tree($store);
};

subtest 'metrics' => sub {
    my $series = sub { return metric($nginx, "tecken_symcache_$_[0]") };

    cmp_ok $series->('download_bytes_total{source="first"}'), '>', 1_000_000,
           'bytes of a source';
    cmp_ok $series->('download_seconds_count{source="second",result="found"}'),
           '>', 3, 'downloads';
    cmp_ok $series->('download_seconds_count{source="second",result="failed"}'),
           '>', 0, 'that failed';
    cmp_ok $series->('text_bytes_total'), '>',
           $series->('download_bytes_total{source="first"}') / 10, 'text';
    cmp_ok $series->('inflate_seconds_count'), '>', 5, 'inflated';
    cmp_ok $series->('parse_seconds_count'), '>', 20, 'parsed';
    is $series->('bad_files_total{reason="debug_id"}'), 1, 'another id';
    is $series->('bad_files_total{reason="too_large"}'), 2, 'too large';
};

subtest 'configuration' => sub {
    my @storages = (storages => [ first => "$first $patience" ]);

    for my $case (
        [ qr/value must be between 1 and 1024 in/,
          http => 'tecken_symcache_builds 0;' ],
        [ qr/value must be between 1 and 1024 in/,
          http => 'tecken_symcache_builds 1025;' ],
        [ qr/"tecken_symcache_builds" directive is duplicate in/,
          http => 'tecken_symcache_builds 2; tecken_symcache_builds 2;' ],
        [ qr/invalid value "yes" in "tecken_symcache_strict" directive/,
          location => 'tecken_symcache_strict yes;' ],
        [ qr/"tecken_symbolicate_max_symbols" directive invalid value in/,
          location => 'tecken_symbolicate_max_symbols large;' ],
        [ qr/invalid parameter "symcache_missing=x" in/,
          location => 'tecken_cache_valid symcache_missing=x;' ],
        [ qr/"tecken_cache_valid" directive is duplicate in/,
          location => 'tecken_cache_valid symcache_missing=1 found=1
                                          symcache_missing=2;' ],
    ) {
        my ($message, @options) = @$case;

        like module_refuses(@storages, @options), $message, $options[1];
    }
};

subtest 'strict' => sub {
    my $both = module_nginx(storages => [ first => "$first $patience" ],
        http => 'tecken_symbolicate_max_symbols 1m;',
        location => 'location /module/strict/ {
                         tecken_probe_module;
                         tecken_symcache_strict on;
                     }');
    my $symbol = fresh();
    my $id = $symbol =~ s{.*/}{}r;

    put(1, $symbol, sym($id, 'strict', more => "FUNC 2000 zz 0 bad\n"));

    found($both, $symbol, 'strict', 'off: a bad record is left out');
    is module($both, "strict/$symbol")->{status}, 404, 'on: the file is bad';
    found($both, $symbol, 'strict', 'each has its own') for 1 .. 4;
    is module($both, "strict/$symbol")->{hit}, 1, 'symcache or verdict';
};

subtest 'limits of two locations' => sub {
    my $both = module_nginx(storages => [ first => "$first $patience" ],
        location => 'tecken_symbolicate_max_symbols 1m;
                     location /module/large/ {
                         tecken_probe_module;
                         tecken_symbolicate_max_symbols 10m;
                     }');
    my $symbol = fresh();

    put(1, $symbol, large_sym($symbol =~ s{.*/}{}r, 'large', 2_000_000));

    missing($both, $symbol, 'too large here') for 1 .. 4;
    found($both, "large/$symbol", 'large', 'not there');
    found($both, $symbol, 'large', 'what is built is no burden any more');
};

$nginx->check;

done_testing;
