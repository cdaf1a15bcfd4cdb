"""A trained run as an ONNX graph that takes raw values and times, and forecasts in units, without vdcast."""
