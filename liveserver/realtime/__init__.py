"""From a change to every viewer: the hub, its channels, presence, history and fan-out. It knows no sockets."""
