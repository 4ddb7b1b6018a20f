"""`python -m liveserver`"""

from liveserver.cli import main

main()
