"""Normalise, tokenise, shingle and hash text: the reference and the kernels that equal it."""
