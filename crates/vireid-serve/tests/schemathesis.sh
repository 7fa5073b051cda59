#!/bin/sh
# Tries the interface against its own document with requests of schemathesis (`pip install schemathesis`).
# Run it in this folder; further arguments are schemathesis's.
set -eu
cargo build --release -p vireid-serve --example stand_in
target=${CARGO_TARGET_DIR:-../../../target}
lines=$(mktemp)
"$target/release/examples/stand_in" 0 > "$lines" &
server=$!
trap 'kill $server; rm -f "$lines"' EXIT
until [ -s "$lines" ]; do kill -0 $server; done
# A positive request can still be refused: an id that is there, bytes that are no image, a cursor that no page gave.
schemathesis run "$(head -n 1 "$lines")/api/v1/openapi.json" --checks all \
    --exclude-checks positive_data_acceptance,ignored_auth --max-examples 60 --seed 1 "$@"
