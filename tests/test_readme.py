"""The tables of the README say what there is."""

import re
from pathlib import Path

import pytest

from contractive.commands.explain import groups
from contractive.commands.schemas import CONFIG_DIR, register
from contractive.data.settings import SOURCES
from contractive.penalties.settings import METHODS
from contractive.settings import choices, default
from contractive.training.settings import Model

register()
README = (Path(__file__).parents[1] / "README.md").read_text()


def rows(first_cell):
    """The rows of the table whose heading starts with ``first_cell``, as lists of cells."""
    after = README.split(f"| {first_cell} |", 1)[1].split("\n")[2:]
    table = after[: next(number for number, line in enumerate(after) if not line.startswith("|"))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def names(text):
    """What stands in backquotes and is a name alone."""
    return [word for word in re.findall(r"`([^`]+)`", text) if re.fullmatch(r"\w+", word)]


def test_the_table_of_groups_has_all_groups():
    assert [names(group) or re.findall(r"`(.+)`", group) for group, _ in rows("group")] == [
        [group] for group in sorted(groups(), key=order)
    ]


def order(group):
    written = [cell.strip("`") for cell, _ in rows("group")]
    return written.index(group) if group in written else len(written)


@pytest.mark.parametrize("group", sorted(groups()))
def test_a_row_names_every_choice_of_its_group(group):
    cell = dict(rows("group"))[f"`{group}`"]
    assert sorted(names(cell)) == groups()[group]


def test_every_source_and_method_has_a_file_that_chooses_it():
    assert groups()["data"] == sorted(choices(SOURCES))
    assert groups()["model/penalty"] == sorted(choices(METHODS))


def test_every_method_of_the_penalty_has_its_row():
    methods = [name for row in rows("method") for name in names(row[0])]
    assert sorted(methods) == sorted(choices(METHODS))


def test_the_choices_of_a_setting_that_are_listed_are_those_there_are():
    fields = Model.__dataclass_fields__
    for name in ("activation", "reconstruction"):
        (listed,) = re.findall(rf"`model\.{name}`\s+\(`([^`]+)`\)", README)
        assert listed.split() == list(fields[name].metadata["choices"])


def test_named_lam_has_the_value_that_the_table_gives():
    cell = dict(rows("group"))["`lam`"]
    assert f"`default` {default(Model.__dataclass_fields__['lam'])}" in cell
    for name in ("none", "paper"):
        (value,) = re.findall(r"^lam: (\S+)$", (CONFIG_DIR / "lam" / f"{name}.yaml").read_text(), re.M)
        assert f"`{name}` {float(value):g}" in cell
