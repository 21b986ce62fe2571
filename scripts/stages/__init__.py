"""The stages from source text and notebooks to a published site.

Data flows one way: parse and evidence → validate → render → write → site → check → publish.
"""
