-- Totals of histories before each of some transactions, which then count: one call for many requests
-- of a turn. history.lua, which goes before this, has what a history is.
--
-- KEYS[1] is the mark of this Redis's life; then each transaction's own key; then those of all their
-- entities. ARGV[1] is msgpack: how many transactions, now, retries, settle, a new mark, and KINDS.
-- ARGV[2] is the transactions, one after the other: how, number of entities, time, accepted, a fingerprint,
-- time to live, and for each entity its kind, whether its history was read from Postgres, the bucket of
-- each table of buckets, what is added to each table of sums, and to each of members. Those histories are
-- the other arguments, as msgpack. Times are microseconds, time to live is milliseconds.
--
-- A transaction's own key remembers its fingerprint, when it was read, and for each entity the length
-- of its totals (nought: it is not counted there) and these.
--
-- The answer has a letter for each transaction, then what belongs to these:
--     N  read now, all is known: what is remembered of it
--     R  when it was read; then for each entity K and its totals, or M, a length, and (msgpack) the
--        keys of transactions to leave out when its history is read from Postgres
--     O  another transaction had that id: it neither counts nor is told anything

local STRICT, LENIENT, AFTERWARDS = 0, 1, 2
local MOST_RECENT = 512
local MARGIN, KEPT = 5000000, 60000
local NOUGHT = string.rep('\0', 4)
local RENEWED = 50 -- microseconds for each millisecond to live: a twentieth of it

local number, now, retries, settle, new_mark, kinds = unpack(cmsgpack.unpack(ARGV[1]))
local block = ARGV[2]

local remembered = redis.call('MGET', unpack(KEYS, 1, number + 1))
local time_of_redis = redis.call('TIME')
local clock = time_of_redis[1] * 1000000 + time_of_redis[2]

-- How long this Redis has lived is told by its own clock alone; when it began, by that of who asks.

local function life()
  local born = remembered[1]
  if not born or #born ~= MARK + 8 then
    born = new_mark .. pack('<d', clock)
    redis.call('SET', KEYS[1], born)
  end
  return sub(born, 1, MARK), math.max(clock - unpacked('<d', born, MARK + 1), 0)
end

local mark, age = life()
local counted_from = math.max(now - age, now - retries)
local known_mark, unknown_mark = mark .. 'K', mark .. 'U'

-- What is stored under an entity's key, or its beginning; '' also where that is no string. Where it may
-- not be read, it must not be taken for none: it would be read from Postgres each time.

local function read(key, ends)
  local found = redis.pcall('GETRANGE', key, '0', ends)
  if type(found) == 'string' then return found end
  if string.find(found.err, 'WRONGTYPE', 1, true) then return '' end
  error('GETRANGE: ' .. found.err)
end

-- One more transaction in the newest buckets: its totals, and whether all are known. Nothing where
-- that is not the case, or more than sums are kept.

local function quick(kind, key, how, at, time, ttl)
  local head = read(key, kind[9])
  local life_and_how = sub(head, 1, MARK + 1)
  if life_and_how ~= known_mark and (life_and_how ~= unknown_mark or how ~= LENIENT) then return end
  local width = 8 * kind[2]
  local renewed = BUCKETS + width
  if sub(head, BUCKETS, renewed - 1) ~= sub(block, at, at + width - 1) then return end
  local own, adding, sums_kept = renewed + 8, at + width, kind[3]
  for i = sums_kept, sums_kept + kind[7] - 1 do
    if unpacked('<d', block, adding + 8 * i) >= 0 then return end
  end
  local fresh, counted, at_own = '', false, own
  for _ = 1, sums_kept do
    local added = unpacked('<d', block, adding)
    if added >= 0 then
      local count, amount, highest, latest = unpacked('<dddd', head, at_own)
      amount, counted = amount + added, true
      fresh = fresh .. pack('<dddd',
        count + 1, amount > MOST and MOST or amount,
        added > highest and added or highest, time > latest and time or latest)
    else
      fresh = fresh .. sub(head, at_own, at_own + 31)
    end
    adding, at_own = adding + 8, at_own + 32
  end
  if unpacked('<d', head, renewed) <= clock then
    redis.call('SETRANGE', key, renewed - 1, pack('<d', clock + RENEWED * ttl) .. fresh)
    redis.call('PEXPIRE', key, ttl)
  elseif counted then
    redis.call('SETRANGE', key, kind[10], fresh)
  end
  return sub(head, own, totals_end(kind, head)), life_and_how == known_mark
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

