"""Mixing sources by weight: shares, targets, and which rows are drawn. Pure."""
