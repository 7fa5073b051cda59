"""Findings of schemathesis that are none.

A part of a multipart body is a text, whatever it says: `{}`, `0.0` and `false` are names that a camera or an entry can have, and a
list without elements is not sent at all. schemathesis waits for a refusal of what it drew, so such a finding counts only where
the body that was sent breaks the document too. Nor does it know that 413, too large, is a refusal.
"""

import json
from email.parser import BytesParser
from email.policy import HTTP

import jsonschema_rs
import schemathesis
from schemathesis.core.failures import AcceptedNegativeData

FORM = "multipart/form-data"


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Whether a finding counts."""
    if not isinstance(failure, AcceptedNegativeData):
        return True
    if failure.status_code == 413:
        return False
    if case.media_type != FORM or "\nInvalid component: in body" not in failure.message:
        return True
    document = case.operation.schema.raw_schema
    call = document["paths"][case.operation.path][case.operation.method.lower()]
    schema = call["requestBody"]["content"][FORM]["schema"]
    form = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    validator = jsonschema_rs.validator_for({**document, **schema}, validate_formats=True)
    return not validator.is_valid(sent(response.request, form["properties"]))


def sent(request, properties):
    """The body of a request as the document describes it."""
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n"
    fields = {}
    for part in BytesParser(policy=HTTP).parsebytes(head.encode() + request.body).iter_parts():
        name = part.get_param("name", header="content-disposition")
        text = "" if part.get_filename() else part.get_payload(decode=True).decode(errors="replace")
        fields.setdefault(name, []).append(read(text, properties.get(name, {}).get("type")))
    one = {name: values[0] for name, values in fields.items() if len(values) == 1 and not is_list(properties, name)}
    return fields | one


def is_list(properties, name):
    return properties.get(name, {}).get("type") == "array"


def read(text, kind):
    """A number or an object where the document has one, and else the text."""
    try:
        return json.loads(text) if kind in ("integer", "object") else text
    except ValueError:
        return text
