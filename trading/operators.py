"""Who acts when an operator works at the command line: named in the audit record."""

import getpass
from typing import NamedTuple

from accounts.models import User
from orderbook.audit import Actor

NO_USER_ID = 0


class ShellOperator(NamedTuple):
    """Somebody with access to the venue's host, known by the name of their system account."""

    pk: int
    username: str

    def get_username(self) -> str:
        return self.username


def shell_operator(username: str | None = None) -> Actor:
    """The venue's user of this name; without one, the system account that runs the command.

    Raises User.DoesNotExist.
    """
    if username:
        return User.objects.get(username__iexact=username)
    return ShellOperator(NO_USER_ID, f"shell:{getpass.getuser()}")
