"""Results as runs of Weights & Biases: a later, repeatable step that can fail without failing anything."""
