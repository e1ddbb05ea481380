# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Figures: one line for each, and what became of their targets.

package TeckenBench::Report;

use strict;
use warnings;

use Exporter 'import';
use List::Util qw(min max);
use POSIX qw(strftime);

use TeckenBench::Nginx;
use TeckenTest::Process qw(slurp write_file);

our @EXPORT_OK = qw(median);


sub median
{
    my @sorted = sort { $a <=> $b } @_;

    return $sorted[$#sorted / 2] if @sorted % 2;
    return ($sorted[$#sorted / 2] + $sorted[@sorted / 2]) / 2;
}


# figures: [ name, unit, digits, op, target, text ], op and target are undef
# where there is none.
sub new
{
    my ($class, @figures) = @_;

    return bless {
        figure => { map { $_->[0] => $_ } @figures },
        order => [ map { $_->[0] } @figures ], value => {},
        load => (split ' ', slurp('/proc/loadavg'))[0],
    }, $class;
}


# The median of some runs counts; all of them are shown.
sub add
{
    my ($self, $name, @runs) = @_;

    my $figure = $self->{figure}{$name} or die "no figure $name\n";
    my (undef, $unit, $digits, $op, $target) = @$figure;

    my $value = sprintf "%.${digits}f", median(@runs);

    $self->{value}{$name} = {
        value => $value, runs => scalar @runs,
        low => sprintf("%.${digits}f", min(@runs)),
        high => sprintf("%.${digits}f", max(@runs)),
        missed => defined $target && !_met($value, $op, $target),
    };

    print "bench: $name $value $unit\n";
    print STDERR "  MISSED: $name is $value, it should be $op $target\n"
        if $self->{value}{$name}{missed};
}


# The value of a figure that was measured, else undef.
sub value
{
    my ($self, $name) = @_;

    return $self->{value}{$name} && $self->{value}{$name}{value};
}


sub missed
{
    my ($self) = @_;

    return grep { $_->{missed} } values %{ $self->{value} };
}


# Replaces what is between the two marks of a file by a table, and a text
# behind it.
sub write_table
{
    my ($self, $path, $mark, $more) = @_;

    my ($begin, $end) = map { "<!-- $mark: $_ -->" } qw(begin end);
    my $table = $self->_table . ($more // '');
    my $text = slurp($path);

    $text =~ s/\Q$begin\E.*\Q$end\E/$begin\n$table$end/s
        or die "$path has no $begin and $end\n";

    write_file($path, $text);
}


sub _met
{
    my ($value, $op, $target) = @_;

    return $op eq '>=' ? $value >= $target
         : $op eq '<=' ? $value <= $target
         :               $value == $target;
}


sub _table
{
    my ($self) = @_;

    my ($cpu) = slurp('/proc/cpuinfo') =~ /^model name\s*:\s*(.*)$/m;
    my ($debian) = slurp('/etc/os-release') =~ /^PRETTY_NAME="(.*)"/m;

    my $table = sprintf "\n%s, nginx %s, %s with %d cores, %s; load average "
                      . "before it: %s.\n\n",
        strftime('%Y-%m-%d', localtime), TeckenBench::Nginx::version(),
        $cpu // 'an unknown processor', TeckenBench::Nginx::cpus(),
        $debian // 'an unknown system', $self->{load};

    $table .= "| figure | measured | of runs | target | what it is |\n"
            . "|---|---|---|---|---|\n";

    for my $name (grep { $self->{value}{$_} } @{ $self->{order} }) {
        my (undef, $unit, undef, $op, $target, $what) =
            @{ $self->{figure}{$name} };
        my $v = $self->{value}{$name};

        $table .= sprintf "| `%s` | **%s** %s | %s | %s | %s |\n",
            $name, $v->{value}, $unit eq 'ratio' ? '' : $unit,
            $v->{runs} == 1 ? '1'
                            : "$v->{runs}: $v->{low} to $v->{high}",
            defined $target ? "$op $target" : '', $what;
    }

    return "$table\n";
}


1;
