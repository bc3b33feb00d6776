"""The constants and formulas of every text hash: fixed, because stored results outlive a release.

All arithmetic is modulo 2^64 unless said otherwise; `fold(a, b)` is the 128-bit product's low half
xor its high half; `fmix64` and `fmix32` are the MurmurHash3 finalisers. Bytes are read in blocks
of 16, two little-endian 64-bit chunks (w0, w1), the last block padded with zeros. The plain form
of everything here is `thresher.text.reference`.

Word (normalised, lower-case UTF-8). From (a, b) = (WORD_LEFT, WORD_RIGHT), each block but the last:

    a, b = fold(w0 ^ a, w1 ^ WORD_KEY_A), fold(w0 ^ WORD_KEY_B, w1 ^ b)

and with the last block, and the length in bytes:

    low, high = (w0 ^ a) * (w1 ^ b), as 128 bits
    first = fold(low ^ WORD_FIRST_A ^ length, high ^ WORD_FIRST_B)
    second = fold(low ^ WORD_SECOND_A, high ^ WORD_SECOND_B ^ length)

`first` is the word hash; `second` exists so that sequence hashes do not inherit its collisions.
WORD_LEFT and WORD_RIGHT contain a byte that UTF-8 never does, so that no word of up to 16 bytes can
make the product vanish.

Shingle of m words; MinHash takes the high 32 bits:

    fmix64(sum of first[i] * SHINGLE_BASE^(m - 1 - i) + m * SHINGLE_LENGTH)

Sequence of m words. From A = B = 0, for each word:

    A, B = (rotl(A, 27) ^ first) * SEQUENCE_BASE_A, (rotl(B, 31) + second) * SEQUENCE_BASE_B

and then (fmix64(A ^ m * SEQUENCE_LENGTH), fmix64(B + m * SEQUENCE_LENGTH)). The rotations keep A
and B from being polynomials modulo 2^64, for which Thue-Morse sequences collide. A text without
words has (fmix64(bytes[0] ^ WORDLESS_A), fmix64(bytes[1] ^ WORDLESS_B)) of its bytes hash.

Bytes. Two lanes, seeded with BYTES_SEEDS, take the blocks in turn:

    A, B = fold(w0 ^ BYTES_LEFT, w1 ^ A), fold(w0 ^ B, w1 ^ BYTES_RIGHT)

and at the end, with the length in bytes:

    fold(A0 ^ BYTES_FINAL_A ^ length, A1 ^ BYTES_FINAL_B)
    fold(B0 ^ BYTES_FINAL_B ^ length, B1 ^ BYTES_FINAL_C)

Fingerprint of rows. From FINGERPRINT_START, for each row, a null row counting as the bytes hash
(FINGERPRINT_NULL, 0):

    f = (rotl(f, 29) ^ bytes[0]) * FINGERPRINT_BASE + bytes[1]

None of this resists someone who builds collisions on purpose; all of it is 64 or 128 well mixed
bits on other text.
"""

from __future__ import annotations

HASH_VERSION = 1  # part of every key that depends on these hashes
MASK64 = (1 << 64) - 1

WORD_LEFT = 0x86DC283CF0FF0FF9
WORD_RIGHT = 0x5939FFA447EAA099
WORD_KEY_A = 0x56670B141509BB0B
WORD_KEY_B = 0x2E416788F5EC52ED
WORD_FIRST_A = 0x2BB2997659BA1B0D
WORD_FIRST_B = 0x985FB4E72A095EE9
WORD_SECOND_A = 0x64C7A5005D32FE61
WORD_SECOND_B = 0x58151A9959E2D153
SHINGLE_BASE = 0xE693AE2D9A1E40B5
SHINGLE_LENGTH = 0x3EAABE171D8A4EAD
SEQUENCE_BASE_A = 0xEB04B39B68B4AEF7
SEQUENCE_BASE_B = 0x7806857713E783E7
SEQUENCE_LENGTH = 0x53FE2E85142C8365
WORDLESS_A = 0x178854F2260DF255
WORDLESS_B = 0x5ED8ABCC35C719C3
BYTES_LEFT = 0xE8E3574F00A154D9
BYTES_RIGHT = 0x855DBF5559EC8713
BYTES_SEEDS = (0xA4FF91E3E7949B81, 0x320A88EA37A788D1, 0x9DDBEF12DE1B1471, 0x21E52F212CD552A1)
BYTES_FINAL_A = 0x9EC04ECE4350CC17
BYTES_FINAL_B = 0x5FAC9CB6E34ACB11
BYTES_FINAL_C = 0x6F2C7A8C627BF323
FINGERPRINT_START = 0xE339D309A930D55D
FINGERPRINT_BASE = 0x9545F0F3EE889FE5
FINGERPRINT_NULL = 0x6E85DF0875927B0F
FMIX64 = (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53)
FMIX32 = (0x85EBCA6B, 0xC2B2AE35)
