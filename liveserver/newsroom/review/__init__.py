"""The review of entries before readers see them, and the withdrawal and erasure of entries."""
