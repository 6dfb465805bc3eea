"""What the plots hold, and how runs are grouped and named for them."""

import numpy as np
import pytest

from contractive.report.folding import folded
from contractive.report.groups import differing, grouped, labels
from contractive.report.plots import MOST_KINDS, curve, pareto_front, ratios, spectra, trade_off
from contractive.report.table import table
from contractive.runs.reading import Geometry, Run


def run(name, lam=0.1, *, source="digits", finished=True, reconstruction=1.0, penalty=2.0, **settings):
    config = {"model.lam": lam, "model.hidden": "[5]", "data.source": source, "seed": 0, "ckpt_path": None}
    config |= {key.replace("__", "."): value for key, value in settings.items()}
    metrics = {"test/reconstruction": reconstruction, "test/penalty": penalty} if finished else {}
    curves = [
        {"epoch": epoch, "step": epoch, "val/reconstruction": 3.0, "val/penalty": 4.0, "train/penalty": 5.0}
        for epoch in (1, 2)
    ]
    return Run(name, finished=finished, config=config, metrics=metrics, curves=curves)


def dotted(figure):
    return [trace for trace in figure.data if trace.line.dash == "dot"]


def points(figure):
    """The traces of the runs themselves, and the texts at them, by the number of the run."""
    own = {trace.meta["runs"][0]: trace for trace in figure.data if trace.hovertemplate}
    texts = {n: t.text[0] for t in figure.data if t.text for n in t.meta["runs"] if t.text[0]}
    return own, texts


def test_no_point_of_the_pareto_front_is_beaten_and_every_other_is():
    points = [tuple(p) for p in np.random.default_rng(1).integers(0, 8, (60, 2)).astype(float)]
    points += [(float("nan"), 0.0), (0.0, float("inf"))]
    front = {points[i] for i in pareto_front(points)}
    for point in points[:-2]:
        beaten = any(q != point and q[0] <= point[0] and q[1] <= point[1] for q in points[:-2])
        assert (point in front) == (not beaten)
    assert all(np.isfinite(point).all() for point in front)


def test_a_line_follows_lam():
    lams = (1.0, 0.0, 0.1)
    (group,) = grouped(
        [run(str(i), lam, penalty=9.0 - lam, reconstruction=1 + lam) for i, lam in enumerate(lams)]
    )
    (line,) = dotted(trade_off(group, "penalty", "reconstruction"))
    np.testing.assert_allclose(line.x, [9.0, 8.9, 8.0])
    np.testing.assert_allclose(line.y, [1.0, 1.1, 2.0], rtol=1e-6)


def test_it_goes_through_the_means_over_seeds_and_each_set_of_other_settings_has_its_own():
    runs = [
        run(f"{hidden} {lam} {seed}", lam, model__hidden=hidden, seed=seed, penalty=10 * lam + seed)
        for hidden in ("[5]", "[9]")
        for lam in (0.1, 0.2)
        for seed in (0, 2)
    ]
    (group,) = grouped(runs)
    lines = dotted(trade_off(group, "penalty", "reconstruction"))
    assert len(lines) == 2
    for line, members in zip(lines, ({0, 1, 2, 3}, {4, 5, 6, 7})):
        np.testing.assert_allclose(line.x, [2.0, 3.0])
        assert set(line.meta["runs"]) == members  # is hidden when one of them is


def test_runs_of_one_lam_have_no_line():
    (group,) = grouped([run("a", optimizer__lr=0.1), run("b", optimizer__lr=0.2)])
    assert dotted(trade_off(group, "penalty", "reconstruction")) == []


def test_each_run_is_a_point_hollow_where_it_has_not_finished():
    (group,) = grouped([run("a", 0.1), run("b", 0.2, finished=False)])
    own, _ = points(trade_off(group, "penalty", "reconstruction"))
    assert [(trace.x[0], trace.marker.symbol) for trace in own.values()] == [
        (2.0, "circle"),
        (4.0, "circle-open"),
    ]


