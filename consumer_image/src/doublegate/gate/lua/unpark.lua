-- Takes events out of their lines. KEYS: sessions, lines. ARGV: an event of each line.
for i = 2, #KEYS do
  call('ZREM', KEYS[i], ARGV[i - 1])
end
return #KEYS - 1
