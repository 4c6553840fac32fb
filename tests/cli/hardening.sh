#!/usr/bin/env bash
# What SECURITY.md says of a release build, read off the files. Arguments: source directory, the
# program, the shared library. Needs readelf, which comes with the linker.
set -uo pipefail
source=$1
files=("$(realpath "$2")" "$(realpath "$3")")
. "$source/tests/tap.sh"

# each_file READELF_OPTION REGEX: a line of readelf's matches in both files.
each_file() {
  local file
  for file in "${files[@]}"; do
    readelf -W "$1" "$file" | grep -E -- "$2" >matches || fail "$file: no line of readelf $1 matches $2"
  done
}

test_relocations_are_read_only_once_it_runs() {
  each_file --segments GNU_RELRO
  each_file --dynamic 'FLAGS.*NOW'
}

test_the_stack_holds_no_code() {
  each_file --segments 'GNU_STACK .* RW '
}

test_nothing_is_both_written_and_run() {
  local file
  for file in "${files[@]}"; do
    ! readelf -W --segments "$file" | grep -E ' RWE ' || fail "$file"
  done
}

test_the_program_lies_anywhere() {
  readelf -W --file-header "${files[0]}" | grep 'Type: *DYN' || fail "not of type DYN"
  readelf -W --dynamic "${files[0]}" | grep 'FLAGS_1.*PIE' || fail "no PIE"
}

test_sizes_and_stacks_are_checked() {
  each_file --dyn-syms '__(memcpy|snprintf|memset)_chk'
  each_file --dyn-syms '__stack_chk_fail'
}

test_neither_network_nor_other_programs() {
  local file called
  for file in "${files[@]}"; do
    called=$(readelf -W --dyn-syms "$file" |
      grep -owE 'socket|connect|bind|sendto|getaddrinfo|gethostbyname|dlopen|system|popen|posix_spawnp?|exec[vl]p?e?') || true
    [[ -z $called ]] || fail "$file:" "$called"
  done
}

run_cases
