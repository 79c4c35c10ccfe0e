"""The people's side: command line, reports, testing, benchmarks."""
