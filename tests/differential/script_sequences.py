"""Scripts and functions: ``commands`` is one command that runs, keeps or forgets some.

Bodies are put together from expressions of Lua: calls of commands, values that become replies, functions of
the libraries, and mistakes. Each stands alone or in a script that returns several.

A body is one line, and calls of what is written in Lua here stand in parentheses: after ``return f(...)``,
a tail call, ours knows the line of an error only then. Tables that are shown whole have one field, because
the order of more is that of a hash table; errors are not, because Redis marks those of its own making in a
second field. Left out are functions whose names differ by case only (Redis takes both and calls either),
``error({})`` (Redis 7.4.1 ends), and redis.log while a library is loaded (Valkey 9.1 ends).
"""

from __future__ import annotations

import hashlib
from typing import Final

from hypothesis import strategies as st

from dscache.rdb.dump import sealed
from raw_client import Word

Command = tuple[Word, ...]
Words = st.SearchStrategy[Command]
Text = st.SearchStrategy[str]

#: Where ``FUNCTION RESTORE`` gets what the same server's ``FUNCTION DUMP`` has given.
DUMPED: Final = "(the reply of FUNCTION DUMP)"


def _words(*parts: Word | Text | st.SearchStrategy[Word]) -> Words:
    return st.tuples(
        *(st.just(part) if isinstance(part, str | bytes | int) else part for part in parts)
    )


def _join(*parts: Words) -> Words:
    return st.tuples(*parts).map(lambda joined: tuple(word for part in joined for word in part))


def _filled(template: str, *parts: Text) -> Text:
    return st.tuples(*parts).map(lambda drawn: template % drawn)


def _one(*texts: str) -> Text:
    return st.sampled_from(texts)


# Lua

# Declared, undeclared and missing keys.
_key = _one("KEYS[1]", "KEYS[1]", "KEYS[2]", "'a'", "'b'", "'c'", "'h'", "'z'")
_argument = _one("ARGV[1]", "ARGV[2]", "'text'", "''", "1", "2.5", "-3", "'1e3'", "10^20", "0.1")

_command = st.one_of(
    _filled("'SET', %s, %s", _key, _argument),
    _filled("'GET', %s", _key),
    _filled("'INCRBY', %s, %s", _key, _argument),
    _filled("'INCRBYFLOAT', %s, %s", _key, _argument),
    _filled("'DEL', %s", _key),
    _filled("'EXISTS', %s, %s", _key, _key),
    _filled("'TYPE', %s", _key),
    _filled("'EXPIRE', %s, %s", _key, _one("0", "-1", "1000000", "'x'")),
    _filled("'PERSIST', %s", _key),
    _filled("'MGET', %s, %s", _key, _key),
    _filled("'RPUSH', %s, %s", _key, _argument),
    _filled("'LRANGE', %s, 0, -1", _key),
    _filled("'LPOP', %s", _key),
    _filled("'LPOP', %s, 2", _key),
    _filled("'BLPOP', %s, 0", _key),
    _filled("'HSET', %s, 'field', %s", _key, _argument),
    _filled("'HGETALL', %s", _key),
    _filled("'HGET', %s, 'field'", _key),
    _filled("'HRANDFIELD', %s, 1, 'WITHVALUES'", _key),
    _filled("'SADD', %s, 'member'", _key),
    _filled("'SMEMBERS', %s", _key),
    _filled("'SMISMEMBER', %s, 'member', 'other'", _key),
    _filled("'ZADD', %s, %s, 'member'", _key, _argument),
    _filled("'ZSCORE', %s, 'member'", _key),
    _filled("'ZINCRBY', %s, 1.5, 'member'", _key),
    _filled("'ZRANGE', %s, 0, -1, 'WITHSCORES'", _key),
    _filled("'ZPOPMIN', %s", _key),
    _filled("'XADD', %s, '*', 'f'", _key),
    _filled("'XRANGE', %s, '-', '+'", _key),
    _filled("'GEOADD', %s, 13.5, 38.25, 'member'", _key),
    _filled("'GEOPOS', %s, 'member'", _key),
    _filled("'OBJECT', 'ENCODING', %s", _key),
    _filled("'SORT', %s, 'BY', 'nosort', 'GET', 'a*'", _key),
    _filled("'PFADD', %s, 'x'", _key),
    _filled("'SELECT', %s", _one("0", "1", "'1'", "9", "'x'")),
    _one(
        "'PING'",
        "'ECHO', 'x'",
        "'DBSIZE'",
        "'PUBLISH', 'channel', 'text'",
        "'PFCOUNT', 'missing'",
        "'COMMAND', 'COUNT', 'x'",
        "'CONFIG', 'GET', 'maxclients', 'x', 'port', 'x'",
        "'CLIENT', 'GETNAME'",
        "'CLIENT', 'SETNAME', 'x'",
        "'ACL', 'WHOAMI'",
        "'COMMAND', 'GETKEYS', 'GET', 'a'",
        # Not from scripts, unknown, or wrong.
        "'EVAL', 'return 1', 0",
        "'MULTI'",
        "'WATCH', 'a'",
        "'SUBSCRIBE', 'channel'",
        "'HELLO', 3",
        "'AUTH', 'x'",
        "'RESET'",
        "'SCRIPT', 'FLUSH'",
        "'NOPE'",
        "'NOPE', 'x'",
        "'GET'",
        "'SET', 'a'",
        "'get', 'a'",
        "",
        "nil",
        "{}",
        "true",
        "'GET', nil",
        "'GET', {}",
        "'GET', print",
    ),
)
_call = _filled("redis.%s(%s)", st.sampled_from(["call", "call", "pcall"]), _command)

