"""Sockets, clients and time: the only floor that knows asyncio."""
