#!/usr/bin/env bash
# bertrun compare as somebody at a shell meets it. Arguments: source directory, the program.
# BERTRUN_GOLDEN holds tiny models.
set -uo pipefail
source=$1 bertrun=$(realpath "$2")
. "$source/tests/tap.sh"
. "$source/tests/cli/expect.sh"
bert=$BERTRUN_GOLDEN/tiny/bert
classifier=$BERTRUN_GOLDEN/tiny/bert-classifier-f16
multi_label=$BERTRUN_GOLDEN/tiny/distilbert-classifier-bf16
regression=$BERTRUN_GOLDEN/tiny/distilbert-regression
lm=$BERTRUN_GOLDEN/tiny/lstm

# A file of texts, each with the label that the classifier gives it.
make_labelled() {
  local texts=(one two 'one two' 'a b c' 'hello world' 'x y z' 'two one' 'a')
  "$bertrun" --model "$classifier" --precision f32 --format jsonl "${texts[@]}" |
    sed 's/.*"label": "\([a-z]*\)".*/\1/' >labels
  printf 'text\tlabel\n' >data.tsv
  printf '%s\n' "${texts[@]}" | paste - labels >>data.tsv
}

# Pairs of texts with a score, in columns of other order.
make_scored() {
  printf 'split\tscore\tb\ta\n' >data.tsv
  printf 'test\t%s\n' $'5.0\tone\tone' $'2.5\tone two\tone three' $'0\ta b c\tx y z' \
    $'1.5\thello\tworld hello' >>data.tsv
  printf 'train\tnone\tone\tone\n' >>data.tsv
}

# of KEY: the values of a key in ./out, JSON, one a model.
of() {
  tr -d ' ' <out | sed -n "s/^\"$1\":\(.*[^,]\),*$/\1/p" | xargs
}

classify() {
  "$bertrun" compare "$@" --data data.tsv --header --columns text,label --format json >out
}

test_a_model_equals_itself() {
  make_labelled
  classify "$classifier" "$classifier":precision=f32,kernels=auto
  [[ $(of accuracy) == '1.0 1.0' && $(of correct) == '8.0 8.0' && $(of flips) == '0.0 0.0' ]]
  [[ $(of macro_f1) == '1.0 1.0' && $(of rows) == 8 && $(of texts) == 8 ]]
  [[ $(of name) == 'bert-classifier-f16 bert-classifier-f16:precision=f32,kernels=auto' ]]
  [[ $(of cosine_worst) =~ ^(1.0|0.99999999[0-9]*)\ (1.0|0.99999999[0-9]*)$ ]]
  tr -d ' \n' <out | grep -q '"layer_errors":\[0.0,0.0,0.0\]}\]}$'
}

test_accuracy_counts_labels() {
  make_labelled
  sed -i '2s/\t.*/\tpink/; 3s/\t.*/\tpink/; 4s/\t.*/\tpink/' data.tsv
  local right
  right=$(tail -n +2 data.tsv | cut -f2 | paste -d= - labels | awk -F= '$1 == $2' | wc -l)
  [[ $right -ge 5 && $right -lt 8 ]] || fail "the test's texts do not differ: $right"
  classify "$classifier" "$classifier"
  [[ $(of correct) == "$right.0 $right.0" ]]
}

test_labels_may_be_numbers() {
  make_labelled
  sed -i 's/\tred/\t0/; s/\tgreen/\t1/; s/\tblue/\t2/; s/\tgrey/\t3/; s/\tpink/\t4/' data.tsv
  classify "$classifier" "$classifier"
  [[ $(of accuracy) == '1.0 1.0' ]]
}

test_int8_beside_f32() {
  make_labelled
  "$bertrun" convert "$classifier" -o int8.bin
  classify "$classifier" int8.bin int8.bin:activations=batch
  [[ $(of precision) == 'f32 int8 int8' && $(of activations) == 'token token batch' ]]
  [[ $(of cosine_mean) =~ ^[01.9]*\ 0\.99[0-9]*\ 0\.9[0-9]*$ ]] || fail "cosines $(of cosine_mean)"
  local key
  for key in latency_mean_ms latency_std_ms latency_p50_ms latency_p99_ms tokens_per_s \
    peak_rss_mb file_mb; do
    [[ $(of $key) =~ ^[0-9.e-]+\ [0-9.e-]+\ [0-9.e-]+$ ]] || fail "$key: $(of $key)"
  done
}