local function observe(key, own, kind, how, at, time, accepted, ttl, given)
  local history = open_history(kind, read(key, '-1'), mark)
  if history and history.till > 0 and history.till <= now then
    if given then history = made_of(kind, given, history)
    elseif how == STRICT then
      -- It must outlast the reading, which leaves out what only it has.
      redis.call('PEXPIRE', key, KEPT)
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
  local known, own_totals, rest = totals(kind, history, cells[1])
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
  local closed = close(kind, history, mark, clock + RENEWED * ttl, cells[1], known, rest)
  redis.call('SET', key, closed, 'PX', ttl)
  return own_totals .. rest, true, known
end

-- What is remembered of a transaction: when it was read, and the totals of its entities, or false.

local function recall(memory)
  if #memory < 24 then return end
  local outs, at, length = {(unpacked('<d', memory, 17))}, 25, nil
  while at + 3 <= #memory do
    length, at = unpacked('<I4', memory, at)
    outs[#outs + 1] = length > 0 and sub(memory, at, at + length - 1)
    at = at + length
  end
  return outs
end

local keep = string.format('%d', math.max(1, math.floor(retries / 1000)))
local memories, letters, parts = {}, {}, {}
local at, entity, given_at = 1, number + 1, 2
local read_now = pack('<d', now)

for n = 1, number do
  local how, entities, time, accepted, print, ttl, next_at = unpacked('<BBddc16s', block, at)
  local own = KEYS[n + 1]
  local memory = memories[own] or remembered[n + 1]
  local outs = memory and recall(memory)
  local other, known, news = outs and sub(memory, 1, 16) ~= print, not outs, false
  outs = outs or {now}
  local fresh = print .. (known and read_now or pack('<d', outs[1]))
  at = next_at
  for slot = 2, entities + 1 do
    entity = entity + 1
    local key, kind, given = KEYS[entity], kinds[string.byte(block, at)], false
    if string.byte(block, at + 1) == 1 then
      given_at = given_at + 1
      given = cmsgpack.unpack(ARGV[given_at])
    end
    at = at + 2
    local out, counted, whole = outs[slot], false, true
    if not out and not other then
      if not given and how ~= AFTERWARDS and (settle == 0 or time >= counted_from) then
        out, whole = quick(kind, key, how, at, time, ttl)
        counted = true
      end
      if not out then
        out, counted, whole = observe(key, own, kind, how, at, time, accepted, ttl, given)
      end
      outs[slot], news, known = out, news or counted, known and whole
    end
    if type(out) == 'string' then fresh = fresh .. pack('<I4', #out) .. out
    else fresh = fresh .. NOUGHT end
    at = at + kind[8]
  end
  if other then letters[n] = 'O'
  elseif known then
    letters[n], parts[#parts + 1] = 'N', fresh
  else
    letters[n], parts[#parts + 1] = 'R', pack('<d', outs[1])
    for slot = 2, entities + 1 do
      local out = outs[slot]
      if type(out) == 'string' then parts[#parts + 1] = 'K' .. out
      else
        local keys = cmsgpack.pack(out[1])
        parts[#parts + 1] = 'M' .. pack('<I4', #keys) .. keys
      end
    end
  end
  if news then
    redis.call('SET', own, fresh, 'PX', keep)
    memories[own] = fresh
  end
end

return table.concat(letters) .. table.concat(parts)
