"""Networks as plain PyTorch: layers, activations, scaling, losses, corruption."""
