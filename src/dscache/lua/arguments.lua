-- What Lua's C interface gives a library and Lua itself does not: arguments checked as luaL_check... does, and
-- errors that carry the place in the script, not the place in here. Every library gets this table as its `...`.
--
-- A frame is ours if its chunk has our name, and the first that is not is the script's. When a script
-- says `return bit.band()` it has left its frame (a tail call), and the place is lost; a C function would
-- still know it.
--
-- Each library takes what it needs of Lua into locals and then an empty table for its globals: `getfenv` of a
-- function that a script was given must not lead out of the sandbox, nor what a script does to `string`
-- or `math` into a library.

local error, pairs, setmetatable, tonumber, tostring = error, pairs, setmetatable, tonumber, tostring
local type, unpack, getinfo = type, unpack, debug.getinfo
local byte, char, find = string.byte, string.char, string.find
local ceil, floor, frexp = math.ceil, math.floor, math.frexp
setfenv(1, {})

local STACK = 8000  -- the slots that Lua gives a C function: LUAI_MAXCSTACK
local SPREAD = STACK - 3  -- the most values that `unpack` returns at once, beside its arguments

local names = setmetatable({}, { __mode = "k" })  -- of the functions that scripts get

local function first_level_outside()
  local level = 3
  while true do
    local frame = getinfo(level, "S")
    if not frame or not find(frame.source, "^=dscache/") then
      return level - 1  -- as our caller counts
    end
    level = level + 1
  end
end

local function fail(message)
  error(message, first_level_outside())
end

local function argument_error(position, problem)
  local outside = first_level_outside()
  local called = getinfo(outside - 1, "nf")
  local name = called.name
  if called.namewhat == "method" then
    position = position - 1
    if position == 0 then
      error("calling '" .. name .. "' on bad self (" .. problem .. ")", outside)
    end
  end
  if not name then
    local caller = getinfo(outside, "S")
    name = caller and caller.what == "tail" and names[called.func] or "?"
  end
  error("bad argument #" .. position .. " to '" .. name .. "' (" .. problem .. ")", outside)
end

-- `count` is the number of arguments: only that tells a nil from nothing.
local function type_error(value, position, count, wanted)
  local got = position > count and "no value" or type(value)
  argument_error(position, wanted .. " expected, got " .. got)
end

local function to_string(value, position, count)
  if type(value) == "string" then
    return value
  end
  if type(value) ~= "number" then
    type_error(value, position, count, "string")
  end
  return tostring(value)
end

local function to_number(value, position, count)
  local number = type(value) == "number" and value or type(value) == "string" and tonumber(value)
  if not number then
    type_error(value, position, count, "number")
  end
  return number
end

-- As C turns a double into an int64_t: towards zero, and what does not fit becomes the smallest.
local function truncate(number)
  if not (number >= -2 ^ 63 and number < 2 ^ 63) then
    return -2 ^ 63
  end
  return (number < 0 and ceil(number) or floor(number)) + 0  -- -0 becomes 0
end

local function to_integer(value, position, count)
  return (truncate(to_number(value, position, count)))
end

-- As C turns an int64_t into an int.
local function wrap_int(integer)
  return (integer + 2 ^ 31) % 2 ^ 32 - 2 ^ 31
end

-- Return values[1], ..., values[count]: a few more than `unpack` can.
local function spread(values, count)
  if count > SPREAD then
    return values[1], values[2], unpack(values, 3, count)
  end
  return unpack(values, 1, count)
end

-- The sign, exponent field and upper and lower parts of the fraction of a number as IEEE 754 has it, for a
-- format of that many exponent bits and fraction bits (the upper part holds those above the lower 32).
local function ieee_parts(number, exponent_bits, fraction_bits)
  local all = 2 ^ exponent_bits - 1
  local bias = 2 ^ (exponent_bits - 1) - 1
  if number ~= number then
    return find(tostring(number), "^-") and 1 or 0, all, 2 ^ (fraction_bits - 1)
  end
  local sign = (number < 0 or 1 / number < 0) and 1 or 0
  if number < 0 then
    number = -number
  end
  if number == 0 then
    return sign, 0, 0
  end
  if number == 1 / 0 then
    return sign, all, 0
  end
  local mantissa, exponent = frexp(number)
  exponent = exponent - 1 + bias
  local fraction
  if exponent <= 0 then  -- subnormal
    fraction = mantissa * 2 ^ (fraction_bits + exponent)
    exponent = 0
  else
    fraction = (mantissa * 2 - 1) * 2 ^ fraction_bits
  end
  -- Round half to even; doubles need no rounding.
  local rounded = floor(fraction)
  local rest = fraction - rounded
  if rest > 0.5 or (rest == 0.5 and rounded % 2 == 1) then
    rounded = rounded + 1
  end
  if rounded == 2 ^ fraction_bits then
    rounded = 0
    exponent = exponent + 1
  end
  if exponent >= all then
    return sign, all, 0
  end
  return sign, exponent, rounded
end

local NAN = tonumber("nan")

local function ieee_number(sign, exponent, fraction, exponent_bits, fraction_bits)
  local all = 2 ^ exponent_bits - 1
  local bias = 2 ^ (exponent_bits - 1) - 1
  local number
  if exponent == all then
    number = fraction == 0 and 1 / 0 or NAN
  elseif exponent == 0 then
    number = fraction * 2 ^ (1 - bias - fraction_bits)
  else
    number = (fraction * 2 ^ -fraction_bits + 1) * 2 ^ (exponent - bias)
  end
  return sign == 1 and -number or number
end

-- Floats and doubles in big endian order.
local function float_bytes(number)
  local sign, exponent, fraction = ieee_parts(number, 8, 23)
  local high = floor(fraction / 65536)
  local second, last = floor(fraction / 256) % 256, fraction % 256
  return char(sign * 128 + floor(exponent / 2), exponent % 2 * 128 + high, second, last)
end

local function double_bytes(number)
  local sign, exponent, fraction = ieee_parts(number, 11, 52)
  local high, low = floor(fraction / 2 ^ 32), fraction % 2 ^ 32
  return char(
    sign * 128 + floor(exponent / 16), exponent % 16 * 16 + floor(high / 65536),
    floor(high / 256) % 256, high % 256,
    floor(low / 2 ^ 24), floor(low / 65536) % 256, floor(low / 256) % 256, low % 256
  )
end

local function bytes_float(data, position)
  local a, b, c, d = byte(data, position, position + 3)
  local exponent = a % 128 * 2 + floor(b / 128)
  return ieee_number(floor(a / 128), exponent, b % 128 * 65536 + c * 256 + d, 8, 23)
end

local function bytes_double(data, position)
  local a, b, c, d, e, f, g, h = byte(data, position, position + 7)
  local exponent = a % 128 * 16 + floor(b / 16)
  local high = b % 16 * 65536 + c * 256 + d
  local low = e * 2 ^ 24 + f * 65536 + g * 256 + h
  return ieee_number(floor(a / 128), exponent, high * 2 ^ 32 + low, 11, 52)
end

local function export(library)
  for name, value in pairs(library) do
    if type(value) == "function" then
      names[value] = name
    end
  end
  return library
end

return {
  STACK = STACK,
  argument_error = argument_error,
  bytes_double = bytes_double,
  bytes_float = bytes_float,
  double_bytes = double_bytes,
  export = export,
  fail = fail,
  float_bytes = float_bytes,
  spread = spread,
  to_integer = to_integer,
  to_number = to_number,
  to_string = to_string,
  truncate = truncate,
  type_error = type_error,
  wrap_int = wrap_int,
}
