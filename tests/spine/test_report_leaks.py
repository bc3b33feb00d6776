"""The page of a search for test items: what leaked, from where, and what was not looked at."""

from __future__ import annotations

import copy
import json
import re
from html import unescape
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from tests.leaks.made_matches import matches
from tests.spine.leak_reports import ABOUT, RECORD, leaking, parts, tally_of
from tests.spine.report_pages import EMPTY, HOSTILE, Outline, page
from tests.spine.test_report_quality import section
from thresher.leaks.matches import MATCH_KINDS
from thresher.report import Report
from thresher.report.leaks import Leaks
from thresher.report.leaks_diff import compare_leaks
from thresher.report.leaks_facts import MOST_EXAMPLES, MOST_SOURCES, leaks_section
from thresher.report.leaks_page import KINDS
from thresher.report.leaks_record import decontamination_record
from thresher.report.leaks_spans import shared_spans

SLOW = ("word " * 60, "\x00" * 300, "語" * 300, "a <" * 99)


def facts(report: dict[str, Any]) -> Leaks:
    leaks = Report.model_validate_json(json.dumps(report)).leaks
    assert leaks is not None
    return leaks


def cells(html: str, name: str) -> list[str]:
    """Return the texts of the cells in the row that begins with a name."""
    row = html[html.index(f">{name}") :].split("</tr>")[0]
    found = re.findall(r"<td[^>]*>(.*?)</td>", re.sub("<title>.*?</title>", "", row))
    return [re.sub("<[^>]*>", "", cell) for cell in found]


def test_every_benchmark_stands_with_its_items_and_rows() -> None:
    report = leaking()
    html = section(page(report), "leaks")
    tally = tally_of(*parts())
    for about in ABOUT:
        one = tally.benchmarks.get((about["name"], about["split"]))
        hits = [i.verdict for i in one.items.values()] if one else []
        rows = [sum(r) for r in zip([0, 0], *one.rows.values(), strict=True)] if one else [0, 0]
        split = f' <span class="soft">{about["split"]}</span>' if about["split"] else "</th>"
        found = cells(html, f"{about['name']}{split}")
        assert found[:3] == [about["kind"], f"{about['items']}", f"{about['indexed']}"]
        assert found[3] == f"{sum(hits)}"
        assert found[6] == f"{len(hits) - sum(hits)}"
        assert found[7] == f"{rows[1]}" and found[9] == f"{rows[0]}"
        assert found[8] == f"{sum(one.alone.values()) if one else 0}"
    whole = [sum(r) for r in zip(*tally.rows.values(), strict=True)]
    assert f"are in <b>{whole[1]}</b> of 150 rows" in html
    assert f"in {whole[0]} other rows" in html


def test_bars_show_items_by_kind_of_all_items() -> None:
    html = section(page(leaking()), "leaks")
    row = html[html.index(">mmlu</th>") :].split("</tr>")[0]
    mmlu = next(b for b in facts(leaking()).benchmarks if b.name == "mmlu")
    for kind, ids in mmlu.contaminated.items():
        assert f"{KINDS[kind][0]}: {len(ids)}</title>" in row
    widths = [float(w) for w in re.findall(r'width="([\d.]+)%"', row)]
    hits = mmlu.num_contaminated + mmlu.num_suspect
    assert sum(widths) == pytest.approx(100 * hits / 40, abs=0.1)
    assert set(KINDS) == set(MATCH_KINDS)


def test_sources_are_ranked_by_the_items_they_leak() -> None:
    html = section(page(leaking()), "leaking-sources")
    assert re.findall(r'class="name">(\w+)<', html) == ["chats", "web"]
    found = {s.name: s for s in facts(leaking()).sources}
    for name, source in found.items():
        assert cells(html, name)[:3] == [str(source.items), str(source.rows_in), str(source.rows)]
    one = tally_of(*parts()).benchmarks
    held = [sum(1 for b in one.values() for i in b.items.values() if i.rows.get(0, [0, 0])[1])]
    assert found["chats"].items == held[0]


