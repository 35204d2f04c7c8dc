import { RECORD_LUA } from './record-lua.ts';

/** The steps that a driver's record takes (record-lua.ts says what it is), and those of a sweep over many. */
export const RECORD_SCRIPT = `${RECORD_LUA}
local steps = {}

function steps.report(i, id, step)
  local d = load(id)
  expire(d)
  heard(d, step.s)
  d.r, d.ra, d.l = step.r, now, false
  finish(i, id, d, 'force', step.m)
end

function steps.will(i, id, step)
  local d, known = load(id)
  expire(d)
  -- The connection that is being lost is still counted
  if step.n > 1 or others(d) then
    if known then finish(i, id, d, 'quiet') end
    return
  end
  if step.r ~= 'OFFLINE' then d.r, d.ra = step.r, now end
  d.l = step.r == 'OFFLINE'
  finish(i, id, d, 'force', step.m)
end

function steps.connected(i, id, step)
  local d = load(id)
  expire(d)
  hold(d, step.w)
  finish(i, id, d, back(d))
end

function steps.disconnected(i, id, step)
  local d = load(id)
  expire(d)
  heard(d, step.s)
  if step.n > 0 then
    hold(d, step.w)
  else
    d.h[my.process] = nil
    if next(d.h) == nil then d.c, d.g = now, now + my.grace end
  end
  finish(i, id, d, 'quiet')
end

function steps.seen(i, id, step)
  local raw = redis.call('HGET', records, id)
  if raw and string.sub(raw, 1, 1) == '0' and now - tonumber(string.sub(raw, 2, 14)) < my.calm then return end
  local d = load(id)
  expire(d)
  heard(d, step.s)
  if d.l or not d.p then
    d.l = false
    finish(i, id, d, 'first')
  else
    finish(i, id, d, 'quiet')
  end
end

function steps.trip(i, id, step)
  local d, known = load(id)
  if (not known and not step.t) or step.at < d.ta then return end
  expire(d)
  d.ta = step.at
  local isNew = d.t ~= step.t
  d.t = step.t
  finish(i, id, d, isNew and 'first' or 'quiet')
end

-- What the database has of a driver that nobody has told of since
function steps.restore(i, id, step)
  local d = load(id)
  if d.v > 0 then return end
  if step.r ~= 'ON_TRIP' and step.r ~= 'OFFLINE' then d.r = step.r end
  d.t, d.p, d.a, d.m, d.v = step.t, step.r, step.at, step.at, 1
  heard(d, step.s)
  if next(d.h) == nil then
    d.l = step.r == 'OFFLINE'
    d.c, d.g = now, now + my.grace
  end
  if effective(d) ~= d.p then return finish(i, id, d, 'first') end
  redis.call('ZADD', untold, now, id)
  local isMine = claim(d)
  store(id, d)
  answer(i, id, d, isMine, true)
end

-- A connection that goes on. What this process knows of the driver is for a Redis that knows nothing any more.
function steps.refresh(i, id, step)
  local d, known = load(id)
  local isHeld = d.h[my.process] ~= nil
  hold(d, step.w)
  expire(d)
  heard(d, step.s)
  if not known then
    d.t, d.p, d.r = step.t or false, step.p, step.r
    return finish(i, id, d, step.p and 'force' or 'quiet')
  end
  -- Where it was restored: while it was ON_TRIP, the database did not have what it had said
  d.r = d.r or step.r
  finish(i, id, d, isHeld and 'quiet' or back(d))
  if answers[#answers].v == step.v and not answers[#answers].mine then answers[#answers] = nil end
end

-- What a process did while it was without Redis
function steps.merge(i, id, step)
  local d, known = load(id)
  expire(d)
  heard(d, step.s)
  local isTold = step.r ~= nil or step.l or step.t ~= nil
  if step.r and now - step.ra >= d.ra then d.r, d.ra, d.l = step.r, now - step.ra, false end
  if step.t ~= nil and step.ta >= d.ta then d.t, d.ta = step.t, step.ta end
  if step.n > 0 then
    hold(d, step.w)
    d.l, d.g = false, nil
  else
    d.h[my.process] = nil
    if next(d.h) == nil and step.closed then
      d.l, d.c, d.g = d.l or step.l or false, now, now + my.grace
    elseif step.s and not step.closed then
      d.l = false
    end
  end
  d.a = math.max(d.a, step.a)
  if isTold or (d.p and step.closed) then return finish(i, id, d, 'force') end
  finish(i, id, d, step.s and 'first' or 'quiet')
end

function steps.claim(i, id)
  local d, known = load(id)
  if not known or d.k >= d.v then
    redis.call('ZREM', untold, id)
    return
  end
  redis.call('ZADD', untold, now, id)
  local isMine = claim(d)
  store(id, d)
  if isMine then answer(i, id, d, true) end
end

function steps.told(i, id, step)
  local d, known = load(id)
  if not known then return end
  local isMine = d.w and d.w.p == my.process
  if not isMine and step.v < d.v then
    -- Told too late, perhaps after a newer one: so that one is told again
    d.v = d.v + 1
    d.a = d.a + 1
    redis.call('ZADD', untold, now, id)
    isMine = claim(d)
    store(id, d)
    if isMine then answer(i, id, d, true) end
    return
  end
  d.k = math.max(d.k, step.v)
  if d.k < d.v then
    isMine = claim(d)
    store(id, d)
    return answer(i, id, d, isMine)
  end
  d.w = nil
  redis.call('ZREM', untold, id)
  store(id, d)
end

function steps.unclaim(i, id, step)
  local d, known = load(id)
  if not known or not d.w or d.w.p ~= my.process then return end
  d.w = nil
  redis.call('ZADD', untold, step.now and 0 or now, id)
  store(id, d)
end

local function look(i, id)
  local d, known = load(id)
  if not known then return forget(id) end
  expire(d)
  graceOver(d)
  if next(d.h) == nil and not d.g and not d.t and d.s < now - my.stale then
    if effective(d) ~= 'OFFLINE' then
      d.l = true
    elseif d.p == 'OFFLINE' and d.k >= d.v then
      return forget(id)
    end
  end
  finish(i, id, d, 'quiet')
end

function steps.sweep(i, _, step)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, step.n)) do look(i, id) end
  local late = redis.call('ZRANGEBYSCORE', untold, '-inf', now - my.retry, 'LIMIT', 0, step.n)
  for _, id in ipairs(late) do
    local d, known = load(id)
    -- Also when it is this very process: one that hangs in telling would keep it for ever
    if known and d.w and d.w.u > now then redis.call('ZADD', untold, now, id) else steps.claim(i, id) end
  end
end

for i, step in ipairs(cjson.decode(ARGV[2])) do steps[step.e](i, step.d, step) end
if #answers == 0 then return '[]' end
return cjson.encode(answers)
`;
