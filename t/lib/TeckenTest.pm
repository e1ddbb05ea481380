# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# What a .t file uses:
#
#     use TeckenTest;                      # an S3 server
#     use TeckenTest qw(:proxy :statsd);   # and more parts
#
# Parts start before the first block and end with the test.  Their ports are
# in the environment, so that $TEST_NGINX_S3_PORT and the like expand in the
# sections of a Test::Nginx block.  Where the environment already names an S3
# server (t/parts started it for all test files), that one is used.
#
# In sections that are Perl ("--- init") write TeckenTest::s3->put(...).

package TeckenTest;

use strict;
use warnings;

use TeckenTest::Dns;
use TeckenTest::FaultProxy;
use TeckenTest::Load;
use TeckenTest::Nginx;
use TeckenTest::Process qw(wait_until);
use TeckenTest::Radosgw;
use TeckenTest::S3;
use TeckenTest::Statsd;

my @EXPORT = qw(
    anonymous dns nginx other proxy radosgw s3 statsd wait_until
);

my %part;
my $owner;


# Part names start with a colon; ":none" starts nothing.
sub import
{
    my ($class, @wanted) = @_;

    @wanted = (':s3') if !@wanted;

    for my $name (@wanted) {
        my $start = $class->can('_start_' . substr $name, 1)
            or die "TeckenTest has no part $name\n";
        $start->();
    }

    my $caller = caller;

    no strict 'refs';
    *{"${caller}::$_"} = $class->can($_) for @EXPORT;
}


# The S3 server, and clients of it: as the owner of public, public-nolist
# and private; as the owner of denied; as nobody.
sub radosgw   { return $part{radosgw} // die "no S3 server\n" }
sub s3        { return $part{s3} //= radosgw()->client }
sub other     { return $part{other} //= radosgw()->other_client }
sub anonymous { return $part{anonymous} //= radosgw()->anonymous_client }


# In front of the S3 server; see TeckenTest::FaultProxy.
sub proxy { return $part{proxy} // die "no :proxy\n" }

# See TeckenTest::Statsd and TeckenTest::Dns.
sub statsd { return $part{statsd} // die "no :statsd\n" }
sub dns    { return $part{dns} // die "no :dns\n" }


# A new nginx for a scenario; see TeckenTest::Nginx.
sub nginx { return TeckenTest::Nginx->start(@_) }


sub _start_none { }


sub _start_s3
{
    return if $part{radosgw};

    if ($ENV{TEST_NGINX_S3_DIR}) {
        $part{radosgw} = TeckenTest::Radosgw->attach($ENV{TEST_NGINX_S3_DIR});
        $part{radosgw}->repair;
        return;
    }

    $part{radosgw} = _own(TeckenTest::Radosgw->start);
    _export($part{radosgw}->environment);
}


sub _start_proxy
{
    return if $part{proxy};

    _start_s3();

    $part{proxy} = _own(
        TeckenTest::FaultProxy->start(upstream => radosgw()->port));
    _export(
        TEST_NGINX_PROXY_PORT => $part{proxy}->port,
        TEST_NGINX_PROXY_CONTROL_PORT => $part{proxy}->control_port,
    );
}


sub _start_statsd
{
    return if $part{statsd};

    $part{statsd} = _own(TeckenTest::Statsd->start);
    _export(TEST_NGINX_STATSD_PORT => $part{statsd}->port);
}


sub _start_dns
{
    return if $part{dns};

    $part{dns} = _own(TeckenTest::Dns->start);
    _export(TEST_NGINX_DNS_PORT => $part{dns}->port);
}


my @owned;

sub _own
{
    my ($part) = @_;

    $owner = $$;
    push @owned, $part;

    return $part;
}


sub _export
{
    my (%environment) = @_;

    $ENV{$_} = $environment{$_} for keys %environment;
}


# A forked child runs this too: the parts are its parent's.
END {
    if (defined $owner && $owner == $$) {
        local $?;
        $_->stop for reverse @owned;
    }
}


1;
