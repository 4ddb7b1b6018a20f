"""The newsroom's work on entries before readers see them, and when readers are to see them no more."""
