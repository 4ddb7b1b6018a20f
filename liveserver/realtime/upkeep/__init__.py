"""The periodic work of a hub: polling the store, sending heartbeats, and announcing how many viewers the hub has."""
