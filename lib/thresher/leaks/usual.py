"""The usual names of columns, by field: tried after a benchmark's own, and to guess by."""

from __future__ import annotations

Ways = tuple[tuple[str, ...], ...]

QUESTION: Ways = (
    ("question.stem",), ("question_stem",), ("question.text",), ("Body", "Question"),
    ("question",), ("questions",), ("sQuestion",), ("question_text",), ("question_content",),
    ("problem",), ("problem_statement",), ("instruction", "input"), ("instruction",), ("prompt",),
    ("query",), ("turns[0].content",), ("turns[0]",), ("messages[0].content",),
    ("messages[1].content",), ("conversations[0].value",), ("conversations[1].value",),
    ("prompt[0].content",), ("prompt[0]",), ("ctx",), ("goal",), ("premise",), ("sentence",),
    ("stem",), ("description",), ("input",), ("user",), ("utterance",), ("test",), ("text",),
    ("content",),
)  # fmt: skip
ANSWER: Ways = (
    ("answerKey",), ("answer",), ("answers.text",), ("answers",), ("final_answer",),
    ("correct_answer",), ("best_answer",), ("target",), ("targets",), ("gold",), ("correct",),
    ("lSolutions",), ("solution",), ("reference_output",), ("reference_answer",), ("reference",),
    ("output",), ("response",), ("completion",), ("label",), ("answer_idx",), ("answer_index",),
)  # fmt: skip
CHOICES: Ways = (
    ("question.choices",), ("choices",), ("options",), ("endings",), ("candidates",),
    ("mc1_targets.choices",), ("A", "B", "C", "D", "E"), ("A", "B", "C", "D"),
    ("option_a", "option_b", "option_c", "option_d"), ("opa", "opb", "opc", "opd"),
    ("option1", "option2", "option3", "option4"), ("option1", "option2"),
    ("choice1", "choice2"), ("sol1", "sol2"), ("answerA", "answerB", "answerC"),
    ("ending0", "ending1", "ending2", "ending3"),
)  # fmt: skip
PASSAGE: Ways = (
    ("passage",), ("context",), ("article",), ("paragraph",), ("background",), ("story",),
    ("support",), ("document",),
)  # fmt: skip
ID: Ways = (
    ("id",), ("task_id",), ("question_id",), ("problem_id",), ("query_id",), ("example_id",),
    ("sample_id",), ("item_id",), ("record_id",), ("instance_id",), ("uid",), ("qid",),
    ("unique_id",), ("uuid",), ("_id",), ("key",), ("idx",), ("index",), ("iIndex",), ("ind",),
)  # fmt: skip
SOLUTION: Ways = (
    ("canonical_solution",), ("reference_solution",), ("reference_code",), ("code",),
)  # fmt: skip
TESTS: Ways = (("test_list",), ("tests",), ("test",), ("test_code",), ("unit_tests",))

USUAL: dict[str, Ways] = {
    "question": QUESTION,
    "answer": ANSWER,
    "passage": PASSAGE,
    "choices": CHOICES,
    "id": ID,
    "solution": SOLUTION,
    "tests": TESTS,
}
