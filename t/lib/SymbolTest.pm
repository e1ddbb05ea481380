# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# For t/symbolicate-fetch.t and t/faults/symbolicate.t: symbol files of any
# size, and an nginx whose location /module/ gets a module by the probe.

package SymbolTest;

use strict;
use warnings;

use Exporter 'import';
use IO::Compress::Gzip ();
use IO::Socket::INET ();
use Test::More;

use StoreTest qw(keys_of unique url_of);
use TeckenTest::HTTP qw(parse_response take_head);
use TeckenTest::Nginx;
use TeckenTest::Process qw(wait_until);

our @EXPORT = qw(
    collect debug_id files found gzip large_sym metric missing module
    module_nginx module_refuses no_temp_files object_key open_request sizes sym
    symbol temp_files
);

my $serial = 0;


# 32 hex digits and an age, none like another
sub debug_id { return sprintf '%08X%024X%X', $$, ++$serial, 1 }


# A small .sym whose function is called $name.
sub sym
{
    my ($id, $name, %options) = @_;

    my $file = $options{file} // 'a.pdb';

    return "MODULE windows x86_64 $id $file\n"
           . "FILE 0 src/$name.c\n"
           . "FUNC 1000 40 0 $name\n1000 20 7 0\n1020 20 8 0\n"
           . ($options{more} // '')
           . "STACK CFI INIT 1000 40 .cfa: \$rsp 8 +\n";
}


# One of about $size bytes; bytes that do not compress to nothing.
sub large_sym
{
    my ($id, $name, $size) = @_;

    my ($text, $address, $x) = ('', 0x2000, 12345);

    while (length $text < $size) {
        $x = ($x * 1103515245 + 12345) & 0x7fffffff;
        $text .= sprintf "FUNC %x 40 0 f_%x_%x\n%x 10 %d 0\n%x 30 %d 0\n",
                         $address, $address, $x, $address, $x % 5000 + 1,
                         $address + 16, $x % 7000 + 1;
        $address += 64;
    }

    return sym($id, $name, more => $text);
}


sub gzip
{
    my ($text) = @_;

    IO::Compress::Gzip::gzip(\$text => \my $out)
        or die "gzip: $IO::Compress::Gzip::GzipError\n";

    return $out;
}


# "a.pdb/ID/a.sym"
sub object_key
{
    my ($symbol) = @_;

    my ($file, $id) = split m{/}, $symbol;

    return join '/', $file, uc $id,
                $file =~ /\.pdb\z/ ? $file =~ s/\.pdb\z/.sym/r : "$file.sym";
}


# A name that nobody has used, "NAME.pdb/ID".
sub symbol
{
    my ($name) = @_;

    return ($name // 'a') . '.pdb/' . debug_id();
}


# An nginx with storages (name => "URL options"), in this order the sources of
# /module/; "path" is the options of tecken_symcache_path, "location" more text
# for /module/.
sub module_nginx { return TeckenTest::Nginx->start(_options(@_)) }


# The same, of a configuration that is refused: what nginx says.
sub module_refuses { return TeckenTest::Nginx->refuses(_options(@_)) }


sub _options
{
    my (%options) = @_;

    my @storages = @{ delete $options{storages} };
    my $path = delete $options{path} // 'max_size=1g';
    my $dir = delete $options{dir} // '%%PREFIX%%/temp/symcache';
    my $location = delete $options{location} // '';
    my $http = delete $options{http} // '';
    my $main = delete $options{main} // '';
    my (%url, @names);

    while (my ($name, $url) = splice @storages, 0, 2) {
        push @names, $name;
        $url{$name} = $url;
    }

    return (
        workers => 2, %options,
        main => "thread_pool cpu threads=2;\nthread_pool io threads=4;\n$main",
        http => "tecken_zone tecken:4m;\n"
                . "tecken_thread_pool cpu;\ntecken_io_thread_pool io;\n"
                . join('', map { "tecken_storage $_ $url{$_};\n" } @names)
                . $http,
        server => <<"END",
            location /module/ {
                tecken_probe_module;
                tecken_sources @names;
                tecken_symcache_path $dir $path;
                $location
            }
            location = /metrics { tecken_metrics; }
            location = /pid { return 200 \$pid; }
END
    );
}


# { status, body, hit, source, downloaded, found, parsed, size, worker }
sub module
{
    my ($nginx, $symbol, %query) = @_;

    my $query = join '&', map { "$_=$query{$_}" } sort keys %query;

    return _facts($nginx->request('GET', "/module/$symbol?$query",
                                  timeout => 60));
}


sub _facts
{
    my ($answer) = @_;

    my $h = $answer->{headers};

    return {
        status => $answer->{status}, body => $answer->{body} =~ s/\n\z//r,
        hit => $h->{'x-hit'}, source => $h->{'x-source'},
        worker => $h->{'x-worker'},
        map { /(\w+)=(\d+)/g } grep { defined } @$h{qw(x-stat x-usec)},
    };
}


# Is the function of sym() known by the name?
sub found
{
    my ($nginx, $symbol, $name, $what, %query) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $answer = module($nginx, $symbol, lookup => '1024', %query);

    is "$answer->{status} $answer->{body}", "200 $name src/$name.c:8", $what;

    return $answer;
}


sub missing
{
    my ($nginx, $symbol, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $answer = module($nginx, $symbol);

    is $answer->{status}, 404, $what;

    return $answer;
}


# A request on a connection of its own; the end is for collect().
sub open_request
{
    my ($nginx, $symbol, $query) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $nginx->port, Timeout => 60)
        or die "connect: $!\n";

    local $SIG{PIPE} = 'IGNORE';
    syswrite $socket, "GET /module/$symbol?" . ($query // '')
                      . " HTTP/1.1\r\nHost: localhost\r\n"
                      . "Connection: close\r\n\r\n";

    return $socket;
}


sub collect
{
    return map {
        my ($socket, $text, $rin) = ($_, '', '');
        vec($rin, fileno $socket, 1) = 1;

        while (select my $ready = $rin, undef, undef, 60) {
            sysread $socket, $text, 65536, length $text or last;
        }

        my $head = take_head(\$text);
        my $answer = $head ? parse_response($head)
                           : { status => 0, headers => { } };
        _facts({ %$answer, body => $text });
    } @_;
}


sub metric
{
    my ($nginx, $series) = @_;

    my ($value) = $nginx->get('/metrics')->{body} =~ /^\Q$series\E (\S+)$/m;

    return $value // 0;
}


# files of the symcache directory, and those that are not finished
sub files
{
    my ($nginx, $dir) = @_;

    $dir //= $nginx->prefix . '/temp/symcache';

    return grep { !m{\A\Q$dir\E/temp/} }
           split /\n/, `find '$dir' -type f 2>/dev/null`;
}


sub temp_files
{
    my ($nginx, $dir) = @_;

    $dir //= $nginx->prefix . '/temp/symcache';

    return split /\n/, `find '$dir/temp' -type f 2>/dev/null`;
}


# A build that failed has its file until its threads have come back, which
# those who wait for it do not wait for.
sub no_temp_files
{
    my ($nginx, $dir) = @_;

    ok wait_until('no temporary file', 20,
                  sub { !temp_files($nginx, $dir) }), 'nothing is left';
}


1;
