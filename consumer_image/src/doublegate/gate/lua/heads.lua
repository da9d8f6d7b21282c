-- The first event of each line, or ''. KEYS: sessions, lines. ARGV: ttl ms.
-- What has outlived its dead letter can't be replayed any more, and holds nobody up.
local heads = {}
for i = 2, #KEYS do
  local head = call('ZRANGE', KEYS[i], 0, 0, 'WITHSCORES')
  if head[2] and tonumber(head[2]) < (now - ARGV[1]) * 1000 then
    call('ZREMRANGEBYSCORE', KEYS[i], '-inf', '(' .. whole((now - ARGV[1]) * 1000))
    head = call('ZRANGE', KEYS[i], 0, 0)
  end
  heads[#heads + 1] = head[1] or ''
end
return heads
