"""What happens around training: checkpoints, the progress bar, pictures."""

from contractive.training.callbacks.charts import Charts
from contractive.training.callbacks.checkpoints import BestCheckpoint, LastCheckpoint
from contractive.training.callbacks.geometry import Geometry
from contractive.training.callbacks.interrupt import SaveOnInterrupt
from contractive.training.callbacks.pictures import Pictures
from contractive.training.callbacks.progress import Progress
from contractive.training.callbacks.projector import Projector
from contractive.training.callbacks.tangents import Tangents

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
