"""What `vdcast search` tries: a space of settings for each model, and the budget that both get alike."""

from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, model_validator

from vdcast.params.modes import ModeName
from vdcast.params.networks import LSTM, XLSTM, Network
from vdcast.params.section import Positive, Rate, Section
from vdcast.params.words import suggest

# they make no other forecast
NOT_TRIED = {"context_length", "slstm_backend", "mlstm_backend", "kernel", "compile"}


class Range(Section):
    """Numbers from ``low`` to ``high``, both included; with ``log`` each factor is as likely as any other."""

    low: int | float
    high: int | float
    log: bool

    @model_validator(mode="after")
    def _has_room(self):
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low {self.low:g} has no logarithm; take log: false, or a low above 0")
        return self


def _space(network: type[Network], space: dict[str, Any]) -> dict[str, list[Any] | Range]:
    """Of each setting, a list of values or a range. Raises ValueError for what the network has not, or cannot be."""
    allowed = [key for key in network.model_fields if key not in NOT_TRIED]
    return {key: _tried(network, key, values, allowed) for key, values in space.items()}


def _tried(network: type[Network], key: str, values: Any, allowed: list[str]) -> list[Any] | Range:
    if key not in allowed:
        raise ValueError(f"{key} is no setting to try{suggest(key, allowed)}")
    if isinstance(values, dict):
        try:
            values = Range.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, (key, *first["loc"])))
            words = first["ctx"]["error"] if first["type"] == "value_error" else first["msg"].lower()
            raise ValueError(f"{where}: {words}; a range is {{low: 0.1, high: 0.5, log: false}}") from None
        each = [values.low, values.high]
    elif isinstance(values, list) and values and all(v not in values[:i] for i, v in enumerate(values)):
        each = values
    else:
        raise ValueError(
            f"{key} = {values!r} is neither a list of values, each once, nor a range {{low: .., high: .., log: ..}}"
        )
    field = network.model_fields[key]
    as_declared: Any = Annotated[field.annotation, field]
    kind: TypeAdapter = TypeAdapter(as_declared)
    for value in each:
        try:
            kind.validate_python(value, strict=True)
        except ValidationError as error:
            raise ValueError(f"{key} holds {value!r}: {error.errors()[0]['msg'].lower()}") from None
    return values


class Spent(Section):
    """What a run's settings have cost: so many trials, in so many CPU seconds."""

    trials: Annotated[int, Field(ge=0)]
    seconds: Annotated[float, Field(ge=0)]


class Before(Section):
    """What the page answered in a mode with the settings that a search replaced; ``better`` is the better model."""

    status: Literal["better", "equal", "undecided", "no_verdict"]
    better: Literal["lstm", "xlstm"] | None


class Search(Section):
    trials: Positive  # of each model
    seconds: Rate  # of CPU, of each model
    together: Positive  # trials that train as one stack
    seeds: Annotated[int, Field(ge=2)]  # with which the settings as they are, and the best ones, are trained
    lstm: Annotated[dict[str, Any], AfterValidator(partial(_space, LSTM))]
    xlstm: Annotated[dict[str, Any], AfterValidator(partial(_space, XLSTM))]
    spent: dict[str, Spent]  # by run; one that is not named was not searched
    before: dict[ModeName, Before]  # of modes whose settings a search has changed

    def space(self, model: str) -> dict[str, list[Any] | Range]:
        """Of each setting of that model that is tried, a list of values or a range."""
        return getattr(self, model)

    def spent_on(self, run: str) -> Spent:
        return self.spent.get(run, Spent(trials=0, seconds=0.0))
