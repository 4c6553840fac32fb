#!/usr/bin/env bash
# The program whose output cannot be written, whose reader goes away, that is interrupted or killed: it says so,
# and nothing is half written. Arguments: source directory, the program.
set -uo pipefail
source=$1 bertrun=$(realpath "$2")
. "$source/tests/tap.sh"
. "$source/tests/cli/expect.sh"
bert=$BERTRUN_GOLDEN/tiny/bert
lstm=$BERTRUN_GOLDEN/tiny/lstm

# Every command that prints, with little to do.
commands() {
  printf 'sentence1\tsentence2\tscore\na b\ta\t1\nc\td e\t0\n' >pairs.tsv
  "$@" "$bertrun" --model "$bert" --format jsonl hello
  "$@" "$bertrun" tokenize --model "$bert" hello
  "$@" "$bertrun" info "$bert"
  "$@" "$bertrun" info "$bert" --json
  "$@" "$bertrun" info "$bert" --weights
  "$@" "$bertrun" rerank --model "$BERTRUN_GOLDEN/tiny/bert-cross-encoder" --query a b c
  "$@" "$bertrun" lm --model "$lstm" --generate 3 cat
  "$@" "$bertrun" compare "$bert" "$bert" --data pairs.tsv --header --columns sentence1,sentence2,score
  "$@" "$bertrun" --help
}

full() {
  # shellcheck disable=SC2016
  expect 1 '^bertrun: standard output: cannot write(: No space left.*)?$' bash -c '"$@" >/dev/full' - "$@"
}

test_full_disk() {
  commands full
}

closed() {
  rm -f pipe
  mkfifo pipe
  exec 4<>pipe 5>pipe 4>&- # of which 5 is an end that nobody reads
  # shellcheck disable=SC2016
  expect 1 '^bertrun: standard output: cannot write(: Broken pipe)?$' bash -c '"$@" >&5' - "$@"
  exec 5>&-
}

test_closed_pipe() {
  commands closed
}

# A closed stream's number goes to the next file that is opened, which must not get what is meant for the stream.
test_closed_streams() {
  local cut=("$bertrun" --model "$bert" --max-length 3 --format jsonl)
  "${cut[@]}" 'the cat sat' >right 2>/dev/null
  "${cut[@]}" -o result 'the cat sat' 2>&-
  cmp right result
  "${cut[@]}" -o result 'the cat sat' >&- 2>&- <&- || true
  cmp right result
  # shellcheck disable=SC2016
  expect 1 'standard output: cannot write' bash -c '"$@" >&-' - "$bertrun" info "$bert"
  # shellcheck disable=SC2016
  expect 1 'standard input: cannot read' bash -c '"$@" <&-' - "${cut[@]}"
}

# As a disk that is full in the middle: files end after 8 KB.
test_file_that_gets_too_large() {
  echo before >model.bin
  trap '' XFSZ # write() says EFBIG
  ulimit -f 8
  expect 1 'model.bin: cannot write: File too large' "$bertrun" convert "$bert" -o model.bin
  printf 'a b c\n%.0s' {1..500} >texts
  expect 1 'x.npy: cannot write: File too large' "$bertrun" --model "$bert" --format npy --input texts -o x.npy
  [[ $(cat model.bin) == before && $(echo *) == 'err model.bin out texts' ]]
}

test_killed_while_writing() {
  echo before >model.bin
  local code=0
  (ulimit -c 0 -f 8 && exec "$bertrun" convert "$bert" -o model.bin) || code=$?
  [[ $code == 153 ]] || fail "exit code $code" # 128 + SIGXFSZ
  [[ $(cat model.bin) == before ]]
  stat -f -c %T . | grep -qE '^(ext2/ext3|xfs|btrfs|tmpfs)$' || skip 'needs O_TMPFILE'
  [[ $(echo *) == model.bin ]]
}

# interrupted SIGNAL CODE: while texts come in.
interrupted() {
  mkfifo texts
  env --default-signal=INT,HUP "$bertrun" --model "$bert" --input texts -o result.txt 2>err &
  local pid=$! code=0
  exec 3>texts
  echo hello >&3
  while [[ ! $(find . -name '*.tmp') ]] && kill -0 "$pid"; do sleep 0.02; done
  kill "-$1" "$pid"
  wait "$pid" || code=$?
  exec 3>&-
  [[ $code == "$2" ]] || fail "exit code $code"
  [[ ! -s err && $(echo *) == 'err texts' ]]
}

test_interrupt() {
  interrupted INT 130
}

test_terminated() {
  interrupted TERM 143
}

test_hang_up() {
  interrupted HUP 129
}

run_cases
