"""What `--broker` may say."""

import re
from collections.abc import Callable

from deploy.local.brokers.apache import Apache
from deploy.local.brokers.elsewhere import Elsewhere
from deploy.local.brokers.node import Broker
from deploy.local.brokers.tansu import Tansu

DEFAULT = "tansu"
FORMS = "tansu|apache|apache:3|HOST:PORT[,HOST:PORT]"
SUPPORTED = (
    "tansu; apache, or apache:3 for three nodes; HOST:PORT of a Kafka that runs already, several of them with commas"
)
_HERE: dict[str, Callable[[], Broker]] = {
    "tansu": Tansu,
    "apache": lambda: Apache(1),
    "apache:3": lambda: Apache(3),
}
_ADDRESS = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):\d{1,5}"


def broker_of(choice: str) -> Broker:
    """Raises ValueError, with what is supported, for anything that cannot be meant."""
    if choice in _HERE:
        return _HERE[choice]()
    if not choice.startswith("apache:") and re.fullmatch(f"{_ADDRESS}(,{_ADDRESS})*", choice):
        return Elsewhere(choice)
    raise ValueError(f"--broker {choice}: supported: {SUPPORTED}")
