"""The law of the order in NumPy (protos/order/law.md): which samples make a batch, how each is cropped, and the digest of an epoch.

A stream needs none of it but the digest; it is here so that a trainer can work out beforehand what it will be given.
"""
