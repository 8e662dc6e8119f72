"""Loopback servers that speak vendors' protocols with their faults, for tests, benchmarks and trying storyapp."""
