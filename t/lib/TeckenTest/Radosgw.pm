# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# A real S3 server: Ceph's radosgw over one monitor and one OSD that keeps
# its data in memory.  Everything lives below one folder and listens on
# loopback only.

package TeckenTest::Radosgw;

use strict;
use warnings;

use File::Spec ();
use IO::Socket::INET;

use TeckenTest::Process qw(
    alive free_ports give_away kill_pid lifeline reap remove_tree
    run_child slurp spawn temp_dir wait_until write_file
);
use TeckenTest::S3;

use constant {
    ACCESS_KEY => 'testaccess',
    SECRET_KEY => 'testsecret12345678',
    OTHER_ACCESS_KEY => 'otheraccess',
    OTHER_SECRET_KEY => 'othersecret12345678',
};


# Starts a cluster with users and buckets.  options: dir (a temp folder by
# default), keep (it outlives the calling process), tls (a PEM file with key
# and certificate: serves at tls_port, too).
sub start
{
    my ($class, %options) = @_;

    my $error;

    # a chosen port may be taken before the daemon binds it
    for (1 .. 3) {
        my $self = $class->_new(%options);
        return $self if eval { $self->_start; 1 };

        $error = "$@" . $self->_tails;
        $self->stop;
    }

    die "radosgw does not start: $error\n";
}


# A cluster that another process started.
sub attach
{
    my ($class, $dir) = @_;

    $dir = File::Spec->rel2abs($dir);

    my ($port) = slurp("$dir/ceph.conf") =~ /endpoint=127\.0\.0\.1:(\d+)/
        or die "no radosgw in $dir\n";

    return bless { dir => $dir, port => $port }, $class;
}


sub port     { return $_[0]{port} }
sub tls_port { return $_[0]{tls_port} }
sub dir      { return $_[0]{dir} }


# What configurations and other processes need to know.
sub environment
{
    my ($self) = @_;

    return (
        TEST_NGINX_S3_PORT => $self->{port},
        TEST_NGINX_S3_DIR => $self->{dir},
        TEST_NGINX_S3_ACCESS_KEY => ACCESS_KEY,
        TEST_NGINX_S3_SECRET_KEY => SECRET_KEY,
        TEST_NGINX_S3_OTHER_ACCESS_KEY => OTHER_ACCESS_KEY,
        TEST_NGINX_S3_OTHER_SECRET_KEY => OTHER_SECRET_KEY,
    );
}


# S3 clients: the owner of public, public-nolist and private; the owner of
# denied; nobody.
sub client
{
    my ($self) = @_;

    return TeckenTest::S3->new(
        port => $self->{port}, access_key => ACCESS_KEY,
        secret_key => SECRET_KEY,
    );
}


sub other_client
{
    my ($self) = @_;

    return TeckenTest::S3->new(
        port => $self->{port}, access_key => OTHER_ACCESS_KEY,
        secret_key => OTHER_SECRET_KEY,
    );
}


sub anonymous_client
{
    my ($self) = @_;

    return TeckenTest::S3->new(port => $self->{port});
}


# Accepts connections (the kernel does), answers nothing.
sub pause
{
    my ($self) = @_;

    kill 'STOP', $self->pid('rgw');
}


sub resume
{
    my ($self) = @_;

    kill 'CONT', $self->pid('rgw');
}


# Connections are refused from now on.  Data stay: they are the OSD's.
# After KILL, not after TERM, the next new bucket or policy may take half a
# minute (Ceph waits for the dead process); objects are not affected.
sub kill
{
    my ($self, $signal) = @_;

    kill_pid($self->pid('rgw'), $signal // 'KILL');
}


# The same port again, after kill().
sub restart
{
    my ($self) = @_;

    $self->_start_rgw;
    $self->_wait_rgw;
}


# After a test that left radosgw paused or dead.
sub repair
{
    my ($self) = @_;

    if (alive($self->pid('rgw'))) {
        $self->resume;

    } else {
        $self->restart;
    }
}


# More keys of the user "test", and fewer.
sub add_key
{
    my ($self, $access_key, $secret_key) = @_;

    $self->_admin('key', 'create', '--uid=test', '--key-type=s3',
                  "--access-key=$access_key", "--secret=$secret_key");
}


sub remove_key
{
    my ($self, $access_key) = @_;

    $self->_admin('key', 'rm', '--uid=test', '--key-type=s3',
                  "--access-key=$access_key");
}


# Suspended users get 403 UserSuspended.
sub suspend { return $_[0]->_admin('user', 'suspend', '--uid=test') }
sub enable  { return $_[0]->_admin('user', 'enable', '--uid=test') }


# One { method, target, status, bytes, seconds } per finished request; from
# the log's byte $offset on.
sub access_log
{
    my ($self, $offset) = @_;

    my $text = substr slurp($self->_log('client.rgw.a')), $offset // 0;
    my @lines;

    while ($text =~ m{beast:\ \S+\ \S+\ -\ \S+\ \[[^\]]*\]\ "(\S+)\ ([^"]*?)
                      \ HTTP/[\d.]+"\ (\d+)\ (\d+)\ .*?latency=([\d.]+)s}gx)
    {
        push @lines, {
            method => $1, target => $2, status => $3, bytes => $4,
            seconds => $5,
        };
    }

    return @lines;
}


