"""What a benchmark measures, and how its results are reported."""
