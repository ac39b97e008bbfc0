"""`huchuang down`: end the local stack, keep its data."""

from deploy.local import stack
from deploy.local.commands.options import DEFAULT_DATA, Data


def down(data: Data = DEFAULT_DATA) -> None:
    """Stop the services, the broker and PostgreSQL; what they kept stays."""
    print("stopped" if stack.down(data) else f"nothing runs in {data.resolve()}")
