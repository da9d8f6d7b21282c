-- Opens a session. KEYS: sessions. ARGV: owner, lease ms, a marker for data that has none, the layout.
-- Returns {marker, layout of the data}; forgets sessions that are over for more than a day.
local layout = call('HGET', KEYS[1], 'v')
if layout and layout ~= ARGV[4] then
  return {'', layout}
end
call('HSET', KEYS[1], 'v', ARGV[4])
call('HSETNX', KEYS[1], 'm', ARGV[3])
local fields = call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  if #fields[i] == 8 and tonumber(fields[i + 1]) < now - 86400000 then
    call('HDEL', KEYS[1], fields[i])
  end
end
call('HSET', KEYS[1], ARGV[1], whole(now + ARGV[2]))
return {call('HGET', KEYS[1], 'm'), ARGV[4]}