# What becomes of values on their way out.
_value = _one(
    "1",
    "-1",
    "3.99",
    "-3.99",
    "2^53",
    "2^63",
    "-2^63",
    "1e300",
    "0/0",
    "1/0",
    "-0",
    "'text'",
    "''",
    "'a\\r\\nb'",
    "'\\0\\255'",
    "true",
    "false",
    "nil",
    "{}",
    "{1, 2, 3}",
    "{1, nil, 3}",
    "{nil, 2}",
    "{1, {2, {3, {}}}, 'x'}",
    "{true, false, 1}",
    "{[0] = 1, 2}",
    "{x = 1}",
    "{1, x = 1}",
    "{ok = 'fine'}",
    "{ok = 'two\\r\\nlines'}",
    "{ok = 1}",
    "{err = 'MINE is wrong'}",
    "{err = 'nocode'}",
    "{err = 'two\\r\\nlines'}",
    "{err = 1}",
    "{err = 'ERR both', ok = 'x'}",
    "{double = 1.5}",
    "{double = 1/0}",
    "{double = -1e-7}",
    "{double = 3}",
    "{double = 'x'}",
    "{map = {a = 1}}",
    "{map = {[1] = {2}}}",
    "{map = {a = {map = {b = true}}}}",
    "{map = 1}",
    "{set = {a = true}}",
    "{set = {[1.5] = true}}",
    "{set = {}}",
    "{big_number = '123456789012345678901234567890'}",
    "{big_number = 'x\\ny'}",
    "{big_number = 1}",
    "{verbatim_string = {string = 'text', format = 'txt'}}",
    "{verbatim_string = {string = 'text', format = 'markdown'}}",
    "{verbatim_string = {string = 'text'}}",
    "function() end",
    "coroutine.create(function() end)",
    "setmetatable({}, {__index = function() return 1 end})",
    "redis",
    "_G",
)

