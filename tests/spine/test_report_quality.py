"""The page of a run of rules: what was removed and why, and how every signal is distributed."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from tests.spine.quality_reports import RULES, SIGNALS, figures, scored
from tests.spine.report_pages import EMPTY, HOSTILE, Outline, page
from tests.spine.test_report_conversion import cells
from thresher.report import Report
from thresher.report.multiples import Axis, short, steps
from thresher.report.quality import Quality
from thresher.report.quality_facts import MOST_SOURCES, quality_section
from thresher.signals.figures import Figures, RuleFacts
from thresher.signals.signal import Kind, Signal


def section(html: str, name: str) -> str:
    return html[html.index(f'<section id="{name}">') :].split("</section>")[0]


def test_every_rule_stands_with_its_threshold_and_its_rows() -> None:
    counted = figures()
    html = section(page(scored([("in", counted)])), "rules")
    shown = dict(zip([rule.name for rule in RULES], range(len(RULES)), strict=True))
    for rule in RULES:
        i = shown[rule.name]
        found = cells(html, rule.name)
        assert found[0].replace("&lt;", "<").replace("&gt;", ">") == rule.text
        assert found[1] == {"remove": "removes", "tag": "tags"}[rule.action]
        assert found[2:4] == [f"{counted.judged[i]:,}", f"{counted.fired[i]:,}"]
        assert found[5] == f"{counted.alone[i]:,}"


def test_the_rules_that_removed_most_come_first_and_tags_last() -> None:
    html = section(page(scored([("in", figures())])), "quality")
    found = re.findall(r'<th scope="row">(\w+)', html)
    assert found == ["too_few_words", "many_digits", "wrong_language"]
    assert re.findall(r'(\w+) <em class="soft">tag</em></th>', html) == ["wrong_language"]
    assert "sft" in html and "Chat rows." in html and "dclm" in html


def test_examples_stand_on_both_sides_with_their_figures() -> None:
    counted = figures(text="Sown <late>.")
    html = section(page(scored([("in", counted)])), "rules")
    for nearest in counted.nearest[:3]:
        for side in nearest.sides:
            for example in side:
                assert f"{example.id}</span>" in html
                assert f"{example.position - 10**6} Sown &lt;late&gt;." in html
    assert html.count("Failed, closest to the threshold") == 3
    assert html.count("Passed, first in the input") == 2


def test_rules_that_decide_nothing_are_warned_of() -> None:
    html = page(scored([("in", figures())], warnings=["tokens are estimated"]))
    assert "rule odd_entropy (entropy &gt;= -40 and &lt;= 40) fired on none of" in html
    assert "rule empty (empty no) fired on none of" in html
    assert "tokens are estimated" in html


def test_overlaps_are_shares_of_the_row_rule() -> None:
    counted = figures(rows=2000)
    html = section(page(scored([("in", counted)])), "rules")
    both, few = int(counted.together[0, 1]), int(counted.fired[1])
    assert both
    row = html[html.index("3 many_digits</th>") :].split("</tr>")[0]
    assert f"{100 * both / few:.0f} %" in row
    assert 'class="h' in row


def test_every_signal_is_drawn_with_its_thresholds() -> None:
    html = section(page(scored([("in", figures())])), "signals")
    drawn = re.findall(r"<h4><code>(\w+)</code>", html)
    seen = {"turns", "response_words", "response_tokens", "unseen"}  # the first three as lengths
    assert set(drawn) == {signal.name for signal in SIGNALS} - seen
    assert "No row has a figure <code>unseen</code>." in html
    entropy = html[html.index("<code>entropy</code>") :].split('<div class="card">')[0]
    digits = html[html.index("<code>digits</code>") :].split('<div class="card">')[0]
    assert digits.count('class="limit"') == digits.count('class="fails"') == 1
    assert "many_digits: digits &lt;= 0.5" in digits
    assert 'class="limit"' not in entropy  # forty bits are far off the scale, and said below
    assert "odd_entropy: entropy" in entropy


def test_tokens_languages_lengths_and_pairs_stand_by_source() -> None:
    parts = [("a", figures("a", 300, 1)), ("b", figures("b", 200, 2, labels=("zh", "en")))]
    report = scored(parts, tokens_estimated=True)
    html = section(page(report), "rows")
    assert "Tokens kept, estimated" in html
    kept = {t["source"]: t["kept"]["response_tokens"] for t in report["plan"]["quality"]["tokens"]}
    for name, found in parts:
        tokens = found.tallies["response_tokens"].to_json()
        assert kept[name] == tokens["sums"][1] > 0
        assert f"{kept[name]:,}" in html
    assert f"{sum(kept.values()):,}" in html
    assert re.search(r"<bdi>zh</bdi>", html)
    for length in ("turns", "response_words", "response_tokens"):
        assert f"<h4><code>{length}</code>" in html
    larger = sum(int(f.larger["chosen_words", "rejected_words"][0]) for _, f in parts)
    pairs = sum(int(f.larger["chosen_words", "rejected_words"].sum()) for _, f in parts)
    assert f"<b>{100 * larger / pairs:.1f} %</b> of {pairs} pairs" in html
    assert html.count('class="strip"') == 2 * 3


def test_histograms_of_sources_add_up_to_the_whole_and_to_the_rows() -> None:
    parts = [(name, figures(name, 400, seed)) for seed, name in enumerate("abc")]
    quality = Quality.model_validate(scored(parts)["plan"]["quality"])
    for signal in quality.signals:
        for side in ("kept", "removed"):
            total = np.sum([getattr(spread, side) for spread in signal.spreads], axis=0)
            assert total.tolist() == list(getattr(signal.whole, side))
        for spread in (signal.whole, *signal.spreads):
            assert sum(spread.kept) + sum(spread.removed) == spread.rows
            if spread.median is not None and spread.least is not None and spread.most is not None:
                assert spread.least <= spread.median <= spread.most
        assert signal.whole.rows + signal.whole.nulls == 1200
    words = next(s for s in quality.signals if s.name == "response_words")
    column = np.concatenate([_column(seed) for seed in range(3)])
    low, high = words.edges[10], words.edges[11]
    inside = ((column >= low) & (column < high)).sum()
    assert inside == words.whole.kept[10] + words.whole.removed[10]
    assert words.whole.mean == pytest.approx(column.mean(), rel=1e-5)
    assert words.whole.median == pytest.approx(np.median(column), rel=0.07)


def _column(seed: int) -> Any:
    from tests.spine.quality_reports import columns

    values = columns(400, seed, ("en", "en", "de", "fr"))["response_words"]
    return values.drop_null().to_numpy()


def test_nothing_is_said_of_similarity_and_links_lead_somewhere() -> None:
    html = page(scored([("in", figures())]))
    shown = html.split("</style>")[1].lower()
    for word in ("similarit", "cluster", "copies", "recall"):
        assert word not in shown, word
    ids = set(re.findall(r'id="([^"]+)"', html))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= ids
    assert 'id="quality"' not in page(EMPTY)
    assert "thresher explain . in/part.jsonl:" in html
    assert "plan.quality" not in html and "quality.profile" not in html


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_labels_and_names_stay_text(text: str) -> None:
    calm = Outline(page(scored([(n, figures(n)) for n in ("in", "on")])))
    signals = [
        Signal(f"{s.name} {text}", s.kind, s.group, f"{s.about} {text}")
        for s in SIGNALS
        if s.name != "unseen"
    ]
    report = scored(
        [
            (f"{name} {text}", figures(f"{name} {text}", text=text, labels=("en", text)))
            for name in ("in", "on")
        ],
        profile=text,
        about=text,
        options={text: text},
        models=[{"name": text, "version": text, "hash": text}],
        warnings=[text],
    )
    quality = report["plan"]["quality"]
    renamed = {s.name.split(" ")[0]: s.name for s in signals}
    for signal in quality["signals"]:
        signal["name"] = renamed.get(signal["name"], text)
        signal["about"] = text
    for rule in quality["rules"]:
        rule["signal"] = renamed[rule["signal"]]
        rule["name"], rule["text"] = f"{rule['name']} {text}", text
    for key in ("languages", "lengths"):
        quality[key] = [renamed[name] for name in quality[key]]
    for comparison in quality["comparisons"]:
        comparison["left"] = renamed[comparison["left"]]
        comparison["right"] = renamed[comparison["right"]]
    poisoned = Outline(page(report))
    assert set(poisoned.tags) <= set(calm.tags)
    assert {n for n, _ in poisoned.attributes} <= {n for n, _ in calm.attributes}
    assert len("".join(poisoned.data).split(text)) > 60


def test_the_page_runs_and_loads_nothing() -> None:
    outline = Outline(page(scored([(n, figures(n)) for n in ("in", "on")])))
    names = {name for name, _ in outline.attributes}
    assert not {n for n in names if n.startswith("on")} | names & {"src", "style", "srcset"}
    assert not {"script", "img", "link", "iframe", "object"} & set(outline.tags)


def test_tables_have_headers_and_drawings_have_names() -> None:
    html = page(scored([(n, figures(n)) for n in ("in", "on")]))
    for table in re.findall(r"<table.*?</table>", html, re.S):
        assert '<th scope="' in table
        assert table.count("<tbody>") == 1
    for svg in re.findall(r"<svg[^>]*>", html):
        assert "aria-label=" in svg or 'aria-hidden="true"' in svg


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "<&>\"'" * 120,
        "\x00" * 600,
        pytest.param("word " * 200, marks=pytest.mark.soak),
        pytest.param("語" * 600, marks=pytest.mark.soak),
    ],
)
def test_thirty_sources_of_eighty_signals_stay_below_the_size_of_a_page(text: str) -> None:
    kinds = [Kind.COUNT] * 30 + [Kind.SHARE] * 30 + [Kind.NUMBER] * 10 + [Kind.LABEL] * 10
    signals = [Signal(f"signal_{i}", kind, "text", "what") for i, kind in enumerate(kinds)]
    rules = [RuleFacts(f"rule_{i}", f"signal_{i}", 1, 9, "remove", "rule") for i in range(60)]
    draw = np.random.default_rng(3)
    count = 100
    parts = []
    for source in range(30):
        columns = [
            pa.array(draw.lognormal(3, 2, count).astype(np.int64))
            if kind is Kind.COUNT
            else pa.array([f"{n} {text[:90]}" for n in draw.integers(0, 70, count)])
            if kind is Kind.LABEL
            else pa.array(draw.random(count) if kind is Kind.SHARE else draw.normal(0, 9, count))
            for kind in kinds
        ]
        found = Figures(signals, rules)
        fired = draw.random((60, count)) < 0.3
        found.add(
            pa.record_batch(columns, [s.name for s in signals]),
            fired,
            np.ones((60, count), bool),
            draw.random(count) < 0.5,
            positions=np.arange(count) + source * count,
            names=pa.array([f"source/{source}/{i}{text[:200]}" for i in range(count)]).take,
            texts=pa.array([text] * count),
        )
        parts.append((f"data/source-{source} {text[:100]}", found))
    html = page(scored(parts))
    assert len(html.encode()) < 1_500_000
    assert "and 25 more sources" in html
    assert text[0] != "<" or "more examples are in <code>report.json</code>" in html


@pytest.mark.slow
def test_more_sources_than_fit_are_joined_and_nothing_is_lost() -> None:
    parts = [(f"s{i}", figures(f"s{i}", 10 + i % 7, i)) for i in range(MOST_SOURCES + 20)]
    quality = Quality.model_validate(quality_section(parts, profile="sft"))
    assert len(quality.sources) == MOST_SOURCES
    assert quality.sources[-1].name == "21 other sources"
    rows = sum(int(found.rows.sum()) for _, found in parts)
    assert sum(s.kept + s.removed for s in quality.sources) == rows
    assert all(sum(rule.fired_by_source) == rule.fired for rule in quality.rules)


def test_a_run_without_rows_or_rules_has_a_page() -> None:
    Outline(page(scored([("in", Figures(SIGNALS, RULES))])))
    html = page(scored([("in", Figures(SIGNALS[:1], ()))]))
    Outline(html)
    assert "No rule fired." in html and "The profile has no rules." in html
    Outline(page(scored([("in", Figures((), ()))])))
    with pytest.raises(ValueError, match="no source"):
        quality_section([], profile="sft")


def test_facts_that_do_not_fit_are_refused() -> None:
    report = scored([("in", figures())])
    assert Report.model_validate(EMPTY).quality is None
    assert Report.model_validate_json(json.dumps(report)).quality is not None
    changes: list[tuple[str, Any]] = [
        ("together", [[1]]),
        ("sources", []),
        ("surplus", 1),
        ("warnings", [1]),
    ]
    for key, value in changes:
        wrong = copy.deepcopy(report)
        wrong["plan"]["quality"][key] = value
        with pytest.raises(ValidationError):
            page(wrong)


def test_area_stands_for_rows_where_bins_change_their_width() -> None:
    edges = [float(v) for v in (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32)]
    axis = Axis(edges)
    counts = [int(1000 * (b - a)) for a, b in zip(axis.places, axis.places[1:], strict=False)]
    drawn = steps(axis, counts, [0] * len(counts))
    assert drawn.cut is None and drawn.upper == ""
    assert set(re.findall(r"V([\d.]+)", drawn.lower)) == {"16", "82"}


def test_a_bin_that_hides_all_others_is_cut_and_its_share_given() -> None:
    drawn = steps(Axis([0.0, 1.0, 2.0, 3.0]), [9_900, 60, 40], [0, 0, 0])
    assert drawn.cut is not None and drawn.cut.share == 0.99
    assert steps(Axis([0.0, 1.0, 2.0]), [100, 90], [0, 0]).cut is None


def test_values_on_axes_have_three_digits() -> None:
    values = [0, -0.0, 0.25, 12.345, 999.9, 3200, 12_300, 999_999, 1.2e6, 4e9, 1e300]
    written = ["0", "0", "0.25", "12.3", "1,000", "3,200", "12.3 k", "1,000 k", "1.2 M", "4 G"]
    assert [short(value) for value in values] == [*written, "1.00e+300"]
