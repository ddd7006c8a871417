"""Reading what a person wrote as a flag or a variable: a value, or a ValueError that says what it
must be."""

from __future__ import annotations

import re
from collections.abc import Callable

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


def one_of(*choices: str) -> Callable[[str], str]:
    """One of a few words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}, not {text!r}")
        return text

    return parse


def count(most: int) -> Callable[[str], int]:
    """A whole number from 1."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise ValueError(f"must be a whole number from 1 to {most}, not {text!r}")
        return int(text)

    return parse


def seconds(text: str) -> float:
    """From a second to a day."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value <= 86400:
        raise ValueError(f"must be a number of seconds from 1 to 86400, not {text!r}")
    return value


def truth(text: str) -> bool:
    """`true` or `false`."""
    return one_of("true", "false")(text) == "true"


def address(text: str) -> tuple[str, int]:
    """Host (empty: all addresses) and port."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"must be host:port or :port, not {text!r}")
    return host.strip("[]"), int(port)


def namespace(text: str) -> str:
    """The name of a namespace."""
    if not _LABEL.fullmatch(text):
        raise ValueError(f"must be a namespace's name (up to 63 of a-z, 0-9 and -), not {text!r}")
    return text


def namespaces(text: str) -> tuple[str, ...]:
    """Names of namespaces with commas between them, each once."""
    parts = (part.strip() for part in text.split(","))
    return tuple(dict.fromkeys(namespace(part) for part in parts if part))


def object_name(text: str) -> str:
    """The name of an object of Kubernetes."""
    if not _SUBDOMAIN.fullmatch(text):
        raise ValueError(f"must be a name (a-z, 0-9, - and .), not {text!r}")
    return text


def image(text: str) -> str:
    """The name of a container image. What a registry takes is for it to say."""
    if not text or any(character.isspace() for character in text):
        raise ValueError(f"must be the name of an image, not {text!r}")
    return text


def repository(text: str) -> str:
    """The name of an image without tag and digest."""
    if "@" in text or ":" in text.rpartition("/")[2]:
        raise ValueError(f"must be the name of an image without its tag, not {text!r}")
    return image(text)
