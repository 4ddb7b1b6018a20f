"""The command line: the commands of `liveserver`, and what they share."""