# An offset for access_log(): only what comes after now.
sub access_log_mark
{
    my ($self) = @_;

    return -s $self->_log('client.rgw.a') // 0;
}


# Ends all processes and removes the folder; nothing to save.  With
# "clean", each gets TERM and time to end by itself.
sub stop
{
    my ($self, $clean) = @_;

    my @pids = $self->_pids;

    kill_pid($_, $clean ? 'TERM' : 'KILL') for @pids;
    remove_tree($self->{dir});
    delete $self->{lifeline};
}


sub running
{
    my ($self) = @_;

    return 3 == grep { alive($_) } $self->_pids;
}


# "rgw", "osd" or "mon"
sub pid
{
    my ($self, $name) = @_;

    return slurp("$self->{dir}/run/$name.pid") || die "$name has no pid\n";
}


sub _new
{
    my ($class, %options) = @_;

    my $dir = File::Spec->rel2abs($options{dir} // temp_dir('tecken-s3'));
    _make_room($dir);
    mkdir $_ for map { "$dir/$_" } qw(run log mon osd rgw);
    give_away($dir, map { "$dir/$_" } qw(run log mon osd rgw));

    my ($rgw, $mon, $tls) = free_ports(3);

    my $self = bless {
        dir => $dir, port => $rgw, mon_port => $mon, tls_port => $tls,
        tls => $options{tls},
    }, $class;

    $self->{lifeline} = lifeline(sub { $self->stop }) if !$options{keep};

    return $self;
}


# A given folder may hold an earlier cluster, but nothing else.
sub _make_room
{
    my ($dir) = @_;

    if (-e "$dir/ceph.conf") {
        __PACKAGE__->attach($dir)->stop;
    }

    mkdir $dir;
    rmdir $dir or die "$dir is not an empty folder: $!\n";
    mkdir $dir or die "mkdir $dir: $!\n";
}


sub _start
{
    my ($self) = @_;

    $self->_configure;
    $self->_start_mon;
    $self->_start_osd;

    # the first radosgw command makes the pools
    $self->_create_user('test', ACCESS_KEY, SECRET_KEY);
    $self->_start_rgw;
    $self->_create_user('other', OTHER_ACCESS_KEY, OTHER_SECRET_KEY);
    $self->_wait_rgw;

    $self->_create_buckets;
}


sub _configure
{
    my ($self) = @_;

    my $dir = $self->{dir};
    my $fsid = $self->{fsid} = slurp('/proc/sys/kernel/random/uuid');
    my $osd_uuid = $self->{osd_uuid} = slurp('/proc/sys/kernel/random/uuid');
    chomp($self->{fsid}, $self->{osd_uuid});

    # the OSD takes its eight ports from a range by itself
    my $low = 15000 + int rand 15000;
    my $high = $low + 1500;

    my $tls = $self->{tls} ? " ssl_endpoint=127.0.0.1:$self->{tls_port}"
                             . " ssl_certificate=$self->{tls}" : '';

    # Without cephx the "secure" mode cannot work: radosgw would hang.
    # The paxos intervals are what makes the start fast; tcp_nodelay what
    # makes keep-alive connections fast.
    write_file("$dir/ceph.conf", <<"CONF");
[global]
fsid = $self->{fsid}
mon initial members = a
mon host = [v2:127.0.0.1:$self->{mon_port}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
ms client mode = crc
ms cluster mode = crc
ms service mode = crc
ms mon cluster mode = crc
ms mon service mode = crc
ms bind ipv6 = false
ms bind msgr1 = false
ms bind port min = $low
ms bind port max = $high
run dir = $dir/run
admin socket =
pid file =
log file = $dir/log/\$name.log
keyring = $dir/keyring
crash dir = $dir/run
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd crush initial weight = 1
mon allow pool size one = true
mon max pg per osd = 2000
mon warn on pool no redundancy = false
[mon]
mon data = $dir/mon
mon data avail warn = 1
mon data avail crit = 1
mon osd min up ratio = 0
mon cluster log file = $dir/log/cluster.log
paxos propose interval = 0.01
paxos min wait = 0.01
[osd]
osd data = $dir/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd op queue = wpq
osd max object name len = 2048
osd max object namespace len = 256
osd numa auto affinity = false
osd op num shards = 2
osd op num threads per shard = 2
[client]
rgw frontends = beast endpoint=127.0.0.1:$self->{port} tcp_nodelay=1$tls
rgw data = $dir/rgw
rgw dns name = s3.localhost
rgw init timeout = 20
rgw run sync thread = false
rgw enable ops log = false
rgw enable usage log = false
rgw thread pool size = 64
rgw num rados handles = 1
rgw rados pool pg num min = 4
rgw dynamic resharding = false
rgw enable static website = false
CONF

    write_file("$dir/keyring", '');
}


sub _start_mon
{
    my ($self) = @_;

    my ($mon_map, $osd_map) = map { "$self->{dir}/run/$_.map" } qw(mon osd);

    $self->_run('monmap', 'monmaptool', '--create', '--clobber', '--fsid',
                $self->{fsid}, '--addv', 'a',
                "[v2:127.0.0.1:$self->{mon_port}]", $mon_map);

    # with osd.0 in it from the start, nobody has to ask for one
    $self->_run('osdmap', 'osdmaptool', '--createsimple', 1, '--clobber',
                $osd_map);

    $self->_run('mon-mkfs', 'ceph-mon', '-i', 'a', '--mkfs', '--monmap',
                $mon_map, '--osdmap', $osd_map);
    $self->_daemon('mon', 'ceph-mon', '-i', 'a');
}


sub _start_osd
{
    my ($self) = @_;

    $self->_run('osd-mkfs', 'ceph-osd', '-i', 0, '--mkfs', '--osd-uuid',
                $self->{osd_uuid});
    $self->_daemon('osd', 'ceph-osd', '-i', 0);

    # a client that comes before it is up waits five seconds for a new map
    wait_until('the OSD to boot', 30, sub {
        slurp($self->_log('osd.0')) =~ /booting -> active/;
    });
}


sub _start_rgw
{
    my ($self) = @_;

    $self->_daemon('rgw', 'radosgw', '-n', 'client.rgw.a');
}


sub _wait_rgw
{
    my ($self) = @_;

    my $pid = $self->pid('rgw');

    wait_until('radosgw to answer', 30, sub {
        reap($pid);
        die "radosgw has exited\n" if !alive($pid);

        return IO::Socket::INET->new(
            PeerAddr => '127.0.0.1', PeerPort => $self->{port},
            Proto => 'tcp', Timeout => 10);
    });
}


sub _create_user
{
    my ($self, $uid, $access_key, $secret_key) = @_;

    $self->_admin('user', 'create', "--uid=$uid", "--display-name=$uid",
                  "--access-key=$access_key", "--secret=$secret_key");
}


sub _create_buckets
{
    my ($self) = @_;

    my ($owner, $other) = ($self->client, $self->other_client);

    _check($owner->create_bucket($_)) for qw(public public-nolist private);
    _check($other->create_bucket('denied'));

    # an absent key is 404 only to those who may list
    _check($owner->policy('public', _policy(
        [ 's3:GetObject', 'public/*' ], [ 's3:ListBucket', 'public' ])));
    _check($owner->policy('public-nolist', _policy(
        [ 's3:GetObject', 'public-nolist/*' ])));
}


sub _policy
{
    my @statements = map { {
        Effect => 'Allow', Principal => '*', Action => [ $_->[0] ],
        Resource => [ "arn:aws:s3:::$_->[1]" ],
    } } @_;

    return { Version => '2012-10-17', Statement => \@statements };
}


sub _check
{
    my ($answer) = @_;

    die "S3: $answer->{status} $answer->{body}\n" if $answer->{status} >= 300;
}


sub _admin
{
    my ($self, @arguments) = @_;

    $self->_run('admin', 'radosgw-admin', @arguments);
}


sub _run
{
    my ($self, $name, @command) = @_;

    run_child($self->_options($name), @command, '-c', "$self->{dir}/ceph.conf");
}


# In the foreground, so that the daemon's pid is ours to know.
sub _daemon
{
    my ($self, $name, @command) = @_;

    my $pid = spawn($self->_options($name), @command, '-f', '-c',
                    "$self->{dir}/ceph.conf");

    write_file("$self->{dir}/run/$name.pid", $pid);
}


sub _options
{
    my ($self, $name) = @_;

    return {
        cwd => $self->{dir}, log => $self->_log($name), unprivileged => 1,
        env => { CEPH_ARGS => '', HOME => $self->{dir} },
    };
}


sub _log
{
    my ($self, $name) = @_;

    return "$self->{dir}/log/$name.log";
}


# Only processes that really are this cluster's: a number may be used again.
sub _pids
{
    my ($self) = @_;

    return grep { slurp("/proc/$_/cmdline") =~ m{\Q$self->{dir}\E/ceph\.conf} }
           map { slurp("$self->{dir}/run/$_.pid") || () } qw(rgw osd mon);
}


sub _tails
{
    my ($self) = @_;

    return join '', map { "$_:\n" . substr(slurp($_), -500) . "\n" }
                    glob "$self->{dir}/log/*.log";
}


1;
