-- This Source Code Form is subject to the terms of the Mozilla Public
-- License, v. 2.0. If a copy of the MPL was not distributed with this
-- file, You can obtain one at https://mozilla.org/MPL/2.0/.

-- what a day brings, with some of all that can be asked; args: a tag as for
-- distinct.lua, then the paths of known keys

dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "plain.lua")

local n = 0
local tag
local known = {}

function init(args)
    tag = args[1]

    for i = 2, #args do
        known[#known + 1] = wrk.format("GET", args[i])
    end
end

local id = "/44E4EC8C2F41492B9369D6B9A059577C2/"

local odd = {
    function() return wrk.format("GET", "/xul.pdb" .. id .. "xul.exe") end,
    function() return wrk.format("GET", "/xul.pdb" .. id .. "x%0Aul.sym") end,
    function() return wrk.format("GET", "/firefox/xul.pdb" .. id .. "xul.sym")
    end,
    function() return wrk.format("GET", "/not/a/symbol/at/all") end,
    function() return wrk.format("OPTIONS", "/xul.pdb" .. id .. "xul.sym") end,
    function() return wrk.format("POST", "/xul.pdb" .. id .. "xul.sym") end,
    function() return wrk.format("GET", "/index2.txt") end
}

-- of 400 requests one is new, one asks again, and 28 are odd

function request()
    n = n + 1

    local i = n % 400

    if i == 0 then
        return wrk.format("GET", string.format(
            "/xul.pdb/%s%025X/xul.sym?code_file=xul.dll&code_id=%X",
            tag, n, n))
    end

    if i == 200 then
        return wrk.format("GET", "/xul.pdb" .. id .. "xul.sym?_refresh=1")
    end

    if i % 14 == 0 then
        return odd[i / 14 % #odd + 1]()
    end

    return known[n % #known + 1]
end
