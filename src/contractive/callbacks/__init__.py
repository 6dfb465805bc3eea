"""What happens around training: checkpoints, the progress bar, pictures."""

import contractive.lightning_import  # noqa: F401  (before Lightning)

# isort: split

from contractive.callbacks.charts import Charts
from contractive.callbacks.checkpoints import BestCheckpoint, LastCheckpoint
from contractive.callbacks.geometry import Geometry
from contractive.callbacks.interrupt import SaveOnInterrupt
from contractive.callbacks.pictures import Pictures
from contractive.callbacks.progress import Progress
from contractive.callbacks.projector import Projector
from contractive.callbacks.tangents import Tangents

__all__ = [
    "BestCheckpoint",
    "Charts",
    "Geometry",
    "LastCheckpoint",
    "Pictures",
    "Progress",
    "Projector",
    "SaveOnInterrupt",
    "Tangents",
]
