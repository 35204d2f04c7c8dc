/*
 * A hash for each driver: client id -> "connection, when it was opened (epoch ms), when its lease ends (epoch ms by Redis' clock)".
 * One client id is one field, so a connection that takes another one over takes its place by writing it.
 */

const COMMON = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function split(value)
  local id, opened, ends = string.match(value, '^(%S+) (%d+) (%d+)$')
  return id, tonumber(opened), tonumber(ends)
end

-- Places that other clients of this driver hold. Those whose lease has ended are gone.
local function others(key, client)
  local fields = redis.call('HGETALL', key)
  local count = 0
  for i = 1, #fields, 2 do
    local _, _, ends = split(fields[i + 1])
    if ends <= now then
      redis.call('HDEL', key, fields[i])
    elseif fields[i] ~= client then
      count = count + 1
    end
  end
  return count
end

local function hold(key, client, id, opened, lease)
  redis.call('HSET', key, client, string.format('%s %.0f %.0f', id, opened, now + lease))
  redis.call('PEXPIRE', key, lease)
end
`;

/** KEYS: the driver's. ARGV: client id, connection, lease (ms), most places. Gives when it was opened, or 0: there is no place. */
export const TAKE_PLACE = `${COMMON}
local count = others(KEYS[1], ARGV[1])
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 and count >= tonumber(ARGV[4]) then return 0 end
hold(KEYS[1], ARGV[1], ARGV[2], now, tonumber(ARGV[3]))
return now
`;

/** KEYS: the driver's. ARGV: client id, connection. */
export const RELEASE_PLACE = `
local value = redis.call('HGET', KEYS[1], ARGV[1])
if value and string.match(value, '^%S+') == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0
`;

/**
 * KEYS: a driver's for each connection. ARGV: lease (ms), most places, then for each client id, connection, when it was opened.
 * Gives for each H (held on), T (another connection has its client id), or L (there was no place left when it came back).
 */
export const REFRESH_PLACES = `${COMMON}
local lease, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local answers = {}
for i, key in ipairs(KEYS) do
  local client, mine, opened = ARGV[i * 3], ARGV[i * 3 + 1], tonumber(ARGV[i * 3 + 2])
  local value = redis.call('HGET', key, client)
  local id, since, ends
  if value then id, since, ends = split(value) end
  local isHeld = id == mine
  if value and not isHeld and ends > now and since >= opened then
    answers[i] = 'T'
  elseif not isHeld and not (value and ends > now) and others(key, client) >= most then
    answers[i] = 'L'
  else
    hold(key, client, mine, opened, lease)
    answers[i] = 'H'
  end
end
return table.concat(answers)
`;
