"""How each service says that something went wrong, as its clients read it."""

from http import HTTPStatus

COMPUTE = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    406: "computeFault",
    409: "conflictingRequest",
    412: "computeFault",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    500: "computeFault",
    501: "notImplemented",
    503: "serviceUnavailable",
}


def assert_fault(answer, status: int, about: str = "") -> str:
    """The answer is this fault, in the shape of the service that was asked. Returns the sentence
    that it says."""
    assert answer.status_code == status, (about, answer.status_code, answer.text[:500])
    sentence = READERS[answer.request.path.split("/")[1]](answer, status)
    assert sentence.strip(), about
    return sentence


def _identity(answer, status: int) -> str:
    error = answer.json["error"]
    title = error["title"].replace("Request Entity Too Large", "Content Too Large")
    assert (error["code"], title) == (status, _phrase(status))
    return error["message"]


def _compute(answer, status: int) -> str:
    [(name, said)] = answer.json.items()
    assert (name, said["code"]) == (COMPUTE[status], status)
    return said["message"]


def _network(answer, _status: int) -> str:
    said = answer.json["NeutronError"]
    assert said["type"].isidentifier()
    assert said["detail"] == ""
    return said["message"]


def _image(answer, status: int) -> str:
    assert answer.content_type == "text/html; charset=UTF-8"
    assert f"<h1>{status} " in answer.text
    return answer.text.partition("</h1>")[2].partition("<br />")[0]


def _phrase(status: int) -> str:
    phrase = HTTPStatus(status).phrase
    return {"Request Entity Too Large": "Content Too Large"}.get(phrase, phrase)


READERS = {
    "identity": _identity,
    "compute": _compute,
    "network": _network,
    "image": _image,
    "volume": _compute,
    "portico": _identity,
}
