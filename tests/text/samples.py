"""Texts that tokenisers get wrong, and strategies that mix them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from thresher.text import tables as t

SAMPLES = [
    "",
    " ",
    "...",
    "word",
    "The quick brown fox, it jumps_over 2 lazy dogs -- twice!",
    "Don't fold 1,000 into 1000; keep ١٢٣ and Ⅻ and ½.",
    "काठमाडौँ नेपालको राजधानी शहर हो । यहाँ धेरै मन्दिरहरू छन् ।",
    "हिन्दी में ज़रूरी क़दम उठाए गए, ताक़त और ख़ुशी।",
    "สวัสดีครับ ผมชื่อสมชาย ที่นี่อากาศดีมาก",
    "吾輩は猫である。名前はまだ無い。コーヒーを飲むー、人々は２０ドル払った",
    "深度学习是机器学习的一个分支, deep learning 在2024年很流行。",
    "ລາວ ខ្មែរ မြန်မာစာ ၁၂၃",
    "한국어 문장입니다. 한글 각",
    "İstanbul ISPARTA ı ΣΊΣΥΦΟΣ ὈΔΥΣΣΕΎΣ ẞ ǅ K Å",
    "L'été à la forêt, où les élèves étaient très fatigués.",
    "Việt Nam đất nước tôi, tiếng Việt có dấu.",
    "שָׁלוֹם עֲלֵיכֶם مُحَمَّد ٱلسَّلَامُ",
    "e\u0301\u0323 q\u0307\u0323 \u0344 \u2adc \u1100\u1161\u11a8 \uac00\u11a8 \u0301start",
    "a中b字_c ーabc 々 ค่ะ",
    "👩‍👩‍👧‍👦 family 🇳🇵 \u200d zero\u200bwidth soft\u00adhyphen",
    "\U0001d15e\U0001d160 \U0001df7e \U0010ffff \x00nul\x00byte",
]


def _scalars(flags: int) -> list[int]:
    found = np.flatnonzero(t.load_tables().info & flags)
    return [int(c) for c in found if not 0xD800 <= c < 0xE000]


_PAIRS = [int(key) for key in t.load_tables().pair_keys]
_SPECIAL = _scalars(t.NFC_MASK | t.COMPOSITE | t.HAS_LOWER)

characters = st.one_of(
    st.sampled_from("abcXYZ019_"),
    st.sampled_from(" .,\n-'\t"),
    st.sampled_from(_SPECIAL).map(chr),
    st.sampled_from(_PAIRS).map(lambda key: chr(key >> 21)),
    st.sampled_from(_PAIRS).map(lambda key: chr(key & 0x1FFFFF)),
    st.integers(0x1100, 0x11FF).map(chr),
    st.integers(0xAC00, 0xAC40).map(chr),
    st.integers(0x4E00, 0x4E20).map(chr),
    st.integers(0x0E00, 0x0E5F).map(chr),
    st.integers(0x0900, 0x097F).map(chr),
    st.characters(codec="utf-8"),
    st.integers(1, 90).map(lambda count: "Ab" * count),
)
texts = st.lists(characters, max_size=60).map("".join)


@st.composite
def broken_bytes(draw: st.DrawFn) -> bytes:
    """Draw UTF-8 with a few bytes replaced or the end cut off."""
    data = bytearray(draw(texts).encode())
    for _ in range(draw(st.integers(0, 3)) if data else 0):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))])
