"""An encoder's derivative: recognising stacks of layers, forward and reverse mode, the dense matrix."""
