"""The docker-compose stack on a real engine, end to end: `make test-stack`. Not collected by pytest.

By way of `make up`, `scale`, `demo-compose` and `down`, as a user would; the containers are judged from outside.
"""
