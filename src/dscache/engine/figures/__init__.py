"""The figures that the server keeps about itself: see ``dscache.engine.figures.figure``."""
