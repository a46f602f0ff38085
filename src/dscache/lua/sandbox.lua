-- The part of the sandbox that is written in Lua: what a script sees of Lua and of ``redis``.
--
-- Run once in a new Lua state, before any script. Nothing that it hands to scripts is a Python object:
-- those stay upvalues of Lua closures, which scripts cannot reach (there is no ``debug``).
--
-- *Read-only tables.* Lua 5.1 has none (Redis patches its Lua for them). What is shared between scripts
-- is an empty table instead, whose metatable finds everything in a hidden one and refuses writes; the
-- functions that pass metatables by (rawset, table.insert...) ask first. The price is that ``next`` finds
-- nothing in ``string`` or ``redis``; ``pairs`` does.
--
-- *Globals.* Each run has an environment of its own: empty, in front of KEYS and ARGV, in front of the
-- read-only globals. So a script can leave nothing behind, and costs three small tables.

local dispatch, dispatch_many, log, sha1hex, check_command, set_protocol, tick, libraries, version, version_number = ...

local real_globals = getfenv(0)
local error, type, tostring, tonumber, select, unpack = error, type, tostring, tonumber, select, unpack
local next, pairs, ipairs, pcall, xpcall = next, pairs, ipairs, pcall, xpcall
local rawget, rawset = rawget, rawset
local setmetatable, getmetatable = setmetatable, getmetatable
local getfenv, setfenv, loadstring = getfenv, setfenv, loadstring
local collectgarbage = collectgarbage
local floor, sub, gsub, concat = math.floor, string.sub, string.gsub, table.concat
local getinfo, sethook = debug.getinfo, debug.sethook
local coroutine_create, coroutine_resume = coroutine.create, coroutine.resume
local coroutine_status, coroutine_running = coroutine.status, coroutine.running

-- Instructions between two looks at the clock: far less than a millisecond.
local TICK = 100000

-- Values that go from Lua to Python or back at a time: C's stack holds some thousands.
local SLICE = 200

local READONLY = 'Attempt to modify a readonly table'

-- Read-only tables

-- What is shown holds its content, by its metatable. This may hold neither: an environment is part of its
-- own content (_G), and what a weak table's value leads to is not collected.
local hidden = setmetatable({}, {__mode = 'kv'})

-- Lua 5.1 does not collect when memory runs out: see to it that there is less to collect.
collectgarbage('setpause', 120)

local function refuse()
  error(READONLY, 2)
end

local function readonly(content)
  local shown = {}
  hidden[shown] = content
  return setmetatable(shown, {__index = content, __newindex = refuse, __metatable = false})
end

local function check_writable(t)
  if hidden[t] then error(READONLY, 0) end
end

-- As luaL_typerror: what ``name`` was called with is not ``wanted``. For who is called by the script itself.
local function type_error(name, wanted, ...)
  local given = select('#', ...) == 0 and 'no value' or type((...))
  error("bad argument #1 to '" .. name .. "' (" .. wanted .. ' expected, got ' .. given .. ')', 3)
end

local function guarded(name, f)
  return function(...)
    local t = ...
    if type(t) ~= 'table' then type_error(name, 'table', ...) end
    check_writable(t)
    return f(...)
  end
end

-- What an error says without a place in this file: it means the place where the script has left its frame.
local function without_our_place(raised)
  return type(raised) == 'string' and gsub(raised, '^dscache/%a+%.lua:%d+: ', '') or raised
end

-- Time: called every TICK instructions, in every coroutine

local hook
-- The run is over: what follows is this file's own code.
local is_over = true

hook = function()
  if is_over then return end
  local verdict = tick()
  if verdict then
    -- A script that catches the error gets it again at its next line.
    sethook(hook, 'l')
    error({err = verdict}, 0)
  end
end

-- A string that grows until memory runs out takes a second and a few dozen instructions: a script that
-- catches the error and begins again would run for an hour from one tick to the next.
local function look_after(raised)
  if raised == 'not enough memory' then
    collectgarbage()
    hook()
  end
end

local function create(f)
  local thread = coroutine_create(f)
  sethook(thread, hook, '', TICK)
  return thread
end

local function finish_wrapped(ok, ...)
  if not ok then error((...), 0) end
  return ...
