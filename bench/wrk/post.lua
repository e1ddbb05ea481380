-- This Source Code Form is subject to the terms of the Mozilla Public
-- License, v. 2.0. If a copy of the MPL was not distributed with this
-- file, You can obtain one at https://mozilla.org/MPL/2.0/.

-- one path, POST with the body in a file; args: the file, its content type;
-- prints what TeckenBench::Wrk reads

function init(args)
    local file = assert(io.open(args[1], "rb"))

    wrk.method = "POST"
    wrk.headers["Content-Type"] = args[2]
    wrk.body = file:read("*a")

    file:close()
end

function done(summary, latency, requests)
    local e = summary.errors

    io.write(string.format("requests=%d usec=%d errors=%d\n",
                           summary.requests, summary.duration,
                           e.connect + e.read + e.write + e.timeout
                           + e.status))
end
