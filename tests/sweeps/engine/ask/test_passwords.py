"""What may be written down of an address."""

import sys

import pytest

from sweeps import lr_search
from sweeps.engine.ask.command_line import build_search_parser, chosen_options
from sweeps.engine.ask.passwords import hide_passwords


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:s3cret@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("mysql+pymysql://me:s3@cr:et@host/db", "mysql+pymysql://me:***@host/db"),
        ("redis://:s3cret@host", "redis://:***@host"),
        ("postgresql://host/db?user=me&password=s3cret&x=1", "postgresql://host/db?user=me&password=***&x=1"),
        ("sqlite:///runs/search.db", "sqlite:///runs/search.db"),
        ("--address host:6379 --set lr=1e-3", "--address host:6379 --set lr=1e-3"),
    ],
)
def test_the_password_of_an_address_is_hidden(text: str, shown: str) -> None:
    assert hide_passwords(text) == shown


def test_the_command_that_a_study_remembers_has_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--storage", "postgresql://me:s3cret@host/db", "--trials", "3"]
    monkeypatch.setattr(sys, "argv", ["sweeps/lr_search.py", *words])
    options = chosen_options(build_search_parser(lr_search.SEARCH, lr_search.DEMO).parse_args(words))
    assert "s3cret" not in options.command
    assert "postgresql://me:***@host/db" in options.command
