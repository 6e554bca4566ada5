"""The SGD loop: its epochs, the losses it minimises, and the engine that runs it in one process or several."""
