#!/usr/bin/env bash
# The tier long, what takes too long for every run; before a release: `bash tests/long.sh`, about
# half an hour, or `bash tests/long.sh asan tsan` for some of them. Each prints one line when it has
# passed; the first that fails ends the run. Nothing is written into the tree.
#
#   asan      the C tests and the Python tests with AddressSanitizer and UBSan in the core
#   tsan      the C tests of threads and of workers, and random calls, with ThreadSanitizer
#   valgrind  the C tests with their full arguments under valgrind
#   soak      100,000 random calls on numbers, and as many on arrays, with each of twenty seeds
#   deep      chains of 10^8 numbers and 2 * 10^6 arrays in a stack of 64 KiB; needs 6 GB of memory
#   programs  10,000 random programs on both engines (pytest --tier long)
#   fuzz      each fuzz target for FUZZ seconds (300): of C with clang's libFuzzer, AddressSanitizer
#             and UBSan, which start from tests/corpus; and the loader of weights
#   digits    the demo's 110 lines from gcc and clang at -O0 to -O3
#
# Needs gcc with its sanitizers, python3 with the test requirements (PYTHON names another one),
# setuptools and cffi; valgrind and clang are used where they are there, and missed aloud.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

strict=$(sed 's/ *#.*//' "$root/csrc/flags.txt")
often=-DMG_ASK_OFTEN=16 # long calls ask so often whether to go on: arrays of test_work are small
sources=$(find "$root/csrc" -name '*.c' ! -name '*.inc.c' ! -name all.c ! -name demo.c ! -name run_program.c)

