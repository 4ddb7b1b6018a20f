"""`python -m liveserver`"""

from liveserver.cli.app import main

main()
