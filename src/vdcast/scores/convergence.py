"""Which trainings ended because their epochs ran out, and not because they had stopped improving."""


def cut_short(training: dict) -> str | None:
    """The sentence on such copies, without a full stop, or None; ``training`` is training.json.

    A copy whose best epoch lies less than the patience before the limit of epochs never had the chance to stop by
    itself.
    """
    epochs, patience = training["epoch_limit"], training["patience"]
    at_limit = sum(epoch > epochs - patience for epoch in training["best_epoch"])
    if not at_limit:
        return None
    return f"{at_limit} of {training['copies']} networks were still improving at the limit of {epochs} epochs; raise train.epochs"
