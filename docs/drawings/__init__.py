"""The figures of the book, a module per chapter; ``docs/figures.py`` draws them."""
