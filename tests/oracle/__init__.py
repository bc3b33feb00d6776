"""The exact answer that fast paths are held against."""
