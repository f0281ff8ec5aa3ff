"""Who somebody is. The module of each front door makes an `Actor` of what comes in there: `browser`
of a session's cookie. From then on nobody asks which door it was.
"""
