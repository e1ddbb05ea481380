# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Reloads, ends and deaths amid a build of a symcache: the next request has
# it, no file is left that nobody finishes.

use strict;
use warnings;

use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);

use StoreTest qw(keys_of unique url_of);
use SymbolTest;
use TeckenTest qw(:s3 :proxy);
use TeckenTest::Faults qw($Slack quiet slow_tools);
use TeckenTest::Process qw(wait_until);

my $dir = unique('sf');
my $proxy = proxy();
my $storage = url_of($proxy->port, 'private') . " prefix=$dir "
              . keys_of() . ' retries=1 timeout=3s deadline=10s';

my $size = 4_000_000;


# A symbol in the source, the downloads of which are slow from now on.
sub slow_symbol
{
    my ($name) = @_;

    my $symbol = symbol($name);
    my $text = large_sym($symbol =~ s{.*/}{}r, $name, $size);

    s3->put('private', "$dir/" . object_key($symbol), $text);

    $proxy->reset;
    $proxy->mode('slow', bytes => 40_000, ms => 40);

    return $symbol;
}


# A build that is under way, with a temporary file; n clients wait for it, not
# all of them of one worker.
sub begun
{
    my ($nginx, $symbol, $n) = @_;

    my @clients = clients($nginx, $n);

    ask_for($symbol, $_) for @clients;

    wait_until('a temporary file', 20, sub { temp_files($nginx) });

    return @clients;
}


# Connections, at least one to each of the two workers.
sub clients
{
    my ($nginx, $n) = @_;

    my (%workers, @clients);

    wait_until('clients of both workers', 30, sub {
        my $socket = IO::Socket::INET->new(
            PeerAddr => '127.0.0.1', PeerPort => $nginx->port, Timeout => 10)
            or die "connect: $!\n";
        my ($text, $pid) = '';

        syswrite $socket, "GET /pid HTTP/1.1\r\nHost: localhost\r\n\r\n";
        while (!defined $pid) {
            sysread $socket, $text, 4096, length $text or die "no pid\n";
            ($pid) = $text =~ /\r\n\r\n(\d+)/;
        }

        if (@clients < $n || !$workers{$pid}) {
            shift @clients if @clients == $n;
            push @clients, $socket;
            $workers{$pid} = 1;
        }

        return @clients == $n && keys %workers > 1;
    });

    return @clients;
}


sub ask_for
{
    my ($symbol, $socket) = @_;

    syswrite $socket, "GET /module/$symbol?lookup=1024 HTTP/1.1\r\n"
                      . "Host: localhost\r\nConnection: close\r\n\r\n";
}


sub start
{
    return module_nginx(storages => [ s => $storage ], @_);
}


# Everything works, and nothing is left.
sub settled
{
    my ($nginx, $symbol, $name) = @_;

    works($nginx, $symbol, $name);
    is scalar(temp_files($nginx)), 0, 'no temporary file';
    $nginx->stop;
}


