"""A stand-in for Resolve that refuses what the API does not document. Standard library only, CPython 3.9 and newer.

It shows that the plugin follows the documentation and what others measured; not that Resolve does.
"""
