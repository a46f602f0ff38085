"""The data types: one class each, with its own methods, size accounting and encoding. No I/O."""
