"""The doors of payments and routing are shut for whoever does not prove who they are."""

import pytest
from flask.testing import FlaskClient


@pytest.mark.parametrize("path", ["/api/v1/payments", "/api/v1/payments/status", "/api/v1/routing/resolve"])
def test_without_identity_there_is_no_way_in(client: FlaskClient, path: str) -> None:
    answer = client.post(path, json={"instruction_id": "P-1"})
    assert answer.status_code == 401
    assert answer.get_json()["code"] == "invalid-token"