def test_each_run_on_the_front_has_a_ring_that_goes_with_it_and_bears_its_text():
    runs = [
        run("a", 0.1, penalty=1.0),
        run("b", 0.2, penalty=2.0),
        run("c", 0.3, penalty=3.0, reconstruction=0.5),
    ]
    figure = trade_off(grouped(runs)[0], "penalty", "reconstruction")
    rings = [trace for trace in figure.data if trace.marker.size == 17]
    assert [(ring.meta["runs"], ring.text[0], ring.x[0]) for ring in rings] == [
        ([0], "0.1", 1.0),
        ([2], "0.3", 3.0),
    ]
    own, texts = points(figure)
    assert texts == {0: "0.1", 1: "0.2", 2: "0.3"} and own[0].text[0] == ""
    (stairs,) = [trace for trace in figure.data if trace.line.shape == "hv"]
    assert list(stairs.x) == [1.0, 3.0] and stairs.meta["runs"] == [0, 2]


def test_figures_without_an_end_or_below_zero_leave_the_rest_drawn():
    odd = [
        run("a", 0.1, penalty=float("nan")),
        run("b", 0.2, penalty=float("inf")),
        run("c", 0.3, penalty=-1.0),
    ]
    (group,) = grouped([*odd, run("d", 0.4, penalty=100.0), run("e", 0.5, penalty=1.0)])
    assert trade_off(group, "penalty", "reconstruction") is not None
    (alone,) = grouped(odd[:1])
    assert trade_off(alone, "penalty", "reconstruction") is not None


def test_training_is_there_and_waits_until_it_is_asked_for():
    (group,) = grouped([run("a")])
    traces = {trace.meta["stage"]: trace for trace in curve(group, "penalty").data}
    assert traces["val"].visible and not traces["train"].visible
    np.testing.assert_allclose(traces["train"].y, [5.0, 5.0])
    assert curve(group, "probe_error") is None


def test_data_sets_and_kinds_of_error_stand_apart():
    groups = grouped(
        [run("a"), run("b", source="mnist"), run("c", model__reconstruction="cross_entropy"), run("d")]
    )
    assert [(group.title, group.numbers) for group in groups] == [
        ("digits", [0, 3]),
        ("mnist", [1]),
        ("digits, cross_entropy", [2]),
    ]


@pytest.mark.parametrize(
    ("runs", "labels"),
    [
        ([run("a", 0.0), run("b", 0.1)], ["lam=0", "lam=0.1"]),
        ([run("a", ckpt_path="x"), run("b", ckpt_path="y")], ["a", "b"]),
        # What most runs share is not said, nor what a run lacks.
        (
            [run("a", 0.0), run("b"), run("c", model__corruption__kind="masking"), run("d", 0.2)],
            ["lam=0", "lam=0.1", "lam=0.1, kind=masking", "lam=0.2"],
        ),
        ([run("a", 0.0, seed=1), run("b", 0.0, seed=2)], ["seed=1", "seed=2"]),
        ([run("a"), run("b"), run("c", 0.2)], ["lam=0.1 (a)", "lam=0.1 (b)", "lam=0.2"]),
        (
            [run("a", optimizer__name="Adam"), run("b", optimizer__name="SGD", scheduler__name="StepLR")],
            ["optimizer.name=Adam", "optimizer.name=SGD, scheduler.name=StepLR"],
        ),
        # What came with the choice of a name is not said, unless it differs or was typed.
        (
            [
                run("a", model__penalty__method="auto"),
                run("b", model__penalty__method="auto"),
                run("c", model__penalty__method="hutchinson", model__penalty__fraction=1.0),
            ],
            ["a", "b", "penalty.method=hutchinson"],
        ),
        (
            [run("a", 0.1, model__note="x" * 500), run("b", 0.2)],
            ["lam=0.1, note=" + "x" * 65 + "…", "lam=0.2"],
        ),
    ],
)
def test_a_label_says_what_sets_a_run_apart(runs, labels):
    (group,) = grouped(runs)
    assert group.labels == labels


