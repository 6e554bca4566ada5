"""Reading and writing of the label files of a data set. Labels keep the unit and the format of these files."""
