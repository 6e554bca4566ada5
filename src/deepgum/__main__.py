"""Run the command `deepgum` with `python -m deepgum`."""

from deepgum.cli import main

if __name__ == "__main__":
    main()
