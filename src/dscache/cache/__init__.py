"""The disk store cache: which part of the data set is in memory, and how it gets to disk and back."""