end

local function finish_resume(ok, ...)
  if not ok then look_after((...)) end
  return ok, ...
end

local function resume(...)
  return finish_resume(coroutine_resume(...))
end

local function wrap(f)
  local thread = create(f)
  return function(...)
    return finish_wrapped(coroutine_resume(thread, ...))
  end
end

-- The collector belongs to all scripts: one may look, and tidy up, but not stop it.
local function collect(option)
  if option == nil or option == 'collect' or option == 'step' or option == 'count' then
    return collectgarbage(option)
  end
  error("bad argument #1 to 'collectgarbage' (invalid option '" .. tostring(option) .. "')", 2)
end

-- Of an error of redis it gives the text only, as Redis's own does.
local function finish_pcall(ok, ...)
  if ok then return true, ... end
  local raised = ...
  look_after(raised)
  local text = type(raised) == 'table' and rawget(raised, 'err')
  if type(text) == 'string' or type(text) == 'number' then return false, text end
  return false, without_our_place(raised)
end

local function seen_pcall(...)
  return finish_pcall(pcall(...))
end

-- Lua's own calls the handler while the error is on its way, and in an error that the hook has raised
-- there is no hook: a handler that did not end could not be ended. So it is called when that is over.
local function finish_xpcall(on_error, ok, ...)
  if ok then return true, ... end
  look_after((...))
  local handled, result = pcall(on_error, without_our_place((...)))
  if handled then return false, result end
  return false, 'error in error handling'
end

local function seen_xpcall(...)
  if select('#', ...) < 2 then error("bad argument #2 to 'xpcall' (value expected)", 2) end
  local f, on_error = ...
  return finish_xpcall(on_error, pcall(f))
end

-- Code made at run time: never byte code, which could do anything

local environment

local function compile(source, name, env)
  if sub(source, 1, 1) == '\27' then
    return nil, 'byte code is not allowed'
  end
  local f, message = loadstring(source, name)
  if not f then return nil, message end
  return setfenv(f, env)
end

local function load_text(source, name)
  return compile(source, name or source, environment)
end

