"""The command line: its commands, and their shared parts."""
