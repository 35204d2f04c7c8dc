/*
 * The drivers of one shard as all processes see them, changed by this script alone, so that each change is one step for everybody.
 *
 * KEYS: 1 the records, a hash: driver -> a mark, 13 digits of when it was heard of, the record as JSON
 *       2 when each driver is to be looked at next, a sorted set
 *       3 the drivers whose status is not yet told, a sorted set by when somebody last set about it
 * ARGV: 1 the settings of this process, 2 the steps; both JSON. Answers with JSON: what came of the steps that somebody waits for.
 *
 * A record: r what the driver said last of itself, ra when; l it is lost; t it is on a trip, ta since when it is, or is not (by the
 * database's clock); s when it was heard of; h the processes that it is connected to, each with e, the end of its lease, and w, the will
 * that was left there; c when its last connection was closed, g when its grace time ends; p what it counts as, v the version of that, a
 * the time under which it is stored, m the time that is told with it; k the version that was told last, w who is telling (p) and until
 * when nobody else may (u). Times: epoch ms by Redis' clock. A step gives how long ago something was: clocks differ.
 *
 * A version is told by one process at a time, which looks afterwards whether there is a newer one. Whoever comes late, after
 * its time, finds that out and has the newest one told again: the last that is told is the newest.
 */
export const RECORD_LUA = `
local records, due, untold = KEYS[1], KEYS[2], KEYS[3]
local my = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answers = {}

local function effective(d)
  if d.t then return 'ON_TRIP' end
  if d.l then return 'OFFLINE' end
  return d.r or 'ONLINE'
end

local function load(id)
  local raw = redis.call('HGET', records, id)
  if raw then return cjson.decode(string.sub(raw, 15)), true end
  return { l = false, t = false, s = 0, ra = 0, ta = 0, h = {}, v = 0, k = 0, a = 0, m = 0 }, false
end

local function forget(id)
  redis.call('HDEL', records, id)
  redis.call('ZREM', due, id)
  redis.call('ZREM', untold, id)
end

local function claim(d)
  if d.w and d.w.p ~= my.process and d.w.u > now then return false end
  d.w = { p = my.process, u = now + my.tell }
  return true
end

local function store(id, d)
  -- Hearing of it changes nothing: a step that only says so needs no more of the record than this
  local calm = d.p and not d.l and not d.g
  redis.call('HSET', records, id, string.format('%d%013.0f', calm and 0 or 1, d.s) .. cjson.encode(d))
  local at
  if next(d.h) then
    at = 0
    for _, holder in pairs(d.h) do at = math.max(at, holder.e) end
  elseif d.g then
    at = d.g
  elseif not d.t then
    at = math.max(d.s + my.stale, now + my.idle)
  end
  if at then redis.call('ZADD', due, at, id) else redis.call('ZREM', due, id) end
end

local function answer(i, id, d, isMine, isOld)
  answers[#answers + 1] = {
    i = i, d = id, s = effective(d), v = d.v, a = d.a, m = d.m, mine = isMine, old = isOld,
    r = d.r, l = d.l, t = d.t, p = d.p,
  }
end

-- What the leases leave behind that have ended: the will, and a connection that was closed when its broker died
local function expire(d)
  local last
  for process, holder in pairs(d.h) do
    if holder.e <= now then
      d.h[process] = nil
      if not last or holder.e > last.e then last = holder end
    end
  end
  if not last or next(d.h) then return end
  d.c = last.e - my.lease + my.refresh
  d.g = d.c + my.grace
  if last.w and d.ra <= d.c then
    if last.w ~= 'OFFLINE' then d.r = last.w end
    d.l = last.w == 'OFFLINE' and d.s <= d.c
  end
end

local function graceOver(d)
  if not d.g or d.g > now then return end
  d.g = nil
  if d.s <= d.c then d.l = true end
end

-- force: told though nothing has changed. first: told though nobody was told of it before.
local function finish(i, id, d, how, messageAt)
  if d.p == nil and next(d.h) == nil and how == 'quiet' then
    -- It only listened: nobody was told that it is there
    forget(id)
    return answer(i, id, d, false)
  end
  local status = effective(d)
  local isMine = false
  if how == 'force' or (status ~= d.p and (d.p or how == 'first')) then
    d.v = d.v + 1
    d.p = status
    d.a = math.max(now, d.a + 1)
    d.m = messageAt or now
    redis.call('ZADD', untold, now, id)
    local isTelling = d.w and d.w.u > now
    isMine = not isTelling and claim(d)
  end
  store(id, d)
  answer(i, id, d, isMine)
end

local function others(d)
  for process in pairs(d.h) do
    if process ~= my.process then return true end
  end
  return false
end

local function heard(d, age)
  if age then d.s = math.max(d.s, now - age) end
end

-- Somebody is there who was taken for lost, or whose connection was closed
local function back(d)
  d.g = nil
  if not d.l then return 'quiet' end
  d.l = false
  return 'first'
end

local function hold(d, will)
  d.h[my.process] = { e = now + my.lease, w = will }
end
`;
