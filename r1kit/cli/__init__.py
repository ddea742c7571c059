"""The command line: one file a command, each of which parses, calls its room's function and prints."""
