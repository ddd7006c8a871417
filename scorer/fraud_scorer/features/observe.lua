-- Totals of histories before each of some transactions, which then count: one call for many requests
-- of a turn. history.lua, which goes before this, has what a history is.
--
-- KEYS[1] is the mark of this Redis's life; then, for each transaction, its own key and those of its
-- entities. ARGV[1] is msgpack: now, retries, settle, a new mark, and KINDS. ARGV[2] is the transactions,
-- one after the other: how, number of entities, time, accepted, a fingerprint, time to live, and for
-- each entity its kind, whether its history was read from Postgres, the bucket of each table of buckets,
-- what is added to each table of sums, and to each of members. Those histories are the other arguments,
-- as msgpack. Times are microseconds, time to live is milliseconds.
--
-- A transaction's own key remembers, as msgpack, its fingerprint, when it was read, and the totals of
-- each entity that counts it, or false.
--
-- The answer has a letter for each transaction, then what belongs to these:
--     N  read now, all is known: the totals of each entity
--     R  when it was read; then for each entity K and its totals, or M, a length, and (msgpack) the
--        keys of transactions to leave out when its history is read from Postgres
--     O  another transaction had that id: it neither counts nor is told anything

local STRICT, LENIENT, AFTERWARDS = 0, 1, 2
local MOST_RECENT = 512
local MARGIN, KEPT = 5000000, 60000
local ZERO = string.rep('\0', 8)

local now, retries, settle, new_mark, kinds = unpack(cmsgpack.unpack(ARGV[1]))
local block = ARGV[2]

local stored = redis.call('MGET', unpack(KEYS))
local values, lives = {}, {}

local function held(index)
  local value = values[KEYS[index]]
  if value == nil then return stored[index] end
  return value
end

local function hold(key, value, ttl)
  values[key], lives[key] = value, ttl
end

-- How long this Redis has lived is told by its own clock alone; when it began, by that of who asks.

local function life()
  local time = redis.call('TIME')
  local clock, born = time[1] * 1000000 + time[2], stored[1]
  if not born or #born ~= MARK + 8 then
    born = new_mark .. pack('<d', clock)
    redis.call('SET', KEYS[1], born)
  end
  return sub(born, 1, MARK), math.max(clock - unpacked('<d', born, MARK + 1), 0)
end

local mark, age = life()
local begun_at = now - age
local counted_from = math.max(begun_at, now - retries)
local known_mark, unknown_mark = mark .. 'K', mark .. 'U'

-- One more transaction in the newest buckets: its totals, and the history with it. Nothing where that
-- is not the case, or more than sums are kept.

local function quick(kind, value, how, at, time)
  local head = sub(value, 1, MARK + 1)
  if head ~= known_mark and (head ~= unknown_mark or how ~= LENIENT) then return end
  local width = 8 * kind[2]
  if sub(value, BUCKETS, BUCKETS + width - 1) ~= sub(block, at, at + width - 1) then return end
  local from, ends = BUCKETS + width, totals_end(kind, value)
  local adding, current = at + width, from
  for i = 0, kind[7] - 1 do
    if unpacked('<d', block, adding + 8 * (kind[3] + i)) >= 0 then return end
  end
  local fresh = ''
  for _ = 1, kind[3] do
    local added = unpacked('<d', block, adding)
    if added >= 0 then
      local count, amount, highest, latest = unpacked('<dddd', value, current)
      amount = amount + added
      fresh = fresh .. pack('<dddd',
        count + 1, amount > MOST and MOST or amount,
        added > highest and added or highest, time > latest and time or latest)
    else
      fresh = fresh .. sub(value, current, current + 31)
    end
    adding, current = adding + 8, current + 32
  end
  if fresh == '' then return sub(value, from, ends), value end
  return sub(value, from, ends), sub(value, 1, from - 1) .. fresh .. sub(value, current)
end

-- Counting a transaction in a history that is open.

local function add_sum(rows, keep, bucket, amount, time)
  if bucket < rows[1] then return end
  local size = #rows
  local at = size - 4
  while at > 1 and rows[at] > bucket do at = at - 5 end
  if at > 1 and rows[at] == bucket then
    rows[at + 1] = rows[at + 1] + 1
    local sum = rows[at + 2] + amount
    rows[at + 2] = sum > MOST and MOST or sum
    if amount > rows[at + 3] then rows[at + 3] = amount end
    if time > rows[at + 4] then rows[at + 4] = time end
    return
  end
  local full = size >= keep * 5 + 1
  if full and at < 2 then
    rows[1] = bucket + 1
    return
  end
  if full then
    rows[1] = rows[2] + 1
    for i = 2, at - 1 do rows[i] = rows[i + 5] end
  else
    for i = size, at + 5, -1 do rows[i + 5] = rows[i] end
    at = at + 5
  end
  rows[at], rows[at + 1], rows[at + 2], rows[at + 3], rows[at + 4] = bucket, 1, amount, amount, time
