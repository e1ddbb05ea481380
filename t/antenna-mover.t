# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# From the spool to the storage: keys, bytes and order, storages that fail or
# refuse, files that are damaged or deadly, workers that come and go.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(time);

use MoverTest qw(
    arm disarm drained fault_env files get_all hold keys_of_crash let_go
    missing mover new_files new_id owner s3_storage spool submit tree_storage
);
use StoreTest qw(pattern sanitized unique);
use SubmitTest qw(spooled);
use TeckenTest qw(:s3 :proxy);
use TeckenTest::Process qw(
    alive fork_child give_away slurp temp_dir remove_tree wait_until
    write_file
);

my $prefix = unique('mover');

# short of time, so that failures come soon
my $hasty = 'timeout=1s connect_timeout=1s deadline=1500ms retries=0';


sub stored_ok
{
    my ($all, $layout, $what, @crashes) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @wrong = map { missing($all, $layout, $_) } @crashes;
    is_deeply \@wrong, [], "$what: " . @crashes . ' stored';
}


sub tree
{
    my $root = temp_dir('tree');
    give_away($root);

    return $root;
}


for my $layout (qw(2018 2022 tree)) {
    subtest "layout $layout" => sub {
        my $spool = hold(spool());
        my $root = $layout eq 'tree' ? tree() : undef;
        my $nginx = mover(
            spool => $spool,
            storage => $root ? tree_storage($root)
                             : s3_storage(proxy->port, "$prefix-$layout"),
            layout => $root ? undef : $layout,
        );

        my %dumps = (upload_file_minidump => pattern(200_000),
                     upload_file_minidump_browser => "a\0\r\n--b",
                     memory_report => '');
        my $crash = submit($nginx, dumps => \%dumps);
        my ($kept) = spooled($spool);
        my @keys = keys_of_crash($layout, $crash->{id}, sort keys %dumps);

        proxy->reset;
        let_go($spool);
        drained($spool);

        my $where = $root // ['private', "$prefix-$layout"];
        my $all = get_all($where);

        is_deeply [ sort keys %$all ], [ sort @keys ], 'the keys, no others';
        stored_ok($all, $layout, 'one crash', $crash);
        is $all->{ $keys[0] }, $kept->{dump_names}, 'dump names, to the byte';
        is $all->{ $keys[-1] }, $kept->{raw_crash}, 'raw crash, to the byte';

        is_deeply [ map { $_->{path} =~ s{\A/private/[^/]+/}{}r }
                    proxy->requests('PUT') ], \@keys, 'in their order'
            if !$root;

        is $nginx->stop, 0, 'a clean end';
    };
}


subtest 'a raw crash is stored last' => sub {
    my $spool = spool();
    my $nginx = mover(spool => $spool, retry_max => '500ms',
                      storage => s3_storage(proxy->port, "$prefix-last",
                                            $hasty));

    proxy->mode('status', status => 500, method => 'PUT', path => 'raw_crash');

    my $crash = submit($nginx);
    my @keys = keys_of_crash('2018', $crash->{id}, 'upload_file_minidump');

    proxy->wait_for(2, 60, 'PUT', qr/raw_crash/);
    is_deeply [ sort keys %{ get_all(['private', "$prefix-last"]) } ],
              [ sort @keys[0, 1] ], 'all but the raw crash';

    proxy->mode('status', status => 500, method => 'PUT', path => 'v1/dump/');
    my $second = submit($nginx);
    proxy->wait_for(2, 60, 'PUT', qr{v1/dump/\Q$second->{id}\E});
    is proxy->count('PUT', qr/raw_crash.*\Q$second->{id}\E/), 0,
       'none without its dump';

    proxy->mode('pass');
    drained($spool);
    stored_ok(get_all(['private', "$prefix-last"]), '2018', 'later', $crash,
              $second);
    $nginx->stop;
};


