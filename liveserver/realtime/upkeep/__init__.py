"""What a hub does by the clock: it polls the store, sends heartbeats, and tells other nodes its viewers' numbers."""
