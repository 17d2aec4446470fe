"""JupyterLab's own process, which reads the workspace's configuration and no other.

Jupyter also looks for configuration in the system, in the Python environment and in the home folder, and
one of those files may switch the token off. No variable turns that off without leaving folders behind.
"""

from __future__ import annotations

import os
import sys

from jupyter_core import paths

from migration_cookbook.kernels import forking


def main() -> None:
    """Run JupyterLab with the arguments of this process."""
    # Before other modules of Jupyter import the function by its name.
    paths.jupyter_config_path = lambda: [paths.jupyter_config_dir()]
    # The first notebook that's opened finds its kernel warm.
    forking.prepare(sys.executable, os.environ)
    from jupyterlab.labapp import main as lab

    sys.exit(lab())


if __name__ == "__main__":
    main()
