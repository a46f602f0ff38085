"""The `dscache` command: one file per subcommand."""
