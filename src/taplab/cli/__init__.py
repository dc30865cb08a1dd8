"""The command line: one file a command, none of them imported before it is called for."""
