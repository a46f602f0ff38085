"""The redo log: every change since the last committed epoch, in files that outlive a crash."""
