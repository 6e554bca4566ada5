"""The review: a local web page with the gallery of an audit, on which labels are kept, fixed or dropped."""
