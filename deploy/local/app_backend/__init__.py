"""The backend of the app, as far as the sandbox plays it: it is told of messages. Exists in the local profile only."""
