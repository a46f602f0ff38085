"""Redis's serialisation of values, up to version 12: for DUMP, RESTORE and whole files."""