subtest 'a storage that fails' => sub {
    my $spool = spool();
    my $nginx = mover(spool => $spool, retry_max => '2s',
                      storage => s3_storage(proxy->port, "$prefix-fails",
                                            $hasty));
    my @crashes;

    for my $mode ([ 'refuse' ], [ 'reset' ], [ 'stall' ], [ 'close' ],
                  [ 'status', status => 503, code => 'SlowDown' ],
                  [ 'status', status => 403, code => 'AccessDenied' ],
                  [ 'status', status => 404, code => 'NoSuchBucket' ],
                  [ 'status', status => 400, code => 'RequestTimeout' ],
                  [ 'garbage' ], [ 'reset_after', after => 5 ])
    {
        my $what = join ' ', $mode->[0], $mode->[2] // ();

        proxy->reset;
        proxy->mode(@$mode);

        my $mark = length $nginx->error_log;
        my @now = map { submit($nginx) } 1 .. 12;
        is scalar(grep { $_->{status} != 200 } @now), 0, "$what: taken";
        push @crashes, @now;

        wait_until("$what: attempts", 60, sub {
            my @tries = substr($nginx->error_log, $mark) =~
                        /\[error\].*not stored yet: .*attempt/g;
            return @tries >= 3;
        });

        is scalar(new_files($spool)), 12, "$what: all are there";

        proxy->mode('pass');
        drained($spool);
    }

    stored_ok(get_all(['private', "$prefix-fails"]), '2018', 'in the end',
              @crashes);
    is_deeply [ files("$spool/failed") ], [], 'none is given up';
    is_deeply [ files("$spool/corrupt") ], [], 'none is damaged';

    is $nginx->stop, 0, 'a clean end';
};


subtest 'a storage that goes on to fail' => sub {
    my $spool = hold(spool());
    my $nginx = mover(spool => $spool,
                      storage => s3_storage(proxy->port, "$prefix-often",
                                            'timeout=60s retries=0'));

    proxy->reset;
    proxy->mode('status', status => 503);
    my @crashes = map { submit($nginx) } 1 .. 12;

    # eight at first, then one after half a second, one after a whole one
    let_go($spool);
    proxy->wait_for(1, 60);
    my $start = time;
    proxy->wait_for(10, 60);
    my $took = time - $start;
    cmp_ok $took, '>=', 1.3, sprintf 'ten attempts in %.1f s', $took;

    proxy->mode('pass');
    drained($spool);
    stored_ok(get_all(['private', "$prefix-often"]), '2018', 'in the end',
              @crashes);
    is $nginx->stop, 0, 'a clean end';
};


subtest 'a storage that refuses' => sub {
    my $spool = spool();
    my $nginx = mover(spool => $spool,
                      storage => s3_storage(proxy->port, "$prefix-refuses"));

    proxy->mode('status', status => 400, code => 'EntityTooLarge',
                method => 'PUT', path => 'upload_file_big');

    my $crash = submit($nginx, dumps => { upload_file_big => pattern(300_000),
                                          other => 'x' });
    my $small = submit($nginx);
    drained($spool);

    my @failed = files("$spool/failed");
    is scalar(@failed), 2, 'a file and its reason' or diag "@failed";
    is "$failed[0].reason", $failed[1], 'side by side';
    like slurp("$spool/failed/$failed[1]"),
         qr/\Athe storage refuses it: PUT .*status 400 EntityTooLarge\n\z/,
         'which says why';

    my ($kept) = SubmitTest::read_file("$spool/failed/$failed[0]");
    is $kept->{crash_id}, $crash->{id}, 'the crash is there';
    is $kept->{dumps}{upload_file_big}, pattern(300_000), 'is whole';
    $nginx->wait_log(qr/\[crit\].*crash \Q$crash->{id}\E goes to/);

    stored_ok(get_all(['private', "$prefix-refuses"]), '2018', 'the other',
              $small);

    # by hand: back to where it came from
    proxy->mode('pass');
    rename "$spool/failed/$failed[0]", "$spool/new/$failed[0]";
    drained($spool);
    stored_ok(get_all(['private', "$prefix-refuses"]), '2018', 'moved back',
              $crash);
    $nginx->stop;
};


