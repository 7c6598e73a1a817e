"""`python -m feature_gateway` prints the manifest of the documents that the client sends."""

from .documents import manifest

print(manifest())
