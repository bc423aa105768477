"""Asks one address of this container and exits with 0 if it answers 200: for container health.

Standard library only, and no settings: it tells of the process, not of what it depends on.
"""

import sys
import urllib.error
import urllib.request

TIMEOUT_S = 4


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: healthcheck.py URL", file=sys.stderr)  # noqa: T201
        return 2
    try:
        with urllib.request.urlopen(arguments[0], timeout=TIMEOUT_S) as answer:
            return 0 if answer.status == 200 else 1
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