def test_the_two_per_cent_rule_is_by_source_and_benchmark() -> None:
    line = matches()[0] | {"benchmark": "mmlu", "split": "", "verdict": "contaminated"}
    about = {"name": "mmlu", "split": "", "kind": "mcq", "items": 100, "indexed": 100}

    def above(num_items: int) -> tuple[str, ...]:
        lines = [line | {"item_id": f"m{i}", "_row_id": f"r{i}"} for i in range(num_items)]
        report = leaking([[], lines], benchmarks=[about])
        html = page(report)
        assert ('<span class="flag">above</span>' in html) == (num_items > 2)
        assert ("above" in cells(section(html, "leaks"), "mmlu<")[-1]) == (num_items > 2)
        return facts(report).benchmarks[0].above

    assert above(2) == ()
    assert above(3) == ("web",)


def test_items_stand_beside_the_training_text_with_shared_words_marked() -> None:
    line = matches()[0] | {"item_id": "one", "verdict": "contaminated", "byte_end": 4321}
    line |= {
        "train_snippet": "Q: **Janet's** ducks lay 1,600 eggs; then she sold <all> of them.",
        "eval_snippet": "Janet's ducks lay 1600 eggs. How many are left?",
    }
    html = section(page(leaking([[line], []])), "leaked-items")
    assert 'Q: **<b class="hit">Janet&#39;s** ducks lay 1,600 eggs</b>; then she' in html
    assert '<b class="hit">Janet&#39;s ducks lay 1600 eggs</b>. How many' in html
    assert "&lt;all&gt;" in html and "to 4,321" in html


def test_shared_words_are_compared_as_the_search_compares_them() -> None:
    pairs = [
        ("THE “Mill” stood, idle", "the mill stood idle", False),
        ("für 1.000 Mühlen und mehr", "Für 1.000 Mühlen", False),
        ("水は高い所から低い所へ流れる", "水は高い", False),
        ("def add_two(a, b): return a + b", "def add_two(x, y): return x + y", True),
        ("", "nothing", False),
        ("one", "one", False),
    ]
    for left, right, code in pairs:
        sides = shared_spans(left, right, code=code)
        for text, side in zip((left, right), sides, strict=True):
            assert "".join(piece.text for piece in side) == text
        marked = [[p.text for p in side if p.kind == "same"] for side in sides]
        assert len(marked[0]) == len(marked[1])
    assert [p.kind for p in shared_spans("THE “Mill” stood", "the mill stood")[1]] == ["same"]
    lone = shared_spans("the end of it", "the beginning and end")
    assert all(p.kind == "only" for side in lone for p in side)


def test_items_with_most_rows_come_first_and_rare_kinds_are_shown() -> None:
    line = matches()[0] | {"benchmark": "gsm8k", "split": "train", "verdict": "contaminated"}
    lines = [
        line | {"item_id": f"i{item:02}", "_row_id": f"r{item}-{row}", "match_kind": "exact"}
        for item in range(40)
        for row in range(1 + item % 3)
    ]
    lines += [line | {"item_id": f"p{i}", "_row_id": f"p{i}"} for i in range(9)]
    for entry in lines[-9:]:
        entry["match_kind"] = "paraphrase"
    lines += [
        line | {"item_id": f"s{i}", "_row_id": f"s{i}", "verdict": "suspect"} for i in range(9)
    ]
    one = facts(leaking([lines, []], [("chats", 900), ("web", 1)])).benchmarks[1]
    shown = [item.id for item in one.examples]
    by_rows = sorted(range(40), key=lambda i: (-(1 + i % 3), i))
    assert shown[:MOST_EXAMPLES] == [f"i{i:02}" for i in by_rows[:MOST_EXAMPLES]]
    assert shown[MOST_EXAMPLES:] == ["p0", "p1", "s0", "s1", "s2", "s3", "s4"]
    assert one.contaminated["paraphrase"] == tuple(f"p{i}" for i in range(9))
    assert one.num_contaminated == 49 and one.num_suspect == 9
    html = page(leaking([lines, []], [("chats", 900), ("web", 1)]))
    assert html.index("<summary>i02 ") < html.index("<summary>i05 ")