# library NAME FLAGS...: the core, for compile().
library() {
    local folder=$work/$1
    shift
    rm -rf "$folder" && mkdir "$folder"
    # shellcheck disable=SC2086
    (cd "$folder" && printf '%s\n' $sources | xargs -P 2 -n 1 gcc $strict -I "$root/csrc" "$@" -c)
    ar rcs "$folder/core.a" "$folder"/*.o
}

# compile LIBRARY NAME FLAGS...: one C test, $work/LIBRARY/NAME, with the core.
compile() {
    local folder=$work/$1 name=$2
    shift 2
    # shellcheck disable=SC2086
    gcc $strict "$@" -I "$root/csrc" -I "$root/tests/csrc" -o "$folder/$name" \
        "$root/tests/csrc/$name.c" "$folder/core.a" -lm -lpthread
}

# run COMMAND...: what it prints is shown if it fails.
run() {
    "$@" > "$work/log" 2>&1 || { tail -n 60 "$work/log"; return 1; }
}

# copy_tree FOLDER: the tree as it is, without what was built in it.
copy_tree() {
    mkdir -p "$1"
    tar -C "$root" --exclude=.git --exclude='*.so' --exclude='*.o' --exclude='*.a' \
        --exclude=build --exclude='*.egg-info' --exclude=.venv -cf - . | tar -C "$1" -xf -
}

passed() { echo "ok    $*"; }
missed() { echo "-     $*"; }

programs_of_c="test_api test_handles test_faults test_backward test_random test_deep test_threads
    test_waits test_pool test_arrays test_array_faults test_sweeps test_selftest test_gemm test_kernels
    test_mode test_updates test_work test_programs test_large test_values test_scripts
    fuzz_arrays"

check_asan() {
    local flags="-O1 -g -fno-wrapv -fno-omit-frame-pointer -fsanitize=address,undefined"
    flags+=" -fsanitize=float-cast-overflow -fno-sanitize-recover=undefined $often"
    # shellcheck disable=SC2086
    library asan $flags
    for name in $programs_of_c; do
        # shellcheck disable=SC2086
        compile asan "$name" $flags
        run "$work/asan/$name"
    done
    # shellcheck disable=SC2086
    library limit $flags -DMG_BASELINE_ONLY -DMG_MAX_NODES=8192
    # shellcheck disable=SC2086
    compile limit test_limit $flags
    run "$work/limit/test_limit"
    passed "C tests with AddressSanitizer and UBSan"
    # The pool of blocks hides what runs over a block or uses a freed one. Kernels of the other
    # sets, which take most of the time to compile, have been checked above.
    # shellcheck disable=SC2086
    library blocks $flags -DMG_BASELINE_ONLY -DMG_SEPARATE_BLOCKS
    for name in $programs_of_c; do
        # shellcheck disable=SC2086
        compile blocks "$name" $flags -DMG_BASELINE_ONLY -DMG_SEPARATE_BLOCKS
        run "$work/blocks/$name"
    done
    passed "C tests with every block an allocation of its own, and freed nodes poisoned"

    # Python builds extensions with -DNDEBUG -fwrapv, which blind the sanitizers: undo both.
    copy_tree "$work/tree"
    (cd "$work/tree" && MICROGRAD_CFLAGS="$flags -UNDEBUG" \
        MICROGRAD_LDFLAGS="-fsanitize=address,undefined" \
        "$python" setup.py -q build_ext --inplace > "$work/log" 2>&1) || { cat "$work/log"; return 1; }
    # Tests of the C core alone, of packaging, and of what memory the process holds are not for
    # this build, nor what a process prints where it has no memory, and a handler that is called
    # every millisecond; everything else is.
    # libstdc++ before others load theirs (matplotlib): its exceptions are to be intercepted.
    local preload
    preload="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libstdc++.so)"
    (cd "$work/tree" && LD_PRELOAD=$preload \
        ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 PYTHONMALLOC=malloc \
        PYTHONPATH="$work/tree" "$python" -c "
import pymicrograd
assert 'fsanitize=address' in pymicrograd.build_info(), 'not the sanitized library'
import pytest, sys
sys.exit(pytest.main(['-q', '-x', '-n', '2', '--tier', 'brief', '-p', 'no:cacheprovider', 'tests',
    '--ignore=tests/test_csrc.py', '--ignore=tests/test_csrc_layers.py',
    '--ignore=tests/test_package.py',
    '-k', 'not million_rounds and not bytes_of and not small_stack and not fork_under_way'
    ' and not first_call_of_a_process and not handler_that_runs_a_backward']))
" > "$work/log" 2>&1) || { tail -n 60 "$work/log"; return 1; }
    passed "Python tests with AddressSanitizer and UBSan: $(tail -n 1 "$work/log")"
}

check_tsan() {
    library tsan -O1 -g -fsanitize=thread "$often"
    for command in "test_threads 20000" "test_waits 100" test_work "test_pool 100" \
        "test_large 6" "fuzz_arrays 20000 5"; do
        # shellcheck disable=SC2086
        set -- $command
        compile tsan "$1" -O1 -g -fsanitize=thread "$often"
        run "$work/tsan/$1" "${@:2}"
    done
    passed "threads with ThreadSanitizer"
}

check_valgrind() {
    command -v valgrind > /dev/null || { missed "no valgrind"; return 0; }
    library valgrind -O1 -g "$often"
    # what glibc holds for workers that sleep at the end is "possibly lost"
    local options="-q --error-exitcode=9 --leak-check=full --show-leak-kinds=definite,indirect"
    options+=" --errors-for-leak-kinds=definite,indirect"
    for command in test_api test_handles "test_backward 400" "test_random 20000 3" \
        "test_deep 100000" "test_threads 100" test_work test_arrays "test_array_faults 1" \
        test_updates test_programs test_values "test_sweeps 100000" "test_gemm 20 2" \
        "fuzz_arrays 20000 3"; do # test_pool forks
        # shellcheck disable=SC2086
        set -- $command
        compile valgrind "$1" -O1 -g "$often"
        # shellcheck disable=SC2086
        run valgrind $options "$work/valgrind/$1" "${@:2}"
    done
    passed "C tests under valgrind"
}

check_soak() {
    library soak -O3 -g
    for name in test_random fuzz_arrays; do
        compile soak "$name" -O2 -g
        for seed in $(seq 101 120); do run "$work/soak/$name" 100000 "$seed"; done
    done
    compile soak test_gemm -O2 -g
    run "$work/soak/test_gemm" 5000 7
    passed "four million random calls, and 5,000 random products"
}

check_deep() {
    library deep -O3
    compile deep test_deep -O3
    compile deep test_sweeps -O3
    (ulimit -s 64 && exec "$work/deep/test_sweeps" 2000000 deep) > "$work/log" || { cat "$work/log"; return 1; }
    (ulimit -s 64 && exec "$work/deep/test_deep" 100000000) > "$work/log" || { cat "$work/log"; return 1; }
    passed "$(head -n 1 "$work/log")"
}

check_fuzz() {
    local clang seconds=${FUZZ:-300} flags="-O1 -g -fno-wrapv -DMG_BASELINE_ONLY -DMG_LIBFUZZER"
    clang=$(compgen -c | grep -E '^clang-[0-9]+$' | sort -Vu | tail -n 1)
    [ -n "$clang" ] || { missed "no clang"; return 0; }
    flags+=" -Wno-pass-failed -fsanitize=address,undefined,float-cast-overflow"
    flags+=" -fno-sanitize-recover=undefined"
    mkdir "$work/fuzz"
    # shellcheck disable=SC2086
    (cd "$work/fuzz" && printf '%s\n' $sources | xargs -P 2 -n 1 "$clang" $strict \
        -I "$root/csrc" $flags -fsanitize=fuzzer-no-link -c)
    for name in handles shared sweeps programs; do
        # shellcheck disable=SC2086
        "$clang" $strict $flags -fsanitize=fuzzer -I "$root/csrc" -I "$root/tests/csrc" \
            -o "$work/fuzz/$name" "$root/tests/csrc/fuzz_$name.c" "$work/fuzz"/*.o -lm -lpthread
        cp -r "$root/tests/corpus/$name" "$work/fuzz/corpus-$name"
        # what it finds is left beside the tree, to be kept in tests/corpus
        run "$work/fuzz/$name" -max_total_time="$seconds" -max_len=4000 -timeout=30 \
            -artifact_prefix="$PWD/found-$name-" "$work/fuzz/corpus-$name"
        passed "fuzzing $name: $(tail -n 1 "$work/log")"
    done
    (cd "$root" && PYTHONDONTWRITEBYTECODE=1 run "$python" -m tests.fuzz_loader "$seconds")
    passed "fuzzing the loader: $(tail -n 1 "$work/log")"
}

check_programs() {
    (cd "$root" && "$python" -m pytest -q -x -n 0 --tier long -p no:cacheprovider \
        tests/test_differential.py > "$work/log" 2>&1) || { tail -n 60 "$work/log"; return 1; }
    passed "random programs: $(tail -n 1 "$work/log")"
}

check_digits() {
    local golden=$root/tests/golden/llm101n.txt compilers=0
    if ! grep -q ' fma ' /proc/cpuinfo; then # whose C library gives other digits
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
    [ $# -gt 0 ] || set -- asan tsan valgrind soak deep programs fuzz digits
    break
done
for check in "$@"; do
    declare -F "check_$check" > /dev/null || { echo "no check is called $check" >&2; exit 2; }
done
for check in "$@"; do
    "check_$check"
done
