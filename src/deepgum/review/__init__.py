"""The gallery of an audit as a page of this machine, on which labels are kept, fixed or dropped."""
