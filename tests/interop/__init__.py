"""OpenStack's own test suite, Tempest, run against the product.

`required.txt` is the list that a cloud had to pass to be called OpenStack (guideline 2022.11),
with what its successor asks besides; `later.txt` says which of its tests need what is not there
yet. By hand: `scripts/tempest`.
https://docs.openstack.org/tempest/latest/
"""
