# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# A directory of symcaches: what is stored is found by every worker, after a
# reload and a restart; LRU, max_size, inactive, a full zone; deletion in all
# workers; open maps.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(time);

use SymcacheTest;
use TeckenTest qw(:none);
use TeckenTest::Nginx;
use TeckenTest::Process qw(give_away wait_until write_file);


my $mb = 1 << 20;


subtest 'store and find' => sub {
    my $dir = new_dir();
    my $nginx = start($dir);
    my ($a, $b) = both($nginx);

    is ask($a, 'op=open&file=x'), 'miss', 'nothing yet';
    is ask($a, 'op=build&file=x&name=first'), 'first', 'who builds has it';
    is ask($a, 'op=open&file=x'), 'first', 'so has its worker';
    is ask($b, 'op=open&file=x'), 'first', 'and the other one';
    is ask($b, 'op=open&file=x&set=1'), 'miss', 'not for other sources';
    is ask($b, 'op=open&file=y'), 'miss', 'not for another symbol';

    my @names = keys %{ files($dir) };
    is scalar(@names), 1, 'one file';
    like $names[0], qr/\A\d\d-[0-9a-f]{16}-[0-9a-f]{32}\z/, 'its name';
    like files($dir)->{ $names[0] }{path},
         qr{/c/(.)/(..)/[^/]*\2\1\z}, 'in its folder';
    is_deeply [ leftovers($dir) ], [], 'no temp file';

    is ask($b, 'op=build&file=x&set=1&name=second'), 'second',
       'one for other sources';
    is ask($a, 'op=open&file=x'), 'first', 'beside the first';
    is ask($a, 'op=open&file=x&set=1'), 'second', 'both';

    my @folders = map { $_->{path} =~ s{/[^/]*\z}{}r } values %{ files($dir) };
    is $folders[0], $folders[1], 'in one folder';

    is ask($a, 'op=build&file=x&name=third'), 'third', 'one replaces another';
    is ask($b, 'op=open&file=x'), 'third', 'at once, in every worker';
    is scalar(keys %{ files($dir) }), 2, 'in its place';

    my $status = status($a);
    is $status->{files}, 2, 'counted';
    cmp_ok $status->{size}, '>=', used($dir), 'with their sizes';
    is metric($nginx, 'tecken_symcache_files'), 2, 'in metrics';
    is metric($nginx, 'tecken_symcache_max_bytes'), 1 << 30, 'the limit too';
    is metric($nginx, 'tecken_symcache_maps'), $status->{maps}, 'and maps';

    done($nginx);
};


subtest 'reload, restart, power cut' => sub {
    my $dir = new_dir();
    my $nginx = start($dir);

    is ask($nginx, "op=build&file=f$_&name=n$_"), "n$_", "built $_"
        for 1 .. 3;
    my $size = status($nginx)->{size};

    # in use while its worker is told to end
    my $client = client($nginx);
    put($client, 'op=open&file=f1&at=use&hold=1500');
    put($client, 'op=open&file=f1&at=use&hold=1500');

    $nginx->reload;
    is ask($nginx, 'op=open&file=f1'), 'n1', 'after a reload';
    is status($nginx)->{files}, 3, 'the index stays';
    is take($client), 'n1', 'who uses one in an old worker goes on';
    close $client->{socket};

    # an index that forgets: another levels
    for my $how (qw(restart crash)) {
        $how eq 'crash' ? $nginx->crash : $nginx->stop;
        $nginx->restart;

        is ask($nginx, 'op=open&file=f2'), 'n2', "$how: found at once";

        wait_until('the loader', 10, sub { !status($nginx)->{cold} });

        is status($nginx)->{files}, 3, "$how: all are known again";
        is status($nginx)->{size}, $size, "$how: with their sizes";
        is ask($nginx, "op=open&file=f$_"), "n$_", "$how: $_" for 1 .. 3;
    }

    done($nginx);
};


subtest 'the order of use outlives a restart' => sub {
    my $dir = new_dir();
    my $nginx = start($dir, workers => 1);

    ask($nginx, "op=build&file=f$_&name=n$_&size=200000") for 1 .. 4;
    my $one = status($nginx)->{size} / 4;

    # used long ago, all but the first
    my %by = map { $_->{path} => 1 } values %{ files($dir) };
    $nginx->stop;
    utime time - 1000, time - 2000, keys %by;
    $nginx->restart;
    wait_until('the loader', 10, sub { !status($nginx)->{cold} });
    is ask($nginx, 'op=open&file=f1'), 'n1', 'the first is used';

    my $max = int($one * 4.5);
    $nginx->stop;
    $nginx->{server} =~ s/max_size=\w+/max_size=$max/;
    $nginx->restart;
    wait_until('the loader', 10, sub { !status($nginx)->{cold} });

    ask($nginx, "op=build&file=g$_&name=m$_&size=200000") for 1 .. 3;
    is ask($nginx, 'op=open&file=f1'), 'n1', 'it stays';
    is scalar(grep { ask($nginx, "op=open&file=f$_") eq 'miss' } 2 .. 4), 3,
       'the others go';

    done($nginx);
};


