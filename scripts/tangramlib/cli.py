# SPDX-License-Identifier: MIT
"""From the command line to the command."""

import sys

from .host import TangramError
from .options import parse


def main(argv):
    try:
        options = parse(argv)
        if options.command == "run":
            from .run import main as command
        elif options.command == "shell":
            from .shell import main as command
        elif options.command in ("up", "exec", "down", "list", "wire"):
            from .stay import main as command
        elif options.command == "counters":
            from .counters import main as command
        else:
            from .decode import main as command
        return command(options)
    except TangramError as error:
        print("tangram: %s" % error, file=sys.stderr)
        return error.status
    except BrokenPipeError:
        return 141
    except OSError as error:
        print("tangram: %s" % error, file=sys.stderr)
        return 125
