"""What the user should know about a choice that was made for them, told once."""

import logging

import torch

_LOG = logging.getLogger("contractive")
_TOLD: set[str] = set()


def tell_once(message: str, level: int = logging.INFO) -> None:
    """Log ``message`` the first time it comes up in this process."""
    if torch.compiler.is_compiling() or message in _TOLD:
        return
    _TOLD.add(message)
    _LOG.log(level, message)