# Two nodes have not seen each other's crash when they asked for it: whichever
# is first at an object that differs, the other's stays in its spool.
subtest 'one id, two crashes at once' => sub {
    my $where = ['private', "$prefix-race"];
    my @spools = map { spool() } 1 .. 2;
    my @nginx = map { mover(spool => $_, storage => s3_storage(proxy->port,
                                                         "$prefix-race")) }
                    @spools;

    for my $round (1 .. 3) {
        my $id = new_id();

        # the first objects are the same; the last ones always differ
        my @dumps = map { { a => $round == 1 ? $_ : 'same',
                            b => $round == 2 ? $_ : 'same' } } 1 .. 2;

        proxy->reset;
        proxy->mode('hold', method => 'PUT');
        my @crashes = map { submit($nginx[$_], id => $id, note => "of $_",
                                   dumps => $dumps[$_]) } 0 .. 1;
        proxy->wait_for(2, 30, 'PUT', qr/dump_names/);
        is proxy->count('GET', qr/raw_crash/), 2, 'both have asked before';
        proxy->mode('pass');
        drained($_, 60) for @spools;

        my $all = get_all($where);
        my @stored = grep { !missing($all, '2018', $crashes[$_]) } 0 .. 1;
        is scalar(@stored), 1, "round $round: one is stored, and whole"
            or next;

        my $lost = 1 - $stored[0];
        my @failed = files("$spools[$lost]/failed");
        is scalar(@failed), 2, 'the other one failed';
        is slurp("$spools[$lost]/failed/$failed[1]"),
           "another crash has this id\n", 'says why';
        my ($kept) = SubmitTest::read_file("$spools[$lost]/failed/$failed[0]");
        is_deeply $kept->{dumps}, $dumps[$lost], 'and is there';
        is scalar(files("$spools[ $stored[0] ]/failed")), 0, 'no more';

        unlink map { "$spools[$lost]/failed/$_" } @failed;
    }

    $_->stop for @nginx;
};


subtest 'an id is taken, says the storage' => sub {
    my $spool = spool();
    my $nginx = mover(spool => $spool, retry_max => '500ms',
                      storage => s3_storage(proxy->port, "$prefix-taken",
                                            'timeout=5s retries=2'));
    my @crashes;

    # put, but the answer did not come; another put is under way
    for my $mode ([ 'cut_after', after => 0 ],
                  [ 'status', status => 409,
                    code => 'ConditionalRequestConflict' ],
                  [ 'status', status => 412, code => 'PreconditionFailed' ])
    {
        proxy->reset;
        proxy->mode(@$mode, method => 'PUT', first => 1);
        push @crashes, submit($nginx, id => new_id());
        drained($spool, 60);
    }

    is scalar(files("$spool/failed")), 0, 'none is taken for another';
    stored_ok(get_all(['private', "$prefix-taken"]), '2018', 'in the end',
              @crashes);

    # no conditions: who is there already is safe
    proxy->reset;
    proxy->mode('status', status => 501, code => 'NotImplemented',
                method => 'PUT', first => 1);
    push @crashes, submit($nginx, id => new_id());
    drained($spool, 60);
    $nginx->wait_log(qr/knows no If-None-Match/);

    submit($nginx, id => $crashes[-1]{id}, note => 'another');
    drained($spool, 60);
    is scalar(files("$spool/failed")), 2, 'another one fails';
    stored_ok(get_all(['private', "$prefix-taken"]), '2018',
              'without conditions', @crashes);

    $nginx->stop;
};


