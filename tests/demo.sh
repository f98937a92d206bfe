#!/usr/bin/env bash
# One hash of the demo's 110 lines in portable math over compilers, processors, the browser and ports:
#     tests/demo.sh [folder]          a minute or two, most of it compilers'
# Prints a line for each and fails if a hash is not that of vectors/runs/demo_lines.txt. What is not
# installed is named; for all of it: clang, qemu-user, gcc-{aarch64,s390x,i686}-linux-gnu with their
# C libraries, node, chromium, cargo. PYTHON names the Python that has pymicrograd.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-$(mktemp -d)}
python=${PYTHON:-python3}
flags="$(sed 's/ *#.*//' csrc/flags.txt) -std=gnu11 -DMG_SCALARS_ONLY -DMG_NO_THREADS -Icsrc"
sources=$(make -s -C csrc list-scalars | tr ' ' '\n' | sed 's#^#csrc/#')
wanted=$(sha256sum < vectors/runs/demo_lines.txt)
mkdir -p "$folder"
wrong=0 count=0

# name, command ...: compare the first 110 lines that it prints
try() {
    local name=$1 found
    shift
    if ! command -v "$1" > /dev/null; then echo "not installed: $1"; return; fi
    found=$("$@" 2> "$folder/stderr" | head -n 110 | sha256sum || true)
    count=$((count + 1))
    echo "${found:0:16} $name"
    [ "$found" = "$wanted" ] || { wrong=$((wrong + 1)); head -n 3 "$folder/stderr"; }
}

# name, runner, compiler, flags ...
compiled() {
    local name=$1 runner=$2
    shift 2
    if ! command -v "$1" > /dev/null; then echo "not installed: $1"; return; fi
    # shellcheck disable=SC2086
    "$@" $flags '-DMG_VERSION=""' '-DMG_FLAGS=""' $sources csrc/demo.c -o "$folder/demo" -lm
    # shellcheck disable=SC2086
    try "$name" $runner "$folder/demo" portable
}

for level in -O0 -O3; do compiled "gcc $level" "" gcc $level; done
for clang in clang-19 clang-14 clang; do
    command -v $clang > /dev/null || continue
    for level in -O0 -O3; do compiled "$clang $level" "" $clang $level; done
    break
done
for target in aarch64 s390x; do
    compiled $target qemu-$target-static $target-linux-gnu-gcc -O2 -static
done
compiled i686 "" i686-linux-gnu-gcc -O2 -static -msse2 -mfpmath=sse
try "Python, C core" "$python" -m pymicrograd demo --math portable --no-compare
try "Python, reference" "$python" -m pymicrograd demo --math portable --engine reference
try "WebAssembly, node" node tests/page_demo.mjs
try "WebAssembly, chromium" "$python" tests/browser.py
try "JavaScript" node ports/javascript/demo.js
try "Rust" cargo run -q --release --offline --manifest-path ports/rust/Cargo.toml \
    --target-dir "$folder/rust" --example demo

echo "$count places, $wrong with other digits; ${wanted:0:16} in vectors/"
[ "$wrong" = 0 ]