# Functions of redis other than calls.
_redis = _one(
    "redis.error_reply('MINE is wrong')",
    "redis.error_reply('word')",
    "redis.error_reply('-MINE is wrong')",
    "redis.error_reply('')",
    "redis.error_reply(1)",
    "redis.error_reply()",
    "redis.status_reply('fine')",
    "redis.status_reply('')",
    "redis.status_reply({})",
    "redis.status_reply('a', 'b')",
    "redis.sha1hex('')",
    "redis.sha1hex(1.5)",
    "redis.sha1hex()",
    "redis.sha1hex('a', 'b')",
    "redis.log(redis.LOG_WARNING, 'text')",
    "redis.log(redis.LOG_DEBUG, 'a', 1, nil, {})",
    "redis.log(redis.LOG_DEBUG)",
    "redis.log('x', 'y')",
    "redis.log('1', 'y')",
    "redis.log(3.9, 'y')",
    "redis.log(-0.5, 'y')",
    "redis.log(9, 'x')",
    "redis.log(-1, 'x')",
    "redis.set_repl(redis.REPL_ALL)",
    "redis.set_repl(9)",
    "redis.set_repl()",
    "redis.setresp(4)",
    "redis.setresp()",
    "redis.setresp('3')",
    "redis.setresp(2.9)",
    "redis.setresp({})",
    "redis.setresp(2, 3)",
    "redis.acl_check_cmd('get', 'a')",
    "redis.acl_check_cmd('nope')",
    "redis.acl_check_cmd()",
    "redis.breakpoint()",
    "redis.replicate_commands()",
    "redis.register_function('f', function() end)",
    "redis.nope",
    "redis.nope()",
    "{redis.LOG_DEBUG, redis.LOG_VERBOSE, redis.LOG_NOTICE, redis.LOG_WARNING}",
    "{redis.REPL_ALL, redis.REPL_AOF, redis.REPL_REPLICA, redis.REPL_SLAVE, redis.REPL_NONE}",
)

_data = _one(
    "1", "1.5", "-1e100", "'text'", "''", "true", "nil", "{}", "{1, 2, 3}", "{a = 1}", "{{}, {1}}",
    "{1, 'x', true}", "{a = {b = {1}}}", "2^53", "0.1", "'\\0\\255\\n\"'", "{[1] = 1, [3] = 3}",
    "{[1000] = 1}", "{[1.5] = 1}", "127", "-129", "65536", "2^40", "string.rep('x', 300)", "1/0", "0/0",
    "function() end", "cjson.null", "{cjson.null}",
)  # fmt: skip

_json = _one(
    "[1, 2.5, null]", '{"a": {"b": [true, false]}}', "1", "1e400", "[", "", "nul", '"\\u00e9\\n"', "[1,]",
    '{"a" 1}', "{}", "[]", " [ ] ", '["\\ud83d\\ude00"]', '"\\ud83d"', "[[[[1]]]]", "-0", "01", "0x10", "NaN",
    '{"a":1}x', '"\\x"', "[-1.5e-3, 12345678901234567890]",
)  # fmt: skip

_plain_libraries = st.one_of(
    _filled("cjson.encode(%s)", _data),
    _filled("cjson.encode(cjson.decode('%s'))", _json),
    _filled("cjson.decode('%s')", _json),
    _filled("cmsgpack.pack(%s)", _data),
    _filled("cmsgpack.pack(%s, %s)", _data, _data),
    _filled("cmsgpack.unpack(cmsgpack.pack(%s))", _data),
    _filled("cjson.encode(cmsgpack.unpack(cmsgpack.pack(%s)))", _data),
    _filled(
        "{cmsgpack.unpack(%s)}",
        _one("'\\1\\2'", "''", "'\\147\\1'", "'\\193'", "1", "nil", "'\\203abc'"),
    ),
    _filled("{cmsgpack.unpack_one('\\1\\2\\3', %s)}", _one("0", "1", "3", "4", "-1")),
    _filled("{cmsgpack.unpack_limit('\\1\\2\\3', %s)}", _one("1", "2", "5", "0", "-1", "1, 1")),
    _filled(
        "struct.pack('%s', %s)",
        _one(
            "<i4",
            ">I2",
            "b",
            "B",
            "h",
            "l",
            "<d",
            "f",
            "s",
            "c0",
            "c3",
            "i9",
            "x",
            "!4bi4",
            "z",
            "",
            ">i8",
        ),
        _one("1", "-1", "2^31", "300", "'text'", "", "1.5", "'x', 2"),
    ),
    _filled(
        "{struct.unpack('%s', '%s')}",
        _one("<i4", ">I2", "b", "B", "s", "c0", "Bc0", "c3", "<d", "i9", "", "bb", "<I8", "z"),
        _one("\\1\\2\\3\\4", "ab\\0", "", "\\255\\255\\255\\255\\255\\255\\255\\255", "\\2xyz"),
    ),
    _filled("struct.size('%s')", _one("<i4", "!8bi8", "s", "c10", "i9", "bhild", "z", "", "<c0")),
    _filled(
        "bit.%s(%s, %s)",
        _one("band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror"),
        _one("0", "1", "-1", "0xff", "2^31", "2^32 + 1", "1.5", "'7'", "'x'", "nil"),
        _one("0", "1", "4", "31", "33", "-1"),
    ),
    _filled(
        "bit.%s(%s)",
        _one("bnot", "bswap", "tobit", "tohex"),
        _one("0", "-1", "255", "2^33 + 5", "{}", ""),
    ),
    _filled("bit.tohex(255, %s)", _one("4", "-4", "0", "9", "'x'")),
)