subtest "a client's own id" => sub {
    for my $kind ('s3', 'tree') {
        my $spool = hold(spool());
        my $root = $kind eq 'tree' ? tree() : undef;
        my $layout = $root ? 'tree' : '2018';
        my $where = $root // ['private', "$prefix-own"];
        my $nginx = mover(
            spool => $spool, storage => $root ? tree_storage($root)
                        : s3_storage(proxy->port, "$prefix-own"));

        proxy->reset;

        my $id = new_id();
        my $first = submit($nginx, id => $id, note => 'first');
        my ($name) = new_files($spool);
        my $copy = slurp("$spool/new/$name");
        is $first->{id}, $id, "$kind: is kept";

        let_go($spool);
        drained($spool);
        stored_ok(get_all($where), $layout, "$kind: the first", $first);

        my $second = submit($nginx, id => $id, note => 'second',
                            dumps => { upload_file_minidump => 'other' });
        is $second->{id}, $id, "$kind: taken again";
        my $others = submit($nginx);
        drained($spool);

        stored_ok(get_all($where), $layout, "$kind: still the first", $first,
                  $others);
        my @failed = files("$spool/failed");
        is scalar(@failed), 2, "$kind: the second failed";
        is slurp("$spool/failed/$failed[1]"),
           "another crash has this id\n", "$kind: says why";
        my ($kept) = SubmitTest::read_file("$spool/failed/$failed[0]");
        is $kept->{raw}{Note}, 'second', "$kind: is there";

        # as after a death between the last object and the end of the file
        put_file($spool, $name, $copy);
        drained($spool);
        is scalar(files("$spool/failed")), 2, "$kind: the same again is none";
        stored_ok(get_all($where), $layout, "$kind: and is", $first);

        $nginx->stop;
    }
};


sub put_file
{
    my ($spool, $name, $bytes) = @_;

    write_file("$spool/tmp/x", $bytes);
    give_away("$spool/tmp/x");
    rename "$spool/tmp/x", "$spool/new/$name" or die "rename: $!";
}


# Three crashes, one after the other in one file.
sub three
{
    my ($spool, $nginx) = @_;

    my @crashes = map { submit($nginx, dumps => {
        upload_file_minidump => pattern(3000) . $_ }) } 1 .. 3;

    my @names = new_files($spool);
    my @bytes = map { slurp("$spool/new/$_") } @names;

    # by their ids: the names say when, not which
    my %by = map { (SubmitTest::read_file("$spool/new/$names[$_]"))[0]
                   ->{crash_id} => $bytes[$_] } 0 .. $#names;
    unlink map { "$spool/new/$_" } @names;

    return ($names[0] =~ s/\.1\z/.3/r, \@crashes,
            map { $by{ $_->{id} } } @crashes);
}


# what, where in the second record, [ those that are stored ], reason
my @damages = (
    [ 'nothing', undef, [ 0, 1, 2 ] ],
    [ 'an object', sub { 16 + 100 }, [ 0, 2 ], qr/checksum of an object/ ],
    [ 'the raw crash', sub { index($_[0], 'ProductName') + 1 }, [ 0, 2 ],
      qr/checksum of an object/ ],
    [ 'the head', sub { 3 }, [ 0, 2 ], qr/head is damaged/ ],
    [ 'the index', sub { rindex($_[0], '"offset"') + 2 }, [ 0, 2 ],
      qr/index/ ],
    [ 'a checksum in the index', sub { rindex($_[0], '"sha256"') + 12 },
      [ 0, 2 ], qr/index/ ],
    [ 'the end line', sub { length($_[0]) - 127 }, [ 2 ], qr/end line/ ],
    [ 'a length in it', sub { length($_[0]) - 128 + 25 }, [ 2 ],
      qr/end line|head|index/ ],
    [ 'its last byte', sub { length($_[0]) - 1 }, [ 2 ], qr/end line/ ],
);