subtest 'LRU and max_size' => sub {
    my $dir = new_dir();

    my $nginx = start($dir, params => 'levels=2 max_size=1m', workers => 1);
    ask($nginx, 'op=build&file=f0&name=n0&size=200000');
    my $one = status($nginx)->{size};
    my $fit = int($mb / $one);
    cmp_ok $fit, '>=', 3, 'some fit';

    # the clock of use ticks in seconds
    my $used = sub {
        my ($file) = @_;
        ask($nginx, "op=open&file=f$file");
        my $now = time;
        wait_until('the next second', 3, sub { int(time) > int($now) });
        ask($nginx, "op=open&file=f$file");
    };

    ask($nginx, "op=build&file=f$_&name=n$_&size=200000") for 1 .. $fit - 1;
    is status($nginx)->{evictions}, 0, 'room for all';
    $used->(0);

    ask($nginx, "op=build&file=f$fit&name=n$fit&size=200000");
    is ask($nginx, 'op=open&file=f0'), 'n0', 'the one in use stays';
    is ask($nginx, 'op=open&file=f1'), 'miss', 'the oldest goes';
    is ask($nginx, 'op=open&file=f2'), 'n2', 'no other does';
    is status($nginx)->{evictions}, 1, 'one eviction';
    cmp_ok used($dir), '<=', $mb, 'within max_size';

    is ask($nginx, 'op=build&file=big&name=big&size=3000000'), 'big',
       'one that is larger than max_size';
    is ask($nginx, 'op=open&file=big'), 'big', 'is kept, alone';
    is scalar(keys %{ files($dir) }), 1, 'all others go';

    for (1 .. 2) {
        write_file("$dir/c/temp/1-$_", '');
        give_away("$dir/c/temp/1-$_");
        $nginx->reload(drained => 1);
        wait_until('the manager', 20, sub { !leftovers($dir) });
    }

    is ask($nginx, 'op=open&file=big'), 'big', 'by the manager too';
    is ask($nginx, 'op=build&file=f1&name=n1'), 'n1', 'until the next one';
    is ask($nginx, 'op=open&file=big'), 'miss', 'it goes then';

    done($nginx);
};


subtest 'inactive' => sub {
    my $dir = new_dir();
    my $nginx = start($dir, params => 'max_size=1g inactive=2s');

    ask($nginx, "op=build&file=f$_&name=n$_") for 1 .. 2;

    wait_until('both to go', 30, sub { !%{ files($dir) } });
    is ask($nginx, 'op=open&file=f1'), 'miss', 'not found';
    is status($nginx)->{files}, 0, 'none left';
    wait_until('maps to be closed', 10,
               sub { metric($nginx, 'tecken_symcache_maps') == 0 });

    done($nginx);
};


subtest 'min_free' => sub {
    my $dir = new_dir();

    # more than any disk has: each new one is the only one
    my $nginx = start($dir, params => 'max_size=1g min_free=900000g');

    is ask($nginx, 'op=build&file=f1&name=n1'), 'n1', 'one is built';
    is ask($nginx, 'op=build&file=f2&name=n2'), 'n2', 'and another';
    is ask($nginx, 'op=open&file=f1'), 'miss', 'the first has gone';

    done($nginx);
};


subtest 'a full zone' => sub {
    my $dir = new_dir();
    my $nginx = start($dir, params => 'levels=1:2:2 max_size=1g zone=256k',
                      workers => 1);
    my $client = client($nginx);
    my $capacity = status($client)->{capacity};
    my $more = 20;

    put($client, "op=build&file=f$_&name=n$_") for 1 .. 16;

    for (1 .. $capacity + $more) {
        my $answer = take($client);
        die "$_: $answer\n" if $answer ne "n$_";
        my $next = $_ + 16;
        put($client, "op=build&file=f$next&name=n$next")
            if $next <= $capacity + $more;
    }

    my $status = status($client);
    is $status->{files}, $capacity, 'full';
    is $status->{evictions}, $more, 'the oldest go';
    is scalar(keys %{ files($dir) }), $capacity, 'their files too';
    is ask($client, 'op=open&file=f1'), 'miss', 'the first is one of them';
    my $last = $capacity + $more;
    is ask($client, "op=open&file=f$last"), "n$last", 'the last is not';

    $nginx->crash;
    write_file("$dir/c/0/keep", 'foreign');
    $nginx->restart;
    wait_until('the loader', 30, sub { !status($nginx)->{cold} });
    is status($nginx)->{files}, $capacity, 'found again';
    ok -f "$dir/c/0/keep", 'a file with another name stays';

    done($nginx);
};


