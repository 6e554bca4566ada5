"""Reading and writing of labels in the unit and the format of the files of a data set."""
