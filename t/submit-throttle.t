# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# Throttling: the rules of Antenna of 2018 and of 2026, one by one, with the
# crashes for which antenna/throttler.py has them match or not; percentages;
# the language; what "nginx -t" refuses.

use strict;
use warnings;

use POSIX qw(strftime);
use Test::More;

use FindBin;
use SubmitTest qw(collector kept post spooled spool_dir);
use TeckenTest::Nginx;

my $conf = "$FindBin::Bin/../conf/antenna";

my $nginx = collector(
    workers => 1,
    http => <<"END",
        antenna_throttle_seed 7;
        log_format rule '\$antenna_result \$antenna_rule';
        map \$antenna_annotation_addons \$has_addon {
            default 0;
            ~bad\@  1;
        }
        map \$http_x_block \$blocked_product { default -; ~. \$http_x_block; }
        antenna_throttle_rules mozilla_2018 {
            include $conf/throttle-2018.conf;
        }
        antenna_throttle_rules mozilla_2026 {
            include $conf/throttle-2026.conf;
        }
        antenna_throttle_rules language {
            list channels  beta nightly;

            rule number    reject      if Uptime < 10.5;
            rule version   reject      if Version version < 60.0b3;
            rule mapped    fakeaccept  if \$has_addon = 1;
            rule variable  reject      if Product = \$blocked_product;
            rule member    defer       if Env:system.os = "Windows NT";
            rule both      defer       if A exists and not ( B = 1 or B in ( 2 3 ) );
            rule listed    defer       if Channel in channels;
            rule half      50% accept reject  if Half exists;
            rule skip      0% reject continue if Skip exists;
            rule last      accept      if Last = yes;
        }
END
    server => "
        access_log %%PREFIX%%/rules.log rule;
        location = /2018 { antenna_submit; antenna_throttle mozilla_2018; }
        location = /2026 { antenna_submit; antenna_throttle mozilla_2026; }
        location = /language { antenna_submit; antenna_throttle language; }
        location = /all { antenna_submit; antenna_throttle all; }
    ",
);


