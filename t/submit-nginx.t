# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Crash reports amid what else nginx does: mirror, subrequests, limit_except,
# limit_conn, bodies that another module has read.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Test::More;

use SubmitTest qw(
    collector connection form gzip post raw_post read_answer spool_dir spooled
);
use TeckenTest::Process qw(wait_until);

my ($spool, $copies) = map { spool_dir() } 1 .. 2;

my $nginx = collector(
    workers => 2, spool => $spool,
    http => 'limit_conn_zone $binary_remote_addr zone=senders:1m;',
    server => "
        location = /mirrored { mirror /copy; antenna_submit; }
        location = /copy {
            internal;
            proxy_pass http://127.0.0.1:%%PORT%%/staging;
        }
        location = /staging { antenna_submit; antenna_spool $copies; }

        location = /from { mirror /submit; proxy_pass
                           http://127.0.0.1:%%PORT%%/staging; }
        location = /checked { auth_request /submit; antenna_submit; }

        location = /except {
            antenna_submit;
            limit_except OPTIONS { allow 127.0.0.1; deny all; }
        }
        location = /denied {
            antenna_submit;
            limit_except OPTIONS { deny all; }
        }
        location = /limited { antenna_submit; limit_conn senders 1; }
    ",
);


sub clean { unlink map { glob "$_/new/*" } $spool, $copies }


# [ parts, what is to be in both spools ]
my $dump = join '', map { sha256_hex($_) } 1 .. 5000;
my @cases = (
    [ 'a small one', [ [ a => 'small' ] ] ],
    [ 'a dump of 320 KB', [ [ a => 1 ],
      { name => 'd', filename => 'x', data => $dump,
        type => 'application/octet-stream' } ] ],
    [ 'a large annotation', [ [ a => $dump ] ] ],
);

for my $case (@cases) {
    my ($name, $parts) = @$case;

    for my $zip (0, 1) {
        my $what = $name . ($zip ? ', gzip' : '');
        my $answer = post($nginx, $parts, path => '/mirrored', timeout => 60,
            $zip ? (encode => \&gzip,
                    headers => { 'Content-Encoding' => 'gzip' }) : ());
        is $answer->{status}, 200, "$what: is taken";

        wait_until('its copy', 20, sub { glob "$copies/new/*" });

        my @crashes = map { [ spooled($_) ] } $spool, $copies;
        is_deeply [ map { scalar @$_ } @crashes ], [ 1, 1 ], 'one in each';
        is_deeply [ map { $_->[0]{dumps} } @crashes ],
                  [ ({ map { $_->{name} => $_->{data} }
                       grep { ref eq 'HASH' } @$parts }) x 2 ], 'its dumps';
        is_deeply [ map { $_->[0]{raw}{a} } @crashes ],
                  [ ($parts->[0][1]) x 2 ], 'its annotation';
        clean();
    }
}

# no crash report is a subrequest; whoever wants the body still has it
is post($nginx, [ [ a => 'x' x 100_000 ] ], path => '/from')->{status}, 200,
   'a mirror of something else';
is length((spooled($copies))[0]{raw}{a}), 100_000, 'which has its body';
is scalar(spooled($spool)), 0, 'and is no crash here';
$nginx->wait_log(qr/\[error\].*a crash report is no subrequest/);
clean();

is post($nginx, [ [ a => 1 ] ], path => '/checked')->{status}, 403,
   'auth_request has an answer, too';
is scalar(spooled($spool)), 0, 'no crash of it';

# limit_except
is post($nginx, [ [ a => 1 ] ], path => '/except')->{status}, 200,
   'limit_except: who may';
is post($nginx, [ [ a => 1 ] ], path => '/denied')->{status}, 403, 'who may not';
is $nginx->request('OPTIONS', $_)->{status}, 200, "$_: what is excepted"
    for '/except', '/denied';
is $nginx->get('/except')->{status}, 405, 'what is no method of it';
clean();

# limit_conn
my $body = form('X', [ a => 1 ]);
my $slow = connection($nginx);
print $slow "POST /limited HTTP/1.1\r\nHost: x\r\n"
            . "Content-Type: multipart/form-data; boundary=X\r\n"
            . 'Content-Length: ' . length($body) . "\r\n\r\n";

# which of two workers takes it first is nobody's choice
wait_until('the limit', 10, sub {
    post($nginx, [ [ a => 1 ] ], path => '/limited')->{status} == 503
});
print $slow $body;
is read_answer($slow)->{status}, 200, 'the one within limit_conn is taken';
close $slow;
wait_until('the place to be free', 10, sub {
    post($nginx, [ [ a => 1 ] ], path => '/limited')->{status} == 200
});

unlike $nginx->error_log, qr/\[(?:alert|crit|emerg)\]/, 'no complaint';

$nginx->stop;

done_testing;