test_similarity_of_rows_asked_for() {
  make_scored
  "$bertrun" compare "$bert" "$bert":precision=int8 --data data.tsv --header --columns a,b,score \
    --where split=test --format json >out
  [[ $(of rows) == 4 && $(of texts) == 8 && $(of task) == similarity ]]
  [[ $(of spearman) =~ ^-?[01]\.[0-9]+\ -?[01]\.[0-9]+$ ]]
  [[ $(of pearson) =~ ^-?0\.[0-9]+\ -?0\.[0-9]+$ ]]
  # the same by number, without the header; the file on standard input
  tail -n +2 data.tsv | grep ^test | "$bertrun" compare "$bert" "$bert":precision=int8 --data - \
    --columns 4,3,2 --format json >numbers
  grep -E 'spearman|pearson|cosine' out >by_name
  grep -E 'spearman|pearson|cosine' numbers | cmp by_name -
}

test_scores_that_are_the_cosines_correlate_fully() {
  local i
  printf 'one\none two\na b c\nhello\n' >first
  printf 'two\none three\nx y z\nworld hello\n' >second
  for i in 1 2 3 4; do
    "$bertrun" --model "$bert" --similarity --format jsonl "$(sed -n ${i}p first)" \
      "$(sed -n ${i}p second)" | sed -n '1s/.*"similarity": \[[^,]*, \([^]]*\)\].*/\1/p'
  done >scores
  [[ $(sort -u scores | wc -l) == 4 ]]
  paste first second scores >data.tsv
  "$bertrun" compare "$bert" "$bert" --data data.tsv --columns 1,2,3 --format json >out
  [[ $(of spearman) == '1.0 1.0' ]]
  [[ $(of pearson) =~ ^(1.0|0.9999999[0-9]*)\ (1.0|0.9999999[0-9]*)$ ]] || fail "$(of pearson)"
  sed -i 's/\t\(-*[0-9][0-9.e-]*\)$/\t-\1/; s/--//' data.tsv
  "$bertrun" compare "$bert" "$bert" --data data.tsv --columns 1,2,3 --format json >out
  [[ $(of spearman) == '-1.0 -1.0' ]]
}

test_scores_that_are_all_the_same_correlate_with_nothing() {
  make_scored
  sed -i 's/^test\t[0-9.]*/test\t2/' data.tsv
  local end=(--data data.tsv --header --columns a,b,score --where split=test)
  "$bertrun" compare "$bert" "$bert" "${end[@]}" --report out.html >out
  grep -Eq '^bert +none +none +1\.00000' out || fail "$(cat out)"
  grep -q '<td>none</td>' out.html
  ! grep -qiw 'nan' out out.html || fail "$(grep -iwn nan out out.html | head -3)"
  "$bertrun" compare "$bert" "$bert" "${end[@]}" --format json >out
  [[ $(of spearman) == 'null null' ]]
}

test_text_has_all_figures() {
  make_labelled
  "$bertrun" compare "$classifier" "$classifier":precision=int8 --data data.tsv --header \
    --columns text,label >out 2>err
  [[ ! -s err ]] || fail "$(cat err)"
  grep -qE '^data.tsv: 8 rows, 8 texts, [0-9]+ tokens; 1 thread, batches of 32$' out
  grep -qE '^quality +accuracy +correct +macro F1 +flips +cosine mean +worst$' out
  grep -qE '^cost +mean ms +std +p50 +p99 +tokens/s +peak MB +disk MB$' out
  grep -qE '^error by layer +0 +1 +2$' out
  grep -qE '^bert-classifier-f16:precision=int8 +0\.[0-9]+ +0\.[0-9]+ +0\.[0-9]+$' out
}

test_report_needs_nothing_else() {
  make_labelled
  cp -rL "$classifier" 'a<b>&"c'
  "$bertrun" compare "$classifier" 'a<b>&"c' --data data.tsv --header --columns text,label \
    --report report.html >out
  [[ $(grep -c '<svg' report.html) == 3 && $(grep -c '</svg>' report.html) == 3 ]]
  [[ $(tail -1 report.html) == '</html>' ]]
  ! grep -qE 'https?:|src=|<script|<link|url\(|nan|inf[^o]' report.html || fail 'not self-contained'
  grep -q 'a&lt;b&gt;&amp;&quot;c' report.html
  if command -v xmllint >/dev/null; then xmllint --html --noout report.html; fi
}

