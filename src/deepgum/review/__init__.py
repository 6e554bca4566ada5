"""The review: a local web page on which the user keeps, fixes or drops the flagged labels of an audit."""