local function load_pieces(reader, name)
  local pieces = {}
  while true do
    local piece = reader()
    if piece == nil or piece == '' then break end
    pieces[#pieces + 1] = piece
  end
  return compile(concat(pieces), name or '=(load)', environment)
end

local function get_environment(f)
  if type(f) == 'number' then f = f == 0 and 0 or f + 1 end
  local found = getfenv(f or 2)
  if found == real_globals then return environment end
  return found
end

local function set_environment(f, env)
  if type(f) == 'number' then
    if f < 1 then error("'setfenv' cannot change the environment of given object", 2) end
    f = f + 1
  elseif getfenv(f) == real_globals then
    error("'setfenv' cannot change the environment of given object", 2)
  end
  return setfenv(f, env)
end

-- Random numbers: the same sequence after every start, as in Redis. Its generator is drand48 of the C
-- library, done here in halves of 24 bits, which doubles can multiply.

local random_high, random_low = 1193131, 13447950

local function seed_random(...)
  local seed = tonumber((...))
  if not seed then type_error('randomseed', 'number', ...) end
  seed = (seed < 0 and -floor(-seed) or floor(seed)) % 4294967296
  local state = seed * 65536 + 13070
  random_high, random_low = floor(state / 16777216) % 16777216, state % 16777216
end

local function next_random()
  local low = random_low * 15525485 + 11
  local high = random_high * 15525485 + random_low * 1502 + floor(low / 16777216)
  random_low, random_high = low % 16777216, high % 16777216
  return floor((random_high * 16777216 + random_low) / 131072) % 2147483648 / 2147483647
end

local function random(...)
  local count = select('#', ...)
  local r = next_random()
  if r >= 1 then r = 0 end
  if count == 0 then return r end
  local low, high = 1, tonumber((...))
  if count == 2 then
    low, high = high, tonumber((select(2, ...)))
  elseif count > 2 then
    error('wrong number of arguments', 2)
  end
  if not low or not high then
    error("bad argument #1 to 'random' (number expected, got " .. type((...)) .. ')', 2)
  end
  low, high = floor(low), floor(high)
  if low > high then
    error("bad argument #" .. count .. " to 'random' (interval is empty)", 2)
  end
  return floor(r * (high - low + 1)) + low
end

-- redis

local function plain_call(...)
  -- Python takes no thousands of arguments at once.
  local count = select('#', ...)
  if count > SLICE then return dispatch_many({...}, count) end
  return dispatch(...)
end

local function call(...)
  local reply = plain_call(...)
  if type(reply) == 'table' and rawget(reply, 'err') then error(reply, 0) end
  return reply
end

local function failed(text)
  error({err = 'ERR ' .. text}, 0)
end

-- What C makes of a number, or of a string that is one; nil of anything else.
local function whole_number(value)
  local number = (type(value) == 'number' or type(value) == 'string') and tonumber(value)
  if not number then return nil end
  return number < 0 and -floor(-number) or floor(number)
end

-- What C makes of a string or a number; nothing of anything else.
local function text_of(value)
  return (type(value) == 'string' or type(value) == 'number') and tostring(value) or ''
end

local function error_reply(...)
  local text = ...
  if select('#', ...) ~= 1 or type(text) ~= 'string' then
    return {err = 'ERR wrong number or type of arguments'}
  end
  if sub(text, 1, 1) == '-' then text = sub(text, 2) end
  if not text:find(' ', 1, true) then text = 'ERR ' .. text end
  return {err = text}
end

local function status_reply(...)
  local text = ...
  if select('#', ...) ~= 1 or type(text) ~= 'string' then
    return {err = 'ERR wrong number or type of arguments'}
  end
  return {ok = text}
end

local redis = {
  call = call,
  error_reply = error_reply,
  status_reply = status_reply,
  LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
  REPL_NONE = 0, REPL_AOF = 1, REPL_SLAVE = 2, REPL_REPLICA = 2, REPL_ALL = 3,
  REDIS_VERSION = version, REDIS_VERSION_NUM = version_number,
}

-- Closures of Lua round what is Python: a script that looks at them finds functions.
function redis.pcall(...)
  return plain_call(...)
end

function redis.sha1hex(...)
  if select('#', ...) ~= 1 then failed('wrong number of arguments') end
  return sha1hex(text_of((...)))
end

function redis.log(level, ...)
  if select('#', ...) < 1 then failed('redis.log() requires two arguments or more.') end
  level = whole_number(level)
  if not level then failed('First argument must be a number (log level).') end
  if not (level >= 0 and level <= 3) then failed('Invalid log level.') end
  local words = {}
  for n = 1, select('#', ...) do
    words[n] = text_of((select(n, ...)))
  end
  log(level, concat(words, ' '))
end

function redis.setresp(...)
  if select('#', ...) ~= 1 then failed('redis.setresp() requires one argument.') end
  local version = whole_number(...)
  if version ~= 2 and version ~= 3 then failed('RESP version must be 2 or 3.') end
  set_protocol(version)
end

function redis.set_repl(...)
  if select('#', ...) ~= 1 then failed('redis.set_repl() requires one argument.') end
  local flags = tonumber((...))
  if not flags or flags < 0 or flags > 3 then
    failed('Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.')
  end
end

function redis.acl_check_cmd(...)
  if select('#', ...) == 0 then
    failed('Please specify at least one argument for this redis lib call')
  end
  local verdict = check_command(...)
  if type(verdict) == 'table' then error(verdict, 0) end
  return verdict
end

-- There is no debugger that a breakpoint could stop in, and effects are what is replicated anyway.
function redis.breakpoint() return false end
function redis.debug() end
function redis.replicate_commands() return true end

-- What scripts see

local function shared(from, names)
  local content = {}
  for name in names:gmatch('%S+') do content[name] = from[name] end
  return content
end

local seen_string = shared(string,
  'byte char dump find format gfind gmatch gsub len lower match rep reverse sub upper')
local seen_table = shared(table, 'concat foreach foreachi getn maxn')
for name in ('insert remove setn sort'):gmatch('%S+') do
  seen_table[name] = guarded(name, table[name])
end
local seen_math = shared(math, 'abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge'
  .. ' ldexp log log10 max min mod modf pi pow rad sin sinh sqrt tan tanh')
seen_math.random, seen_math.randomseed = random, seed_random

-- ``next`` alone would find nothing in a read-only table, and in what is behind it too much: it can be
-- written to.
local function seen_pairs(t)
  local content = hidden[t]
  if not content then return pairs(t) end
  local key, value
  return function()
    key, value = next(content, key)
    return key, value
  end
end

local globals = shared(real_globals, '_VERSION assert error gcinfo getmetatable ipairs'
  .. ' next rawequal rawget select tonumber tostring type unpack')
globals.rawset, globals.setmetatable = guarded('rawset', rawset), guarded('setmetatable', setmetatable)
globals.getfenv, globals.setfenv = get_environment, set_environment
globals.load, globals.loadstring = load_pieces, load_text
globals.collectgarbage, globals.pairs = collect, seen_pairs
globals.pcall, globals.xpcall = seen_pcall, seen_xpcall
globals.string, globals.table = readonly(seen_string), readonly(seen_table)
globals.math, globals.redis = readonly(seen_math), readonly(redis)
globals.os = readonly({clock = os.clock})
globals.coroutine = readonly({
  create = create, wrap = wrap, resume = resume, status = coroutine_status,
  running = coroutine_running, yield = coroutine.yield,
})
for name, library in pairs(libraries) do
  globals[name] = readonly(library)
end

-- What a string's methods are found in, which all scripts share.
local string_meta = getmetatable('')
string_meta.__index, string_meta.__metatable = seen_string, false

local undeclared = {
  __index = function(_, name)
    error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
  end,
}
setmetatable(globals, undeclared)
local globals_meta = {__index = globals}

-- The globals of a run, in front of ``names``, a table that this becomes the owner of.
local function new_environment(names, meta)
  local env = readonly(setmetatable(names, meta))
  names._G = env
  return env
end

-- Running

-- As it stands where an error is raised: a table with ``err``, and where it was.
local function handler(raised)
  is_over = true
  -- The script's own line, not that of C or of this file. After a tail call it is not known.
  local level, info = 2, nil
  repeat
    info = getinfo(level, 'Sl')
    level = level + 1
  until not info or (sub(info.source, 1, 9) ~= '=dscache/' and info.what ~= 'C' and info.what ~= 'tail')
  if type(raised) ~= 'table' then raised = {err = 'ERR ' .. tostring(without_our_place(raised))} end
  local text = rawget(raised, 'err')
  if type(text) ~= 'string' then
    raised = {err = type(text) == 'number' and tostring(text) or 'ERR unknown error'}
  end
  if info and not hidden[raised] then
    rawset(raised, 'source', info.source)
    rawset(raised, 'line', info.currentline)
  end
  return raised
end

local function run_in(env, body)
  environment = env
  is_over = false
  sethook(hook, '', TICK)
  local ok, result = xpcall(function()
    local value = body()
    is_over = true
    return value
  end, handler)
  sethook()
  environment = nil
  if not ok and type(result) ~= 'table' then
    -- Memory ran out, or the handler itself failed.
    result = {err = 'ERR ' .. tostring(result)}
  end
  return ok, result
end

local function run_script(f, keys, args)
  local env = new_environment({KEYS = keys, ARGV = args}, globals_meta)
  setfenv(f, env)
  return run_in(env, f)
end

-- Functions

local function flags_of(list)
  local flags = {}
  for n, flag in next, list do
    if type(flag) ~= 'string' then return nil end
    flags[#flags + 1] = flag
  end
  return flags
end

-- What C takes for a string.
local function is_text(value)
  return type(value) == 'string' or type(value) == 'number'
end

-- The arguments of register_function, passed on to ``register``: what is wrong with them, or nil.
local function read_named(register, named)
  local name, callback, description, flags
  for key, value in next, named do
    if not is_text(key) then
      return 'named argument key given to redis.register_function is not a string'
    end
    key = tostring(key):lower()
    if key == 'function_name' then
      if not is_text(value) then
        return 'function_name argument given to redis.register_function must be a string'
      end
      name = tostring(value)
    elseif key == 'description' then
      if not is_text(value) then
        return 'description argument given to redis.register_function must be a string'
      end
      description = tostring(value)
    elseif key == 'callback' then
      if type(value) ~= 'function' then
        return 'callback argument given to redis.register_function must be a function'
      end
      callback = value
    elseif key == 'flags' then
      if type(value) ~= 'table' then
        return 'flags argument to redis.register_function must be a table representing function flags'
      end
      flags = flags_of(value)
      if not flags then return 'unknown flag given' end
    else
      return 'unknown argument given to redis.register_function'
    end
  end
  if not name then return 'redis.register_function must get a function name argument' end
  if not callback then return 'redis.register_function must get a callback argument' end
  return register(name, callback, description, unpack(flags or {}))
end

local is_loading = false

local function read_function(register, ...)
  if not is_loading then
    return 'redis.register_function can only be called on FUNCTION LOAD command'
  end
  local count = select('#', ...)
  local name, callback = ...
  if count < 1 or count > 2 then
    return 'wrong number of arguments to redis.register_function'
  elseif count == 2 then
    if not is_text(name) then
      return 'first argument to redis.register_function must be a string'
    end
    if type(callback) ~= 'function' then
      return 'second argument to redis.register_function must be a function'
    end
    return register(tostring(name), callback, nil)
  elseif type(name) ~= 'table' then
    return 'calling redis.register_function with a single argument is only applicable to Lua table'
      .. ' (representing named arguments).'
  end
  return read_named(register, name)
end

local function load_library(source, name, register)
  local seen = shared(redis,
    'log LOG_DEBUG LOG_VERBOSE LOG_NOTICE LOG_WARNING REDIS_VERSION REDIS_VERSION_NUM')
  function seen.register_function(...)
    local failure = read_function(register, ...)
    if failure then error({err = 'ERR ' .. failure}, 0) end
  end
  setmetatable(seen, undeclared)
  -- While it is loaded it finds that and nothing else, not even Lua's own functions; as in Redis.
  local names = {redis = readonly(seen)}
  local env = new_environment(names, undeclared)
  local f, message = compile(source, name, env)
  if not f then return nil, message end
  is_loading = true
  local ok, result = run_in(env, f)
  is_loading = false
  -- What it has registered finds everything.
  names.redis = nil
  setmetatable(names, globals_meta)
  return ok, result
end

local function run_function(f, keys, args)
  local env = new_environment({}, globals_meta)
  return run_in(env, function() return f(keys, args) end)
end

-- What a table says as a reply: its kind, what that needs, and for an array the length and the first
-- items; the rest is asked for in slices.

local function described(kind, items, count)
  return kind, count, items, unpack(items, 1, count < SLICE and count or SLICE)
end

local function shape(t)
  if type(t) ~= 'table' then return nil end
  local field = rawget(t, 'err')
  if type(field) == 'string' then return 'err', field end
  field = rawget(t, 'ok')
  if type(field) == 'string' then return 'ok', field end
  field = rawget(t, 'double')
  if type(field) == 'number' then return 'double', field end
  field = rawget(t, 'map')
  if type(field) == 'table' then
    local items = {}
    for key, value in next, field do
      items[#items + 1], items[#items + 2] = key, value
    end
    return described('map', items, #items)
  end
  field = rawget(t, 'set')
  if type(field) == 'table' then
    local items = {}
    for member in next, field do items[#items + 1] = member end
    return described('set', items, #items)
  end
  field = rawget(t, 'big_number')
  if type(field) == 'string' then return 'big_number', field end
  field = rawget(t, 'verbatim_string')
  if type(field) == 'table' then
    local text, form = rawget(field, 'string'), rawget(field, 'format')
    if type(text) == 'string' and type(form) == 'string' then return 'verbatim', text, form end
  end
  local count = 0
  while rawget(t, count + 1) ~= nil do count = count + 1 end
  return described('array', t, count)
end

local function slice(t, first, last)
  return unpack(t, first, last)
end

local function field_of(t, name)
  return rawget(t, name)
end

for _, name in ipairs({'debug', 'dofile', 'io', 'loadfile', 'module', 'os', 'package', 'print', 'python',
    'require'}) do
  real_globals[name] = nil
end

return compile, run_script, load_library, run_function, shape, slice, field_of, collectgarbage
