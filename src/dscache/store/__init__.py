"""The data set on disk: the interface that a key-value engine must satisfy, and the engines."""
