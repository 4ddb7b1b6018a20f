"""The measurements of a benchmark, and the reports of its results."""