def test_what_was_not_indexed_is_said_with_its_reason() -> None:
    html = section(page(leaking(blind_spots=["System messages are not read."])), "not-searched")
    assert "1 item was not indexed" in html and "System messages are not read." in html
    assert cells(html, "gsm8k · train") == ["fewer than 3 tokens", "1", "gsm8k-77"]
    assert "which of the following is" in html
    clean = [about | {"indexed": about["items"], "unindexable": []} for about in ABOUT]
    html = section(page(leaking(benchmarks=clean, common=())), "not-searched")
    assert "Every item was indexed." in html and "too common" not in html


def test_the_record_is_yaml_that_says_what_was_searched_for() -> None:
    report = leaking()
    html = section(page(report), "record")
    text = unescape(re.search(r"<pre[^>]*>(.*?)</pre>", html, re.S)[1])  # type: ignore[index]
    assert text == decontamination_record(facts(report), 150)
    record = yaml.safe_load(text)["decontamination"]
    for key in ("preset", "action", "normaliser", "ngrams", "roles", "config_hash", "index_hash"):
        assert record[key] == RECORD[key]
    assert record["thresholds"] == RECORD["thresholds"]
    assert record["tool"] == "thresher 0.1.0"
    leaks = facts(report)
    assert record["rows"] == {
        "searched": 150,
        "contaminated": leaks.rows,
        "suspect": leaks.suspect_rows,
    }
    assert [b["name"] for b in record["benchmarks"]] == [about["name"] for about in ABOUT]
    assert record["benchmarks"][1]["not_indexed"] == {"fewer than 3 tokens": 1}
    assert record["blind_spots"] == list(leaks.blind_spots)


def test_what_is_not_found_is_told_whole_and_duplicates_are_found() -> None:
    long = "Not found: " + "word " * 100
    copies = {"reason": "duplicate", "items": 3, "examples": ["x"]}
    about = [ABOUT[0] | {"unindexable": [copies]}, *ABOUT[1:]]
    leaks = facts(leaking(benchmarks=about, blind_spots=[long]))
    spots = yaml.safe_load(decontamination_record(leaks, 1))["decontamination"]["blind_spots"]
    assert spots[-1] == long
    assert [text for text in spots if "not indexed" in text] == [
        "1 item was not indexed: a copy of one is not found."
    ]


@pytest.mark.parametrize(
    "text", [*HOSTILE, "a: b\n  - c # d", "\x85\u2028\x7f\u202e", "{[&*!|>%@`"]
)
def test_hostile_names_stay_text_in_the_record(text: str) -> None:
    benchmarks = [ABOUT[0] | {"name": text, "split": text}]
    report = leaking([[], []], benchmarks=benchmarks, record=RECORD | {"preset": text})
    record = yaml.safe_load(decontamination_record(facts(report), 1))["decontamination"]
    assert len(record["benchmarks"]) == 1
    if text.isprintable() or "\n" in text:
        assert record["preset"] == record["benchmarks"][0]["name"] == text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_text(text: str) -> None:
    names = {"gsm8k": f"gsm8k {text}", "mmlu": f"mmlu {text}"}
    found = []
    for part in parts():
        for line in part:
            line["benchmark"] = names[line["benchmark"]]
            for key in ("_row_id", "role", "item_id", "field", "mode", "numbers"):
                line[key] = f"{line[key]} {text}"
            for key in ("train_snippet", "eval_snippet"):
                line[key] = f"{line[key]} {text}"
        found.append(part)
    about = [
        entry
        | {"name": names.get(entry["name"], entry["name"]), "kind": text}
        | {"unindexable": [{"reason": text, "items": 1, "examples": [text]}]}
        for entry in ABOUT
    ]
    report = leaking(
        found,
        [(f"{n} {text}", 100) for n in ("chats", "web")],
        about,
        record=RECORD | {"preset": text, "action": text, "thresholds": {text: text}},
        common=[{"text": text, "items": 1}],
        blind_spots=[text],
        warnings=[text],
    )
    calm = Outline(page(leaking(warnings=["calm"])))
    poisoned = Outline(page(report))
    assert set(poisoned.tags) <= set(calm.tags)
    assert {n for n, _ in poisoned.attributes} <= {n for n, _ in calm.attributes}
    assert len("".join(poisoned.data).split(text)) > 60


