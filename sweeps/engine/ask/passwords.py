"""Addresses as they may be written down. Standard library only."""

import re

_IN_FRONT = re.compile(r"(://[^\s:@/]*):\S*@")  # user:password@host
_BEHIND = re.compile(r"([?&][^=&\s]*(?:pass|pwd|token|secret|key)[^=&\s]*=)[^&\s]*", re.IGNORECASE)


def hide_passwords(text: str) -> str:
    """The text with `***` for the password of every address in it."""
    return _BEHIND.sub(r"\1***", _IN_FRONT.sub(r"\1:***@", text))