test_report_is_whole_or_not_there() {
  make_labelled
  expect 1 '/nowhere/x.html: cannot create' "$bertrun" compare "$classifier" "$classifier" \
    --data data.tsv --header --columns text,label --report /nowhere/x.html
  expect 1 'data.tsv: line 1: no column' "$bertrun" compare "$classifier" "$classifier" \
    --data data.tsv --header --columns text,lable --report report.html
  [[ ! -e report.html ]]
}

test_command_line() {
  make_labelled
  local end=(--data data.tsv --header --columns "text,label")
  expect 2 'two models or more' "$bertrun" compare "$classifier" "${end[@]}"
  expect 2 '--data: missing' "$bertrun" compare "$classifier" "$classifier" --columns 1,2
  expect 2 '--columns: missing' "$bertrun" compare "$classifier" "$classifier" --data data.tsv
  expect 2 '--columns: text: neither' \
    "$bertrun" compare "$classifier" "$classifier" --data data.tsv --header --columns text
  expect 2 "bert:speed=9: 'speed' is none of precision, activations, weights" \
    "$bertrun" compare "$bert:speed=9" "$bert" "${end[@]}"
  expect 2 "bert:activations=row: 'row' is none of" \
    "$bertrun" compare "$bert:activations=row" "$bert" "${end[@]}"
  expect 2 "--where: 'label' is not COLUMN=VALUE" \
    "$bertrun" compare "$classifier" "$classifier" "${end[@]}" --where label
  expect 2 '--batch-size: 0 is out of range' \
    "$bertrun" compare "$classifier" "$classifier" "${end[@]}" --batch-size 0
}

test_bad_data_names_file_and_line() {
  make_labelled
  local models=("$classifier" "$classifier") end=(--data data.tsv --header --columns "text,label")
  printf 'fine\tpurple\n' >>data.tsv
  expect 1 "data.tsv: line 10: 'purple' is none of the model's 5 labels" \
    "$bertrun" compare "${models[@]}" "${end[@]}"
  sed -i '10s/.*/fine\t5/' data.tsv
  expect 1 "data.tsv: line 10: '5' is none of" "$bertrun" compare "${models[@]}" "${end[@]}"
  expect 1 'data.tsv: there are no such rows' \
    "$bertrun" compare "${models[@]}" "${end[@]}" --where label=purple
  sed -i '10s/.*/alone/' data.tsv
  expect 1 'data.tsv: line 10: has 1 columns, but column 2 is asked for' \
    "$bertrun" compare "${models[@]}" "${end[@]}"
  expect 1 'missing.tsv: cannot open' \
    "$bertrun" compare "${models[@]}" --data missing.tsv --columns 1,2
  make_scored
  expect 1 "data.tsv: line 6: 'none' is not a score" \
    "$bertrun" compare "$bert" "$bert" --data data.tsv --header --columns a,b,score
}

test_models_that_cannot_be_compared() {
  make_labelled
  local end=(--data data.tsv --header --columns "text,label")
  printf 'one\ttwo\t1\n' >pair.tsv
  expect 1 'bert-classifier-f16 and bert cannot be compared: they have different tasks' \
    "$bertrun" compare "$classifier" "$bert" --data pair.tsv --columns 1,2,3
  expect 1 'missing' "$bertrun" compare "$classifier" missing "${end[@]}"
  expect 1 "--columns: text,label: bert needs two texts and a score" \
    "$bertrun" compare "$bert" "$bert" "${end[@]}"
  local model
  for model in "$regression" "$multi_label"; do
    expect 1 'does not choose one of several labels' \
      "$bertrun" compare "$model" "$model" "${end[@]}"
  done
}

# Two language models, of f32 and of int8, and a text.
make_lm() {
  "$bertrun" convert "$lm" -o f32.bin --dtype f32 2>/dev/null
  "$bertrun" convert "$lm" -o int8.bin 2>/dev/null
  printf 'the man sat on the mat .\nis it not so ?\n' >text
}

