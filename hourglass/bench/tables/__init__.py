"""Tables of results: defined as data, built once, printed in four formats."""
