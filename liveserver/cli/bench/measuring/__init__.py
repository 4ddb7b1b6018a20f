"""The measurements of a benchmark, and the reports of their results."""
