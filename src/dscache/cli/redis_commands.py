"""Redis's commands: what there is, since when, and why dscache does not have some of them.

The names are those of Redis 7.4.1, Sentinel's included, and of the core of Redis 8.0. Commands of modules
(JSON, search, time series, probabilistic types, vector sets) are left out, also those that Redis 8 is
shipped with: they are programs of their own.

``docs/commands.md`` shows all of it; ``tests/cli/test_reference.py`` sees to it that every name here is
either a command of ours or explained by ``reason_for``, and never both.
"""

from __future__ import annotations

from typing import Final

# By the version of Redis that had them first. ``parent|word`` is a subcommand.
_NAMES: Final = {
    "1.0.0": (
        "auth bgrewriteaof bgsave dbsize debug decr decrby del echo exists expire flushall "
        "flushdb get getset incr incrby info keys lastsave lindex llen lpop lpush lrange lrem "
        "lset ltrim mget monitor move ping quit randomkey rename renamenx rpop rpush sadd save "
        "scard sdiff sdiffstore select set setnx shutdown sinter sinterstore sismember slaveof "
        "smembers smove sort spop srandmember srem substr sunion sunionstore sync ttl type"
    ),
    "1.0.1": "mset msetnx",
    "1.0.5": "zrangebyscore",
    "1.2.0": (
        "exec expireat multi rpoplpush zadd zcard zincrby zrange zrem zremrangebyscore zrevrange "
        "zscore"
    ),
    "2.0.0": (
        "append blpop brpop config config|get config|resetstat config|set discard hdel hexists "
        "hget hgetall hincrby hkeys hlen hmget hmset hset hsetnx hvals psubscribe publish "
        "punsubscribe setex subscribe unsubscribe zcount zinterstore zrank zremrangebyrank "
        "zrevrank zunionstore"
    ),
    "2.2.0": (
        "brpoplpush getbit linsert lpushx persist rpushx setbit setrange strlen unwatch watch "
        "zrevrangebyscore"
    ),
    "2.2.3": "object object|encoding object|idletime object|refcount",
    "2.2.12": "slowlog slowlog|get slowlog|len slowlog|reset",
    "2.4.0": "client client|kill client|list getrange",
    "2.6.0": (
        "bitcount bitop dump eval evalsha hincrbyfloat incrbyfloat migrate pexpire pexpireat "
        "psetex pttl restore script script|exists script|flush script|kill script|load time"
    ),
    "2.6.9": "client|getname client|setname",
    "2.8.0": (
        "config|rewrite hscan psync pubsub pubsub|channels pubsub|numpat pubsub|numsub scan "
        "sentinel|slaves sscan zscan"
    ),
    "2.8.4": (
        "sentinel sentinel|ckquorum sentinel|failover sentinel|flushconfig "
        "sentinel|get-master-addr-by-name sentinel|is-master-down-by-addr sentinel|master "
        "sentinel|masters sentinel|monitor sentinel|pending-scripts sentinel|remove "
        "sentinel|reset sentinel|sentinels sentinel|set"
    ),
    "2.8.7": "bitpos",
    "2.8.9": (
        "pfadd pfcount pfdebug pfmerge pfselftest zlexcount zrangebylex zremrangebylex "
        "zrevrangebylex"
    ),
    "2.8.12": "role",
    "2.8.13": (
        "command command|count command|getkeys command|info latency latency|doctor latency|graph "
        "latency|help latency|history latency|latest latency|reset"
    ),
    "3.0.0": (
        "asking client|pause cluster cluster|addslots cluster|bumpepoch "
        "cluster|count-failure-reports cluster|countkeysinslot cluster|delslots cluster|failover "
        "cluster|flushslots cluster|forget cluster|getkeysinslot cluster|info cluster|keyslot "
        "cluster|meet cluster|myid cluster|nodes cluster|replicate cluster|reset "
        "cluster|saveconfig cluster|set-config-epoch cluster|setslot cluster|slaves cluster|slots "
        "readonly readwrite replconf restore-asking wait"
    ),
    "3.2.0": (
        "bitfield client|reply geoadd geodist geohash geopos georadius georadiusbymember hstrlen "
        "script|debug sentinel|info-cache sentinel|simulate-failure"
    ),
    "3.2.1": "touch",
    "3.2.10": "georadius_ro georadiusbymember_ro",
    "4.0.0": (
        "memory memory|doctor memory|help memory|malloc-stats memory|purge memory|stats "
        "memory|usage module module|list module|load module|unload object|freq swapdb unlink"
    ),
    "5.0.0": (
        "bzpopmax bzpopmin client|help client|id client|unblock cluster|help cluster|replicas "
        "command|help config|help lolwut module|help replicaof script|help sentinel|replicas xack "
        "xadd xclaim xdel xgroup xgroup|create xgroup|delconsumer xgroup|destroy xgroup|help "
        "xgroup|setid xinfo xinfo|consumers xinfo|groups xinfo|help xinfo|stream xlen xpending "
        "xrange xread xreadgroup xrevrange xsetid xtrim zpopmax zpopmin"
    ),
    "6.0.0": (
        "acl acl|cat acl|deluser acl|genpass acl|getuser acl|help acl|list acl|load acl|log "
        "acl|save acl|setuser acl|users acl|whoami bitfield_ro client|caching client|getredir "
        "client|tracking hello"
    ),
    "6.0.6": "lpos",
    "6.2.0": (
        "blmove client|info client|trackinginfo client|unpause copy failover geosearch "
        "geosearchstore getdel getex hrandfield lmove object|help pubsub|help reset "
        "sentinel|config sentinel|help sentinel|myid slowlog|help smismember xautoclaim "
        "xgroup|createconsumer zdiff zdiffstore zinter zmscore zrandmember zrangestore zunion"
    ),
    "7.0.0": (
        "acl|dryrun blmpop bzmpop client|no-evict cluster|addslotsrange cluster|delslotsrange "
        "cluster|links cluster|shards command|docs command|getkeysandflags command|list eval_ro "
        "evalsha_ro expiretime fcall fcall_ro function function|delete function|dump "
        "function|flush function|help function|kill function|list function|load function|restore "
        "function|stats latency|histogram lcs lmpop module|loadex pexpiretime "
        "pubsub|shardchannels pubsub|shardnumsub sentinel|debug sintercard sort_ro spublish "
        "ssubscribe sunsubscribe zintercard zmpop"
    ),
    "7.2.0": "client|no-touch client|setinfo cluster|myshardid waitaof",
    "7.4.0": "hexpire hexpireat hexpiretime hpersist hpexpire hpexpireat hpexpiretime hpttl httl",
    "8.0.0": "hgetdel hgetex hsetex sflush",
}

