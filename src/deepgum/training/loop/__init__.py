"""The loop of SGD, its objectives and scores, and the engines that run it in one process or several."""
