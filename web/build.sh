#!/bin/sh
# Builds pymicrograd/web/page.wasm, the engine of Values and what the page adds to it.
#
#     web/build.sh [FILE]
#
# Needs clang with lld, and a C library for wasm32-wasi; Debian: clang lld wasi-libc
# libclang-rt-dev-wasm32. CLANG names another clang than the newest that is installed.
set -e
cd "$(dirname "$0")"
to=${1:-../pymicrograd/web/page.wasm}
clang=${CLANG:-$(for n in 21 20 19 18 17 16 15; do command -v clang-$n || :; done | head -1)}
flags=$(sed 's/ *#.*//' ../csrc/flags.txt)
values=$(make -s -C ../csrc list-scalars)
programs="trace log roll lanes_baseline script"
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' ../pymicrograd/__init__.py)
for name in $values $(for part in $programs; do echo programs/$part.c; done); do
    sources="$sources ../csrc/$name"
done
${clang:-clang} --target=wasm32-wasi -mexec-model=reactor -msimd128 -O3 $flags \
    -Wall -Wextra -Wshadow -Wconversion -DMG_SCALARS_ONLY -DMG_NO_THREADS \
    -DMG_VERSION="\"$version\"" -DMG_FLAGS='"-O3 -msimd128"' -I../csrc -fvisibility=hidden \
    -Wl,--export-dynamic,--strip-all,-z,stack-size=1048576 \
    $sources classifier.c points.c gpt.c text.c -o "$to"
