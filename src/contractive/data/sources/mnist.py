from contractive.data.torchvision_source import TorchvisionSource


class Mnist(TorchvisionSource):
    """MNIST: 60,000 pictures of 28×28 to train and validate, 10,000 to test."""

    dataset = "MNIST"
