-- Completes, fails and releases batches, renews the session, moves watermarks and grants.
-- KEYS: sessions, epochs, watermarks, grants, then the rows to complete, to fail, to release.
-- ARGV: owner, lease ms, ttl ms of DONE, of FAILED, of CLAIMED; number of rows to complete, to fail, to release;
-- values (9 bytes a row); failures (22: epoch, topic, partition, attempt, unknown); releases (21: the same
-- without attempt); whether a completion may find nothing ('1'), whether no key is completed twice ('1');
-- number of watermarks; (field, offset) of each; (field, offset, epoch) of each grant.
-- Returns {session, marker, codes of completions, failures, releases that are not plain, fenced grants, lost}.
local sessions, owner = KEYS[1], ARGV[1]
local session = renew(sessions, owner, tonumber(ARGV[2]))
local marker = session == 2 and call('HGET', sessions, 'm') or ''
local done_expiry, failed_expiry, claim_expiry = whole(now + ARGV[3]), whole(now + ARGV[4]), whole(now + ARGV[5])
local completions, failures, releases = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local base = 4

local function keep_long(key, digest)
  call('SET', key, 'E' .. digest, 'PXAT', failed_expiry)
end

-- DONE stands already; puts back what it must not have overwritten, and says what it ended (0: its own claim).
local function completed(key, old, digest)
  if not old then return 4 end
  local state = byte(old)
  if state == 67 then
    if byte(old, 2) ~= 0 then keep_long(key, digest) end
    return sub(old, 5, 12) == owner and 0 or 2
  end
  if state == 70 then
    keep_long(key, digest)
    return 3
  end
  local outcome = 1
  if not same_digest(sub(old, 2, 9), digest) then outcome, digest = 5, sub(old, 2, 9) end
  if state == 69 then
    keep_long(key, digest)
  elseif outcome == 5 then
    call('SET', key, old, 'PXAT', done_expiry)
  end
  return outcome
end

local odd_completions, plain, values, granted = {}, 'C\0\0\0' .. owner, ARGV[9], ARGV[12] == '1'

local function is_plain(old)
  if not old then return granted end
  return sub(old, 1, 12) == plain
end

local function complete(row, key, value)
  local old = call('SET', key, value, 'PXAT', done_expiry, 'GET')
  if is_plain(old) then return end
  local outcome = completed(key, old, sub(value, 2))
  if outcome ~= 0 then odd_completions[#odd_completions + 1] = code(row, outcome, 0, 0, 0) end
end

local function complete_each(first, last)
  for i = first, last do
    complete(i - 1, KEYS[base + i], sub(values, i * 9 - 8, i * 9))
  end
end

local words = {}

local function complete_many(first, last)
  local found, at = call('MGET', unpack(KEYS, base + first, base + last)), 1
  for i = first, last do
    local key, value = KEYS[base + i], sub(values, i * 9 - 8, i * 9)
    if is_plain(found[i - first + 1]) then
      words[at + 1], words[at + 2], at = key, value, at + 2
    else
      complete(i - 1, key, value)
    end
  end
  if at > 1 then
    words[1], words[at + 1], words[at + 2] = (at - 1) / 2, 'PXAT', done_expiry
    call('MSETEX', unpack(words, 1, at + 2))
  end
end

if ARGV[13] == '1' and completions > 0 and can_set_many(KEYS[base + 1]) then
  in_chunks(completions, complete_many)
else
  complete_each(1, completions)
end
base = base + completions

-- A claim may be failed or released by who took it, under the epoch it was taken; nobody else can have changed it.
local function is_own(old, row)
  return sub(old, 5, 12) == owner and sub(old, 13, 32) == sub(row, 1, 20)
end

local function fail(key, row)
  local old = call('GET', key)
  if not old then return 4 end
  local state = byte(old)
  if state == 70 then return 1 end
  if state ~= 67 then return 2 end
  if not is_own(old, row) then return 3 end
  local unknown = math.max(byte(old, 2) % 2, byte(row, 22))
  local value = 'F' .. char(unknown) .. sub(row, 21, 21) .. sub(old, 4, 4) .. sub(old, 41, 48) .. sub(old, 21, 40)
  call('SET', key, value, 'PXAT', failed_expiry)
  return 0
end

local odd_failures = {}
for i = 1, failures do
  local outcome = fail(KEYS[base + i], sub(ARGV[10], i * 22 - 21, i * 22))
  if outcome ~= 0 then odd_failures[#odd_failures + 1] = code(i - 1, outcome, 0, 0, 0) end
end
base = base + failures

local function abandon(key, old, attempt)
  local head = 'C' .. char(UNKNOWN + WAS_CLAIMED, attempt) .. sub(old, 4, 4)
  call('SET', key, head .. NOBODY .. sub(old, 13, 48), 'PXAT', claim_expiry)
end

local function release(key, row)
  local old = call('GET', key)
  if not old then return 1 end
  local state = byte(old)
  if state == 70 then return 1 end
  if state ~= 67 then return 2 end
  if sub(old, 5, 12) == NOBODY then return 1 end
  if not is_own(old, row) then return 3 end
  local flags, attempt = byte(old, 2, 3)
  if byte(row, 21) == 1 then
    abandon(key, old, math.min(attempt + 1, 255))
  elseif flags >= WAS_CLAIMED then
    abandon(key, old, attempt)
  elseif flags >= WAS_FAILED then
    local value = 'F' .. char(flags % 2) .. sub(old, 3, 4) .. sub(old, 41, 48) .. sub(old, 49, 68)
    call('SET', key, value, 'PXAT', failed_expiry)
  else
    call('DEL', key)
  end
  return 0
end

local odd_releases = {}
for i = 1, releases do
  local outcome = release(KEYS[base + i], sub(ARGV[11], i * 21 - 20, i * 21))
  if outcome ~= 0 then odd_releases[#odd_releases + 1] = code(i - 1, outcome, 0, 0, 0) end
end

local function raise(hash, field, offset)
  local known = call('HGET', hash, field)
  if not known or tonumber(known) < tonumber(offset) then call('HSET', hash, field, offset) end
end

local grants_at, fenced, lost = 15 + 2 * ARGV[14], {}, 0
for i = 15, grants_at - 1, 2 do
  raise(KEYS[3], ARGV[i], ARGV[i + 1])
end
for i = grants_at, #ARGV, 3 do
  local epoch = call('HGET', KEYS[2], ARGV[i])
  if epoch == ARGV[i + 2] then
    call('HSET', KEYS[4], ARGV[i], ARGV[i + 1])  -- lower again when the partition is handed over
  else
    fenced[#fenced + 1] = (i - grants_at) / 3
    if not epoch then lost = 1 end
  end
end
return {session, marker, odd_completions, odd_failures, odd_releases, fenced, lost}
