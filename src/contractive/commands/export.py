"""Write the trained model for use without this package, for batches of any size.

The encoder takes examples in the data's own units and gives codes, the decoder the other way; both together
take examples and give reconstructions.
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contractive.commands.opening import Opened, open_run
from contractive.commands.options import Parser
from contractive.runs.files import unfinished

if TYPE_CHECKING:
    from torch import Tensor

    from contractive.nn.exportable import Part

PARTS = ("encoder", "decoder", "both")
TOLERANCE = 1e-4  # relative to the largest value, above which an export is refused


def main() -> None:
    """Export the run that the command line names."""
    parser = Parser("export", __doc__)
    parser.takes_run()
    parser.takes_output((".onnx", ".pt2"), "ONNX, or what torch.export.load reads")
    parser.add_argument("--part", choices=PARTS, default="encoder", help="what is written (encoder)")
    arguments = parser.parse()
    path = arguments.output
    if path.suffix.lower() == ".onnx" and (absent := [n for n in ("onnx", "onnxscript") if not find_spec(n)]):
        raise ValueError(
            f"-o {path}: needs {' and '.join(absent)}: pip install 'contractive[onnx]', or write .pt2"
        )
    # Here, not above: --help does not wait for torch.
    import torch

    from contractive.nn.exportable import Part

    opened = open_run(arguments.run, "cpu", "" if arguments.part == "encoder" else "export --part")
    part = Part(opened.model, arguments.part).eval()
    with torch.no_grad(), unfinished(path) as file:
        write, read = (_write_onnx, _onnx) if path.suffix.lower() == ".onnx" else (_write_pt2, _pt2)
        write(part, _examples(opened, arguments.part, 2), file)
        said = _compared(part, [_examples(opened, arguments.part, n) for n in (1, 5)], read(file))
    kind = str(_examples(opened, arguments.part, 1).dtype).removeprefix("torch.")
    print(f"Written to {path}: the {arguments.part.replace('both', 'whole')}, of {kind}; {said}")


def _examples(opened: Opened, part: str, n: int) -> "Tensor":
    """Random inputs of a part, such as it meets: codes, bytes, or floats within the training data's range."""
    import torch

    known, generator = opened.description, torch.Generator().manual_seed(n)
    shape = (n, *opened.model.input_shape)
    if part == "decoder":
        return opened.model.encode(_examples(opened, "encoder", n))
    if known.is_bytes:
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    return known.low + (known.high - known.low) * torch.rand(shape, generator=generator)


def _write_onnx(part: "Part", x: "Tensor", path: Path) -> None:
    import torch

    names: dict[str, Any] = {"input_names": ["x"], "output_names": ["y"]}
    names["dynamic_shapes"] = ({0: torch.export.Dim("batch")},)
    torch.onnx.export(part, (x,), path, dynamo=True, external_data=False, verbose=False, **names)


def _write_pt2(part: "Part", x: "Tensor", path: Path) -> None:
    import torch

    torch.export.save(torch.export.export(part, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},)), path)


def _onnx(path: Path) -> "Callable[[Tensor], Tensor] | None":
    import torch

    if not find_spec("onnxruntime"):
        return None
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(session.run(None, {"x": x.numpy()})[0])


def _pt2(path: Path) -> "Callable[[Tensor], Tensor] | None":
    import torch

    return torch.export.load(path).module()


def _compared(part: "Part", batches: "list[Tensor]", exported: "Callable[[Tensor], Tensor] | None") -> str:
    """How much the exported differs from the model, in words.

    Raises:
        ValueError: if it is more than rounding explains.
    """
    if exported is None:
        return "not compared with the model: pip install 'contractive[onnx]' brings onnxruntime"
    largest = 0.0
    for x in batches:
        wanted = part(x)
        difference = float((exported(x) - wanted).abs().max())
        if not difference <= TOLERANCE * max(1.0, float(wanted.abs().max())):
            said = f"what was exported differs from the model by {difference:g}"
            raise ValueError(f"{said}: nothing is written")
        largest = max(largest, difference)
    return f"differs from the model by {largest:.1e} at most"
