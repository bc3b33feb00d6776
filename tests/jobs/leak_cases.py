"""Small benchmarks of every kind, and rows whose verdict is known.

Each row is named by what it holds; the tests say what is to become of it.
"""

from __future__ import annotations

from pathlib import Path

from tests.jobs.runs import Row, jsonl

QUESTION = (
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in "
    "May. How many clips did Natalia sell altogether in April and May?"
)
LARGE = (
    "A bakery ships 1,000 loaves on Monday and 2,500 rolls on Tuesday to the northern depots. "
    "How many pieces of bread does the bakery ship in those two days?"
)
PENS = (
    "Marta buys 14 pens at 3 dollars each, 9 folders at 4 dollars each and 2 staplers at 11 "
    "dollars each for her office. How many dollars does Marta pay altogether?"
)
TURNS = "Which northern river did the exiled bishop cross", "before founding a priory"
FACTOR = (
    "Statement 1 | A factor group of a non-Abelian group is non-Abelian. Statement 2 | If K is a "
    "normal subgroup of H and H is a normal subgroup of G, then K is a normal subgroup of G."
)
ORDERS = (
    "Statement 1 | If a group has an element of order 15 it must have at least 8 elements of "
    "order 15. Statement 2 | If a group has more than 8 elements of order 15, it must have at "
    "least 16 elements of order 15."
)
TRUTH = ["True, True", "False, False", "True, False", "False, True"]
LISTED = "A. True, True B. False, False C. True, False D. False, True"
TABLES = (
    "Use indirect truth tables to determine whether the following argument is valid. If the "
    "argument is invalid, choose an option which presents a counterexample. (There may be other "
    "counterexamples as well.)"
)
ADDRESS = (
    "Four score and seven years ago our fathers brought forth on this continent, a new nation, "
    "conceived in Liberty, and dedicated to the proposition that all men are created equal."
)
QUOTING = (
    f'This question refers to the following information. "{ADDRESS}" Which of the following '
    "developments of the war years most directly gave rise to the rhetoric of the president in "
    "the passage quoted above, as historians of the Reconstruction amendments usually read it "
    "against the diplomatic correspondence with London and the petitions of free Black veterans?"
)
PASSAGE = (
    "The abbey was founded in 1142 by monks who had come down the river from a daughter house in "
    "Burgundy. Its library, once the largest north of the Alps, was sold off in lots after the "
    "fire of 1571, and only the psalter now kept in the town museum is known to survive."
)
FROM_PASSAGE = "Which book of the abbey's library is the only one that is known to have survived?"
CODE = (
    "def rolling_max(numbers: List[int]) -> List[int]:\n"
    '    """ From a given list of integers, generate a list of rolling maximum element found\n'
    "    until given moment in the sequence.\n"
    '    """\n'
)
RENAMED = (
    "def highest_so_far(readings: List[int]) -> List[int]:\n"
    '    """ For each reading of a sensor log, tell the peak of what was measured up to there,\n'
    "    in the order of the log.\n"
    '    """\n'
    "    peak, peaks = None, []\n"
    "    for reading in readings:\n"
    "        peak = reading if peak is None else max(peak, reading)\n"
    "        peaks.append(peak)\n"
    "    return peaks\n"
)
ADD = (
    'def add(x: int, y: int):\n    """Add two numbers x and y\n    >>> add(2, 3)\n    5\n    """\n'
)
CJK = "下列鸭品种中，在正常饲养条件下年平均产蛋量最高的品种是哪一个"
SHORT = "What is 7*8?"
CLEAN = "The harvest began early that year, and the barns were full before the first rain came."


def filler(words: int) -> str:
    """Return so many words of a document that has nothing to do with any benchmark."""
    told = CLEAN.split()
    return " ".join(told[i % len(told)] for i in range(words))


def formula(number: int) -> str:
    """Return a formula that no other number has."""
    first, second, third = (chr(ord("A") + (number * k + k) % 26) for k in (1, 5, 11))
    return f"{first} \u2283 ({second} \u2228 ~{third})\n{third} \u2261 {first} / ~{second}"


def benchmarks(folder: Path) -> list[str]:
    """Write the benchmarks and return how they are named on the command line."""
    counter = ["Valid", "Invalid. One premise is false", "Invalid. Both are", "Cannot be told"]
    mmlu: list[Row] = [
        {"question": FACTOR, "choices": TRUTH, "answer": "B"},
        {"question": ORDERS, "choices": TRUTH, "answer": "A"},
        {"question": QUOTING, "choices": ["Cotton", "Tariffs", "Abolition", "Railways"],
         "answer": "C"},
        *({"question": f"{TABLES}\n{formula(n)}", "choices": counter, "answer": "A"}
          for n in range(14)),
    ]  # fmt: skip
    squad = {
        "id": "abbey",
        "question": FROM_PASSAGE,
        "context": PASSAGE,
        "answers": {"text": ["the psalter"], "answer_start": [240]},
    }
    humaneval = [
        {"task_id": "rolling", "prompt": CODE, "canonical_solution": "    return list(\n"
         "        itertools.accumulate(numbers, max)\n    )\n",
         "test": "assert candidate([]) == []"},
        {"task_id": "add", "prompt": ADD, "canonical_solution": "    return x + y\n",
         "test": "assert candidate(0, 1) == 1"},
    ]  # fmt: skip
    gsm8k = [
        {"question": QUESTION, "answer": "48/2 = 24 clips in May.\n#### 72"},
        {"question": LARGE, "answer": "1000+2500 = 3500 pieces.\n#### 3,500"},
        {"question": PENS, "answer": "14*3+9*4+2*11 = 100 dollars.\n#### 100"},
        {"question": SHORT, "answer": "#### 56"},
        {"question": " ".join(TURNS) + "?", "answer": "#### Tees"},
    ]
    rows: dict[str, list[Row]] = {
        "gsm8k": gsm8k,
        "mirror": [{"question": QUESTION, "answer": "72"}],
        "mmlu": mmlu,
        "squad": [squad],
        "humaneval": humaneval,
        "cmmlu": [{"Question": CJK, "A": "高邮鸭", "B": "北京鸭", "C": "樱桃谷鸭", "D": "绍鸭",
                   "Answer": "D"}],
    }  # fmt: skip
    return [f"{name}={jsonl(folder / f'{name}.jsonl', items)}" for name, items in rows.items()]
