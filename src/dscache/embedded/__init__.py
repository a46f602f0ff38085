"""dscache inside a program: clients of redis-py without a socket, and servers as child processes.

What programs use is in ``dscache`` itself (``open``, ``Server``) and in ``dscache.asyncio``.
"""
