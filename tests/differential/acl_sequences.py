"""Access control: ``commands`` is one command of clients who become one user or another.

Everybody begins as the default user, who may do everything, and comes back to him by RESET or AUTH unless
the rules that were drawn forbid it. Users are few, so that rules meet, and they are deleted while clients
act for them. Who subscribes does it to other channels than those that are published to: messages
to other clients would come between their replies.

Left out are rules that Redis stumbles over later, and that we refuse (``dscache.engine.acl_rules``).
"""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from raw_client import Word

Command = tuple[Word, ...]
Words = st.SearchStrategy[Command]

#: Users that may have been made; the default user is always there.
USERS: Final = ("bob", "eve")

_user: st.SearchStrategy[Word] = st.sampled_from([*USERS, *USERS, "bob"])
_any_user: st.SearchStrategy[Word] = st.sampled_from([*USERS, "default", "nobody"])
_password: st.SearchStrategy[Word] = st.sampled_from(["one", "one", "two", ""])
_SHA_OF_ONE: Final = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"

_user_rule: st.SearchStrategy[Word] = st.sampled_from(
    [
        "on", "on", "on", "OFF", "nopass", "nopass", ">one", ">one", ">two", "<one", "<nope", "resetpass",
        "#" + _SHA_OF_ONE, "!" + _SHA_OF_ONE, "#" + _SHA_OF_ONE.upper(), "#abc", "!" + "0" * 64, ">",
        "reset", "sanitize-payload", "skip-sanitize-payload", "clearselectors",
    ]
)  # fmt: skip
_command_rule: st.SearchStrategy[Word] = st.sampled_from(
    [
        "+@all", "+@all", "+@all", "-@all", "allcommands", "nocommands", "+@read", "+@write",
        "-@write", "+@string", "-@dangerous", "+@DANGEROUS", "-@admin", "+@fast", "-@slow",
        "+@keyspace", "+@scripting", "+@transaction", "+@connection", "-@connection", "+@pubsub",
        "-@blocking", "+get", "+GET", "-get", "+set", "-set", "+mget", "+del", "+eval", "-eval",
        "+fcall", "+multi", "+exec", "+acl", "-acl", "+acl|whoami", "-acl|setuser", "+acl|getuser",
        "+config", "-config|set", "+config|get", "+config|nope", "+client|getname",
        "-client|getname", "+client", "+select|0", "+select|1", "+select|A", "-select|0", "+get|a",
        "+acl|getuser|bob", "+nope", "-nope", "+@nope", "+", "-", "+@", "+ping", "-ping", "+sort",
        "+publish", "+subscribe", "+select", "-select", "+object|freq", "+object", "+copy",
        "+rename",
    ]
)  # fmt: skip
_key_rule: st.SearchStrategy[Word] = st.sampled_from(
    [
        "~*", "~*", "allkeys", "ALLKEYS", "resetkeys", "~a", "~a*", "~b", "~[ab]", "%R~a", "%W~a", "%R~b",
        "%W~*", "%r~c", "%RW~c", "%WR~b", "%R~*", "~a b", "%X~a", "%RR~a", "%Ra", "~", "~\\*",
    ]
)  # fmt: skip
_channel_rule: st.SearchStrategy[Word] = st.sampled_from(
    ["&*", "allchannels", "resetchannels", "&p*", "&p1", "&s*", "&s1", "&*", "&a b", "&"]
)
_selector: st.SearchStrategy[Word] = st.sampled_from(
    [
        "(+get ~a)", "(+@all ~b*)", "(+@write %W~*)", "(+mget %R~* &p1)", "(~c +@all -set)", "()",
        "( +set  ~a )", "(+subscribe &s*)", "(+config|get)", "(on)", "(>one)", "(+nope)", "(", "(+get",
        "+get)", "((+get))", "(+get ~*", "~a)",
    ]
)  # fmt: skip
_other_rule: st.SearchStrategy[Word] = st.sampled_from(
    ["", "nope", "~", "@all", "*", "reset ", " on"]
)
_rule = st.one_of(
    *[_user_rule] * 3,
    *[_command_rule] * 5,
    *[_key_rule] * 3,
    _channel_rule,
    *[_selector] * 2,
    st.one_of(*[_command_rule] * 9, _other_rule),
)


def _words(*parts: Word | st.SearchStrategy[Word]) -> Words:
    return st.tuples(
        *(st.just(part) if isinstance(part, str | bytes | int) else part for part in parts)
    )


def _join(*parts: Words) -> Words:
    return st.tuples(*parts).map(lambda joined: tuple(word for part in joined for word in part))


_key: st.SearchStrategy[Word] = st.sampled_from(["a", "b", "c", "ab"])
_published: st.SearchStrategy[Word] = st.sampled_from(["p1", "p2"])
_heard: st.SearchStrategy[Word] = st.sampled_from(["s1", "s2"])

