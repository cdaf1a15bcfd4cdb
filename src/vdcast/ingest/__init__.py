"""Raw detector files to one table: ``python -m vdcast.ingest``.

A format is one module here, named as ``data.format`` of params.yaml names it, and the class of its
settings in ``vdcast.params``. The module has

``SUFFIXES``                   of its files; ``.gz`` after them, and zip archives of them, come for free
``ORDERED``                    whether detectors keep the order of the files, or are sorted by name
``features(settings)``         ((name, unit), ...)
``parse(file, settings)``      a file's ``Records``, in one or many parts, or InputError by ``file.bad``
``info(path, vd_ids, settings)``  where the format has a ``vd_list``: what that says of each detector, for
                               ``Detectors.info``; ``listed(path)``, where that is a list of detectors: their ids

and knows nothing of the grid, of other files, or of h5: ``spool`` keeps what was parsed, ``assemble``
lays it on the grid, ``quality`` says what it is worth.
"""
