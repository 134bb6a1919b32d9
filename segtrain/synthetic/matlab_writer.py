"""MATLAB files that are the same bytes whenever they are written."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

HEADER_BYTES = 116
"""Of the text at the beginning, where a writer says who and when it is."""


def write_mat(path: Path, variables: Mapping[str, Any]) -> None:
    from scipy.io import savemat

    buffer = BytesIO()
    savemat(buffer, dict(variables), do_compression=True)
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(HEADER_BYTES) + buffer.getvalue()[HEADER_BYTES:])
