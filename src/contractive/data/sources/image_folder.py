"""Your own pictures: a folder of them, or one with a sub-folder for each class."""

from dataclasses import dataclass
from typing import Any

from contractive.data.settings import FileSource
from contractive.settings import setting


@dataclass
class ImageFolder(FileSource):
    """Your own pictures: a folder of them, or one with a sub-folder for each class."""

    size: Any = setting(None, "what pictures are resized to: a number, or [height,width]; null: kept")
    grey: bool = setting(False, "whether colours become grey levels")
    strict: bool = setting(False, "whether a file that is no picture is refused, not left out")

    def read(self) -> Any:
        """The pictures, as bytes."""
        from contractive.data.readers.image_folder import read_image_folder

        return read_image_folder(
            self.path,
            val_path=self.val_path,
            test_path=self.test_path,
            size=self.size,
            grey=self.grey,
            strict=self.strict,
        )