_libraries = _filled("(%s)", _plain_libraries)

_lua = _one(
    "tostring(1e15)",
    "tostring(10^15 + 0.5)",
    "tostring(-0)",
    "tostring(nil)",
    "tostring(0.1)",
    "tonumber('0x1F')",
    "tonumber('ff', 16)",
    "tonumber('z')",
    "tonumber('1e1')",
    "type(KEYS)",
    "#KEYS + #ARGV",
    "KEYS[9]",
    "string.format('%5.2f|%d|%s|%q|%x|%g', 1.005, 7, 'x', 'a\\nb', 255, 1e20)",
    "string.format('%d', 'x')",
    "string.format('%y', 1)",
    "{string.find('hello world', 'o (w)', 1)}",
    "{string.match('key=value', '(%w+)=(%w+)')}",
    "string.gsub('abc', '%w', '%0%0')",
    "('x'):rep(3)",
    "string.rep('x')",
    "string.byte('A', 1, -1)",
    "string.char(256)",
    "('abc'):upper():reverse():sub(-2)",
    "table.concat({1, 2, 'x'}, '-')",
    "table.concat({1, {}, 3})",
    "(function() local t = {3, 1, 2} table.sort(t) return t end)()",
    "(function() local t = {3, 'x'} table.sort(t) return t end)()",
    "(function() local t = {1, 2} table.insert(t, 1, 0) table.remove(t) return t end)()",
    "table.getn({1, 2})",
    "table.maxn({1, 2, [10] = 1})",
    "{unpack({1, 2, 3}, 2)}",
    "select('#', nil, nil)",
    "{select(-1, 1, 2)}",
    "{pcall(error, 'text')}",
    "{pcall(error, {code = 1})}",
    "{pcall(redis.call, 'GET')}",
    "{pcall(function() return nope end)}",
    "{xpcall(function() error('x') end, function(e) return 'handled ' .. e end)}",
    "math.floor(-1.5)",
    "tostring(math.pi)",
    "{math.modf(-3.7) , math.fmod(7, 3), math.max(1, 5, 3)}",
    "math.max()",
    "math.floor('x')",
    "(function() math.randomseed(7) return {math.random(100), math.random(5, 10)} end)()",
    "tostring((function() math.randomseed(-1) return math.random() end)())",
    "tostring((function() math.randomseed(2^40) return math.random() end)())",
    "(math.random(0))",
    "(math.random(2, 1))",
    "(math.random(1, 2, 3))",
    "type(os.clock())",
    "os.time()",
    "os.execute('true')",
    "io",
    "require('x')",
    "print('x')",
    "dofile('x')",
    "loadstring('return 1 + 1')()",
    "{loadstring('return +')}",
    "loadstring('return KEYS[1]')()",
    "{load(function() return nil end)}",
    "coroutine.wrap(function() coroutine.yield(7) end)()",
    "{coroutine.resume(coroutine.create(function(x) error('x') end), 1)}",
    "rawget({1}, 1)",
    "rawequal('a', 'a')",
    "getmetatable('')",
    "setmetatable(_G, {})",
    "rawset(_G, 'x', 1)",
    "rawset(redis, 'x', 1)",
    "(function() x = 1 end)()",
    "(function() KEYS[1] = 'x' return KEYS end)()",
    "(function() KEYS = {} end)()",
    "(function() redis.call = nil end)()",
    "(function() string.format = nil end)()",
    "nope",
    "nope.field",
    "nope()",
    "1 + nil",
    "1 + {}",
    "'x' + 1",
    "'10' + 1",
    "#5",
    "1 < 'x'",
    "{} < {}",
    "(nil).x",
    "(nil)()",
    "'a' .. {}",
    "error('text')",
    "error('text', 0)",
    "error('MINE text', 2)",
    "error({err = 'MINE is wrong'})",
    "error({err = 'word'})",
    "error(nil)",
    "error(7)",
    "error(redis.error_reply('MINE is wrong'))",
    "assert(false)",
    "assert(false, 'text')",
    "assert(nil, {err = 'MINE is wrong'})",
    "(function() local function f() return f() + 1 end return f() end)()",
)

