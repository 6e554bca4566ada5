"""The review: a local web page with the gallery of an audit, where the user keeps, fixes or drops labels."""
