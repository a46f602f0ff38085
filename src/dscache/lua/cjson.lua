-- cjson: JSON to Lua values and back. Behaves as lua-cjson 2.1.0 in Redis 7.4, errors included.
--
-- Lua against Python (json and lupa's table_from, or a walk over the table), processor time: decoding 1 kB 104
-- against 109 us, 95 kB 9.8 against 8.8 ms; encoding 1 kB 83 against 265 us, 95 kB 9 against 31 ms. And
-- Python's parser does not say what cjson says about broken text, nor where. (Redis, in C: 2.8 ms and
-- 1.8 ms for 86 kB.)
--
-- Decoding has a short way and a long one. The short way reads well-formed text, a pattern for each string
-- or number, and notices no more than that something is wrong. Then `unexpected` reads the same
-- token again, slowly, and says what it is and where.
--
-- As in C a zero byte ends the text. Depth is bounded by the two limits and, above, by the slots of the
-- stack that C would have used; `used` counts them.

local arguments = ...
local fail, argument_error = arguments.fail, arguments.argument_error
local to_integer, to_string, wrap_int = arguments.to_integer, arguments.to_string, arguments.wrap_int
local export, STACK = arguments.export, arguments.STACK

local getmetatable, newproxy, next, rawget, select = getmetatable, newproxy, next, rawget, select
local tonumber, type = tonumber, type
local byte, char, find, format = string.byte, string.char, string.find, string.format
local gsub, lower, sub = string.gsub, string.lower, string.sub
local concat, floor, huge = table.concat, math.floor, math.huge
setfenv(1, {})

local INT_MAX = 2147483647

-- All libraries share it, and no script can change it: not even its metatable can be had.
local null = newproxy(true)
local null_metatable = getmetatable(null)
null_metatable.__metatable = false
function null_metatable.__tostring()
  return "userdata: (nil)"
end

-- Writing strings -------------------------------------------------------------------------------------

local ESCAPED = { ['"'] = '\\"', ["\\"] = "\\\\", ["/"] = "\\/", ["\127"] = "\\u007f" }
for code = 0, 31 do
  ESCAPED[char(code)] = format("\\u%04x", code)
end
for letter, escape in next, { ["\b"] = "\\b", ["\t"] = "\\t", ["\n"] = "\\n", ["\f"] = "\\f", ["\r"] = "\\r" } do
  ESCAPED[letter] = escape
end

local SPECIAL = '[%c"\\/]'  -- what a locale adds to the control characters is not in ESCAPED and stays

local function quoted(text)
  if find(text, SPECIAL) then
    text = gsub(text, SPECIAL, ESCAPED)
  end
  return '"' .. text .. '"'
end

-- Reading strings and numbers, the long way -----------------------------------------------------------

local UNESCAPED = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", t = "\t", n = "\n", f = "\f", r = "\r",
}

