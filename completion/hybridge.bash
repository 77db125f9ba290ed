# shellcheck shell=bash
# Completion of hybridge for bash: commands, options, files, and names of connections.
#
# Installed as bash-completion's completions/hybridge; or by hand: source <(hybridge completion bash)
# Names come from the running sender, if there is one.  Nothing here says anything on an error.

# Adds the words of $1 that begin as the current one does.
_hybridge_offer() {
	local word
	for word in $1; do
		[[ $word != "$cur"* ]] || COMPREPLY+=("$word")
	done
}

# Adds what compgen finds, with its arguments; "filenames" has bash quote it, and add a slash.
_hybridge_find() {
	local found
	while IFS= read -r found; do
		COMPREPLY+=("$found")
	done < <(compgen "$@" -- "$cur" 2>/dev/null)
	compopt -o filenames 2>/dev/null
}

# Adds the connections of the sender that the file $2 means, asking the command $1.
_hybridge_names() {
	local command=${1/#'~/'/"$HOME/"} file=${2/#'~/'/"$HOME/"}
	local -a ask=(timeout 2 "$command" status --json)
	[[ -z $file ]] || ask+=(-f "$file")
	_hybridge_offer "$("${ask[@]}" 2>/dev/null </dev/null |
		sed -n 's/^ *"name": "\([a-z0-9_]*\)",*$/\1/p' 2>/dev/null)"
}

# Completes word number $1 and those behind it as the shell does for a command.
_hybridge_command() {
	if declare -F _command_offset >/dev/null; then
		_command_offset "$1" 2>/dev/null
	elif ((COMP_CWORD == $1)); then
		_hybridge_find -c
	else
		_hybridge_find -f
	fi
}

# Sets first to the number of the first word, from $1 on, that is no option, nor the value of one
# of the options in $2; COMP_CWORD when the current word is the value of one, which wants is then.
# The last file that -f named is in file.
_hybridge_skip() {
	local at=$1
	wants='' file=''
	for (( ; at < COMP_CWORD; at++)); do
		local word=${COMP_WORDS[at]}
		case $word in
		--)
			((at++))
			break
			;;
		-f?*) file=${word#-f} ;;
		-*)
			if [[ " $2 " == *" $word "* ]]; then
				((++at))
				# Bash makes three words of --dir=x.
				[[ ${COMP_WORDS[at]} != '=' ]] || ((at == COMP_CWORD || ++at))
				[[ $word != -f ]] || file=${COMP_WORDS[at]}
				((at < COMP_CWORD)) || wants=$word
			fi
			;;
		*) break ;;
		esac
	done
	[[ -z $wants || $cur != '=' ]] || cur=''
	first=$at
}

_hybridge_key() {
	if ((COMP_CWORD == 2)); then
		_hybridge_offer 'new token inspect'
		[[ $cur != -* ]] || _hybridge_offer '-h --help'
		return
	fi
	_hybridge_skip 3 '--hc --relay --dir --ttl'
	if [[ $wants == --dir ]]; then
		_hybridge_find -d
	elif [[ -z $wants && $cur == -* ]]; then
		case ${COMP_WORDS[2]} in
		new) _hybridge_offer '--hc --relay --dir -h --help' ;;
		token) _hybridge_offer '--ttl -h --help' ;;
		inspect) _hybridge_offer '-h --help' ;;
		esac
	fi
}

_hybridge_run() {
	_hybridge_skip 2 '-f'
	if [[ -n $wants ]]; then
		_hybridge_find -f
	elif ((first == COMP_CWORD)) && [[ $cur == -* && ${COMP_WORDS[first - 1]} != -- ]]; then
		_hybridge_offer '-f -v --strict --no-strict -h --help --'
	else
		_hybridge_command "$first"
	fi
}

_hybridge_dev() {
	local at
	for ((at = 2; at < COMP_CWORD; at++)); do
		[[ ${COMP_WORDS[at]} != -- ]] || break
	done
	if ((at < COMP_CWORD)); then
		_hybridge_command $((at + 1))
	elif [[ $cur == -* ]]; then
		_hybridge_offer '-v -h --help --'
	fi
}

_hybridge_status() {
	_hybridge_skip 2 '-f'
	if [[ -n $wants ]]; then
		_hybridge_find -f
	elif [[ $cur == -* ]]; then
		_hybridge_offer '-f --json -h --help'
	elif ((first == COMP_CWORD)); then
		_hybridge_names "$1" "$file"
	fi
}

_hybridge_ping() {
	_hybridge_skip 2 '-f -c -i --timeout'
	if [[ $wants == -f ]]; then
		_hybridge_find -f
	elif [[ -z $wants && $cur == -* ]]; then
		_hybridge_offer '-f -c -i --timeout --json -h --help'
	elif [[ -z $wants ]] && ((first == COMP_CWORD)); then
		_hybridge_names "$1" "$file"
	fi
}

_hybridge_wait() {
	_hybridge_skip 2 '-f --timeout'
	if [[ $wants == -f ]]; then
		_hybridge_find -f
	elif [[ -z $wants && $cur == -* ]]; then
		_hybridge_offer '-f --timeout -h --help'
	elif [[ -z $wants ]]; then
		_hybridge_names "$1" "$file"
	fi
}

_hybridge_logs() {
	_hybridge_skip 2 '-f -n --since --stream'
	if [[ $wants == -f ]]; then
		_hybridge_find -f
	elif [[ -z $wants && $cur == -* ]]; then
		_hybridge_offer '-f -F --follow -n --since --stream -h --help'
	elif [[ -z $wants ]] && ((first == COMP_CWORD)); then
		_hybridge_names "$1" "$file"
	fi
}

_hybridge_config() {
	if ((COMP_CWORD == 2)); then
		_hybridge_offer 'check show explain keys'
		[[ $cur != -* ]] || _hybridge_offer '-h --help'
		return
	fi
	_hybridge_skip 3 '-f'
	if [[ -n $wants ]]; then
		_hybridge_find -f
	elif [[ $cur == -* ]]; then
		case ${COMP_WORDS[2]} in
		show) _hybridge_offer '-f --json -h --help' ;;
		keys) _hybridge_offer '-h --help' ;;
		*) _hybridge_offer '-f -h --help' ;;
		esac
	fi
}

_hybridge() {
	local cur=${COMP_WORDS[COMP_CWORD]} first wants file
	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		_hybridge_offer 'run dev status doctor ping wait logs config key completion version'
		[[ $cur != -* ]] || _hybridge_offer '-h --help -V --version'
		return
	fi
	case ${COMP_WORDS[1]} in
	run) _hybridge_run ;;
	dev) _hybridge_dev ;;
	status | doctor) _hybridge_status "$1" ;;
	ping) _hybridge_ping "$1" ;;
	wait) _hybridge_wait "$1" ;;
	logs) _hybridge_logs "$1" ;;
	config) _hybridge_config ;;
	key) _hybridge_key ;;
	completion)
		_hybridge_offer 'bash zsh'
		[[ $cur != -* ]] || _hybridge_offer '-h --help'
		;;
	version) _hybridge_offer '--json -h --help' ;;
	esac
}

complete -F _hybridge hybridge
