"""A stand-in for the service, in memory and for drawn figures only: what the page asks for, and no more.

It prints its address and serves until it is stopped. `--token T` asks for a token, `--no-images` keeps none,
`--not-calibrated` gives no verdicts.
"""

import argparse
import itertools
import json
import math
import pathlib
import re
import urllib.parse
from datetime import datetime
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from figures import widths

PAGE = pathlib.Path(__file__).parents[2] / "src" / "page"
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
CSP = (
    "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; script-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
THRESHOLD = 0.945


class Refused(Exception):
    def __init__(self, status, code, message, hint=None):
        self.status = status
        self.error = {"code": code, "message": f"{code}: {message}", **({"hint": hint} if hint else {})}


class Gallery:
    def __init__(self, options):
        self.options = options
        self.entries = {}
        self.judged = []
        self.numbers = itertools.count(1)

    def entry(self, id):
        if id not in self.entries:
            raise Refused(404, "VR0803", f"the gallery has no entry '{id}'")
        return self.entries[id]

    def add(self, images, fields):
        id = fields.get("id") or f"made{next(self.numbers):022}"
        existing = fields.get("existing", "refuse")
        if id in self.entries and existing == "refuse":
            raise Refused(409, "VR0802", f"the gallery has an entry '{id}' already; delete it first, or ask to replace it")
        if id in self.entries and existing == "keep":
            return {"entry": said(self.entries[id]), "added": "kept"}
        added = "replaced" if id in self.entries else "new"
        each = [embed(image) for image in images]
        entry = {"id": id, "modality": fields["modality"], "has_image": not self.options.no_images}
        entry |= {key: fields[key] for key in ("camera", "time") if key in fields}
        if "metadata" in fields:
            entry["metadata"] = json.loads(fields["metadata"])
        if len(images) > 1:
            entry["crops"] = len(images)
        entry |= {"_image": images[0], "_embedding": unit([sum(column) for column in zip(*each)])}
        self.entries[id] = entry
        return {"entry": said(entry), "added": added}

    def ranked(self, embedding, modality, fields):
        answers = []
        for entry in filter(admits(fields), self.entries.values()):
            similarity = sum(a * b for a, b in zip(embedding, entry["_embedding"]))
            answer = said(entry) | {"similarity": similarity}
            if not self.options.not_calibrated and entry["modality"] != modality:
                answer["probability"] = 1 / (1 + math.exp(-150 * (similarity - THRESHOLD)))
                answer["verdict"] = "same person" if similarity >= THRESHOLD else "unknown"
            if first(fields, "rerank"):
                answer["distance"] = 1 - similarity
            answers.append(answer)
        answers.sort(key=lambda answer: -answer["similarity"])
        return answers[: int(first(fields, "top") or 10)]

    def cluster(self):
        people = []
        for entry in self.entries.values():
            entry.pop("person", None)
            near = (of for of in people if sum(a * b for a, b in zip(of[0]["_embedding"], entry["_embedding"])) > THRESHOLD)
            group = next(near, None)
            people.append([entry]) if group is None else group.append(entry)
        groups = [group for group in people if len(group) > 1]
        for number, group in enumerate(groups):
            for entry in group:
                entry["person"] = number
        return {"people": len(groups), "unassigned": sum("person" not in entry for entry in self.entries.values())}

    def people(self):
        groups = {}
        for entry in self.entries.values():
            if "person" in entry:
                groups.setdefault(entry["person"], []).append(said(entry))
        return sorted(groups.items(), key=lambda group: -len(group[1]))

    def free_number(self):
        return 1 + max((number for number, _ in self.people()), default=-1)


def embed(image):
    try:
        return widths(image)
    except Exception:
        raise Refused(422, "VR0910", "the image can't be decoded", "Send a PNG or JPEG file.") from None


def unit(values):
    length = sum(value * value for value in values) ** 0.5
    return [value / length for value in values]


def said(entry):
    return {key: value for key, value in entry.items() if not key.startswith("_")}


def first(fields, name):
    return fields.get(name, [None])[0]


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def admits(fields):
    def admitted(entry):
        times = [("from", lambda a, b: a >= b), ("until", lambda a, b: a < b)]
        timely = all(
            "time" in entry and fits(moment(entry["time"]), moment(first(fields, name)))
            for name, fits in times
            if first(fields, name)
        )
        metas = {name[5:]: values[0] for name, values in fields.items() if name.startswith("meta.")}
        written = {key: str(value) for key, value in entry.get("metadata", {}).items()}
        return (
            (not first(fields, "among") or entry["modality"] == first(fields, "among"))
            and (not fields.get("camera") or entry.get("camera") in fields["camera"])
            and timely
            and all(written.get(key) == value for key, value in metas.items())
        )

    return admitted


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer("GET")

    def do_POST(self):
        self.answer("POST")

    def do_DELETE(self):
        self.answer("DELETE")

    def answer(self, method):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        path, _, query = self.path.partition("?")
        try:
            if not path.startswith("/api/v1/"):
                return self.file(path)
            token = self.server.gallery.options.token
            if token and self.headers.get("authorization") != f"Bearer {token}":
                raise Refused(401, "VR0902", "the token is missing or wrong")
            parts = [urllib.parse.unquote(part) for part in path.split("/")[3:]]
            fields = urllib.parse.parse_qs(query, keep_blank_values=True)
            self.routed(method, parts, fields, body)
        except Refused as refused:
            self.json({"error": refused.error}, refused.status)

    def routed(self, method, parts, fields, body):
        gallery, options = self.server.gallery, self.server.gallery.options
        match (method, *parts):
            case ("GET", "gallery"):
                kinds = [entry["modality"] for entry in gallery.entries.values()]
                cameras = sorted({entry["camera"] for entry in gallery.entries.values() if "camera" in entry})
                told = {"model": {"weights": "drawn", "dim": 128}, "calibrated": not options.not_calibrated}
                counts = {kind: kinds.count(kind) for kind in ("visible", "infrared")}
                self.json(told | counts | {"keeps_images": not options.no_images, "cameras": cameras})
            case ("POST", "crops" | "tracklets"):
                images, fields = self.multipart(body)
                told = gallery.add(images, {name: values[0] for name, values in fields.items()})
                self.json(told, 201 if told["added"] == "new" else 200)
            case ("GET", "crops"):
                entries = list(filter(admits(fields), gallery.entries.values()))
                after, limit = int(first(fields, "after") or 0), int(first(fields, "limit") or 100)
                following = {"next": str(after + limit)} if len(entries) > after + limit else {}
                self.json({"entries": [said(entry) for entry in entries[after : after + limit]]} | following)
            case ("GET", "crops", id):
                self.json(said(gallery.entry(id)))
            case ("DELETE", "crops", id):
                gallery.entry(id)
                del gallery.entries[id]
                gallery.judged = [of for of in gallery.judged if id not in (of["answer"], of.get("query"))]
                self.json({"deleted": 1})
            case ("GET", "crops", id, "image"):
                if not gallery.entry(id)["has_image"]:
                    raise Refused(404, "VR0803", "the image is not kept")
                self.reply(gallery.entry(id)["_image"], "image/png")
            case ("GET", "crops", id, "similar"):
                entry = gallery.entry(id)
                answers = gallery.ranked(entry["_embedding"], entry["modality"], fields)
                self.json({"answers": [answer for answer in answers if answer["id"] != id]})
            case ("POST", "search"):
                images, fields = self.multipart(body)
                self.json({"answers": gallery.ranked(embed(images[0]), first(fields, "modality"), fields)})
            case ("POST", "judgements"):
                judgement = json.loads(body)
                gallery.entry(judgement["answer"])
                gallery.judged.append(judgement)
                self.json(judgement, 201)
            case ("GET", "judgements"):
                self.json({"judgements": gallery.judged})
            case ("GET", "people"):
                people = [{"person": of, "crops": len(all), "entries": all[:12]} for of, all in gallery.people()]
                numbers = [person["person"] for person in people]
                begin = 1 + numbers.index(int(first(fields, "after"))) if "after" in fields else 0
                end = begin + int(first(fields, "limit") or 100)
                following = {"next": str(numbers[end - 1])} if len(people) > end else {}
                alone = sum("person" not in entry for entry in gallery.entries.values())
                self.json({"people": people[begin:end], "unassigned": alone} | following)
            case ("GET", "people", person):
                self.json({"person": int(person), "entries": dict(gallery.people())[int(person)]})
            case ("POST", "people", "cluster"):
                self.json(gallery.cluster())
            case ("POST", "people", "merge"):
                people = json.loads(body)["people"]
                ids = [entry["id"] for of, all in gallery.people() if of in people for entry in all]
                self.assign(ids, people[0])
                self.json({"person": people[0], "crops": len(ids)})
            case ("POST", "people", "split"):
                ids, person = json.loads(body)["entries"], gallery.free_number()
                self.assign(ids, person)
                self.json({"person": person, "crops": len(ids)})
            case ("POST", "people", "remove"):
                for id in json.loads(body)["entries"]:
                    gallery.entry(id).pop("person", None)
                self.json({})
            case _:
                raise Refused(404, "VR0908", f"there is no {'/'.join(parts)}")

    def assign(self, ids, person):
        for id in ids:
            self.server.gallery.entry(id)["person"] = person

    def multipart(self, body):
        head = f"content-type: {self.headers['content-type']}\r\n\r\n".encode()
        images, fields = [], {}
        for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts():
            name, data = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
            if name == "image":
                images.append(data)
            else:
                fields.setdefault(name, []).append(data.decode())
        return images, fields

    def file(self, path):
        if path == "/health":
            return self.json({"status": "ok", "version": "0"})
        name = "index.html" if path == "/" else path[1:]
        if not re.fullmatch(r"[a-z]+\.(html|js|css)", name) or not (PAGE / name).is_file():
            raise Refused(404, "VR0908", f"there is no {path}")
        self.reply((PAGE / name).read_bytes(), TYPES[pathlib.Path(name).suffix])

    def json(self, value, status=200):
        self.reply(json.dumps(value).encode(), "application/json", status)

    def reply(self, data, kind, status=200):
        self.send_response(status)
        headers = {"content-type": kind, "content-length": len(data), "cache-control": "no-store"}
        headers |= {"content-security-policy": CSP, "x-content-type-options": "nosniff"}
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token")
    for flag in ("--no-images", "--not-calibrated"):
        parser.add_argument(flag, action="store_true")
    options = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    server.gallery = Gallery(options)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
