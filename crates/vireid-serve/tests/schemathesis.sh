#!/bin/sh
# Tries the interface against its own document with requests of schemathesis (`pip install schemathesis`).
# Run it in this folder; further arguments are schemathesis's.
set -eu
cargo build --release -p vireid-serve --example stand_in
target=$(cd "${CARGO_TARGET_DIR:-../../../target}" && pwd)
folder=$(mktemp -d)
echo 0123456789abcdef-secret > "$folder/token"
server=
failed=0
trap 'kill $server; rm -r "$folder"' EXIT

# start [TOKEN_FILE]: sets the address
start() {
    "$target/release/examples/stand_in" 0 "$@" > "$folder/lines" &
    server=$!
    until [ -s "$folder/lines" ]; do kill -0 $server; done
    address=$(head -n 1 "$folder/lines")
}

# It keeps a cache where it runs.
cd "$folder"

# A positive request can still be refused: an id that is there, bytes that are no image, a cursor that no page gave.
start
schemathesis run "$address/api/v1/openapi.json" --checks all --exclude-checks positive_data_acceptance \
    --max-examples 60 --seed 1 "$@" || failed=1
kill $server
: > "$folder/lines"
start "$folder/token"
schemathesis run "$address/api/v1/openapi.json" --checks all --exclude-checks positive_data_acceptance \
    --header "Authorization: Bearer $(cat "$folder/token")" --max-examples 20 --seed 2 "$@" || failed=1
exit $failed