for my $kind (qw(tree s3)) {
    subtest "damaged files, $kind" => sub {
        my $spool = hold(spool());
        my $root = $kind eq 'tree' ? tree() : undef;
        my $layout = $root ? 'tree' : '2018';
        my $where = $root // ['private', "$prefix-damage"];

        my $nginx = mover(
            spool => $spool, storage => $root ? tree_storage($root)
                        : s3_storage(proxy->port, "$prefix-damage"));
        my (@files, %expected);

        for my $damage (@damages) {
            my ($what, $at, $stored, $reason) = @$damage;
            my ($name, $crashes, @records) = three($spool, $nginx);

            if ($at) {
                my $i = $at->($records[1]);
                substr($records[1], $i, 1) ^= "\x04";
            }

            push @files, [ $name, join('', @records), $crashes, $damage ];
        }

        # cut and empty ones
        my ($name, $crashes, @records) = three($spool, $nginx);
        push @files, [ $name, substr(join('', @records), 0, -10), $crashes,
                       [ 'an end that is missing', 1, [], qr/end line/ ] ];
        push @files, [ $name =~ s/\.3\z/9.1/r, '', [],
                       [ 'an empty file', 1, [], qr/empty/ ] ];
        push @files, [ $name =~ s/\.3\z/8.1/r, 'x' x 5000, [],
                       [ 'something else', 1, [], qr/end line/ ] ];

        put_file($spool, @$_[0, 1]) for @files;
        write_file("$spool/new/README", "an operator's\n");

        let_go($spool);
        wait_until('the others', 120, sub { 1 == new_files($spool) });
        is_deeply [ new_files($spool) ], ['README'], 'others are let alone';

        my $all = get_all($where);

        for my $file (@files) {
            my ($file_name, $bytes, $list, $damage) = @$file;
            my ($what, $at, $stored, $reason) = @$damage;
            my %stored = map { $_ => 1 } @$stored;

            stored_ok($all, $layout, $what, @$list[@$stored]);

            my @partly = grep { index($_, $list->[1]{id}) >= 0 } keys %$all
                if @$list && !$stored{1};
            is_deeply \@partly, [], "$what: nothing of the damaged one"
                if $at && @$list;

            next if !$at;

            is slurp("$spool/corrupt/$file_name"), $bytes,
               "$what: is in corrupt/";
            like slurp("$spool/corrupt/$file_name.reason"), $reason,
                 "$what: with its reason";
        }

        is scalar(files("$spool/corrupt")), 2 * (@files - 1), 'no others';
        is_deeply [ files("$spool/failed") ], [], 'nothing is refused';
        is $nginx->stop, 0, 'a clean end';
        remove_tree($root) if $root;
    };
}


subtest 'a damaged crash before one that has to wait' => sub {
    my $spool = hold(spool());
    my $nginx = mover(spool => $spool, storage => s3_storage(
        proxy->port, "$prefix-wait", $hasty));
    my ($name, $crashes, @records) = three($spool, $nginx);

    substr($records[0], 16 + 100, 1) ^= "\x04";
    put_file($spool, $name, join '', @records);

    proxy->reset;
    proxy->mode('status', status => 503, method => 'PUT');
    let_go($spool);
    proxy->wait_for(2, 20, 'PUT');
    proxy->mode('pass');
    drained($spool);

    stored_ok(get_all(['private', "$prefix-wait"]), '2018', 'the others',
              @$crashes[1, 2]);
    is slurp("$spool/corrupt/$name"), join('', @records),
       'the file is in corrupt/';
    like slurp("$spool/corrupt/$name.reason"), qr/checksum of an object/,
         'with its reason';
    $nginx->stop;
};


