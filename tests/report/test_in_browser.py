"""The page in a browser: what is drawn, where it stands, and what a click and a search do."""

import json
import re

import pytest

from contractive.report import write_report
from tests.browser import needs_chromium, screenshot
from tests.report.test_report import make_run

RUNS = 25
# What the page looks like, put into the document, which the browser dumps: as it is wide and narrow,
# and after a search and a click.
MEASURE = """
<script>
const measured = {};
const visible = element => element.checkVisibility();
const count = selector => [...document.querySelectorAll(selector)].filter(visible).length;
function look(name) {
  const plots = [...document.querySelectorAll(".plot")].map(plot => plot.getBoundingClientRect());
  const drawn = [...document.querySelectorAll(".plot .main-svg")].map(svg => svg.getBoundingClientRect());
  measured[name] = {
    columns: new Set(plots.map(box => Math.round(box.left))).size,
    plots: plots.length,
    narrowest: Math.min(...drawn.map(box => box.width)),
    overflows: drawn.some(box => plots.every(plot => box.left < plot.left - 1 || box.right > plot.right + 1)),
    sideways: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    table: document.querySelector(".table").scrollWidth - document.querySelector(".table").clientWidth,
    hint: count(".hint"),
    names: Math.max(...[...document.querySelectorAll(".table tbody td:first-child")].map(
      cell => cell.scrollWidth - cell.clientWidth)),
    tallest: Math.max(...[...document.querySelectorAll(".table tbody tr")].map(row => row.clientHeight)),
    chips: count(".chip"), figures: count("figure"), height: document.body.scrollHeight,
    points: count(".plot:first-child .scatterlayer path.point"),
    lines: count(".plot:nth-child(2) .scatterlayer path.js-line"),
    ticks: [...document.querySelectorAll(".plot:first-child .xtick")].map(tick => tick.textContent),
  };
}
addEventListener("load", () => setTimeout(() => {
  look("wide");
  const search = document.getElementById("search");
  search.value = "lam=0.1 hidden"; search.dispatchEvent(new Event("input"));
  setTimeout(() => {
    look("found");
    search.value = ""; search.dispatchEvent(new Event("input"));
    document.querySelector(".chip").click();
    document.body.style.maxWidth = "360px";
    setTimeout(() => {
      look("narrow");
      const told = document.createElement("pre");
      told.id = "measured"; told.textContent = JSON.stringify(measured); document.body.append(told);
    }, 1500);
  }, 1500);
}, 1500));
</script>
"""


@pytest.fixture(scope="module")
def visit(tmp_path_factory):
    directory = tmp_path_factory.mktemp("runs")
    for job in range(RUNS):
        name = "_".join([str(job), *("setting=value" for _ in range(5))])  # wider than its column
        run = make_run(directory / name, job / 10)
        if job == 0:  # enough columns for the table to be wider than any page
            figures = json.loads((run / "metrics.json").read_text())
            figures |= {f"test/figure_{number}": 1.0 for number in range(20)}
            (run / "metrics.json").write_text(json.dumps(figures))
        if job in (1, 2):
            config = run / ".hydra" / "config.yaml"
            config.write_text(config.read_text().replace("[5]", f"[{job}]").replace("0.2", "0.1"))
    page = write_report(directory)
    page.write_text(page.read_text().replace("</body>", f"{MEASURE}</body>"))
    visit = screenshot(page.as_uri(), directory / "page.png", wait_ms=20_000)
    measured = re.search(r'<pre id="measured">(.*?)</pre>', visit.dom)
    assert measured, visit.console
    return visit, json.loads(measured[1])


@needs_chromium
def test_it_opens_from_disk_without_errors_or_requests(visit):
    assert visit[0].console == []
    assert visit[0].requests == []


@needs_chromium
def test_every_run_is_drawn(visit):
    wide = visit[1]["wide"]
    assert wide["plots"] == 6
    assert wide["lines"] == RUNS
    # Each run is a point, and those on the front have a ring.
    assert wide["points"] > RUNS


@needs_chromium
def test_an_axis_of_few_decades_tells_its_values_in_full(visit):
    ticks = visit[1]["wide"]["ticks"]
    assert {"0.1", "0.5", "1"} <= set(ticks)
    assert list(map(float, ticks)) == sorted(map(float, ticks))


@needs_chromium
def test_beyond_twenty_runs_the_rest_is_folded(visit):
    wide = visit[1]["wide"]
    assert wide["chips"] == wide["figures"] == 20
    assert wide["height"] < 5000


@needs_chromium
def test_plots_stand_side_by_side_or_below_each_other_and_nothing_overflows(visit):
    wide, narrow = visit[1]["wide"], visit[1]["narrow"]
    assert (wide["columns"], narrow["columns"]) == (3, 1)
    assert wide["narrowest"] > 380 and narrow["narrowest"] > 300
    for looked in (wide, narrow):
        assert not looked["overflows"] and looked["sideways"] <= 0 and looked["table"] <= 0
        assert looked["names"] <= 0 and looked["tallest"] < 120


@needs_chromium
def test_a_table_that_is_wider_than_the_page_says_so(visit):
    assert visit[1]["narrow"]["hint"] == 1


@needs_chromium
def test_every_column_of_the_table_can_be_sorted_by(visit):
    heads = re.findall(r"<th [^>]*data-dt-column[^>]*>", visit[0].dom)
    assert len(heads) > 5
    assert all("dt-orderable-asc" in head for head in heads)


@needs_chromium
def test_a_search_leaves_the_runs_that_it_finds(visit):
    found = visit[1]["found"]
    assert (found["chips"], found["figures"], found["lines"]) == (2, 2, 2)


@needs_chromium
def test_a_click_on_a_run_hides_it(visit):
    wide, narrow = visit[1]["wide"], visit[1]["narrow"]
    assert narrow["lines"] == wide["lines"] - 1
    assert narrow["figures"] == 19 and narrow["chips"] == 20
