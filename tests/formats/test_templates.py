"""Chat templates: right text, right spans, and no way out of the sandbox."""

from __future__ import annotations

import pytest

from tests.formats.batches import Row, batch, to
from thresher.formats import templates
from thresher.formats.templates import BUILT_IN, CHATML, Rendering, check_template

TURNS = [("system", "Be kind"), ("user", " Hi "), ("assistant", " Hé 👋 "), ("user", "Bye"),
         ("assistant", "So long")]  # fmt: skip
ROW: Row = {"messages": [{"role": role, "content": content} for role, content in TURNS]}


def rendered(source: str, row: Row = ROW, *, spans: bool = True) -> Row:
    """Render one row."""
    made = to(batch(row), "messages", "text", rendering=Rendering(source, spans))
    assert made.faults.good.all(), made.faults.message(0)
    return dict(made.batch.to_pylist()[0])


def learned(row: Row) -> list[str]:
    """Return the text that the loss falls on."""
    return [row["text"][s["start"] : s["end"]] for s in row["loss_spans"]]


def test_chatml_is_the_known_text() -> None:
    row = rendered(BUILT_IN["chatml"])
    assert row["text"] == (
        "<|im_start|>system\nBe kind<|im_end|>\n<|im_start|>user\n Hi <|im_end|>\n"
        "<|im_start|>assistant\n Hé 👋 <|im_end|>\n<|im_start|>user\nBye<|im_end|>\n"
        "<|im_start|>assistant\nSo long<|im_end|>\n"
    )
    assert learned(row) == [" Hé 👋 <|im_end|>", "So long<|im_end|>"]


def test_llama3_is_the_known_text() -> None:
    row = rendered(BUILT_IN["llama3"])
    head = "<|start_header_id|>{}<|end_header_id|>\n\n{}<|eot_id|>"
    assert row["text"] == "<|begin_of_text|>" + "".join(
        head.format(role, content.strip()) for role, content in TURNS
    )
    assert learned(row) == ["Hé 👋<|eot_id|>", "So long<|eot_id|>"]


@pytest.mark.parametrize("name", BUILT_IN)
def test_whole_columns_and_the_template_itself_agree(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = [*TURNS[:3], ("tool", "\u2003x\x1c"), ("assistant", "")]
    row = {"messages": [{"role": role, "content": content} for role, content in turns]}
    fast = rendered(BUILT_IN[name], row)
    monkeypatch.setattr(templates, "_LAYOUTS", {})
    assert rendered(BUILT_IN[name], row) == fast


def test_templates_without_blocks_learn_what_an_answer_adds() -> None:
    source = (
        "{% for m in messages %}[{{ m.role }}]{{ m.content }};{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    row = rendered(source)
    assert learned(row) == [" Hé 👋 ;", "So long;"]


def test_tool_calls_and_reasoning_reach_the_text() -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    answer = {"role": "assistant", "content": "ok", "reasoning_content": "hm", "tool_calls": [call]}
    text = rendered(CHATML, {"messages": [ROW["messages"][1], answer]})["text"]
    assert "<think>\nhm\n</think>" in text
    assert '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>' in text


def test_a_row_that_the_template_refuses_is_refused_alone() -> None:
    source = (
        "{% for m in messages %}{% if m.role == 'system' %}"
        "{{ raise_exception('no system prompts') }}{% endif %}{{ m.content }}{% endfor %}"
    )
    plain = {"messages": ROW["messages"][1:]}
    made = to(batch(ROW, plain), "messages", "text", rendering=Rendering(source))
    assert made.faults.message(0) == "template: no system prompts"
    assert made.source.tolist() == [1]


EVIL = {
    "a file": "{% include '/etc/passwd' %}",
    "an import": "{% import 'os' as os %}",
    "a class": "{{ ''.__class__.__mro__ }}",
    "globals": "{{ messages.__init__.__globals__ }}",
    "a helper's globals": "{{ lipsum.__globals__ }}",
    "a function's globals": "{{ raise_exception.__globals__ }}",
    "a filter's way": "{{ messages|map(attribute='__class__')|list|first }}",
    "format": "{{ '{0.__class__}'.format('') }}",
    "a long loop": "{% for i in range(10**9) %}{% endfor %}",
    "nested loops": "{% for i in range(999) %}{% for j in range(999) %}{% endfor %}{% endfor %}",
    "a long text": "{{ 'a' * 1000000000 }}",
    "a wide number": "{{ '%1000000000d' % 1 }}",
    "a power": "{{ 9 ** 9 ** 9 ** 9 }}",
    "doubling": "{% set n = namespace(x='aa') %}{% for i in range(99) %}"
    "{% set n.x = n.x ~ n.x %}{% endfor %}",
    "doubling in a block": "{% set n = namespace(x='aa') %}{% for i in range(99) %}"
    "{% set n.x %}{{ n.x }}{{ n.x }}{% endset %}{% endfor %}",
    "doubling by replacement": "{% set n = namespace(x='aa') %}{% for i in range(99) %}"
    "{% set n.x = n.x.replace('a', 'aa') %}{% endfor %}",
    "doubling by joining": "{% set n = namespace(x='aa') %}{% for i in range(99) %}"
    "{% set n.x = [n.x, n.x]|join %}{% endfor %}",
    "lists that double": "{% set n = namespace(x=[1]) %}{% for i in range(99) %}"
    "{% set n.x = n.x + n.x %}{% endfor %}",
    "macros without end": "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    "a loop into itself": "{% for a in messages recursive %}{{ loop(messages) }}{% endfor %}",
    "no template": "{% for %}",
}


@pytest.mark.slow
@pytest.mark.parametrize("source", EVIL.values(), ids=EVIL)
def test_a_template_that_does_no_good_is_refused_and_does_not_hang(source: str) -> None:
    assert check_template(Rendering(source, True))


def test_work_that_only_some_rows_cause_refuses_those_rows() -> None:
    loop = "{% for i in range(m.content|length * 999) %}{% endfor %}"
    source = "{% for m in messages %}" + loop + "{% endfor %}"
    long = {
        "messages": [{"role": "user", "content": "x" * 999}, {"role": "assistant", "content": ""}]
    }
    short = {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": ""}]}
    made = to(batch(long, short), "messages", "text", rendering=Rendering(source))
    assert "steps" in made.faults.message(0)
    assert made.source.tolist() == [1]


def test_text_cannot_forge_the_marks_of_spans() -> None:
    row = {"messages": [*ROW["messages"][1:2], {"role": "assistant", "content": "a\ufdd0b"}]}
    made = to(batch(row), "messages", "text", rendering=Rendering(CHATML, True))
    assert "U+FDD0" in made.faults.message(0)