#: What users try: some key, channel or right is missing more often than not.
_tries = st.one_of(
    _words("GET", _key),
    _words("SET", _key, "value"),
    _words("SET", _key, "value", "GET"),
    _words("MGET", _key, _key),
    _words("MSET", _key, "1", _key, "2"),
    _words("DEL", _key, _key),
    _words("RENAME", _key, _key),
    _words("COPY", _key, _key),
    _words("INCR", _key),
    _words("APPEND", _key, ""),
    _words("SORT", _key, "BY", "x*"),
    _words("SORT", _key, "STORE", _key),
    _words("BITOP", "NOT", _key, _key),
    _words("ZUNIONSTORE", _key, 2, _key, _key),
    _words("LMPOP", 2, _key, _key, "LEFT"),
    _words("GETEX", _key),
    _words("GETEX", _key, "PERSIST"),
    _words("XREAD", "STREAMS", _key, _key, 0, 0),
    _words("OBJECT", st.sampled_from(["ENCODING", "NOPE"]), _key),
    _words("DBSIZE"),
    _words("KEYS", "*"),
    _words("FLUSHALL"),
    _words("SELECT", st.sampled_from([0, 1, "a"])),
    _words("CONFIG", "GET", "maxclients-nope"),
    _words("CONFIG", "SET", "nope", "x"),
    _words("CONFIG", "NOPE"),
    _words("CLIENT", st.sampled_from(["GETNAME", "ID|x"])),
    _words("PING"),
    _words("ECHO", "x"),
    _words("COMMAND", "GETKEYS", "GET", _key),
    _words("NOPE"),
    _words("GET"),
    _words("PUBLISH", _published, "text"),
    _words("SPUBLISH", _published, "text"),
    _words("WATCH", _key),
    _words("UNWATCH"),
    _words("EVAL", "return redis.call('GET', KEYS[1])", 1, _key),
    _words("EVAL", "return redis.pcall('SET', 'a', 1)", 0),
    _words("EVAL", "return {redis.pcall('MGET', 'a', KEYS[1]), redis.pcall('FLUSHALL')}", 1, _key),
    _words("EVAL", "return redis.call('PUBLISH', 'p1', 'text')", 0),
    _words("EVAL", "return {redis.acl_check_cmd('SET', KEYS[1], 1)}", 1, _key),
    _words("EVAL", "return redis.acl_check_cmd('config', 'get', 'x')", 0),
    _words("EVAL_RO", "return redis.call('GET', KEYS[1])", 1, _key),
)

_subscriptions = st.one_of(
    _words("SUBSCRIBE", _heard),
    _words("PSUBSCRIBE", st.sampled_from(["s*", "s1", "*x"])),
    _words("SSUBSCRIBE", _heard),
    _words("RESET"),
)

_identities = st.one_of(
    *[_words("AUTH", _user, _password)] * 5,
    *[_words("AUTH", "default", _password)] * 3,
    *[_words("RESET")] * 3,
    _words("AUTH", _password),
    _words("AUTH", _any_user, _password),
    _words("AUTH", "bob", "one", "x"),
    _words("AUTH"),
    _words("HELLO", st.sampled_from([2, 3]), "AUTH", _any_user, _password),
    _words("HELLO", st.sampled_from([2, 3])),
)

_setuser = _join(_words("ACL", "SETUSER", _user), st.lists(_rule, max_size=5).map(tuple))
_useful_user = _join(
    _words("ACL", "SETUSER", _user, "on", "nopass"),
    st.lists(st.one_of(_command_rule, _key_rule), min_size=1, max_size=4).map(tuple),
)
_administration = st.one_of(
    *[_setuser] * 8,
    *[_useful_user] * 5,
    _join(_words("ACL", "SETUSER", "default"), st.lists(_rule, max_size=2).map(tuple)),
    _words("ACL", "SETUSER", st.sampled_from(["a b", "", b"a\0b"])),
    *[_words("ACL", "GETUSER", _any_user)] * 4,
    *[_words("ACL", "LIST")] * 3,
    _words("ACL", "USERS"),
    *[_words("ACL", "WHOAMI")] * 2,
    _words("ACL", "DELUSER", _user),
    _words("ACL", "DELUSER", _any_user, _any_user),
    *[_words("ACL", "LOG")] * 3,
    _words("ACL", "LOG", st.sampled_from([0, 1, 3, -1, "x", "RESET", "reset"])),
    _words("ACL", "CAT"),
    _words("ACL", "CAT", st.sampled_from(["read", "STRING", "scripting", "dangerous", "nope", ""])),
    _words("ACL", "GENPASS", st.sampled_from([0, -1, 4097, "x"])),
    _words("ACL", st.sampled_from(["NOPE", "SAVE", "LOAD", "SETUSER", "DRYRUN"])),
    _words("ACL", st.sampled_from(["CAT", "LOG", "GENPASS", "WHOAMI"]), "x", "y"),
)
_dryrun = _join(_words("ACL", "DRYRUN", _any_user), st.one_of(_tries, _administration))

_transactions = st.sampled_from([("MULTI",), ("EXEC",), ("EXEC",), ("DISCARD",)])

commands: Final = st.one_of(
    *[_tries] * 5,
    *[_administration] * 4,
    *[_dryrun] * 2,
    *[_identities] * 3,
    _transactions,
    _subscriptions,
)
