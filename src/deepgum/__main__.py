"""Run the command `deepgum` with `python -m deepgum`."""

import os
import sys

if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:
    # `python -m` puts the working folder first. A file there, for example `numpy.py` beside the data, would take the
    # place of the package of this name. Plug-ins of the user are found in another way; see `deepgum.plugins`.
    del sys.path[0]

from deepgum.cli import main

if __name__ == "__main__":
    main()
