-- This Source Code Form is subject to the terms of the Mozilla Public
-- License, v. 2.0. If a copy of the MPL was not distributed with this
-- file, You can obtain one at https://mozilla.org/MPL/2.0/.

-- a key that nobody has asked for with each request; args: a tag that makes
-- the keys of this run its own

dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "plain.lua")

local n = 0
local tag

function init(args)
    tag = args[1]
end

-- 33 hexadecimal digits: the tag has 8

function request()
    n = n + 1

    return wrk.format("GET", string.format(
        "/xul.pdb/%s%025X/xul.sym", tag, n))
end
