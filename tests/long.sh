#!/usr/bin/env bash
# The checks that take too long for every run; before a release: `bash tests/long.sh`, about ten
# minutes, or `bash tests/long.sh asan tsan` for some of them. Each prints one line when it has
# passed; the first that fails ends the run. Nothing is written into the tree.
#
#   asan      the C tests and the Python tests with AddressSanitizer and UBSan in the core
#   tsan      the C test of threads with ThreadSanitizer
#   valgrind  the C tests with their full arguments under valgrind
#   soak      100,000 random calls with each of twenty seeds
#   deep      a chain of 10^8 nodes in a stack of 64 KiB; needs 6 GB of memory
#   programs  10,000 random programs on both engines (the long profile of hypothesis)
#   digits    the demo's 110 lines from gcc and clang at -O0 to -O3
#
# Needs gcc with its sanitizers, python3 with the test requirements (PYTHON names another one),
# setuptools and cffi; valgrind and clang are used where they are there, and missed aloud.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

strict="-std=c11 -ffp-contract=off -fno-trapping-math -fno-math-errno -fno-builtin-pow"
sources=$(find "$root/csrc" -name '*.c' ! -name demo.c)

# compile NAME OUTPUT FLAGS...: one C test with the core.
compile() {
    local name=$1 output=$2
    shift 2
    # shellcheck disable=SC2086
    gcc $strict "$@" -I "$root/csrc" -I "$root/tests/csrc" -o "$output" \
        "$root/tests/csrc/$name.c" $sources -lm -lpthread
}

# copy_tree FOLDER: the tree as it is, without what was built in it.
copy_tree() {
    mkdir -p "$1"
    tar -C "$root" --exclude=.git --exclude='*.so' --exclude='*.o' --exclude='*.a' \
        --exclude=build --exclude='*.egg-info' --exclude=.venv -cf - . | tar -C "$1" -xf -
}

passed() { echo "ok    $*"; }
missed() { echo "-     $*"; }

programs_of_c="api handles faults backward random deep threads"

check_asan() {
    local flags="-O1 -g -fno-wrapv -fno-omit-frame-pointer -fsanitize=address,undefined"
    flags+=" -fsanitize=float-cast-overflow -fno-sanitize-recover=undefined"
    for name in $programs_of_c; do
        # shellcheck disable=SC2086
        compile "test_$name" "$work/$name" $flags
        "$work/$name" > "$work/log" || { cat "$work/log"; return 1; }
    done
    # shellcheck disable=SC2086
    compile test_limit "$work/limit" $flags -DMG_MAX_NODES=8192
    "$work/limit" > "$work/log" || { cat "$work/log"; return 1; }
    passed "C tests with AddressSanitizer and UBSan"

    # Python builds extensions with -DNDEBUG -fwrapv, which blind the sanitizers: undo both.
    copy_tree "$work/asan"
    (cd "$work/asan" && MICROGRAD_CFLAGS="$flags -UNDEBUG" \
        MICROGRAD_LDFLAGS="-fsanitize=address,undefined" \
        "$python" setup.py -q build_ext --inplace > "$work/log" 2>&1) || { cat "$work/log"; return 1; }
    # Tests of the C core alone, of packaging, and of what memory the process holds are not for
    # this build; everything else is.
    (cd "$work/asan" && LD_PRELOAD=$(gcc -print-file-name=libasan.so) \
        ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 PYTHONMALLOC=malloc \
        PYTHONPATH="$work/asan" "$python" -c "
import pymicrograd
assert 'fsanitize=address' in pymicrograd.build_info(), 'not the sanitized library'
import pytest, sys
sys.exit(pytest.main(['-q', '-x', '-p', 'no:cacheprovider', 'tests',
    '--ignore=tests/test_csrc.py', '--ignore=tests/test_package.py',
    '-k', 'not million_rounds and not bytes_of and not small_stack and not fork_under_way']))
" > "$work/log" 2>&1) || { tail -n 60 "$work/log"; return 1; }
    passed "Python tests with AddressSanitizer and UBSan: $(tail -n 1 "$work/log")"
}

check_tsan() {
    compile test_threads "$work/tsan" -O1 -g -fsanitize=thread
    "$work/tsan" 20000 > "$work/log" 2>&1 || { cat "$work/log"; return 1; }
    passed "threads with ThreadSanitizer"
}

check_valgrind() {
    command -v valgrind > /dev/null || { missed "no valgrind"; return 0; }
    for command in api "handles" "backward 400" "random 20000 3" "deep 100000" "threads 100"; do
        # shellcheck disable=SC2086
        set -- $command
        compile "test_$1" "$work/$1" -O1 -g
        valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=all \
            "$work/$1" "${@:2}" > "$work/log" 2>&1 || { cat "$work/log"; return 1; }
    done
    passed "C tests under valgrind"
}

check_soak() {
    compile test_random "$work/soak" -O2 -g
    for seed in $(seq 101 120); do
        "$work/soak" 100000 "$seed" > "$work/log" || { cat "$work/log"; return 1; }
    done
    passed "two million random calls"
}

check_deep() {
    compile test_deep "$work/deep" -O3
    (ulimit -s 64 && exec "$work/deep" 100000000) > "$work/log" || { cat "$work/log"; return 1; }
    passed "$(head -n 1 "$work/log")"
}

check_programs() {
    (cd "$root" && PYMICROGRAD_TESTS=long "$python" -m pytest -q -x -p no:cacheprovider \
        tests/test_differential.py > "$work/log" 2>&1) || { tail -n 60 "$work/log"; return 1; }
    passed "random programs: $(tail -n 1 "$work/log")"
}

check_digits() {
    local golden=$root/../shared/golden/llm101n_seed_stdout.txt compilers=0
    if [ ! -e "$golden" ]; then
        golden=$work/golden
        (cd "$root" && "$python" -m pymicrograd demo --engine reference | head -n 110) > "$golden"
    fi
    for compiler in gcc clang $(compgen -c | grep -E '^clang-[0-9]+$' | sort -u); do
        command -v "$compiler" > /dev/null || { missed "no $compiler"; continue; }
        for level in -O0 -O1 -O2 -O3; do
            rm -rf "$work/digits" && mkdir "$work/digits"
            cp -r "$root/csrc" "$root/pyproject.toml" "$root/pymicrograd" "$work/digits"
            make -s -C "$work/digits/csrc" clean
            make -s -C "$work/digits/csrc" CC="$compiler" CFLAGS="$level -Werror"
            "$work/digits/csrc/demo" | head -n 110 | cmp - "$golden"
        done
        compilers=$((compilers + 1))
    done
    passed "the demo's lines from $compilers compilers at four levels"
}

for check in "${@:-asan}" ; do
    [ $# -gt 0 ] || set -- asan tsan valgrind soak deep programs digits
    break
done
for check in "$@"; do
    declare -F "check_$check" > /dev/null || { echo "no check is called $check" >&2; exit 2; }
done
for check in "$@"; do
    "check_$check"
done
