"""All directives of dscache, each declared once: the only place of names, defaults and bounds.

The command line, CONFIG GET, SET and REWRITE, the annotated ``dscache.conf`` and the documentation
are all made from these declarations. Whoever adds one sees to it that it *does* something, and,
unless it is immutable, that a change takes effect at once (``Config.on_change``): a directive
without effect is a defect.

Names, defaults and bounds are those of Redis 7.4 wherever Redis has the directive. The exceptions:
``dir`` is immutable here and has a default of its own (the store lives there), ``maxmemory`` has a
lower bound and its 0 is not "unlimited" (a cache without bound would be pointless),
``maxmemory-clients`` is on (or that bound would not hold), and ``hz`` refuses values that Redis would
silently cap.
"""

from __future__ import annotations

from typing import Final

from dscache.config.directive import (
    GB,
    INT32_MAX,
    INT64_MAX,
    MB,
    Boolean,
    BufferLimits,
    Choice,
    Directive,
    EventClasses,
    FileName,
    Integer,
    Memory,
    MemoryOrPercent,
    Octal,
    OutputLimit,
    OutputLimits,
    Percentiles,
    SavePoints,
    Seconds,
    Section,
    Text,
    Words,
)

MINIMUM_MAXMEMORY_BYTES: Final = 8 * MB

NETWORK: Final = Section(
    "Network",
    "Where the server listens, and how it treats connections.",
)
SECURITY: Final = Section(
    "Security",
    "Who may connect and what they may do.",
)
DATA: Final = Section(
    "Data set",
    "Where the data set lives and how it gets to the disk. The disk holds all of it; memory is a"
    " cache of it.",
)
MEMORY: Final = Section(
    "Memory",
    "How much memory the server uses and what it keeps there. When memory is full, entries leave"
    " it; they are not lost, because they are on disk.",
)
CLIENTS: Final = Section(
    "Clients",
    "What a single client may ask of the server, so that none can exhaust it for the others.",
)
ENCODINGS: Final = Section(
    "Encodings",
    "dscache keeps values in its own way. These thresholds of Redis decide what OBJECT ENCODING"
    " answers, and how some values are laid out.",
)
EXPIRY: Final = Section(
    "Background work",
    "How much of its time the server spends on work that no client waits for.",
)
OBSERVATION: Final = Section(
    "Logging and latency",
    "What the server tells about itself.",
)