local function utf8(code)
  if code < 0x80 then
    return char(code)
  elseif code < 0x800 then
    return char(0xC0 + floor(code / 64), 0x80 + code % 64)
  elseif code < 0x10000 then
    return char(0xE0 + floor(code / 4096), 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
  end
  return char(
    0xF0 + floor(code / 262144), 0x80 + floor(code / 4096) % 64,
    0x80 + floor(code / 64) % 64, 0x80 + code % 64
  )
end

-- The text of the \u escape at `position` and where it ends; nil if it is none.
local function unicode_escape(json, position)
  local _, stop, digits = find(json, "^\\u(%x%x%x%x)", position)
  if not stop then
    return nil
  end
  local code = tonumber(digits, 16)
  if code >= 0xD800 and code < 0xE000 then
    _, stop, digits = find(json, "^\\u(%x%x%x%x)", stop + 1)
    local low = stop and tonumber(digits, 16)
    if code >= 0xDC00 or not low or low < 0xDC00 or low > 0xDFFF then
      return nil
    end
    code = 0x10000 + (code - 0xD800) * 1024 + (low - 0xDC00)
  end
  return utf8(code), stop + 1
end

-- The string whose first character is at `position` and where it ends; or nil, the error and its place.
local function read_string(json, position)
  local pieces, count = {}, 0
  while true do
    local stop = find(json, '["\\%z]', position) or #json + 1
    count = count + 1
    pieces[count] = sub(json, position, stop - 1)
    local mark = byte(json, stop)
    if mark == 34 then
      return concat(pieces), stop + 1
    elseif mark ~= 92 then
      return nil, "unexpected end of string", stop
    end
    local letter = sub(json, stop + 1, stop + 1)
    local text = UNESCAPED[letter]
    position = stop + 2
    if letter == "u" then
      text, position = unicode_escape(json, stop)
      if not text then
        return nil, "invalid unicode escape code", stop
      end
    elseif not text then
      return nil, "invalid escape code", stop
    end
    count = count + 1
    pieces[count] = text
  end
end

local function extended(json, stop, pattern)
  local _, further = find(json, pattern, stop + 1)
  return further or stop
end

-- The number that strtod() would find at `position` and where it ends; nil if it would find none.
local function read_number(json, position)
  local _, sign = find(json, "^[+-]?", position)
  local start = sign + 1
  local _, stop = find(json, "^0[xX]%x+%.?%x*", start)
  if not stop then
    _, stop = find(json, "^0[xX]%.%x+", start)
  end
  if stop then
    stop = extended(json, stop, "^[pP][+-]?%d+")
  else
    _, stop = find(json, "^%d+%.?%d*", start)
    if not stop then
      _, stop = find(json, "^%.%d+", start)
    end
    if stop then
      stop = extended(json, stop, "^[eE][+-]?%d+")
    else
      local word = lower(sub(json, start, start + 7))
      if word == "infinity" then
        stop = start + 7
      elseif sub(word, 1, 3) == "inf" then
        stop = start + 2
      elseif sub(word, 1, 3) == "nan" then
        stop = extended(json, start + 2, "^%([%w_]*%)")
      else
        return nil
      end
    end
  end
  return tonumber(sub(json, position, stop)), stop + 1
end

-- Whether what stands at `position`, if it is a number at all, is one that JSON forbids.
local function is_invalid_number(json, position)
  if find(json, "^%+", position) or find(json, "^-?0[xX%d]", position) then
    return true
  end
  local word = lower(sub(json, position, position + 3))
  return find(word, "^-?inf") ~= nil or find(word, "^-?nan") ~= nil
end

local PUNCTUATION = {
  ["{"] = "T_OBJ_BEGIN", ["}"] = "T_OBJ_END", ["["] = "T_ARR_BEGIN", ["]"] = "T_ARR_END",
  [","] = "T_COMMA", [":"] = "T_COLON", [""] = "T_END", ["\0"] = "T_END",
}

local function after_space(json, position)
  return find(json, "[^ \t\n\r]", position) or #json + 1
end

-- What a library, made by cjson.new(), has of its own are its settings.
local function new()
  local sparse_convert, sparse_ratio, sparse_safe = false, 2, 10
  local encode_max_depth, decode_max_depth = 1000, 1000
  local encode_invalid, decode_invalid = false, true
  local precision, number_format = 14, "%.14g"
  local keep_buffer = true

  -- Encoding ------------------------------------------------------------------------------------------

  local function cannot(value, reason)
    fail("Cannot serialise " .. type(value) .. ": " .. reason)
  end

  local function number_text(number)
    if number ~= number or number == huge or number == -huge then
      if not encode_invalid then
        cannot(number, "must not be NaN or Inf")
      elseif encode_invalid == "null" then
        return "null"
      elseif number ~= number then
        return "nan"
      end
    end
    return format(number_format, number)
  end

  -- How many elements the array has, counting holes; 0 or less if it is to be an object. And whether it has
  -- holes. (An index that is no int becomes the smallest one, as in C.)
  local function array_length(value)
    local max, items = 0, 0
    for key in next, value do
      if type(key) ~= "number" or key < 1 or floor(key) ~= key then
        return -1
      end
      if key > max then
        max = key <= INT_MAX and key or -INT_MAX - 1
      end
      items = items + 1
    end
    if sparse_ratio > 0 and max > items * sparse_ratio and max > sparse_safe then
      if not sparse_convert then
        cannot(value, "excessively sparse array")
      end
      return -1
    end
    return max, max ~= items
  end

  -- Appends the text of `value` to out[1 .. count] in pieces, and returns the new count. `names` keeps the
  -- text of each string that was a key: objects have the same ones again and again.
  local function append(out, count, value, depth, used, names)
    local kind = type(value)
    if kind == "string" then
      out[count + 1] = quoted(value)
      return count + 1
    elseif kind == "number" then
      out[count + 1] = number_text(value)
      return count + 1
    elseif kind == "boolean" then
      out[count + 1] = value and "true" or "false"
      return count + 1
    elseif value == nil or value == null then
      out[count + 1] = "null"
      return count + 1
    elseif kind ~= "table" then
      cannot(value, "type not supported")
    end
    depth = depth + 1
    if depth > encode_max_depth or used + 3 > STACK then
      fail(format("Cannot serialise, excessive nesting (%d)", depth))
    end
    local length, has_holes = array_length(value)
    local before = "["
    if length > 0 then
      for index = 1, length do
        out[count + 1] = before
        before = ","
        local element
        if has_holes then
          element = rawget(value, index)  -- a metatable has no say
        else
          element = value[index]
        end
        count = append(out, count + 1, element, depth, used + 1, names)
      end
      out[count + 1] = "]"
      return count + 1
    end
    before = "{"
    for key, element in next, value do
      local name = names[key]
      if not name then
        if type(key) == "string" then
          name = quoted(key) .. ":"
          names[key] = name
        elseif type(key) == "number" then
          name = '"' .. number_text(key) .. '":'
        else
          cannot(key, "table key must be a number or string")
        end
      end
      out[count + 1] = before
      out[count + 2] = name
      before = ","
      count = append(out, count + 2, element, depth, used + 2, names)
    end
    if before == "{" then
      out[count + 1] = "{}"
    else
      out[count + 1] = "}"
    end
    return count + 1
  end

  local function encode(...)
    if select("#", ...) ~= 1 then
      argument_error(1, "expected 1 argument")
    end
    local out = {}
    append(out, 0, (...), 0, 1, {})
    return (concat(out))
  end

  -- Decoding ------------------------------------------------------------------------------------------

  -- What the token at `position` is, or what is wrong with it, and where.
  local function token_at(json, position)
    position = after_space(json, position)
    local letter = sub(json, position, position)
    if PUNCTUATION[letter] then
      return PUNCTUATION[letter], position
    elseif letter == '"' then
      local text, problem, place = read_string(json, position + 1)
      if text then
        return "T_STRING", position
      end
      return problem, place
    elseif find(letter, "[-%d]") then
      if not decode_invalid and is_invalid_number(json, position) then
        return "invalid number", position
      end
      return read_number(json, position) and "T_NUMBER" or "invalid number", position
    elseif find(json, "^true", position) or find(json, "^false", position) then
      return "T_BOOLEAN", position
    elseif find(json, "^null", position) then
      return "T_NULL", position
    elseif decode_invalid and is_invalid_number(json, position) then
      return read_number(json, position) and "T_NUMBER" or "invalid number", position
    end
    return "invalid token", position
  end

  local function unexpected(json, position, wanted)
    local found, place = token_at(json, position)
    fail(format("Expected %s but found %s at character %d", wanted, found, place))
  end

  local function descend(position, depth, used, slots)
    if depth > decode_max_depth or used + slots > STACK then
      fail(format("Found too many nested data structures (%d) at character %d", depth, position))
    end
  end

  -- The value at `position` and where it ends.
  local function value_at(json, position, depth, used)
    local first = byte(json, position)
    if first and first <= 32 then
      position = after_space(json, position)
      first = byte(json, position)
    end
    if first == 34 then  -- "
      local _, stop, text = find(json, '^([^"\\%z]*)"', position + 1)
      if stop then
        return text, stop + 1
      end
      text, stop = read_string(json, position + 1)
      if text then
        return text, stop
      end
    elseif first == 123 then  -- {
      depth = depth + 1
      descend(position, depth, used, 3)
      local object = {}
      position = after_space(json, position + 1)
      if byte(json, position) == 125 then
        return object, position + 1
      end
      while true do
        local _, stop, key = find(json, '^[ \t\n\r]*"([^"\\%z]*)"[ \t\n\r]*:', position)
        if stop then
          position = stop + 1
        else
          local after
          position = after_space(json, position)
          if byte(json, position) == 34 then
            key, after = read_string(json, position + 1)
          end
          if not key then
            unexpected(json, position, "object key string")
          end
          position = after_space(json, after)
          if byte(json, position) ~= 58 then
            unexpected(json, position, "colon")
          end
          position = position + 1
        end
        object[key], position = value_at(json, position, depth, used + 2)
        local mark = byte(json, position)
        if mark and mark <= 32 then
          position = after_space(json, position)
          mark = byte(json, position)
        end
        if mark == 125 then
          return object, position + 1
        elseif mark ~= 44 then
          unexpected(json, position, "comma or object end")
        end
        position = position + 1
      end
    elseif first == 91 then  -- [
      depth = depth + 1
      descend(position, depth, used, 2)
      local array, count = {}, 0
      position = after_space(json, position + 1)
      if byte(json, position) == 93 then
        return array, position + 1
      end
      while true do
        count = count + 1
        array[count], position = value_at(json, position, depth, used + 1)
        local mark = byte(json, position)
        if mark and mark <= 32 then
          position = after_space(json, position)
          mark = byte(json, position)
        end
        if mark == 93 then
          return array, position + 1
        elseif mark ~= 44 then
          unexpected(json, position, "comma or array end")
        end
        position = position + 1
      end
    elseif first and (first == 45 or (first >= 48 and first <= 57)) then
      local _, stop, text, after = find(json, "^(-?%d+%.?%d*)([eExX]?)", position)
      if stop and after == "" and decode_invalid then
        return tonumber(text), stop + 1
      elseif decode_invalid or not is_invalid_number(json, position) then
        local number
        number, stop = read_number(json, position)
        if number then
          return number, stop
        end
      end
    elseif find(json, "^true", position) then
      return true, position + 4
    elseif find(json, "^false", position) then
      return false, position + 5
    elseif find(json, "^null", position) then
      return null, position + 4
    elseif decode_invalid and is_invalid_number(json, position) then
      local number, stop = read_number(json, position)
      if number then
        return number, stop
      end
    end
    unexpected(json, position, "value")
  end

  local function decode(...)
    local count = select("#", ...)
    if count ~= 1 then
      argument_error(1, "expected 1 argument")
    end
    local json = to_string((...), 1, count)
    if #json >= 2 and find(sub(json, 1, 2), "%z") then
      fail("JSON parser does not support UTF-16 or UTF-32")
    end
    local value, position = value_at(json, 1, 0, 1)
    position = after_space(json, position)
    if (byte(json, position) or 0) ~= 0 then
      unexpected(json, position, "the end")
    end
    return value
  end

  -- Settings: without an argument they only tell ------------------------------------------------------

  local function at_most(allowed, ...)
    if select("#", ...) > allowed then
      argument_error(allowed + 1, "found too many arguments")
    end
    return ...
  end

  local function integer_option(value, position, setting, min, max)
    if value == nil then
      return setting
    end
    value = wrap_int(to_integer(value, position, position))
    if value < min or value > max then
      argument_error(1, format("expected integer between %d and %d", min, max))  -- always 1
    end
    return value
  end

  local function switch_option(value, position, setting, third)
    if value == nil then
      return setting
    elseif type(value) == "boolean" then
      return value
    end
    value = to_string(value, position, position)
    if value == "on" then
      return true
    elseif value == "off" then
      return false
    elseif value == third then
      return third
    end
    argument_error(position, "invalid option '" .. gsub(value, "%z.*", "") .. "'")
  end

  return export({
    _NAME = "cjson",
    _VERSION = "2.1.0",
    null = null,
    new = new,
    encode = encode,
    decode = decode,
    encode_sparse_array = function(...)
      local convert, ratio, safe = at_most(3, ...)
      sparse_convert = switch_option(convert, 1, sparse_convert)
      sparse_ratio = integer_option(ratio, 2, sparse_ratio, 0, INT_MAX)
      sparse_safe = integer_option(safe, 3, sparse_safe, 0, INT_MAX)
      return sparse_convert, sparse_ratio, sparse_safe
    end,
    encode_max_depth = function(...)
      local depth = at_most(1, ...)
      encode_max_depth = integer_option(depth, 1, encode_max_depth, 1, INT_MAX)
      return encode_max_depth
    end,
    decode_max_depth = function(...)
      local depth = at_most(1, ...)
      decode_max_depth = integer_option(depth, 1, decode_max_depth, 1, INT_MAX)
      return decode_max_depth
    end,
    encode_number_precision = function(...)
      local digits = at_most(1, ...)
      precision = integer_option(digits, 1, precision, 1, 14)
      number_format = "%." .. precision .. "g"
      return precision
    end,
    encode_keep_buffer = function(...)  -- there is no buffer to keep
      local keep = at_most(1, ...)
      keep_buffer = switch_option(keep, 1, keep_buffer)
      return keep_buffer
    end,
    encode_invalid_numbers = function(...)
      local allow = at_most(1, ...)
      encode_invalid = switch_option(allow, 1, encode_invalid, "null")
      return encode_invalid
    end,
    decode_invalid_numbers = function(...)
      local allow = at_most(1, ...)
      decode_invalid = switch_option(allow, 1, decode_invalid)
      return decode_invalid
    end,
  })
end

return new()