_expression = st.one_of(*[_call] * 4, *[_value] * 2, _redis, *[_libraries] * 2, *[_lua] * 2)

_statement = st.one_of(
    _filled("%s", _call),
    _filled("local r = %s", _call),
    _filled("%s(%s)", _one("tostring", "type"), _expression),
    _one("redis.setresp(3)", "redis.setresp(3)", "redis.setresp(2)"),
    _filled("for i = 1, 3 do %s end", _call),
)

_ending = st.one_of(
    *[_filled("return %s", _expression)] * 4,
    _filled("return {%s, %s}", _expression, _expression),
    _filled("return {pcall(function() return %s end)}", _expression),
    _filled("local x = %s return x", _expression),
    _filled("local x = %s return type(x) == 'table' and (x.err or x.ok or #x) or x", _expression),
    _filled("local x = %s return type(x)", _expression),
    _filled("local x = %s return type(x) == 'table' and x.err or cjson.encode(x)", _call),
    _filled("local x = %s return {type(x), tostring(x.map), tostring(x.double)}", _call),
    _one("", "return", "return 1, 2", "return return", "x =", "return '", "goto x"),
)

_body = st.lists(_statement, max_size=3).flatmap(
    lambda before: _ending.map(lambda end: " ".join([*before, end]))
)
_shebang = _one(
    "#!lua\n",
    "#!lua flags=no-writes\n",
    "#!lua flags=allow-oom,no-cluster\n",
    "#!lua flags=\n",
    "#!lua flags=nope\n",
    "#!lua name=x\n",
    "#!python\n",
    "#!lua",
    "#!\n",
    "#!lua flags=no-writes flags=allow-stale\n",
)
# Some bodies again and again, so that they are found by their digests.
_known = _one(
    "return 1",
    "return redis.call('GET', KEYS[1])",
    "return redis.call('INCR', KEYS[1])",
    "return nope",
    "#!lua flags=no-writes\nreturn redis.call('SET', KEYS[1], 1)",
)
_source = st.one_of(*[_body] * 6, *[_known] * 2, _filled("%s%s", _shebang, _body))
_digest = st.one_of(
    _known.map(lambda source: hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()),
    _one("", "x" * 40, "E0E1F9FABFC9D4800C877A703B823AC0578FF8DB"),
)

_keys_and_arguments = st.one_of(
    *[_words(2, _one("a", "b", "h"), _one("b", "z", "missing"), _one("5", "1.5", "x", ""))] * 4,
    _words(1, "a", "text", "2"),
    _words(0),
    _words(0, "x"),
    _words(st.sampled_from([-1, 3, "x", "1.0", 2**63])),
    _words(2, "a", "b", b"\x00\xff\r\n"),
)

_scripts = st.one_of(
    *[_join(_words("EVAL", _source), _keys_and_arguments)] * 8,
    _join(_words("EVAL_RO", _source), _keys_and_arguments),
    *[_join(_words(st.sampled_from(["EVALSHA", "EVALSHA_RO"]), _digest), _keys_and_arguments)] * 2,
    _words("SCRIPT", "LOAD", _source),
    _words("SCRIPT", "EXISTS", _digest, _digest),
    _words("SCRIPT", "FLUSH"),
    _words("SCRIPT", "FLUSH", st.sampled_from(["ASYNC", "sync", "NOW"])),
    _words("SCRIPT", st.sampled_from(["KILL", "NOPE", "LOAD", "EXISTS"])),
)

# Functions

