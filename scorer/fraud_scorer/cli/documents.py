"""Arguments that are JSON documents, as plans hold them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import msgspec


def document(wanted: Any) -> Callable[[str], Any]:
    """An argument that is JSON of that type."""

    def converted(text: str) -> Any:
        try:
            return msgspec.json.decode(text, type=wanted)
        except msgspec.DecodeError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return converted
