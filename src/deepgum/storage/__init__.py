"""Files on disk: atomic writing, and the lock of a folder."""
