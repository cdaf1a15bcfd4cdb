from vdcast.scores.convergence import cut_short


def test_copies_that_the_limit_of_epochs_stopped_are_counted():
    """With a patience of 3 a copy whose best epoch is 7 of 10 stopped by itself, as after 8, 9 and 10 nothing was better."""
    training = {"best_epoch": [0, 7, 8, 10], "copies": 4, "patience": 3}
    assert cut_short(training | {"epoch_limit": 10}) == (
        "2 of 4 networks were still improving at the limit of 10 epochs; raise train.epochs"
    )
    assert cut_short(training | {"epoch_limit": 20}) is None
