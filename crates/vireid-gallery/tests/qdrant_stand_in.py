"""Qdrant's own engine behind the few REST calls that a gallery makes, for tests where no Qdrant server can be had.

    pip install qdrant-edge-py==0.9.0 qdrant-client==1.20.0
    python qdrant_stand_in.py 16333
    VIREID_TEST_QDRANT=qdrant://127.0.0.1:16333 cargo test -p vireid-gallery --features qdrant

Points, filters, order and search are those of `qdrant-edge`, which is built from the server's sources. Every request is first read by
the models that `qdrant-client` has from the server's own description of its interface, which refuse what it does not have.
What is not Qdrant's is this file: the addresses of the calls, and the form of the answers.
"""

import json
import sys
import tempfile
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import qdrant_edge as edge
from qdrant_client.http import models

LOCK = threading.Lock()
SHARDS = {}
KINDS = {"keyword": edge.PayloadSchemaType.Keyword, "integer": edge.PayloadSchemaType.Integer}


def point_id(text):
    return uuid.UUID(text)


def condition(of):
    if "has_id" in of:
        return edge.HasIdCondition({point_id(text) for text in of["has_id"]})
    match, limits = of.get("match"), of.get("range")
    if match is not None:
        match = edge.MatchAny(match["any"]) if "any" in match else edge.MatchValue(match["value"])
    return edge.FieldCondition(of["key"], match=match, range=limits and edge.RangeFloat(**limits))


def filter_of(body):
    return edge.Filter(**{part: [condition(one) for one in conditions] for part, conditions in body["filter"].items()})


def shown(point):
    return {"id": str(point.id), "payload": point.payload, "vector": point.vector}


def create(name, body):
    models.CreateCollection.model_validate(body)
    distance = getattr(edge.Distance, body["vectors"]["distance"])
    vectors = edge.EdgeVectorParams(size=body["vectors"]["size"], distance=distance)
    SHARDS[name] = edge.EdgeShard.create(tempfile.mkdtemp(), edge.EdgeConfig(vectors=vectors))
    return True


def create_index(shard, body):
    models.CreateFieldIndex.model_validate(body)
    shard.update(edge.UpdateOperation.create_field_index(body["field_name"], KINDS[body["field_schema"]]))
    return {}


def upsert(shard, body):
    models.PointsList.model_validate(body)
    points = [edge.Point(point_id(point["id"]), point["vector"], point["payload"]) for point in body["points"]]
    shard.update(edge.UpdateOperation.upsert_points(points))
    return {}


def retrieve(shard, body):
    models.PointRequest.model_validate(body)
    ids = [point_id(text) for text in body["ids"]]
    return [shown(point) for point in shard.retrieve(ids, body.get("with_payload"), body.get("with_vector", False))]


def count(shard, body):
    models.CountRequest.model_validate(body)
    return {"count": shard.count(edge.CountRequest(body["exact"], filter_of(body)))}


def query(shard, body):
    models.QueryRequest.model_validate(body)
    request = edge.QueryRequest(
        limit=body["limit"],
        query=edge.Query.Nearest(body["query"]),
        filter=filter_of(body),
        with_vector=True,
        with_payload=True,
    )
    return {"points": [shown(point) for point in shard.query(request)]}


def scroll(shard, body):
    models.ScrollRequest.model_validate(body)
    order = edge.OrderBy(body["order_by"]["key"], edge.Direction.Asc)
    request = edge.ScrollRequest(
        limit=body["limit"], filter=filter_of(body), with_payload=True, with_vector=True, order_by=order
    )
    return {"points": [shown(point) for point in shard.scroll(request)[0]]}


def delete(shard, body):
    if "points" in body:
        models.PointIdsList.model_validate(body)
        shard.update(edge.UpdateOperation.delete_points([point_id(text) for text in body["points"]]))
    else:
        models.FilterSelector.model_validate(body)
        shard.update(edge.UpdateOperation.delete_points_by_filter(filter_of(body)))
    return {}


def batch(shard, body):
    models.UpdateOperations.model_validate(body)
    for operation in body["operations"]:
        ((kind, one),) = operation.items()
        ids = [point_id(text) for text in one["points"]]
        change = one["payload"] if kind == "set_payload" else one["keys"]
        shard.update(getattr(edge.UpdateOperation, kind)(ids, change))
    return []


CALLS = {
    ("PUT", "index"): create_index,
    ("PUT", "points"): upsert,
    ("POST", "points"): retrieve,
    ("POST", "points/count"): count,
    ("POST", "points/query"): query,
    ("POST", "points/scroll"): scroll,
    ("POST", "points/delete"): delete,
    ("POST", "points/batch"): batch,
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        _, _, name, *rest = self.path.split("?")[0].split("/")
        try:
            with LOCK:
                if self.command == "PUT" and not rest:
                    return self.send(200, {"result": create(name, body)})
                if name not in SHARDS:
                    return self.send(404, {"status": {"error": f"Not found: Collection `{name}` doesn't exist!"}})
                if self.command == "GET" and not rest:
                    return self.send(200, {"result": {"status": "green"}})
                self.send(200, {"result": CALLS[self.command, "/".join(rest)](SHARDS[name], body)})
        except Exception as error:  # whatever it is, the caller is told
            self.send(400, {"status": {"error": f"{type(error).__name__}: {error}"}})

    do_GET = do_PUT = do_POST = answer

    def send(self, status, answer):
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
