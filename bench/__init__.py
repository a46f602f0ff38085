"""Benchmarks of dscache against its promises and against its in-memory relatives.

``python -m bench`` runs them; ``README.md`` says what each scenario measures and how far to trust
it.
"""
