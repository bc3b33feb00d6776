"""A data set in numbered versions, in a folder or an object store.

    STORE/manifests/00000001.json   one record a version, committed by put-if-absent
    STORE/files/ab/<sha256>-...     immutable files that the records name
    STORE/HINT, STORE/LEASE         advice, on which nothing depends

Readers resolve one version and see its files, whatever is committed meanwhile. Writers plan on one
version and commit the next; of several, one gets the number and the others plan again on top.
"""
