"""Figures and tables of one run or one comparison."""
