-- Labels and attributes of one entity as Postgres has them now, in place of those that are stored.
--
-- KEYS[1] is the mark of this Redis's life, KEYS[2] the entity's. ARGV[1] is msgpack: now, the kind of
-- the entity as history.lua has it, and what was read: stamp, tables... A history that is not there stays
-- so: it will be read whole when it is needed. One that knows labels of a later time keeps them. Answers
-- 1 or 0.

local now, kind, given = unpack(cmsgpack.unpack(ARGV[1]))
local stored = redis.call('MGET', KEYS[1], KEYS[2])
if not stored[1] or not stored[2] then return 0 end

local mark = sub(stored[1], 1, MARK)
local history = open_history(kind, stored[2], mark)
if not history then return 0 end
if history.till > 0 and history.till <= now or history.stamp > given[1] then return 0 end

history.stamp = given[1]
for i, its in ipairs(kind[1]) do
  if its[1] >= LABELS then history.rows[i] = given[1 + i] end
end
redis.call('SET', KEYS[2], close(kind, history, mark, 0), 'KEEPTTL')
return 1
