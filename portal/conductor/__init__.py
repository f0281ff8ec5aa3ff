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

What a noun's code raises costs the one thing that was in hand (`faults`): the attempt counts as one
that crashed, the change fails, the mending pauses. Only a database or a queue that is away costs a
turn, and the next one does its work.

The loops know no noun. `tick` looks at what is under way and moves it; `outbox` and `wire` carry
it (`wire` is the only file of the portal that knows RQ); `outcomes` writes down what a host said;
`tables` sends hosts the tables that are not as they are wanted; `drift` notices what is no longer
as it was settled; `ear` hears the hosts' beats and lines, and `questions` has them say what
somebody wants to know. What all of this means for a noun stands in `nouns/<noun>.py`.
"""
