-- GET random paths of a file. Arguments: the file (lines "path" or "path etag"), and the API key or "-".
require("told")

local requests = {}

function init(args)
  math.randomseed(os.time())
  for line in io.lines(args[1]) do
    local path, etag = line:match("^(%S+)%s*(%S*)$")
    local headers = {}
    if args[2] ~= "-" then headers["Authorization"] = "Bearer " .. args[2] end
    if etag ~= "" then headers["If-None-Match"] = etag end
    requests[#requests + 1] = wrk.format("GET", path, headers)
  end
end

function request()
  return requests[math.random(#requests)]
end
