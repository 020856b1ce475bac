"""Files, locks and documents on disk."""
