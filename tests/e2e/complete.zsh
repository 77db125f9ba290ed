# complete.zsh - an interactive zsh that says what it would offer: ^T completes the line in $IN.
#
# Started by test_completion_zsh.py as its .zshrc.  Each offer is a line of $OUT, "WORD<tab>DESCRIPTION";
# "done" is the last line.  $SCRIPT, if it is set, is a command that prints the completion; else the function is in $COMPLETION.
unsetopt autolist automenu beep
PS1=
# One description for each word.
zstyle ':completion:*' list-grouped false

# What completes is what it would be: the same arguments, but with the result in arrays first.
compadd() {
	local -a words descriptions
	local at
	# Those with -A, -D or -O only ask which elements of an array match.
	if [[ " ${@[1,(i)(-|--)]} " != *' -'[A-Za-z]#[ADO]' '* ]]; then
		at=${@[(i)-[a-zA-Z0-9]#d]}
		((at < $#)) && descriptions=("${(@P)@[at + 1]}")
		builtin compadd -A words -D descriptions "$@"
		for ((at = 1; at <= $#words; at++)); do
			print -r -- "$words[at]	${descriptions[at]#*-- }"
		done >>$OUT
	fi
	builtin compadd "$@"
}

ask() {
	BUFFER=$(<$IN)
	CURSOR=$#BUFFER
	zle complete-word
	BUFFER=
	print done >>$OUT
}

# To look through all of zsh's own functions takes ten times as long.
all=($fpath)
base=${${(M)all:#*/Completion}[1]}
fpath=($COMPLETION $base $base/Base $base/Zsh)
autoload -U compinit
compinit -u -D
fpath=($COMPLETION $all)
autoload -Uz $base/Unix/_*(:t)
# A command that has a completion.
_told() { compadd told untold }
compdef _told hybridge-completion-test
[[ -z $SCRIPT ]] || source <($=SCRIPT)
zle -N ask
bindkey '^T' ask
print done >>$OUT
