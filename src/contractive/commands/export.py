"""Write the trained model for use without this package, for batches of any size.

The encoder takes examples in the data's own units and gives codes, the decoder the other way; both together
take examples and give reconstructions. A head, with what it stands on, takes examples and gives a logit for
each class.
"""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contractive.commands.opening import Opened, open_classifier, open_run, tells_classes
from contractive.commands.options import Parser
from contractive.data.files import listed
from contractive.runs.files import unfinished

if TYPE_CHECKING:
    from torch import Tensor

    from contractive.nn.exportable import Part

PARTS = ("head", "encoder", "decoder", "both")
CLASSES = "classes"  # under which names of classes lie in the file, as JSON
TOLD = {
    "head": "the logits",
    "encoder": "the encoder",
    "decoder": "the decoder",
    "both": "the whole",
}
TOLERANCE = 1e-4  # relative to the largest value, above which an export is refused


def main() -> None:
    """Export the run that the command line names."""
    parser = Parser("export", __doc__)
    parser.takes_run()
    parser.takes_output((".onnx", ".pt2"), "ONNX, or what torch.export.load reads")
    parser.add_argument(
        "--part", choices=PARTS, help="what is written (the head if there is one, else the encoder)"
    )
    arguments = parser.parse()
    path = arguments.output
    if path.suffix.lower() == ".onnx" and (absent := [n for n in ("onnx", "onnxscript") if not find_spec(n)]):
        raise ValueError(
            f"-o {path}: needs {' and '.join(absent)}: pip install 'contractive[onnx]', or write .pt2"
        )
    # Here, not above: --help does not wait for torch.
    import torch

    from contractive.nn.exportable import Part

    name = arguments.part or ("head" if tells_classes(arguments.run) else "encoder")
    classes: list[str] | None = None
    if name == "head":
        opened, _ = open_classifier(arguments.run, "cpu")
        classes = opened.description.classes
    else:
        opened = open_run(arguments.run, "cpu", "" if name == "encoder" else f"export --part {name}")
    part = Part(opened.model, name).eval()
    with torch.no_grad(), unfinished(path) as file:
        write, read = (_write_onnx, _onnx) if path.suffix.lower() == ".onnx" else (_write_pt2, _pt2)
        write(part, _examples(opened, name, 2), file, classes)
        said = _compared(part, [_examples(opened, name, n) for n in (1, 5)], read(file))
    kind = str(_examples(opened, name, 1).dtype).removeprefix("torch.")
    print(f"Written to {path}: {TOLD[name]}, of {kind}; {said}")
    if classes is not None:
        print(f"Logits of {listed(classes)}; the names are its metadata {CLASSES!r}, in JSON")


def _examples(opened: Opened, part: str, n: int) -> "Tensor":
    """Random inputs of a part, such as it meets: codes, bytes, or floats as the training data are spread."""
    import torch

    known, generator = opened.description, torch.Generator().manual_seed(n)
    shape, scaler = (n, *opened.model.input_shape), opened.model.scaler
    if part == "decoder":
        return opened.model.encode(_examples(opened, "encoder", n))
    if known.is_bytes:
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    x = torch.rand(shape, generator=generator)
    # Columns have units of their own: what lies far beyond those of one would saturate every unit.
    return known.low + (known.high - known.low) * x if scaler is None else scaler.inverse(x)


def _write_onnx(part: "Part", x: "Tensor", path: Path, classes: list[str] | None) -> None:
    import torch

    names: dict[str, Any] = {"input_names": ["x"], "output_names": ["y"]}
    names["dynamic_shapes"] = ({0: torch.export.Dim("batch")},)
    program = torch.onnx.export(part, (x,), dynamo=True, external_data=False, verbose=False, **names)
    assert program is not None
    if classes is not None:
        program.model.metadata_props[CLASSES] = json.dumps(classes)
    program.save(path, external_data=False)


def _write_pt2(part: "Part", x: "Tensor", path: Path, classes: list[str] | None) -> None:
    import torch

    program = torch.export.export(part, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    extra = {} if classes is None else {CLASSES: json.dumps(classes)}
    torch.export.save(program, path, extra_files=extra)


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
        found = exported(x)
        if found.shape != wanted.shape or found.dtype != wanted.dtype:
            kinds = [f"{str(y.dtype).removeprefix('torch.')} {tuple(y.shape)}" for y in (found, wanted)]
            raise ValueError(f"what was exported gives {kinds[0]}, the model {kinds[1]}: nothing is written")
        difference = float((found - wanted).abs().max())
        if not difference <= TOLERANCE * float(wanted.abs().max()):
            raise ValueError(
                f"what was exported differs from the model by {difference:g}: nothing is written"
            )
        largest = max(largest, difference)
    return f"differs from the model by {largest:.1e} at most"
