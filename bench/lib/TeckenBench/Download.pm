# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# How each figure of downloads is measured.

package TeckenBench::Download;

use strict;
use warnings;

use TeckenBench::Herd;
use TeckenBench::Nginx;
use TeckenBench::Wrk;
use TeckenTest::FaultProxy;
use TeckenTest::Process qw(slurp);

use constant {
    MIXED_REQUESTS => 2_000_000,
    KEYS => 1_000_000,
    ZONE_MIB => 48,
    HERD => 512,
};

my $found = '/xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2/xul.sym';
my $missing = '/xul.pdb/55E4EC8C2F41492B9369D6B9A059577C2/xul.sym';
my $file = '/ntdll.pdb/F86EB934B42FBB79B2595AA25907695C1/ntdll.sym';

# so that the keys of two runs differ
my $tag = sprintf '%04X', $$ % 65536;
my $serial = 0;


# name, unit, digits, operator, target, text: see TeckenBench::Report
sub figures
{
    return (
        [ 'download_cached_ratio', 'ratio', 2, '>=', 0.75,
          'requests/s of a known symbol (302) against `return 302` with the '
          . 'same headers' ],
        [ 'download_cold_cpu_us', 'us', 1, '<=', 60,
          'worker CPU of a lookup of a new key in one public S3 source' ],
        [ 'download_herd_heads', 'heads', 0, '==', 3,
          HERD . ' clients at once on one unknown key, 2 workers, 3 sources: '
          . 'HEADs that the sources get' ],
        [ 'download_shm_bytes_per_key', 'bytes', 1, '<=', 128,
          'the whole zone, shared by ' . KEYS . ' known keys' ],
        [ 'download_rss_growth_kib', 'KiB', 0, '<=', 2048,
          'growth of a worker over ' . MIXED_REQUESTS . ' mixed requests '
          . 'after warm-up, shared memory included' ],

        [ 'download_cached_rps', 'requests/s', 0, undef, undef,
          'a known symbol (302), one worker' ],
        [ 'download_cached_cpu_ratio', 'ratio', 2, undef, undef,
          'the same pairs by worker CPU: `return 302` against it, less '
          . 'sensitive to what else the machine does' ],
        [ 'download_cached_cpu_us', 'us', 2, undef, undef,
          'worker CPU of the same' ],
        [ 'download_presigned_ratio', 'ratio', 2, undef, undef,
          'requests/s of a known private symbol (302, presigned) against '
          . '`return 302` with the same headers' ],
        [ 'download_missing_ratio', 'ratio', 2, undef, undef,
          'requests/s of a symbol known to be missing (404) against '
          . '`return 404` with the same headers and body' ],
        [ 'download_file_ratio', 'ratio', 2, undef, undef,
          'requests/s of a small file of a file storage against the same '
          . 'file and headers by `root`' ],
        [ 'download_cold_signed_cpu_us', 'us', 1, undef, undef,
          'as download_cold_cpu_us, in one private source (signed HEAD)' ],
        [ 'download_cold_proxy_cpu_us', 'us', 1, undef, undef,
          'worker CPU when nginx itself asks the same with `proxy_pass` and '
          . 'keep-alive, for comparison' ],
        [ 'download_cold_rps', 'requests/s', 0, undef, undef,
          'those of download_cold_cpu_us by time: the source is the limit' ],
    );
}


# runs, seconds, report, radosgw
sub new
{
    my ($class, %options) = @_;

    my $self = bless { %options }, $class;

    $self->_put($_, $found) for qw(public private);

    return $self;
}


# What is known already, against nginx's own answer with the same headers.
sub measure_cached
{
    my ($self) = @_;

    my %source = (public => 'public', missing => 'public',
                  private => 'private', file => 'local');
    my %path = (public => $found, missing => $missing, private => $found,
                file => $file);

    my $servers = join '', map { _server($_, <<"END") } sort keys %source;
        location / { tecken_download; tecken_sources $source{$_}; }
END

    # its answers make the configuration of the other ones
    my $nginx = $self->_start($servers);

    for my $name (sort keys %source) {
        my $model = $nginx->get($path{$name}, $name);

        $servers .= _server("plain-$name", _as_answered($name, $model));
    }

    $nginx->stop;
    $nginx = $self->_start($servers);

    my %ratio;
    my (@known, @cpu_ratio);

    for my $name (qw(public private missing file)) {
        _check_alike($nginx, $path{$name}, $name);

        for (1 .. $self->{runs}) {
            my %result = $self->_compare($nginx, $path{$name}, $name,
                                         "plain-$name");

            push @{ $ratio{$name} },
                $result{$name}{rps} / $result{"plain-$name"}{rps};

            next if $name ne 'public';

            push @known, $result{$name};
            push @cpu_ratio, $result{"plain-$name"}{cpu_usec}
                             / $result{$name}{cpu_usec};
        }
    }

    my $report = $self->{report};

    $report->add('download_cached_ratio', @{ $ratio{public} });
    $report->add('download_cached_rps', map { $_->{rps} } @known);
    $report->add('download_cached_cpu_ratio', @cpu_ratio);
    $report->add('download_cached_cpu_us', map { $_->{cpu_usec} } @known);
    $report->add('download_presigned_ratio', @{ $ratio{private} });
    $report->add('download_missing_ratio', @{ $ratio{missing} });
    $report->add('download_file_ratio', @{ $ratio{file} });
}


