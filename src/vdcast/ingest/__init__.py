"""Raw detector files to one table: ``python -m vdcast.ingest``, a module per ``data.format``."""
