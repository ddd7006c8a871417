-- Totals of histories before each of some transactions, which then count: one call for all requests
-- of a turn. state.py says what tables and totals are; this is the same for Redis, and held to it.
--
-- KEYS[1] is the mark of this Redis's life; then, for each transaction, its own key and those of its
-- entities. ARGV[1] is msgpack: now, retries, settle, a new mark, the tables of each kind, and the
-- transactions: how, time, ttl, accepted, then for each entity its kind, cells, and the history
-- read from Postgres (or false). Times are microseconds, time to live is milliseconds.
--
-- A stored history is {mark, until, made, begun, stamp, recent, tables...}. One with another mark is
-- not there. One that was good until now only is to be read anew, without those in `recent`, which
-- were counted since it was made and may still be on their way to Postgres.
--
-- The answer is, for each transaction, when it was read and the totals of each entity; or, where its
-- history must be read from Postgres first, {missing = keys of transactions to leave out}.

local MOST = 9007199254740991
local SUMS, DISTINCT, LABELS, ATTRIBUTES = 1, 2, 3, 4
local STRICT, LENIENT, AFTERWARDS = 0, 1, 2
local HEAD = 6
local MOST_RECENT = 512
local MARGIN, KEPT = 5000000, 60000

local now, retries, settle, new_mark, kinds, transactions =
  unpack(cmsgpack.unpack(ARGV[1]))

-- Totals of a table's windows, appended to `out`; whether all of them are known.

local function sums(rows, windows, bucket, out)
  local known, ends, at, count, amount, highest, latest = true, nil, 0, 0, 0, 0, 0
  for w = 1, #windows, 2 do
    local delay = windows[w + 1]
    if delay ~= ends then
      ends, at = delay, #rows - 4
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