# Keys that nobody has asked for.
sub measure_cold
{
    my ($self) = @_;

    my @source = qw(public private);
    my $s3 = '127.0.0.1:' . $self->{radosgw}->port;

    # the worker's processor is not the source's
    TeckenBench::Nginx::leave_to_worker(
        map { $self->{radosgw}->pid($_) } qw(mon osd rgw));

    my $servers = join '', map { _server($_, <<"END") } @source;
        location / { tecken_download; tecken_sources $_; }
END

    my $nginx = $self->_start(
        "upstream s3 { server $s3; keepalive 64; }\n" . $servers
        . _server('plain', <<'END'));
        location / {
            rewrite ^(.*)$ /public/v1$1 break;
            proxy_pass http://s3;
            proxy_method HEAD;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_intercept_errors on;
            error_page 404 = @missing;
        }
        location @missing { return 404 "Symbol Not Found"; }
END

    my %result;

    # connections to the source
    $self->_wrk($nginx, host => $_, $self->_distinct) for @source, 'plain';

    for (1 .. $self->{runs}) {
        push @{ $result{plain} },
            $self->_wrk($nginx, host => 'plain', $self->_distinct);

        for my $source (@source) {
            my $before = _lookups($nginx, $source);
            my $result = $self->_wrk($nginx, host => $source,
                                     $self->_distinct);

            # wrk does not count those that are under way at the end
            die "not all were lookups of new keys\n"
                if _lookups($nginx, $source) - $before < $result->{requests};

            push @{ $result{$source} }, $result;
        }
    }

    my $report = $self->{report};

    $report->add('download_cold_cpu_us',
                 map { $_->{cpu_usec} } @{ $result{public} });
    $report->add('download_cold_signed_cpu_us',
                 map { $_->{cpu_usec} } @{ $result{private} });
    $report->add('download_cold_proxy_cpu_us',
                 map { $_->{cpu_usec} } @{ $result{plain} });
    $report->add('download_cold_rps', map { $_->{rps} } @{ $result{public} });
}


