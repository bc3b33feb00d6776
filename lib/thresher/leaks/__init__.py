"""Finding items of evaluation sets in training text: tokens, index, scan, evidence, verdicts."""
