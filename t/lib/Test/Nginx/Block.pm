# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# The spec language: what follows __DATA__, as blocks of filtered sections.

package Test::Nginx::Block;

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(parse_spec);

our $AUTOLOAD;


# Returns the blocks to run, SKIP, ONLY and LAST already applied.

sub parse_spec {
    my ($spec) = @_;

    my @chosen;

    for my $hunk ($spec =~ /^(===.*?(?=^===|\z))/msg) {
        my $block = _parse_block($hunk);

        if ($block->has('ONLY')) {
            warn "# I found ONLY: the other blocks are not run\n";
            return $block;
        }

        next if $block->has('SKIP');

        push @chosen, $block;
        last if $block->has('LAST');
    }

    return @chosen;
}


sub _parse_block {
    my ($hunk) = @_;

    $hunk =~ s/\A===[ \t]*([^\n]*)\s+// or die "bad block: $hunk";
    my $self = bless { value => {}, filter => {} }, __PACKAGE__;
    $self->set_value(name => $1);

    my ($description, @parts) = split /^--- +\(?(\w+)\)?[ ]*(.*)\n/m, $hunk;

    if (!defined $description || $description !~ /\S/) {
        $description = $self->name;
    }

    $description =~ s/\s+\z//;
    $self->set_value(description => $description);

    while (@parts) {
        my ($section, $filters, $value) = splice @parts, 0, 3;
        $self->_add_section($section, $filters // '', $value // '');
    }

    return $self;
}


sub _add_section {
    my ($self, $section, $filters, $value) = @_;

    if ($filters =~ /:(?:\s|\z)/) {
        if ($value =~ /\S/) {
            die "Extra lines not allowed in '$section' section of block '"
                . $self->name . "'\n";
        }

        ($filters, $value) = split /\s*:(?:\s+|\z)/, $filters, 2;
        $value //= '';
        $value =~ s/\A\s+|\s+\z//g;
    }

    $self->{filter}{$section} = $filters;
    $self->set_value($section, $value);
}


# Runs the filters of every section once; eval sections see what the script
# set up before it asked for blocks() or run_tests().

sub run_filters {
    my ($self) = @_;

    return if $self->{filtered}++;

    for my $section (sort keys %{ $self->{filter} }) {
        my @words = split ' ', $self->{filter}{$section};
        my %drop = map { /^-(\w+)/ ? ($1 => 1) : () } @words;
        my @names = ((grep { !$drop{$_} } qw(norm trim)),
                     (grep { !/^-/ } @words));

        my @value = @{ $self->{value}{$section} };

        for my $name (@names) {
            @value = _filter($name, $self, $section, @value);
        }

        $self->{value}{$section} = \@value;
    }
}


my %FILTER = (
    norm => sub {
        my ($text) = @_;
        $text =~ s/\r\n?/\n/g;
        return $text;
    },

    trim => sub {
        return map { s/\A(?:[ \t]*\n)+//; s/(?<=\n)\s+\z//; $_ } @_;
    },

    chomp => sub { return map { chomp; $_ } @_ },
    chop => sub { return map { chop; $_ } @_ },
    unchomp => sub { return map { "$_\n" } @_ },
    eval => sub { return Test::Nginx::Block::Eval::run(@_) },
    lines => sub { return length $_[0] ? $_[0] =~ /^(.+\n?|\n)/gm : () },
    array => sub { return [@_] },
    base64_decode => sub {
        require MIME::Base64;
        return MIME::Base64::decode_base64($_[0]);
    },
    base64_encode => sub {
        require MIME::Base64;
        return MIME::Base64::encode_base64($_[0]);
    },
);


sub _filter {
    my ($name, $block, $section, @value) = @_;

    # name=argument, and any function of the script's own, are filters too
    my ($base) = split /=/, $name, 2;
    my $code = $FILTER{$base} || main->can($base);

    if (!$code) {
        die "Can't find a function or method for '$base' filter of section '"
            . "$section' in block '" . $block->name . "'\n";
    }

    local $_ = $value[0];

    return $code->(@value);
}


sub has {
    my ($self, $section) = @_;

    return exists $self->{value}{$section};
}


sub set_value {
    my ($self, $section, @value) = @_;

    $self->{value}{$section} = \@value;
}


sub sections {
    my ($self) = @_;

    return keys %{ $self->{filter} };
}


# $block->section: undef when absent, the first value unless a list is asked.

sub AUTOLOAD {
    my ($self) = @_;

    my $section = $AUTOLOAD =~ s/.*:://r;
    my $value = $self->{value}{$section};

    # undef in a list too: an absent section must not shift arguments
    return undef if !$value;
    return wantarray ? @$value : $value->[0];
}


sub DESTROY { }


# Kept apart so that eval sections see neither our lexicals nor package main,
# just as under the upstream module: a script must say $main::name.

package Test::Nginx::Block::Eval;

sub run {
    my @value = eval $_[0];

    return @value if !$@;

    warn "# eval filter: $@";
    return $@;
}


1;
