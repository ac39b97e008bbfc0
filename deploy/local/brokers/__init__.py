"""The brokers that a stack can have: Tansu from its wheel, Apache Kafka from its jars, or one that runs elsewhere."""
