# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.

# The answers of symbolic 13.6.1, on glibc and on tiny files that try a rule
# each: all of them have to be ours.

use strict;
use warnings;

use Test::More;

my $tool = ($ENV{TECKEN_BUILD} || 'build') . '/tecken-symcache';

plan skip_all => "no $tool: make tool" if !-x $tool;

my $out = qx{t/check-symbols $tool t/data/symbols-oracle t/data/symbols/libc.so.6 2>&1};

is($?, 0, 'no answer differs') or diag($out);
like($out, qr{libc\.so\.6\.sym: 1000 of 1000 answers are the same\n},
     'glibc');
like($out, qr{edge-cases\.json: 35 tiny files, 0 differences\n},
     'tiny files');
like($out, qr{\b4 errors: 0 differ\n\z}, 'errors in strict mode');

done_testing();
