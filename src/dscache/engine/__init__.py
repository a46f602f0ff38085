"""The heart of dscache, without sockets or an event loop: what a command is, and how one is run."""
