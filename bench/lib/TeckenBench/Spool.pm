# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# A spool on a disk: who moves its crashes, and what is in it.

package TeckenBench::Spool;

use strict;
use warnings;

use Cwd qw(abs_path);
use Fcntl qw(:flock);
use File::Temp ();
use JSON::PP ();
use Time::HiRes qw(sleep time);

use TeckenTest::Process qw(
    fork_child give_away kill_pid remove_tree write_file
);


# An empty one in a folder of its own below $parent; nobody moves from it until
# let_go().
sub new
{
    my ($class, $parent) = @_;

    my $self = bless {
        dir => File::Temp::tempdir('spool-XXXXXX', DIR => abs_path($parent)),
        owner => $$,
    }, $class;

    # a bare writer's folders, and one for what is taken away
    for my $name ('', qw(/bare /bare/tmp /bare/new /gone /spool /spool/new)) {
        mkdir "$self->{dir}$name";
        chmod 0755, "$self->{dir}$name";
        give_away("$self->{dir}$name") if $name =~ /spool/;
    }

    write_file($self->path . '/lock', '');
    give_away($self->path . '/lock');
    $self->hold;

    return $self;
}


sub path { return "$_[0]{dir}/spool" }
sub bare { return "$_[0]{dir}/bare" }


# The lock of whoever moves crashes.
sub hold
{
    my ($self) = @_;

    open $self->{lock}, '+<', $self->path . '/lock' or die "lock: $!\n";
    flock $self->{lock}, LOCK_EX or die "flock: $!\n";
}


sub let_go { close delete $_[0]{lock} }


# Takes files away as they come, as a mover that keeps pace would.  They are
# emptied, but not deleted before the end: where ext4 has no journal, a new file
# costs a look at all inodes that were deleted in the last minutes.
sub take_away
{
    my ($self) = @_;

    my @folders = map { "$_/new" } $self->path, $self->bare;
    my $gone = "$self->{dir}/gone";

    $self->{taker} = fork_child(sub {
        my ($parent) = @_;
        my ($n, $emptied) = (0, 0);
        my @taken;

        while (getppid() == $parent) {
            for my $folder (@folders) {
                for my $name (_names($folder)) {
                    $taken[$n++] = time
                        if rename "$folder/$name", "$gone/$n";
                }
            }

            # its writer may be looking at what it has synced

            while ($emptied < $n && $taken[$emptied] < time - 1) {
                truncate "$gone/$emptied", 0;
                $emptied++;
            }

            sleep 0.02;
        }
    });
}


# Files that are to be moved.
sub files
{
    my ($self) = @_;

    return _names($self->path . '/new');
}


# The files of another spool appear in this one.
sub fill
{
    my ($self, $other) = @_;

    for my $name ($other->files) {
        link $other->path . "/new/$name", $self->path . "/new/$name"
            or die "link $name: $!\n";
    }
}


# Its crashes, one in each file, as putbench reads them; prefix is that of the
# keys.
sub list
{
    my ($self, $prefix) = @_;

    my $json = JSON::PP->new;
    my $list = '';

    for my $name ($self->files) {
        my $file = $self->path . "/new/$name";
        my $crash = $json->decode(_index($file));
        my $id = $crash->{crash_id};
        my ($y, $m, $d) = $id =~ /(\d\d)(\d\d)(\d\d)\z/;

        for my $object (@{ $crash->{objects} }) {
            my $key = $object->{kind} eq 'raw_crash'
                      ? "v2/raw_crash/" . substr($id, 0, 3) . "/20$y$m$d/$id"
                      : $object->{kind} eq 'dump_names'
                      ? "v1/dump_names/$id" : "v1/dump/$id";

            $list .= "$file @$object{qw(offset length sha256)} "
                   . "$prefix/$key\n";
        }

        $list .= "\n";
    }

    return $list;
}


# The last line but one of a file is the index of its last crash.
sub _index
{
    my ($file) = @_;

    open my $in, '<:raw', $file or die "$file: $!\n";
    seek $in, -128, 2;
    read $in, my $end, 128;

    my ($length, $index) = $end =~ /\Aantenna-end (\w{16}) (\w{16}) /
        or die "$file: no end line\n";

    die "$file has several crashes\n" if hex $length != -s $file;

    seek $in, hex $index, 0;

    return scalar <$in>;
}


sub _names
{
    my ($folder) = @_;

    opendir my $dir, $folder or die "$folder: $!\n";

    return grep { !/^\./ } readdir $dir;
}


# "ext4 on /dev/vda"; dies if it is none on a disk.
sub disk
{
    my ($folder) = @_;

    my ($source, $type) =
        split ' ', qx(findmnt -no SOURCE,FSTYPE -T \Q$folder\E);

    die "$folder is no folder on a disk: $source $type\n"
        if $type =~ /tmpfs|ramfs/;

    return "$type on $source";
}


sub remove
{
    my ($self) = @_;

    kill_pid(delete $self->{taker}) if $self->{taker};
    delete $self->{lock};
    remove_tree($self->{dir});
}


sub DESTROY
{
    my ($self) = @_;

    # a forked child has a copy
    return if $self->{owner} != $$;

    local ($?, $@);
    $self->remove;
}


1;
