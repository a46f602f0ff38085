"""HTTP: the web console and what it asks for, metrics for Prometheus, health. Only here is aiohttp known."""