def test_what_came_with_a_choice_is_said_where_it_differs_or_was_typed():
    runs = [run("a", model__penalty__method="auto"), run("b", model__penalty__method="auto")]
    for name, fraction in (("c", 1.0), ("d", 0.5)):
        runs.append(run(name, model__penalty__method="hutchinson", model__penalty__fraction=fraction))
    said = ["penalty.method=hutchinson, fraction=1", "penalty.method=hutchinson, fraction=0.5"]
    assert grouped(runs)[0].labels[2:] == said
    runs[2].overrides = {"model.penalty.fraction": "1.0"}
    assert grouped(runs[:3])[0].labels[2] == said[0]
    # Without a choice beside it, it did not come with one.
    alone = [run("a"), run("b"), run("c", trainer__max_time="1h")]
    assert grouped(alone)[0].labels[2] == "max_time=1h"


def test_what_most_runs_refer_to_another_setting_for_sets_none_apart():
    runs = [run("a", data__path="${x}"), run("b", data__path="${y}")]
    assert differing(runs) == []
    assert differing([*runs, run("c", data__path="z")]) == ["data.path"]


def test_the_encoder_of_a_head_is_named_by_its_run():
    one = "/home/me/outputs/night/2_lam=1/checkpoints/best.ckpt"
    stack = "['/o/lower/checkpoints/best.ckpt', '/o/the upper/checkpoints/last.ckpt']"
    runs = [run("a", encoder=one), run("b", encoder=stack)]
    assert grouped(runs)[0].labels == ["encoder=2_lam=1", "encoder=['lower', 'the upper']"]


def test_a_head_has_the_curve_of_its_error():
    head = run("a")
    head.curves = [{"epoch": epoch, "step": epoch, "val/error": 9.0 - epoch} for epoch in (1, 2)]
    (line,) = curve(grouped([head])[0], "error").data
    np.testing.assert_allclose(line.y, [8.0, 7.0])


@pytest.mark.parametrize(("epochs", "step"), [(10, 1), (11, None)])
def test_few_epochs_are_whole_numbers_on_the_axis(epochs, step):
    long = run("a")
    long.curves = [{"epoch": epoch, "step": epoch, "val/penalty": 1.0} for epoch in range(1, epochs + 1)]
    assert curve(grouped([long, run("b")])[0], "penalty").layout.xaxis.dtick == step


def test_a_run_that_recorded_no_settings_is_named():
    first, second = grouped([Run("a", metrics={"test/penalty": 1.0}), run("b")])
    assert (first.title, first.labels) == ("Runs that do not tell their data", ["a"])
    assert second.title == "digits"


def test_runs_of_one_lam_have_one_colour_and_different_dashes():
    (group,) = grouped([run("a", 0.1, seed=1), run("b", 0.2), run("c", 0.1, seed=2)])
    colours, dashes = ([line[key] for line in group.lines] for key in ("color", "dash"))
    assert colours[0] == colours[2] != colours[1]
    assert dashes[0] == dashes[1] == "solid" != dashes[2]


@pytest.mark.parametrize("lams", [[0.1] * 8, [0.0, *[0.1] * 7]])
def test_where_no_two_runs_differ_in_lam_alone_colours_tell_the_runs_apart(lams):
    (group,) = grouped([run(str(i), lam, optimizer__lr=i) for i, lam in enumerate(lams)])
    assert len({line["color"] for line in group.lines[:6]}) == 6
    assert len({tuple(line.values()) for line in group.lines}) == 8


def test_dashes_tell_the_other_settings_where_these_differ_and_seeds_look_alike():
    runs = [
        run(f"{lam} {lr} {seed}", lam, optimizer__lr=lr, seed=seed)
        for lam in (0.1, 0.2)
        for lr in (1, 2)
        for seed in (0, 1)
    ]
    (group,) = grouped(runs)
    assert [line["dash"] for line in group.lines] == ["solid", "solid", "dash", "dash"] * 2


