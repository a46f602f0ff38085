"""Runs Lua as EVAL does, in a runtime with the libraries for scripts, and shows what comes out as text."""

from __future__ import annotations

from typing import Final

from lupa.lua51 import LuaRuntime

from dscache.lua.library import load_libraries

# One line, so that it can stand before an expression in EVAL too: what tests expect was seen in Redis 7.4.1
# through redis-cli.
SHOW: Final = r"""
local function shown(value)
  if type(value) == 'number' then return string.format('%.17g', value) end
  if type(value) == 'string' then
    return '"' .. string.gsub(value, '[^%w %p]', function(c) return '\\' .. string.byte(c) end) .. '"'
  end
  if type(value) ~= 'table' then return type(value) == 'function' and 'function' or tostring(value) end
  local pairs_shown = {}
  for k, v in pairs(value) do table.insert(pairs_shown, shown(k) .. '=' .. shown(v)) end
  table.sort(pairs_shown)
  return '{' .. table.concat(pairs_shown, ', ') .. '}'
end
local function all_shown(...)
  local texts = {}
  for i = 1, select('#', ...) do texts[i] = shown((select(i, ...))) end
  return table.concat(texts, ' | ')
end
local ok, text = pcall(function() local text = all_shown(%s) return text end)
return ok and text or 'error: ' .. text
""".replace("\n", " ")


class Scripts:
    def __init__(self, *, max_memory: int | None = None) -> None:
        self.runtime = LuaRuntime(
            encoding=None, register_eval=False, register_builtins=False, max_memory=max_memory
        )
        names = self.runtime.globals()
        for name, library in load_libraries(self.runtime).items():
            names[name] = library

    def show(self, expression: str) -> str:
        """What the expression returns, or its error."""
        script = SHOW.replace("%s)", f"{expression})", 1)
        shown: bytes = self.runtime.execute(script, name="@user_script")
        return shown.decode()

    def call(self, function: str, *arguments: bytes | float) -> object:
        """The result of a function of a library, called with values that Lua and Python share."""
        result: object = self.runtime.eval(function)(*arguments)
        return result
