"""Data sets in and out as files, without a server: ``dscache import`` and ``dscache export``."""
