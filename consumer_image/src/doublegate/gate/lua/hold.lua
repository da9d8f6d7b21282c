-- Puts claims back after a loss of data. KEYS: sessions, entries. ARGV: owner, ttl ms, values (48 bytes a row).
-- Returns the rows that are finished, or held by another live owner.
local refused, expiry = {}, whole(now + ARGV[2])
for i = 2, #KEYS do
  local value = sub(ARGV[3], (i - 2) * 48 + 1, (i - 1) * 48)
  local old = call('SET', KEYS[i], value, 'NX', 'GET', 'PXAT', expiry)
  local state = old and byte(old)
  if state == 67 and sub(old, 5, 12) ~= ARGV[1] then
    local deadline = call('HGET', KEYS[1], sub(old, 5, 12))
    if deadline and tonumber(deadline) > now then
      refused[#refused + 1] = i - 2
    else
      call('SET', KEYS[i], value, 'PXAT', expiry)
    end
  elseif state == 70 then
    call('SET', KEYS[i], value, 'PXAT', expiry)
  elseif state and state ~= 67 then
    refused[#refused + 1] = i - 2
  end
end
return refused
