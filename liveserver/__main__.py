"""The program that `python -m liveserver` runs: the command line of liveserver."""

from liveserver.cli.app import main

main()
