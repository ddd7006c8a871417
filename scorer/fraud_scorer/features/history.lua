-- An entity's history as Redis keeps it: what opens and closes it, and what is in it. state.py says
-- what tables and totals are; this is the same for Redis, and held to it.
--
-- A history is stored as
--
--     mark           8 bytes: another Redis's life, or another's value altogether, is not there
--     how            K: good, and all windows are known; U: good, some are not; - anything else
--     buckets        of each table of buckets the newest one, at which the totals are
--     renewed        when its time to live is to be set anew, by Redis's clock
--     totals         as they are answered: of each table of sums that newest bucket's own, then of all
--                    windows what is before it; attributes last, if there are any
--     the rest       msgpack: till, made, begun, stamp, recent, and each table's rows but the newest
--                    bucket of sums
--
-- so that one more transaction in the newest buckets reads the beginning of a string, and writes a few
-- numbers into it.
-- One that was good `till` then only is to be read anew, without those in `recent`, which were
-- counted since it was made and may still be on their way to Postgres.
--
-- KINDS is, for each kind of entity: its tables, how many of these have buckets, how many are sums, the
-- format of the totals of own buckets, the size of all totals, whether it has attributes, how many tables are of members, the
-- size of what a transaction says of it, and where (from 0, as text) its totals end (-1 where that
-- differs) and begin; last, the format of all other totals.
-- A table is shape, keep, most, width, windows.

local MOST = 9007199254740991
local SUMS, DISTINCT, LABELS, ATTRIBUTES = 1, 2, 3, 4
local MARK = 8
local BUCKETS = MARK + 2
local sub, pack, unpacked = string.sub, struct.pack, struct.unpack

local function totals_at(kind) return BUCKETS + 8 * kind[2] + 8 end

-- Where the totals end.

local function totals_end(kind, stored)
  local numbers = totals_at(kind) + kind[5]
  if not kind[6] then return numbers - 1 end
  return numbers + 3 + unpacked('<I4', stored, numbers)
end

local function open_whole(kind, stored)
  local tables = kind[1]
  local rest = {cmsgpack.unpack(sub(stored, totals_end(kind, stored) + 1))}
  if #rest ~= 5 + #tables then error('parts are missing') end
  local history = {
    till = rest[1], made = rest[2], begun = rest[3], stamp = rest[4], recent = rest[5],
    buckets = {}, rows = {},
  }
  local at, current = BUCKETS, totals_at(kind)
  for i, its in ipairs(tables) do
    local rows = rest[5 + i]
    history.rows[i] = rows
    if its[1] ~= ATTRIBUTES then
      history.buckets[i] = unpacked('<d', stored, at)
      at = at + 8
    end
    if its[1] == SUMS then
      local count, amount, highest, latest = unpacked('<dddd', stored, current)
      current = current + 32
      if count > 0 then
        local n = #rows
        rows[n + 1], rows[n + 2], rows[n + 3] = history.buckets[i], count, amount
        rows[n + 4], rows[n + 5] = highest, latest
        if n + 5 > its[2] * 5 + 1 then
          rows[1] = rows[2] + 1
          for _ = 1, 5 do table.remove(rows, 2) end
        end
      end
    end
  end
  return history
end

-- The history in a stored value, or false where there is none that could be read.

local function open_history(kind, stored, mark)
  if not stored or sub(stored, 1, MARK) ~= mark then return false end
  local fine, history = pcall(open_whole, kind, stored)
  if fine then return history end
  redis.log(redis.LOG_WARNING, 'fraudops: a damaged history is taken for none: ' .. history)
  return false
end

-- The totals of the transaction's own bucket, appended; and where the rows before it end.

local function own_bucket(rows, bucket, own)
  local newest, n = #rows - 4, #own
  while newest > 1 and rows[newest] > bucket do newest = newest - 5 end
  if newest > 1 and rows[newest] == bucket then
    for i = 1, 4 do own[n + i] = rows[newest + i] end
    return newest - 5
  end
  own[n + 1], own[n + 2], own[n + 3], own[n + 4] = 0, 0, 0, 0
  return newest
end

-- Totals of windows, appended; whether all are known. Those of sums are without the own bucket, and
-- begin at the row `newest`.

