"""Run one `deepgum` command in a copied process; `runpy.run_path` gives ARGUMENTS, and OUTPUT, the file to print to."""

import os
import signal

from deepgum.cli import main

if "OUTPUT" in globals():  # absent where doctest imports the file
    # A background job ignores Ctrl-C, and a process that it starts inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["COLUMNS"] = "400"
    file = os.open(OUTPUT, os.O_WRONLY | os.O_CREAT, 0o600)  # type: ignore[name-defined]  # noqa: F821
    for stream in (1, 2):
        os.dup2(file, stream)
    main(ARGUMENTS)  # type: ignore[name-defined]  # noqa: F821
