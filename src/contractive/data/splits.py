"""Cutting examples into splits."""

import torch
from sklearn.model_selection import train_test_split
from torch import Tensor


def cut(index: Tensor, y: Tensor | None, fraction: float, seed: int, name: str) -> tuple[Tensor, Tensor]:
    """Cut a share of the examples off, stratified by label where there are labels enough.

    Args:
        index: ``(n,)``, the examples to choose from.
        y: labels of *all* examples, which ``index`` indexes, or ``None``.
        fraction: the share to cut off.
        seed: what the choice depends on.
        name: what the share is called in messages.

    Returns:
        What is left and what was cut off, each in the order of ``index``.

    Raises:
        ValueError: if either would be empty.
    """
    count = round(fraction * len(index))
    if not 0 < count < len(index):
        raise ValueError(
            f"{name}_fraction={fraction:g} of {len(index)} examples leaves {len(index) - count} and cuts off"
            f" {count}: neither may be empty"
        )
    labels = None if y is None else y[index]
    if labels is not None:
        classes = labels.unique(return_counts=True)[1]
        # Of a class with one example, or with more classes than places, no share can be had.
        if classes.min() < 2 or len(classes) > min(count, len(index) - count):
            labels = None
    left, taken = train_test_split(index.numpy(), test_size=count, random_state=seed, stratify=labels)
    return torch.from_numpy(left).sort().values, torch.from_numpy(taken).sort().values
