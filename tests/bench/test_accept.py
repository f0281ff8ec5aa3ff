"""What is measured stays so without a stopwatch too: a create asks little of the database."""

from tests.bench import accept


def test_an_accepted_create_takes_few_statements(tmp_path, redis_url, new_database):
    _, most = accept.creates(tmp_path, redis_url, new_database(), count=2)
    assert most <= accept.GOAL_STATEMENTS
