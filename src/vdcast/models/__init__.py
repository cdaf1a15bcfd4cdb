"""The networks under comparison, the forecaster that wraps them, and the naive baselines."""
