#!/usr/bin/env bash
# Runs what `cargo xtask device-kit` packed, on a machine with an NVIDIA card, its driver and CUDA 13's libraries (or PyTorch's
# wheels), without Rust and without a network:
#
#   tar xzf device-kit.tar.gz && bash device-kit/run.sh [PART...]
#
# Parts: machine tests steps-f32 steps-bf16 peer algorithms train flat neighbours. Every part writes OUT/PART.txt as it goes, and
# what it measured to OUT/measured.jsonl with its command, its seconds and the card's memory at most.
#
#   OUT=results     folder for the answers
#   LIMIT=280       seconds for all; what no longer fits is left out and said
#   DEVICE=cuda:0   device, as the program names it
#   PYTHON=python3  a Python with PyTorch, for the peer
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
OUT=$(mkdir -p "${OUT:-results}" && cd "${OUT:-results}" && pwd)
LIMIT=${LIMIT:-280}
DEVICE=${DEVICE:-cuda:0}
PYTHON=${PYTHON:-python3}
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(machine tests steps-f32 steps-bf16 peer train flat neighbours)
studies=$here/bin/studies
vireid=$here/bin/vireid
export VIREID_GOLDEN_DIR=$here/golden

# The headers that kernels include: a toolkit's, else those of the kit.
if [ -z "${CUDA_PATH:-}" ] || [ ! -e "$CUDA_PATH/include/mma.h" ]; then
  for candidate in /usr/local/cuda /opt/cuda "$here/toolkit"; do
    [ -e "$candidate/include/mma.h" ] && CUDA_PATH=$candidate && break
  done
fi
export CUDA_PATH=${CUDA_PATH:-$here/toolkit}
# libnvrtc: a toolkit's, else that of Python's wheels.
wheels=$("$PYTHON" - 2>/dev/null <<'P'
import glob, os, sys
for root in sys.path:
    for found in glob.glob(os.path.join(root, "nvidia", "*", "lib", "libnvrtc.so*")):
        print(os.path.dirname(found))
        sys.exit()
P
)
export LD_LIBRARY_PATH=$CUDA_PATH/lib64:$CUDA_PATH/targets/x86_64-linux/lib:$wheels:${LD_LIBRARY_PATH:-}
smi=$(command -v nvidia-smi || true)
cd "$(mktemp -d)" || exit 1

# measure PART SECONDS COMMAND...: what it prints goes to the part's file, its JSON lines to measured.jsonl.
measure() {
  local part=$1 limit=$2 start=$SECONDS sampler= peak=null log=$OUT/$1.txt
  shift 2
  local left=$((LIMIT - SECONDS))
  if [ "$left" -lt 10 ]; then echo "left out, no time: $*" | tee -a "$log"; return 0; fi
  [ "$limit" -lt "$left" ] || limit=$left
  echo "== $* (at most $limit s)" >>"$log"
  if [ -n "$smi" ]; then
    "$smi" --query-gpu=memory.used --format=csv,noheader,nounits -i "${DEVICE#*:}" -lms 100 >memory.txt 2>/dev/null &
    sampler=$!
  fi
  timeout -k 5 "$limit" "$@" >stdout.txt 2>stderr.txt
  local rc=$?
  if [ -n "$sampler" ]; then
    kill "$sampler" 2>/dev/null
    wait "$sampler" 2>/dev/null
    peak=$(sort -n memory.txt | tail -n 1)
  fi
  local seconds=$((SECONDS - start))
  cat stdout.txt >>"$log"
  tail -c 20000 stderr.txt | tr '\r' '\n' | grep -v '^$' >>"$log"
  echo "== rc $rc after $seconds s, ${peak:-null} MiB on the card at most" | tee -a "$log"
  { grep -h '^{"seconds"' stdout.txt || echo '{}'; } | while read -r line; do
    printf '{"command": "%s", "rc": %s, "wall_seconds": %s, "card_mib": %s, "measured": %s}\n' \
      "$(basename "$1") ${*:2}" "$rc" "$seconds" "${peak:-null}" "$line"
  done >>"$OUT/measured.jsonl"
  return $rc
}

step() { # PART IMAGES MORE...
  local part=$1 images=$2
  shift 2
  measure "$part" 75 "$studies" bench one resnet50-step --images "$images" --device "$DEVICE" "$@"
}

steps() { # PART MORE...: the papers' batch, and smaller ones; where a batch does not fit, with activations made again
  local part=$1
  shift
  for images in 63 192 432; do
    step "$part" "$images" --convolution product "$@"
  done
  step "$part" 432 --convolution product --checkpointing "$@"
}

for part in "${parts[@]}"; do
  echo "$part, $SECONDS s"
  case $part in
    machine)
      {
        [ -n "$smi" ] && "$smi" --query-gpu=name,memory.total,driver_version --format=csv,noheader
        echo "CUDA_PATH=$CUDA_PATH"
        ls "$CUDA_PATH/include/mma.h" "$CUDA_PATH"/lib64/libnvrtc.so* "$wheels"/libnvrtc.so* 2>/dev/null
        grep -m 1 'model name' /proc/cpuinfo
        nproc
        "$PYTHON" -c 'import torch; print("PyTorch", torch.__version__)' 2>/dev/null
        "$vireid" devices
      } 2>&1 | tee "$OUT/machine.txt"
      ;;
    tests) measure tests 90 "$studies" device-tests --device "$DEVICE" --out "$OUT/device_tests_cuda.json" ;;
    steps-f32) steps steps-f32 ;;
    steps-bf16) steps steps-bf16 --bf16 ;;
    peer)
      for precision in f32 bf16; do
        for images in 63 192 432; do
          measure peer 60 "$PYTHON" "$here/train.py" resnet50-step "$DEVICE" "$images" "$precision"
        done
      done
      ;;
    # One algorithm a process: each compiles a kernel for every shape.
    algorithms)
      for algorithm in sync-cmma sync-mma async-cmma async-mma tma-cmma tma-mma stock; do
        step algorithms 63 --convolution "$algorithm"
      done
      ;;
    train)
      measure train 200 "$studies" worlds --world sysu --methods mbccm,mult --world-seeds 6 --seeds 0 --device "$DEVICE" \
        --out "$OUT/methods_cuda.json"
      ;;
    # Two thousand steps of one run, and what the card held meanwhile.
    flat)
      measure flat 150 "$vireid" train --method mbccm --device "$DEVICE" --out flat --set stage1.epochs=1 \
        --set stage1.iterations=2000 --set stage2.epochs=0
      [ -e memory.txt ] && awk '{ used[NR] = $1 } END {
        for (tenth = 1; tenth <= 10; tenth++) printf "%s%s", used[int(NR * tenth / 10)], tenth < 10 ? " " : " MiB by tenths of the time\n"
      }' memory.txt | tee -a "$OUT/flat.txt"
      ;;
    neighbours) measure neighbours 90 "$studies" bench one device-neighbours --device "$DEVICE" ;;
    *) echo "there is no part '$part'" >&2; exit 2 ;;
  esac
done
echo "done after $SECONDS s: $OUT"
