"""The networks under comparison and the forecaster that wraps them."""
