"""Measurements on disk, what they are compared with, and the verdict."""
