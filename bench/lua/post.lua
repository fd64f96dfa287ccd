-- POST one body. Arguments: the file of the body, and the API key or "-".
require("told")

local sent

function init(args)
  local file = io.open(args[1], "rb")
  local body = file:read("*a")
  file:close()
  local headers = { ["Content-Type"] = "application/json" }
  if args[2] ~= "-" then headers["Authorization"] = "Bearer " .. args[2] end
  sent = wrk.format("POST", wrk.path, headers, body)
end

function request()
  return sent
end
