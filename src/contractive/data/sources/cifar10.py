from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contractive.data.torchvision_source import TorchvisionSource
from contractive.settings import setting


@dataclass
class Cifar10(TorchvisionSource):
    """CIFAR-10: 50,000 pictures of 3×32×32 to train and validate, 10,000 to test."""

    dataset = "CIFAR10"

    val_fraction: float = setting(0.2, "share of the training pictures that validate", above=0)
    grey: bool = setting(False, "one channel, as the paper's CIFAR-bw")

    def load(self, **options: Any) -> Any:
        """The data set as torchvision has it, which would not notice that its ``meta`` alone is missing."""
        from torchvision.datasets import CIFAR10
        from torchvision.datasets.utils import download_and_extract_archive

        if options.get("download"):
            download_and_extract_archive(CIFAR10.url, self.root, None, CIFAR10.filename, CIFAR10.tgz_md5)
        return super().load(**options)

    def files(self) -> dict[Path, bool]:
        """All files, which are pickles: torchvision opens none whose MD5 sum is not the official one."""
        from torchvision.datasets import CIFAR10
        from torchvision.datasets.utils import check_integrity

        sums = [*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])]
        paths = {Path(self.root, CIFAR10.base_folder, file): md5 for file, md5 in sums}
        return {path: check_integrity(path, md5) for path, md5 in paths.items()}

    def pixels(self, data: Any) -> Any:
        """Bytes ``(n, channels, height, width)`` of ``(n, height, width, 3)``; grey ones are the luminance
        (ITU-R 601-2)."""
        import torch

        x = torch.as_tensor(data).permute(0, 3, 1, 2).contiguous()
        if not self.grey:
            return x
        weights = torch.tensor([0.299, 0.587, 0.114])
        # In pieces: all of it as floats would take four times the memory.
        pieces = [torch.einsum("nchw,c->nhw", piece.float(), weights) for piece in x.split(1000)]
        return torch.cat([piece.round_().to(torch.uint8) for piece in pieces]).unsqueeze(1)
