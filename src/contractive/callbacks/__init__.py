"""What happens around training: checkpoints, the progress bar, pictures."""

from contractive.callbacks.checkpoints import BestCheckpoint, LastCheckpoint
from contractive.callbacks.interrupt import SaveOnInterrupt
from contractive.callbacks.pictures import Pictures
from contractive.callbacks.progress import Progress

__all__ = ["BestCheckpoint", "LastCheckpoint", "Pictures", "Progress", "SaveOnInterrupt"]
