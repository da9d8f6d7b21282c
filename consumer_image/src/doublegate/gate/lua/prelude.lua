-- Shared by every script. Entries are bytes:
--   claimed: 1 'C' | 2 flags | 3 attempt | 4 crashes | 5-12 owner | 13-20 epoch | 21-28 topic | 29-32 partition
--            | 33-40 offset | 41-48 digest [| 49-68 position of the failure that a replay may fall back to]
--   failed:  1 'F' | 2 flags | 3 attempt | 4 crashes | 5-12 digest | 13-32 position
--   done:    1 'D', or 'E' when it must live as long as the DLQ | 2-9 digest
-- flags: 1 unknown; former state: 0 nothing, 2 failed, 4 claimed by nobody.
local call, sub, byte, char = redis.call, string.sub, string.byte, string.char
local NOBODY, NO_DIGEST = string.rep('\0', 8), string.rep('\0', 8)
local UNKNOWN, WAS_FAILED, WAS_CLAIMED = 1, 2, 4
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function whole(number)
  return string.format('%.0f', number)
end

local function same_digest(a, b)
  return a == b or a == NO_DIGEST or b == NO_DIGEST
end

-- One number per row that is not plain: row, outcome, attempt, crashes, unknown.
local function code(row, outcome, attempt, crashes, unknown)
  return (((row * 16 + outcome) * 256 + attempt) * 256 + crashes) * 2 + unknown
end

-- 0 alive (and renewed), 1 expired, 2 missing.
local function renew(sessions, owner, lease)
  local deadline = call('HGET', sessions, owner)
  if not deadline then return 2 end
  if tonumber(deadline) <= now then return 1 end
  call('HSET', sessions, owner, whole(now + lease))
  return 0
end

-- Commands on many keys, in pieces, where the server has them (Valkey 9.1, Redis 8.4) and the user may run them.
local CHUNK = 128

local function can_set_many(key)
  local known, allowed = pcall(redis.acl_check_cmd, 'MSETEX', '1', key, '')
  return known and allowed and redis.acl_check_cmd('MGET', key)
end

-- Runs `some(first, last)` over pieces of the rows.
local function in_chunks(rows, some)
  for first = 1, rows, CHUNK do
    some(first, math.min(first + CHUNK - 1, rows))
  end
end
