# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Blocks that are not run: skip_nginx, skip_eval, todo and todo_nginx.

package Test::Nginx::Skip;

use strict;
use warnings;

use Exporter qw(import);
use Test::More ();

use Test::Nginx::Util qw($NginxVersion bail_out canon_version eval_perl);

our @EXPORT_OK = qw(skip_tests todo_tests skip_spec todo_spec);


sub skip_tests {
    my ($count, $why) = @_;

    SKIP: { Test::More::skip($why, $count) }
}


sub todo_tests {
    my ($count, $why) = @_;

    TODO: { Test::More::todo_skip($why, $count) }
}


# How many tests to skip, and why; skip_eval is in upstream's package too.

sub skip_spec {
    my ($block) = @_;

    my $name = $block->name;
    my $eval = $block->skip_eval;
    my $nginx = $block->skip_nginx;

    if (defined $eval && $eval =~ /^\s*(\d+)\s*:\s*(.*)/s) {
        my ($count, $code) = ($1, $2);
        return ($count, 'skip_eval')
            if eval_perl($code, "$name - skip_eval");
    }

    return if !defined $nginx;

    $nginx =~ /^\s*(\d+)\s*:\s*(.*)/s
        or bail_out("$name - Invalid --- skip_nginx spec: $nginx");
    my $count = $1;
    my ($met, $why) = _version_test($2, "$name - skip_nginx");

    return $met ? ($count, $why) : ();
}


# "< 1.2.3: reason" against the nginx under test.

sub _version_test {
    my ($spec, $what) = @_;

    my ($op, @version) = $spec =~ /^\s*([<>]=?)\s*(\d+)\.(\d+)\.(\d+)/
        or bail_out("$what: bad version test \"$spec\"");
    my $than = canon_version(@version);

    my %met = (
        '<' => $NginxVersion < $than, '<=' => $NginxVersion <= $than,
        '>' => $NginxVersion > $than, '>=' => $NginxVersion >= $than,
    );

    my $why = $spec =~ /:\s*(.*\S)/ ? $1
              : "nginx version $op " . join '.', @version;

    return ($met{$op}, $why);
}


sub todo_spec {
    my ($block) = @_;

    my $name = $block->name;

    if (defined $block->todo) {
        $block->todo =~ /^\s*(\d+)\s*:\s*(.*)/s
            or bail_out("$name - Invalid --- todo spec: ", $block->todo);
        return ($1, $2);
    }

    return if !defined $block->todo_nginx;

    my ($met, $why) = _version_test($block->todo_nginx, "$name - todo_nginx");

    return $met ? (1, $why) : ();
}


1;
