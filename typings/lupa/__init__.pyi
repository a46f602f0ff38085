# lupa ships no types. dscache uses one of its Lua versions, see lua51.pyi.