SKIP: {
    skip 'a sanitizer wants to be the first library', 1 if sanitized();

    subtest 'a file that kills' => sub {
        my $dir = temp_dir('poison');
        my $root = tree();
        my $spool = hold(spool());
        my $nginx = mover(
            spool => $spool, storage => tree_storage($root),
            main => 'env LD_PRELOAD; env TECKEN_FAULT;',
            env => fault_env($dir));

        my @crashes = map { submit($nginx) } 1 .. 8;
        my @names = new_files($spool);
        my ($bad) = SubmitTest::read_file("$spool/new/$names[4]");

        arm($dir, 'pread', $names[4], 0, 0);
        let_go($spool);

        drained($spool);
        disarm($dir);

        my @deaths = $nginx->error_log =~ /process (\d+) exited on signal 9/g;
        $nginx->{killed}{$_} = 1 for @deaths;
        is scalar(@deaths), 3, 'three deaths';

        is_deeply [ files("$spool/corrupt") ],
                  [ $names[4], "$names[4].reason" ], 'it is put aside';
        like slurp("$spool/corrupt/$names[4].reason"), qr/workers died/,
             'says why';

        stored_ok(get_all($root), 'tree', 'the others',
                  grep { $_->{id} ne $bad->{crash_id} } @crashes);

        my $later = submit($nginx);
        drained($spool);
        stored_ok(get_all($root), 'tree', 'later', $later);
        $nginx->stop;
        remove_tree($_) for $dir, $root;
    };

    subtest 'a file that does not go where it should' => sub {
        my $dir = temp_dir('aside');
        my $spool = hold(spool());
        my $nginx = mover(
            spool => $spool,
            storage => s3_storage(proxy->port, "$prefix-aside"),
            main => 'env LD_PRELOAD; env TECKEN_FAULT;',
            env => fault_env($dir));

        proxy->reset;
        proxy->mode('status', status => 400, code => 'EntityTooLarge',
                    method => 'PUT', path => 'upload_file_big');

        # refused by the storage
        my $big = submit($nginx, dumps => { upload_file_big => 'x' });
        my ($refused) = new_files($spool);
        my $bytes = slurp("$spool/new/$refused");

        arm($dir, 'rename', '/new/2', 1, 5);
        let_go($spool);
        wait_until('the rename to fail', 10, sub { !-e "$dir/fault" });
        drained($spool);

        is slurp("$spool/failed/$refused"), $bytes, 'refused: is in failed/';
        like slurp("$spool/failed/$refused.reason"), qr/EntityTooLarge/,
             'with its reason';

        # damaged
        $nginx->stop;
        hold($spool);
        $nginx->restart;

        my ($name, $crashes, @records) = three($spool, $nginx);
        $name =~ s/\.3\z/.1/;
        substr($records[0], 16, 1) ^= "\x04";
        put_file($spool, $name, $records[0]);

        arm($dir, 'rename', '/new/2', 1, 5);
        let_go($spool);
        wait_until('the rename to fail', 10, sub { !-e "$dir/fault" });
        drained($spool);

        is slurp("$spool/corrupt/$name"), $records[0],
           'damaged: is in corrupt/';
        like slurp("$spool/corrupt/$name.reason"), qr/checksum of an object/,
             'with its reason';

        $nginx->stop;
        remove_tree($dir);
    };

    subtest 'a check that is killed' => sub {
        my $dir = temp_dir('check');
        my $spool = spool();
        my $nginx = mover(
            spool => $spool, storage => tree_storage(my $root = tree()),
            main => 'env LD_PRELOAD; env TECKEN_FAULT;',
            server => 'location = /hb { tecken_dockerflow heartbeat; }',
            env => fault_env($dir));
        my @workers = $nginx->workers;

        arm($dir, 'fsync', '/tmp/2', 1, 0);
        eval { $nginx->get('/hb') };
        $nginx->{killed}{$_} = 1 for @workers;

        wait_until('the check to be killed', 10, sub { !-e "$dir/fault" });
        wait_until('its file to go', 20, sub { !files("$spool/tmp") });
        pass 'nothing is left in tmp/';

        $nginx->stop;
        remove_tree($_) for $dir, $root;
    };

    subtest 'disks that fail' => sub {
        my $dir = temp_dir('disk');
        my $env = fault_env($dir);

        for my $call (qw(open pread unlink)) {
            my $root = tree();
            my $spool = hold(spool());
            my $nginx = mover(
                spool => $spool, storage => tree_storage($root),
                main => 'env LD_PRELOAD; env TECKEN_FAULT;', env => $env);

            # the call is the mover's: who takes a crash is through
            my $crash = submit($nginx);
            my ($name) = new_files($spool);
            arm($dir, $call, "/new/$name", 1, 5);
            let_go($spool);

            wait_until("$call to fail", 60, sub { !-e "$dir/fault" });
            drained($spool);
            like $nginx->error_log,
                 qr/\[crit\].*$call\(\) failed for .*Input\/output error/,
                 "$call: says so";

            stored_ok(get_all($root), 'tree', 'nevertheless', $crash);
            is_deeply [ files("$spool/corrupt") ], [], 'nothing is damaged';
            $nginx->stop;
            remove_tree($root);
        }

        remove_tree($dir);
    };

    subtest 'what another worker has begun' => sub {
        my $dir = temp_dir('slow');
        my $spool = spool();
        my $nginx = mover(
            spool => $spool, workers => 1,
            storage => s3_storage(proxy->port, "$prefix-begun",
                                  'timeout=60s deadline=120s'),
            main => 'env LD_PRELOAD; env TECKEN_FAULT;',
            env => fault_env($dir));

        proxy->reset;
        proxy->mode('hold', method => 'PUT', path => 'v1/dump/');
        my @crashes = map { submit($nginx) } 1 .. 3;
        proxy->wait_for(3, 60, 'PUT', qr{v1/dump/});

        # the old one is seen at a time that is the new one's future
        my $old = owner($spool);
        arm($dir, 'open', "$spool/lock", 1, -1500);
        kill 'HUP', $nginx->master;
        wait_until('a new owner', 60, sub {
            my $now = owner($spool);
            return $now && $now != $old;
        });
        ok !disarm($dir), 'a worker that is slow takes over';

        # after all that it has found
        my $more = submit($nginx);
        wait_until('its dump', 60, sub {
            proxy->count('PUT', qr{v1/dump/\Q$more->{id}\E}) });

        proxy->mode('pass');
        drained($spool);
        is proxy->count('PUT', qr{v1/dump/}), 4, 'none is begun twice';
        stored_ok(get_all(['private', "$prefix-begun"]), '2018', 'all',
                  @crashes, $more);
        $nginx->stop;
        remove_tree($dir);
    };
}


