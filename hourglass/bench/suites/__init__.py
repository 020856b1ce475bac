"""What is measured: suites and their cases, and the published tables that they repeat."""
