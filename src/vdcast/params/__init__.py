"""params.yaml as typed, checked settings: ``params.load()`` and ``load_live()`` are the only readers of that file."""

from vdcast.params.load import load, load_live

__all__ = ["load", "load_live"]
