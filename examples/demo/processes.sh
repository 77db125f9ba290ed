# The demo's processes, from their start to the end of everything.
# Needs places.sh and show.sh.
# shellcheck shell=bash
# shellcheck disable=SC2034 # the other parts use what is found out here

: "${folder:?}" "${id:?}" "${namespaces:?}"
cleaned_up=false # set when there is nothing left to clean up
pids=()
declare -A pid_of
ready='' # what the last daemon said when it was

# launch PLACE NAME COMMAND...: in the background, logging to NAME.log
launch() {
	local place=$1 name=$2
	shift 2
	(exec_in "$place" "$@") >>"$name.log" 2>&1 </dev/null &
	pid_of[$name]=$!
	pids+=("$!")
}

# start PLACE "hybridge-NAME ARGUMENT...": shows it, waits until it is $ready
start() {
	local name=${2%% *}
	local -a words
	read -ra words <<<"$2"
	name=${name#hybridge-}
	prompt "$1" "$2 &"
	rm -f ready
	mkfifo ready
	launch "$1" "$name" bash -c 'exec 9>ready; exec "$@" --ready-fd 9' sh "${words[@]}"
	ready=$(timeout 20 cat ready) || fail "hybridge-$name did not get ready"
	[ -n "$ready" ] || fail "hybridge-$name ended"
	ready=${ready#ready }
}

# stop NAME: as a service manager does
stop() {
	prompt private "kill \$agent"
	kill "${pid_of[$1]}"
	wait "${pid_of[$1]}" || fail "hybridge-$1 left with status $?"
}

# until_true COMMAND...: waits until it succeeds, at most 20 seconds
until_true() {
	local end=$((SECONDS + 20))
	until "$@" 2>/dev/null; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.02
	done
	return 0
}

# wait_for WHAT COMMAND...: likewise, or that is the end
wait_for() {
	local what=$1
	shift
	until_true "$@" || fail "$what did not get ready"
}

# The sender was started by the library: it is found by the folder it works in.
our_pids() {
	local process
	if $namespaces; then
		for process in cloud relay private; do
			ip netns pids "hybridge-$id-$process"
		done
		return
	fi
	for process in /proc/[0-9]*; do
		[ "${process#/proc/}" != $$ ] || continue
		if grep -qsF "$folder/" "$process/environ" "$process/cmdline"; then
			echo "${process#/proc/}"
		fi
	done
}

none_left() {
	[ -z "$(our_pids)" ]
}

# Ends all processes, then removes the namespaces and the folder; says whether it could.
clean_up() {
	local pid place clean=true
	for pid in "${pids[@]}"; do
		kill -INT "$pid" 2>/dev/null
	done
	for pid in $(our_pids); do
		kill "$pid" 2>/dev/null
	done
	if ! until_true none_left; then
		clean=false
		for pid in $(our_pids); do
			kill -KILL "$pid" 2>/dev/null
		done
	fi
	wait
	if $namespaces; then
		for place in cloud relay private; do
			ip netns delete "hybridge-$id-$place" || clean=false
		done
	fi
	cd /
	rm -rf "$folder"
	$clean && [ ! -e "$folder" ]
}

# leave STATUS: whatever happened
leave() {
	trap - EXIT
	trap '' INT TERM
	set +e
	$cleaned_up || clean_up 2>/dev/null
	exit "$1"
}
