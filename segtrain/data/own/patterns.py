"""Patterns over paths. `*` stands for anything within a part of a path, `**` for any folders; a pattern has at most one
`*` in a part and one `**`, so that there is one way only to match, found in a time that no pattern can make long."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

GROUP = "{group}"
MOST_STARS = 8
_GROUP_PATTERN = re.compile(r"[^*{}/]*\*?[^*{}/]*\{group\}[^*{}/]*\*?[^*{}/]*")


@dataclass(frozen=True)
class Pattern:
    text: str

    @staticmethod
    def fits(text: str) -> bool:
        parts = PurePosixPath(text).parts
        single = all(part == "**" or part.count("*") <= 1 for part in parts)
        return single and parts.count("**") <= 1 and parts[-1:] != ("**",) and text.count("*") <= MOST_STARS

    @cached_property
    def parts(self) -> tuple[str, ...]:
        return PurePosixPath(self.text).parts

    @property
    def stars(self) -> int:
        return sum("*" in part for part in self.parts)

    def find(self, folder: Path) -> Iterator[tuple[tuple[str, ...], Path]]:
        """What the stars stand for, and the file, for every file below `folder` that is not hidden."""
        escaped = re.sub(r"([?\[])", r"[\1]", self.text)  # to glob these are wild as well
        for path in folder.glob(escaped):
            relative = path.relative_to(folder)
            if not any(part.startswith(".") for part in relative.parts) and path.is_file():
                yield self.match(relative.parts), path

    def match(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        """What the stars stand for in a path that fits the pattern."""
        found: list[str] = []
        surplus = len(parts) - len(self.parts)
        place = 0
        for part in self.parts:
            if part == "**":
                found.append("/".join(parts[place : place + surplus + 1]))
                place += surplus + 1
                continue
            before, star, after = part.partition("*")
            if star:
                found.append(parts[place][len(before) : len(parts[place]) - len(after)])
            place += 1
        return tuple(found)


def is_group_pattern(text: object) -> bool:
    return isinstance(text, str) and bool(_GROUP_PATTERN.fullmatch(text)) and len(text) <= 200


def group_of(pattern: str, name: str) -> str | None:
    """The shortest text that `{group}` may stand for in the name of a file; None when the name does not fit."""
    stars = re.escape(pattern).replace(re.escape("*"), ".*")
    match = re.fullmatch(stars.replace(re.escape(GROUP), "(.+?)"), name)
    return match[1] if match else None
