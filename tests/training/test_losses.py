import torch

from taplab.training.losses import class_weights, segmentation_loss, soft_jaccard
from taplab.types import IGNORE


def test_losses():
    labels = torch.tensor([[[0, 1], [IGNORE, 1]]])
    perfect = torch.tensor([[[[9.0, -9.0], [0.0, -9.0]], [[-9.0, 9.0], [0.0, 9.0]]]])
    assert soft_jaccard(perfect, labels) < 1e-3
    assert soft_jaccard(-perfect, labels) > 0.99
    weights = class_weights(torch.tensor([0.9, 0.1]))
    assert weights[1] > weights[0]
    assert segmentation_loss(perfect, labels, weights, 0.5, 0.0) < 1e-2
    assert segmentation_loss(-perfect, labels, weights, 0.5, 0.0) > 5


def test_plain_loss_is_the_mean_over_labelled_pixels():
    scores, labels = torch.randn(2, 3, 4, 5), torch.randint(3, (2, 4, 5))
    labels[0] = IGNORE
    picked = -scores.log_softmax(1)[1].gather(0, labels[1:])
    assert torch.allclose(segmentation_loss(scores, labels), picked.mean())


def test_no_labels_no_loss():
    scores = torch.randn(1, 3, 4, 5, requires_grad=True)
    loss = segmentation_loss(scores, torch.full((1, 8, 10), IGNORE), None, 0.5)
    loss.backward()
    assert loss == 0
    assert scores.grad is not None
    assert not scores.grad.any()
