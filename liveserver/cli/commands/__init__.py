"""The commands of `liveserver`. A module has one command, or several that belong together."""