def test_the_page_runs_and_loads_nothing() -> None:
    outline = Outline(page(leaking()))
    names = {name for name, _ in outline.attributes}
    assert not {n for n in names if n.startswith("on")} | names & {"src", "style", "srcset"}
    assert not {"script", "img", "link", "iframe", "object"} & set(outline.tags)


def test_tables_have_headers_drawings_have_names_and_links_lead_somewhere() -> None:
    html = page(leaking())
    for table in re.findall(r"<table.*?</table>", html, re.S):
        assert '<th scope="' in table
        assert table.count("<tbody>") == 1
    for svg in re.findall(r"<svg[^>]*>", html):
        assert "aria-label=" in svg or 'aria-hidden="true"' in svg
    ids = re.findall(r'id="([^"]+)"', html)
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(ids)
    assert len(set(ids)) == len(ids)
    shown = html.split("</style>")[1].lower()
    for word in ("similarit", "cluster", "near<br>", "recall"):
        assert word not in shown, word
    assert "plan.leaks" not in html and "leaks.rows" not in html
    assert 'id="leaks"' not in page(EMPTY)
    assert "thresher explain . chats/part.jsonl:" in html or "thresher explain . &#39;" in html


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["<&>\"'" * 60, *(pytest.param(text, marks=pytest.mark.slow) for text in SLOW)]
)
def test_thirty_benchmarks_of_five_thousand_leaks_stay_below_the_size_of_a_page(text: str) -> None:
    benchmarks = [
        {"name": f"bench {i} {text}", "split": "test", "kind": "generic"}
        | {"items": 9000, "indexed": 8000}
        | {
            "unindexable": [
                {"reason": f"{r} {text}", "items": 10, "examples": [text] * 10} for r in range(3)
            ]
        }
        for i in range(30)
    ]
    line = matches()[0] | {"split": "test", "train_snippet": text, "eval_snippet": text[::-1]}
    line |= {"role": text, "mode": text, "field": text}
    lines = [
        line
        | {"benchmark": about["name"], "item_id": f"{i} {text[:200]}", "_row_id": f"{i} {text}"}
        | {"match_kind": MATCH_KINDS[i % 7], "verdict": ("suspect", "contaminated")[i % 9 > 0]}
        for about in benchmarks
        for i in range(60)
    ]
    report = leaking([lines], [(f"source {text}", 9000)], benchmarks)
    leaks = report["plan"]["leaks"]
    for one in leaks["benchmarks"]:  # ids are cheap to make here, and dear to count
        one["contaminated"]["exact"] = [f"x{i} {text[:200]}" for i in range(4000)]
    html = page(report)
    assert len(html.encode()) < 1_500_000
    assert "report.json" in html and "more ids" in html
    assert html.count('<details class="plain group"') == 30
    shown = [html.count(f"bench {i} ") for i in range(30)]
    assert min(shown) > 0


@pytest.mark.slow
def test_many_sources_are_joined_and_nothing_is_lost() -> None:
    found = [matches(8, seed, source=f"s{seed}") for seed in range(MOST_SOURCES + 20)]
    names = [(f"s{seed}", 20) for seed in range(MOST_SOURCES + 20)]
    leaks = facts(leaking(found, names))
    assert len(leaks.sources) == MOST_SOURCES
    assert leaks.sources[-1].name == "21 other sources"
    assert sum(s.rows_in for s in leaks.sources) == 20 * len(names)
    joined = {s.name for s in leaks.sources}
    for benchmark in leaks.benchmarks:
        assert sum(s.rows for s in benchmark.by_source) == benchmark.rows
        assert {s.source for s in benchmark.by_source} <= joined
        assert {e.match.source for e in benchmark.examples} <= joined
    whole = facts(leaking(found[:MOST_SOURCES], names[:MOST_SOURCES]))
    assert [s.name for s in whole.sources] == [name for name, _ in names[:MOST_SOURCES]]


