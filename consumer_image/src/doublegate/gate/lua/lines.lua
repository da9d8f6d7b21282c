-- The first events of each line, in order, and '' after them where there are more.
-- KEYS: sessions, lines. ARGV: ttl ms, how many events of a line.
-- What has outlived its dead letter can't be replayed any more, and holds nobody up.
local most, lines = tonumber(ARGV[2]), {}
local oldest = (now - ARGV[1]) * 1000
for i = 2, #KEYS do
  local first = call('ZRANGE', KEYS[i], 0, 0, 'WITHSCORES')
  if first[2] and tonumber(first[2]) < oldest then
    call('ZREMRANGEBYSCORE', KEYS[i], '-inf', '(' .. whole(oldest))
  end
  local events = first[1] and call('ZRANGE', KEYS[i], 0, most) or {}
  if #events > most then events[#events] = '' end
  lines[#lines + 1] = events
end
return lines