local function totals(kind, history, cells)
  local known, out = true, {}
  for i, its in ipairs(kind) do
    local rows, bucket, fine = history[HEAD + i], cells[2 * i - 1], true
    if its[1] == SUMS then fine = sums(rows, its[5], bucket, out)
    elseif its[1] == LABELS then fine = labels(rows, its[5], bucket, out)
    elseif its[1] == DISTINCT then fine = distinct(rows, its[5], bucket, its[3], out)
    else
      for _, value in ipairs(rows) do out[#out + 1] = value end
    end
    known = known and fine
  end
  return known, out
end

-- Counting a transaction.

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
  for i, its in ipairs(kind) do
    local bucket, added = cells[2 * i - 1], cells[2 * i]
    if added >= 0 then
      if its[1] == SUMS then add_sum(history[HEAD + i], its[2], bucket, added, time)
      else add_member(history[HEAD + i], its[2], its[3], bucket, added) end
    end
  end
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
  if history[4] == 1 then
    -- Some of what came while Postgres was away may still be on its way there: read again, soon.
    history[2], history[4], history[6] = now + settle, 0, {}
  end
  for i, its in ipairs(kind) do
    local older, shape = given[1 + i], its[1]
    if shape == SUMS then
      history[HEAD + i] = before_and_since(older, history[HEAD + i], 5, its[2])
    elseif shape == DISTINCT then
      history[HEAD + i] = before_and_since(older, history[HEAD + i], 1, its[2])
    elseif given[1] >= history[5] then
      history[HEAD + i] = older
    end
  end
  if given[1] > history[5] then history[5] = given[1] end
end

local function begun(kind, mark)
  local history = {mark, 0, now, 1, 0, false}
  for i, its in ipairs(kind) do
    local rows = {}
    if its[1] == ATTRIBUTES then
      for j = 1, its[2] do rows[j] = false end
    else
      rows[1] = math.floor(now / its[4]) + 1
    end
    history[HEAD + i] = rows
  end
  return history
end

-- What is stored.

local stored = redis.call('MGET', unpack(KEYS))
local born
if stored[1] then
  born = cmsgpack.unpack(stored[1])
else
  born = {new_mark, now}
  redis.call('SET', KEYS[1], cmsgpack.pack(born))
end
local mark, since_birth = born[1], born[2]

local opened, changed = {}, {}

local function open(index)
  local key = KEYS[index]
  if opened[key] == nil then
    opened[key] = stored[index] and cmsgpack.unpack(stored[index]) or false
  end
  return opened[key]
end

local function is_good(history)
  return history[2] == 0 or history[2] > now
end

local function history_at(index)
  local found = open(index)
  if found and found[1] == mark then return found end
  return false
end

local function change(key, value, ttl)
  opened[key], changed[key] = value, math.max(1, math.floor(ttl))
end

local function expire_soon(history)
  if history[2] == 0 or history[2] > now + settle then
    history[2], history[6] = now + settle, history[6] or {}
  end
end

local function count(kind, history, cells, time, key)
  add(kind, history, cells, time)
  local recent = history[6]
  if recent then
    if #recent >= MOST_RECENT then table.remove(recent, 1) end
    recent[#recent + 1] = {key, time, cells}
  end
end

local function made_of(kind, given, former)
  local history = {mark, 0, now, 0, given[1], false}
  -- Of what came just before Redis was lost, some may still be on its way to Postgres.
  if settle > 0 and since_birth + settle > now then
    history[2], history[6] = now + settle, {}
  end
  for i = 2, #given do history[HEAD + i - 1] = given[i] end
  for _, one in ipairs(former and former[6] or {}) do add(kind, history, one[3], one[2]) end
  return history
end

local function missing(history)
  local keys = {}
  for i, one in ipairs(history and history[6] or {}) do keys[i] = one[1] end
  return {missing = keys}
end

-- One entity of one transaction: its totals, or what is missing; and whether it was counted.

local function observe(index, key, transaction, entity)
  local how, time, ttl, accepted = unpack(transaction, 1, 4)
  local kind, cells, given = kinds[entity[1]], entity[2], entity[3]
  local history = history_at(index)
  if history and not is_good(history) then
    if given then history = made_of(kind, given, history)
    elseif how == STRICT then
      -- It must outlast the reading, which leaves out what only it has.
      redis.call('PEXPIRE', KEYS[index], KEPT)
      return missing(history), false
    elseif how == LENIENT then history[2] = now + settle
    else return missing(false), false end
  elseif given and history then
    merge(kind, history, given)
  elseif given then
    history = made_of(kind, given, false)
  elseif not history then
    if how ~= LENIENT then return missing(false), false end
    history = begun(kind, mark)
  end
  local known, out = totals(kind, history, cells)
  if how == STRICT and not known and not given then return missing(false), false end
  if how == AFTERWARDS and settle > 0 and history[3] + MARGIN > accepted then
    -- It was made anew since, perhaps from a Postgres that had this transaction already.
    expire_soon(history)
  elseif settle > 0 and time < math.max(since_birth, now - retries) then
    -- It may have been counted by a Redis that is no more, or longer ago than is remembered.
    expire_soon(history)
  else
    count(kind, history, cells, time, key)
  end
  -- Kept a while longer than it is good, for the sake of what is recent.
  if history[2] > 0 then ttl = math.min(ttl, (history[2] + settle - now) / 1000) end
  change(KEYS[index], history, ttl)
  return out, true
end

local answer, at = {}, 2
for n, transaction in ipairs(transactions) do
  local own, news = at, false
  local remembered = open(own) or {now}
  local reply = {remembered[1]}
  for i = 5, #transaction do
    at = at + 1
    local slot, counted = i - 3, false
    if remembered[slot] then
      reply[slot] = remembered[slot]
    else
      reply[slot], counted = observe(at, KEYS[own], transaction, transaction[i])
      remembered[slot] = counted and reply[slot]
      news = news or counted
    end
  end
  if news then change(KEYS[own], remembered, retries / 1000) end
  answer[n] = reply
  at = at + 1
end

for key, ttl in pairs(changed) do
  redis.call('SET', key, cmsgpack.pack(opened[key]), 'PX', string.format('%d', ttl))
end
return cmsgpack.pack(answer)