subtest 'the next owner' => sub {
    my $spool = spool();
    my $root = tree();
    my $nginx = mover(spool => $spool, storage => tree_storage($root));
    my @crashes;

    for my $how (qw(KILL KILL TERM QUIT)) {
        my $owner = wait_until('an owner', 30, sub { owner($spool) });

        $nginx->kill_worker($owner, $how);
        my $next = wait_until('the next one', 30, sub {
            my $now = owner($spool);
            return $now && $now != $owner && $now;
        });
        ok $next, "$how: there is one";

        push @crashes, submit($nginx);
        drained($spool);
    }

    stored_ok(get_all($root), 'tree', 'after each', @crashes);
    $nginx->stop;
    remove_tree($root);
};


subtest 'ends amid a move' => sub {
    for my $how (qw(TERM QUIT)) {
        my $spool = spool();
        my $nginx = mover(spool => $spool, storage => s3_storage(
            proxy->port, "$prefix-end-$how", 'timeout=60s deadline=120s'));

        proxy->reset;
        proxy->mode('hold', method => 'PUT', path => 'v1/dump/');
        my @crashes = map { submit($nginx) } 1 .. 3;
        proxy->wait_for(3, 60, 'PUT', qr{v1/dump/});

        if ($how eq 'TERM') {
            is $nginx->stop('TERM'), 0, 'TERM: at once';
            is scalar(new_files($spool)), 3, 'TERM: all are there';
            proxy->mode('pass');
            $nginx->restart;

        } else {
            kill 'HUP', $nginx->master;
            wait_until('a new owner', 60, sub {
                my $now = owner($spool);
                return $now && grep({ $_ == $now } $nginx->workers) && $now;
            });
            my $more = submit($nginx);
            wait_until('its dump', 60, sub {
                proxy->count('PUT', qr{v1/dump/\Q$more->{id}\E}) });
            push @crashes, $more;
            is proxy->count('PUT', qr{v1/dump/}), 4,
               'QUIT: none is begun twice';
            proxy->mode('pass');
        }

        drained($spool);
        stored_ok(get_all(['private', "$prefix-end-$how"]), '2018', $how,
                  @crashes);
        $nginx->stop;
    }
};


