"""A first study of one's own: a file that runs as it is, on the embedded scenes, and is there to be changed."""

import keyword
from importlib.util import find_spec
from pathlib import Path

from segtrain.config import ConfigError
from segtrain.fields import shown

TEMPLATE = '''"""Which architecture, at which learning rate? Write your question here.

Command    python {name}.py --plan     (every trial and its cost; segtrain/config.py says what can be set)
           python {name}.py            (the same command again goes on where it was ended)
"""

import sys

from segtrain.config import TrialConfig
from sweeps.engine.ask.study import Claim, Study
from sweeps.engine.cli import main

STUDY = Study(
    name="{name}",
    title="FCN-8s and U-Net on road scenes",
    base=TrialConfig(
        arch="fcn8s", dataset="scenes", init="scratch", image_height=96, image_width=128, width_mult=0.25, epochs=5,
        batch_size=4,
    ),
    axes={{"arch": ("fcn8s", "unet"), "lr": (1e-3, 3e-4)}},
    claims=(Claim("U-Net is better than FCN-8s", {{"arch": "unet"}}, {{"arch": "fcn8s"}}, "expected here"),),
)

if __name__ == "__main__":
    sys.exit(main(STUDY))
'''  # fmt: skip


def write_study(name: str, folder: Path) -> Path:
    """Writes `<folder>/<name>.py`. Raises ConfigError on a name that Python, or a file that is there, has taken."""
    path = folder / f"{name}.py"
    if not (name.isascii() and name.isidentifier()) or keyword.iskeyword(name):
        raise ConfigError(
            f"the name is {shown(name)}; allowed: letters, digits and _, not a digit first, no word of Python"
        )
    if path.exists():
        raise ConfigError(f"{path} is there already; choose another name, or move it away")
    # The study's folder comes first on the path: a module of this name would no longer be found.
    if find_spec(name) is not None:
        raise ConfigError(f"the name is {name!r}, which is that of an installed module; choose another")
    path.write_text(TEMPLATE.format(name=name))
    return path
