-- Makes epochs known in a bucket. KEYS: epochs. ARGV: (field, epoch) of each partition. Returns what stands now.
local standing = {}
for i = 1, #ARGV, 2 do
  local known = call('HGET', KEYS[1], ARGV[i])
  if not known or tonumber(known) < tonumber(ARGV[i + 1]) then
    call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    known = ARGV[i + 1]
  end
  standing[#standing + 1] = known
end
return standing
