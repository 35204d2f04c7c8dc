/*
 * The queue of a session on Redis, four keys:
 *
 *   order   sorted set of the messages' names (sender and counter), by the time that they came (ms; later by one where two came in one)
 *   unsent  those of them that have no message id yet
 *   bodies  hash: name → message; empty once a PUBREL has taken its place
 *   ids     hash: n{name} → message id, m{message id} → names, the first one first (a client's ids begin anywhere anew with each
 *           connection, so two messages may have the same)
 *
 * Everything ends with the age of its last message.
 */
const HEAD = `
local order, unsent, bodies, ids = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function forgetId(name)
  local id = redis.call('HGET', ids, 'n' .. name)
  if not id then return end
  redis.call('HDEL', ids, 'n' .. name)
  local left = {}
  for other in string.gmatch(redis.call('HGET', ids, 'm' .. id) or '', '[^\\n]+') do
    if other ~= name then left[#left + 1] = other end
  end
  if #left > 0 then redis.call('HSET', ids, 'm' .. id, table.concat(left, '\\n'))
  else redis.call('HDEL', ids, 'm' .. id) end
end

local function take(name)
  forgetId(name)
  redis.call('ZREM', order, name)
  redis.call('ZREM', unsent, name)
  redis.call('HDEL', bodies, name)
end

local function takeOutdated(maxAge)
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', order, '-inf', now - maxAge)) do take(name) end
end

local function firstWith(id)
  return string.match(redis.call('HGET', ids, 'm' .. id) or '', '[^\\n]+')
end
`;

/** ARGV: name, message, most messages, ms. Answers how many were dropped for it; -1: it is full of what was sent. */
const ENQUEUE = `${HEAD}
local name, body, max, maxAge = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
takeOutdated(maxAge)
if redis.call('HEXISTS', bodies, name) == 1 then return 0 end
local dropped = 0
if redis.call('ZCARD', order) >= max then
  local oldest = redis.call('ZRANGE', unsent, 0, 0)[1]
  if not oldest then return -1 end
  take(oldest)
  dropped = 1
end
local last = redis.call('ZRANGE', order, -1, -1, 'WITHSCORES')[2]
local at = now
if last and tonumber(last) >= now then at = tonumber(last) + 1 end
local score = string.format('%.0f', at)
redis.call('ZADD', order, score, name)
redis.call('ZADD', unsent, score, name)
redis.call('HSET', bodies, name, body)
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, maxAge) end
return dropped
`;

/** ARGV: name, message id, ms. 0: it is not there. */
const SENT = `${HEAD}
local name, id, maxAge = ARGV[1], ARGV[2], tonumber(ARGV[3])
local body = redis.call('HGET', bodies, name)
if not body or body == '' then return 0 end
if redis.call('HGET', ids, 'n' .. name) ~= id then
  forgetId(name)
  redis.call('HSET', ids, 'n' .. name, id)
  local others = redis.call('HGET', ids, 'm' .. id)
  redis.call('HSET', ids, 'm' .. id, others and (others .. '\\n' .. name) or name)
end
redis.call('ZREM', unsent, name)
redis.call('PEXPIRE', ids, maxAge)
return 1
`;

/** ARGV: message id. A PUBREL takes the place of the message. 0: there is none. */
const RELEASE = `${HEAD}
local name = firstWith(ARGV[1])
if not name then return 0 end
redis.call('HSET', bodies, name, '')
return 1
`;

/** ARGV: message id. Answers the message that was taken out. */
const CLEAR = `${HEAD}
local name = firstWith(ARGV[1])
if not name then return false end
local body = redis.call('HGET', bodies, name)
take(name)
return body
`;

/** ARGV: after and up to which time (exclusive, inclusive; '' = the last one now), how many, ms. Answers the limit, then time, message id (or '') and message of each. */
const PAGE = `${HEAD}
local after, upTo, count, maxAge = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
takeOutdated(maxAge)
if upTo == '' then upTo = redis.call('ZRANGE', order, -1, -1, 'WITHSCORES')[2] end
if not upTo then return {} end
local found = redis.call('ZRANGEBYSCORE', order, '(' .. after, upTo, 'WITHSCORES', 'LIMIT', 0, count)
local page = { upTo }
for index = 1, #found, 2 do
  local name = found[index]
  page[#page + 1] = found[index + 1]
  page[#page + 1] = redis.call('HGET', ids, 'n' .. name) or ''
  page[#page + 1] = redis.call('HGET', bodies, name) or ''
end
return page
`;

const numberOfKeys = 4;

export const queueScripts = {
  queueEnqueue: { numberOfKeys, lua: ENQUEUE },
  queueSent: { numberOfKeys, lua: SENT },
  queueRelease: { numberOfKeys, lua: RELEASE },
  queueClear: { numberOfKeys, lua: CLEAR },
  queuePage: { numberOfKeys, lua: PAGE },
} as const;
