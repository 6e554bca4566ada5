"""Labels as their files hold them: read in the unit of the file, written in its format."""
