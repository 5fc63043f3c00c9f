"""One module a channel. Only these open sockets."""