end

local function add_member(rows, keep, most, bucket, member)
  if bucket < rows[1] then return end
  local at = #rows
  while at > 1 and rows[at][1] > bucket do at = at - 1 end
  if at > 1 and rows[at][1] == bucket then
    local row = rows[at]
    if #row > most then return end
    for i = 2, #row do if row[i] == member then return end end
    row[#row + 1] = member
    return
  end
  table.insert(rows, at + 1, {bucket, member})
  if #rows > keep + 1 then rows[1] = table.remove(rows, 2)[1] + 1 end
end

local function add(kind, history, cells, time)
  for i, its in ipairs(kind[1]) do
    local bucket, added = cells[1][i], cells[2][i]
    if added and added >= 0 then
      if its[1] == SUMS then add_sum(history.rows[i], its[2], bucket, added, time)
      else add_member(history.rows[i], its[2], its[3], bucket, added) end
    end
  end
end

-- A transaction's buckets, and what it adds, by table.

local function cells_at(kind, at)
  local buckets, added = {}, {}
  local sums_at = at + 8 * kind[2]
  local members_at = sums_at + 8 * kind[3]
  for i, its in ipairs(kind[1]) do
    buckets[i], added[i] = false, false
    if its[1] ~= ATTRIBUTES then
      buckets[i], at = unpacked('<d', block, at)
    end
    if its[1] == SUMS then added[i], sums_at = unpacked('<d', block, sums_at)
    elseif its[1] == DISTINCT then added[i], members_at = unpacked('<d', block, members_at) end
  end
  return {buckets, added}
end

-- A history of which something was missing, with what Postgres has of the time before.

local function before_and_since(older, rows, width, keep)
  local since, out = rows[1], {older[1]}
  if older[1] >= since then return rows end
  local function bucket(from, i) return width == 1 and from[i][1] or from[i] end
  for i = 2, #older, width do
    if bucket(older, i) < since then for j = i, i + width - 1 do out[#out + 1] = older[j] end end
  end
  for i = 2, #rows, width do
    if bucket(rows, i) >= since then for j = i, i + width - 1 do out[#out + 1] = rows[j] end end
  end
  while #out > keep * width + 1 do
    out[1] = bucket(out, 2) + 1
    for _ = 1, width do table.remove(out, 2) end
  end
  return out
end

local function merge(kind, history, given)
  if history.begun == 1 then
    -- Some of what came while Postgres was away may still be on its way there: read again, soon.
    history.till, history.begun, history.recent = now + settle, 0, {}
  end
  for i, its in ipairs(kind[1]) do
    local older, shape = given[1 + i], its[1]
    if shape == SUMS then
      history.rows[i] = before_and_since(older, history.rows[i], 5, its[2])
    elseif shape == DISTINCT then
      history.rows[i] = before_and_since(older, history.rows[i], 1, its[2])
    elseif given[1] >= history.stamp then
      history.rows[i] = older
    end
  end
  if given[1] > history.stamp then history.stamp = given[1] end
end

local function begun(kind)
  local history = {
    till = 0, made = now, begun = 1, stamp = 0, recent = false, buckets = {}, rows = {},
  }
  for i, its in ipairs(kind[1]) do
    local rows = {}
    if its[1] == ATTRIBUTES then
      for j = 1, its[2] do rows[j] = false end
    else
      rows[1], history.buckets[i] = math.floor(now / its[4]) + 1, 0
    end
    history.rows[i] = rows
  end
  return history
end

local function expire_soon(history)
  if history.till == 0 or history.till > now + settle then
    history.till, history.recent = now + settle, history.recent or {}
  end
end

local function count(kind, history, cells, time, key)
  add(kind, history, cells, time)
  local recent = history.recent
  if recent then
    if #recent >= MOST_RECENT then table.remove(recent, 1) end
    recent[#recent + 1] = {key, time, cells}
  end
end

local function made_of(kind, given, former)
  local history = {
    till = 0, made = now, begun = 0, stamp = given[1], recent = false, buckets = {}, rows = {},
  }
  -- Of what came just before Redis was lost, some may still be on its way to Postgres.
  if settle > age then
    history.till, history.recent = now + settle, {}
  end
  for i, its in ipairs(kind[1]) do
    history.rows[i] = given[1 + i]
    if its[1] ~= ATTRIBUTES then history.buckets[i] = 0 end
  end
  for _, one in ipairs(former and former.recent or {}) do add(kind, history, one[3], one[2]) end
  return history
end

local function missing(history)
  local keys = {}
  for i, one in ipairs(history and history.recent or {}) do keys[i] = one[1] end
  return {keys}
end

-- One entity of one transaction: its totals, or (in a table) what is missing; whether it was counted;
-- and whether all its windows are known.

local function observe(index, own, kind, how, at, time, accepted, ttl, given)
  local history = open_history(kind, held(index), mark)
  if history and history.till > 0 and history.till <= now then
    if given then history = made_of(kind, given, history)
    elseif how == STRICT then
      -- It must outlast the reading, which leaves out what only it has.
      redis.call('PEXPIRE', KEYS[index], KEPT)
      return missing(history)
    elseif how == LENIENT then history.till = now + settle
    else return missing(false) end
  elseif given and history then
    merge(kind, history, given)
  elseif given then
    history = made_of(kind, given, false)
  elseif not history then
    if how ~= LENIENT then return missing(false) end
    history = begun(kind)
  end
  local cells = cells_at(kind, at)
  local known, out = totals(kind, history, cells[1])
  if how == STRICT and not known and not given then return missing(false) end
  if how == AFTERWARDS and settle > 0 and history.made + MARGIN > accepted then
    -- It was made anew since, perhaps from a Postgres that had this transaction already.
    expire_soon(history)
  elseif settle > 0 and time < counted_from then
    -- It may have been counted by a Redis that is no more, or longer ago than is remembered.
    expire_soon(history)
  else
    count(kind, history, cells, time, own)
  end
  for i, bucket in ipairs(cells[1]) do
    if bucket and bucket > history.buckets[i] then history.buckets[i] = bucket end
  end
  -- Kept a while longer than it is good, for the sake of what is recent.
  if history.till > 0 then
    local left = math.max(1, math.floor((history.till + settle - now) / 1000))
    if left < tonumber(ttl) then ttl = string.format('%d', left) end
  end
  hold(KEYS[index], close(kind, history, mark), ttl)
  return out, true, known
end

-- What is remembered of a transaction, or nothing.

local function remembered_of(own)
  local value = held(own)
  if not value then return end
  local fine, found = pcall(cmsgpack.unpack, value)
  if fine and type(found) == 'table' and type(found[1]) == 'string' and type(found[2]) == 'number' then
    return found
  end
end

local keep = string.format('%d', math.max(1, math.floor(retries / 1000)))
local letters, parts = {}, {}
local at, key, given_at = 1, 2, 2
while at <= #block do
  local how, entities, time, accepted, print, ttl, next_at = unpacked('<BBddc16s', block, at)
  local own, known, news = key, true, false
  local remembered = remembered_of(own)
  local other = remembered and remembered[1] ~= print
  local outs = {print, now}
  at = next_at
  for slot = 3, entities + 2 do
    key = key + 1
    local kind, given = kinds[sub(block, at, at):byte()], false
    if sub(block, at + 1, at + 1) == '\1' then
      given_at = given_at + 1
      given = ARGV[given_at]
    end
    at = at + 2
    if other then outs[slot] = false
    elseif remembered and remembered[slot] then outs[slot] = remembered[slot]
    else
      local value, out, counted = held(key), nil, true
      if value and not given and how ~= AFTERWARDS and (settle == 0 or time >= counted_from) then
        local changed
        out, changed = quick(kind, value, how, at, time)
        if out then
          hold(KEYS[key], changed, ttl)
          known = known and sub(value, MARK + 1, MARK + 1) == 'K'
        end
      end
      if not out then
        local whole
        given = given and cmsgpack.unpack(given)
        out, counted, whole = observe(key, KEYS[own], kind, how, at, time, accepted, ttl, given)
        known = known and whole
      end
      outs[slot] = out
      news = news or counted
    end
    at = at + kind[8]
  end
  key = key + 1
  if other then letters[#letters + 1] = 'O'
  elseif known and not remembered then
    letters[#letters + 1] = 'N'
    for slot = 3, entities + 2 do parts[#parts + 1] = outs[slot] end
  else
    letters[#letters + 1] = 'R'
    parts[#parts + 1] = pack('<d', remembered and remembered[2] or now)
    for slot = 3, entities + 2 do
      local out = outs[slot]
      if type(out) == 'string' then parts[#parts + 1] = 'K' .. out
      else
        local keys = cmsgpack.pack(out[1])
        parts[#parts + 1] = 'M' .. pack('<I4', #keys) .. keys
        outs[slot] = false
      end
    end
  end
  if news then
    if remembered then outs[2] = remembered[2] end
    hold(KEYS[own], cmsgpack.pack(outs), keep)
  end
end

for key, value in pairs(values) do
  redis.call('SET', key, value, 'PX', lives[key])
end
return table.concat(letters) .. table.concat(parts)
