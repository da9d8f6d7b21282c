-- Takes epochs. KEYS: epochs. ARGV: (field, floor) of each partition. Returns the new epochs.
local micros = clock[1] * 1000000 + clock[2]
local taken = {}
for i = 1, #ARGV, 2 do
  local last = tonumber(call('HGET', KEYS[1], ARGV[i]) or '0')
  local epoch = whole(math.max(last + 1, micros, ARGV[i + 1] + 1))
  call('HSET', KEYS[1], ARGV[i], epoch)
  taken[#taken + 1] = epoch
end
return taken
