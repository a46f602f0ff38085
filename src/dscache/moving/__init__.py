"""Data sets in and out, without a server of ours: ``dscache import`` and ``dscache export``."""
