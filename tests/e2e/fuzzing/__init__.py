"""Schemathesis over the live API documents: whatever is sent, the answer is one that the document declares.

`fuzzer` sends cases of one operation, `sequences` walks along the documents' links; both are judged by `judge`.
"""
