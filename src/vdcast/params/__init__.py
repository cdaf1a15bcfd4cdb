"""params.yaml as typed, checked settings: ``params.load()`` is the only reader of that file."""

from vdcast.params.load import load

__all__ = ["load"]
