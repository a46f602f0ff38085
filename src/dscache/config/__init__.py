"""Every setting of the server: declared once, read from file and command line, changed live."""

from dscache.config.config import Config, parse_overrides
from dscache.config.directive import Directive, OutputLimit, OutputLimits
from dscache.config.file import annotated_file

__all__ = [
    "Config",
    "Directive",
    "OutputLimit",
    "OutputLimits",
    "annotated_file",
    "parse_overrides",
]
