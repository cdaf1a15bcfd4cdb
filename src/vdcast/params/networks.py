"""The settings of the two networks, what each sets for itself in training, and what the rest may ask it.

A network names its package, ``vdcast.models.<model>``, and says its ``width``, whether to ``compile`` it, by which
``kernel`` it trains, the ``longest`` lookback that it takes, and which setting ``needs_gpu``.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import (
    Field,
    model_validator,
)

from vdcast.params.section import Positive, Rate, Section


class Optimiser(Section):
    """What the two models set each for themselves beside their architecture."""

    lookback: Positive | None  # the last steps of the window's, which the encoder reads; None: all of them
    dropout: Annotated[float, Field(ge=0, lt=1)]
    batch_size: Positive
    learning_rate: Rate
    weight_decay: Annotated[float, Field(ge=0)]


class LSTM(Optimiser):
    model: ClassVar[str] = "lstm"
    compile: ClassVar[bool] = False
    kernel: ClassVar[str] = "vanilla"

    hidden_size: Positive
    num_layers: Positive

    @property
    def width(self) -> int:
        """D, what the encoder takes and gives at each step."""
        return self.hidden_size

    @property
    def longest(self) -> int | None:
        """The most steps that it looks back; None for any number."""
        return None

    @property
    def needs_gpu(self) -> str | None:
        """The setting that no CPU can train with; None without one."""
        return None


class XLSTM(Optimiser):
    model: ClassVar[str] = "xlstm"

    embedding_dim: Positive
    num_blocks: Positive
    slstm_at: list[int]
    num_heads: Positive
    context_length: Positive
    slstm_backend: Literal["auto", "vanilla", "cuda"]
    mlstm_backend: Literal["vanilla"]  # the only one there is: the key keeps the name that users know
    kernel: Literal["vanilla", "native"]
    compile: bool

    @property
    def width(self) -> int:
        return self.embedding_dim

    @property
    def longest(self) -> int | None:
        return self.context_length

    @property
    def needs_gpu(self) -> str | None:
        return "slstm_backend 'cuda'" if self.slstm_backend == "cuda" else None

    @model_validator(mode="after")
    def _consistent(self):
        if bad := [i for i in self.slstm_at if not 0 <= i < self.num_blocks]:
            raise ValueError(
                f"slstm_at {self.slstm_at} names block {bad[0]}; num_blocks {self.num_blocks} "
                f"allows 0 to {self.num_blocks - 1}"
            )
        if self.compile and self.kernel != "vanilla":
            raise ValueError(
                f"compile true fuses the vanilla code, and kernel {self.kernel!r} is compiled already; set kernel to vanilla, "
                "or compile to false"
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


Network = LSTM | XLSTM

NETWORKS: dict[str, type[LSTM] | type[XLSTM]] = {network.model: network for network in (LSTM, XLSTM)}

MODELS = tuple(NETWORKS)  # lstm, xlstm
