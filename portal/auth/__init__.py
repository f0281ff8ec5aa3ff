"""Who somebody is. The module of each front door makes an `Actor` of what comes in there: `browser`
of a session's cookie, `tokens` of the token of a program. What lies behind the doors sees the
actor alone.
"""