_name = _one("one", "one", "two", "three")
_called = st.one_of(_name, _one("ONE", "nope"))
_library = st.sampled_from(["first", "first", "second", "Third"])
_flags = _one("", "'no-writes'", "'no-writes', 'allow-stale'", "'nope'", "1")
_registration = st.one_of(
    *[
        _filled("redis.register_function('%s', function(KEYS, ARGV) %s end)", _name, _body),
        _filled(
            "redis.register_function{function_name='%s', callback=function(KEYS, ARGV) %s end, flags={%s}}",
            _name,
            _body,
            _flags,
        ),
        _filled(
            "redis.register_function{description='what it does', function_name='%s',"
            " callback=function(KEYS, ARGV) return redis.call('GET', KEYS[1]) end}",
            _name,
        ),
    ]
    * 3,
    _one(
        "redis.register_function('a b', function() end)",
        "redis.register_function('', function() end)",
        "redis.register_function('one')",
        "redis.register_function('one', 1)",
        "redis.register_function({}, function() end)",
        "redis.register_function()",
        "redis.register_function('a', function() end, {})",
        "redis.register_function{}",
        "redis.register_function{function_name='one'}",
        "redis.register_function{callback=function() end}",
        "redis.register_function{function_name='one', callback=1}",
        "redis.register_function{function_name='one', callback=function() end, flags=1}",
        "redis.register_function{function_name='one', callback=function() end, description=1}",
        "redis.register_function{function_name='one', callback=function() end, nope=1}",
        "redis.register_function{1}",
        "redis.register_function{[true]=1}",
        "redis.call('PING')",
        "local function helper() return 1 end redis.register_function('one', function() return helper() end)",
        "x = 1",
        "return 1",
        "error('text')",
        "error({err = 'MINE is wrong'})",
        "nope()",
        "math.floor(1)",
        "return +",
    ),
)
_code = st.lists(_registration, max_size=2).map(" ".join)
_library_source = st.one_of(
    *[_filled("#!lua name=%s\n%s", _library, _code)] * 6,
    _filled(
        "%s\n%s",
        _one(
            "#!lua",
            "#!lua name=",
            "#!lua name=a name=b",
            "#!lua nope=1",
            "#!nope name=first",
            "",
            "#!lua name=a-b",
        ),
        _code,
    ),
    _one("", "#!lua name=first", "return 1"),
)

_payload: st.SearchStrategy[Word] = st.sampled_from(
    [
        DUMPED,
        DUMPED,
        sealed(b"", 11),
        sealed(
            b"\xf5\x40\x49#!lua name=second\nredis.register_function('two', function() return 2 end)",
            11,
        ),
        sealed(b"\xf5\x05#!lua", 11),
        sealed(b"\xf5\x7f#!lua", 11),
        sealed(b"\x00\x05hello", 11),
        sealed(b"", 0xFFFF),
        b"rubbish",
        "",
    ]
)

_functions = st.one_of(
    *[_words("FUNCTION", "LOAD", _library_source)] * 3,
    *[_words("FUNCTION", "LOAD", "REPLACE", _library_source)] * 3,
    _words("FUNCTION", "LOAD", "NOPE", _library_source),
    *[_join(_words(st.sampled_from(["FCALL", "FCALL", "FCALL_RO"]), _called), _keys_and_arguments)]
    * 5,
    _words("FUNCTION", "LIST"),
    _words("FUNCTION", "LIST", "WITHCODE"),
    _words(
        "FUNCTION",
        "LIST",
        "LIBRARYNAME",
        st.sampled_from(["f*", "FIRST", "*", "[", ""]),
        "withcode",
    ),
    _words("FUNCTION", "LIST", st.sampled_from(["LIBRARYNAME", "NOPE"])),
    _words("FUNCTION", "DELETE", _library),
    _words("FUNCTION", "FLUSH"),
    _words("FUNCTION", "FLUSH", st.sampled_from(["SYNC", "async", "NOW"])),
    _words("FUNCTION", "DUMP"),
    _words("FUNCTION", "RESTORE", _payload),
    _words(
        "FUNCTION", "RESTORE", _payload, st.sampled_from(["FLUSH", "APPEND", "replace", "NOPE"])
    ),
    _words("FUNCTION", st.sampled_from(["STATS", "KILL", "NOPE", "LOAD", "DELETE"])),
)

_preparations = st.one_of(
    _words("RPUSH", "a", 1, 2),
    _words("HSET", "h", "field", "value"),
    _words("ZADD", "z", "1.5", "member"),
    _words("SET", "b", "5"),
    _words("DEL", "a", "b"),
    _words("HELLO", st.sampled_from([2, 3])),
)

commands: Final = st.one_of(*[_scripts] * 3, *[_functions] * 2, _preparations)
