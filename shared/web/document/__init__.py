"""The OpenAPI 3.1 document of a service, made from its routes and from what their endpoints declare."""
