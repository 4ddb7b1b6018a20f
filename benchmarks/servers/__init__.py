"""The servers that liveserver is compared with, each as its own documentation shows it."""