test_language_models_are_compared_by_perplexity() {
  make_lm
  "$bertrun" compare f32.bin int8.bin f32.bin:precision=int8 --data text --batch-size 2 --bptt 2 \
    --format json >out
  [[ $(of task) == language-model && $(of words) == 14 && $(of unknown_words) == 1 ]]
  [[ $(of precision) == 'f32 int8 int8' && $(of stored_dtype) == 'f32 int8 f32' ]]
  local key model perplexities
  perplexities=$(for model in f32.bin int8.bin; do
    "$bertrun" lm --model $model --perplexity text --batch-size 2 | awk '/^perplexity/ { print $2 }'
  done | xargs)
  [[ $(of perplexity | xargs printf '%.3f ' | cut -d' ' -f1,2) == "$perplexities" ]] ||
    fail "perplexity $(of perplexity), bertrun lm: $perplexities"
  [[ $(of perplexity_change_percent) =~ ^0.0\ (-?[0-9.e-]+)\ (-?[0-9.e-]+)$ ]]
  [[ $(of log_prob_error_mean) =~ ^0.0\ 0\.0[0-9]+\ 0\.0[0-9]+$ ]]
  [[ $(of log_prob_error_worst) =~ ^0.0\ 0\.[0-9]+\ 0\.[0-9]+$ ]]
  for key in latency_mean_ms latency_std_ms latency_p50_ms latency_p99_ms tokens_per_s \
    peak_rss_mb file_mb; do
    [[ $(of $key) =~ ^[0-9.e-]+\ [0-9.e-]+\ [0-9.e-]+$ ]] || fail "$key: $(of $key)"
  done
  ! grep -q layer_errors out
}

test_words_of_a_call_change_no_bit() {
  make_lm
  local bptt
  for bptt in 1 3 1000000000; do
    "$bertrun" compare int8.bin int8.bin --data - --batch-size 2 --bptt $bptt --format json <text >out
    of perplexity
  done >perplexities
  [[ $(sort -u perplexities | wc -l) == 1 ]] || fail "$(cat perplexities)"
}

test_language_models_as_text_and_report() {
  make_lm
  "$bertrun" compare f32.bin int8.bin --data text --batch-size 2 --report report.html >out 2>err
  [[ ! -s err ]] || fail "$(cat err)"
  grep -qE '^text: 14 words, 1 of them not in the vocabulary; 1 thread, 2 columns, 35 words' out
  grep -qE '^quality +perplexity +change % +log p error +worst$' out
  grep -qE '^cost +mean ms +std +p50 +p99 +tokens/s +peak MB +disk MB$' out
  ! grep -q layer out
  [[ $(grep -c '<svg' report.html) == 2 && $(tail -1 report.html) == '</html>' ]]
  grep -q 'median latency of a call, ms' report.html
  grep -q 'further down and further left' report.html
  ! grep -qE 'https?:|src=|<script|<link|url\(|nan|inf[^o]' report.html || fail 'not self-contained'
  if command -v xmllint >/dev/null; then xmllint --html --noout report.html; fi
}

test_language_models_that_cannot_be_compared() {
  make_lm
  expect 1 'int8.bin and bert cannot be compared: only one of them is a language model' \
    "$bertrun" compare int8.bin "$bert" --data text
  expect 2 '--columns: language models are compared on a text' \
    "$bertrun" compare int8.bin int8.bin --data text --columns 1,2
  expect 2 '--header: language models are' \
    "$bertrun" compare int8.bin int8.bin --data text --header
  expect 2 '--bptt: only language models have it' \
    "$bertrun" compare "$bert" "$bert" --data text --columns 1,2,3 --bptt 3
  expect 1 'activations: a language model quantizes' \
    "$bertrun" compare int8.bin int8.bin:activations=batch --data text --batch-size 2
  expect 1 'nowhere: cannot open' "$bertrun" compare int8.bin int8.bin --data nowhere
  expect 1 'text: 14 words are too few for 10 columns' \
    "$bertrun" compare int8.bin int8.bin --data text
  expect 1 'standard input: 0 words are too few' "$bertrun" compare int8.bin int8.bin --data -
  cp -r "$lm" other
  chmod -R u+w other
  sed -i '2{h;d};3{G}' other/vocab.txt
  expect 1 'int8.bin and other cannot be compared: they have different vocabularies' \
    "$bertrun" compare int8.bin other --data text --batch-size 2
}

run_cases