local function sums(rows, windows, bucket, newest, out)
  local known, ends, at, count, amount, highest, latest = true, nil, 0, 0, 0, 0, 0
  for w = 1, #windows, 2 do
    local delay = windows[w + 1]
    if delay ~= ends then
      ends, at = delay, newest
      while at > 1 and rows[at] > bucket - delay do at = at - 5 end
      count, amount, highest, latest = 0, 0, 0, 0
    end
    local first = bucket - delay - windows[w] + 1
    while at > 1 and rows[at] >= first do
      count, amount = count + rows[at + 1], amount + rows[at + 2]
      if rows[at + 3] > highest then highest = rows[at + 3] end
      if rows[at + 4] > latest then latest = rows[at + 4] end
      at = at - 5
    end
    local n = #out
    if first < rows[1] then
      known, out[n + 1], out[n + 2], out[n + 3], out[n + 4] = false, -1, 0, 0, 0
    else
      if amount > MOST then amount = MOST end
      out[n + 1], out[n + 2], out[n + 3], out[n + 4] = count, amount, highest, latest
    end
  end
  return known
end

local function labels(rows, windows, bucket, out)
  local known = true
  for w = 1, #windows, 2 do
    local last = bucket - windows[w + 1]
    local first, labelled, frauds, at = last - windows[w] + 1, 0, 0, #rows - 2
    while at > 1 and rows[at] > last do at = at - 3 end
    while at > 1 and rows[at] >= first do
      labelled, frauds, at = labelled + rows[at + 1], frauds + rows[at + 2], at - 3
    end
    if first < rows[1] then known, labelled, frauds = false, -1, 0 end
    out[#out + 1] = labelled
    out[#out + 1] = frauds
  end
  return known
end

local function distinct(rows, windows, bucket, most, out)
  local known = true
  for w = 1, #windows, 2 do
    local last = bucket - windows[w + 1]
    local first, count, seen, at = last - windows[w] + 1, 0, {}, #rows
    while at > 1 and rows[at][1] >= first and count < most do
      local row = rows[at]
      if row[1] <= last then
        for i = 2, #row do
          if not seen[row[i]] then seen[row[i]], count = true, count + 1 end
        end
      end
      at = at - 1
    end
    if first < rows[1] then known, count = false, -1 end
    out[#out + 1] = count > most and most or count
  end
  return known
end

-- Whether all windows of a transaction in these buckets are known, and their totals: of the own
-- buckets, and the rest.

local function totals(kind, history, buckets)
  local known, own, out, said = true, {}, {}, ''
  for i, its in ipairs(kind[1]) do
    local rows, bucket, fine = history.rows[i], buckets[i], true
    if its[1] == SUMS then fine = sums(rows, its[5], bucket, own_bucket(rows, bucket, own), out)
    elseif its[1] == LABELS then fine = labels(rows, its[5], bucket, out)
    elseif its[1] == DISTINCT then fine = distinct(rows, its[5], bucket, its[3], out)
    else
      said = cmsgpack.pack(rows)
      said = pack('<I4', #said) .. said
    end
    known = known and fine
  end
  return known, pack(kind[4], unpack(own)), pack(kind[11], unpack(out)) .. said
end

-- As it is stored, with its totals at its newest buckets. It is not to be used afterwards. `at` are
-- buckets whose totals are known already, but for those of the own buckets and of members.

local function close(kind, history, mark, renewed, at, known, rest)
  local buckets, newest = {}, ''
  for i, its in ipairs(kind[1]) do
    local rows, bucket = history.rows[i], history.buckets[i]
    if its[1] ~= ATTRIBUTES then
      local last = 0
      if #rows > 1 then
        if its[1] == DISTINCT then last = rows[#rows][1]
        elseif its[1] == SUMS then last = rows[#rows - 4]
        end
      end
      if last > bucket then bucket = last end
      if at and at[i] ~= bucket then at = nil end
      newest = newest .. pack('<d', bucket)
    end
    buckets[i] = bucket or false
  end
  local own
  if at and kind[7] == 0 then
    own = {}
    for i, its in ipairs(kind[1]) do
      if its[1] == SUMS then own_bucket(history.rows[i], buckets[i], own) end
    end
    own = pack(kind[4], unpack(own))
  else
    known, own, rest = totals(kind, history, buckets)
  end
  for i, its in ipairs(kind[1]) do
    local rows = history.rows[i]
    local n = #rows
    if its[1] == SUMS and n > 1 and rows[n - 4] == buckets[i] then
      for j = n, n - 4, -1 do rows[j] = nil end
    end
  end
  local how = '-'
  if history.till == 0 and not history.recent then how = known and 'K' or 'U' end
  return mark .. how .. newest .. pack('<d', renewed) .. own .. rest .. cmsgpack.pack(
    history.till, history.made, history.begun, history.stamp, history.recent, unpack(history.rows)
  )
end
