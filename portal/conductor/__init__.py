"""From intent to fact, and back.

A service writes what shall be, and with it an operation and its tasks. The conductor carries the
tasks to the hosts and their answers into the database, and it is the only one that speaks to the
queue. What it does about a task is decided by one pure function (`decide`) from three things: the
row, what became of its latest attempt, and the time. Since every wait has an end and every send
uses up an attempt, nothing stays open for ever, whatever the queue loses and whichever host dies;
`tests/conductor/test_decide.py` walks all histories.

The order within a tick is what makes a killed conductor harmless: that an attempt is sent is
committed first, then it is sent. Killed between the two, the attempt is missing and is judged so
when it is due. Killed after an answer came, the answer is still there, since the job is forgotten
only once its outcome is committed. Two conductors at once are wasteful and harmless: each move is
a compare-and-swap on the task's attempt.

`plans` is the table of what a change consists of; `specs` builds from rows what a host is told;
`sends` puts it on the wire; `outcomes` writes down what a host said; `drift` notices what is no
longer as it was settled, and `queue` is the only file of the portal that knows RQ.
"""
