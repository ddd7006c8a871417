-- Settles answers and then claims transactions: one call for all of a turn.
--
-- KEYS are those of what is settled, then of what is claimed. ARGV is how long an answer is kept and a
-- claim may stay without one (milliseconds), then 32 bytes for each key (a fingerprint of the request,
-- and who claims), then the answer of each that is settled; an empty one gives the claim back.
--
-- What is stored is 'P', the fingerprint and the claimer while an answer is pending, then 'A', the
-- fingerprint and the answer. How long a claim has been pending is told by its time to live: no clock
-- but Redis's own has a part in it.
--
-- The answer has a letter for each claim: New, Same, In progress, Other; then for each S the length of
-- its answer (four bytes) and the answer.

local ttl, lease, marks = ARGV[1], tonumber(ARGV[2]), ARGV[3] -- as text: numbers are slow to write
local settled = #ARGV - 3
local stored = redis.call('MGET', unpack(KEYS))
local written = {}

local function held(i)
  local now = written[KEYS[i]]
  if now == nil then return stored[i] end
  return now
end

local function hold(key, value)
  redis.call('SET', key, value, 'PX', ttl)
  written[key] = value
end

local function mark(i)
  return string.sub(marks, 32 * i - 31, 32 * i)
end

for i = 1, settled do
  local its, has, answer = mark(i), held(i), ARGV[3 + i]
  if answer == '' then
    if has == 'P' .. its then
      redis.call('DEL', KEYS[i])
      written[KEYS[i]] = false
    end
  elseif not has or has == 'P' .. its then
    hold(KEYS[i], 'A' .. string.sub(its, 1, 16) .. answer)
  end
end

local letters, answers = {}, {}

local function claim(i)
  local its, has = mark(i), held(i)
  if not has then
    hold(KEYS[i], 'P' .. its)
    return 'N'
  end
  if string.sub(has, 2, 17) ~= string.sub(its, 1, 16) then return 'O' end
  if string.sub(has, 1, 1) == 'A' then
    answers[#answers + 1] = struct.pack('>I4', #has - 17)
    answers[#answers + 1] = string.sub(has, 18)
    return 'S'
  end
  if redis.call('PTTL', KEYS[i]) > ttl - lease then return 'I' end
  -- Who claimed it has not answered, and will not.
  hold(KEYS[i], 'P' .. its)
  return 'N'
end

for i = settled + 1, #KEYS do
  letters[#letters + 1] = claim(i)
end
return table.concat(letters) .. table.concat(answers)
