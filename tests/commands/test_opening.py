"""Data as the commands look at them."""

import pyarrow as pa
import torch

from contractive.commands.opening import drawn_examples
from contractive.data.rows import Piece, Rows


def test_every_example_is_drawn_as_often_as_any_other():
    def pieces():
        for some in torch.arange(12).split(5):
            yield Piece(some, None, some, pa.record_batch({"number": some.numpy()}))

    rows, generator = Rows(12, pa.schema([]), (), pieces), torch.Generator().manual_seed(0)
    drawn = torch.stack([drawn_examples(rows, 3, generator) for _ in range(2000)])
    assert (drawn.sort(1).values.diff(dim=1) > 0).all()
    counts = drawn.flatten().bincount(minlength=12)
    # Five standard deviations of a binomial variable with p = 3 / 12.
    assert (counts - 500).abs().max() < 5 * (2000 * 0.25 * 0.75) ** 0.5
    assert len(drawn_examples(rows, 20, generator)) == 12
