"""The command line: the commands of `liveserver`, and the code that they share."""
