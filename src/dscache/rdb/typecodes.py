"""The type bytes of the format: a type of value and the form that its bytes have, together.

8 was never used. 22 and 23 were written by Redis in release candidates of 7.4 only; Valkey has another
form of hashes at 22, from version 80 of the format on.
"""

from __future__ import annotations

from typing import Final

STRING: Final = 0
LIST: Final = 1
SET: Final = 2
ZSET_TEXT: Final = 3
HASH: Final = 4
ZSET: Final = 5
MODULE_BEFORE_4_0: Final = 6
MODULE: Final = 7
HASH_ZIPMAP: Final = 9
LIST_ZIPLIST: Final = 10
SET_INTSET: Final = 11
ZSET_ZIPLIST: Final = 12
HASH_ZIPLIST: Final = 13
LIST_QUICKLIST: Final = 14
STREAM_1: Final = 15
HASH_LISTPACK: Final = 16
ZSET_LISTPACK: Final = 17
LIST_QUICKLIST_2: Final = 18
STREAM_2: Final = 19
SET_LISTPACK: Final = 20
STREAM_3: Final = 21
HASH_DUE_ABSOLUTE: Final = 22
HASH_LISTPACK_DUE_ABSOLUTE: Final = 23
HASH_DUE: Final = 24
HASH_LISTPACK_DUE: Final = 25

#: What else a file has: opcodes, which stand where otherwise a type byte would.
SLOT_IMPORT: Final = 243
SLOT_INFO: Final = 244
MODULE_AUX: Final = 247
IDLE: Final = 248
FREQUENCY: Final = 249
AUX: Final = 250
RESIZE_DATABASE: Final = 251
EXPIRE_MS: Final = 252
EXPIRE_SECONDS: Final = 253
SELECT_DATABASE: Final = 254
END: Final = 255

#: A library of functions, and its form in the release candidates of Redis 7.
FUNCTIONS: Final = 245
FUNCTIONS_OF_A_CANDIDATE: Final = 246
#: The version that came with them.
FUNCTIONS_VERSION: Final = 10

#: What a file must be for Redis 7.2 and Valkey to load it.
PLAIN_VERSION: Final = 11
#: The newest version that Redis 7.4 writes and reads.
NEWEST_VERSION: Final = 12
#: Valkey 9 counts from here on, so as not to meet Redis. It differs in hashes whose fields expire.
VALKEY_VERSION: Final = 80