sub works
{
    my ($nginx, $symbol, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $proxy->mode('pass');
    found($nginx, $symbol, $name, 'the next request has it');

    ok wait_until('no turns', 20, sub {
        metric($nginx, 'tecken_symcache_builds_running') == 0
        && metric($nginx, 'tecken_symcache_builds_waiting') == 0
    }), 'no turn is taken';
}


# What a killed worker leaves the manager finds some time later: it is looked
# at in the end, of all at once.
my @killed;

sub orphaned
{
    my ($nginx, @works) = @_;

    works($nginx, @works);
    push @killed, $nginx;
}


sub answers_ok
{
    my ($name, $n, @clients) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @answers = collect(@clients);
    my @wrong = grep { "$_->{status} $_->{body}" ne "200 $name src/$name.c:8" }
                @answers;

    is scalar(@answers), $n, "$n answers";
    is scalar(@wrong), 0, 'all right' or diag explain $wrong[0];
}


subtest 'a reload' => sub {
    my $nginx = start();
    my $symbol = slow_symbol('reload');
    my @clients = begun($nginx, $symbol, 10);

    my @old = $nginx->workers;
    $nginx->reload;

    # of the new workers: they wait for the old one's build
    push @clients, map { open_request($nginx, $symbol, 'lookup=1024') } 1 .. 10;

    answers_ok('reload', 20, @clients);
    is $proxy->count('GET'), 1, 'one download';

    wait_until('old workers gone', 30, sub {
        my %now = map { $_ => 1 } $nginx->all_workers;
        return !grep { $now{$_} } @old;
    });

    settled($nginx, $symbol, 'reload');
};

subtest 'reloads, nobody waits' => sub {
    my $nginx = start();
    my $symbol = slow_symbol('alone');

    close $_ for begun($nginx, $symbol, 3);
    $nginx->reload for 1 .. 3;

    wait_until('built', 60, sub {
        $nginx->error_log =~ /module "\Q$symbol\E": built/
    });

    is found($nginx, $symbol, 'alone', 'it is there')->{hit}, 1,
       'the old worker has built it';

    settled($nginx, $symbol, 'alone');
};

subtest 'worker_shutdown_timeout' => sub {
    my $nginx = start(main => 'worker_shutdown_timeout 1s;');
    my $symbol = slow_symbol('timeout');
    my @clients = begun($nginx, $symbol, 2);

    # a source that brings nearly nothing for a long time
    $proxy->mode('slow', bytes => 200, ms => 100);
    my $endless = symbol('endless');
    s3->put('private', "$dir/" . object_key($endless),
            large_sym($endless =~ s{.*/}{}r, 'endless', 200_000));
    push @clients, open_request($nginx, $endless, 'lookup=1024');
    $proxy->wait_for(2, 20, 'GET');

    my $start = time;
    $nginx->reload(drained => 1, seconds => 30 * $Slack);
    cmp_ok time - $start, '<', 10 * $Slack, 'old workers go';

    collect(@clients);

    works($nginx, $endless, 'endless');
    settled($nginx, $symbol, 'timeout');
};

# a sanitizer would report the second one
for my $signal (slow_tools() ? 'KILL' : qw(KILL SEGV)) {
    subtest "$signal of the worker that builds" => sub {
        my $nginx = start(http => 'tecken_symcache_builds 1;');
        my $symbol = slow_symbol('killed');
        my @clients = begun($nginx, $symbol, 12);

        # the other one's clients have their answers from its own build
        my ($owner) = owner($nginx, $symbol);
        $nginx->kill_worker($owner, $signal);

        my @answers = collect(@clients);
        my $right = grep { $_->{body} eq 'killed src/killed.c:8' } @answers;
        my $cut = grep { $_->{status} == 0 } @answers;

        is $right + $cut, 12, "$right clients have it, $cut lost their worker";
        cmp_ok $right, '>', 0, 'those of the other worker have it';

        orphaned($nginx, $symbol, 'killed');
    };
}


# who has the temporary file open
sub owner
{
    my ($nginx, $symbol) = @_;

    return grep {
        my $pid = $_;
        grep { (readlink $_ // '') =~ m{/symcache/temp/} }
             glob "/proc/$pid/fd/*";
    } $nginx->workers;
}


subtest 'KILL of all, again and again' => sub {
    my $nginx = start();

    for my $n (1 .. 3) {
        my $symbol = slow_symbol("all$n");
        my @clients = begun($nginx, $symbol, 4);

        $nginx->crash;
        collect(@clients);
        $nginx->restart;

        works($nginx, $symbol, "all$n");
    }

    push @killed, $nginx;
};

subtest 'a fast end' => sub {
    my $nginx = start();
    my $symbol = slow_symbol('fast');
    my @clients = begun($nginx, $symbol, 4);

    $nginx->stop('TERM');
    collect(@clients);

    is scalar(temp_files($nginx)), 0, 'no temporary file';
    quiet($nginx);
};

subtest 'workers are killed at random' => sub {
    my $nginx = start(http => 'tecken_symcache_builds 2;');
    my (@symbols, @clients);

    srand 7;
    $size = 400_000;

    for my $n (1 .. 12) {
        my $symbol = slow_symbol('random');
        push @symbols, $symbol;
        push @clients, map { open_request($nginx, $symbol) } 1 .. 4;

        if ($n % 3 == 0) {
            my @workers = $nginx->workers;
            $nginx->kill_worker($workers[rand @workers]);
        }
    }

    my @answers = collect(@clients);
    is scalar(grep { $_->{status} !~ /\A(?:0|200)\z/ } @answers), 0,
       'right or cut off';

    $proxy->mode('pass');
    found($nginx, $_, 'random', $_) for @symbols;
    orphaned($nginx, $symbols[0], 'random');
};

subtest 'temporary files of the dead' => sub {
    for my $nginx (@killed) {
        ok wait_until('no temporary file', 90, sub { !temp_files($nginx) }),
           'are removed';
        $nginx->stop;
    }
};

done_testing;
