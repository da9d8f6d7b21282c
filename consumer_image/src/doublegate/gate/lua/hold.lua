-- Puts claims back after a loss of data. KEYS: sessions, entries. ARGV: owner, ttl ms, values (48 bytes a row).
-- Returns the rows that are finished, or held by another live owner.
-- An older claim of ours gets today's epoch, or it could never be failed or released. An older epoch's claim on the
-- same record is one that its owner has given up, or will: only who was assigned later could claim it anew.
local refused, expiry = {}, whole(now + ARGV[2])

local function is_alive(owner)
  local deadline = call('HGET', KEYS[1], owner)
  return deadline and tonumber(deadline) > now
end

-- Not as texts, which the server compares as its locale says.
local function number(bytes)
  local sum = 0
  for i = 1, #bytes do sum = sum * 256 + byte(bytes, i) end
  return sum
end

for i = 2, #KEYS do
  local value = sub(ARGV[3], (i - 2) * 48 + 1, (i - 1) * 48)
  local old = call('SET', KEYS[i], value, 'NX', 'GET', 'PXAT', expiry)
  local state = old and byte(old)
  if state == 67 then
    local same_record = sub(old, 21, 40) == sub(value, 21, 40)
    if sub(old, 5, 12) == ARGV[1] then
      if same_record then value = sub(old, 1, 12) .. sub(value, 13, 20) .. sub(old, 21) end
      call('SET', KEYS[i], value, 'PXAT', expiry)
    elseif is_alive(sub(old, 5, 12)) and not (same_record and number(sub(old, 13, 20)) < number(sub(value, 13, 20))) then
      refused[#refused + 1] = i - 2
    else
      call('SET', KEYS[i], value, 'PXAT', expiry)
    end
  elseif state == 70 then
    call('SET', KEYS[i], value, 'PXAT', expiry)
  elseif state then
    refused[#refused + 1] = i - 2
  end
end
return refused
