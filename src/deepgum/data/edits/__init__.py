"""Labels as their files have them: read in the unit of the file, written in its format."""