def test_a_run_that_finds_nothing_has_a_page() -> None:
    html = page(leaking([[], []]))
    Outline(html)
    assert "None of 916 items was found." in html and "No item was found." in html
    Outline(page(leaking([], [])))


def test_facts_that_do_not_fit_are_refused() -> None:
    report = leaking()
    assert Report.model_validate(EMPTY).leaks is None
    first = report["plan"]["leaks"]["benchmarks"][0]
    twice = {k: v * 2 for k, v in first["contaminated"].items()}
    changes: list[tuple[str, Any]] = [
        ("surplus", 1),
        ("rows", report["plan"]["leaks"]["rows"] + 1),
        ("num_common", 0),
        ("record", RECORD | {"surplus": 1}),
        ("benchmarks", [first, first]),
        ("benchmarks", [first | {"indexed": first["items"] + 1}]),
        ("benchmarks", [first | {"items": 1, "indexed": 1}]),
        ("benchmarks", [first | {"contaminated": twice}]),
        ("benchmarks", [first | {"contaminated": {"fuzzy": ["a"]}}]),
        ("benchmarks", [first | {"alone": first["rows"] + 1}]),
        ("sources", [report["plan"]["leaks"]["sources"][0] | {"rows_in": 0}]),
    ]
    for key, value in changes:
        wrong = copy.deepcopy(report)
        wrong["plan"]["leaks"][key] = value
        with pytest.raises(ValidationError):
            page(wrong)


def test_counts_of_other_benchmarks_or_sources_are_refused() -> None:
    tally = tally_of(*parts())
    with pytest.raises(ValueError, match="gsm8k"):
        leaks_section(tally, ABOUT[2:], [("chats", 99), ("web", 99)], record=RECORD)
    with pytest.raises(ValueError, match="source 1 of 1"):
        leaks_section(tally, ABOUT, [("chats", 99)], record=RECORD)


def test_two_runs_compare_by_item() -> None:
    line = matches()[0] | {"benchmark": "mmlu", "split": "", "verdict": "contaminated"}

    def run(hits: dict[str, str], **record: Any) -> dict[str, Any]:
        lines = [line | {"item_id": i, "_row_id": i, "verdict": v} for i, v in hits.items()]
        return leaking([lines, []], record=RECORD | record)

    new = {f"n{i:02}": "contaminated" for i in range(12)}
    a = run({"kept": "contaminated", "gone": "contaminated", "less": "contaminated"})
    b = run({"kept": "contaminated", "less": "suspect", "a\nb": "suspect"} | new, preset="strict")
    lines = compare_leaks(a, b)
    assert lines[0] == "rows with leaks 3 → 13, suspect 0 → 2, of 150"
    assert lines[1] == "preset: default → strict"
    place = lines.index(
        "mmlu: items leaked 3 → 13, suspect 0 → 2, of 40; rows 3 → 13, suspect 0 → 2"
    )
    first = ", ".join(f"n{i:02}" for i in range(10))
    assert lines[place + 1 : place + 5] == [
        f"  not hit → leaked: 12 items: {first} and 2 more",
        "  leaked → suspect: 1 item: less",
        "  not hit → suspect: 1 item: a b",
        "  leaked → not hit: 1 item: gone",
    ]
    same = compare_leaks(a, a)
    assert not any("→" in text for text in same)
    assert len(same) == 1 + len(ABOUT)


def test_benchmarks_of_one_run_only_are_named() -> None:
    a, b = leaking([[], []], benchmarks=ABOUT[:2]), leaking([[], []], benchmarks=ABOUT[1:3])
    lines = compare_leaks(a, b)
    assert "gsm8k · test: only in the first run, 0 leaked and 0 suspect of 12 items" in lines
    assert "mmlu: only in the second run, 0 leaked and 0 suspect of 40 items" in lines
    with pytest.raises(ValueError, match="did not search"):
        compare_leaks(a, EMPTY)
