"""Embedded mode as the test suite runs it: no bots, no demo funds, fast hashes.

With TEST_DATABASE_URL the same tests run on PostgreSQL, all databases there.
"""

import os
import tempfile

os.environ.setdefault("DATA_DIR", tempfile.mkdtemp(prefix="rialto-test-"))

from config.settings.embedded import *  # noqa: F403
from config.settings.embedded import DATABASES, STATIC_ROOT, env

SECRET_KEY = "a-key-for-tests-only-that-signs-nothing-of-value-0123456789"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
DEMO_FUNDS = {}
RUN_BOTS = False
LOAD_DEMO = False
# Nearly the longest that the engine accepts: a busy machine must not make an outcome unknown.
COMMAND_DEADLINE_S = 9.0
if _url := env.str("TEST_DATABASE_URL", default=""):
    DATABASES = {
        alias: env.db_url("TEST_DATABASE_URL")
        | {"TEST": {"NAME": f"test_{alias}", "DEPENDENCIES": []}}
        for alias in ("default", "journal", "feeds")
    }
else:
    for _database in DATABASES.values():
        _database["TEST"] = {"NAME": str(_database["NAME"]) + ".test", "DEPENDENCIES": []}
STATIC_ROOT.mkdir(exist_ok=True)
