"""`python -m tests.hostile`"""

from __future__ import annotations

if __name__ == "__main__":
    # Here, as every process of attackers imports this module, and needs little of what the command does.
    from tests.hostile.command import main

    main()
