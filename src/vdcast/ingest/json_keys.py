"""JSON objects that hold a key twice: legal, and every library takes the last of its values in silence."""

import json
from collections.abc import Mapping

from vdcast.ingest.files import RawFile


def regular(data: bytes, objects: Mapping[str, int]) -> bool:
    """Whether each key stands as often in a document as there are objects that should hold one.

    That is what a snapshot looks like, and looked at sooner than a key that stands twice: where no object lacks one,
    none holds one twice.
    """
    return all(data.count(b'"%s"' % name.encode()) == number for name, number in objects.items())


def check(file: RawFile, data: bytes) -> None:
    """Raises InputError where an object of a JSON document, or of several one after another, holds a key twice."""

    def unique(pairs: list[tuple]) -> None:
        if len(dict(pairs)) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise file.bad(
                f"an object holds the key {twice[:40]!r} twice, so which of its values is meant is unknown"
            )

    decoder, text, at = (
        json.JSONDecoder(object_pairs_hook=unique),
        data.decode("utf-8-sig", "replace").strip(),
        0,
    )
    try:
        while at < len(text):
            at = decoder.raw_decode(text, at)[1]
            at += len(text[at : at + 100]) - len(text[at : at + 100].lstrip())
    except (json.JSONDecodeError, RecursionError):
        return  # whoever reads it says what is wrong
