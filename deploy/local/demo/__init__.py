"""The demo: a city's founders trained, subsidised and whitelisted through the public APIs alone."""