subtest 'deletion' => sub {
    my $dir = new_dir();
    my $nginx = start($dir);
    my ($a, $b) = both($nginx);

    ask($a, "op=build&file=x&set=$_&name=n$_") for 1 .. 2;
    ask($a, 'op=build&file=y&name=y');
    is ask($b, "op=open&file=x&set=$_"), "n$_", "the other has $_ mapped"
        for 1 .. 2;

    my $user = put(client($nginx), 'op=open&file=x&set=1&at=use&hold=700');
    status($nginx);

    is ask($a, 'op=delete&file=x'), 'ok', 'deleted';

    for my $client ($a, $b) {
        is ask($client, "op=open&file=x&set=$_"), 'miss', "$_ is gone"
            for 1 .. 2;
        is ask($client, 'op=open&file=y'), 'y', 'others are not';
    }

    is take($user), 'n1', 'who used it could go on';

    wait_until('the files to go', 10, sub { keys %{ files($dir) } == 1 });
    wait_until('maps to be closed', 10, sub { status($a)->{maps} <= 2 });
    is status($a)->{files}, 1, 'one left';

    is ask($b, 'op=build&file=x&set=1&name=new'), 'new', 'built anew';
    is ask($a, 'op=open&file=x&set=1'), 'new', 'the new one is used';

    # a map that is given back when the others have been looked through
    my $other = client($nginx);
    my $same = beside($nginx, $other);
    ask($same, "op=build&file=$_&name=$_") for qw(p q);
    my $maps = status($same)->{maps};
    put($other, 'op=open&file=p&at=use&hold=5000');
    status(beside($nginx, $other));

    ask($same, "op=delete&file=$_") for qw(p q);
    wait_until('the map of the one that is idle to be closed', 10,
               sub { status($same)->{maps} == $maps - 1 });
    is take($other), 'p', 'the other is in use meanwhile';
    wait_until('its map to be closed too', 10,
               sub { status($same)->{maps} == $maps - 2 });

    for my $at (qw(begin temp)) {
        put($a, "op=build&file=z&name=old&at=$at&hold=700");
        wait_until('the build to begin', 5, sub { leftovers($dir) })
            if $at eq 'temp';

        # the worker has seen this one after that one
        status(beside($nginx, $a));

        ask($b, 'op=delete&file=z');
        is take($a), 'old', "$at: who waits for the build gets it";
        is ask($a, 'op=open&file=z'), 'miss', "$at: it is not kept";
        is ask($b, 'op=open&file=z'), 'miss', "$at: by nobody";
        is_deeply [ leftovers($dir) ], [], "$at: nor left behind";

        is ask($b, 'op=build&file=z&name=new'), 'new', "$at: the next is";
        is ask($a, 'op=open&file=z'), 'new', "$at: by all";
        ask($a, 'op=delete&file=z');
    }

    # more than are remembered: builds that began before fail safe
    put($a, 'op=build&file=w&name=w&at=begin&hold=2500');
    ask($b, "op=delete&file=v$_") for 1 .. 1100;
    is take($a), 'w', 'a build that has seen too many deletions';
    is ask($b, 'op=open&file=w'), 'miss', 'is not kept';
    is ask($b, 'op=build&file=w&name=w'), 'w', 'the next one';
    is ask($a, 'op=open&file=w'), 'w', 'is';

    # not in the index of a worker that comes after
    ask($a, 'op=build&file=x&set=9&name=n9');
    $nginx->crash;
    $nginx->restart;
    ask($nginx, 'op=delete&file=x');
    is ask($nginx, 'op=open&file=x&set=9'), 'miss',
       'one that the index has not seen yet';
    wait_until('its files to go', 10, sub {
        !grep { ask($nginx, "op=open&file=x&set=$_") ne 'miss' } 1, 9 });

    done($nginx);
};


