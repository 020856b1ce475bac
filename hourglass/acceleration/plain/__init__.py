"""The hourglass in plain vision transformers, whose blocks all see one grid of tokens."""
