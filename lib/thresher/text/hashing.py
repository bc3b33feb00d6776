"""The constants and formulas of every text hash: fixed, because stored results outlive a release.

All arithmetic is modulo 2^64 unless said otherwise; `fold(a, b)` is the 128-bit product's low half
xor its high half; `fmix64` and `fmix32` are the MurmurHash3 finalisers. Bytes are read in blocks
of 16, two little-endian 64-bit chunks (w0, w1), the last block padded with zeros. The plain form
of everything here is `thresher.text.reference`.

* Word (normalised, lower-case UTF-8): (a, b) = (WORD_LEFT, WORD_RIGHT); for each block but the last
  (a, b) = (fold(w0 ^ a, w1 ^ KEY_A), fold(w0 ^ KEY_B, w1 ^ b)); then (lo, hi) = (w0 ^ a) * (w1 ^
  b) of the last block and first = fold(lo ^ FIRST_A ^ length, hi ^ FIRST_B), second = fold(lo ^
  SECOND_A, hi ^ SECOND_B ^ length). `first` is the word hash; `second` exists so that sequence
  hashes do not inherit its collisions. WORD_LEFT and WORD_RIGHT contain a byte that UTF-8 never
  does, so no word of 16 bytes can make a product vanish.
* Shingle of m words: fmix64(sum of first_i * SHINGLE_BASE^(m-1-i) + m * SHINGLE_LENGTH). MinHash
  takes its high 32 bits.
* Word sequence: A = (rotl(A, 27) ^ first) * SEQUENCE_BASE_A and B = (rotl(B, 31) + second) *
  SEQUENCE_BASE_B over all m words, from 0; the hash is (fmix64(A ^ m * SEQUENCE_LENGTH), fmix64(B
  + m * SEQUENCE_LENGTH)). Rotation keeps A and B from being polynomials modulo 2^64, which
  Thue-Morse sequences break. Without words: fmix64 of the bytes hash xor WORDLESS.
* Bytes: two lanes take the blocks in turn; in each, A = fold(w0 ^ BYTES_LEFT, w1 ^ A) and B =
  fold(w0 ^ B, w1 ^ BYTES_RIGHT); the hash is (fold(A0 ^ FINAL_A ^ length, A1 ^ FINAL_B), fold(B0 ^
  FINAL_B ^ length, B1 ^ FINAL_C)).
* Fingerprint of rows: f = (rotl(f, 29) ^ bytes_hash[0]) * FINGERPRINT_BASE + bytes_hash[1] from
  FINGERPRINT_START; a null row counts as the pair (FINGERPRINT_NULL, 0).

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
