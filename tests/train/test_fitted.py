import torch

from vdcast.train.fitted import Fitted, joined


def test_stacks_that_stopped_at_different_epochs_are_joined_by_hand():
    def part(epochs: int, value: float) -> Fitted:
        figures = torch.full((epochs, 1, 4), value) + torch.arange(epochs).view(-1, 1, 1)
        return Fitted(weights={"w": torch.full((1, 2), value)}, figures=figures, training=[1] * epochs, learning_rate=[0.1] * epochs,
                              seconds=[2.0] * epochs, best_epoch=[epochs], best_loss=[value], diverged=[0], peak_memory_mb=100.0 * value)  # fmt: skip

    whole = joined([part(1, 10.0), part(3, 20.0)])
    assert whole.figures[:, :, 0].tolist() == [[10, 20], [10, 21], [10, 22]]
    assert whole.training == [2, 1, 1] and whole.seconds == [4, 2, 2]
    assert whole.best_epoch == [1, 3] and whole.weights["w"].tolist() == [[10, 10], [20, 20]]
    assert whole.peak_memory_mb == 2000
    assert [row["validation_loss"] for row in whole.history()] == [15, 15.5, 16]
