from contractive.data.torchvision_source import TorchvisionSource


class Kmnist(TorchvisionSource):
    """KMNIST: 60,000 pictures of 28×28 to train and validate, 10,000 to test."""

    dataset = "KMNIST"
