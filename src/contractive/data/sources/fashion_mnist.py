from contractive.data.torchvision_source import TorchvisionSource


class FashionMnist(TorchvisionSource):
    """FashionMNIST: 60,000 pictures of 28×28 to train and validate, 10,000 to test."""

    dataset = "FashionMNIST"