# Clients that send crash after crash, and write the ids of those taken to a
# log, until they are stopped.
sub clients
{
    my ($nginx, $log, $n) = @_;

    return map { fork_child(sub {
        $| = 1;
        while (!-e "$log.stop") {
            my $crash = submit($nginx);
            die "status $crash->{status}\n" if $crash->{status} != 200;
            print "$crash->{id}\n";
        }
    }, $log) } 1 .. $n;
}


sub acked { return slurp($_[0]) =~ /^(\S{36})$/mg }


sub stop_clients
{
    my ($log, @children) = @_;

    write_file("$log.stop", '');
    waitpid $_, 0 for @children;

    is slurp($log) =~ s/^\S{36}\n//mgr, '', 'no request failed';
}


sub acked_are_stored
{
    my ($log, $root) = @_;

    my $all = get_all($root);
    my @acked = acked($log);
    my @lost = grep { my @k = keys_of_crash('tree', $_,
                                            'upload_file_minidump');
                      grep { !defined $all->{$_} } @k } @acked;

    is scalar(@lost), 0, 'acked=' . @acked . ' lost=' . @lost;
}


subtest 'reload again and again' => sub {
    my $spool = spool();
    my $root = tree();
    my $log = "$root.log";
    my $nginx = mover(spool => $spool, storage => tree_storage($root));

    wait_until('an owner', 30, sub { owner($spool) });

    my @children = clients($nginx, $log, 4);
    my ($samples, $most) = (0, 0);

    # every second one comes while another one is under way
    for my $round (1 .. 10) {
        my %old = map { $_ => 1 } $nginx->all_workers;
        my $before = () = acked($log);

        kill 'HUP', $nginx->master;
        next if $round % 2;

        wait_until("reload $round: an owner of its own, 25 crashes", 120, sub {

            # a table that changes while it is read may show two once
            my %twice = map { $_ => 1 } owner($spool);
            my @owners = grep { $twice{$_} } owner($spool);
            $most = @owners if @owners > $most;
            $samples++;

            my $acked = () = acked($log);

            return @owners && !$old{ $owners[0] } && $acked >= $before + 25;
        });
    }

    stop_clients($log, @children);
    is $most, 1, "one owner at a time, in $samples samples";

    drained($spool);
    acked_are_stored($log, $root);
    is_deeply [ files("$spool/corrupt") ], [], 'nothing is put aside';
    $nginx->stop;
    remove_tree($root);
    unlink $log, "$log.stop";
};


subtest 'a new binary' => sub {
    my $spool = spool();
    my $root = tree();
    my $log = "$root.log";
    my $nginx = mover(spool => $spool, storage => tree_storage($root),
                      main => 'env ASAN_OPTIONS; env LSAN_OPTIONS;
                               env UBSAN_OPTIONS;', upgradable => 1);

    wait_until('an owner', 30, sub { owner($spool) });

    my @children = clients($nginx, $log, 3);
    wait_until('the first crashes', 60, sub { 10 <= (() = acked($log)) });

    my %old = map { $_ => 1 } $nginx->all_workers;
    $nginx->upgrade;
    my $next = wait_until('an owner of the new binary', 60, sub {
        my $now = owner($spool);
        return $now && !$old{$now} && $now;
    });
    ok $next, 'goes on';

    my $before = () = acked($log);
    wait_until('more crashes', 60, sub {
        $before + 20 <= (() = acked($log)) });

    stop_clients($log, @children);

    drained($spool);
    acked_are_stored($log, $root);
    $nginx->stop;
    remove_tree($root);
    unlink $log, "$log.stop";
};


done_testing;