# the rule that judged and its result, as the answer and the raw crash say
sub judged
{
    my ($path, $crash, %headers) = @_;

    my $answer = post($nginx, [ map { [ $_ => $crash->{$_} ] }
                                sort keys %$crash ],
                      path => $path, headers => \%headers);

    return "reject $1" if $answer->{body} =~ /\ADiscarded=rule_(\w+)\z/;
    return "$answer->{status} $answer->{body}"
        if $answer->{body} !~ /\ACrashID=bp-.{29}(\d)/;

    return 'fakeaccept' if $1 == 3;

    my $kept = kept($nginx, $answer);
    return ($1 ? 'defer ' : 'accept ')
           . ($kept->{raw}{metadata}{throttle_rule} // '?');
}


sub vectors
{
    my ($path, @vectors) = @_;

    for my $vector (@vectors) {
        my ($verdict, %crash) = @$vector;

        is judged($path, \%crash), $verdict,
           "$path: " . join ' ', map { "$_=$crash{$_}" } sort keys %crash;
    }
}


both($_) for qw(/2018 /2026);

my %firefox = (ProductName => 'Firefox');

vectors('/2018',
    [ 'accept throttleable_0', %firefox, Throttleable => 0 ],
    [ 'accept has_comments', %firefox, Comments => '' ],
    [ 'accept has_email', %firefox, Email => 'a@b' ],
    [ 'accept accept_everything', %firefox, Email => 'nobody' ],
    [ 'accept accept_everything', %firefox, Email => '' ],
    [ 'accept is_alpha_beta_esr', %firefox, ReleaseChannel => 'aurora' ],
    [ 'accept accept_everything', %firefox, PHCKind => 'x' ],
    (map { [ 'accept accept_everything', ProductName => $_ ] }
     qw(Firefox Fennec FirefoxReality Focus GeckoViewExample ReferenceBrowser
        Thunderbird SeaMonkey)),
    [ 'reject unsupported_product', ProductName => 'Fenix' ],
    [ 'reject infobar_is_true', %firefox, SubmittedFromInfobar => 'true',
      Version => '57.0', BuildID => '20171225235959' ],
    [ 'reject infobar_is_true', %firefox, SubmittedFromInfobar => 'true',
      Version => '52.0', BuildID => '20170101' ],
    [ 'accept accept_everything', %firefox, SubmittedFromInfobar => 'true',
      Version => '57.0', BuildID => '20171226000000' ],
    [ 'accept accept_everything', %firefox, SubmittedFromInfobar => 'true',
      Version => '60.0', BuildID => '20171225' ],
    [ 'accept accept_everything', %firefox, SubmittedFromInfobar => 'true',
      Version => '51.0', BuildID => '20171225' ],
    [ 'accept accept_everything', %firefox, SubmittedFromInfobar => 'false',
      Version => '57.0', BuildID => '20171225' ],
    [ 'accept accept_everything', ProductName => 'Fennec',
      SubmittedFromInfobar => 'true', Version => '57.0',
      BuildID => '20171225' ],
);

my $day = 24 * 3600;
my $old = strftime('%Y%m%d000000', gmtime(time - 740 * $day));
my $new = strftime('%Y%m%d000000', gmtime(time - 720 * $day));

vectors('/2026',
    [ 'reject has_old_buildid', %firefox, BuildID => $old,
      Throttleable => 0 ],
    [ 'accept accept_everything', %firefox, BuildID => $new ],
    [ 'accept accept_everything', %firefox, BuildID => '20010101' ],
    [ 'accept accept_everything', %firefox, BuildID => '20019901000000' ],
    [ 'accept accept_everything', %firefox, BuildID => '19990101000000' ],
    [ 'accept accept_everything', %firefox, BuildID => '2001010100000x' ],
    (map { [ 'accept accept_everything', ProductName => $_ ] }
     ('Firefox', 'Firefox Enterprise', 'MozillaVPN', 'Thunderbird')),
    (map { [ 'reject unsupported_product', ProductName => $_ ] }
     ('SeaMonkey', 'Fennec', 'None', '')),
    (map { [ 'accept accept_everything', ProductName => $_->[0],
             Android_PackageName => $_->[1] ] }
     [ Fenix => 'org.mozilla.firefox' ],
     [ Fenix => 'org.mozilla.firefox_beta' ],
     [ Fenix => 'org.mozilla.fenix' ], [ Focus => 'org.mozilla.focus' ],
     [ Focus => 'org.mozilla.focus.beta' ],
     [ Focus => 'org.mozilla.focus.nightly' ],
     [ Focus => 'org.mozilla.klar' ],
     [ ReferenceBrowser => 'org.mozilla.reference.browser' ],
     [ Firefox => 'com.fork' ]),
    (map { [ 'reject unsupported_packagename', ProductName => $_->[0],
             $_->[1] ? (Android_PackageName => $_->[1]) : () ] }
     [ Fenix => undef ], [ Fenix => 'com.fork' ],
     [ Fenix => 'org.mozilla.focus' ], [ Focus => '' ],
     [ ReferenceBrowser => 'org.mozilla.firefox' ]),
    [ 'accept throttleable_0', %firefox, Throttleable => 0 ],
    [ 'accept accept_everything', %firefox, Throttleable => 1 ],
    [ 'accept has_comments', %firefox, Comments => '' ],
    [ 'accept accept_everything', %firefox, Email => 'a@b' ],
    [ 'accept has_phc', %firefox, PHCKind => 'FreedPage' ],
    (map { [ 'accept is_background', %firefox, ProcessType => $_ ] }
     qw(gpu plugin rdd socket utility)),
    [ 'accept accept_everything', %firefox, ProcessType => 'content' ],
);

environment();
percentages();
language();
unknown_product();
configuration();

my @rules = split /\n/, do {
    local (@ARGV, $/) = $nginx->prefix . '/rules.log'; <> };
ok((grep { $_ eq 'fakeaccept b2g' } @rules), 'the log has each rule');

$nginx->stop;

done_testing;


# rules that the two have
sub both
{
    my ($path) = @_;

    my %product = (ProductName => 'Firefox');

    vectors($path,
        [ 'reject has_hangid_and_browser', %product, HangID => 'x' ],
        [ 'reject has_hangid_and_browser', %product, HangID => '',
          ProcessType => 'browser' ],
        [ $path eq '/2026' ? 'accept is_background'
                           : 'accept accept_everything',
          %product, HangID => 'x', ProcessType => 'plugin' ],
        [ 'fakeaccept', ProductName => 'B2G' ],
        [ 'fakeaccept', ProductName => 'b2g' ],
        [ 'reject unsupported_product', ProductName => 'B2Gx' ],
        [ 'reject unsupported_product', ProductName => 'firefox' ],
        [ 'reject unsupported_product', ProductName => 'Firefox ' ],
        [ 'reject unsupported_product', Version => '1' ],
        [ 'reject unsupported_product', ProductName => 'Nope',
          Throttleable => 0 ],
        [ 'accept is_alpha_beta_esr', %product, ReleaseChannel => 'beta' ],
        [ 'accept is_alpha_beta_esr', %product, ReleaseChannel => 'esr' ],
        [ 'accept is_nightly', %product, ReleaseChannel => 'nightly' ],
        [ 'accept is_nightly', %product, ReleaseChannel => 'nightly-x' ],
        [ 'accept accept_everything', %product, ReleaseChannel => 'default' ],
        [ 'accept accept_everything', %product ],
        [ 'accept accept_everything', ProductName => 'Thunderbird',
          ReleaseChannel => 'release' ],
    );
}


# what is looked for inside of an annotation's JSON may be anything
sub environment
{
    my %esr = (ProductName => 'Firefox', ReleaseChannel => 'esr');

    for my $json ('', '[]', '7', 'null', '{', '{"system": 1}',
                  '{"system": {"os": []}}',
                  '{"system": {"os": {"name": "Linux", '
                  . '"windowsBuildNumber": 9600}}}',
                  '{"system": {"os": {"name": "Windows_NT", '
                  . '"windowsBuildNumber": 9601}}}')
    {
        is judged('/2026', { %esr, TelemetryEnvironment => $json }),
           'accept is_alpha_beta_esr', "TelemetryEnvironment $json";
    }

    # without a number it is 0
    my %seen;
    $seen{ judged('/2026', { %esr, TelemetryEnvironment =>
        '{"system": {"os": {"name": "Windows_NT"'
        . ($_ % 2 ? '' : ', "windowsBuildNumber": 9600') . '}}}' }) }++
        for 1 .. 60;

    is join(', ', sort keys %seen), 'accept is_alpha_beta_esr, '
       . 'reject is_firefox_esr_unsupported_windows', '25% go on';
    cmp_ok $seen{'accept is_alpha_beta_esr'}, '<', 30, 'the fewer';
}


# with so many a fair coin would have to be very unfair
sub percentages
{
    my %crash = (ProductName => 'Firefox', ReleaseChannel => 'release');

    for my $path (qw(/2018 /2026)) {
        my %seen;
        $seen{ judged($path, \%crash) }++ for 1 .. 150;

        is join(', ', sort keys %seen),
           'accept is_firefox_desktop, reject is_firefox_desktop',
           "$path: Firefox release";
        cmp_ok $seen{'accept is_firefox_desktop'}, '>', 2, 'some are taken';
        cmp_ok $seen{'accept is_firefox_desktop'}, '<', 40, 'not many';
    }

    my %seen;
    $seen{ judged('/2026', { ProductName => 'Firefox',
                             ipc_channel_error => 'ShutDownKill' }) }++
        for 1 .. 100;
    is join(', ', sort keys %seen),
       'accept accept_everything, reject is_shutdownkill', 'is_shutdownkill';

    my ($kept) = grep { $_->{raw}{metadata}{throttle_rule}
                        eq 'is_firefox_desktop' } spooled($nginx);
    is $kept->{raw}{throttle_rate}, 10, 'throttle_rate';
}


sub language
{
    vectors('/language',
        [ 'reject number', Uptime => '10.4' ],
        [ 'reject NO_MATCH', Uptime => '10.5' ],
        [ 'reject NO_MATCH', Uptime => 'soon' ],
        [ 'reject version', Version => '60.0b2' ],
        [ 'reject version', Version => '59.9' ],
        [ 'reject NO_MATCH', Version => '60.0b3' ],
        [ 'reject NO_MATCH', Version => '60.0' ],
        [ 'fakeaccept', 'Add-ons' => 'x' , addons => 'bad@1' ],
        [ 'defer member', Env => '{"system": {"os": "Windows NT"}}' ],
        [ 'reject NO_MATCH', Env => '{"system": {"os": "Windows"}}' ],
        [ 'defer both', A => 1 ],
        [ 'defer both', A => 1, B => 4 ],
        [ 'reject NO_MATCH', A => 1, B => 1 ],
        [ 'reject NO_MATCH', A => 1, B => 3 ],
        [ 'reject NO_MATCH', B => 4 ],
        [ 'defer listed', Channel => 'beta' ],
        [ 'reject NO_MATCH', Channel => 'Beta' ],
        [ 'accept last', Last => 'yes', Skip => 1 ],
        [ 'reject NO_MATCH', Last => 'no' ],
    );

    is judged('/language', { Product => 'X' }, 'X-Block' => 'X'),
       'reject variable', 'a variable';
    is judged('/language', { Product => 'X' }, 'X-Block' => 'Y'),
       'reject NO_MATCH', 'another value of it';
    is judged('/all', { whatever => 'is' }), 'accept accept_everything',
       'all';

    my @coins = map { judged('/language', { Half => 1 }) =~ /^(\w)/ } 1 .. 40;
    my $seen = join '', @coins;
    like $seen, qr/a.*r|r.*a/, "50%: $seen";
}


sub unknown_product
{
    ok !(grep { ($_->{raw}{ProductName} // '') eq 'Nope' } spooled($nginx)),
       'nothing of a rejected crash is kept';
}


# file and line of each mistake
sub configuration
{
    my $refuse = sub {
        my ($line, $text) = @_;

        return TeckenTest::Nginx->refuses(
            http => "tecken_zone tecken:4m;\nantenna_throttle_rules x {\n"
                    . "$line\n}\n" . ($text // ''));
    };

    my %wrong = (
        'rule;' => qr/rule/,
        'rule "" accept;' => qr/rule/,
        'rule bad-name accept;' => qr/letters, digits/,
        'rule a perhaps;' => qr/perhaps/,
        'rule a 101% accept reject;' => qr/101%/,
        'rule a 10% accept;' => qr/./,
        'rule a accept if;' => qr/./,
        'rule a accept if A;' => qr/./,
        'rule a accept if A = ;' => qr/./,
        'rule a accept if A = 1 and;' => qr/./,
        'rule a accept if ( A = 1;' => qr/./,
        'rule a accept if A = 1 );' => qr/./,
        'rule a accept if A ~ "(";' => qr/./,
        'rule a accept if A < x;' => qr/invalid number/,
        'rule a accept if A older soon;' => qr/./,
        'rule a accept if A in nowhere;' => qr/nowhere/,
        'rule a accept; rule b accept;' => qr/./,
        'list l;' => qr/list/,
        'list l a; list l b;' => qr/list/,
        'include;' => qr/include/,
        'unknown x;' => qr/unknown/,
        '' => qr/no rules/,
    );

    for my $line (sort keys %wrong) {
        my $text = eval { $refuse->($line) } // "accepted: $@";

        like $text, $wrong{$line}, "refused: $line";
        like $text, qr/\[emerg\] .* in \S+:\d+/, 'with file and line';
    }

    my $spool = spool_dir();
    my $ok = 'rule a accept;';

    my %more = (
        "antenna_throttle_rules x { $ok }" => qr/name of another/,
        "antenna_throttle_rules all { $ok }" => qr/"all"/,
    );

    like $refuse->($ok, $_), $more{$_}, $_ for sort keys %more;

    like(TeckenTest::Nginx->refuses(
        http => 'tecken_zone tecken:4m;',
        server => "location /s { antenna_submit; antenna_spool $spool;
                                 antenna_store_to off;
                                 antenna_throttle missing; }"),
        qr/no "antenna_throttle_rules" called "missing"/, 'missing rules');
}
