# How the demo shows things: a heading, the command as one would type it, its
# output, and an end with the logs of $folder when something is not as announced.
# shellcheck shell=bash
# shellcheck disable=SC2034 # the other parts use what is found out here

: "${folder:?}"
bold='' dim='' green='' red='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
fi
step_number=0
took_ms=0 # of the last command

title() {
	printf '\n%s%s%s\n\n' "$bold" "$1" "$plain"
}

note() {
	printf '%s\n' "$1" | sed 's/^/   /'
}

step() {
	step_number=$((step_number + 1))
	printf '\n%s%d. %s%s\n' "$bold" "$step_number" "$1" "$plain"
}

proved() {
	printf '   %sok%s  %s\n' "$green" "$plain" "$1"
}

# prompt PLACE COMMAND: the command line as somebody there would type it
prompt() {
	printf '   %s%s$%s %s\n' "$dim" "$1" "$plain" "$2"
}

fail() {
	printf '\n   %snot as expected:%s %s\n' "$red" "$plain" "$1" >&2
	for log in "$folder"/*.log; do
		[ -s "$log" ] || continue
		printf '\n   --- %s\n' "${log##*/}" >&2
		tail -n 20 "$log" | sed 's/^/   /' >&2
	done
	exit 1
}

now_ms() {
	local now=$EPOCHREALTIME
	echo $((${now%[.,]*} * 1000 + 10#${now#*[.,]} / 1000))
}

# Runs a command line in the cloud and shows it; leaves $status, $output, $took_ms.
shown() {
	local start
	prompt cloud "$1"
	start=$(now_ms)
	status=0
	output=$(in_place cloud bash -c "$1" 2>&1 </dev/null) || status=$?
	took_ms=$(($(now_ms) - start))
	printf '%s\n' "$output" | sed 's/^/   /'
}

# works PATTERN COMMAND: must succeed and say so
works() {
	shown "$2"
	[ "$status" = 0 ] || fail "status $status"
	grep -qE -- "$1" <<<"$output" || fail "the output has no \"$1\""
}

# fails PATTERN COMMAND: must fail, and with these words
fails() {
	shown "$2"
	[ "$status" != 0 ] || fail "this should have failed"
	grep -qE -- "$1" <<<"$output" || fail "the output has no \"$1\""
}
