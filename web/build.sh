#!/bin/sh
# Builds pymicrograd/web/page.wasm: the engine of Values, its programs, and what the page adds.
#
#     web/build.sh [FILE]
#     web/build.sh --list     the sources, seen from csrc
#
# Needs clang with lld, and a C library for wasm32-wasi; Debian: clang lld wasi-libc
# libclang-rt-dev-wasm32. CLANG names another clang than the newest that is installed.
set -e
case $1 in
    "") to=../pymicrograd/web/page.wasm ;;
    /*) to=$1 ;;
    *) to=$PWD/$1 ;;
esac
cd "$(dirname "$0")/../csrc"
sources=$(make -s list-scalars)
for name in trace log choose roll lanes_baseline script; do sources="$sources programs/$name.c"; done
for name in classifier points gpt text; do sources="$sources ../web/$name.c"; done
if [ "$1" = --list ]; then echo $sources; exit; fi

clang=${CLANG:-$(for n in 21 20 19 18 17 16 15; do command -v clang-$n || :; done | head -1)}
# What JavaScript calls is marked in ../web; tests ask these for the answers in ../vectors.
for name in arena_new backward data grad gradients leaf op_arity op_name record record_number \
    rng_normal rng_permutation rng_random rng_seed rng_u32 scalar_op_count set_ieee set_math \
    zero_gradients; do
    asked="$asked,--export=mg_$name"
done
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' ../pymicrograd/__init__.py)
${clang:-clang} --target=wasm32-wasi -mexec-model=reactor -msimd128 -O3 \
    $(sed 's/ *#.*//' flags.txt) -Wall -Wextra -Wshadow -Wconversion \
    -DMG_SCALARS_ONLY -DMG_NO_THREADS -DMG_VERSION="\"$version\"" \
    -DMG_FLAGS='"-O3 -msimd128"' -I. -fvisibility=hidden \
    -Wl,--export-dynamic$asked,--strip-all,-z,stack-size=1048576 $sources -o "$to"
chmod 644 "$to"
