"""Figures as JSON has them: rounded, and null where undefined."""

import numpy as np
import pandas as pd


def records(table: pd.DataFrame) -> list[dict]:
    """Rows, numbers rounded to what a reader can use."""
    return [
        {key: number(value) if isinstance(value, float) else value for key, value in row.items()}
        for row in table.to_dict("records")
    ]


def number(value: float) -> float | None:
    """Rounded; what is undefined is null in JSON, which has no NaN."""
    return round(value, 6) if np.isfinite(value) else None
