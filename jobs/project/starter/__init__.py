"""The project that `portrait init` writes: small, invented, and running as it is. Texts, so that they come along."""
