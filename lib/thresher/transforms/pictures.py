"""The size of a picture: how many 64-bit words show a set of shingles, one bit each."""

PICTURE_WORDS = 8
