"""The chaos run: the whole product as its own processes, used by a person and killed at random.

A *person* clicks through the portal by HTTP; an *accident* befalls a process about once in ten
clicks; whatever died is started anew by the process manager, as in real life. When the clicking
is over everything may settle, and then a *verdict* compares four things that have to agree: what
the portal shows, what its database says, what the hosts hold, and what was asked for. What hosts
hold is read with virsh, ip, nft and ls, and the database with SQL written for the purpose: none
of the product's own code judges itself.

`lab` is the private machine that a real run happens in, `stack` the product on it, `person` and
`accidents` what happens to it, `story` the dice, `ledger`, `reality` and `fake_reality` the
witnesses, and `verdict` the judge.
"""
