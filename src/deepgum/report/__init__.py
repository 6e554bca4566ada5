"""Tables, figures and progress, from records. Nothing here trains."""
