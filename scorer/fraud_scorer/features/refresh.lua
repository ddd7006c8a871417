-- Labels and attributes of one entity as Postgres has them now, in place of those that are stored.
--
-- KEYS[1] is the mark of this Redis's life, KEYS[2] the entity's. ARGV[1] is msgpack: now, the shapes
-- of its tables, and the history: stamp, tables... A history that is not there stays so: it will be
-- read whole when it is needed. One that knows labels of a later time keeps them. Answers 1 or 0.

local HEAD, STAMP, LABELS = 6, 5, 3
local now, shapes, given = unpack(cmsgpack.unpack(ARGV[1]))
local stored = redis.call('MGET', KEYS[1], KEYS[2])
if not stored[1] or not stored[2] then return 0 end

local history = cmsgpack.unpack(stored[2])
if history[1] ~= cmsgpack.unpack(stored[1])[1] then return 0 end
if history[2] > 0 and history[2] <= now or history[STAMP] > given[1] then return 0 end

history[STAMP] = given[1]
for i, shape in ipairs(shapes) do
  if shape >= LABELS then history[HEAD + i] = given[1 + i] end
end
redis.call('SET', KEYS[2], cmsgpack.pack(history), 'KEEPTTL')
return 1