# The worst of some times counts: the first source has the key, the last one,
# or none.
sub measure_herd
{
    my ($self) = @_;

    my @bucket = qw(public private public-nolist);
    my @proxy = map {
        TeckenTest::FaultProxy->start(upstream => $self->{radosgw}->port)
    } @bucket;

    # all clients have asked before the first answer comes
    $_->mode('latency', ms => 100) for @proxy;

    my $storages = join '', map {
        $self->_storage("herd$_", $bucket[$_], $proxy[$_]->port)
    } 0 .. $#bucket;

    my $nginx = $self->_start($storages . _server('herd', <<'END'), 2);
        location / {
            tecken_download;
            tecken_sources herd0 herd1 herd2;
            add_header X-Worker $pid always;
        }
END

    my $worst = @bucket;

    for my $run (1 .. $self->{runs}) {
        for my $has (0, $#bucket, undef) {
            my $path = "/herd.pdb/$tag$run/" . ($has // 'none') . '.sym';

            $self->_put($bucket[$has], $path) if defined $has;
            $_->reset, $_->mode('latency', ms => 100) for @proxy;

            TeckenBench::Herd::run($nginx, $path, HERD,
                                   defined $has ? 302 : 404);

            my $heads = 0;
            $heads += $_->count('HEAD') for @proxy;

            $worst = $heads if abs($heads - @bucket) > abs($worst - @bucket);
        }
    }

    $self->{report}->add('download_herd_heads', $worst);

    $_->stop for @proxy;
}


# A zone with as many keys as asked for, none thrown out.
sub measure_shm
{
    my ($self) = @_;

    my $nginx = $self->_start(_server('shm', <<'END'), 1, ZONE_MIB . 'm');
        location = /probe { tecken_probe_cache; }
END

    my $answer = $nginx->get('/probe?op=bench&n=' . KEYS);
    die "probe: $answer->{status}\n" if $answer->{status} != 200;

    my $keys = $nginx->metric('tecken_cache_keys');
    my $evictions = $nginx->metric('tecken_cache_evictions');

    die "$keys keys are in the zone, $evictions were thrown out\n"
        if $keys < KEYS || $evictions;

    $self->{report}->add('download_shm_bytes_per_key',
                         ZONE_MIB * 1024 * 1024 / KEYS);
}


# The zone is small and full before it begins.
sub measure_rss
{
    my ($self) = @_;

    my $nginx = $self->_start(_server('mixed', <<'END'), 1, '2m');
        location / {
            tecken_download;
            tecken_sources local public private;
        }
        location = /probe { tecken_probe_cache; }
END

    $nginx->get('/probe?op=bench&n=100000', 'mixed');

    # in the first, in the last, nowhere
    my $private = '/xul.pdb/66E4EC8C2F41492B9369D6B9A059577C2/xul.sym';
    $self->_put('private', $private);

    my @mixed = (script => 'mixed');
    my @known = ($file, $found, $private, $missing);

    my $run = sub {
        my ($requests) = @_;

        while ($requests > 0) {
            my $result = $self->_wrk($nginx, @mixed, host => 'mixed',
                                     args => [ $self->_new_tag, @known ]);
            $requests -= $result->{requests};
        }
    };

    $run->(MIXED_REQUESTS / 4);
    my $before = $nginx->rss_kib;

    $run->(MIXED_REQUESTS);

    $self->{report}->add('download_rss_growth_kib', $nginx->rss_kib - $before);
}


sub _start
{
    my ($self, $http, $workers, $zone) = @_;

    my $port = $self->{radosgw}->port;

    $http = $self->_storage('public', 'public', $port)
          . $self->_storage('private', 'private', $port)
          . "tecken_storage local file://%DIR%/files;\n"
          . $http;

    return TeckenBench::Nginx->start(
        http => $http, workers => $workers // 1, zone => $zone // '64m',
        files => { "files$file" => slurp("t/data/symbols$file") },
    );
}


sub _storage
{
    my ($self, $name, $bucket, $port) = @_;

    my %s3 = $self->{radosgw}->environment;
    my $access = $bucket =~ /^public/ ? 'access=public'
        : "access_key=$s3{TEST_NGINX_S3_ACCESS_KEY} "
          . "secret_key=$s3{TEST_NGINX_S3_SECRET_KEY}";

    $access .= ' list=off' if $bucket =~ /nolist/;

    return "tecken_storage $name http://127.0.0.1:$port/$bucket "
           . "prefix=v1 region=us-east-1 $access;\n";
}


sub _server
{
    my ($name, $locations) = @_;

    return <<"END";
    server {
        listen 127.0.0.1:%PORT%;
        server_name $name;
        location = /metrics { tecken_metrics; }
$locations
    }
END
}


# nginx's own means to give the answer of the module.
sub _as_answered
{
    my ($name, $model) = @_;

    my %headers = %{ $model->{headers} };
    my $location = delete $headers{location};
    my $type = delete $headers{'content-type'};

    my $conf = qq{        default_type "$type";\n};
    $conf .= qq{        types { text/plain sym; }\n        root %DIR%/files;\n}
        if $name eq 'file';

    delete @headers{ qw(server date content-length connection etag
                        last-modified accept-ranges) };

    $conf .= qq{        add_header $_ "$headers{$_}" always;\n}
        for sort keys %headers;

    return $conf if $name eq 'file';
    return $conf . qq{        location / { return 302 "$location"; }\n}
        if $location;
    return $conf
         . qq{        location / { return 404 "$model->{body}"; }\n};
}


# The mean results of two hosts that take turns, ABBA, each for a second: what
# else the machine does meets both.
sub _compare
{
    my ($self, $nginx, $path, @hosts) = @_;

    my %sum;

    for (1 .. $self->{seconds}) {
        for my $host (@hosts) {
            my $result = $self->_wrk($nginx, path => $path, host => $host,
                                     seconds => 1);

            $sum{$host}{$_} += $result->{$_} / $self->{seconds}
                for keys %$result;
        }

        @hosts = reverse @hosts;
    }

    return %sum;
}


# Both answers are what they should be and have the same headers.
sub _check_alike
{
    my ($nginx, $path, $name) = @_;

    my %status = (public => 302, private => 302, missing => 404, file => 200);
    my @answer = map { $nginx->get($path, $_) } $name, "plain-$name";

    for my $answer (@answer) {
        my $headers = $answer->{headers};

        die "$path of $name: status $answer->{status}\n"
            if $answer->{status} != $status{$name};

        # "return 302" has a page of its own
        delete @$headers{ qw(date content-length) };
        delete $headers->{'content-type'} if $headers->{location};
        $headers->{location} =~ s/\?.*// if $headers->{location};

        $answer->{text} = join "\n", map { "$_: $headers->{$_}" }
                                     sort keys %$headers;
    }

    die "answers of $name and nginx differ:\n$answer[0]{text}\n--\n"
        . "$answer[1]{text}\n" if $answer[0]{text} ne $answer[1]{text};
}


sub _lookups
{
    my ($nginx, $source) = @_;

    return $nginx->metric('tecken_download_lookups_total',
                          qq{source="$source"}, 'result="missing"');
}


sub _wrk
{
    my ($self, $nginx, %options) = @_;

    return TeckenBench::Wrk::run($nginx, seconds => $self->{seconds},
                                 path => '/', %options);
}


sub _distinct
{
    my ($self) = @_;

    return (script => 'distinct', args => [ $self->_new_tag ]);
}


# eight hexadecimal digits
sub _new_tag { return sprintf '%s%04X', $tag, $serial++ }


sub _put
{
    my ($self, $bucket, $path) = @_;

    my $answer = $self->{radosgw}->client->put($bucket, "v1$path", 'MODULE');
    die "S3: status $answer->{status}\n" if $answer->{status} != 200;
}


1;