def test_many_lams_have_colours_in_their_order():
    (group,) = grouped([run(str(i), i, seed=seed) for i in range(8) for seed in (1, 2)])
    assert len({line["color"] for line in group.lines}) == 8
    assert group.lines[0]["color"] == group.lines[1]["color"]


def columns_of(monkeypatch, runs):
    shown = {}
    monkeypatch.setattr("contractive.report.table._sortable", lambda columns: shown.update(columns) or "")
    note = table(runs, grouped(runs))
    return shown, note


def test_the_table_of_a_sweep_begins_with_what_differs_and_what_decides(monkeypatch):
    runs = [run(str(i), lam, penalty=9 - lam, reconstruction=1.0) for i, lam in enumerate((0.0, 0.1))]
    for each in runs:
        each.overrides = {"model.lam": "x", "model.hidden": "[5]"}
    columns, note = columns_of(monkeypatch, runs)
    assert list(columns) == ["run", "lam", "test/reconstruction", "test/penalty", "Pareto"]
    assert columns["Pareto"] == ["", "yes"]
    assert note == (
        "<p>The same in all: model.hidden=[5].</p>"
        "<p>Pareto: no run on the same data beats it in both reconstruction and penalty.</p>"
    )


def test_where_much_differs_one_column_says_what(monkeypatch):
    runs = [
        run(str(i), lam, optimizer__lr=i, model__tied=bool(i), data__batch_size=i, finished=bool(i))
        for i, lam in enumerate((0.0, 0.1))
    ]
    runs.append(run("2", source="mnist"))
    columns, _ = columns_of(monkeypatch, runs)
    first = ["run", "status", "data", "lam", "test/reconstruction", "test/penalty", "Pareto", "set apart by"]
    assert list(columns)[:8] == first
    assert columns["data"] == ["digits", "digits", "mnist"]
    assert columns["status"] == ["not finished", "finished", "finished"]
    assert columns["set apart by"][0] == "lam=0, lr=0, tied=False, batch_size=0"
    assert {"lr", "tied", "batch_size", "source"} <= set(columns)


def test_a_column_of_texts_is_empty_where_a_run_has_none_and_one_of_numbers_stays_one(monkeypatch):
    runs = [run("a", model__note="x", model__size=1), run("b", 0.2, model__size=2)]
    columns, _ = columns_of(monkeypatch, runs)
    assert (columns["note"], columns["size"]) == (["x", ""], [1, 2])


def test_the_page_has_the_first_columns_of_very_many(monkeypatch):
    runs = [run("a")]
    runs[0].metrics |= {f"test/{i}": i for i in range(200)}
    columns, note = columns_of(monkeypatch, runs)
    assert len(columns) == 60
    assert "The first 60 of 204 columns; report.csv has all." in note


def test_the_title_of_a_group_says_only_what_tells_it_from_the_others():
    kinds = ("squared_error", "cross_entropy")
    groups = grouped(
        [run(kind, **{"data__scaling": "unit", "model__reconstruction": kind}) for kind in kinds]
    )
    assert [group.title for group in groups] == ["digits, squared_error", "digits, cross_entropy"]


def test_what_tells_other_data_apart_is_not_in_the_title():
    groups = grouped([run("a"), run("b", source="mnist", model__reconstruction="cross_entropy")])
    assert [group.title for group in groups] == ["digits", "mnist"]


def test_a_setting_whose_last_word_says_nothing_has_two():
    runs = [run("a", probe__enabled=True), run("b", probe__enabled=True), run("c", probe__enabled=False)]
    assert labels(runs, ["probe.enabled"])[2] == "probe.enabled=False"


def test_the_spectrum_begins_at_one():
    measured = run("a")
    measured.geometry = Geometry([2.0, 1.0], [], {}, {})
    (line,) = spectra(grouped([measured])[0]).data
    assert list(line.x) == [1.0, 2.0]


