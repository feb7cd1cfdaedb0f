"""The same HQ as in the tests without a browser."""

from tests.webui.conftest import catalogues  # noqa: F401
from tests.webui.hq.conftest import employed, office  # noqa: F401
