"""Bad input against a running venue: a 4xx in the error shape, and nothing changed."""
