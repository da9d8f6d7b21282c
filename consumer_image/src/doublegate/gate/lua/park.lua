-- Puts events at the end of their lines. KEYS: sessions, lines. ARGV: ttl ms, an event of each line.
-- A score is a time in microseconds, made to grow: it orders the line, and tells what has outlived its letter.
for i = 2, #KEYS do
  local last = call('ZREVRANGE', KEYS[i], 0, 0, 'WITHSCORES')
  local score = now * 1000
  if last[2] and tonumber(last[2]) >= score then score = tonumber(last[2]) + 1 end
  call('ZADD', KEYS[i], 'NX', whole(score), ARGV[i])
  call('PEXPIRE', KEYS[i], ARGV[1])
end
return #KEYS - 1