subtest 'maps' => sub {
    my $dir = new_dir();
    my $nginx = start($dir, maps => 4, workers => 1);
    my $client = client($nginx);

    is ask($client, "op=build&file=f$_&name=n$_"), "n$_", "built $_"
        for 1 .. 10;
    is status($client)->{maps}, 4, 'as many as are allowed';

    my @users = map { put(client($nginx), "op=open&file=f$_&at=use&hold=800") }
                1 .. 8;
    wait_until('all to be in use', 5,
               sub { status($client)->{maps} == 8 });
    is take($users[ $_ - 1 ]), "n$_", "user $_" for 1 .. 8;
    is status($client)->{maps}, 4, 'more only while they are used';

    # a herd for one that is not mapped: one opens it for all
    my @herd = map { client($nginx) } 1 .. 50;
    put($_, 'op=open&file=f9') for @herd;
    is_deeply [ grep { $_ ne 'n9' } map { take($_) } @herd ], [],
              'fifty at once';

    is ask($client, 'op=open&file=f1&cancel=1'), 'cancelled',
       'who does not wait for it to be opened';
    is ask($client, 'op=open&file=f1'), 'n1', 'harms nobody';

    # an index of many pages that are not in memory
    is ask($client, 'op=build&file=big&name=big&size=20000000'), 'big',
       'a large one';
    my ($before, $after) = ask($client, 'op=open&file=big&prefetch=1')
                           =~ /\A(\d+)% then (\d+)%\z/;
    cmp_ok $before, '<', 100, 'not all of its index is in memory';
    is $after, 100, 'prefetched, it is';

    done($nginx);
};


subtest 'configuration' => sub {
    my $dir = new_dir();

    my $conf = sub {
        my ($first, $second) = @_;
        return (http => 'tecken_zone tecken:1m;',
                server => "location /a { tecken_symcache_path $first; }"
                          . ($second ? " location /b {
                              tecken_symcache_path $second; }" : ''));
    };

    my $refuses = sub {
        my ($text, @conf) = @_;
        my $said = TeckenTest::Nginx->refuses($conf->(@conf));
        like $said, $text, "@conf";
    };

    $refuses->(qr/must have "max_size" parameter in .*nginx.conf:\d+/,
               "$dir/c");
    $refuses->(qr/invalid parameter "levels=3" in .*nginx.conf:\d+/,
               "$dir/c levels=3 max_size=1m");
    $refuses->(qr/invalid parameter "levels=1:" in/,
               "$dir/c levels=1: max_size=1m");
    $refuses->(qr/invalid parameter "levels=1:2:2:2" in/,
               "$dir/c levels=1:2:2:2 max_size=1m");
    $refuses->(qr/invalid parameter "max_size=0" in/, "$dir/c max_size=0");
    $refuses->(qr/invalid parameter "max_size=x" in/, "$dir/c max_size=x");
    $refuses->(qr/invalid parameter "inactive=x" in/,
               "$dir/c max_size=1m inactive=x");
    $refuses->(qr/invalid parameter "max_size=2m" in/,
               "$dir/c max_size=1m max_size=2m");
    $refuses->(qr/invalid parameter "what" in/, "$dir/c max_size=1m what");
    $refuses->(qr/zone of symcaches is too small, it needs 256k in/,
               "$dir/c max_size=1m zone=4k");
    my $line = qr{\S*/nginx.conf:\d+};
    $refuses->(qr{directory "$dir/c" has other parameters in $line in $line},
               "$dir/c max_size=1m", "$dir/c/ max_size=2m");
    $refuses->(qr{directory "$dir/c" has other parameters in},
               "$dir/c max_size=1m", "$dir/c max_size=1m levels=2");

    my $text = TeckenTest::Nginx->refuses(
        http => "tecken_zone tecken:1m;
                 proxy_cache_path $dir/c keys_zone=x:1m;",
        server => "tecken_symcache_path $dir/c max_size=1m;");
    like $text, qr{the same path name "$dir/c" used in .*nginx.conf:\d+ and},
         'a directory of another cache';

    $text = TeckenTest::Nginx->refuses(
        server => "tecken_symcache_path $dir/c max_size=1m;");
    like $text, qr/"tecken_zone" is needed/, 'without tecken_zone';

    my $nginx = nginx($conf->("$dir/c max_size=1m levels=1:2 inactive=7d",
                              "$dir/c/ max_size=1024k"));
    like $nginx->get('/')->{status}, qr/\A[34]/, 'one directory named twice';
    $nginx->stop;

    # one that is off serves nothing, and other levels are another index
    $nginx = start($dir, params => 'max_size=1g');
    ask($nginx, 'op=build&file=x&name=x');
    $nginx->{server} =~ s/max_size=1g/max_size=1g levels=2/;
    $nginx->reload(drained => 1);
    is ask($nginx, 'op=open&file=x'), 'miss', 'other levels after a reload';
    is ask($nginx, 'op=build&file=x&name=x'), 'x', 'built anew';
    done($nginx);
};


done_testing();
