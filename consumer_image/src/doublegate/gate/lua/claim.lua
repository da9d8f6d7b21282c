-- Claims a batch. KEYS: sessions, epochs, entries. ARGV: owner, lease ms, ttl ms, crashes allowed,
-- values (48 bytes a row), replays ('' or '0'/'1' a row), whether no key is there twice ('1'),
-- then (field, epoch) of each assignment.
-- Returns {session, marker, fenced assignments, lost, codes of rows that are not new}.
-- Refused at full memory: it has no allow-oom.
local sessions, owner, values, replays = KEYS[1], ARGV[1], ARGV[5], ARGV[6]
local allowed = tonumber(ARGV[4])
local session = renew(sessions, owner, tonumber(ARGV[2]))
if session ~= 0 then
  return {session, call('HGET', sessions, 'm') or '', {}, 0, {}}
end
local fenced, lost = {}, 0
for i = 8, #ARGV, 2 do
  local epoch = call('HGET', KEYS[2], ARGV[i])
  if epoch ~= ARGV[i + 1] then
    fenced[#fenced + 1] = (i - 8) / 2
    if not epoch then lost = 1 end
  end
end
if #fenced > 0 then
  return {0, '', fenced, lost, {}}
end

local expiry = whole(now + ARGV[3])
local alive = {[NOBODY] = false}

local function is_alive(holder)
  local known = alive[holder]
  if known == nil then
    local deadline = call('HGET', sessions, holder)
    known = deadline and tonumber(deadline) > now or false
    alive[holder] = known
  end
  return known
end

local function put(key, value)
  call('SET', key, value, 'PXAT', expiry)
end

local function met_failed(row, key, old, value, replay)
  if sub(old, 13, 32) == sub(value, 21, 40) then return code(row, 8, 0, 0, 0) end
  if not same_digest(sub(old, 5, 12), sub(value, 41, 48)) then return code(row, 9, 0, 0, 0) end
  if not replay then return code(row, 8, 0, 0, 0) end
  local unknown = byte(old, 2) % 2
  put(key, 'C' .. char(unknown + WAS_FAILED) .. sub(old, 3, 4) .. sub(value, 5, 48) .. sub(old, 13, 32))
  return code(row, 4, byte(old, 3), byte(old, 4), unknown)
end

local function resume(row, key, old, value)
  if sub(old, 13, 20) ~= sub(value, 13, 20) then
    put(key, sub(old, 1, 12) .. sub(value, 13, 20) .. sub(old, 21))
  end
  local flags, attempt, crashes = byte(old, 2, 4)
  local outcome = flags >= WAS_CLAIMED and crashes > allowed and 3 or 1
  return code(row, outcome, attempt, crashes, flags % 2)
end

local function take_over(row, key, old, value)
  local attempt, crashes = byte(old, 3, 4)
  if sub(old, 5, 12) ~= NOBODY then
    attempt, crashes = math.min(attempt + 1, 255), math.min(crashes + 1, 255)
  end
  put(key, 'C' .. char(UNKNOWN + WAS_CLAIMED, attempt, crashes) .. sub(value, 5, 48))
  return code(row, crashes > allowed and 3 or 2, attempt, crashes, 1)
end

local function met(row, key, old, value, replay)
  local state = byte(old)
  if state == 70 then return met_failed(row, key, old, value, replay) end
  if state ~= 67 then
    return code(row, same_digest(sub(old, 2, 9), sub(value, 41, 48)) and 7 or 9, 0, 0, 0)
  end
  local holder = sub(old, 5, 12)
  local same_record = sub(old, 21, 40) == sub(value, 21, 40)
  if not same_record and not same_digest(sub(old, 41, 48), sub(value, 41, 48)) then
    return code(row, 9, 0, 0, 0)
  end
  if same_record and holder == owner then return resume(row, key, old, value) end
  if holder ~= owner and not is_alive(holder) then return take_over(row, key, old, value) end
  return code(row, (same_record or replay) and 5 or 6, 0, 0, 0)
end

local odd = {}

local function meet(row, key, old, value)
  odd[#odd + 1] = met(row, key, old, value, byte(replays, row + 1) == 49)
end

local function claim_each(first, last)
  for i = first, last do
    local key, value = KEYS[i + 2], sub(values, i * 48 - 47, i * 48)
    local old = call('SET', key, value, 'NX', 'GET', 'PXAT', expiry)
    if old then meet(i - 1, key, old, value) end
  end
end

local words = {}

-- The rows that `found` has nothing for; all of them without it. Returns whether they were all absent.
local function claim_absent(first, last, found)
  local at = 1
  for i = first, last do
    local key, value = KEYS[i + 2], sub(values, i * 48 - 47, i * 48)
    local old = found and found[i - first + 1]
    if old then
      meet(i - 1, key, old, value)
    else
      words[at + 1], words[at + 2], at = key, value, at + 2
    end
  end
  if at == 1 then return true end
  words[1], words[at + 1], words[at + 2], words[at + 3] = (at - 1) / 2, 'NX', 'PXAT', expiry
  return call('MSETEX', unpack(words, 1, at + 3)) == 1
end

local function claim_many(first, last)
  if not claim_absent(first, last) then
    claim_absent(first, last, call('MGET', unpack(KEYS, first + 2, last + 2)))
  end
end

if ARGV[7] == '1' and can_set_many(KEYS[3]) then
  in_chunks(#KEYS - 2, claim_many)
else
  claim_each(1, #KEYS - 2)
end
return {0, '', fenced, lost, odd}
