"""The networks: N copies with weights of their own are one module."""