#: Every command and subcommand, in lower case, with the version of Redis that had it first.
REDIS_COMMANDS: Final[dict[str, str]] = {
    name: version for version, names in _NAMES.items() for name in names.split()
}

_NO_CLUSTER: Final = "one server has all keys: there is no cluster"
_NO_REPLICATION: Final = "there is no replication"

# A command's reason is its subcommands' too, unless they have their own.
_REASONS: Final = {
    "asking": _NO_CLUSTER,
    "cluster": _NO_CLUSTER,
    "failover": _NO_REPLICATION,
    "migrate": "the server connects to nobody: DUMP and RESTORE by a client, or dscache import, move keys",
    "module": "modules are C libraries for the insides of Redis",
    "psync": _NO_REPLICATION,
    "readonly": _NO_CLUSTER,
    "readwrite": _NO_CLUSTER,
    "replconf": _NO_REPLICATION,
    "replicaof": _NO_REPLICATION,
    "restore-asking": _NO_CLUSTER,
    "role": _NO_REPLICATION,
    "script|debug": "the debugger is a client of Redis's own, for Redis's own Lua",
    "sentinel": "a command of Redis Sentinel, which is another program",
    "sflush": _NO_CLUSTER,
    "slaveof": _NO_REPLICATION,
    "sync": _NO_REPLICATION,
}

#: What is to be said about commands that are there.
REMARKS: Final = {
    "debug": "the subcommands that test suites need; the others are about the insides of Redis",
}


def reason_for(name: str) -> str | None:
    """Why dscache does not have the command ``name`` of Redis; None if nothing is said about it."""
    reason = _REASONS.get(name)
    return _REASONS.get(name.partition("|")[0]) if reason is None else reason


def explained() -> list[str]:
    """The names that a reason was written for."""
    return list(_REASONS)
