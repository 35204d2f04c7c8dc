/**
 * Trims a log up to what every group of consumers is done with: its oldest entry under way, else what it was given last. Then notes how
 * many positions were ever trimmed, so that what waits is known exactly.
 * KEYS: the log, its counts. Returns { positions that wait, id of the oldest entry, or '' }.
 */
export const TRIM_SCRIPT = `
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local low, lowSeq
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
if groups.err then return { 0, '' } end
for _, fields in ipairs(groups) do
  local group = {}
  for i = 1, #fields, 2 do group[fields[i]] = fields[i + 1] end
  local ms, seq
  if group.pending > 0 then
    ms, seq = parts(redis.call('XPENDING', KEYS[1], group.name)[2])
  else
    ms, seq = parts(group['last-delivered-id'])
    seq = seq + 1
  end
  if not low or ms < low or (ms == low and seq < lowSeq) then low, lowSeq = ms, seq end
end
if low then redis.call('XTRIM', KEYS[1], 'MINID', '=', string.format('%.0f-%.0f', low, lowSeq)) end
local appended = tonumber(redis.call('HGET', KEYS[2], 'appended')) or 0
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
local settled = first and tonumber(first[2][2]) or appended
redis.call('HSET', KEYS[2], 'settled', settled)
return { appended - settled, first and first[1] or '' }
`;