class Directives:
    """The declarations, in the order in which the annotated file shows them."""

    bind = Words(
        "bind",
        default=("127.0.0.1", "-::1"),
        maximum_words=16,
        too_many="Too many bind addresses specified.",
        section=NETWORK,
        doc="The addresses to listen on, each an IPv4 or IPv6 address of this machine; * means all"
        " IPv4 and ::* all IPv6 addresses. An address with a leading - may be missing from the"
        " machine; any other that cannot be bound stops the start. With no address at all the"
        " server listens on the Unix socket only.",
    )
    port = Integer(
        "port",
        default=6379,
        minimum=0,
        maximum=65535,
        section=NETWORK,
        doc="The TCP port to listen on. 0: do not listen on TCP.",
    )
    tls_port = Integer(
        "tls-port",
        default=0,
        minimum=0,
        maximum=65535,
        section=NETWORK,
        doc="The TCP port to listen on for TLS, on the same addresses. 0: do not. To speak nothing but"
        " TLS, set the other one to 0. A slow script is not interrupted for clients that speak TLS.",
    )
    tls_cert_file = Text(
        "tls-cert-file",
        default="",
        section=NETWORK,
        names_file=True,
        doc="The server's certificate, in PEM form, with the certificates that lead to its authority. Setting"
        " it again, or any other of the tls directives, reads all files anew; connections stay.",
    )
    tls_key_file = Text(
        "tls-key-file",
        default="",
        section=NETWORK,
        names_file=True,
        doc="The private key of the certificate.",
    )
    tls_key_file_pass = Text(
        "tls-key-file-pass",
        default="",
        section=NETWORK,
        secret=True,
        doc="The password of the private key, if it is encrypted.",
    )
    tls_ca_cert_file = Text(
        "tls-ca-cert-file",
        default="",
        section=NETWORK,
        names_file=True,
        doc="The certificates of the authorities that client certificates must be from.",
    )
    tls_ca_cert_dir = Text(
        "tls-ca-cert-dir",
        default="",
        section=NETWORK,
        names_file=True,
        doc="A directory of such certificates, named by hashes as OpenSSL wants them.",
    )
    tls_auth_clients = Choice(
        "tls-auth-clients",
        default="yes",
        choices=("yes", "no", "optional"),
        section=NETWORK,
        doc="Whether clients must show a certificate: yes, no, or optional (if they show one it must be"
        " right).",
    )
    tls_protocols = Text(
        "tls-protocols",
        default="",
        section=NETWORK,
        doc="The versions that are spoken: TLSv1.2, TLSv1.3 or both. Empty: both.",
    )
    tls_ciphers = Text(
        "tls-ciphers",
        default="",
        section=NETWORK,
        doc="The ciphers for TLSv1.2, in OpenSSL's notation. Empty: OpenSSL's choice.",
    )
    tcp_backlog = Integer(
        "tcp-backlog",
        default=511,
        minimum=0,
        maximum=INT32_MAX,
        immutable=True,
        section=NETWORK,
        doc="How many connections may wait to be accepted. The kernel cuts this down to its own"
        " limit, on Linux /proc/sys/net/core/somaxconn.",
    )
    unixsocket = Text(
        "unixsocket",
        default="",
        immutable=True,
        section=NETWORK,
        doc="The path of a Unix socket to listen on. Empty: none.",
    )
    unixsocketperm = Octal(
        "unixsocketperm",
        default=0,
        maximum=0o777,
        section=NETWORK,
        doc="The permissions of the Unix socket. 0: as the umask of the process leaves them.",
    )
    http_port = Integer(
        "http-port",
        default=0,
        minimum=0,
        maximum=65535,
        immutable=True,
        section=NETWORK,
        doc="The TCP port of the web console, of /metrics for Prometheus and of /healthz and /readyz"
        " (docs/console.md, docs/metrics.md). 0: none. The users and their rights are the same as elsewhere."
        " What requests and answers take counts against maxmemory as what clients take does; it is an eighth"
        " of maxmemory at most, or 16mb if that is more, and requests beyond it are refused.",
    )
    http_bind = Words(
        "http-bind",
        default=("127.0.0.1",),
        maximum_words=16,
        too_many="Too many bind addresses specified.",
        immutable=True,
        section=NETWORK,
        doc="The addresses to listen on for HTTP, as for bind. HTTP is spoken without TLS, so passwords cross"
        " the network as they are: have a proxy that speaks TLS before it instead of other addresses.",
    )
    timeout = Integer(
        "timeout",
        default=0,
        minimum=0,
        maximum=INT32_MAX,
        section=NETWORK,
        doc="Disconnect a client that has sent nothing for this many seconds. 0: never. Clients"
        " that are subscribed or blocked are spared.",
    )
    tcp_keepalive = Integer(
        "tcp-keepalive",
        default=300,
        minimum=0,
        maximum=INT32_MAX,
        section=NETWORK,
        doc="Probe a silent TCP connection after this many seconds, so that a dead peer is noticed"
        " and network equipment keeps the connection open. 0: do not probe.",
    )

    protected_mode = Boolean(
        "protected-mode",
        default=True,
        section=SECURITY,
        doc="As long as no password is set, refuse every connection that does not come from this"
        " machine. This is what protects a server that listens on all addresses by mistake.",
    )
    requirepass = Text(
        "requirepass",
        default="",
        secret=True,
        section=SECURITY,
        doc="The password of the user default, which clients must give with AUTH before anything"
        " else. Empty: none is needed. Use a long random one: many passwords a second can be tried. A"
        " user statement for default, or the file of users, has the last word.",
    )
    aclfile = Text(
        "aclfile",
        default="",
        immutable=True,
        section=SECURITY,
        doc="The file of users: read at start and by ACL LOAD, written by ACL SAVE. With it there may"
        " be no user statements. Empty: none.",
    )
    acl_pubsub_default = Choice(
        "acl-pubsub-default",
        default="resetchannels",
        choices=("allchannels", "resetchannels"),
        section=SECURITY,
        doc="Whether a new user may publish and subscribe to all channels, or to none.",
    )
    acllog_max_len = Integer(
        "acllog-max-len",
        default=128,
        minimum=0,
        maximum=INT64_MAX,
        section=SECURITY,
        doc="How many entries ACL LOG holds; the oldest go first. They are kept in memory.",
    )
    enable_debug_command = Choice(
        "enable-debug-command",
        default="no",
        choices=("no", "yes", "local"),
        immutable=True,
        section=SECURITY,
        doc="Whether clients may use DEBUG. local: only clients on this machine may.",
    )

    dir = Text(
        "dir",
        default="./dscache-data",
        immutable=True,
        required=True,
        section=DATA,
        doc="The directory of the data set, created if it does not exist. Only one server at a time"
        " can use it.",
    )
    volatile = Boolean(
        "volatile",
        default=False,
        immutable=True,
        section=DATA,
        doc="Keep the data set in a temporary directory that is removed at exit, instead of in dir:"
        " a cache larger than memory that does not outlive the server.",
    )
    load = Words(
        "load",
        default=(),
        maximum_words=64,
        too_many="Too many files to load.",
        immutable=True,
        section=DATA,
        doc="Python files whose commands and functions the server shall have (docs/extensions.md). They run"
        " inside the server: only load what you trust.",
    )
    databases = Integer(
        "databases",
        default=16,
        minimum=1,
        maximum=INT32_MAX,
        immutable=True,
        section=DATA,
        doc="The number of databases; SELECT takes 0 up to one less.",
    )
    cache_flush_delay = Seconds(
        "cache-flush-delay",
        default=1.0,
        maximum=3600.0,
        section=DATA,
        doc="A changed key is in the store at most about this many seconds later. Longer saves writes"
        " when the same keys change again and again; shorter spreads them more evenly. With appendonly,"
        " where the log has the change at once, a commit that takes long is followed by a rest of nine"
        " times as long, up to 8 seconds, so that commits take a tenth of the time and not all of it.",
    )
    appendonly = Boolean(
        "appendonly",
        default=True,
        immutable=True,
        section=DATA,
        doc="Keep a log of changes (appendonlydir in dir), so that those are not lost in a crash that"
        " the store does not have yet: without it, up to cache-flush-delay and a bit of them are. A"
        " volatile data set has none.",
    )
    appendfsync = Choice(
        "appendfsync",
        default="everysec",
        choices=("always", "everysec", "no"),
        section=DATA,
        doc="When that log is synced to the disk. always: before a client gets the reply to its change;"
        " all that come in together share a sync. everysec: once a second, so a power failure may cost"
        " the last second and a bit. no: when the system likes, or an epoch ends. If only the server is"
        " killed, what it wrote is not lost, synced or not: with everysec and no that is all but the last"
        " hundredth of a second.",
    )
    save = SavePoints(
        "save",
        section=DATA,
        doc="Write the whole data set to an RDB file, as BGSAVE does, whenever so many seconds have passed"
        " and so many changes have been made since the last time. Several pairs may be given. The data set"
        " does not need it: it is on disk anyway.",
    )
    dbfilename = FileName(
        "dbfilename",
        default="dump.rdb",
        section=DATA,
        doc="The name of that file, in dir.",
    )
    disk_threads = Integer(
        "disk-threads",
        default=4,
        minimum=1,
        maximum=64,
        immutable=True,
        section=DATA,
        doc="How many threads read from and write to the disk. More of them serve more keys at once"
        " that are not in memory, as far as the disk can.",
    )

    maxmemory = Memory(
        "maxmemory",
        default=0,
        minimum=MINIMUM_MAXMEMORY_BYTES,
        zero_allowed=True,
        section=MEMORY,
        doc="The memory that the cached part of the data set may take, all bookkeeping included. 0:"
        " a quarter of the memory of the machine or of the container, whichever is smaller.",
    )
    maxmemory_policy = Choice(
        "maxmemory-policy",
        default="noeviction",
        choices=("noeviction",),
        remedy="; no key is ever lost when memory is full, and cache-policy says which entries leave"
        " memory for the disk first",
        section=MEMORY,
        doc="Here for clients that ask for it. Redis's other policies delete keys when memory is full;"
        " here full memory never costs a key, because all are on disk. The directive to change is"
        " cache-policy: which entries leave memory first.",
    )
    cache_policy = Choice(
        "cache-policy",
        default="s3fifo",
        choices=("s3fifo", "sieve", "lru", "lfu", "random"),
        section=MEMORY,
        doc="Which entries leave memory first. s3fifo and sieve keep what is asked for again and"
        " resist scans; lru lets go what was unused longest, lfu what is used least often; random"
        " is for comparison.",
    )
    lfu_log_factor = Integer(
        "lfu-log-factor",
        default=10,
        minimum=0,
        maximum=INT32_MAX,
        section=MEMORY,
        doc="For the lfu policy: how slowly the use counter of a key grows. The higher, the more"
        " uses it takes until the counter is at its maximum of 255.",
    )
    lfu_decay_time = Integer(
        "lfu-decay-time",
        default=1,
        minimum=0,
        maximum=INT32_MAX,
        section=MEMORY,
        doc="For the lfu policy: the number of minutes after which the use counter of an unused key"
        " falls by one. 0: it never falls.",
    )

    maxclients = Integer(
        "maxclients",
        default=10000,
        minimum=1,
        maximum=2**32 - 1,
        section=CLIENTS,
        doc="The number of clients that may be connected at once; further ones get an error. The"
        " process's limit of open files is raised for it as far as the system allows; if that does not"
        " suffice, the server starts with fewer, and says so in its log.",
    )
    maxmemory_clients = MemoryOrPercent(
        "maxmemory-clients",
        default=-50,
        section=CLIENTS,
        doc="What all clients together may take: requests that are not carried out yet, replies that"
        " are not read yet, what they are subscribed to and watch, and 4 KiB for each connection."
        " Beyond it those that take most are disconnected first, except those that have asked not to"
        " be (CLIENT NO-EVICT). It counts against maxmemory. A percentage is at least 16mb, and leaves"
        " out the client that takes most, so that one large request or reply passes. 0: no limit. The default"
        " differs from Redis's, which is 0: here maxmemory is a promise, and what clients take beyond"
        " half of it could not be taken from the cache any more.",
    )
    proto_max_bulk_len = Memory(
        "proto-max-bulk-len",
        default=512 * MB,
        minimum=MB,
        section=CLIENTS,
        doc="The longest single argument of a command, and so the longest string value.",
    )
    client_query_buffer_limit = Memory(
        "client-query-buffer-limit",
        default=GB,
        minimum=MB,
        section=CLIENTS,
        doc="How much a client may send that has not been carried out yet. One that sends more is"
        " disconnected.",
    )
    client_output_buffer_limit = BufferLimits(
        "client-output-buffer-limit",
        default=OutputLimits(
            normal=OutputLimit(0, 0, 0),
            replica=OutputLimit(256 * MB, 64 * MB, 60),
            pubsub=OutputLimit(32 * MB, 8 * MB, 60),
        ),
        section=CLIENTS,
        doc="Disconnect a client that does not read its replies fast enough: at once when more"
        " than the hard limit is waiting for it, or when more than the soft limit has been waiting"
        " for the given number of seconds. 0: no limit. A line changes only the class of clients"
        " that it names.",
    )
    tracking_table_max_keys = Integer(
        "tracking-table-max-keys",
        default=1_000_000,
        minimum=0,
        maximum=INT64_MAX,
        section=CLIENTS,
        doc="How many keys the server remembers for clients that cache what they have read (CLIENT"
        " TRACKING). When there are more, the readers of some are told that these have changed. The"
        " table takes about 150 bytes for a key, of maxmemory. 0: no limit.",
    )

    hash_max_listpack_entries = Integer(
        "hash-max-listpack-entries",
        default=128,
        minimum=0,
        maximum=INT64_MAX,
        alias="hash-max-ziplist-entries",
        section=ENCODINGS,
        doc="OBJECT ENCODING calls a hash of up to this many fields a listpack, beyond it a "
        "hashtable.",
    )
    hash_max_listpack_value = Integer(
        "hash-max-listpack-value",
        default=64,
        minimum=0,
        maximum=INT64_MAX,
        alias="hash-max-ziplist-value",
        section=ENCODINGS,
        doc="The longest field or value, in bytes, of a hash that is called a listpack.",
    )
    list_max_listpack_size = Integer(
        "list-max-listpack-size",
        default=-2,
        minimum=-INT32_MAX,
        maximum=INT32_MAX,
        alias="list-max-ziplist-size",
        section=ENCODINGS,
        doc="The largest list that OBJECT ENCODING calls a listpack: so many elements, or "
        "-1 to -5 for 4, 8, 16, 32 or 64 KiB; beyond it a quicklist.",
    )
    set_max_intset_entries = Integer(
        "set-max-intset-entries",
        default=512,
        minimum=0,
        maximum=INT64_MAX,
        section=ENCODINGS,
        doc="The largest set of integers that OBJECT ENCODING calls an intset.",
    )
    set_max_listpack_entries = Integer(
        "set-max-listpack-entries",
        default=128,
        minimum=0,
        maximum=INT64_MAX,
        section=ENCODINGS,
        doc="OBJECT ENCODING calls a set of up to this many members a listpack, beyond it a "
        "hashtable.",
    )
    set_max_listpack_value = Integer(
        "set-max-listpack-value",
        default=64,
        minimum=0,
        maximum=INT64_MAX,
        section=ENCODINGS,
        doc="The longest member, in bytes, of a set that is called a listpack.",
    )
    zset_max_listpack_entries = Integer(
        "zset-max-listpack-entries",
        default=128,
        minimum=0,
        maximum=INT64_MAX,
        alias="zset-max-ziplist-entries",
        section=ENCODINGS,
        doc="OBJECT ENCODING calls a sorted set of up to this many members a listpack, "
        "beyond it a skiplist.",
    )
    zset_max_listpack_value = Integer(
        "zset-max-listpack-value",
        default=64,
        minimum=0,
        maximum=INT64_MAX,
        alias="zset-max-ziplist-value",
        section=ENCODINGS,
        doc="The longest member, in bytes, of a sorted set that is called a listpack.",
    )
    stream_node_max_entries = Integer(
        "stream-node-max-entries",
        default=100,
        minimum=0,
        maximum=INT64_MAX,
        section=ENCODINGS,
        doc="How many entries of a stream are kept and trimmed together: XADD and XTRIM "
        "with ~ remove whole nodes of this size. 0: no limit.",
    )
    hll_sparse_max_bytes = Integer(
        "hll-sparse-max-bytes",
        default=3000,
        minimum=0,
        maximum=INT64_MAX,
        section=ENCODINGS,
        doc="A HyperLogLog whose sparse form would be longer than this many bytes becomes dense.",
    )

    hz = Integer(
        "hz",
        default=10,
        minimum=1,
        maximum=500,
        section=EXPIRY,
        doc="How many times a second the regular background work runs. Higher values detect"
        " timeouts and expired keys sooner and cost more processor time when idle.",
    )
    active_expire_effort = Integer(
        "active-expire-effort",
        default=1,
        minimum=1,
        maximum=10,
        section=EXPIRY,
        doc="How hard the server works to delete expired keys that nobody asks for, from 1, the"
        " least time, to 10, the least leftovers.",
    )
    shutdown_timeout = Integer(
        "shutdown-timeout",
        default=10,
        minimum=0,
        maximum=INT32_MAX,
        section=EXPIRY,
        doc="How many seconds a shutdown goes on trying to save the last changes when the disk does"
        " not take them. After that the server ends without them, says so, and exits with 1.",
    )

    loglevel = Choice(
        "loglevel",
        default="notice",
        choices=("debug", "verbose", "notice", "warning", "nothing"),
        section=OBSERVATION,
        doc="How much is logged, from most to least.",
    )
    logfile = Text(
        "logfile",
        default="",
        immutable=True,
        section=OBSERVATION,
        doc="The file to which the log is appended. Empty: the log goes to standard output.",
    )
    log_format = Choice(
        "log-format",
        default="text",
        choices=("text", "json"),
        section=OBSERVATION,
        doc="How a line of the log looks. text: for people. json: an object with time (RFC 3339, UTC),"
        " level, pid, message and, of a defect, exception.",
    )
    slowlog_log_slower_than = Integer(
        "slowlog-log-slower-than",
        default=10000,
        minimum=-1,
        maximum=INT64_MAX,
        section=OBSERVATION,
        doc="A command that takes longer than this many microseconds goes to the slow log. 0: every"
        " command does. -1: none does.",
    )
    slowlog_max_len = Integer(
        "slowlog-max-len",
        default=128,
        minimum=0,
        maximum=INT64_MAX,
        section=OBSERVATION,
        doc="How many commands the slow log holds; the oldest go first. It is kept in memory.",
    )
    busy_reply_threshold = Integer(
        "busy-reply-threshold",
        default=5000,
        minimum=0,
        maximum=INT64_MAX,
        section=OBSERVATION,
        alias="lua-time-limit",
        doc="A script that runs for longer than this many milliseconds is slow: from then on clients are"
        " told that the server is busy, and SCRIPT KILL, FUNCTION KILL and SHUTDOWN NOSAVE work. 0:"
        " they have to wait for its end.",
    )
    latency_monitor_threshold = Integer(
        "latency-monitor-threshold",
        default=0,
        minimum=0,
        maximum=INT64_MAX,
        section=OBSERVATION,
        doc="Remember events that take at least this many milliseconds for LATENCY. 0: do not.",
    )
    latency_tracking = Boolean(
        "latency-tracking",
        default=True,
        section=OBSERVATION,
        doc="Count how long the calls of each command take, for the percentiles in INFO"
        " latencystats and for LATENCY HISTOGRAM.",
    )
    latency_tracking_info_percentiles = Percentiles(
        "latency-tracking-info-percentiles",
        default=(50.0, 99.0, 99.9),
        section=OBSERVATION,
        doc="The percentiles that INFO latencystats shows.",
    )
    notify_keyspace_events = EventClasses(
        "notify-keyspace-events",
        default="",
        section=OBSERVATION,
        doc="Which changes of keys are published, a letter for each class. K: to"
        " __keyspace@<db>__:<key>, E: to __keyevent@<db>__:<event>; without one of them nothing is."
        " g: commands on keys of any type (del, expire, rename_from, ...); $, l, s, h, z, t: commands"
        " on strings, lists, sets, hashes, sorted sets, streams; x: keys that expire; e: never"
        " happens here, as full memory costs no key; d: modules, never either; A: all of these. Not"
        " in A: n: new keys, which makes every write look its keys up first, on the disk if need be;"
        " m: lookups that find nothing.",
    )


ALL_DIRECTIVES: Final[tuple[Directive[object], ...]] = tuple(
    declared for declared in vars(Directives).values() if isinstance(declared, Directive)
)
DIRECTIVES_BY_NAME: Final[dict[str, Directive[object]]] = {
    name: directive
    for directive in ALL_DIRECTIVES
    for name in (directive.name, directive.alias)
    if name
}
