"""The sandbox's identity provider: OpenID Connect for made-up people. Exists in the local profile only."""
