"""Tables, figures and progress, made from records. This package trains no network."""
