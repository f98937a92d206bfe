#!/usr/bin/env bash
# One hash over compilers, levels, instruction sets, numbers of threads and processors:
#     tests/bits.sh [folder]          about 15 minutes of computing, most of it compilers'
#     tests/bits.sh quick [folder]    two minutes and a half, one of them the emulator's: gcc and
#                                     clang without optimization, one other processor, which
#                                     has the other order of bytes, and fewer numbers of threads
# Prints a line for each configuration and fails if a hash is not that of csrc/SPEC.md. What is not
# installed is named; for all of it: clang, qemu-user, gcc-{aarch64,s390x,riscv64,i686}-linux-gnu
# with their C libraries (libc6-dev-{arm64,s390x,riscv64,i386}-cross).
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
quick=
if [ "${1:-}" = quick ]; then quick=yes; shift; fi
folder=${1:-$(mktemp -d)}
flags="$(sed 's/ *#.*//' csrc/flags.txt) -std=gnu11"
# gnu11: under c11 gcc computes float as double on s390x, which the sources refuse
sources=$(find csrc -name '*.c' ! -name '*.inc.c' ! -name all.c ! -name demo.c ! -name run_program.c | sort)
mkdir -p "$folder"
hashes=$folder/hashes
: > "$hashes"

# Each set of kernels once, and more threads than one with some: of those that are emulated one run.
is_quick() {
    if [ -n "$3" ]; then [ "$1 $2" = "baseline 2" ]; return; fi
    case "$1 $2" in "baseline 1" | "baseline 3" | "avx2 1" | "avx512 3") return 0 ;; esac
    return 1
}

# configuration name, runner, compiler, flags ...
try() {
    local name=$1 runner=$2 compiler=$3
    shift 3
    if ! command -v "$compiler" > /dev/null; then echo "not installed: $compiler"; return; fi
    rm -f "$folder/hash"
    rm -rf "$folder/objects" && mkdir "$folder/objects"
    # shellcheck disable=SC2086
    (printf '%s\n' tests/csrc/hash.c $sources | sed "s#^#$root/#" | (cd "$folder/objects" &&
        xargs -P 2 -n 1 "$compiler" "$@" $flags "-I$root/csrc" -c))
    "$compiler" "$@" -o "$folder/hash" "$folder/objects"/*.o -lm -pthread
    for isa in baseline avx2 avx512; do
        for threads in 1 2 3 4; do
            if [ -n "$quick" ] && ! is_quick "$isa" "$threads" "$runner"; then continue; fi
            if [ "$isa" != baseline ] && [ -n "$runner" ]; then continue; fi
            if [ -n "$runner" ] && [ "$threads" -gt 2 ]; then continue; fi
            # shellcheck disable=SC2086
            if line=$($runner "$folder/hash" $isa $threads 2> "$folder/stderr"); then
                echo "$line $name" | tee -a "$hashes"
            else
                echo "$name $isa: $(cat "$folder/stderr")"
            fi
        done
    done
}

level=-O2
if [ -n "$quick" ]; then level=-O1; else try gcc-O3 "" gcc -O3; fi
try gcc-O0 "" gcc -O0
separate=$sources
sources="csrc/all.c csrc/kernels/kernels_avx2.c csrc/kernels/kernels_avx512.c"
sources+=" csrc/programs/lanes_avx2.c csrc/programs/lanes_avx512.c"
[ -n "$quick" ] || try gcc-O3-one-file "" gcc -O3 -DMG_X86_SETS
sources=$separate
for clang in clang clang-14 clang-19; do
    command -v $clang > /dev/null || continue
    [ -n "$quick" ] || try $clang-O3 "" $clang -O3
    try $clang-O0 "" $clang -O0
    break
done
for target in s390x aarch64 riscv64; do
    if [ -n "$quick" ] && [ $target != s390x ]; then continue; fi
    try $target "qemu-$target-static" $target-linux-gnu-gcc $level -static
done
[ -n "$quick" ] || try i686-sse2 "" i686-linux-gnu-gcc $level -static -msse2 -mfpmath=sse

count=$(wc -l < "$hashes")
distinct=$(cut -d' ' -f1 "$hashes" | sort -u)
pinned=$(sed -nE 's/^ {4}([0-9a-f]{16})$/\1/p' csrc/SPEC.md)
echo "$count runs, $(wc -w <<< "$distinct") hash(es), $pinned in csrc/SPEC.md"
[ "$distinct" = "$pinned" ]
