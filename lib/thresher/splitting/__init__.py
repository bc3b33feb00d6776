"""Splitting into train, validation and test by whole groups: pure arithmetic on narrow columns."""
