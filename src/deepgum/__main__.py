"""`python -m deepgum` is the command `deepgum`."""

from deepgum.cli import main

if __name__ == "__main__":
    main()