def test_a_size_has_an_axis_from_zero_and_no_more_kinds_of_ratios_are_drawn_than_can_be_seen():
    measured = run("a")
    kinds = {str(number): [0.5, 0.4] for number in range(MOST_KINDS + 2)}
    measured.geometry = Geometry([], [0.1, 1.0], kinds, {})
    drawn = ratios(grouped([measured])[0])
    assert list(drawn) == [str(number) for number in range(MOST_KINDS)]
    assert drawn["0"].layout.yaxis.rangemode == "tozero"


def test_of_a_long_curve_of_very_many_runs_some_points_are_drawn(monkeypatch):
    monkeypatch.setattr("contractive.report.plots.MOST_POINTS", 160)
    long = run("a")
    long.curves = [{"epoch": epoch, "step": epoch, "val/penalty": 1.0} for epoch in range(1, 101)]
    (line,) = curve(grouped([long])[0], "penalty").data
    assert list(line.x) == list(range(1, 101, 3))


def test_lam_comes_first_and_the_seed_last():
    runs = [run("a", 0.1, seed=0, optimizer__lr=1), run("b", 0.2, seed=1, optimizer__lr=2)]
    for each in runs:
        each.config = {key: each.config[key] for key in ("seed", "optimizer.lr", "model.lam")}
    assert differing(runs) == ["model.lam", "optimizer.lr", "seed"]
    # A run that recorded none differs in none.
    assert differing([runs[0], Run("c")]) == []


@pytest.mark.parametrize(("largest", "kind"), [(9.0, None), (11.0, "log")])
def test_an_axis_is_logarithmic_beyond_a_decade(largest, kind):
    (group,) = grouped([run("a", 0.1, penalty=1.0), run("b", 0.2, penalty=largest)])
    assert trade_off(group, "penalty", "reconstruction").layout.xaxis.type == kind


def test_texts_that_would_lie_on_each_other_are_left_out():
    runs = [run(str(penalty), penalty, penalty=penalty, reconstruction=1.0) for penalty in (1.0, 1.1, 5.0)]
    _, texts = points(trade_off(grouped(runs)[0], "penalty", "reconstruction"))
    assert texts == {0: "1", 2: "5"}


def test_texts_are_wider_than_they_are_high():
    beside = [run(str(p), p, penalty=p, reconstruction=r) for p, r in ((1.0, 1.0), (1.5, 1.0), (5.0, 5.0))]
    above = [run(str(p), p, penalty=p, reconstruction=r) for p, r in ((1.0, 1.0), (1.5, 1.5), (5.0, 5.0))]
    for runs, texts in ((beside, {0, 2}), (above, {0, 1, 2})):
        assert points(trade_off(grouped(runs)[0], "penalty", "reconstruction"))[1].keys() == texts


def test_a_long_list_says_how_many_are_folded():
    assert "<summary>5 more</summary>" in folded(["<b></b>"] * 25, "chips")
    assert "details" not in folded(["<b></b>"] * 20, "chips")


def test_where_there_is_a_probe_its_error_is_on_the_front_of_the_table(monkeypatch):
    shown = {}
    monkeypatch.setattr("contractive.report.table._sortable", lambda columns: shown.update(columns) or "")
    runs = [run("a", 0.1, penalty=1.0), run("b", 0.2, penalty=2.123456789)]
    for each, error in zip(runs, (5.0, 3.0)):
        each.metrics["test/probe_error"] = error
    note = table(runs, grouped(runs))
    assert shown["Pareto"] == ["", "yes"]
    assert shown["test/penalty"] == [1.0, 2.12346]
    assert "beats it in both reconstruction and probe_error.</p>" in note
    # Also where a run was not probed, which then has no place there.
    table([*runs, run("c", 0.3, penalty=0.0)], grouped([*runs, run("c", 0.3, penalty=0.0)]))
    assert shown["Pareto"] == ["", "yes", ""]
