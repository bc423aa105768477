"""Private PostgreSQL and Redis servers: made from installed binaries, for this venue alone.

They listen on loopback with a random password, keep their files under the data folder, run as an
unprivileged user even where the venue is started by root, and use nothing of the system's own
servers or their folders.
"""

from config.private_services.errors import PrivateServiceError
from config.private_services.postgres import PrivatePostgres
from config.private_services.redis import PrivateRedis

__all__ = ["PrivatePostgres", "PrivateRedis", "PrivateServiceError"]
