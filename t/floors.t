#!/usr/bin/perl

# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Rooms include headers of their own and of lower floors; features include
# what common exports.  See docs/architecture.md.

use strict;
use warnings;

use FindBin;
use Test::More;

use TeckenTest::Process qw(slurp);

my $Root = "$FindBin::Bin/..";

# floor 0 has an order, too: sym may use wire
my %Floor = (wire => 0, sym => 0.5, event => 1, store => 2, cache => 2,
             ops => 2, fetch => 3, common => 4);

my %Room = map { (m,([^/]+)$,)[0] => room($_) }
           glob "$Root/{common,common/*,ngx_*,tools}/*.h";

for my $file (glob "$Root/{common,common/*,ngx_*,tools}/*.[ch]") {
    my $room = room($file);
    my $name = $file =~ s,^\Q$Root/,,r;

    my @wrong;
    for my $header (slurp($file) =~ /^#include ["<](\S+)[">]/mg) {
        push @wrong, $header if !may($room, $header);
    }

    is "@wrong", '', "$name: includes";
}

done_testing;


sub room
{
    my ($file) = @_;

    my ($folder) = $file =~ m,([^/]+)/[^/]+$,;

    return $folder;
}


sub may
{
    my ($room, $header) = @_;

    my $of = $Room{$header};

    if (!defined $of) {
        # the system's: below floor 1 there is no nginx
        return $header !~ /^ngx_/
               || $room ne 'tools' && ($Floor{$room} // 5) >= 1;
    }

    return 1 if $of eq $room;
    return 0 if !defined $Floor{$of};
    return $Floor{$of} < 1 || $header eq 'ngx_tecken.h'
        if $room =~ /^ngx_/;
    return $Floor{$of} < 1 if $room eq 'tools';

    return $Floor{$of} < $Floor{$room};
}
