/**
 * Decides on all positions that one process got for one shard in one turn of its event loop, and appends what is admitted: one round
 * trip, all or nothing. The rules are those of driver-state.ts; the clock of the limits is the server's, one for the whole cluster.
 *
 * KEYS: the log, its counts, then a hash for each driver:
 *   n  recordedAt of the newest position        p   receivedAt and row of that position, "1764…|[…]"
 *   l  recordedAt of the last live position     x   when the next live one may come
 *   b  tokens of the backlog budget             bt  when they were counted
 *   a  the last time that was assigned
 *   te, tv, ti, ts, tj  the trip that it is on: when it set out, version, id, when its part began, all of it as JSON
 *                       (no ti: the trip of te is over)
 * ARGV: most positions that may wait, interval and budget, how long a silent driver is remembered (ms), then for each submission
 *   key index, driver, kind (l live, b backlog, h held: without limits), number of positions, of those without a time, newest time
 *   given, receivedAt, trip known to the caller ("te:tv"), payload (JSON array of rows), row of the newest given, last row without a time.
 * Returns for each submission { 1, is the newest, first assigned time, resent, "te:tv", JSON of the trip unless known },
 *   { 0, ms to wait } when over a limit, { -1 } when too many wait.
 *
 * An entry of the log: c = positions ever appended before it, then driver and "kind|receivedAt|first assigned time|trip|its
 * beginning|payload" for each submission. At most 500 positions or 256 KiB, so that a worker can take them in small steps.
 */
export const APPEND_SCRIPT = `
local max, interval, perMinute, ttl = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local counts = redis.call('HMGET', KEYS[2], 'appended', 'settled')
local appended = tonumber(counts[1]) or 0
local room = max - (appended - (tonumber(counts[2]) or 0))
local drivers, results = {}, {}
local entry, size, bytes, before = { 'c', appended }, 0, 0, appended

local function flush()
  if size == 0 then return end
  redis.call('XADD', KEYS[1], '*', unpack(entry))
  entry, size, bytes, before = { 'c', appended }, 0, 0, appended
end

for i = 5, #ARGV, 11 do
  local k, kind, n, unset = tonumber(ARGV[i]), ARGV[i + 2], tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4])
  local given, received = tonumber(ARGV[i + 5]), tonumber(ARGV[i + 6])
  local d = drivers[k]
  if not d then
    local v = redis.call('HMGET', KEYS[k], 'n', 'l', 'x', 'b', 'bt', 'a', 'te', 'tv', 'ti', 'ts')
    d = { n = tonumber(v[1]) or -1e18, l = tonumber(v[2]), x = tonumber(v[3]) or 0, b = tonumber(v[4]),
          bt = tonumber(v[5]) or 0, a = tonumber(v[6]) or 0, te = v[7], tv = v[8], ti = v[9] or '', ts = v[10] or '', changed = {} }
    drivers[k] = d
  end
  local result
  local resent = kind == 'l' and unset == 0 and (given == d.l or given == d.n)
  if n > room then
    result = { -1 }
  elseif kind == 'l' then
    if interval > 0 and not (unset == 0 and given == d.l) then
      local wait = d.x - now
      if wait > 0 and wait <= interval then
        result = { 0, wait }
      else
        d.x = now + interval
        d.l = unset == 0 and given or -1
        d.changed.x, d.changed.l = d.x, string.format('%.0f', d.l)
      end
    end
  elseif kind == 'b' then
    local tokens = d.b and math.min(perMinute, d.b + math.max(0, now - d.bt) * perMinute / 60000) or perMinute
    local needed = math.min(n, perMinute)
    if tokens < needed - 1e-6 then
      result = { 0, math.ceil((needed - tokens) * 60000 / perMinute) }
    else
      d.b, d.bt = tokens - n, now
      d.changed.b, d.changed.bt = string.format('%.6f', d.b), now
    end
  end
  if not result then
    local base, newest, row = 0, given, ARGV[i + 9]
    if unset > 0 then
      base = math.max(received, d.a + 1)
      d.a = base + unset - 1
      d.changed.a = d.a
      if d.a > newest then newest, row = d.a, ARGV[i + 10] end
    end
    local isNewest = newest > d.n
    if isNewest then
      d.n = newest
      d.changed.n, d.changed.p = string.format('%.0f', newest), ARGV[i + 6] .. '|' .. row
    end
    local payload = ARGV[i + 8]
    if size > 0 and (size + n > 500 or bytes + #payload > 262144) then flush() end
    entry[#entry + 1] = ARGV[i + 1]
    entry[#entry + 1] = table.concat({ kind, ARGV[i + 6], base, d.ti, d.ts, payload }, '|')
    size, bytes, appended, room = size + n, bytes + #payload, appended + n, room - n
    local known = d.te and d.te .. ':' .. d.tv or ''
    local trip = ''
    if d.ti ~= '' and known ~= ARGV[i + 7] then trip = redis.call('HGET', KEYS[k], 'tj') end
    result = { 1, isNewest and 1 or 0, base, resent and 1 or 0, d.ti ~= '' and known or '', trip }
  end
  results[#results + 1] = result
end
flush()
if appended > (tonumber(counts[1]) or 0) then redis.call('HSET', KEYS[2], 'appended', appended) end
for k, d in pairs(drivers) do
  local fields = {}
  for field, value in pairs(d.changed) do
    fields[#fields + 1] = field
    fields[#fields + 1] = value
  end
  if #fields > 0 then
    redis.call('HSET', KEYS[k], unpack(fields))
    redis.call('PEXPIRE', KEYS[k], ttl)
  end
end
return results
`;
