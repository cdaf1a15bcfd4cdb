"""The settings of the two networks, and what each sets for itself in training."""

from typing import Annotated, Literal

from pydantic import (
    Field,
    model_validator,
)

from vdcast.params.section import Positive, Rate, Section


class Optimiser(Section):
    """What the two models set each for themselves beside their architecture."""

    dropout: Annotated[float, Field(ge=0, lt=1)]
    batch_size: Positive
    learning_rate: Rate
    weight_decay: Annotated[float, Field(ge=0)]


class LSTM(Optimiser):
    hidden_size: Positive
    num_layers: Positive

    @property
    def needs_gpu(self) -> bool:
        return False

    @property
    def longest(self) -> int | None:
        """Steps that it can look back; None without a bound."""
        return None


class XLSTM(Optimiser):
    embedding_dim: Positive
    num_blocks: Positive
    slstm_at: list[int]
    num_heads: Positive
    context_length: Positive
    slstm_backend: Literal["auto", "vanilla", "cuda"]
    mlstm_backend: Literal["vanilla"]
    compile: bool

    @property
    def needs_gpu(self) -> bool:
        return self.slstm_backend == "cuda"

    @property
    def longest(self) -> int | None:
        """Steps that it can look back; None without a bound."""
        return self.context_length

    @model_validator(mode="after")
    def _consistent(self):
        if bad := [i for i in self.slstm_at if not 0 <= i < self.num_blocks]:
            raise ValueError(
                f"slstm_at {self.slstm_at} names block {bad[0]}; num_blocks {self.num_blocks} "
                f"allows 0 to {self.num_blocks - 1}"
            )
        if len(set(self.slstm_at)) != len(self.slstm_at):
            raise ValueError(f"slstm_at {self.slstm_at} names a block twice")
        inner = -(-2 * self.embedding_dim // 64) * 64  # the package rounds an mLSTM block's width up to 64s
        for what, width in (("embedding_dim", self.embedding_dim), ("the inner width", inner)):
            if width % self.num_heads:
                raise ValueError(
                    f"num_heads {self.num_heads} must divide {what} {width} (embedding_dim {self.embedding_dim})"
                )
        if self.num_heads == self.embedding_dim:
            raise ValueError(
                f"num_heads {self.num_heads} must be less than embedding_dim {self.embedding_dim}"
            )
        return self


NETWORKS: dict[str, type[Optimiser]] = {"lstm": LSTM, "xlstm": XLSTM}

MODELS = tuple(NETWORKS)  # lstm, xlstm
