"""The Redis protocol without a socket: requests in, replies out (RESP2 and RESP3)."""
