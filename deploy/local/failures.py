"""The one kind of error that the command shows as it is."""


class StackFailed(RuntimeError):
    """The stack is not as asked for. The message is for a person: what is wrong, and what to do."""
