"""A part of a model as a module of its own, for ``torch.export`` and ONNX."""

from torch import Tensor, nn

from contractive.nn.autoencoder import Autoencoder

#: The method that each part computes, of tensors in the data's own units.
PARTS = {"head": "logits", "encoder": "encode", "decoder": "decode", "both": "forward"}


class Part(nn.Module):
    """The encoder with the scaling in front of it, the decoder with its inverse behind it, both, or a head.

    Args:
        model: the autoencoder, whose weights it shares; for ``head`` one that has a method ``logits``.
        part: one of ``PARTS``.

    >>> import torch
    >>> batch = {0: torch.export.Dim("batch")}
    >>> encoder = Part(Autoencoder((4,), hidden=[3]).eval(), "encoder")
    >>> program = torch.export.export(encoder, (torch.rand(2, 4),), dynamic_shapes=(batch,))
    >>> program.module()(torch.rand(5, 4)).shape
    torch.Size([5, 3])
    """

    def __init__(self, model: Autoencoder, part: str) -> None:
        super().__init__()
        self.model = model
        self.compute = PARTS[part]
        self.training = model.training

    def forward(self, x: Tensor) -> Tensor:
        """What the part makes of a batch."""
        result: Tensor = getattr(self.model, self.compute)(x)
        return result
