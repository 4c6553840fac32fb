# What the tests of the program share; sourced.
# shellcheck shell=bash

# expect CODE PATTERN COMMAND...: the exit code, and one line on standard error that matches.
expect() {
  local code=0 wanted=$1 pattern=$2
  shift 2
  "$@" >out 2>err </dev/null || code=$?
  [[ $code == "$wanted" ]] || fail "exit code $code instead of $wanted: $*" "$(cat err)"
  [[ $(wc -l <err) == 1 ]] || fail "not one line on standard error: $*" "$(cat err)"
  grep -qE -- "$pattern" err || fail "no match for '$pattern': $(cat err)"
}

# shows PATTERN COMMAND...: standard output has a line that matches; left in ./out.
shows() {
  local pattern=$1
  shift
  "$@" >out || fail "exit code $?: $*"
  grep -aqE -- "$pattern" out || fail "no match for '$pattern' in the output of $*"
}
